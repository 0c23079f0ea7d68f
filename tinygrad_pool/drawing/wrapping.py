"""Long graphs in several rows, as text is set in lines: where each node stands.

Rows begin below each other. Graphviz keeps them in their order if a row is a frame that is not
seen, with a point in front of it, and an edge that is not seen runs between each two from end to
end. Edges from row to row are broken there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from math import isqrt
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tinygrad_pool.drawing.frames import frames_of

if TYPE_CHECKING:
    from graphviz import Digraph

Ends: TypeAlias = tuple[str, str]
Size: TypeAlias = tuple[float, float]
WIDE, HIGH = 16, 9
BOX = (150.0, 110.0)
"""How much room a box takes with what is between two, in points, or nearly."""
POINT = {"shape": "point", "width": "0", "style": "invis"}
FRAME = 66
"""How much room a row takes for its frames, in points."""
MOST, GAIN = 8, 1.25
"""A graph of so few layers stays in one row, and one that would not become so much larger."""


class Rows(NamedTuple):
    """The row of each node by its id, the layer that it stands in, and the first of each row."""

    row: Mapping[str, int]
    depth: Mapping[str, int]
    first: Sequence[str]

    def align(self, graph: Digraph, at: Callable[[str], Mapping[str, str]] = lambda _: {}) -> None:
        """Keep rows below each other, if there are several, by points in front of them.

        `at` tells the position of such a point, if it is settled.
        """
        if len(self.first) < 2:
            return
        points = [f"row{k}" for k, _ in enumerate(self.first)]
        walls = [(f"wall{k}", f"wall{k}end") for k, _ in enumerate(points[1:])]
        for point in chain(points, *walls):
            graph.node(point, "", **{**POINT, **at(point)})
        for point, first in zip(points, self.first, strict=True):
            graph.edge(point, first, style="invis", weight="9")
        in_line(graph, points)
        for above, below, (wall, end) in zip(points, points[1:], walls, strict=False):
            in_line(graph, (above, wall, below))
            with graph.subgraph() as last:
                last.attr(rank="max")
                last.node(end)
            graph.edge(wall, end, style="invis")


def in_line(graph: Digraph, names: Iterable[str], called: str | None = None) -> None:
    """Keep nodes of one rank in their order."""
    pairs = [*pairwise(names)]
    if pairs:
        with graph.subgraph(name=called) as line:
            line.attr(rank="same")
            for before, after in pairs:
                line.edge(before, after, style="invis")


def rows_of(
    frames: Mapping[str, str],
    edges: Iterable[Ends],
    rows: int | None,
    direction: str,
    box: Size = BOX,
) -> Rows:
    """Break a graph into rows, or where layers are rows into columns; None is as fits a slide.

    `frames` tells the frame of each node, by its id. One is broken only if it is longer than a row.

    >>> chain = dict.fromkeys("abcdefghijkl", "")
    >>> rows_of(chain, pairwise(chain), None, "LR").first
    ['a', 'e', 'i']
    """
    paper = _paper(frames, edges, direction in ("LR", "RL"), box)
    row, _ = paper.best(rows)
    first: dict[int, str] = {}
    for name in sorted(frames, key=paper.depth.__getitem__):
        first.setdefault(row[name], name)
    return Rows(row, paper.depth, [first[k] for k in sorted(first)])


def direction_of(
    frames: Mapping[str, str],
    edges: Iterable[Ends],
    rows: int | None,
    box: Size = BOX,
    box_down: Size = BOX,
) -> Literal["LR", "TB"]:
    """Choose the direction in which a graph is larger on a slide, "LR" if that is nearly the same.

    >>> direction_of(dict.fromkeys("abcde", ""), [(leaf, "e") for leaf in "abcd"], None)
    'TB'
    """
    paper = _paper(frames, edges, True, box)
    across, down = paper.best(rows)[1], paper._replace(across=False, box=box_down).best(rows)[1]
    return "TB" if down > GAIN * across else "LR"


class Paper(NamedTuple):
    """A graph to be cut into rows: the users, the layer and the frame of each node."""

    users: Mapping[str, Sequence[str]]
    depth: Mapping[str, int]
    frames: Mapping[str, str]
    across: bool
    box: Size

    def best(self, rows: int | None) -> tuple[dict[str, int], float]:
        """Choose the rows with which a picture on a slide is the largest, and tell how large."""
        if rows is not None:
            row = self.cut(rows)
            return row, self.scale(row)
        layers = self.layers()
        most = min(layers // 2, 2 * isqrt(layers)) if layers > MOST else 2  # more are too high
        tried = [self.cut(k) for k in range(1, most)]
        scales = [self.scale(row) for row in tried]
        at = scales.index(max(scales)) if max(scales) > GAIN * scales[0] else 0
        return tried[at], scales[at]

    def layers(self) -> int:
        """Count the layers."""
        return 1 + max(self.depth.values(), default=0)

    def cut(self, rows: int) -> dict[str, int]:
        """Find the row of each node, for about so many; a leaf is in that of its first user."""
        a_row = -(-self.layers() // rows)
        row = {name: layer // a_row for name, layer in self.depth.items()} | self._whole(a_row)
        fed = {head for heads in self.users.values() for head in heads}
        leaves = [name for name in self.frames if self.users[name] and name not in fed]
        return row | {leaf: min(row[user] for user in self.users[leaf]) for leaf in leaves}

    def _whole(self, a_row: int) -> dict[str, int]:
        """Find the row of what is in frames: by the middle of the outermost that fits a row."""
        reach: dict[str, list[int]] = {}
        around = {name: frames_of(path) for name, path in self.frames.items()}
        for name, frames in around.items():
            for frame in frames:
                reach.setdefault(frame, []).append(self.depth[name])
        middle = {
            frame: (min(some) + max(some)) // 2 // a_row
            for frame, some in reach.items()
            if max(some) - min(some) < a_row
        }
        fitting = {name: [f for f in frames if f in middle] for name, frames in around.items()}
        return {name: middle[some[0]] for name, some in fitting.items() if some}

    def scale(self, row: Mapping[str, int]) -> float:
        """Estimate how large a picture is on a slide."""
        sizes = Counter((row[name], layer) for name, layer in self.depth.items())
        reach: dict[int, list[int]] = {}
        broad: dict[int, int] = {}
        for (k, layer), size in sizes.items():
            reach.setdefault(k, []).append(layer)
            broad[k] = max(broad.get(k, 0), size)
        long = max((max(some) - min(some) + 1 for some in reach.values()), default=1)
        beside = max(1, sum(broad.values()))
        around = FRAME * len(broad) if any(self.frames.values()) else 0
        if self.across:
            return min(WIDE / (long * self.box[0]), HIGH / (beside * self.box[1] + around))
        return min(WIDE / (beside * self.box[0] + around), HIGH / (long * self.box[1]))


def _paper(frames: Mapping[str, str], edges: Iterable[Ends], across: bool, box: Size) -> Paper:
    users: dict[str, list[str]] = {name: [] for name in frames}
    for tail, head in edges:
        users[tail].append(head)
    return Paper(users, _depths(users), frames, across, box)


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
