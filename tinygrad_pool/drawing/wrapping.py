"""Long graphs in several rows, as text is set in lines: where each node stands.

Between two rows an edge does not count for the layout (`constraint=false`), so that every row
begins on the left; the first nodes of the rows are kept below each other. Where there are frames,
points in front of the rows are, since Graphviz would take a node of a rank out of its frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from tinygrad_pool.drawing.frames import frames_of

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

    def align(self, graph: Digraph, framed: bool = False) -> None:
        """Keep the first nodes of the rows below each other, or points in front of them."""
        begins = [f"row{k}" for k, _ in enumerate(self.first)] if framed else self.first
        in_line(graph, begins)
        if framed:
            for point, first in zip(begins, self.first, strict=True):
                graph.node(point, "", shape="point", width="0", style="invis")
                graph.edge(point, first, style="invis", weight="9")


def in_line(graph: Digraph, names: Iterable[str], called: str | None = None) -> None:
    """Keep nodes of one rank in their order."""
    pairs = [*pairwise(names)]
    if pairs:
        with graph.subgraph(name=called) as line:
            line.attr(rank="same")
            for before, after in pairs:
                line.edge(before, after, style="invis")


def rows_of(
    frames: Mapping[str, str], edges: Iterable[tuple[str, str]], rows: int | None, direction: str
) -> Rows:
    """Break a graph into rows, or where layers are rows into columns; None is as fits a slide.

    `frames` tells the frame of each node, by its id. One is broken only if it is longer than a row.

    >>> chain = dict.fromkeys("abcdefghijkl", "")
    >>> rows_of(chain, pairwise(chain), None, "LR").first
    ['a', 'e', 'i']
    """
    users, depth = _laid(frames, edges)
    layers = 1 + max(depth.values(), default=0)
    if rows is None:
        rows, _ = _best(layers, Counter(depth.values()), direction in ("LR", "RL"))
    a_row = -(-layers // max(1, rows))
    row = {name: depth[name] // a_row for name in frames} | _kept_together(depth, frames, a_row)
    fed = {head for heads in users.values() for head in heads}
    leaves = [name for name in frames if users[name] and name not in fed]
    row |= {leaf: min(row[user] for user in users[leaf]) for leaf in leaves}
    first: dict[int, str] = {}
    for name in sorted(frames, key=depth.__getitem__):
        first.setdefault(row[name], name)
    return Rows(row, depth, [first[k] for k in sorted(first)])


def _kept_together(
    depth: Mapping[str, int], frames: Mapping[str, str], a_row: int
) -> dict[str, int]:
    """Find the row of what is in frames: that of the middle of the outermost that fits a row."""
    reach: dict[str, list[int]] = {}
    for name, path in frames.items():
        for frame in frames_of(path):
            reach.setdefault(frame, []).append(depth[name])
    middle = {
        frame: (min(some) + max(some)) // 2 // a_row
        for frame, some in reach.items()
        if max(some) - min(some) < a_row
    }
    fitting = {name: [f for f in frames_of(path) if f in middle] for name, path in frames.items()}
    return {name: middle[some[0]] for name, some in fitting.items() if some}


def direction_of(
    ids: Collection[str], edges: Iterable[tuple[str, str]], rows: int | None
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
    ids: Collection[str], edges: Iterable[tuple[str, str]]
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
