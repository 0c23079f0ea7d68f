"""A graph as indented text: for a terminal, a log, or a screen reader."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from tinygrad_pool.drawing.computation import check_depth
from tinygrad_pool.drawing.edges import shares_of
from tinygrad_pool.drawing.nodes import sign
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.drawing.words import set_note
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.value import Value
from tinygrad_pool.formatting import Text, is_large, number, numbers, plain
from tinygrad_pool.rules.arguments import count_of


def tree(
    value: Value,
    *,
    depth: int | None = None,
    names: Mapping[str, Any] | None = None,
    limit: int = 200,
) -> Text:
    """Write the graph of a Value as a tree, with operands below the node that uses them.

    A line has the label, the sign, the data and the gradient (– before any pass); for an array, the
    shape and the range of its numbers. The operands of a maximum are marked as winner and losers. A
    node that occurs again is written once, and later only referred to. `depth` is the number of
    edges to follow, `limit` the number of lines; `names=locals()` names Values by their variables.

    Raises DataError if `value` is not a Value, OptionError for a depth or limit out of range.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> E = (a * b).exp()
    >>> E.backward()
    >>> tree(E)
    exp = 403.4, grad 1
    └─ × = 6, grad 403.4
       ├─ a = 2, grad 1210
       └─ b = 3, grad 806.9
    """
    check_value(value, "tree")
    check_depth(depth, "tree")
    count_of(limit, "tree: limit", 1)
    called = held_by(names)
    lines: list[str] = []
    written: set[Node] = set()
    waiting: list[tuple[Any, str, str, str, int]] = [(value, "", "", "", 0)]
    while waiting and len(lines) < limit:
        operand, first, rest, mark, level = waiting.pop()
        again = operand in written if isinstance(operand, Node) else False
        lines.append(f"{first}{_line(operand, called)}{mark}{', as above' if again else ''}")
        if not isinstance(operand, Node) or again:
            continue
        if operand.parents and level == depth:
            lines[-1] += " …"
            continue
        written.add(operand)
        marks = _marks(operand)
        last = len(operand.parents) - 1
        for i in range(last, -1, -1):
            branch, bar = ("└─ ", "   ") if i == last else ("├─ ", "│  ")
            waiting.append((operand.parents[i], rest + branch, rest + bar, marks[i], level + 1))
    lines += ["… (limit= writes more)"] if waiting else []
    stale = set_since(sorted(written, key=attrgetter("_order")))
    return Text("\n".join(lines + set_note(stale, called)))


def _line(operand: Any, called: Mapping[int, str]) -> str:
    """Write one node, or a constant, on one line."""
    if not isinstance(operand, Node):
        return f"{np.shape(operand) or ''} {_numbers(operand)}".strip()
    name = operand.label or called.get(id(operand), "")
    title = ": ".join(part for part in (plain(name), sign(operand)) if part) or "leaf"
    if operand.shape:
        title += f" {operand.shape}"
    grad = _numbers(operand.grad) if operand.has_grad else "–"
    return f"{title} = {_numbers(operand.data)}, grad {grad}"


def _numbers(data: Any) -> str:
    """Write a number, the numbers of a small array, or the range of a large one."""
    if is_large(data) or np.ndim(data) == 0:
        return numbers(data)
    return f"[{' '.join(map(_numbers, data))}]"


def _marks(node: Node) -> list[str]:
    """Mark the winner and the losers of a maximum of numbers."""
    shares = shares_of(node)
    if shares is None:
        return [""] * len(node.parents)
    return [
        " (wins)" if share == 1 else " (loses)" if share == 0 else f" (wins {number(share)})"
        for share in shares
    ]
