"""Styles of the edges of a graph: winners and losers, local derivatives, contributions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.derivatives.slopes import largest_of, slopes_of
from tinygrad_pool.drawing import theme
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.turns import still_waiting
from tinygrad_pool.engine.vjp import vjp_by_operand
from tinygrad_pool.formatting import number, several

SIGNS = "blue above 0, orange and double below, dashed 0"
LOCAL = "×: the local derivative, which multiplies the gradient"
MORE = "also includes earlier passes or nodes that are not drawn"
CHOICES = ("maximum", "minimum")
Style: TypeAlias = dict[str, str]
Contributions: TypeAlias = dict[Node, list[float | None]]


def largest_in(sent: Mapping[Node, Sequence[Any]]) -> Contributions:
    """Reduce each contribution to its largest element; those to constants are None."""
    return {node: [None if c is None else largest_of(c) for c in cs] for node, cs in sent.items()}


def sent_by(nodes: Iterable[Node]) -> dict[Node, Sequence[Any]]:
    """Compute the contributions of each node that has a gradient and has taken its step."""
    waiting = still_waiting()
    with np.errstate(all="ignore"):
        return {
            node: vjp_by_operand(node, node._grad)
            for node in nodes
            if node.is_interior and node.has_grad and node not in waiting
        }


def not_summed(sent: Mapping[Node, Sequence[Any]]) -> list[Node]:
    """List the operands whose gradient is not the sum of these contributions."""
    arrived: dict[Node, list[Any]] = {}
    for node, cs in sent.items():
        for p, c in zip(node.parents, cs, strict=True):
            if c is not None and p.has_grad:
                arrived.setdefault(p, []).append(c)
    with np.errstate(all="ignore"):
        return [p for p, cs in arrived.items() if not _adds_up(p.grad, cs)]


def _adds_up(g: Any, cs: list[Any]) -> bool:
    """Return whether contributions add up to a gradient, within rounding errors."""
    tolerance = 1e-5 * np.abs(cs).sum(axis=0)
    return bool(np.isclose(g, sum(cs), rtol=0.0, atol=tolerance, equal_nan=True).all())


def styled_edges(
    nodes: Sequence[Node], show: Collection[str], name: Callable[[Node], str]
) -> tuple[dict[Node, list[Style]], list[str]]:
    """Style the edges into each node; return the styles and the lines of their legend."""
    arrays = sent_by(nodes) if "contribution" in show else {}
    sent = largest_in(arrays)
    styles, lines, drawn = edge_styles(nodes, show, sent), legend(sent), {*nodes}
    if more := [name(p) or name_of(p) for p in not_summed(arrays) if p in drawn]:
        lines.append(f"grad of {several(more, 3)} {MORE}")
    labels = [style.get("label", "") for edges in styles.values() for style in edges]
    return styles, lines + [LOCAL] * any("×" in label for label in labels)


def edge_styles(
    nodes: Iterable[Node], show: Collection[str], sent: Contributions
) -> dict[Node, list[Style]]:
    """Style the edges into each node, in the order of its operands."""
    largest = max(_finite(sent), default=0.0)
    styles: dict[Node, list[Style]] = {}
    for node in nodes:
        shares = shares_of(node)
        slopes = slopes_of(node) if "local" in show else None
        styles[node] = []
        for i, p in enumerate(node.parents):
            style: Style = {} if shares is None else link_style(shares[i])
            back = carrying(sent[node][i], largest) if node in sent else {}
            if slopes is not None and isinstance(p, Node):
                local = f" × {number(slopes[i])} "
                style |= {"label": local, "fontcolor": theme.SOFT}
                back |= {"label": rf"{local}\n{back['label']}"} if back else {}
            styles[node].append(style | back)
    return styles


def carrying(c: float | None, largest: float) -> Style:
    """Style an edge by the contribution sent back along it: width by size, colour by sign.

    Below 0, the line is double, each half as wide. A NaN is as wide as the widest.
    """
    if c is None:
        return {}
    share = min(1.0, abs(c) / largest) if largest else float(c != 0)
    width = 0.8 + 4.2 * share
    return theme.line_of_sign(c, back=True) | {
        "label": f" {number(c)} ",
        "fontcolor": theme.of_sign(c),
        "penwidth": f"{width / 2 if c < 0 else width:.2f}",
        "dir": "back",
    }


def _finite(sent: Contributions) -> list[float]:
    """List the absolute values of the finite contributions."""
    return [abs(c) for cs in sent.values() for c in cs if c is not None and np.isfinite(c)]


def legend(sent: Contributions) -> list[str]:
    """Write the legend of contributions, with the scale of the widths, if there are any."""
    every = [c for cs in sent.values() for c in cs if c is not None]
    if not every:
        return []
    scale = ""
    if finite := _finite(sent):
        are, more = ("are", " or more") if np.isinf(every).any() else ("is", "")
        scale = f"; the widest {are} {number(max(finite))}{more}"
    return [f"arrows: gradients sent back{scale}", sign_legend(sent, np.isnan(every).any())]


def sign_legend(nodes: Iterable[Node], nan: bool | np.bool_ = False) -> str:
    """Write the legend of colours and line styles for arrows back from some nodes."""
    arrays = any(p.shape for node in nodes for p in node.parents if isinstance(p, Node))
    signs = f"{SIGNS}, purple NaN" if nan else SIGNS
    return f"{signs}; for arrays, the largest element" if arrays else signs


def link_style(share: float) -> Style:
    """Style a link of weight 0 as faint and dashed, any other as solid, with its weight."""
    if share == 0:
        return {"label": " 0", "style": "dashed", "color": theme.FAINT, "fontcolor": theme.SOFT}
    return {"label": f" {number(share, 3)}", "penwidth": "2.4", "color": theme.INK}


def shares_of(node: Node) -> list[float] | None:
    """Return the share of its gradient that a maximum or minimum of numbers sends each operand."""
    return slopes_of(node) if node.op in CHOICES else None
