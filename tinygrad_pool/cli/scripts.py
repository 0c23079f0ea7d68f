"""Commands that run a script and use one of its Values."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_pool.cli import user_script
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import GradientError, GraphError, OptionError
from tinygrad_pool.files import check_folder, check_path
from tinygrad_pool.formatting import counted, written
from tinygrad_pool.nn.module import Module

if TYPE_CHECKING:
    from tinygrad_pool.recording.recording import Recording


def draw(options: argparse.Namespace) -> None:
    """Draw a Value of a script to a file."""
    from tinygrad_pool import drawing
    from tinygrad_pool.drawing.rendering import KINDS

    check_path(options.out, "draw", *KINDS)
    looks = {"detail": options.detail, "show": options.show, "theme": options.theme}
    drawing.draw(Value(0.0), **looks)  # checks the options before the script runs
    value, made = value_from(options)
    size = {"width": options.width, "height": options.height}
    path = drawing.render(value, options.out, names=made, **size, **looks)
    print(f"{path} shows {_name(value, made)}")


def tree(options: argparse.Namespace) -> None:
    """Print a Value's graph as text."""
    from tinygrad_pool import drawing

    value, made = value_from(options)
    print(drawing.tree(value, names=made))


def frames(options: argparse.Namespace) -> None:
    """Draw the backward pass of a script, one slide per step."""
    from tinygrad_pool import drawing

    check_folder(options.out)
    value, made = fresh_from(options)
    looks = {"format": options.format, "theme": options.theme}
    files = drawing.frames(value, options.out, gradient=ones_of(value), names=made, **looks)
    print(f"{counted(len(files), 'file')} in {options.out}; the first is {files[0].name}")


def debug(options: argparse.Namespace) -> None:
    """Step through the backward pass of a script, below a line that ends the script's output."""
    from tinygrad_pool import debugger
    from tinygrad_pool.debugger.terminal import coloured

    value, made = fresh_from(options)
    gradient = recorded(value, made).gradient  # and without the gradients of its own pass
    line = f"── {options.script.name} has run; its backward pass follows ──"
    print(coloured(written(line, sys.stdout), sys.stdout))
    debugger.debug(value, gradient, names=made, commands=options.commands, pdb=options.pdb)


def diagnose(options: argparse.Namespace) -> None:
    """Diagnose why a script's network does not learn."""
    from tinygrad_pool import diagnosis

    value, made = fresh_from(options)
    print(diagnosis.diagnose(value, ones_of(value), names=made))


def play(options: argparse.Namespace) -> None:
    """Write a page that plays the backward pass of a script."""
    check_path(options.out, "play", "html")
    value, made = fresh_from(options)
    recording = recorded(value, made)
    path = recording.to_html(options.out, start="predict" if options.predict else "play")
    print(f"{path} plays {counted(len(recording), 'step')} back from {_name(value, made)}")
    if options.open:
        webbrowser.open(path.resolve().as_uri())


def _name(value: Value, made: dict[str, Any]) -> str:
    """Return the label of a Value or its variable in the script, or else its data."""
    return value.label or held_by(made).get(id(value), f"{value!r:.80}")


def recorded(value: Value, made: dict[str, Any]) -> Recording:
    """Record the backward pass of a script's Value, or of its sum if it is an array.

    The gradients of the script's own pass from this Value are removed. Those of other passes are
    kept, so that a forgotten zero_grad() shows.
    """
    from tinygrad_pool.recording import record

    recording = record(value, ones_of(value), names=made)
    left = recording.left
    for node in recording.nodes:
        node.grad = left.get(node)
    return recording


def ones_of(value: Value) -> Any:
    """Return the gradient to start a pass with: None for a number, ones for an array."""
    return None if value.size == 1 else np.ones(value.shape)


def value_from(options: argparse.Namespace) -> tuple[Value, dict[str, Any]]:
    """Run a script; return one of its Values, and all its top-level names."""
    made = made_by(options)
    return value_of(made, options.value, str(options.script)), made


def made_by(options: argparse.Namespace) -> dict[str, Any]:
    """Run a script; return its top-level names."""
    if not user_script.is_there(options.script):
        raise OptionError(f"{options.run.__name__}: there is no script {options.script}")
    return user_script.run(options.script, options.arguments)


