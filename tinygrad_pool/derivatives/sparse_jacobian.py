"""The sparse Jacobian of a node: the cells of an operand that each unit looks at, with weights.

Linearized at its present value, any node is a layer of weights. If the sparsity of its rule is
known, the links are listed directly; otherwise the closure is called for each unit.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of, shape_of
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.running import data_of
from tinygrad_pool.engine.staleness import check_not_stale, set_since
from tinygrad_pool.engine.value import Value
from tinygrad_pool.engine.vjp import vjp, vjp_by_operand
from tinygrad_pool.errors import GraphError, OptionError
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.cells import cells_of, counts_of
from tinygrad_pool.rules.pooling import winning_links
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.traits import traits_of
from tinygrad_pool.rules.windows import space_of

Indices: TypeAlias = NDArray[np.int64]
Links: TypeAlias = tuple[Indices, Indices, NDArray[Any]]
"""The flat unit, the flat cell and the weight of each link."""

Pattern: TypeAlias = Callable[[Node, int, Indices], Links]
"""Lists the links from operand i into the given units, in row-major order."""


def weights_of(node: Node, parent: int | Node = 0) -> Weights:
    """Return the local Jacobian W = ∂y/∂x of a node, a layer of sparse weights on one operand.

    y ≈ y₀ + W (x − x₀). `parent` is the operand x, or its place among `node.parents`. For max
    pooling, W is the derivation's P: 1 on the winners' links and 0 on the losers'. For a product,
    it is the other factor.

    Raises DataError if `node` is not a Value; OptionError if there is no such operand, or it is a
    constant; GraphError for a leaf, or if data changed since.

    >>> import tinygrad_pool as tg
    >>> P = weights_of(tg.max_pool1d(tg.Value([1.0, 3.0, 2.0, 0.0]), 2))
    >>> P.dense()
    array([[0., 1., 0., 0.],
           [0., 0., 1., 0.]])
    """
    check_value(node, "weights_of")
    if node.is_leaf:
        raise GraphError(
            f"weights_of: {name_of(node)} has no graph: it was not computed from Values"
        )
    check_not_stale([node], create_graph=True, name="weights_of")
    places = [i for i, p in enumerate(node.parents) if isinstance(p, Node)]
    for i in places:
        if node.parents[i] is parent or (type(parent) is int and i == parent):
            return sparse_jacobian(node, i)
    got = name_of(parent) if isinstance(parent, Node) else f"{parent!r:.80}"
    raise OptionError(
        f"weights_of: {name_of(node)} has {counted(len(node.parents), 'operand')}, with Values at "
        f"{places}; parent must be one of these places or Values, got {got}"
    )


def sparse_jacobian(node: Node, i: int, units: Indices | None = None) -> Weights:
    """List the links from operand i into all units of a node, or the given ones, unit by unit."""
    units = np.arange(node.size) if units is None else units
    pattern = SPARSITY.get(traits_of(node.rule).sparsity, dense_rows)
    unit, cell, weight = pattern(node, i, units)
    if pattern in (_pool, _conv, _matmul) and set_since([node]):
        weight = _slopes_then(node, i, unit, cell)
    x_shape = shape_of(node.parents[i])
    return Weights(unit, cell, np.asarray(weight, node.dtype), node.shape, x_shape)


def pooling_weights(loss: Value, name: str) -> dict[Value, list[Weights]]:
    """List the weights, by operand, of each node below `loss` that chooses or averages.

    Raises DataError if `loss` is not a Value; GraphError if data changed since. Both begin with
    `name`.
    """
    check_value(loss, name)
    nodes: list[Any] = topological_order(loss)
    check_not_stale(nodes, create_graph=True, name=name)
    pools = (node for node in nodes if node.is_interior and traits_of(node.rule).pools)
    return {node: [sparse_jacobian(node, i) for i in range(len(node.parents))] for node in pools}


def operands_of(node: Node) -> list[Any]:
    """List the numbers that a node was computed from."""
    return data_of(node.parents)


def unit_slopes(node: Node, i: int) -> Any:
    """Call the closure with 1 for every unit at once, which suffices if no two share a cell."""
    slopes = vjp(node, np.ones(node.shape, node.dtype))[i]
    return 0.0 if slopes is None else slopes


def _elementwise(node: Node, i: int, units: Indices) -> Links:
    """Each unit looks at the one cell that is broadcast to it."""
    cell = np.broadcast_to(_numbered(node.parents[i]), node.shape).reshape(-1)[units]
    slopes = np.broadcast_to(unit_slopes(node, i), node.shape).reshape(-1)
    return units, cell, slopes[units]


def _reduction(node: Node, i: int, units: Indices) -> Links:
    """Each cell is looked at by one unit, that of its row."""
    assert node.rule is not None
    x = operands_of(node)[i]
    column = np.shape(node.rule(x, **(dict(node.options) | {"keepdims": True}))[0])
    owner = np.broadcast_to(np.arange(node.size).reshape(column), np.shape(x)).reshape(-1)
    order = np.argsort(owner, kind="stable")
    cell = order[np.isin(owner[order], units)]
    return owner[cell], cell, np.asarray(unit_slopes(node, i)).reshape(-1)[cell]


def _selection(node: Node, i: int, units: Indices) -> Links:
    """Each unit is a copy of at most one cell: running the rule on cell numbers tells which."""
    assert node.rule is not None
    numbered = [
        _numbered(p) + 1 if j == i else np.zeros(np.shape(p), int)
        for j, p in enumerate(operands_of(node))
    ]
    cell = np.asarray(node.rule(*numbered, **node.options)[0]).reshape(-1)[units] - 1
    copied = cell >= 0
    return units[copied], cell[copied], np.ones(copied.sum())


def _numbered(operand: Any) -> Indices:
    """Return the numbers of an operand's cells, in its shape."""
    return np.arange(prod(shape_of(operand))).reshape(shape_of(operand))


