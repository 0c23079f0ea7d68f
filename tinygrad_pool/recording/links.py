"""The links of a node that look at one cell, and what each of them sent to it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import Indices, operands_of, sparse_jacobian
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.traits import traits_of

BLOCK = 1 << 20
"""How many links are listed at a time."""

KEPT = 4 * BLOCK
"""About how many links are kept for the next element."""

Known: TypeAlias = dict[tuple[Node, int, int, int], Weights]
"""Lists of links, keyed by node, operand, first unit and number of units."""


def links_into(
    node: Node, i: int, cell: int, among: Indices | None = None, known: Known | None = None
) -> tuple[Indices, NDArray[Any]]:
    """List the units of a node that look at one cell of operand i, and the weights of these links.

    If the units to search `among` are given, the search stops at the first block with a link.
    `known` caches the links into all units.
    """
    row = row_of(node, cell)
    asked = np.arange(node.size) if row is None else row
    known = known if row is None else None
    each = len(_listed(node, i, asked[:1], known).unit) if len(asked) > 1 else 1
    if each * len(asked) > KEPT and traits_of(node.rule).sparsity in ("matmul", "conv"):
        asked = _moved(node, i, cell)
    if among is not None:
        asked = np.intersect1d(asked, among, assume_unique=True)
    block = max(1, BLOCK // max(1, each))
    units, weights = [np.zeros(0, int)], [np.zeros(0, node.dtype)]
    for first in range(0, len(asked), block):
        W = _listed(node, i, asked[first : first + block], known)
        here = W.cell == cell
        units.append(W.unit[here])
        weights.append(W.weight[here])
        if among is not None and np.any(here):
            break
    return np.concatenate(units), np.concatenate(weights)


def _moved(node: Node, i: int, cell: int) -> Indices:
    """List the units of a product that one cell of operand i moves, without listing their links."""
    assert node.rule is not None
    xs = [np.zeros(np.shape(x), np.float32) for x in operands_of(node)]
    if i < 2:  # and not the bias of a convolution
        xs[1 - i] += 1
    xs[i].reshape(-1)[cell] = 1
    return np.flatnonzero(node.rule(*xs, **node.options)[0])


def with_flat_links(
    step: Step, cell: int, units: Indices, slopes: NDArray[Any]
) -> tuple[Indices, NDArray[Any]]:
    """Add the links of a softmax whose slope rounds to 0, from units whose gradient is not 0."""
    row = row_of(step.node, cell)
    if row is None:
        return units, slopes
    flat = np.setdiff1d(row[np.reshape(step.upstream, -1)[row] != 0], units)
    return np.append(units, flat), np.append(slopes, np.zeros(flat.shape, slopes.dtype))


def _listed(node: Node, i: int, units: Indices, known: Known | None) -> Weights:
    """List the links into some units; `known` caches them."""
    if known is None or node.size == node.parents[i].size == 1:  # one link is not worth keeping
        return sparse_jacobian(node, i, units)
    key = node, i, int(units[0]), len(units)
    if key not in known:
        if sum(len(W.unit) for W in known.values()) > KEPT:
            known.clear()
        known[key] = sparse_jacobian(node, i, units)
    return known[key]


def number_at(x: Any, cell: int) -> float:
    """Return the number in a cell of an array, by its flat index; a number has one cell."""
    return float(np.reshape(x, -1)[cell])


def row_of(node: Node, cell: int) -> Indices | None:
    """List the units of a softmax in the row of a cell, which all see it; None for other rules."""
    if traits_of(node.rule).unit != "softmax":
        return None
    return np.ravel(in_row(node, cell, np.arange(node.size)))


def in_row(node: Node, cell: int, x: Any) -> Any:
    """Select from an array the row of a softmax that a cell is in, along all of its axes."""
    place: list[Any] = [*np.unravel_index(cell, node.shape)]
    for axis in axes_of(node.shape, node.options.get("axis", -1), node.op):
        place[axis] = slice(None)
    return np.reshape(x, node.shape)[tuple(place)]


def sent_by_links(
    step: Step, i: int, cell: int, units: Indices, weights: NDArray[Any]
) -> NDArray[Any]:
    """Split a step's contribution to a cell among the units that sent it."""
    total = np.asarray(step.contributions[i]).reshape(-1)[cell]
    if len(units) == 1:
        return np.array([total])
    own = step.node.parents[i].dtype
    sent: NDArray[Any] = (np.reshape(step.upstream, -1)[units] * weights).astype(own)
    masked = (weights == 0) & ~np.isfinite(sent)  # ∞ × 0, which the closure may have left out
    with np.errstate(all="ignore"):
        others = sent[~masked].sum()
    if np.isfinite(total) or (not np.isfinite(others) and np.isnan(others) == np.isnan(total)):
        sent[masked] = 0
    if total == 0 and not (np.any(sent < 0) and np.any(sent > 0)):  # underflow, not cancellation
        sent[:] = 0
    return sent
