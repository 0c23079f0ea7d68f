"""Where the boxes of a graph stand: in which direction, frame and row, and which stand again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from itertools import chain
from typing import NamedTuple

from tinygrad_pool.drawing.frames import Entries, Use, frames_of, scopes_of
from tinygrad_pool.drawing.wrapping import Rows, Size, rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import is_large, numbers

OFTEN = 4
"""So many layers use a leaf that is called by its name beside them."""
SAMPLE, A_LETTER, A_LINE, LABEL = 100, 7.6, 22, 55
"""From how many boxes their size is reckoned; and how large a letter, a line and a label are."""


class Layout(NamedTuple):
    """Where nodes stand, in frames and rows, and what has a box of its own beside its user.

    `again` has the uses of a node that stands elsewhere, too. `breaks` has the tails of edges to
    other rows: a number under which these go on, and the uses there. `behind` has what only stands
    beside its user, each with the node that it is put behind.
    """

    scopes: Mapping[Node, str]
    rows: Rows[Node]
    again: Collection[Use]
    breaks: Mapping[Node, tuple[str, Sequence[Use]]]
    behind: Sequence[tuple[Node, Use]]


def laid_out(
    nodes: Sequence[Node], show: Set[str], direction: str | None, rows: int | None
) -> Layout:
    """Lay out the nodes of a graph; None is the direction, or the rows, that fit a slide better.

    A leaf that many layers use is drawn once, and called by its name beside the others, as it is in
    other rows. Other edges from row to row are broken, with a number at both ends.
    """
    inside = {*nodes}
    operands = {(n, i): p for n in nodes for i, p in enumerate(n.parents) if isinstance(p, Node)}
    uses = {use: p for use, p in operands.items() if p in inside}
    uses_of: dict[Node, list[Use]] = {}
    for use, p in uses.items():
        uses_of.setdefault(p, []).append(use)
    room = _room(nodes, show)
    label = LABEL if {"local", "contribution"} & show else 0
    scopes = scopes_of(nodes)
    frames = {node: frames_of(scopes[node]) for node in nodes}
    entries = Entries(nodes, scopes)
    edges = [(p, node) for (node, _), p in uses.items()]
    edges += [(p, uses[use]) for p, use in entries.behind() if use in uses]
    placed = rows_of(frames, edges, rows, direction, room, label)
    row, layer = placed.row, placed.depth
    far = {p: [(n, i) for n, i in some if row[n] != row[p]] for p, some in uses_of.items()}
    leaves = [some for p, some in uses_of.items() if p.is_leaf]
    often = [some[1:] for some in leaves if len({layer[n] for n, _ in some}) >= OFTEN]
    again = {*chain(*far.values(), *often)}
    tails = dict.fromkeys(p for use, p in uses.items() if p.parents and use in again)
    breaks = {p: (str(k), far[p]) for k, p in enumerate(tails, 1)}
    behind = [(p, (n, i)) for p, (n, i) in entries.behind(again) if row[p] == row[n]]
    return Layout(scopes, placed, again, breaks, behind)


def _room(nodes: Sequence[Node], show: Set[str]) -> Size:
    """Estimate how much room a box takes, with what is between two, in points: width and height."""
    rows = len({"data", "grad"} & show)
    wide, high = [], []
    for node in nodes[:SAMPLE]:
        lines = numbers(node.data).split("\n")  # a gradient, which comes and goes, is as long
        wide.append(80 + A_LETTER * max(map(len, lines)) * bool(rows))
        pictures = rows if "heat" in show and is_large(node.data) else 0
        high.append(A_LINE * (2 + rows * len(lines) + pictures))
    return sum(wide) / len(wide), sum(high) / len(high)