def _pool(node: Node, i: int, units: Indices) -> Links:
    """Each unit looks at the cells of its window."""
    windows, x = node.options["windows"], np.asarray(operands_of(node)[i])
    space = space_of(x.shape, len(windows.kernel), node.op)
    cells = cells_of(windows, space).reshape(prod(windows.over(space)), -1)
    plane, window = np.divmod(units, len(cells))
    seen = cells[window]
    unit = np.broadcast_to(units[:, None], seen.shape)[seen >= 0]
    cell = (seen + plane[:, None] * prod(space))[seen >= 0]
    return unit, cell, _POOLED[traits_of(node.rule).unit](node, x, unit, cell)


def _won(node: Node, x: NDArray[Any], unit: Indices, cell: Indices) -> NDArray[Any]:
    """Return the weights of max pooling: 1 for the winner, its share in a tie, 0 for losers."""
    won = winning_links(x, **node.options)
    shares = np.broadcast_to(1 / np.asarray(won.n), node.shape).reshape(-1)
    return shares[unit] * np.isin(unit * x.size + cell, won.unit * x.size + won.cell)


def _averaged(node: Node, x: NDArray[Any], unit: Indices, _: Indices) -> NDArray[Any]:
    """Return the weights of average pooling: 1 / K."""
    windows, padding = node.options["windows"], node.options.get("count_include_pad", True)
    space = x.shape[x.ndim - len(windows.kernel) :]
    counts = counts_of(windows, space, padding=padding).reshape(-1)
    own: float | None = node.options.get("divisor_override")
    return 1 / (counts[unit % counts.size] if own is None else np.full(unit.shape, own))


def _normed(node: Node, x: NDArray[Any], unit: Indices, cell: Indices) -> NDArray[Any]:
    """Return the weights of a p-norm: sign(x) (|x| / y)ᵖ⁻¹."""
    seen, y = x.reshape(-1)[cell], np.asarray(node._numbers).reshape(-1)[unit]
    share = np.abs(seen) / np.where(y == 0, 1, y)
    slope: NDArray[Any] = np.sign(seen) * share ** (node.options.get("norm_type", 2.0) - 1)
    return slope


