"""Stack frames, the path up to the loss; and the variables of each: what arrived, what was sent.

A frame is at the line of source that made its node.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.debugger.prompt import in_a_line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import on_a_line, subscript
from tinygrad_pool.recording import views
from tinygrad_pool.recording.trace import Trace

DENSE = 64
"""Local derivatives of at most so many rows and columns are shown as numbers."""

MOST = 1000
"""The most children that are listed; an editor may ask for fewer."""

MOST_FRAMES = 200

ALL = slice(None)


class Variable(NamedTuple):
    """A name and a text. `node` and `place` tell whose data it is, if it can be set."""

    name: str
    text: str
    kind: str = ""
    children: Callable[[slice], list[Variable]] | None = None
    indexed: int = 0
    node: Node | None = None
    place: tuple[int, ...] | None = None


class Variables:
    """What an editor asks for by reference, until the next stop."""

    def __init__(self, passed: Trace) -> None:
        self.passed = passed
        self.asked: list[Variable] = []

    def scopes(self, node: Node) -> list[dict[str, Any]]:
        """List what there is to see of a node; costly parts are opened on demand."""
        scopes: list[tuple[str, Callable[[], list[Variable]], bool]] = [
            ("Node", lambda: self._node(node), False),
            ("Sends", lambda: self._sent(node), False),
            ("Local derivatives", lambda: self._slopes(node), True),
            ("Why", lambda: self._why(node), True),
            ("Leaves: data, and gradient so far", self._leaves, True),
        ]
        return [
            {
                "name": name,
                "expensive": costly,
                "variablesReference": self._refer(_branch(name, "", children)),
            }
            for name, children, costly in scopes
        ]

    def children(self, reference: int, part: slice = ALL) -> list[dict[str, Any]]:
        """List the variables below a reference. Raises OptionError for one of an earlier stop."""
        children = self._at(reference).children
        return [self.shown(v) for v in (children(part) if children else [])[:MOST]]

    def find(self, reference: int, name: str) -> Variable:
        """Find a variable below a reference by its name. Raises OptionError."""
        children = self._at(reference).children
        row = re.fullmatch(r"\[(\d{1,18})\]", name)
        part = slice(int(row[1]), int(row[1]) + 1) if row else ALL
        for v in children(part) if children else []:
            if v.name == name:
                return v
        raise OptionError(f"there is no variable {name!r} here")

    def of_node(self, node: Node, index: tuple[int, ...] | None = None) -> Variable:
        """Show a node's data and gradient, or those of one element, with all that belongs to it."""
        name = views.title(self.passed, node)
        data, grad = self.passed.data_of(node), node.grad if node.has_grad else None
        if index is not None:
            name += subscript(index)
            data, grad = np.asarray(data)[index], None if grad is None else np.asarray(grad)[index]
        text = f"{name} = {on_a_line(data)}, grad {'–' if grad is None else on_a_line(grad)}"
        return _branch(name, text, lambda: self._node(node))

    def shown(self, v: Variable) -> dict[str, Any]:
        """Describe a variable in the words of the protocol."""
        told = {
            "name": v.name,
            "value": v.text,
            "type": v.kind,
            "variablesReference": self._refer(v) if v.children else 0,
            "indexedVariables": v.indexed,
        }
        if v.node is not None:
            return told | {"evaluateName": self.passed.call(v.node) + subscript(v.place or ())}
        return told | {"presentationHint": {"attributes": ["readOnly"]}}

    def _refer(self, v: Variable) -> int:
        self.asked.append(v)
        return len(self.asked)

    def _at(self, reference: int) -> Variable:
        if not 0 < reference <= len(self.asked):
            raise OptionError(f"reference {reference} is not valid: they end with each stop")
        return self.asked[reference - 1]

    def _node(self, node: Node) -> list[Variable]:
        step = self.passed.step_of(node)
        operands = [
            self._data(name, p) if isinstance(p, Node) else numbers_in(name, p)
            for name, p in self._operands(node)
        ]
        return [
            numbers_in("upstream g", None if step is None else step.upstream),
            self._data("data", node),
            Variable("rule", node.op or "a leaf"),
            *operands,
        ]

    def _data(self, name: str, node: Node) -> Variable:
        return numbers_in(name, self.passed.data_of(node), node)

    def _operands(self, node: Node) -> list[tuple[str, Any]]:
        """Name the operands; one that stands there twice, by its place."""
        called = [
            self.passed.call(p) if isinstance(p, Node) else f"operand {i}"
            for i, p in enumerate(node.parents)
        ]
        times = Counter(called)
        names = [f"{n}, operand {i}" if times[n] > 1 else n for i, n in enumerate(called)]
        return list(zip(names, node.parents, strict=True))

    def _sent(self, node: Node) -> list[Variable]:
        """Show each contribution, and the gradient that it was added to, before and after."""
        step = self.passed.step_of(node)
        if step is None:
            return []
        made = {p: (before, after) for p, before, after in self.passed.changed_by(node)}
        sent = []
        for (name, p), c in zip(self._operands(node), step.contributions, strict=True):
            if isinstance(p, Node):
                v = numbers_in(f"to {name}", c)
                change = " → ".join(map(_written, made.get(p, ())))
                sent.append(v._replace(text=f"{v.text}   (grad {change})" if change else v.text))
        return sent

    def _slopes(self, node: Node) -> list[Variable]:
        from tinygrad_pool.derivatives.sparse_jacobian import weights_of

        slopes = []
        for i, (name, p) in enumerate(self._operands(node)):
            if isinstance(p, Node):
                W = weights_of(node, i)
                small = max(W.shape) <= DENSE
                dense = W.dense() if small else None
                if dense is not None and dense.size == 1:
                    dense = dense.reshape(())
                v = numbers_in(f"by {name}", dense)
                slopes.append(v if small else v._replace(text=repr(W)))
        return slopes

    def _why(self, node: Node) -> list[Variable]:
        targets = dict.fromkeys([node, *(p for p in node.parents if isinstance(p, Node))])
        told = []
        for target in targets:
            first, *lines = str(self.passed.why(target)).split("\n")
            rows = [Variable(str(i), line.strip()) for i, line in enumerate(lines, 1)]
            told.append(_branch(self.passed.call(target), first, partial(list, rows)))
        return told

    def _leaves(self) -> list[Variable]:
        leaves = [node for node in self.passed.nodes if node.is_leaf][:MOST]
        return [
            v._replace(text=f"{v.text}   (grad {_written(leaf._grad)})")
            for leaf in leaves
            for v in [self._data(self.passed.call(leaf), leaf)]
        ]


