"""Two networks side by side: a window that chooses its winner, and the same with 0/1 weights."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_pool.derivatives.candidates import Candidates
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.dot_program import lend_to_graphviz
from tinygrad_pool.drawing.labels import sign
from tinygrad_pool.drawing.words import Caption
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import counted, number, plain, typeset

if TYPE_CHECKING:
    from graphviz import Digraph

WINDOWS, CELLS, BESIDE = 3, 12, 6
TRIED = 100


class Cell(NamedTuple):
    """A circle of the lower row: a cell of an operand, or a constant."""

    operand: int
    cell: int


def draw_side_by_side(
    contest: Candidates, unit: int, data: Any, g: Any, to_operands: Any
) -> Digraph:
    """Draw a window and the ones that its winner takes part in, without weights and with.

    `data` and `g` are the node's data and the gradient that arrived at it, flat; `to_operands` what
    each operand got in all.
    """
    units = _windows(contest, unit)
    members = {u: [*contest.within(u)] for u in units}
    cells = sorted({_cell(contest, i) for u in units for i in members[u]})
    graph = theme.canvas("side_by_side", "BT")
    graph.attr(nodesep="0.15", ranksep="0.9", labelloc="b", fontsize="14")
    graph.attr(label="\\norange: what goes back along each link", fontcolor=theme.GRADIENT)
    titles = ("as it is: links without weights", "the same as a layer of 0/1 weights, y = P z")
    for panel, title in enumerate(titles):
        names = {cell: f"p{panel}c{k}" for k, cell in enumerate(cells)}
        tops = {u: f"p{panel}u{u}" for u in units}
        for cell, name in names.items():
            _draw_cell(graph, name, contest, cell, to_operands)
        for u, name in tops.items():
            _draw_unit(graph, name, contest.node, u, data, g, weighted=panel == 1)
            for i in members[u]:
                style = _link(contest.weight[i], g[u], weighted=panel == 1)
                graph.edge(names[_cell(contest, i)], name, **style)
            graph.edge(name, f"title{panel}", style="invis")
        graph.node(f"title{panel}", theme.literal(title), shape="plain", fontsize="18")
        _row(graph, f"cells{panel}", names.values())
        _row(graph, f"units{panel}", tops.values())
    last = f"p0c{len(cells) - 1}"
    if len(cells) <= BESIDE:
        graph.node("gap", style="invis", width="0.6")
        _row(graph, "both", [last, "gap", "p1c0"])
    else:  # too wide for one beside the other: the first goes above the second
        graph.edge("title1", "p0c0", style="invis")
        graph.edge("title1", last, style="invis")
    said = f"{counted(len(units), 'unit')} over {counted(len(cells), 'cell')}, {'; '.join(titles)}."
    graph.comment = Caption(f"{sign(contest.node)} beside a layer of weights", said).comment()
    lend_to_graphviz()
    return graph


def _windows(contest: Candidates, unit: int) -> list[int]:
    """Choose the window, and with it the others that its winner wins or loses, while they fit."""
    here = _cell(contest, next(i for i in contest.within(unit) if contest.weight[i]))
    same = (contest.operand == here.operand) & (contest.cell == here.cell)
    others = [int(u) for u in contest.unit[same][:TRIED] if u != unit]
    chosen = [unit]
    for other in others:
        seen = {_cell(contest, i) for u in (*chosen, other) for i in contest.within(u)}
        if len(chosen) < WINDOWS and len(seen) <= CELLS:
            chosen.append(other)
    return sorted(chosen)


def _cell(contest: Candidates, i: int) -> Cell:
    return Cell(int(contest.operand[i]), int(contest.cell[i]))


def _row(graph: Digraph, name: str, members: Iterable[str]) -> None:
    with graph.subgraph(name=name) as row:
        row.attr(rank="same")
        for left, right in pairwise(members):
            row.edge(left, right, style="invis")


def _draw_cell(
    graph: Digraph, name: str, contest: Candidates, cell: Cell, to_operands: Any
) -> None:
    p = 0.0 if cell.operand < 0 else contest.node.parents[cell.operand]
    is_node = isinstance(p, Node)
    value = np.reshape(p._numbers if isinstance(p, Node) else p, -1)[cell.cell]
    lines = [_place(p, cell.cell), number(value, digits=3)]
    if is_node:
        lines.append(f"δ = {number(np.reshape(to_operands[cell.operand], -1)[cell.cell], 3)}")
    _circle(graph, name, lines, theme.LEAF if is_node else theme.CONSTANT)


def _place(p: Any, cell: int) -> str:
    """Name a cell by its label, or by its place in the operand."""
    if not isinstance(p, Node):
        return "constant"
    place = ", ".join(str(int(k)) for k in np.unravel_index(cell, p.shape))
    if not place:
        return typeset(p.label) if p.label else sign(p) or "z"
    return f"{plain(p.label)[:8] or 'z'}[{place}]"


def _draw_unit(
    graph: Digraph, name: str, node: Node, unit: int, data: Any, g: Any, weighted: bool
) -> None:
    place = ", ".join(str(int(k)) for k in np.unravel_index(unit, node.shape))
    lines = ["Σ P z" if weighted else sign(node)]
    lines += [f"y[{place}]"] if place else []
    lines += [number(data[unit], digits=3), f"δ = {number(g[unit], digits=3)}"]
    _circle(graph, name, lines, theme.OPERATION, width="1.6")


def _circle(graph: Digraph, name: str, lines: list[str], fill: str, width: str = "1.35") -> None:
    graph.node(
        name,
        theme.literal(*lines),
        id=name,
        shape="circle",
        fixedsize="true",
        width=width,
        fontsize="12",
        style="filled",
        fillcolor=fill,
    )


def _link(weight: float, g: float, weighted: bool) -> dict[str, str]:
    """Draw a link with what it carries back, and where it has one, its weight."""
    carried = number(weight * g if weight else 0.0, digits=3)
    shown = f'<FONT COLOR="{theme.GRADIENT}" POINT-SIZE="12">&nbsp;&nbsp;{carried}</FONT>'
    style = {"color": theme.INK, "penwidth": "2.6"} if weight else {"color": theme.FAINT}
    if weighted:
        shown = f'<FONT POINT-SIZE="18"><B>&nbsp;{number(weight, digits=3)}</B></FONT><BR/>{shown}'
        style["style"] = "solid" if weight else "dashed"
    return {**style, "label": f"<{shown}>"}
