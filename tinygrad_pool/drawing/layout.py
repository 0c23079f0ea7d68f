"""Lay out a graph: its direction, the frame and row of each box, and which boxes are repeated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from itertools import chain
from typing import NamedTuple

from tinygrad_pool.drawing.frames import Entries, Use
from tinygrad_pool.drawing.wrapping import Rows, Size, rows_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import is_large, numbers

OFTEN = 4
"""A leaf that at least this many layers use is drawn once, and repeated by name."""
SAMPLE, A_LETTER, A_LINE, LABEL = 100, 7.6, 22, 55
"""How many boxes to estimate sizes from; the size of a letter, a line and a label in points."""


class Layout(NamedTuple):
    """The frames and rows of nodes, and the boxes drawn beside the node that uses them.

    `again` has the uses of nodes whose box is elsewhere. `breaks` has the tails of edges to other
    rows, each with the number where the edge continues and its uses there. `behind` has the boxes
    beside their users, each with the node to place it behind.
    """

    scopes: Mapping[Node, str]
    rows: Rows[Node]
    again: Collection[Use]
    breaks: Mapping[Node, tuple[str, Sequence[Use]]]
    behind: Sequence[tuple[Node, Use]]


def laid_out(
    nodes: Sequence[Node], show: Set[str], direction: str | None, rows: int | None
) -> Layout:
    """Lay out the nodes of a graph; for None, choose what fits a slide best.

    A leaf that many layers or several rows use is drawn once, and repeated by name at its other
    uses. Other edges from row to row are broken, with a number at both ends.
    """
    inside = {*nodes}
    operands = {(n, i): p for n in nodes for i, p in enumerate(n.parents) if isinstance(p, Node)}
    uses = {use: p for use, p in operands.items() if p in inside}
    uses_of: dict[Node, list[Use]] = {}
    for use, p in uses.items():
        uses_of.setdefault(p, []).append(use)
    room = _room(nodes, show)
    label = LABEL if {"local", "contribution"} & show else 0
    entries = Entries(nodes)
    edges = [(p, node) for (node, _), p in uses.items()]
    edges += [(p, uses[use]) for p, use in entries.behind() if use in uses]
    placed = rows_of(entries.frames, edges, rows, direction, room, label)
    row, layer = placed.row, placed.depth
    far = {p: [(n, i) for n, i in of_p if row[n] != row[p]] for p, of_p in uses_of.items()}
    leaves = [of_p for p, of_p in uses_of.items() if p.is_leaf]
    often = [of_p[1:] for of_p in leaves if len({layer[n] for n, _ in of_p}) >= OFTEN]
    again = {*chain(*far.values(), *often)}
    tails = dict.fromkeys(p for use, p in uses.items() if p.parents and use in again)
    breaks = {p: (str(k), far[p]) for k, p in enumerate(tails, 1)}
    behind = [(p, (n, i)) for p, (n, i) in entries.behind(again) if row[p] == row[n]]
    return Layout(entries.scopes, placed, again, breaks, behind)


def _room(nodes: Sequence[Node], show: Set[str]) -> Size:
    """Estimate the width and height of a box with the space between boxes, in points."""
    rows = len({"data", "grad"} & show)
    wide, high = [], []
    for node in nodes[:SAMPLE]:
        lines = numbers(node.data).split("\n")  # the gradient may be missing, and is as long
        wide.append(80 + A_LETTER * max(map(len, lines)) * bool(rows))
        pictures = rows if "heat" in show and is_large(node.data) else 0
        high.append(A_LINE * (2 + rows * len(lines) + pictures))
    return sum(wide) / len(wide), sum(high) / len(high)
