"""An array graph as a scalar graph, in which each unit is a Value."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_pool.derivatives.rewriting import rewritten
from tinygrad_pool.derivatives.sparse_jacobian import Indices, operands_of, sparse_jacobian
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.rerun import check_value, run_forward
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ShapeError, UnsupportedError
from tinygrad_pool.formatting import subscript
from tinygrad_pool.functional import operations
from tinygrad_pool.rules import elementwise, reductions
from tinygrad_pool.rules.arguments import axes_of, count_of, kept
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.traits import traits_of

MOST = 2000
NONE = np.zeros(0, int)


class Seen(NamedTuple):
    """The scalars that one unit looks at in each operand, and the weights of these links."""

    scalars: list[list[Any]]
    weights: list[list[float]]

    @property
    def all(self) -> list[Any]:
        """Every scalar, operand after operand."""
        return [x for of_operand in self.scalars for x in of_operand]


Builder: TypeAlias = Callable[[Node, Seen, int], Any]
"""Computes one unit of a node from the scalars that it looks at."""


def explode(value: Value, limit: int = MOST) -> Value:
    """Compute a number again with each unit that it depends on as a scalar Value.

    Sums become `weighted_sum`, pools `maximum`, and so on; operations that only move numbers, such
    as reshape and sort, disappear. A unit's label is that of its array with its index. Gradients
    are those of the arrays. Only units that the number depends on are included. Units are Python
    floats, in double precision.

    Raises DataError if it is not a Value; ShapeError for an array, or if there would be more than
    `limit` units; UnsupportedError for inverses, determinants, decompositions and your own rules,
    of arrays; GraphError if data changed.

    >>> x = Value([1.0, 3.0, 2.0], label="x")
    >>> top = explode(x.max())
    >>> top.op, [p.label for p in top.parents]
    ('maximum', ['x[0]', 'x[1]', 'x[2]'])
    """
    result = units_of(value, limit, "explode")[value][0]
    return result if isinstance(result, Value) else Value(result)


def units_of(value: Value, limit: int, name: str) -> dict[Node, dict[int, Any]]:
    """Make a scalar of every unit that a number depends on: by node, then by flat index."""
    check_value(value, name)
    limit = count_of(limit, f"{name}: limit", 1)
    if value.size != 1:
        raise ShapeError(
            f"{name}: needs a number, got {name_of(value)} of shape {value.shape}; "
            "reduce it, or take one unit by its index"
        )
    check_not_stale(topological_order(value), create_graph=True, name=name)
    twins = rewritten(value)
    value = twins[value]
    needed, links = _needed(value, topological_order(value), limit, name)

    def make(node: Node, operands: list[Any]) -> dict[int, Any]:
        below = links.get(node, [])
        return {u: _unit(node, u, operands, below) for u in needed.get(node, NONE).tolist()}

    with with_graph():
        units = run_forward(value, make)
    return {node: units[twin] for node, twin in twins.items() if twin in units}


def _needed(
    value: Value, nodes: list[Node], limit: int, name: str
) -> tuple[dict[Node, Indices], dict[Node, list[Weights]]]:
    """Return the units of each node that the number depends on, and the links into them."""
    needed: dict[Node, Indices] = {value: np.zeros(1, int)}
    links: dict[Node, list[Weights]] = {}
    count = 0
    for node in reversed(nodes):
        count += len(needed.get(node, ()))
        _check(value, nodes, count, limit, name)
        if node.is_leaf or node not in needed:
            continue
        if traits_of(node.rule).sparsity == "reduction":  # before listing too many
            x = operands_of(node)[0]
            _check(value, nodes, len(needed[node]) * np.size(x) // max(node.size, 1), limit, name)
        links[node] = [_links(node, i, needed[node], name) for i, _ in enumerate(node.parents)]
        for p, found in zip(node.parents, links[node], strict=True):
            if isinstance(p, Node):
                needed[p] = np.union1d(needed.get(p, found.cell), found.cell)
    return needed, links


def _check(value: Value, nodes: list[Node], count: int, limit: int, name: str) -> None:
    """Raise ShapeError if there are more units than the limit."""
    if count > limit:
        instead = "ask record(loss).why(v)" if name == "derive" else "raise the limit"
        raise ShapeError(
            f"{name}: {name_of(value)} depends on more than limit={limit:,} of the "
            f"{sum(n.size for n in nodes):,} units in its graph; "
            f"take one unit of it, a smaller input, or {instead}"
        )


def _links(node: Node, i: int, units: Indices, name: str) -> Weights:
    """List the links into some units; a unit of a softmax looks at its whole row."""
    x_shape = np.shape(operands_of(node)[i])
    if _builder(node) is None:
        if any(np.ndim(x) for x in (node._numbers, *operands_of(node))):
            fix = "ask record(loss).why(v), which needs none"
            if not is_ours(node.rule):
                fix = "if the rule acts on each element alone, declare it: "
                fix += 'with_traits("elementwise")(rule)'
            raise UnsupportedError(
                f"{name}: {name_of(node)} has no scalar form, so its arrays cannot be split into "
                f"units; {fix}"
            )
        return Weights(units, np.zeros(1, int), np.ones(1), node.shape, x_shape)
    if traits_of(node.rule).unit != "softmax":
        return sparse_jacobian(node, i, units)
    cells = _rows(node)[units]
    unit = np.repeat(units, cells.shape[1])
    return Weights(unit, cells.reshape(-1), np.ones(cells.size), node.shape, x_shape)


def _rows(node: Node) -> Indices:
    """List, for each unit of a softmax, the cells of its row, including itself."""
    axes = axes_of(node.shape, node.options.get("axis", -1), node.op)
    column = kept(node.shape, axes)
    row = np.broadcast_to(np.arange(prod(column)).reshape(column), node.shape).reshape(-1)
    rows = prod(column), node.size // max(prod(column), 1)
    return np.argsort(row, kind="stable").reshape(rows)[row]


def _unit(node: Node, unit: int, operands: list[Any], links: list[Weights]) -> Any:
    """Make one unit of a node from the scalars that it looks at."""
    if node.is_leaf:
        return _called(Value(float(np.reshape(node._numbers, -1)[unit])), node, unit)
    seen = Seen([], [])
    for x, W in zip(operands, links, strict=True):
        first, last = np.searchsorted(W.unit, (unit, unit + 1))
        scalars = x if isinstance(x, dict) else np.reshape(x, -1)
        cells = (scalars[c] for c in W.cell[first:last].tolist())
        seen.scalars.append([c if isinstance(c, Value) else float(c) for c in cells])
        seen.weights.append(W.weight[first:last].tolist())
    built = (_builder(node) or _same_rule)(node, seen, unit)
    fresh = isinstance(built, Value) and all(built is not x for x in seen.all)
    return _called(built, node, unit) if fresh else built


def _called(scalar: Value, node: Node, unit: int) -> Value:
    """Give a unit the scope of its array, and its label with an index."""
    place = subscript(np.unravel_index(unit, node.shape))
    scalar.about = node.about._replace(label=node.label and node.label + place)
    return scalar


def _same_rule(node: Node, seen: Seen, unit: int) -> Any:
    """Apply the rule to numbers; of the bounds of a clip, which may be arrays, use the unit's."""
    if node.rule is not elementwise.clip:
        return reapply(node, seen.all)
    bounds = {name: np.broadcast_to(x, node.shape).item(unit) for name, x in node.options.items()}
    return operations.clip(*seen.all, **bounds)


