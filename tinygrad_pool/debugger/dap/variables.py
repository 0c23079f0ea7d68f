"""Stack frames, which are the path up to the loss, and the variables of each frame.

A frame is located at the line of source that made its node.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_pool.debugger.prompt import in_a_line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import on_a_line, subscript
from tinygrad_pool.recording import views
from tinygrad_pool.recording.trace import Trace

DENSE = 64
"""Local derivatives with at most this many rows and columns are shown as numbers."""

MOST = 1000
"""The most children to list; an editor may ask for fewer."""

MOST_FRAMES = 200

ALL = slice(None)

Children: TypeAlias = "Callable[[slice], list[Variable]]"
"""The variables below another, of which an editor asks for a part."""


class Variable(NamedTuple):
    """A variable of the protocol. If it can be set, it is the data of `node` at `element`."""

    name: str
    text: str
    kind: str = ""
    children: Children | None = None
    indexed: int = 0
    node: Node | None = None
    element: tuple[int, ...] | None = None


class Variables:
    """The variables at one stop, which an editor asks for by reference."""

    def __init__(self, recording: Trace) -> None:
        self.recording = recording
        self.by_reference: list[Children] = []

    def scopes(self, node: Node) -> list[dict[str, Any]]:
        """List the groups of variables of a node; an editor opens expensive ones on demand."""
        scopes: list[tuple[str, Children, bool]] = [
            ("Node", lambda part: self._node(node)[part], False),
            ("Sends", lambda part: self._sent(node)[part], False),
            ("Local derivatives", lambda part: self._slopes(node)[part], True),
            ("Why", lambda part: self._why(node)[part], True),
            ("Leaves: data, and gradient so far", lambda part: self._leaves()[part], True),
        ]
        return [
            {"name": name, "expensive": costly, "variablesReference": self._refer(children)}
            for name, children, costly in scopes
        ]

    def children(self, reference: int, part: slice = ALL) -> list[dict[str, Any]]:
        """List the variables below a reference. Raises OptionError if it is no longer valid."""
        return [self.to_json(v) for v in self._at(reference)(part)[:MOST]]

    def find(self, reference: int, name: str) -> Variable:
        """Find a variable below a reference by its name. Raises OptionError if there is none."""
        row = re.fullmatch(r"\[(\d{1,18})\]", name)
        part = slice(int(row[1]), int(row[1]) + 1) if row else ALL
        for v in self._at(reference)(part):
            if v.name == name:
                return v
        raise OptionError(f"there is no variable {name!r} here")

    def of_node(self, node: Node, index: tuple[int, ...] | None = None) -> Variable:
        """Show a node's data and gradient, or those of one element, with the node's variables."""
        name = views.title(self.recording, node)
        data, grad = self.recording.data_of(node), node.grad if node.has_grad else None
        if index is not None:
            name += subscript(index)
            data, grad = np.asarray(data)[index], None if grad is None else np.asarray(grad)[index]
        text = f"{name} = {on_a_line(data)}, grad {'–' if grad is None else on_a_line(grad)}"
        return Variable(name, text, children=lambda part: self._node(node)[part])

    def to_json(self, v: Variable) -> dict[str, Any]:
        """Describe a variable as the protocol does."""
        described = {
            "name": v.name,
            "value": v.text,
            "type": v.kind,
            "variablesReference": self._refer(v.children) if v.children else 0,
            "indexedVariables": v.indexed,
        }
        if v.node is not None:
            name = self.recording.call(v.node) + subscript(v.element or ())
            return described | {"evaluateName": name}
        return described | {"presentationHint": {"attributes": ["readOnly"]}}

    def _refer(self, children: Children) -> int:
        self.by_reference.append(children)
        return len(self.by_reference)

    def _at(self, reference: int) -> Children:
        if not 0 < reference <= len(self.by_reference):
            raise OptionError(f"reference {reference} is not valid: references end at each stop")
        return self.by_reference[reference - 1]

    def _node(self, node: Node) -> list[Variable]:
        step = self.recording.step_of(node)
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
        return numbers_in(name, self.recording.data_of(node), node)

    def _operands(self, node: Node) -> list[tuple[str, Any]]:
        """Name the operands; one that is used twice, with its position."""
        names = [
            self.recording.call(p) if isinstance(p, Node) else f"operand {i}"
            for i, p in enumerate(node.parents)
        ]
        times = Counter(names)
        unique = [f"{n}, operand {i}" if times[n] > 1 else n for i, n in enumerate(names)]
        return list(zip(unique, node.parents, strict=True))

    def _sent(self, node: Node) -> list[Variable]:
        """Show each contribution, and the gradient that it was added to, before and after."""
        step = self.recording.step_of(node)
        if step is None:
            return []
        changes = {p: (before, after) for p, before, after in self.recording.changed_by(node)}
        sent = []
        for (name, p), c in zip(self._operands(node), step.contributions, strict=True):
            if isinstance(p, Node):
                v = numbers_in(f"to {name}", c)
                change = " → ".join(map(_written, changes.get(p, ())))
                sent.append(v._replace(text=f"{v.text}   (grad {change})" if change else v.text))
        return sent

    def _slopes(self, node: Node) -> list[Variable]:
        from tinygrad_pool.derivatives.sparse_jacobian import weights_of

        slopes = []
        for i, (name, p) in enumerate(self._operands(node)):
            if isinstance(p, Node):
                W = weights_of(node, i)
                v = Variable(f"by {name}", repr(W))
                if max(W.shape) <= DENSE:
                    dense = W.dense()
                    v = numbers_in(v.name, dense.reshape(()) if dense.size == 1 else dense)
                slopes.append(v)
        return slopes

    def _why(self, node: Node) -> list[Variable]:
        targets = dict.fromkeys([node, *(p for p in node.parents if isinstance(p, Node))])
        reasons = []
        for target in targets:
            first, *lines = str(self.recording.why(target)).split("\n")
            rows = [Variable(str(i), line.strip()) for i, line in enumerate(lines, 1)]
            name = self.recording.call(target)
            reasons.append(Variable(name, first, children=rows.__getitem__))
        return reasons

    def _leaves(self) -> list[Variable]:
        leaves = [node for node in self.recording.nodes if node.is_leaf][:MOST]
        return [
            v._replace(text=f"{v.text}   (grad {_written(leaf._grad)})")
            for leaf in leaves
            for v in [self._data(self.recording.call(leaf), leaf)]
        ]


def numbers_in(
    name: str, x: Any, node: Node | None = None, element: tuple[int, ...] | None = None
) -> Variable:
    """Show a number, or an array with its rows below it."""
    kind = "" if x is None else type(x).__name__
    if not isinstance(x, np.ndarray) or not x.size or not x.ndim:
        return Variable(name, _written(x), kind, node=node, element=element)

    def rows(part: slice) -> list[Variable]:
        numbers = range(len(x))[part][:MOST]
        return [numbers_in(f"[{i}]", x[i], node, (*(element or ()), i)) for i in numbers]

    return Variable(name, on_a_line(x), f"{x.dtype} {x.shape}", rows, len(x), node, element)


def part_of(arguments: Mapping[str, Any]) -> slice:
    """Read which range of children an editor asks for.

    >>> part_of({"start": 100, "count": 50}), part_of({})
    (slice(100, 150, None), slice(0, None, None))
    """
    start, count = (max(0, int(arguments.get(key) or 0)) for key in ("start", "count"))
    return slice(start, start + count if count else None)


def _written(x: Any) -> str:
    if x is None:
        return "–"
    return (
        on_a_line(x) if isinstance(x, int | float | np.ndarray | np.generic) else in_a_line(str(x))
    )


def frames_of(recording: Trace, node: Node, start: int, levels: int, first: int) -> dict[str, Any]:
    """Return `levels` frames of a node's path from `start` on; 0 means as many as allowed."""
    most = levels if levels > 0 else MOST_FRAMES
    path = list(islice(views.up(recording, node), start, start + most + 1))
    frames = [_frame(recording, n, first) for n in path[:most]]
    return {"stackFrames": frames, "totalFrames": start + len(path)}


def _frame(recording: Trace, node: Node, first: int) -> dict[str, Any]:
    """Describe a node as a frame at its line of source; lines are counted from `first`."""
    line, name = node.about.line, views.title(recording, node)
    frame: dict[str, Any] = {"id": recording.numbers[node] + 1, "name": name}
    if line is None:
        return frame | {"line": 0, "column": 0, "presentationHint": "subtle"}
    frame["name"] += f", in {line.function}"
    if callers := node.about.callers:
        frame["name"] += f" called at {', '.join(map(str, callers))}"
    return frame | source_of(line.file) | {"line": line.number - 1 + first, "column": first}


def source_of(file: str) -> dict[str, Any]:
    """Describe a file of source; {} if there is none, as for code typed at a prompt.

    >>> source_of("<stdin>")
    {}
    """
    path = Path(os.path.abspath(file))  # noqa: PTH100  # resolve() would follow links
    return {"source": {"name": path.name, "path": str(path)}} if path.is_file() else {}
