"""A graph as readable straight-line Python that computes the loss and all gradients."""

from __future__ import annotations

import linecache
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from itertools import count
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tinygrad_pool.codegen.conversions import KEEPERS
from tinygrad_pool.codegen.inlining import GIVEN
from tinygrad_pool.codegen.program import Program
from tinygrad_pool.codegen.spelling import WIDTH, filled, spelled
from tinygrad_pool.codegen.writer import Writer, key_of
from tinygrad_pool.drawing.variables import check_names
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.data import copied
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.rerun import changed, check_value, rerun
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted
from tinygrad_pool.recording.forks import choices_undone


class Outcome(NamedTuple):
    """The result of an unrolled pass: the loss, and the gradient of each leaf by its name."""

    loss: Any
    gradients: dict[str, Any]


class Unrolled:
    """A forward and a backward pass as Python source that can be read and called.

    `source` is the text, as is `str()`; `leaves` maps the names in it to the leaves. A call runs
    the text with the numbers of the graph, or with other numbers for some leaves, by name or by
    leaf: `unrolled(w=2.0)`, `unrolled({w: 2.0})`. It returns an Outcome.
    """

    numbers = count(1)

    def __init__(self, loss: Value, gradient: Any, variables: Mapping[Any, str]) -> None:
        nodes = topological_order(loss)
        (seed,) = grad(loss, loss, gradient)
        check_not_stale(nodes, create_graph=True, name="unroll")
        writer = Writer(nodes, seed, variables)
        self._loss, self._gradient, self._count = loss, gradient, len(nodes)
        self._traced = any(node.about.line for node in nodes)
        self._writer: Any = writer  # until it is compiled
        self._compiled: Callable[..., tuple[Any, dict[str, Any]]] | None = None
        self.name = writer.name[loss]
        self.leaves: dict[str, Any] = {writer.name[n]: n for n in nodes if n.is_leaf}
        self._name_of = {key: name for name, leaf in self.leaves.items() for key in (name, leaf)}
        self._numbers = {n: copied(leaf._numbers) for n, leaf in self.leaves.items()}
        large = {name: data for name, data in self._numbers.items() if spelled(data) is None}
        self._given = {**large, **writer.given}
        gradients = {name: f"g_{name}" for name in self.leaves}
        self.source = self._text(writer, writer.forward_lines, writer.backward_lines, gradients)

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        leaves = counted(len(self.leaves), "leaf", "leaves")
        return f"Unrolled({self.name}: {counted(self._count, 'node')}, {leaves})"

    def __call__(self, changes: Mapping[Value, Any] | None = None, /, **leaves: Any) -> Outcome:
        """Run both passes, optionally with other data for some leaves, by leaf or by name.

        Raises OptionError for anything but a leaf; DataError or ShapeError if data does not fit.
        """
        changed_data: dict[Any, Any] = {**(changes or {}), **leaves}
        new = {self._name_of.get(leaf) or self._refuse(leaf): x for leaf, x in changed_data.items()}
        self._warn(new)
        data = {n: changed(self._numbers[n], x, f"unrolled: {n}") for n, x in new.items()}
        try:
            loss, gradients = self._run(**self._given | data)
        except (ArithmeticError, TypeError, ValueError):  # 1 / 0.0, or data changed a shape
            return self._on_numpy(data)
        return Outcome(copied(loss), {name: copied(g) for name, g in gradients.items()})

    def _on_numpy(self, data: dict[str, Any]) -> Outcome:
        """Run the graph itself, which uses NumPy numbers where Python's floats fail."""
        numbers = self._numbers | data
        twins = rerun(self._loss, {leaf: numbers[n] for n, leaf in self.leaves.items()})
        loss, leaves = twins[self._loss], [twins[leaf] for leaf in self.leaves.values()]
        gradients = dict(zip(self.leaves, grad(loss, leaves, self._gradient), strict=True))
        return Outcome(copied(loss.data), gradients)

    def _warn(self, new: Mapping[str, Any]) -> None:
        """Warn if new data would change a choice that plain Python made, such as an `if`."""
        if new and self._traced:
            twins = rerun(self._loss, {self.leaves[n]: x for n, x in new.items()})
            for choice in choices_undone(twins):
                warnings.warn(f"unrolled: {choice}", stacklevel=3)

    def _text(
        self, writer: Writer, forward: list[str], backward: list[str], gradients: Mapping[str, str]
    ) -> str:
        """Write the module: imports, helpers, and the function that runs both passes."""
        parameters = {n: f"{n}={spelled(data)}" for n, data in self._numbers.items()}
        parameters |= {n: n for n in self._given}
        returned = [f'"{leaf}": {g}' for leaf, g in gradients.items()]
        body = [
            *_signature([*parameters.values()], self._given),
            f'    """Run forward and backward, and return {self.name} and the gradients."""',
            *writer.window_lines,
            "    # forward",
            *forward,
            "",
            "    # backward",
            *backward,
            "",
            *filled(f"return {self.name}, {{", returned, "}"),
        ]
        return "\n".join(_lines(writer, body, self.name, self._given))

    def _refuse(self, key: Any) -> NoReturn:
        name = name_of(key) if isinstance(key, Value) else repr(key)
        near = get_close_matches(str(key), self.leaves, n=4) or list(self.leaves)[:6]
        raise OptionError(
            f"unrolled: {name:.80} is not a leaf of {self.name}; it has {', '.join(near) or 'none'}"
        )

    @property
    def _run(self) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """The compiled function, with rules inlined; compiled at the first call."""
        writer, run = self._writer, self._compiled  # in this order: another thread may compile
        if run is None:
            run = self._compiled = self._compile(writer)
            self._writer = None
        return run

    def _compile(self, writer: Writer) -> Any:
        """Compile the text, and let pdb list it."""
        program = Program(writer)
        text = self._text(writer, program.forward_lines, program.backward_lines, program.gradients)
        file = f"<unrolled {self.name} {next(Unrolled.numbers)}>"
        linecache.cache[file] = len(text), None, text.splitlines(True), file
        weakref.finalize(self, linecache.cache.pop, file, None)
        names: dict[str, Any] = {"__name__": "unrolled", **GIVEN}
        exec(compile(text, file, "exec"), names)
        return names["run"]


