"""A graph as readable straight-line Python that computes the loss and every gradient."""

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
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.rerun import changed, check_value, rerun
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted
from tinygrad_pool.recording.forks import choices_undone


class Outcome(NamedTuple):
    """What an unrolled pass computes: the loss, and its gradient by every leaf, by name."""

    loss: Any
    gradients: dict[str, Any]


class Unrolled:
    """A forward and a backward pass as Python, to read and to call.

    `source` is the text, and so is `str()`; `leaves` maps the names in it to the leaves. A call
    carries out the text, with the numbers of the graph, or with others by name or by leaf:
    `unrolled(w=2.0)`, `unrolled({w: 2.0})`. It returns an Outcome.
    """

    numbers = count(1)

    def __init__(self, loss: Value, gradient: Any, called: Mapping[int, str]) -> None:
        nodes = topological_order(loss)
        (seed,) = grad(loss, loss, gradient)
        check_not_stale(nodes, create_graph=True)
        writer = Writer(nodes, called)
        with np.errstate(all="ignore"):
            writer.write(nodes, loss, seed)
        self._loss, self._gradient, self._count = loss, gradient, len(nodes)
        self._traced = any(node.about.line for node in nodes)
        self._writer: Any = writer  # until it is compiled
        self._compiled: Callable[..., tuple[Any, dict[str, Any]]] | None = None
        self.name = writer.name[loss]
        self.leaves: dict[str, Any] = {writer.name[n]: n for n in nodes if n.is_leaf}
        self._called = {of: name for name, leaf in self.leaves.items() for of in (name, leaf)}
        self._numbers = {
            name: changed(leaf._numbers, {}, name) for name, leaf in self.leaves.items()
        }
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

        Raises OptionError unless each is a leaf; DataError and ShapeError if data does not fit.
        """
        given: dict[Any, Any] = {**(changes or {}), **leaves}
        new = {self._called.get(leaf) or self._refuse(leaf): x for leaf, x in given.items()}
        self._warn(new)
        data = {
            name: changed(self._numbers[name], x, f"unrolled: {name}") for name, x in new.items()
        }
        try:
            loss, gradients = self._run(**self._given | data)
        except (ArithmeticError, TypeError):  # Python's floats refuse what NumPy's do not: 1 / 0.0
            return self._on_numpy(data)
        return Outcome(_own(loss), {name: _own(g) for name, g in gradients.items()})

    def _on_numpy(self, data: dict[str, Any]) -> Outcome:
        """Re-run the graph itself, with NumPy's numbers where Python's refuse."""
        twins = rerun(
            self._loss, {leaf: (self._numbers | data)[n] for n, leaf in self.leaves.items()}
        )
        loss, leaves = twins[self._loss], [twins[leaf] for leaf in self.leaves.values()]
        gradients = dict(zip(self.leaves, grad(loss, leaves, self._gradient), strict=True))
        return Outcome(_own(loss.data), gradients)

    def _warn(self, new: Mapping[str, Any]) -> None:
        """Warn about Python's own choices, kept in the text, that new data would change."""
        if new and self._traced:
            for undone in choices_undone(
                rerun(self._loss, {self.leaves[n]: x for n, x in new.items()})
            ):
                warnings.warn(f"unrolled: {undone}", stacklevel=3)

    def _text(
        self, writer: Writer, forward: list[str], backward: list[str], gradients: Mapping[str, str]
    ) -> str:
        """Write the function that runs both passes, and what it needs."""
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

    def _refuse(self, given: Any) -> NoReturn:
        who = name_of(given) if isinstance(given, Value) else repr(given)
        near = get_close_matches(str(given), self.leaves, n=4) or list(self.leaves)[:6]
        raise OptionError(
            f"unrolled: {who:.80} is not a leaf of {self.name}; it has {', '.join(near) or 'none'}"
        )

    @property
    def _run(self) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """Compile the text, with rules written out in line, when it is called first."""
        writer, run = self._writer, self._compiled  # in this order: another thread may be at it
        if run is None:
            run = self._compiled = self._compile(writer)
            self._writer = None
        return run

    def _compile(self, writer: Writer) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """Compile the text, so that pdb can list it."""
        program = Program(writer)
        text = self._text(writer, program.forward_lines, program.backward_lines, program.gradients)
        file = f"<unrolled {self.name} {next(Unrolled.numbers)}>"
        linecache.cache[file] = len(text), None, text.splitlines(True), file
        weakref.finalize(self, linecache.cache.pop, file, None)
        names: dict[str, Any] = {"__name__": "unrolled", **GIVEN}
        exec(compile(text, file, "exec"), names)
        run: Callable[..., tuple[Any, dict[str, Any]]] = names["run"]
        return run


def unroll(
    loss: Value, gradient: Any = None, *, names: Mapping[str, Any] | None = None
) -> Unrolled:
    """Write the forward and the backward pass of a graph as Python, a line for each node.

    The text needs NumPy and `tinygrad_pool.rules` only, and computes, bit for bit, what
    `backward()` does, in its order. Leaves are parameters; arrays of more than 16 numbers are not
    written out, and have to be passed, as have rules of your own that cannot be imported. Call the
    result to run it, also with other numbers. What your code decided by numbers, and every shape,
    stays as it was: np.trim_zeros has to cut the same. `names=locals()` calls Values by their
    variables.

    Raises as `Value.backward` does; GraphError also if data was assigned since, or if a rule gives
    other numbers when it is run again.

    >>> x, w = Value(3.0, label="x"), Value(-2.0, label="w")
    >>> unrolled = unroll((w * x).tanh() + x)
    >>> unrolled(w=0.0), unrolled({x: 0.0}).gradients
    (Outcome(loss=3.0, gradients={'x': 1.0, 'w': 3.0}), {'x': -1.0, 'w': 0.0})
    """
    check_value(loss, "unroll")
    kinds = (Value, np.ndarray)
    called = {key_of(v): n for n, v in check_names(names).items() if isinstance(v, kinds)}
    return Unrolled(loss, gradient, called)


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
    """Write the parameters, one a line where some have no default."""
    if not given:
        return filled("def run(", ["*", *parameters] if parameters else [], "):", "")
    rows = [f"    {p},{_said(given[p]) if p in given else ''}" for p in parameters]
    return ["def run(", "    *,", *rows, "):"]


def _said(given: Any) -> str:
    """Write a comment for a parameter without a default."""
    if isinstance(given, np.ndarray):
        return f"  # an array {given.shape}" + (
            f" of {given.dtype}" if given.dtype != float else ""
        )
    return "  # a function" if callable(given) else ""


def _own(x: Any) -> Any:
    """Copy an array, so that the caller may write to it."""
    return np.array(x) if isinstance(x, np.ndarray) else x
