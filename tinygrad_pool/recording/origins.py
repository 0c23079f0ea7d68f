"""Trace a NaN, an infinity or a mere rounding error to its origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import Indices, operands_of, sparse_jacobian
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number, on_a_line
from tinygrad_pool.recording.ledger import Arrival, Entry, GradientExplainer
from tinygrad_pool.recording.links import number_at, row_of
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import arithmetic, elementwise
from tinygrad_pool.rules.traits import traits_of

Test: TypeAlias = Callable[[Any], Any]

GROWING = (arithmetic.add, arithmetic.sub, elementwise.exp, elementwise.expm1)

ROUNDING = 32
"""A sum below this many units in the last place of its terms is a rounding error."""

SMALL = 1e4
"""The search is worthwhile where a gradient is below this many units in the last place of the one
above it."""


class Culprit(NamedTuple):
    """The node where a number became NaN or infinite, None for the initial gradient; and how."""

    node: Node | None
    says: str


def behind_gradient(
    ledger: GradientExplainer,
    node: Node,
    cell: int,
    known: dict[tuple[Node, int], Culprit] | None = None,
) -> Culprit:
    """Trace a gradient that is not finite to the step that made it from finite numbers.

    `known` caches the culprit of each element on the way, for callers that ask for several.
    """
    known = {} if known is None else known
    way: list[tuple[Node, int]] = []
    while (place := (node, cell)) not in known:
        way.append(place)
        above = _above(ledger, node, cell)
        if isinstance(above, Culprit):
            known[place] = above
        else:
            node, cell = above.node, above.cell
    known |= dict.fromkeys(way, known[place])
    return known[place]


def _above(ledger: GradientExplainer, node: Node, cell: int) -> Entry | Culprit:
    """Find the unit that sent a bad number to an element, or what made it bad there."""
    if node is ledger.loss:
        return Culprit(None, "the backward pass started with this gradient")
    g = number_at(ledger.grads[node], cell)
    entry = _worst([*ledger.bad_arrivals(node, cell)], bool(np.isnan(g)))
    if entry is None:
        sums = f"the sum of its contributions overflows {node.dtype}"
        return Culprit(node, f"the gradient of {ledger.at(node, cell)} is {number(g)}: {sums}")
    return entry if not np.isfinite(entry.upstream) else _behind_step(ledger, entry)


def behind_data(ledger: GradientExplainer, node: Node, cell: int) -> Culprit:
    """Trace data that is not finite to the node that made it from finite numbers.

    A NaN is followed down to the node that made it. If that made it from infinities which were
    computed, they are the origin; if they were constants, as in a mask, the NaN is.
    """
    is_nan = np.isnan(number_at(node._numbers, cell))
    end = _end(node, cell, np.isnan if is_nan else np.isinf)
    infinite = _below(end.node, end.cell, np.isinf) if is_nan and end.made else None
    began = _end(*infinite, np.isinf) if infinite else end
    if not began.made:
        return Culprit(end.node, _says(ledger, end))
    became = f"; {ledger.at(end.node, end.cell)} made nan from it" if infinite else ""
    return Culprit(began.node, _says(ledger, began) + became)


class _End(NamedTuple):
    """The node that a bad number was traced to; `made` is False if it got it from a constant."""

    node: Node
    cell: int
    made: bool


def _end(node: Node, cell: int, bad: Test) -> _End:
    """Follow a bad number down to the last node with no such operand."""
    while (below := _below(node, cell, bad)) is not None:
        node, cell = below
    constants = [of.x for of in _looked_at(node, cell) if not isinstance(of.operand, Node)]
    return _End(node, cell, made=bool(node.parents) and not any(bad(x).any() for x in constants))


def _below(node: Node, unit: int, bad: Test, but: int | None = None) -> tuple[Node, int] | None:
    """Find a bad operand element that a unit looks at, preferably one with weight.

    Operand `but` is skipped.
    """
    found: list[tuple[bool, Node, int]] = []
    for of in _looked_at(node, unit):
        if isinstance(of.operand, Node) and of.i != but:
            places = np.flatnonzero(bad(of.x))
            if len(places):
                k = places[np.argmin(of.weights[places] == 0)]  # the first with weight, if any
                found.append((of.weights[k] == 0, of.operand, int(of.cells[k])))
    first = min(found, key=lambda item: item[0], default=None)
    return first and first[1:]


class _Looked(NamedTuple):
    """The cells of operand i that one unit looks at, with their numbers and weights."""

    i: int
    operand: Any
    cells: Indices
    x: NDArray[Any]
    weights: NDArray[Any]


def _looked_at(node: Node, unit: int) -> Iterator[_Looked]:
    """List the cells that a unit looks at in each operand; all cells if it has no known link."""
    for i, (p, x) in enumerate(zip(node.parents, operands_of(node), strict=True)):
        W = sparse_jacobian(node, i, np.array([unit]))
        row = row_of(node, unit)  # a NaN elsewhere makes spurious links
        near = slice(None) if row is None else np.isin(W.cell, row)
        cells, weights = W.cell[near], W.weight[near]
        if not len(cells):
            cells, weights = np.arange(np.size(x)), np.zeros(np.size(x))
        yield _Looked(i, p, cells, np.ravel(x)[cells], weights)


def _worst(arrivals: list[Arrival], nan: bool) -> Entry | None:
    """Return the contribution that made a sum bad: a NaN if there is one, otherwise an infinity."""
    for test in (np.isnan if nan else np.isinf, not_finite):
        for arrival in arrivals:
            bad = np.flatnonzero(test(arrival.sent))
            if len(bad):
                return next(arrival.entries(slice(bad[0], bad[0] + 1)))
    return None


def _behind_step(ledger: GradientExplainer, entry: Entry) -> Culprit:
    """Explain why a step sent a bad number though its upstream gradient is finite."""
    node, unit, local, how = entry.node, entry.cell, entry.local, ""
    if np.isfinite(local):
        slope = number(local)
        how = f": {number(entry.upstream)} × {slope} overflows {node.dtype}"
    else:
        own = number_at(node._numbers, unit)
        for bad in (np.isnan if np.isnan(local) else np.isinf, not_finite):
            others = _below(node, unit, bad, entry.operand)
            below = others or _below(node, unit, bad) or ((node, unit) if bad(own) else None)
            if below is not None:
                return behind_data(ledger, *below)
    made = f"{ledger.at(node, unit)} made {number(entry.contribution)} in the backward pass"
    return Culprit(node, made + _operands(ledger, node, unit) + how + made_at(node))


def not_finite(x: Any) -> Any:
    """Return which elements are NaN or infinite."""
    return ~np.isfinite(x)


def _says(ledger: GradientExplainer, end: _End) -> str:
    """Write whether a node made a bad number or got it."""
    node, name = end.node, ledger.at(end.node, end.cell)
    x = number(number_at(node._numbers, end.cell))
    if not node.parents:
        how = "was set to" if node.rule is None else "is"  # a result may have no operands, too
        return f"{name} {how} {x}{made_at(node)}"
    how = f"made {x}" if end.made else f"got {x} from a constant"
    of = _operands(ledger, node, end.cell) + _overflow(end)
    return f"{name} {how} in the forward pass{of}{made_at(node)}"


def _overflow(end: _End) -> str:
    """Write that a result overflows its dtype; "" if that is not why it is infinite, or NaN."""
    node, unit = end.node, traits_of(end.node.rule).unit
    looked = [of.x for of in _looked_at(node, end.cell)]
    if np.isnan(number_at(node._numbers, end.cell)):  # inf − inf inside a sum of finite numbers
        grows = unit in ("product", "sum") and all(np.isfinite(x).all() for x in looked)
    else:
        inverse = unit == "power" and any(np.any(x == 0) for x in looked)
        grows = node.rule in GROWING or unit in ("product", "sum", "power", "norm")
        grows = grows and not inverse
    return f" overflows {node.dtype}" if end.made and grows else ""


def _operands(ledger: GradientExplainer, node: Node, unit: int) -> str:
    """Write the operation and the numbers that a unit was computed from."""
    shown = []
    for of in _looked_at(node, unit):
        p, one = of.operand, len(of.cells) == 1
        x = number(of.x[0]) if one else on_a_line(of.x)
        if isinstance(p, Node):
            x = f"{ledger.at(p, of.cells[0]) if one else ledger.call(p)} = {x}"
        shown.append(x)
    return f": {node.op} of {', '.join(shown)}"


class Cancelled(NamedTuple):
    """How a gradient came to be a rounding error, and the sum of |terms|."""

    says: str
    terms: float


def cancelled(
    ledger: GradientExplainer, node: Node, cell: int, sent: Iterable[float]
) -> Cancelled | None:
    """Explain that contributions to an element cancel; None if more than rounding errors remain."""
    left = number_at(ledger.grads[node], cell)
    sizes = [*map(abs, sent)]
    terms = sum(sizes)
    if not sizes[1:] or not abs(left) <= ROUNDING * np.finfo(node.dtype).eps * terms < inf:
        return None
    says = f"{len(sizes):,} contributions to {ledger.at(node, cell)} cancel to {number(left, 2)}"
    return Cancelled(f"{says}, a rounding error", terms)


def behind_rounding(ledger: GradientExplainer, node: Node) -> Cancelled | None:
    """Find the first node on the strongest path to a node whose gradient is a rounding error."""
    known, above, way = ledger.cancelled, ledger.strongest.above, list[Node]()
    while node not in known and node in above:
        way.append(node)
        node = above[node]
    found = known.get(node)
    for below in reversed(way):
        found = known[below] = found or _of_node(ledger, below, above[below])
    return found


def _of_node(ledger: GradientExplainer, node: Node, above: Node) -> Cancelled | None:
    """Explain how contributions to a node cancel, at its element with the median gradient."""
    size, least = ledger.strongest.size(node), SMALL * np.finfo(node.dtype).eps
    if not 0 < size < least * ledger.strongest.size(above):
        return None
    sizes = np.abs(np.reshape(ledger.grads[node], -1))
    cell = int(np.argsort(sizes)[-(np.count_nonzero(sizes) + 1) // 2])
    sent = (x for arrival in ledger.arrivals(node, cell) for x in arrival.sent.tolist())
    return cancelled(ledger, node, cell, sent)
