"""Two networks side by side: a window that chooses its winner, and the same with 0/1 weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.derivatives.candidates import Candidates, Cell
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.nodes import in_line, sign
from tinygrad_pool.drawing.theme import Digraph
from tinygrad_pool.drawing.units import OTHERS, draw_circle, rim, rim_legend, width_of, with_name
from tinygrad_pool.drawing.words import Caption
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import counted, number, plain, subscript, typeset

WINDOWS, CELLS, BESIDE = 3, 12, 6
TRIED = 100
SENT = (" sent back along a link: weight · δ", "the sum at a unit is ∂E/∂z")
TITLES = (("as it is:", "links without weights"), ("the same as a layer", "of {}, y = P z"))
"""Each in two parts, which are two lines in a narrow picture; {} is the kind of weights."""


def draw_side_by_side(
    contest: Candidates, unit: int, data: Any, g: Any, to_operands: Any, narrow: bool
) -> Digraph:
    """Draw a window and others that contain its winner, without weights and with.

    `narrow` draws one window, with its cells below each other, and one network above the other.

    `data` and `g` are the node's data and upstream gradient, flat; `to_operands` the total gradient
    of each operand.
    """
    units = [unit] if narrow else _windows(contest, unit)
    members = {u: [*contest.within(u)] for u in units}
    cells = sorted({contest.at(i) for u in units for i in members[u]})
    got = {cell: _got(contest, cell, to_operands) for cell in cells}
    others = _others(contest, members, g, got)
    lines = {cell: _lines(contest, cell, got[cell], others.get(cell)) for cell in cells}
    width = width_of(lines.values())
    rims = rim_legend([*got.values(), *(g[u] for u in units)])
    back = "←" if narrow else "↓"
    sent = [back + SENT[0], SENT[1]] if narrow else [back + "; ".join(SENT)]
    legend = (*sent, *rims, *[OTHERS] * bool(others))
    graph = theme.canvas("side_by_side", "LR" if narrow else "BT", "", *legend)
    graph.attr(nodesep="0.12", ranksep="0.55")
    drawn = {contest.weight[i] for candidates in members.values() for i in candidates}
    kind = "0/1 weights" if drawn <= {0, 1} else "weights"
    titles = [[part.format(kind) for part in title] for title in TITLES]
    column: list[str] = []
    for panel, title in enumerate(titles):
        names = {cell: f"p{panel}c{k}" for k, cell in enumerate(cells)}
        tops = {u: f"p{panel}u{u}" for u in units}
        for cell, name in names.items():
            fill = theme.CONSTANT if got[cell] is None else theme.LEAF
            draw_circle(graph, name, lines[cell], width, fillcolor=fill, **rim(got[cell]))
        for u, name in tops.items():
            _draw_unit(graph, name, contest.node, u, data, g, weighted=panel == 1)
            for i in members[u]:
                style = _link(contest.weight[i], g[u], back, weighted=panel == 1)
                graph.edge(names[contest.at(i)], name, **style)
            if not narrow:
                graph.edge(name, f"title{panel}", style="invis")
        heading = title if narrow else [" ".join(title)]
        graph.node(f"title{panel}", theme.literal(*heading), shape="plain", fontsize="18")
        if not narrow:
            in_line(graph, names.values(), f"cells{panel}")
            in_line(graph, tops.values(), f"units{panel}")
        column += [f"title{panel}", *names.values()]
    last = f"p0c{len(cells) - 1}"
    if narrow:
        in_line(graph, column)
    elif len(cells) <= BESIDE:
        graph.node("gap", style="invis", width="0.6")
        in_line(graph, [last, "gap", "p1c0"], "both")
    else:  # too wide side by side: the first goes above the second
        graph.edge("title1", "p0c0", style="invis")
        graph.edge("title1", last, style="invis")
    size = f"{counted(len(units), 'unit')} over {counted(len(cells), 'cell')}"
    text = f"{size}, {'; '.join(map(' '.join, titles))}."
    graph.comment = Caption(f"{sign(contest.node)} beside a layer of weights", text).comment()
    return graph


def _windows(contest: Candidates, unit: int) -> list[int]:
    """Return a window and others that contain its winner, as many as fit."""
    here = contest.at(next(i for i in contest.within(unit) if contest.weight[i]))
    same = (contest.operand == here.operand) & (contest.cell == here.cell)
    others = [int(u) for u in contest.unit[same][:TRIED] if u != unit]
    chosen = [unit]
    for other in others:
        seen = {contest.at(i) for u in (*chosen, other) for i in contest.within(u)}
        if len(chosen) < WINDOWS and len(seen) <= CELLS:
            chosen.append(other)
    return sorted(chosen)


def _got(contest: Candidates, cell: Cell, to_operands: Any) -> float | None:
    """Return the total gradient of a cell; None for a constant."""
    if cell.operand < 0 or not isinstance(contest.node.parents[cell.operand], Node):
        return None
    return float(np.reshape(to_operands[cell.operand], -1)[cell.cell])


def _others(
    contest: Candidates, members: dict[int, list[int]], g: Any, got: dict[Cell, float | None]
) -> dict[Cell, float]:
    """Return the gradients that cells got from windows that are not drawn, or from elsewhere."""
    drawn = dict.fromkeys(got, 0.0)
    for u, candidates in members.items():
        for i in candidates:
            drawn[contest.at(i)] += _carried(contest.weight[i], g[u])
    return {
        cell: total - drawn[cell]
        for cell, total in got.items()
        if total is not None and not np.isclose(total, drawn[cell], rtol=1e-5, equal_nan=True)
    }


def _carried(weight: float, g: float) -> float:
    return float(weight * g) if weight else 0.0


def _lines(contest: Candidates, cell: Cell, got: float | None, others: float | None) -> list[str]:
    """Return the lines of text in a cell; `got` is its gradient."""
    p = contest.node.parents[cell.operand] if cell.operand >= 0 else 0.0
    value = np.reshape(p._numbers if isinstance(p, Node) else p, -1)[cell.cell]
    lines = with_name(_place(p, cell.cell), value)
    lines += [f"+ others: {number(others, digits=3)}"] if others else []
    return lines if got is None else [*lines, f"∂E/∂z = {number(got, digits=3)}"]


def _place(p: Any, cell: int) -> str:
    """Name a cell by its label, or by its index in the operand."""
    if not isinstance(p, Node):
        return "constant"
    place = subscript(np.unravel_index(cell, p.shape))
    if not place:
        return typeset(p.label) if p.label else sign(p) or "z"
    return f"{plain(p.label)[:8] or 'z'}{place}"


def _draw_unit(
    graph: Digraph, name: str, node: Node, unit: int, data: Any, g: Any, weighted: bool
) -> None:
    place = subscript(np.unravel_index(unit, node.shape))
    lines = with_name(f"y{place}" if place else typeset(node.label), data[unit])
    lines += ["Σ P z" if weighted else sign(node), f"δ = {number(g[unit], digits=3)}"]
    draw_circle(graph, name, lines, width_of([lines]), fillcolor=theme.OPERATION, **rim(g[unit]))


def _link(weight: float, g: float, back: str, weighted: bool) -> dict[str, str]:
    """Return the style of a link, with the gradient that it carries back, and its weight."""
    carried = _carried(weight, g)
    colour = theme.of_sign(carried)
    shown = f'<FONT COLOR="{colour}">&nbsp;{back}&nbsp;{number(carried, digits=3)}</FONT>'
    style = {"color": theme.INK, "penwidth": "2.6"} if weight else {"color": theme.FAINT}
    style |= {} if weight else {"style": "dashed"}
    if weighted:
        shown = f'<FONT POINT-SIZE="18"><B>&nbsp;{number(weight, digits=3)}</B></FONT><BR/>{shown}'
    return {**style, "label": f"<{shown}>"}
