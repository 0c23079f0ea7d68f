"""Trace a NaN, an infinity, or a rounding error that is all that is left, to where it began."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import Indices, operands_of, sparse_jacobian
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number, on_a_line
from tinygrad_pool.recording.ledger import Arrival, Entry, GradientExplainer, row_of
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import arithmetic, elementwise
from tinygrad_pool.rules.traits import traits_of

Test: TypeAlias = Callable[[Any], Any]

GROWING = (arithmetic.add, arithmetic.sub, elementwise.exp, elementwise.expm1)

ROUNDING = 32
"""A sum below this many units in the last place of its terms is a rounding error."""

SMALL = 1e4
"""One is looked for where a gradient is below this many units in the last place of that above."""


class Culprit(NamedTuple):
    """The node where a number became NaN or infinite, None if it was given; and how."""

    node: Node | None
    says: str


def behind_gradient(
    ledger: GradientExplainer,
    node: Node,
    cell: int,
    known: dict[tuple[Node, int], Culprit] | None = None,
) -> Culprit:
    """Trace a gradient that is not finite to the step that made it from finite numbers.

    `known` keeps what is behind each place on the way, for callers that ask for several.
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
        return Culprit(None, "it came with the gradient that the pass was given")
    g = float(np.reshape(ledger.grads[node], -1)[cell])
    entry = _worst([*ledger.bad_arrivals(node, cell)], bool(np.isnan(g)))
    if entry is None:
        most = f"the sum of what it gets is more than {node.dtype} holds"
        return Culprit(node, f"the gradient of {ledger.at(node, cell)} is {number(g)}: {most}")
    return entry if not np.isfinite(entry.upstream) else _behind_step(ledger, entry)


def behind_data(ledger: GradientExplainer, node: Node, cell: int) -> Culprit:
    """Trace data that is not finite to the node that made it from finite numbers.

    A NaN is followed as far as it is one. If infinities became one, it began where they were made;
    but where they were given, as a mask is, at the node that made a NaN of them.
    """
    is_nan = np.isnan(np.reshape(node._numbers, -1)[cell])
    end = _end(node, cell, np.isnan if is_nan else np.isinf)
    infinite = _below(end.node, end.cell, np.isinf) if is_nan and end.made else None
    began = _end(*infinite, np.isinf) if infinite else end
    if not began.made:
        return Culprit(end.node, _says(ledger, end))
    became = f"; {ledger.at(end.node, end.cell)} made a NaN of it" if infinite else ""
    return Culprit(began.node, _says(ledger, began) + became)


class _End(NamedTuple):
    """The node that a bad number was traced to; `made` tells computed from given."""

    node: Node
    cell: int
    made: bool


def _end(node: Node, cell: int, bad: Test) -> _End:
    """Follow a number down while an operand is as bad."""
    while (below := _below(node, cell, bad)) is not None:
        node, cell = below
    constants = [of.x for of in _looked_at(node, cell) if not isinstance(of.operand, Node)]
    given = not node.parents or any(bad(x).any() for x in constants)
    return _End(node, cell, made=not given)


def _below(node: Node, unit: int, bad: Test, but: int | None = None) -> tuple[Node, int] | None:
    """Find a bad operand element that a unit looks at, preferably one with weight.

    `but` is an operand that is left out.
    """
    found: list[tuple[bool, Node, int]] = []
    for of in _looked_at(node, unit):
        if isinstance(of.operand, Node) and of.i != but:
            places = np.flatnonzero(bad(of.x))
            weightless = of.weights[places] == 0
            found += [
                (bool(weightless[k]), of.operand, int(of.cells[places[k]]))
                for k in np.argsort(weightless, kind="stable")[:1]
            ]
    first = min(found, key=lambda item: item[0], default=None)
    return first and first[1:]


class _Looked(NamedTuple):
    """The cells that one unit looks at in operand i, with their numbers and weights."""

    i: int
    operand: Any
    cells: Indices
    x: NDArray[Any]
    weights: NDArray[Any]


def _looked_at(node: Node, unit: int) -> Iterator[_Looked]:
    """List the cells that a unit looks at, by operand; all cells if no link is known."""
    for i, (p, x) in enumerate(zip(node.parents, operands_of(node), strict=True)):
        W = sparse_jacobian(node, i, np.array([unit]))
        row = row_of(node, unit)  # a NaN elsewhere makes links that there are not
        near = slice(None) if row is None else np.isin(W.cell, row)
        cells, weights = W.cell[near], W.weight[near]
        if not len(cells):
            cells, weights = np.arange(np.size(x)), np.zeros(np.size(x))
        yield _Looked(i, p, cells, np.reshape(np.asarray(x, float), -1)[cells], weights)


