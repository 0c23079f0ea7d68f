"""Commands that use the handwritten digits: the demo, and the equivalence of pools and weights."""

import argparse
import time
from typing import TYPE_CHECKING

from tinygrad_pool.cli.scripts import fresh_from, ones_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import GradientError, OptionError
from tinygrad_pool.files import check_path, whole_folder
from tinygrad_pool.formatting import counted

NEXT = (
    "\nOpen F4 first: it shows the unit of the table above, with every δ. F1 to F4 are the four "
    "figures of the derivation; docs/derivation.md explains it line by line.\n"
    "Then step through a pass, in the folder of the repository: "
    "tinygrad-pool play examples/03_pooling_unit.py --open"
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tinygrad_pool.cli.demo import DigitsNet, PoolingUnit, Progress


def demo(options: argparse.Namespace) -> None:
    """Train on real digits, check the derivation in the network, and draw it."""
    from rich.console import Console

    from tinygrad_pool import datasets
    from tinygrad_pool.cli.demo import DigitsNet, busiest_unit, files_of, hardest, look_inside

    console = Console(quiet=options.quiet)
    with whole_folder(options.out) as folder:
        net = DigitsNet(options.seed)
        _, (images, labels) = datasets.digits()
        progress = _train(net, options.epochs, options.seed, len(images), console)
        chosen = hardest(net, images, labels)
        inside = look_inside(net, images[chosen], int(labels[chosen]))
        unit = busiest_unit(net, inside)
        _report(unit, console)
        files = files_of(net, progress, unit)
        drawn = {file.name: file for file in reversed(files) if file.content}
        folder |= {name: file.content for name, file in drawn.items()}
    table = _table(f"Written to {options.out}", "file", "what it shows")
    for file in reversed(drawn.values()):
        table.add_row(file.name, file.shows)
    console.print(table)
    console.print(NEXT)
    if missing := {file.missing: None for file in files if file.missing}:
        install = "pip install 'tinygrad_pool[demo]' installs what is missing"
        console.print(f"\nSome files are missing; {install}:", *missing, sep="\n- ", markup=False)


def _train(net: "DigitsNet", epochs: int, seed: int, tested: int, console: "Console") -> "Progress":
    from rich.progress import Progress as Bar

    from tinygrad_pool.cli.demo import train

    started = time.perf_counter()
    console.print("Training conv → relu → max pool → … → linear on handwritten digits.")
    with Bar(console=console, transient=True, disable=console.quiet) as bar:
        task = bar.add_task("training", total=1.0)
        for progress in train(net, epochs, seed):
            bar.update(task, completed=progress.share)
    console.print(
        f"{progress.accuracies[-1]:.1%} of {tested} test images are classified correctly, "
        f"after {counted(epochs, 'epoch')} in {time.perf_counter() - started:.1f} s.\n"
    )
    return progress


def _report(unit: "PoolingUnit", console: "Console") -> None:
    """Print the window, the winner, and δ of each unit, from backward and from the 0/1 weights."""
    inside = unit.inside
    console.print(
        f"The hardest image is a {inside.label}, with a loss of {inside.loss.item():.2f}. "
        f"Of its inner pooling units over four different numbers, the one in row {unit.row}, "
        f"column {unit.column} of channel {unit.channel} has the largest δ:\n"
    )
    table = _table(
        "", "unit l", "row, column", "z_l", "weight", "δ_l by backward", "δ_l by weights"
    )
    z, deltas, by_weights = map(unit.window, (inside.z, inside.deltas, inside.by_weights))
    winner = int(z.argmax())
    for k, (down, right) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        table.add_row(
            str(k + 1),
            f"{2 * unit.row + down}, {2 * unit.column + right}",
            f"{z[k]:.4f}",
            "1" if k == winner else "0",
            f"{deltas[k]:.6g}",
            f"{by_weights[k]:.6g}",
            style="bold" if k == winner else "",
        )
    console.print(table)
    delta = inside.pooled_deltas[unit.channel, unit.row, unit.column]
    console.print(f"The whole δ(2) = {delta:.6g} goes to the winner, unit {winner + 1}.")
    units, equal = inside.deltas.size, int((inside.deltas == inside.by_weights).sum())
    console.print(
        "Below the whole pooling layer, δ from backward and δ from its 0/1 weights P, "
        f"σ'(a) Pᵀ δ(2), are equal bit for bit in {equal} of {units} units.\n"
    )


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def equivalence(options: argparse.Namespace) -> None:
    """Show that the pools of a network are equal to layers of 0/1 weights."""
    from tinygrad_pool.drawing.rendering import KINDS, render
    from tinygrad_pool.pooling_as_weights.comparison import compare_weight_layer

    check_path(options.out, "equivalence", *KINDS)
    loss = fresh_from(options, rules=True)[0] if options.script else _loss_on_digits()
    comparison = compare_weight_layer(loss, ones_of(loss))
    try:
        picture = comparison.draw()
    except OptionError as error:
        raise OptionError(f"equivalence: {str(error).removeprefix('draw: ')}") from error
    print(comparison)
    print(f"\n{render(picture, options.out)} shows a window of both networks side by side")
    if not comparison.holds:
        raise GradientError("equivalence: the two networks differ")


def _loss_on_digits() -> Value:
    """Train a network on the digits, and compute its loss on all test images."""
    from rich.console import Console

    from tinygrad_pool import datasets, nn
    from tinygrad_pool.cli.demo import DigitsNet

    net = DigitsNet(seed=0)
    _, (images, labels) = datasets.digits()
    _train(net, epochs=5, seed=0, tested=len(images), console=Console())
    return nn.cross_entropy(net(images), labels)
