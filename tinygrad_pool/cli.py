"""The command line: `tinygrad-pool demo`, and draw, play, debug and more for scripts."""

import argparse
import runpy
import sys
import time
import webbrowser
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tinygrad_pool import __version__
from tinygrad_pool.engine import Value
from tinygrad_pool.errors import GradientError, OptionError, TinygradPoolError, ToolError
from tinygrad_pool.files import check_folder, whole_folder, write_whole
from tinygrad_pool.graph import ancestors
from tinygrad_pool.setting import traced

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tinygrad_pool.demo import DigitsNet, PoolingUnit, Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0, 1 for an error, 2 for a bad flag, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks δ shows ?, and goes on
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except TinygradPoolError as error:
        print(f"tinygrad-pool: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinygrad-pool: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (--help lists the options)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> _Parser:
    parser = _Parser(prog="tinygrad-pool", description="See and step through backpropagation.")
    parser.add_argument("--version", action="version", version=f"tinygrad-pool {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="train on real digits, check the derivation, draw it")
    demo.add_argument("--out", type=Path, default=Path("tinygrad_pool_demo"), metavar="FOLDER")
    demo.add_argument("--seed", type=_natural, default=0, metavar="N")
    demo.add_argument("--epochs", type=_positive, default=30, metavar="N")
    demo.add_argument("--quiet", action="store_true", help="print nothing but errors")
    demo.set_defaults(run=_demo)

    draw = commands.add_parser("draw", help="run a script and draw one of its Values")
    draw.add_argument("script", type=Path, metavar="SCRIPT.py")
    draw.add_argument("--value", metavar="NAME", help="default: the last number it made")
    draw.add_argument("-o", "--out", type=Path, default=Path("graph.svg"), metavar="FILE")
    draw.add_argument("--detail", default="auto", help="auto, full, ops or layers")
    draw.add_argument("--show", default="data,grad,heat", help="data,grad,local,contribution …")
    draw.add_argument("--theme", default="light", help="light or dark")
    draw.set_defaults(run=_draw)

    text = commands.add_parser("tree", help="run a script and write one of its Values as text")
    text.add_argument("script", type=Path, metavar="SCRIPT.py")
    text.add_argument("--value", metavar="NAME", help="default: the last number it made")
    text.set_defaults(run=_tree)

    slides = commands.add_parser("frames", help="draw a script's backward pass, a slide each step")
    slides.add_argument("script", type=Path, metavar="SCRIPT.py")
    slides.add_argument("--value", metavar="NAME", help="default: the last number it made")
    slides.add_argument("-o", "--out", type=Path, default=Path("slides"), metavar="FOLDER")
    slides.add_argument("--format", default="svg", help="svg, png, pdf or gif")
    slides.add_argument("--theme", default="light", help="light or dark")
    slides.set_defaults(run=_frames)

    steps = commands.add_parser("debug", help="step through a script's backward pass at a prompt")
    steps.add_argument("script", type=Path, metavar="SCRIPT.py")
    steps.add_argument("--value", metavar="NAME", help="default: the last number it made")
    steps.add_argument("-c", "--commands", default="", help="run these first, separated by ;")
    steps.add_argument("--pdb", action="store_true", help="in Python's own debugger, a stop a node")
    steps.set_defaults(run=_debug)

    editor = commands.add_parser("vscode", help="write how VS Code steps from closure to closure")
    editor.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="FOLDER")
    editor.add_argument("--print", action="store_true", help="write nothing, print it")
    editor.set_defaults(run=_vscode)

    player = commands.add_parser("play", help="write a page that plays a script's backward pass")
    player.add_argument("script", type=Path, metavar="SCRIPT.py")
    player.add_argument("--value", metavar="NAME", help="default: the last number it made")
    player.add_argument("-o", "--out", type=Path, default=Path("backward.html"), metavar="FILE")
    player.add_argument("--open", action="store_true", help="open it in the browser, too")
    player.set_defaults(run=_play)

    same = commands.add_parser(
        "equivalence", help="show that pooling is a layer of 0/1 weights, in a script's network"
    )
    same.add_argument(
        "script",
        type=Path,
        nargs="?",
        metavar="SCRIPT.py",
        help="default: a network trained on the digits, over all images that it has not seen",
    )
    same.add_argument("--value", metavar="NAME", help="default: the last number it made")
    same.add_argument("-o", "--out", type=Path, default=Path("equivalence.svg"), metavar="FILE")
    same.set_defaults(run=_equivalence)
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"needs a whole number, 0 or more, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if _natural(text) == 0:
        raise argparse.ArgumentTypeError("needs a whole number, 1 or more, got '0'")
    return int(text)


def _demo(options: argparse.Namespace) -> None:
    from rich.console import Console

    from tinygrad_pool import datasets

    _check_installed("demo")
    from tinygrad_pool.demo import DigitsNet, busiest_unit, files_of, hardest, look_inside

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
        for file in files:
            write_whole(folder / file.name, file.content)
    table = _table(f"Written to {options.out}", "file", "what it shows")
    for file in files:
        table.add_row(file.name, file.shows)
    console.print(table)


def _check_installed(command: str) -> None:
    if missing := [name for name in ("matplotlib", "threadpoolctl") if find_spec(name) is None]:
        raise ToolError(
            f"{command}: needs {' and '.join(missing)}: pip install 'tinygrad_pool[demo]'"
        )


def _train(net: "DigitsNet", epochs: int, seed: int, unseen: int, console: "Console") -> "Progress":
    from rich.progress import Progress as Bar

    from tinygrad_pool.demo import train

    started = time.perf_counter()
    console.print("Training conv → relu → max pool → … → linear on handwritten digits.")
    with Bar(console=console, transient=True, disable=console.quiet) as bar:
        task = bar.add_task("training", total=1.0)
        for progress in train(net, epochs, seed):
            bar.update(task, completed=progress.share)
    console.print(
        f"{progress.accuracies[-1]:.1%} right of {unseen} images that it has not seen, "
        f"after {epochs} epochs in {time.perf_counter() - started:.1f} s.\n"
    )
    return progress


def _report(unit: "PoolingUnit", console: "Console") -> None:
    """Print the window, the winner, and δ of every unit, by backward and by the 0/1 weights."""
    inside = unit.inside
    console.print(
        f"The hardest of them is a {inside.label}, with a loss of {inside.loss.item():.2f}. "
        f"Of its pooling units, number {unit.row}, {unit.column} of channel {unit.channel} "
        "takes part in that the most:\n"
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
    console.print(f"The whole δ(2) = {delta:.6g} goes to unit {winner + 1}, the largest.")
    units, equal = inside.deltas.size, int((inside.deltas == inside.by_weights).sum())
    console.print(
        f"Below the whole pool, δ by backward and by the 0/1 weights P, σ'(a) Pᵀ δ(2): "
        f"{equal} of {units} units equal bit for bit.\n"
    )


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _draw(options: argparse.Namespace) -> None:
    from tinygrad_pool.drawing import draw, render

    check_folder(options.out)
    value, made = _value_from(options, "draw")
    drawn = draw(value, names=made, detail=options.detail, show=options.show, theme=options.theme)
    print(f"{render(drawn, options.out)} shows {value!r:.80}")


def _tree(options: argparse.Namespace) -> None:
    from tinygrad_pool.drawing import tree

    value, made = _value_from(options, "tree")
    print(tree(value, names=made))


def _frames(options: argparse.Namespace) -> None:
    from tinygrad_pool.drawing import frames

    check_folder(options.out)
    value, made = _value_from(options, "frames")
    gradient = None if value.size == 1 else np.ones(value.shape)
    looks = {"format": options.format, "theme": options.theme}
    files = frames(value, options.out, gradient=gradient, names=made, **looks)
    print(f"{len(files)} files in {options.out}, from {files[0].name} on")


def _debug(options: argparse.Namespace) -> None:
    from tinygrad_pool.debugger import debug

    value, made = _fresh(*_value_from(options, "debug"))
    gradient = None if value.size == 1 else np.ones(value.shape)
    debug(value, gradient, names=made, commands=options.commands, pdb=options.pdb)


def _play(options: argparse.Namespace) -> None:
    from tinygrad_pool.debugger import record
    from tinygrad_pool.drawing.words import counted

    check_folder(options.out)
    value, made = _fresh(*_value_from(options, "play"))
    gradient = None if value.size == 1 else np.ones(value.shape)
    passed = record(value, gradient, names=made)
    path = passed.to_html(options.out)
    print(f"{path} plays {counted(len(passed), 'step')} back from {value!r:.80}")
    if options.open:
        webbrowser.open(path.resolve().as_uri())


def _vscode(options: argparse.Namespace) -> None:
    from tinygrad_pool.debugger.vscode import HOW, launch_json, write_launch_json

    if options.print:
        print(launch_json(), end="")
    else:
        print(f"{write_launch_json(options.folder)} is written.\n{HOW}")


def _equivalence(options: argparse.Namespace) -> None:
    from tinygrad_pool.drawing import render
    from tinygrad_pool.equivalence import compare_weight_layer

    check_folder(options.out)
    loss = _value_from(options, "equivalence")[0] if options.script else _loss_on_digits()
    gradient = None if loss.size == 1 else np.ones(loss.shape)
    found = compare_weight_layer(loss, gradient)
    picture = found.draw()
    print(found)
    print(f"\n{render(picture, options.out)} shows a window of both networks side by side")
    if not found.holds:
        raise GradientError("equivalence: the two networks differ")


def _loss_on_digits() -> Value:
    """Train a network on the digits, and compute its loss on all images that it has not seen."""
    from rich.console import Console

    from tinygrad_pool import datasets, nn

    _check_installed("equivalence")
    from tinygrad_pool.demo import DigitsNet

    net = DigitsNet(seed=0)
    _, (images, labels) = datasets.digits()
    _train(net, epochs=5, seed=0, unseen=len(images), console=Console())
    return nn.cross_entropy(net(images), labels)


def _fresh(value: Value, made: dict[str, Any]) -> tuple[Value, dict[str, Any]]:
    """Forget gradients: a script that ran its own pass is stepped through as at its first."""
    for node in ancestors(value):
        node.zero_grad()
    return value, made


def _value_from(options: argparse.Namespace, command: str) -> tuple[Value, dict[str, Any]]:
    """Run a script and choose one of the Values that it made; return all that it made, too."""
    if not options.script.is_file():
        raise OptionError(f"{command}: there is no script {options.script}")
    sys.argv[:] = [str(options.script)]
    sys.path.insert(0, str(options.script.resolve().parent))
    with traced():
        made = runpy.run_path(str(options.script), run_name="__main__")
    return value_of(made, options.value, str(options.script)), made


def value_of(made: dict[str, Any], name: str | None, script: str) -> Value:
    """Choose the Value called `name`, or the last number that a script made at top level.

    Raises OptionError, which lists the Values there are.
    """
    values = {n: v for n, v in made.items() if isinstance(v, Value)}
    numbers = [v for v in values.values() if v.size == 1]
    if name in values:
        return values[name]
    if name is None and numbers:
        return max(numbers, key=lambda v: v._time)
    wanted = f"Value called {name!r}" if name else "Value that is a number"
    raise OptionError(
        f"{script} made no {wanted} at top level; it has {', '.join(values) or 'none'}"
    )