def _worst(arrivals: list[Arrival], nan: bool) -> Entry | None:
    """Choose the contribution that made a sum bad: a NaN first, unless infinities cancelled."""
    for test in (np.isnan if nan else np.isinf, not_finite):
        for arrival in arrivals:
            bad = np.flatnonzero(test(arrival.sent))
            if len(bad):
                return arrival.entry(int(bad[0]), "")
    return None


def _behind_step(ledger: GradientExplainer, entry: Entry) -> Culprit:
    """Explain why a step sent a bad number though a finite one arrived."""
    node, unit, local, how = entry.node, entry.cell, entry.local, ""
    if np.isfinite(local):
        slope = number(local)
        how = f": {number(entry.upstream)} × {slope} is more than {node.dtype} holds"
    else:
        own = np.reshape(node._numbers, -1)[unit]
        for bad in (np.isnan if np.isnan(local) else np.isinf, not_finite):
            others = _below(node, unit, bad, entry.operand)
            below = others or _below(node, unit, bad) or ((node, unit) if bad(own) else None)
            if below is not None:
                return behind_data(ledger, *below)
    made = f"{ledger.at(node, unit)} made it in the backward pass{_operands(ledger, node, unit)}"
    return Culprit(node, made + how + made_at(node))


def not_finite(x: Any) -> Any:
    """Find the elements that are NaN or infinite."""
    return ~np.isfinite(x)


def _says(ledger: GradientExplainer, end: _End) -> str:
    """Write whether a node made a bad number or got it."""
    node, name = end.node, ledger.at(end.node, end.cell)
    if not node.parents:
        how = "was set to" if node.rule is None else "is"  # a result may have no operands, too
        x = float(np.reshape(node._numbers, -1)[end.cell])
        return f"{name} {how} {number(x)}{made_at(node)}"
    how = "made it" if end.made else "got it from a constant"
    of = _operands(ledger, node, end.cell) + _overflow(end)
    return f"{name} {how} in the forward pass{of}{made_at(node)}"


def _overflow(end: _End) -> str:
    """Write that a result is too large for its dtype; "" if it is not for that."""
    node, unit = end.node, traits_of(end.node.rule).unit
    grows = node.rule in GROWING or unit in ("product", "sum", "power", "norm")
    inverse = unit == "power" and any(np.any(of.x == 0) for of in _looked_at(node, end.cell))
    large = end.made and np.isinf(np.reshape(node._numbers, -1)[end.cell])
    return f": more than {node.dtype} holds" if large and grows and not inverse else ""


def _operands(ledger: GradientExplainer, node: Node, unit: int) -> str:
    """Write the numbers that a unit was computed from."""
    shown = []
    for of in _looked_at(node, unit):
        p, one = of.operand, len(of.cells) == 1
        x = number(of.x[0]) if one else on_a_line(of.x)
        if isinstance(p, Node):
            x = f"{ledger.at(p, of.cells[0]) if one else ledger.call(p)} = {x}"
        shown.append(x)
    return f": {node.op} of {', '.join(shown)}"


class Cancelled(NamedTuple):
    """A node that got a rounding error, how, and what its terms sum to without their signs."""

    node: Node
    says: str
    terms: float


def cancelled(
    ledger: GradientExplainer, node: Node, cell: int, sent: Iterable[float]
) -> Cancelled | None:
    """Return how contributions to an element cancel; None if more than a rounding error is left."""
    left = float(np.reshape(ledger.grads[node], -1)[cell])
    sizes = [*map(abs, sent)]
    terms = sum(sizes)
    if not sizes[1:] or not abs(left) <= ROUNDING * np.finfo(node.dtype).eps * terms < inf:
        return None
    says = f"{len(sizes):,} contributions to {ledger.at(node, cell)} cancel to {number(left, 2)}"
    return Cancelled(node, f"{says}, a rounding error", terms)


def behind_rounding(ledger: GradientExplainer, node: Node) -> Cancelled | None:
    """Find where a gradient began as a rounding error, on the strongest path down to a node."""
    known, above, way = ledger.cancelled, ledger.strongest.above, list[Node]()
    while node not in known and node in above:
        way.append(node)
        node = above[node]
    found = known.get(node)
    for below in reversed(way):
        found = known[below] = found or _of_node(ledger, below, above[below])
    return found


def _of_node(ledger: GradientExplainer, node: Node, above: Node) -> Cancelled | None:
    """Return how contributions cancel at the element of a node with a gradient of median size."""
    size, least = ledger.strongest.size(node), SMALL * np.finfo(node.dtype).eps
    if not 0 < size < least * ledger.strongest.size(above):
        return None
    sizes = np.abs(np.reshape(ledger.grads[node], -1))
    cell = int(np.argsort(sizes)[-(np.count_nonzero(sizes) + 1) // 2])
    sent = (x for arrival in ledger.arrivals(node, cell) for x in arrival.sent.tolist())
    return cancelled(ledger, node, cell, sent)