def _copy(_: Node, seen: Seen, __: int) -> Any:
    return seen.all[0] if seen.all else 0.0


def _sum(_: Node, seen: Seen, __: int) -> Value:
    weights = [w for of_operand in seen.weights for w in of_operand]
    carrying = [(w, x) for w, x in zip(weights, seen.all, strict=True) if w]
    return operations.weighted_sum(*zip(*carrying, strict=True)) if carrying else Value(0.0)


def _winner(node: Node, seen: Seen, _: int) -> Value:
    least = traits_of(node.rule).unit == "least"
    choose = operations.minimum if least else operations.maximum
    return choose(*seen.all, ties=node.options.get("ties", "first"))


def _product(_: Node, seen: Seen, __: int) -> Value:
    xs, ws, *bias = seen.scalars
    return operations.weighted_sum(ws, xs, bias=bias[0][0] if bias else 0.0)


def _norm(node: Node, seen: Seen, _: int) -> Value:
    p = node.options.get("norm_type", node.options.get("ord", 2.0))
    if not any(float(x) for x in seen.all):  # the slopes are 0, too
        return operations.weighted_sum([0.0] * len(seen.all), seen.all)
    powers = [operations.abs(x) ** p for x in seen.all]
    norm: Value = operations.weighted_sum([1.0] * len(powers), powers) ** (1 / p)
    return norm


def _logsumexp(_: Node, seen: Seen, __: int) -> Value:
    top = max(float(x) for x in seen.all)
    top = top if isfinite(top) else 0.0
    powers = [operations.exp(x - top) for x in seen.all]
    return operations.log(operations.weighted_sum([1.0] * len(powers), powers)) + top


def _soft(node: Node, seen: Seen, unit: int) -> Value:
    own = seen.all[_rows(node)[unit].tolist().index(unit)]
    logarithm = own - _logsumexp(node, seen, unit)
    return logarithm if node.rule is reductions.log_softmax else operations.exp(logarithm)


def _builder(node: Node) -> Builder | None:
    """Return how to build a unit of a node; None if that is not known."""
    sparsity, unit, *_ = traits_of(node.rule)
    same = sparsity == "elementwise" and unit != "copy"
    return _same_rule if same else BUILDERS.get(unit)


BUILDERS: dict[str, Builder] = {
    **dict.fromkeys(("copy", "move"), _copy),
    **dict.fromkeys(("largest", "least"), _winner),
    **{"sum": _sum, "product": _product},
    **{"norm": _norm, "logsumexp": _logsumexp, "softmax": _soft},
}
