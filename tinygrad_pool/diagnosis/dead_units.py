"""Units that let no gradient through: relus that are off, losers of a maximum, saturated units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of, unit_slopes
from tinygrad_pool.diagnosis.findings import (
    LOST_FOR_ALL,
    PARTLY_LOST,
    SUSPICIOUS,
    Finding,
    by_chance,
    grouped,
    in_all,
    with_inputs,
)
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.diagnosis.zero_causes import in_loss, is_relu
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import counted, joined, several
from tinygrad_pool.rules import elementwise
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

FLAT = 0.01
"""A sigmoid is saturated where its slope is below this share of the largest: beyond |a| = 6; a tanh
beyond |a| = 3."""

LOST = 0.1
"""A saturated unit loses the gradient if it sends less than this share of what arrives above."""

STUCK = 0.25
"""A layer is saturated if this share of its units is saturated and pulled back by the gradient. In
a fully saturated layer with random errors, half of the units are pulled back."""

MOST = 0.5
"""Up to this share, dead units of a layer are only suspicious: the others can learn."""

LOSER = "Find out why it loses: its bias, its initial weights or its scale"

LAYERS = 3
"""Units of more layers than these are reported together."""


class Gate(NamedTuple):
    """The relus of one layer, or the candidates of its maxima, and which pass no gradient.

    `shut` of `tried` cells pass none: relus that are off, or candidates that win in no example. Of
    the `units` that can be identified, `dead` pass none in any example, and get none elsewhere.
    """

    row: str
    name: str
    nodes: tuple[Node, ...]
    shut: int
    tried: int
    dead: list[str]
    units: int
    examples: int
    inputs: str = ""
    scopes: frozenset[str] = frozenset()

    @property
    def all_dead(self) -> bool:
        """Return whether every unit was shut in every example."""
        return len(self.dead) == self.units

    @property
    def evidence(self) -> int:
        """Count the observations against chance: examples, times units if all of them are dead."""
        return self.examples * (self.units if self.rectifies and self.all_dead else 1)

    @property
    def rectifies(self) -> bool:
        """Return whether these are relus, and not candidates of a maximum."""
        return is_relu(self.nodes[0])

    @property
    def severity(self) -> str:
        """Return how severe it is that these units are dead."""
        lost = len(self.dead) > MOST * self.units
        return by_chance(self.evidence, LOST_FOR_ALL if lost else SUSPICIOUS)


def gates_of(survey: Survey) -> list[Gate]:
    """List the gates of a network: every array of them, and all scalars of a layer together."""
    scalars: dict[tuple[Any, ...], list[Node]] = {}
    gates: list[Gate] = []
    for node in survey.nodes:
        if not node.parents or not node.size:
            continue
        if not traits_of(node.rule).chooses and not is_relu(node):
            continue
        if any(np.shape(x) for x in operands_of(node)):
            gates += _of_array(survey, node)
        else:
            key = (survey.row(node), node.rule, len(node.parents), is_relu(node))
            scalars.setdefault(key, []).append(node)
    return gates + [_of_scalars(survey, nodes) for nodes in scalars.values()]


def always_shut(gates: Iterable[Gate]) -> Iterator[Finding]:
    """Report units that were shut in every example; those of more than LAYERS gates together."""
    groups = grouped(gates, lambda gate: (gate.rectifies, gate.severity))
    for group in groups.values():
        yield from [_joined(group)] if len(group) > LAYERS else map(_dead, group)


def _dead(gate: Gate) -> Finding:
    """Report the dead units of one gate."""
    n, units = len(gate.dead), gate.units
    what = counted(units, "unit" if gate.nodes[0].ndim < 3 else "channel")
    which = f"{n:,} of {what} ({several(gate.dead)})"
    if n == units:
        which = f"all {what}" if n > 1 else f"its only {what[2:]}"
    kind = "never wins"
    extreme = "minimum" if traits_of(gate.nodes[0].rule).unit == "least" else "maximum"
    why = f"only the winner of a {extreme} gets a gradient, so a loser cannot learn to win. {LOSER}"
    if gate.rectifies:
        kind = "dead relus"
        why = (
            f"a relu passes no gradient while it is off{gate.inputs}: unless other examples turn "
            "these units on, they are dead. Take smaller steps, biases above 0, or leaky_relu"
        )
    return Finding(kind, gate.severity, gate.name, _says(gate, which, n), why, gate.nodes)


def _says(gate: Gate, which: str, n: int) -> str:
    """Write that n units are off, or lose, in every example."""
    verbs = ("is off", "are off") if gate.rectifies else ("loses", "lose")
    return f"{which} {verbs[n > 1]} {in_all(gate.examples)}"


def _joined(gates: list[Gate]) -> Finding:
    """Report the dead units of several gates of one kind and severity."""
    worst = max(gates, key=lambda gate: len(gate.dead) / gate.units)
    n, units = sum(len(gate.dead) for gate in gates), sum(gate.units for gate in gates)
    says = _says(worst, f"{n:,} of {units:,} units in {len(gates)} layers", n)
    says += f", most of all in {worst.name}: {len(worst.dead)} of {worst.units}"
    name, nodes = several([gate.name for gate in gates]), [v for gate in gates for v in gate.nodes]
    return _dead(worst)._replace(name=name, says=says, nodes=tuple(nodes))


def _of_array(survey: Survey, node: Node) -> Iterator[Gate]:
    for i, p in enumerate(node.parents):
        if not isinstance(p, Node):
            continue
        opens = np.asarray(unit_slopes(node, i)) != 0
        if is_relu(node):
            axis = None if in_loss(survey, node) else _unit_axis(survey, opens.ndim)
            yield _gate(survey, node, p, opens, axis, node.about.scope or survey.call(node))
        else:
            name = survey.call(p if node.parents[1:] else node)
            yield _gate(survey, node, p, opens, _contest_axis(survey, node, opens.ndim), name)


def _gate(survey: Survey, node: Node, p: Node, opens: Mask, axis: int | None, name: str) -> Gate:
    """Count where operand p was shut; `axis` is its axis of units, None if it is not known."""
    row, batch = survey.row(node), survey.batch_axis(opens.ndim)
    relu = is_relu(node)
    dead: Mask = np.zeros(0, bool)
    if axis is not None:
        others = tuple(k for k in range(opens.ndim) if k != axis)
        dead = ~np.any(opens | _paid(survey, p), axis=others)
    inputs = ""
    if relu and dead.any():
        of_dead = np.compress(dead, p._numbers, axis=axis)
        inputs = f", {with_inputs(of_dead)}"
    cells = opens if relu or opens.ndim < 2 else opens.any(axis=batch)
    shut = cells.size - int(np.count_nonzero(cells))
    names = [str(k) for k in np.flatnonzero(dead)]
    examples = opens.shape[batch] if opens.ndim > 1 else 1
    return Gate(row, name, (node,), shut, cells.size, names, dead.size, examples, inputs)


def _paid(survey: Survey, p: Node) -> Any:
    """Return where an operand, or the one node it was computed from, got a gradient by any path.

    In max(a, 0.1 a) both operands do, through a; so do scores less their largest.
    """
    paid: Any = np.asarray(survey.grads.get(p, 0.0)) != 0
    while traits_of(p.rule).sparsity == "elementwise":
        below = {q for q in p.parents if isinstance(q, Node)}
        if len(below) != 1 or not all(q.parents and q.shape == p.shape for q in below):
            break
        (p,) = below
        paid = paid | (np.asarray(survey.grads.get(p, 0.0)) != 0)
    return paid


def _unit_axis(survey: Survey, ndim: int) -> int | None:
    """Return the axis of units, or of channels: the one after the examples."""
    return None if ndim < 2 else 1 - survey.batch_axis(ndim)


def _contest_axis(survey: Survey, node: Node, ndim: int) -> int | None:
    """Return the axis of the candidates of a maximum; None for a pool, whose windows differ."""
    sparsity = traits_of(node.rule).sparsity
    if sparsity != "reduction":
        return _unit_axis(survey, ndim) if sparsity == "elementwise" else None
    axes = axes_of(node.parents[0].shape, node.options.get("axis"), node.op)
    return axes[0] if len(axes) == 1 and axes[0] != survey.batch_axis(ndim) else None


def _of_scalars(survey: Survey, nodes: list[Node]) -> Gate:
    """Count where scalars of a layer were shut; a unit is a scope, or a place in its maximum.

    Without a scope it is unknown which scalars are the same unit in different examples.
    """
    row, relu = survey.row(nodes[0]), is_relu(nodes[0])
    tally: dict[tuple[str, int], list[bool]] = {}
    paid: set[tuple[str, int]] = set()
    for node in nodes:
        for i, p in enumerate(node.parents):
            if isinstance(p, Node):
                opens = bool(np.any(unit_slopes(node, i)))
                tally.setdefault((node.about.scope, i), []).append(opens)
                if not opens and _paid(survey, p):
                    paid.add((node.about.scope, i))
    units = {unit: opened for unit, opened in tally.items() if unit[0]}
    dead = [unit for unit, opened in units.items() if not any(opened) and unit not in paid]
    names = [scope.removeprefix(f"{row}/") for scope, _ in dead]
    if nodes[0].parents[1:] and not relu:
        names = [f"{name}, operand {i + 1}" for name, (_, i) in zip(names, dead, strict=True)]
    cells = [opens for opened in tally.values() for opens in opened]
    examples = min((len(units[unit]) for unit in dead), default=0)
    counts = (cells.count(False), len(cells), names, len(units), examples)
    if not relu or not dead:
        return Gate(row, row, tuple(nodes), *counts)
    scopes = frozenset(scope for scope, _ in dead)
    below = [p for v in nodes if v.about.scope in scopes for p in v.parents if isinstance(p, Node)]
    x = np.array([p._numbers for p in below])
    return Gate(row, row, tuple(nodes), *counts, f", {with_inputs(x)}", scopes)


class Slopes(NamedTuple):
    """The sigmoids and tanhs of one layer: how many are saturated, and how many of them stuck."""

    nodes: tuple[Node, ...]
    flat: int
    stuck: int
    units: int


def slopes_by_row(survey: Survey) -> dict[str, Slopes]:
    """Count the saturated units of each layer, and how many of them the gradient pulls back."""
    live = (v for v in survey.nodes if v in survey.grads and v.parents and v.size)
    rows = grouped((v for v in live if traits_of(v.rule).unit == "squash"), survey.row)
    return {row: _slopes(survey, nodes) for row, nodes in rows.items()}


def _slopes(survey: Survey, nodes: list[Node]) -> Slopes:
    y = joined([v._numbers for v in nodes])
    g = joined([survey.grads[v] for v in nodes])
    slopes = joined([np.broadcast_to(unit_slopes(v, 0), v.shape) for v in nodes])
    sizes, least = [v.size for v in nodes], survey.ledger.strongest.least
    of_sigmoid = np.repeat([v.rule is elementwise.sigmoid for v in nodes], sizes)
    y = np.where(of_sigmoid, 2 * y - 1, y)
    flat = slopes < FLAT * np.where(of_sigmoid, 0.25, 1.0)
    lost = np.abs(g * slopes) < LOST * np.repeat([least[v] for v in nodes], sizes)
    stuck = flat & (g * y > 0) & lost
    return Slopes(tuple(nodes), int(flat.sum()), int(stuck.sum()), y.size)


def saturated(survey: Survey, rows: dict[str, Slopes]) -> Iterator[Finding]:
    """Report layers of sigmoids or tanhs that are saturated although the gradient pulls them back.

    A layer that should be saturated, such as the output of a trained network, is not reported; nor
    one followed by a logarithm whose slope makes up for it, as in a cross entropy.
    """
    stuck = {row: slopes for row, slopes in rows.items() if slopes.stuck >= STUCK * slopes.units}
    groups = [[*stuck]] if len(stuck) > LAYERS else [[row] for row in stuck]
    for group in groups:
        nodes = tuple(node for row in group for node in stuck[row].nodes)
        op = several(list(dict.fromkeys(node.op for node in nodes)))
        name = survey.call(nodes[0]) if len(nodes) == 1 else several(group)
        flat, pulled, units = (sum(x) for x in zip(*(stuck[row][1:] for row in group), strict=True))
        layers, are = f" in {len(group)} layers" * bool(group[1:]), "is" if flat == 1 else "are"
        says = f"{flat:,} of {counted(units, 'unit')} of {op}{layers} {are} saturated"
        why = (
            f"there the slope of {op} is below {FLAT:.0%} of its largest, so hardly any gradient "
            f"gets through. To reduce the loss, {pulled:,} of them would have to move back. Use "
            "smaller weights, biases or inputs"
        )
        yield Finding("saturated", PARTLY_LOST, name, says, why, nodes)
