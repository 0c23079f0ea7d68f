"""Long graphs in several rows, as text is set in lines: where each node stands.

Between two rows an edge does not count for the layout (`constraint=false`), so that every row
begins on the left; the first nodes of the rows are kept below each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from graphviz import Digraph

WIDE, HIGH = 16, 9
BOX = (150, 110)
"""How much room a box takes, in points, or nearly."""
MOST, GAIN = 8, 1.25
"""A graph of so few layers stays in one row, and one that would not become so much larger."""


class Rows(NamedTuple):
    """The row of each node by its id, the layer that it stands in, and the first of each row."""

    row: Mapping[str, int]
    depth: Mapping[str, int]
    first: Sequence[str]

    def style(self, tail: str, head: str) -> dict[str, str]:
        """Return what an edge needs: nothing within a row."""
        return {} if self.row.get(tail) == self.row.get(head) else {"constraint": "false"}

    def align(self, graph: Digraph) -> None:
        """Keep the first nodes of the rows below each other."""
        if len(self.first) > 1:
            with graph.subgraph() as column:
                column.attr(rank="same")
                for above, below in pairwise(self.first):
                    column.edge(above, below, style="invis")


def rows_of(
    ids: Sequence[str], edges: Iterable[tuple[str, str]], rows: int | None, direction: str
) -> Rows:
    """Break a graph into rows, or where layers are rows into columns; None is as fits a slide.

    >>> chain = "abcdefghijkl"
    >>> rows_of(chain, zip(chain, chain[1:]), None, "LR").first
    ['a', 'e', 'i']
    """
    users, depth = _laid(ids, edges)
    layers = 1 + max(depth.values(), default=0)
    if rows is None:
        rows, _ = _best(layers, Counter(depth.values()), direction in ("LR", "RL"))
    a_row = -(-layers // max(1, rows))
    row = {name: depth[name] // a_row for name in ids}
    fed = {head for heads in users.values() for head in heads}
    leaves = [name for name in ids if users[name] and name not in fed]
    row |= {leaf: min(row[user] for user in users[leaf]) for leaf in leaves}
    first: dict[int, str] = {}
    for name in sorted(ids, key=depth.__getitem__):
        first.setdefault(row[name], name)
    return Rows(row, depth, [first[k] for k in sorted(first)])


def direction_of(
    ids: Sequence[str], edges: Iterable[tuple[str, str]], rows: int | None
) -> Literal["LR", "TB"]:
    """Choose the direction in which a graph is larger on a slide, "LR" if that is nearly the same.

    >>> direction_of("abcde", [(leaf, "e") for leaf in "abcd"], None)
    'TB'
    """
    _, depth = _laid(ids, edges)
    layers, sizes = 1 + max(depth.values(), default=0), Counter(depth.values())
    across, down = (_best(layers, sizes, way, rows)[1] for way in (True, False))
    return "TB" if down > GAIN * across else "LR"


def _laid(
    ids: Sequence[str], edges: Iterable[tuple[str, str]]
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Find the users of each node, and how far from the left it stands."""
    users: dict[str, list[str]] = {name: [] for name in ids}
    for tail, head in edges:
        users[tail].append(head)
    return users, _depths(users)


def _depths(users: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Find how far each node stands from the left: as late as its users allow."""
    waiting = Counter(head for heads in users.values() for head in heads)
    order = [name for name in users if not waiting[name]]
    for name in order:
        for head in users[name]:
            waiting[head] -= 1
            if not waiting[head]:
                order.append(head)
    left: dict[str, int] = {}
    for name in reversed(order):
        left[name] = min((left[head] for head in users[name]), default=1) - 1
    least = min(left.values(), default=0)
    return {name: left[name] - least for name in users}


def _best(
    layers: int, sizes: Mapping[int, int], across: bool, rows: int | None = None
) -> tuple[int, float]:
    """Choose the number of rows with which a picture on a slide is the largest, and how large."""

    def scale(rows: int) -> float:
        a_row = -(-layers // rows)
        starts = range(0, layers, a_row)
        broad = sum(max(sizes[k] for k in range(i, min(i + a_row, layers))) for i in starts)
        broad = max(1, broad)
        wide, high = (a_row, broad) if across else (broad, a_row)
        return min(WIDE / (wide * BOX[0]), HIGH / (high * BOX[1]))

    if rows is None:
        rows = max(range(1, layers // 2), key=scale) if layers > MOST else 1
        rows = rows if scale(rows) > GAIN * scale(1) else 1
    return rows, scale(rows)