def unroll(
    loss: Value, gradient: Any = None, *, names: Mapping[str, Any] | None = None
) -> Unrolled:
    """Write the forward and the backward pass of a graph as Python, one line for each node.

    The text needs only NumPy and `tinygrad_pool.rules`. It computes what `backward()` computes, in
    the same order and equal to the last bit. Leaves are parameters. Arrays of more than 16 numbers,
    and rules of your own that cannot be imported, are parameters without a default.

    Call the result to run the text, optionally with other numbers. Shapes and the choices of your
    own code, such as an `if`, do not change then. `names=locals()` names Values by their variables.

    Raises as `Value.backward` does; also GraphError if data was assigned after the graph was built,
    or if a rule gives different numbers when it runs again.

    >>> x, w = Value(3.0, label="x"), Value(-2.0, label="w")
    >>> unrolled = unroll((w * x).tanh() + x)
    >>> unrolled(w=0.0), unrolled({x: 0.0}).gradients
    (Outcome(loss=3.0, gradients={'x': 1.0, 'w': 3.0}), {'x': -1.0, 'w': 0.0})
    """
    check_value(loss, "unroll")
    kinds = (Value, np.ndarray)
    variables = {key_of(v): n for n, v in check_names(names).items() if isinstance(v, kinds)}
    return Unrolled(loss, gradient, variables)


def _lines(writer: Writer, body: list[str], name: str, given: Mapping[str, Any]) -> Iterator[str]:
    keepers = [KEEPERS[keeper] for keeper in sorted(writer.keepers)]
    yield f'"""Compute {name}, and its gradient by every leaf: a line for each node."""\n'
    if any("np." in line for line in (*body, *keepers)):
        yield "import numpy as np\n"
    for module, imported in sorted(writer.imports.items()):
        line = f"from {module} import {', '.join(sorted(imported))}"
        short = len(line) <= WIDTH
        yield from [line] if short else filled(f"from {module} import (", sorted(imported), ")", "")
    yield from ("\n", *(f"{keeper}\n" for keeper in keepers), *body)
    if not given:
        yield f'''

if __name__ == "__main__":
    loss, gradients = run()
    print("{name} =", loss)
    for name, g in gradients.items():
        print(f"∂{name}/∂{{name}} =", g)'''
    yield ""


def _signature(parameters: list[str], given: Mapping[str, Any]) -> list[str]:
    """Write the head of the function, one parameter a line if some have no default."""
    if not given:
        return filled("def run(", ["*", *parameters] if parameters else [], "):", "")
    rows = [f"    {p},{_comment(given[p]) if p in given else ''}" for p in parameters]
    return ["def run(", "    *,", *rows, "):"]


def _comment(x: Any) -> str:
    """Write a comment for a parameter without a default."""
    if isinstance(x, np.ndarray):
        return f"  # an array {x.shape}" + (f" of {x.dtype}" if x.dtype != float else "")
    return "  # a function" if callable(x) else ""
