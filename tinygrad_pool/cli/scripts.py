"""Commands that run a script and look at one of its Values."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_pool.cli import user_script
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import GradientError, GraphError, OptionError
from tinygrad_pool.files import check_folder
from tinygrad_pool.formatting import counted, written
from tinygrad_pool.nn.module import Module

if TYPE_CHECKING:
    from tinygrad_pool.recording.recording import Recording


def draw(options: argparse.Namespace) -> None:
    """Draw a Value of a script to a file."""
    from tinygrad_pool import drawing

    check_folder(options.out)
    value, made = value_from(options, "draw")
    looks = {"detail": options.detail, "show": options.show, "theme": options.theme}
    size = {"width": options.width, "height": options.height}
    path = drawing.render(value, options.out, names=made, **size, **looks)
    print(f"{path} shows {value!r:.80}")


def tree(options: argparse.Namespace) -> None:
    """Write a Value's graph as text."""
    from tinygrad_pool import drawing

    value, made = value_from(options, "tree")
    print(drawing.tree(value, names=made))


def frames(options: argparse.Namespace) -> None:
    """Draw the backward pass of a script, one slide per step."""
    from tinygrad_pool import drawing

    check_folder(options.out)
    value, made = fresh_from(options, "frames")
    looks = {"format": options.format, "theme": options.theme}
    files = drawing.frames(value, options.out, gradient=ones_of(value), names=made, **looks)
    print(f"{counted(len(files), 'file')} in {options.out}, from {files[0].name} on")


def debug(options: argparse.Namespace) -> None:
    """Step through the backward pass of a script, apart from what the script printed."""
    from tinygrad_pool import debugger
    from tinygrad_pool.debugger.colours import coloured

    value, made = fresh_from(options, "debug")
    gradient = ones_of(value)
    _forget_own(value, gradient)
    ends = f"── {options.script.name} has run; its backward pass follows ──"
    print(coloured(written(ends, sys.stdout), sys.stdout))
    debugger.debug(value, gradient, names=made, commands=options.commands, pdb=options.pdb)


def diagnose(options: argparse.Namespace) -> None:
    """Diagnose why a script's network does not learn."""
    from tinygrad_pool import diagnosis

    value, made = fresh_from(options, "diagnose")
    print(diagnosis.diagnose(value, ones_of(value), names=made))


def play(options: argparse.Namespace) -> None:
    """Write a page that plays the backward pass of a script."""
    check_folder(options.out)
    value, made = fresh_from(options, "play")
    recording = recorded(value, made)
    path = recording.to_html(options.out, start="predict" if options.predict else "play")
    print(f"{path} plays {counted(len(recording), 'step')} back from {value!r:.80}")
    if options.open:
        webbrowser.open(path.resolve().as_uri())


def recorded(value: Value, made: dict[str, Any]) -> Recording:
    """Record the pass of a script's Value, as at its first; where it is an array, of its sum."""
    from tinygrad_pool.recording import record

    gradient = ones_of(value)
    _forget_own(value, gradient)
    return record(value, gradient, names=made)


def ones_of(value: Value) -> Any:
    """Return the gradient a pass from a Value starts with: ones where it is an array."""
    return None if value.size == 1 else np.ones(value.shape)


def _forget_own(value: Value, gradient: Any) -> None:
    """Forget the gradients of a script's own pass, so that it can be stepped through as if new.

    Gradients of other passes stay, so that a forgotten zero_grad() shows.
    """
    from tinygrad_pool.recording import record

    nodes = topological_order(value)
    if any(node.has_grad for node in nodes):
        left = record(value, gradient).left
        for node in nodes:
            node.grad = left.get(node)


def value_from(options: argparse.Namespace, command: str) -> tuple[Value, dict[str, Any]]:
    """Run a script; return one of the Values that it made, and all its names."""
    made = made_by(options, command)
    return value_of(made, options.value, str(options.script)), made