def _conv(node: Node, i: int, units: Indices) -> Links:
    """Each unit looks at the cells of its window in the channels of its group."""
    x, w, *_ = map(np.asarray, operands_of(node))
    windows, groups = node.options["windows"], node.options.get("groups", 1)
    features, channels, *kernel = w.shape
    space = x.shape[x.ndim - len(kernel) :]
    cells = cells_of(windows, space).reshape(-1, 1, prod(kernel))
    rest, window = np.divmod(units, len(cells))
    image, feature = np.divmod(rest, features)
    if i == 2:
        return units, feature, np.ones(units.shape)
    of_one = np.arange(channels * prod(kernel)).reshape(channels, prod(kernel))
    of_w = feature[:, None, None] * channels * prod(kernel) + of_one
    group = feature // (features // groups)
    channel = (image * groups + group)[:, None, None] * channels + np.arange(channels)[:, None]
    at = np.broadcast_to(cells[window], of_w.shape)
    of_x = channel * prod(space) + at
    unit = np.broadcast_to(units[:, None, None], of_w.shape)[at >= 0]
    of_w, of_x = of_w[at >= 0], of_x[at >= 0]
    if i == 0:
        return unit, of_x, w.reshape(-1)[of_w]
    return unit, of_w, x.reshape(-1)[of_x]


def _matmul(node: Node, i: int, units: Indices) -> Links:
    """Each unit looks at a row of x and a column of w."""
    x, w = map(_numbered, operands_of(node))
    rows = x if x.ndim > 1 else x[None]
    columns = w.swapaxes(-1, -2) if w.ndim > 1 else w[None]
    lead = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    *place, row, column = np.unravel_index(units, (*lead, rows.shape[-2], columns.shape[-2]))
    of_x = np.broadcast_to(rows, (*lead, *rows.shape[-2:]))[(*place, row)]
    of_w = np.broadcast_to(columns, (*lead, *columns.shape[-2:]))[(*place, column)]
    cell, other = (of_x, of_w) if i == 0 else (of_w, of_x)
    factor = np.asarray(operands_of(node)[1 - i]).reshape(-1)[other.reshape(-1)]
    return np.repeat(units, cell.shape[1]), cell.reshape(-1), factor


def _weights(node: Node, i: int, units: Indices) -> Links:
    """Return the links of a layer of weights, which are among its options."""
    W: Weights = node.options["weights"][i]
    kept = np.isin(W.unit, units)
    cell = np.broadcast_to(_numbered(node.parents[i]), W.x_shape).reshape(-1)[W.cell[kept]]
    return W.unit[kept], cell, W.weight[kept]


def dense_rows(node: Node, i: int, units: Indices) -> Links:
    """Call the closure with the gradient of one unit after another."""
    parts = []
    for unit in units:
        g = np.zeros(node.shape, node.dtype)
        g.reshape(-1)[unit] = 1
        c = vjp_by_operand(node, g)[i]
        row = np.zeros(0) if c is None else np.reshape(c, -1)
        cell = np.flatnonzero(row)
        parts.append((np.full(cell.shape, unit), cell, row[cell]))
    columns = zip(*parts, strict=True) if parts else np.zeros((3, 1, 0), int)
    unit, cell, weight = (np.concatenate(column) for column in columns)
    return unit, cell, weight


def _slopes_then(node: Node, i: int, unit: Indices, cell: Indices) -> NDArray[Any]:
    """Return weights from the closure, which holds the data from before operands were set."""
    units, cells, weight = dense_rows(node, i, np.unique(unit))
    n = operands_of(node)[i].size
    known, asked = np.append(units * n + cells, -1), unit * n + cell
    at = np.searchsorted(known[:-1], asked)
    return np.where(known[at] == asked, np.append(weight, 0)[at], 0)


_POOLED: dict[str, Callable[..., Any]] = {"largest": _won, "sum": _averaged, "norm": _normed}
SPARSITY: dict[str, Pattern] = {
    "elementwise": _elementwise,
    "reduction": _reduction,
    "selection": _selection,
    "pool": _pool,
    "conv": _conv,
    "matmul": _matmul,
    "weights": _weights,
}
"""How to list the links of each sparsity that a rule can have."""