def numbers_in(
    name: str, x: Any, node: Node | None = None, place: tuple[int, ...] | None = None
) -> Variable:
    """Show a number, or an array with its rows below it."""
    kind = "" if x is None else type(x).__name__
    if not isinstance(x, np.ndarray) or not x.size or not x.ndim:
        return Variable(name, _written(x), kind, node=node, place=place)

    def rows(part: slice) -> list[Variable]:
        places = range(len(x))[part][:MOST]
        return [numbers_in(f"[{i}]", x[i], node, (*(place or ()), i)) for i in places]

    return Variable(name, on_a_line(x), f"{x.dtype} {x.shape}", rows, len(x), node, place)


def part_of(arguments: Mapping[str, Any]) -> slice:
    """Read which children an editor asks for.

    >>> part_of({"start": 100, "count": 50}), part_of({})
    (slice(100, 150, None), slice(0, None, None))
    """
    start, count = (max(0, int(arguments.get(key) or 0)) for key in ("start", "count"))
    return slice(start, start + count if count else None)


def _branch(name: str, text: str, children: Callable[[], Iterable[Variable]]) -> Variable:
    return Variable(name, text, children=lambda part: list(children())[part])


def _written(x: Any) -> str:
    if x is None:
        return "–"
    return (
        on_a_line(x) if isinstance(x, int | float | np.ndarray | np.generic) else in_a_line(str(x))
    )


def frames_of(passed: Trace, node: Node, start: int, levels: int, first: int) -> dict[str, Any]:
    """Return some frames of a node's path; by default as many as an editor can show."""
    wanted = levels if levels > 0 else MOST_FRAMES
    found = list(islice(views.up(passed, node), start, start + wanted + 1))
    shown = [_frame(passed, n, first) for n in found[:wanted]]
    return {"stackFrames": shown, "totalFrames": start + len(found)}


def _frame(passed: Trace, node: Node, first: int) -> dict[str, Any]:
    """Describe a node as a frame, in the place of its line; lines are counted from `first`."""
    line = node.about.line
    frame: dict[str, Any] = {"id": passed.number(node) + 1, "name": views.title(passed, node)}
    if line is None:
        return frame | {"line": 0, "column": 0, "presentationHint": "subtle"}
    frame["name"] += f", in {line.function}"
    if callers := node.about.callers:
        frame["name"] += f" called at {', '.join(map(str, callers))}"
    return frame | source_of(line.file) | {"line": line.number - 1 + first, "column": first}


def source_of(file: str) -> dict[str, Any]:
    """Name a file of source, if there is one: code may come from a prompt.

    >>> source_of("<stdin>")
    {}
    """
    path = Path(os.path.abspath(file))  # noqa: PTH100  # resolve() would follow links
    return {"source": {"name": path.name, "path": str(path)}} if path.is_file() else {}