def fresh_from(options: argparse.Namespace, rules: bool = False) -> tuple[Value, dict[str, Any]]:
    """Run a script as `value_from` does, for a command that needs a backward pass.

    With `rules`, the command runs the rules again, too. Raises GraphError if the graph is out of
    date, as that of a loss is after an optimizer step.
    """
    value, made = value_from(options)
    check_fresh(options.run.__name__, value, made, options.script, rules)
    return value, made


def check_fresh(
    command: str, value: Value, made: dict[str, Any], script: Path, rules: bool = False
) -> None:
    """Raise GraphError, with the fix for the script, if a graph is out of date."""
    try:
        check_not_stale(topological_order(value), create_graph=rules)
    except GraphError as error:
        name = next(name for name, other in made.items() if other is value)
        raise GraphError(
            f"{command}: {str(error).removeprefix('backward: ')}: compute {name} again at the end "
            f"of {script}, after the last update"
        ) from error


def value_of(made: dict[str, Any], name: str | None, script: str) -> Value:
    """Choose the Value called `name`, or the last number that a script computed at top level.

    Raises OptionError, which lists the script's Values, if there is none.
    """
    values = {n: v for n, v in made.items() if isinstance(v, Value)}
    computed = [v for v in values.values() if v.is_interior]
    numbers = [v for v in computed if v.size == 1]
    if name in values:
        return values[name]
    if name is None and numbers:
        return max(numbers, key=lambda v: v._order)
    missing = "computed number" if name is None else f"Value called {name!r}"
    last = max(values, key=lambda n: values[n]._order, default="")
    hint = (
        "; return a function's result to the top level, as in loss = main(), and call a "
        "function that tg.grad differentiates with Values, as in loss = f(tg.Value(x))"
    )
    raise OptionError(
        f"{script} has no {missing} at top level; it has {', '.join(values) or 'no Values'}"
        + (f" (--value {last} selects that one)" if last else "")
        + ("" if computed else hint)
    )


def unroll(options: argparse.Namespace) -> None:
    """Print both passes of a script as a straight-line program."""
    from tinygrad_pool.codegen import unrolled

    value, made = fresh_from(options, rules=True)
    print(unrolled.unroll(value, ones_of(value), names=made))


def export(options: argparse.Namespace) -> None:
    """Write a network of a script, or the graph of a Value, as an ONNX file."""
    from tinygrad_pool.bridges import to_onnx

    check_path(options.out, "export", "onnx")
    made = made_by(options)
    network = _network(made, options)
    inputs = [_input(made, name, options) for name in options.inputs.split(",") if name]
    if isinstance(network, Module) and not inputs:
        raise OptionError(
            "export: a network needs example inputs: --inputs x names arrays or Values of the "
            f"script; it has {', '.join(_numbers_in(made)) or 'none'}"
        )
    path = to_onnx(network, options.out, *inputs)
    kind = "graph" if isinstance(network, Value) else type(network).__name__
    print(f"{path} holds the {kind} of {options.script}")


def _network(made: dict[str, Any], options: argparse.Namespace) -> Module | Value:
    """Choose the network or Value named by --value; by default the last network, or number."""
    networks = {n: v for n, v in made.items() if isinstance(v, Module)}
    if options.value in networks:
        return networks[options.value]
    if options.value is None and networks:
        return [*networks.values()][-1]
    return value_of(made, options.value, str(options.script))


def _numbers_in(made: dict[str, Any]) -> list[str]:
    return [n for n, v in made.items() if isinstance(v, Value | np.ndarray)]


def _input(made: dict[str, Any], name: str, options: argparse.Namespace) -> Any:
    name, names = name.strip(), _numbers_in(made)
    if name not in names:
        listed = ", ".join(names) or "none"
        raise OptionError(
            f"export: {options.script} has no array or Value called {name!r}; it has {listed}"
        )
    return made[name]


def crosscheck(options: argparse.Namespace) -> None:
    """Compare each node of a script's graph with PyTorch's result.

    Raises GradientError if any differs.
    """
    from tinygrad_pool import bridges

    value, _ = fresh_from(options, rules=True)
    result = bridges.crosscheck(value)
    print(result)
    if not result.ok:
        n = len(result.differences)
        raise GradientError(f"crosscheck: {counted(n, 'difference')} from PyTorch")
