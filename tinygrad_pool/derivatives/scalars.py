"""An array graph as the scalar graph that it stands for: each unit a Value of its own."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import (
    FORMS,
    Indices,
    Links,
    elementwise_form,
    links_of,
    operands_of,
    reduction_form,
    selection_form,
)
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import DataError, ShapeError, UnsupportedError
from tinygrad_pool.functional import operations
from tinygrad_pool.rules import linear, pooling, reductions, shaping
from tinygrad_pool.rules.arguments import axes_of, kept
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.sparse_weights import weight_layer

MOST = 2000
SOFT = (reductions.softmax, reductions.log_softmax)


class Seen(NamedTuple):
    """What one unit looks at in each operand: scalars, and the weights of the links to them."""

    scalars: list[list[Any]]
    weights: list[list[float]]

    @property
    def all(self) -> list[Any]:
        """Every scalar, operand after operand."""
        return [x for of_operand in self.scalars for x in of_operand]


Builder: TypeAlias = Callable[[Node, Seen, int], Any]
"""How one unit of a node is computed from the scalars that it looks at."""


def explode(value: Value, limit: int = MOST) -> Value:
    """Compute a number once more with every unit behind it as a Value of its own.

    Sums become `weighted_sum`, pools `maximum`, and so on; what only moves numbers, as reshape
    does, becomes nothing. A unit is called by its array's label and its place in it. The gradients
    are those of the arrays; only units that the number depends on are there. Units are Python
    floats, in double precision.

    Raises DataError for what is no Value; ShapeError for an array, or if there would be more than
    `limit` units; UnsupportedError for a rule of your own on arrays; GraphError if data changed.

    >>> x = Value([1.0, 3.0, 2.0], label="x")
    >>> top = explode(x.max())
    >>> top.op, [p.label for p in top.parents]
    ('maximum', ['x[0]', 'x[1]', 'x[2]'])
    """
    made = units_of(value, limit, "explode")
    result = made[value, 0]
    return result if isinstance(result, Value) else Value(result)


def units_of(value: Value, limit: int, name: str) -> dict[tuple[Node, int], Any]:
    """Make a scalar of every unit that a number depends on, by its node and flat place."""
    if not isinstance(value, Value):
        raise DataError(f"{name}: needs a Value, got {type(value).__name__}")
    if value.size != 1:
        raise ShapeError(
            f"{name}: needs a number, got {name_of(value)} of shape {value.shape}; "
            "reduce it, or take one unit by its index"
        )
    nodes = topological_order(value)
    check_not_stale(nodes, create_graph=True)
    needed, links = _needed(value, nodes, limit, name)
    made: dict[tuple[Node, int], Any] = {}
    for node in nodes:
        for unit in needed.get(node, ()):
            made[node, int(unit)] = _unit(node, int(unit), links, made)
    return made


def _needed(
    value: Value, nodes: list[Node], limit: int, name: str
) -> tuple[dict[Node, Indices], dict[tuple[Node, int], Links]]:
    """Find the units of every node that the number depends on, and the links into them."""
    needed: dict[Node, Indices] = {value: np.zeros(1, int)}
    links: dict[tuple[Node, int], Links] = {}
    count = 0
    for node in reversed(nodes):
        count += len(needed.get(node, ()))
        _check(value, nodes, count, limit, name)
        if node.is_leaf or node not in needed:
            continue
        if (
            node.rule and FORMS.get(node.rule) is reduction_form
        ):  # too many are refused before they are listed
            x = operands_of(node)[0]
            _check(value, nodes, len(needed[node]) * np.size(x) // node.size, limit, name)
        for i, p in enumerate(node.parents):
            found = links[node, i] = _links(node, i, needed[node])
            if isinstance(p, Node):
                needed[p] = np.union1d(needed.get(p, found.cell), found.cell)
    return needed, links


def _check(value: Value, nodes: list[Node], count: int, limit: int, name: str) -> None:
    """Raise ShapeError for more units than the limit."""
    if count > limit:
        raise ShapeError(
            f"{name}: {name_of(value)} depends on more than limit={limit:,} of the "
            f"{sum(n.size for n in nodes):,} units in its graph; "
            "take one unit of it, a smaller input, or raise the limit"
        )


def _links(node: Node, i: int, units: Indices) -> Links:
    """List the links into some units; each unit of a softmax looks at all of its row."""
    if node.rule not in BUILDERS:
        if any(np.ndim(x) for x in (node._numbers, *operands_of(node))):
            raise UnsupportedError(
                f"explode: {name_of(node)} has no scalar form: a rule of your own can be "
                "kept as it is on numbers, but not taken apart on arrays"
            )
        return Links(units, np.zeros(1, int), np.ones(1))
    if node.rule not in SOFT:
        return links_of(node, i, units)
    cells = _rows(node)[units]
    return Links(np.repeat(units, cells.shape[1]), cells.reshape(-1), np.ones(cells.size))


def _rows(node: Node) -> Indices:
    """List, for each unit of a softmax, the cells that it shares 1 with, itself among them."""
    axes = axes_of(node.shape, node.options.get("axis", -1), node.op)
    column = kept(node.shape, axes)
    row = np.broadcast_to(np.arange(prod(column)).reshape(column), node.shape).reshape(-1)
    cells: Indices = np.argsort(row, kind="stable").reshape(prod(column), -1)[row]
    return cells


def _unit(
    node: Node,
    unit: int,
    links: dict[tuple[Node, int], Links],
    made: dict[tuple[Node, int], Any],
) -> Any:
    """Make one unit of a node from the scalars that it looks at."""
    if node.is_leaf:
        return _called(Value(float(np.reshape(node._numbers, -1)[unit])), node, unit)
    seen = Seen([], [])
    for i, p in enumerate(node.parents):
        found = links[node, i]
        first, last = np.searchsorted(found.unit, (unit, unit + 1))
        cells = found.cell[first:last].tolist()
        flat = None if isinstance(p, Node) else np.reshape(p, -1)
        seen.scalars.append([made[p, c] if flat is None else flat[c].item() for c in cells])
        seen.weights.append(found.weight[first:last].tolist())
    built = BUILDERS.get(node.rule, _same_rule)(node, seen, unit)
    fresh = isinstance(built, Value) and all(built is not x for x in seen.all)
    return _called(built, node, unit) if fresh else built


def _called(scalar: Value, node: Node, unit: int) -> Value:
    """Call a unit by its array's label and its place, and put it into its scope."""
    place = ", ".join(str(int(k)) for k in np.unravel_index(unit, node.shape)) if node.shape else ""
    label = f"{node.label}[{place}]" if node.label and place else node.label
    scalar.about = node.about._replace(label=label)
    return scalar