def made_by(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """Run a script; return all names of its top level."""
    if not user_script.is_there(options.script):
        raise OptionError(f"{command}: there is no script {options.script}")
    return user_script.run(options.script, options.arguments)


def fresh_from(options: argparse.Namespace, command: str) -> tuple[Value, dict[str, Any]]:
    """Do as `value_from`, for a command that goes back through the graph.

    Raises GraphError if that is out of date, as that of a loss is after a step of an optimizer.
    """
    value, made = value_from(options, command)
    check_fresh(command, value, made, options.script)
    return value, made


def check_fresh(command: str, value: Value, made: dict[str, Any], script: Path) -> None:
    """Raise GraphError, which says what to add to a script, if a graph is out of date."""
    try:
        check_not_stale(topological_order(value), create_graph=False)
    except GraphError as error:
        name = next(name for name, other in made.items() if other is value)
        raise GraphError(
            f"{command}: {str(error).removeprefix('backward: ')}: compute {name} once more at the "
            f"end of {script}, after the last update"
        ) from error


def value_of(made: dict[str, Any], name: str | None, script: str) -> Value:
    """Choose the Value called `name`, or the last number that a script made at top level.

    Raises OptionError, which lists the Values there are.
    """
    values = {n: v for n, v in made.items() if isinstance(v, Value)}
    numbers = [v for v in values.values() if v.size == 1]
    if name in values:
        return values[name]
    if name is None and numbers:
        return max(numbers, key=lambda v: v._order)
    wanted = f"Value called {name!r}" if name else "Value that is a number"
    last = max(values, key=lambda n: values[n]._order, default="")
    other = "; what a function makes counts if it is kept outside, as in loss = main()"
    raise OptionError(
        f"{script} has no {wanted} at top level; it has {', '.join(values) or f'none{other}'}"
        + (f" (--value {last} selects that one)" if last else "")
    )


def unroll(options: argparse.Namespace) -> None:
    """Print both passes of a script as a straight-line program."""
    from tinygrad_pool.codegen import unrolled

    value, made = fresh_from(options, "unroll")
    print(unrolled.unroll(value, ones_of(value), names=made))


def export(options: argparse.Namespace) -> None:
    """Write a network of a script, or the graph of a Value, as an ONNX file."""
    from tinygrad_pool.bridges import to_onnx

    check_folder(options.out)
    made = made_by(options, "export")
    network = _network(made, options)
    inputs = [_input(made, name, options) for name in options.inputs.split(",") if name]
    if isinstance(network, Module) and not inputs:
        raise OptionError(
            "export: a network needs example inputs: --inputs x names arrays or Values that the "
            f"script made; it has {', '.join(_numbers_in(made)) or 'none'}"
        )
    path = to_onnx(network, options.out, *inputs)
    print(f"{path} has {type(network).__name__} of {options.script}")


def _network(made: dict[str, Any], options: argparse.Namespace) -> Module | Value:
    """Choose what is called so; else the last network; else the last number."""
    networks = {n: v for n, v in made.items() if isinstance(v, Module)}
    if options.value in networks:
        return networks[options.value]
    if options.value is None and networks:
        return [*networks.values()][-1]
    return value_of(made, options.value, str(options.script))


def _numbers_in(made: dict[str, Any]) -> list[str]:
    return [n for n, v in made.items() if isinstance(v, Value | np.ndarray)]


def _input(made: dict[str, Any], name: str, options: argparse.Namespace) -> Any:
    name = name.strip()
    if name not in _numbers_in(made):
        known = ", ".join(_numbers_in(made)) or "none"
        raise OptionError(
            f"export: {options.script} has no array or Value called {name!r}; it has {known}"
        )
    return made[name]


def crosscheck(options: argparse.Namespace) -> None:
    """Compute each node of a script's graph in PyTorch, too, and compare.

    Raises GradientError if something differs.
    """
    from tinygrad_pool import bridges

    value, _ = fresh_from(options, "crosscheck")
    result = bridges.crosscheck(value)
    print(result)
    if not result.ok:
        n = len(result.differences)
        raise GradientError(f"crosscheck: {counted(n, 'difference')} from PyTorch")
