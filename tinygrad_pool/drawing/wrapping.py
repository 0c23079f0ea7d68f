"""Wrap long graphs into several rows, as text is wrapped into lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from math import isqrt
from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
"""The type of nodes."""
Size: TypeAlias = tuple[float, float]
ACROSS = ("LR", "RL")
WIDE, HIGH = 16, 9
BOX = (150.0, 110.0)
"""The usual size of a box with the space between boxes, in points."""
FRAME = 66
"""The space for the frames of a row, in points."""
MOST, GAIN = 8, 1.25
"""Graphs with at most this many layers have one row, as have those that would gain less in size."""


class Rows(NamedTuple, Generic[T]):
    """The row and the layer of each node, the first node of each row, and the direction."""

    row: Mapping[T, int]
    depth: Mapping[T, int]
    first: Sequence[T]
    direction: str


def rows_of(
    frames: Mapping[T, Sequence[str]],
    edges: Iterable[tuple[T, T]],
    rows: int | None,
    direction: str | None,
    box: Size = BOX,
    label: float = 0,
) -> Rows[T]:
    """Wrap a graph into rows, or into columns if layers are rows; None chooses what fits a slide.

    If `direction` is None, choose the one in which the graph is larger, or "LR" if they are nearly
    equal. `frames` has the frames of each node: a frame is broken only if it is longer than a row.
    `box` and `label` are the sizes of a box and of a label between two boxes.

    >>> from itertools import pairwise
    >>> chain = dict.fromkeys("abcdefghijkl", ())
    >>> rows_of(chain, pairwise(chain), None, "LR").first
    ['a', 'e', 'i']
    >>> rows_of(dict.fromkeys("abcde", ()), [(leaf, "e") for leaf in "abcd"], None, None).direction
    'TB'
    """
    users: dict[T, list[T]] = {node: [] for node in frames}
    for tail, head in edges:
        users[tail].append(head)
    depth = _depths(users)
    layers = 1 + max(depth.values(), default=0)
    most = min(layers // 2, 2 * isqrt(layers)) if layers > MOST else 2  # more is too high
    counts = range(1, most) if rows is None else [rows]
    cuts = [_cut(-(-layers // k), users, depth, frames) for k in counts]
    ways = (direction,) if direction else ("LR", "TB")
    results = []
    for way in ways:
        scales = [_scale(row, depth, frames, way in ACROSS, box, label) for row in cuts]
        best = scales.index(max(scales)) if max(scales) > GAIN * scales[0] else 0
        results.append((scales[best], cuts[best], way))
    _, row, way = results[-1] if results[-1][0] > GAIN * results[0][0] else results[0]
    first: dict[int, T] = {}
    for node in sorted(frames, key=depth.__getitem__):
        first.setdefault(row[node], node)
    return Rows(row, depth, [first[k] for k in sorted(first)], way)


def _cut(
    a_row: int,
    users: Mapping[T, Sequence[T]],
    depth: Mapping[T, int],
    frames: Mapping[T, Sequence[str]],
) -> dict[T, int]:
    """Find the row of each node, with `a_row` layers per row.

    A frame that fits a row is not cut: its nodes are in the row of its middle. A leaf is in the row
    of its first user.
    """
    reach: dict[str, list[int]] = {}
    for node, its_frames in frames.items():
        for frame in its_frames:
            reach.setdefault(frame, []).append(depth[node])
    middle = {
        frame: (min(layers) + max(layers)) // 2 // a_row
        for frame, layers in reach.items()
        if max(layers) - min(layers) < a_row
    }
    row = {}
    for node, its_frames in frames.items():
        fitting = (middle[frame] for frame in its_frames if frame in middle)
        row[node] = next(fitting, depth[node] // a_row)
    fed = {head for heads in users.values() for head in heads}
    leaves = [node for node in frames if users[node] and node not in fed]
    return row | {leaf: min(row[user] for user in users[leaf]) for leaf in leaves}


def _scale(
    row: Mapping[T, int],
    depth: Mapping[T, int],
    frames: Mapping[T, Sequence[str]],
    across: bool,
    box: Size,
    label: float,
) -> float:
    """Estimate the scale of the picture on a slide."""
    sizes = Counter((row[node], layer) for node, layer in depth.items())
    reach: dict[int, list[int]] = {}
    broad: dict[int, int] = {}
    for (k, layer), size in sizes.items():
        reach.setdefault(k, []).append(layer)
        broad[k] = max(broad.get(k, 0), size)
    long = max((max(layers) - min(layers) + 1 for layers in reach.values()), default=1)
    beside = max(1, sum(broad.values()))
    around = FRAME * len(broad) if any(frames.values()) else 0
    wide, high = box
    if across:
        return min(WIDE / (long * (wide + label)), HIGH / (beside * high + around))
    return min(WIDE / (beside * wide + around), HIGH / (long * (high + label / 2)))


def _depths(users: Mapping[T, Sequence[T]]) -> dict[T, int]:
    """Find the layer of each node, counted from the left: as late as its users allow."""
    left: dict[T, int] = {}
    for name in TopologicalSorter(users).static_order():  # users first
        left[name] = min((left[head] for head in users[name]), default=1) - 1
    least = min(left.values(), default=0)
    return {name: left[name] - least for name in users}