def _same_rule(node: Node, seen: Seen, _: int) -> Any:
    assert node.rule is not None
    options = dict(node.options)
    if node.rule in (shaping.astype, shaping.cast_rule):
        return seen.all[0]
    return lift(node.rule)(*seen.all, **options)


def _copy(_: Node, seen: Seen, __: int) -> Any:
    return seen.all[0] if seen.all else 0.0


def _sum(_: Node, seen: Seen, __: int) -> Value:
    weights = [w for of_operand in seen.weights for w in of_operand]
    carrying = [(w, x) for w, x in zip(weights, seen.all, strict=True) if w]
    return operations.weighted_sum(*zip(*carrying, strict=True)) if carrying else Value(0.0)


def _largest(node: Node, seen: Seen, _: int) -> Value:
    return operations.maximum(*seen.all, ties=node.options.get("ties", "first"))


def _smallest(node: Node, seen: Seen, _: int) -> Value:
    return operations.minimum(*seen.all, ties=node.options.get("ties", "first"))


def _product(_: Node, seen: Seen, __: int) -> Value:
    xs, ws, *bias = seen.scalars
    return operations.weighted_sum(ws, xs, bias=bias[0][0] if bias else 0.0)


def _norm(node: Node, seen: Seen, _: int) -> Value:
    p = node.options.get("norm_type", 2.0)
    if not any(float(x) for x in seen.all):  # 0, and so are its slopes
        return operations.weighted_sum([0.0] * len(seen.all), seen.all)
    powers = [operations.abs(x) ** p for x in seen.all]
    norm: Value = operations.weighted_sum([1.0] * len(powers), powers) ** (1 / p)
    return norm


def _logsumexp(_: Node, seen: Seen, __: int) -> Value:
    top = max(float(x) for x in seen.all)
    powers = [operations.exp(x - top) for x in seen.all]
    total: Value = operations.log(operations.weighted_sum([1.0] * len(powers), powers)) + top
    return total


def _soft(node: Node, seen: Seen, unit: int) -> Value:
    own = seen.all[_rows(node)[unit].tolist().index(unit)]
    logarithm = own - _logsumexp(node, seen, unit)
    return logarithm if node.rule is reductions.log_softmax else operations.exp(logarithm)


BUILDERS: dict[Rule | None, Builder] = {
    **{rule: _same_rule for rule, form in FORMS.items() if form is elementwise_form},
    **{rule: _copy for rule, form in FORMS.items() if form is selection_form},
    **dict.fromkeys((reductions.sum, reductions.mean, pooling.avg_pool, weight_layer), _sum),
    **dict.fromkeys((reductions.max, pooling.max_pool), _largest),
    **dict.fromkeys((linear.conv, linear.matmul), _product),
    **dict.fromkeys(SOFT, _soft),
    reductions.min: _smallest,
    pooling.lp_pool: _norm,
    reductions.logsumexp: _logsumexp,
}
