"""Units that let no gradient through: relus that are off, losers of a maximum, saturated units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of, unit_slopes
from tinygrad_pool.diagnosis.findings import (
    FEW,
    LOST_FOR_ALL,
    PARTLY_LOST,
    SUSPICIOUS,
    Finding,
    by_chance,
    in_all,
)
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import counted, joined, number, several
from tinygrad_pool.rules import elementwise
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

FLAT = 0.01
"""A sigmoid or tanh is saturated where its slope is below this share of the largest, which is from
|a| = 6 and 3 on. What it passes down is then smaller than differences between weights and steps."""

LOST = 0.1
"""What a saturated unit sends down is lost if it is below this share of what arrives above it."""

STUCK = 0.25
"""A layer is saturated if this share of its units is and the gradient pulls them back. In a fully
saturated layer with random errors it is half of them."""

SHARE = 0.1
"""A smaller share of dead units is only suspicious: the others can learn."""


LAYERS = 3
"""Units of more layers than this are reported together."""


class Gate(NamedTuple):
    """Units of one layer, and how many of them were shut on a batch of examples.

    `shut` of `tried` cells were shut: a relu that was off, or a cell of a maximum that won in no
    example. Of the `units` that can be told apart, `dead` were shut in every example, and got no
    gradient by another way either.
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
    def whole(self) -> bool:
        """Return whether relus are off as a whole."""
        return self.rectifies and self.all_dead

    @property
    def evidence(self) -> int:
        """Count what rules out chance: the examples, and the units if all of them were shut."""
        return self.examples * (self.units if self.whole else 1)

    @property
    def rectifies(self) -> bool:
        """Return whether this is a relu, and not a maximum."""
        return self.nodes[0].rule is elementwise.relu


def gates_of(survey: Survey) -> list[Gate]:
    """List the gates of a network: every array of them, and all scalars of a layer together."""
    scalars: dict[tuple[Any, ...], list[Node]] = {}
    found: list[Gate] = []
    for node in survey.nodes:
        if not traits_of(node.rule).chooses or not node.parents or not node.size:
            continue
        if any(np.shape(x) for x in operands_of(node)):
            found += _of_array(survey, node)
        else:
            key = (survey.row(node), node.rule, len(node.parents))
            scalars.setdefault(key, []).append(node)
    return found + [_of_scalars(survey, nodes) for nodes in scalars.values()]


def always_shut(gates: list[Gate]) -> list[tuple[Gate, Finding]]:
    """Report units that were shut in every example, if there were enough examples."""
    return [(gate, _dead(gate)) for gate in gates if gate.dead and gate.evidence >= FEW]


def _dead(gate: Gate) -> Finding:
    n, units = len(gate.dead), gate.units
    what = counted(units, "unit" if gate.nodes[0].ndim < 3 else "channel")
    which = f"{n:,} of {what} ({several(gate.dead)})"
    if n == units:
        which = f"all {what}" if n > 1 else f"its only {what[2:]}"
    kind, how = "never wins", "no win"
    why = "what loses wherever it competes gets no gradient that would change that"
    if gate.rectifies:
        kind, how = "dead relus", "off"
        why = f"the relus are off{gate.inputs}, and get no gradient that would change that"
    severity = LOST_FOR_ALL if n >= SHARE * units else SUSPICIOUS
    says = f"{how} {in_all(gate.examples)}: {which}"
    return Finding(kind, by_chance(gate.evidence, severity), gate.name, says, why, gate.nodes)


def together(dead: list[tuple[Gate, Finding]]) -> Iterator[Finding]:
    """Report each gate; those of more than LAYERS layers, of one kind and severity, at once."""
    kinds: dict[tuple[str, str], list[tuple[Gate, Finding]]] = {}
    for gate, finding in dead:
        kinds.setdefault((finding.kind, finding.severity), []).append((gate, finding))
    for some in kinds.values():
        yield from [_joined(some)] if len(some) > LAYERS else [finding for _, finding in some]


def _joined(dead: list[tuple[Gate, Finding]]) -> Finding:
    worst, finding = max(dead, key=lambda pair: len(pair[0].dead) / pair[0].units)
    gates = [gate for gate, _ in dead]
    n, units = sum(len(gate.dead) for gate in gates), sum(gate.units for gate in gates)
    how = f"{finding.says.partition(':')[0]}: {n:,} of {units:,} units in {len(dead)} layers"
    says = f"{how}, most of all in {worst.name}, {len(worst.dead)} of {worst.units}"
    nodes = tuple(node for gate in gates for node in gate.nodes)
    return finding._replace(name=several([gate.name for gate in gates]), says=says, nodes=nodes)


def _of_array(survey: Survey, node: Node) -> Iterator[Gate]:
    for i, p in enumerate(node.parents):
        if not isinstance(p, Node):
            continue
        if node.rule is elementwise.relu:
            opens = ~(np.asarray(p._numbers) <= 0)
            axis = None if survey.in_loss(node) else _unit_axis(survey, opens.ndim)
            yield _gate(survey, node, p, opens, axis, node.about.scope or survey.call(node))
        else:
            won = np.asarray(unit_slopes(node, i)) != 0
            name = survey.call(p if node.parents[1:] else node)
            yield _gate(survey, node, p, won, _contest_axis(survey, node, won.ndim), name)


def _gate(survey: Survey, node: Node, p: Node, opens: Mask, axis: int | None, name: str) -> Gate:
    """Count where operand p was shut; `axis` is its axis of units, if they can be told apart."""
    row, batch = survey.row(node), survey.batch_axis(opens.ndim)
    relu = node.rule is elementwise.relu
    dead: Mask = np.zeros(0, bool)
    if axis is not None:
        others = tuple(k for k in range(opens.ndim) if k != axis)
        dead = ~np.any(opens | _paid(survey, p), axis=others)
    inputs = ""
    if relu and dead.any():
        of_dead = np.compress(dead, p._numbers, axis=axis)
        inputs = f", with inputs of {number(of_dead.min())} … {number(of_dead.max())}"
    cells = opens if relu or opens.ndim < 2 else opens.any(axis=batch)
    shut = cells.size - int(np.count_nonzero(cells))
    names = [str(k) for k in np.flatnonzero(dead)]
    examples = opens.shape[batch] if opens.ndim > 1 else 1
    return Gate(row, name, (node,), shut, cells.size, names, dead.size, examples, inputs)


def _paid(survey: Survey, p: Node) -> Any:
    """Tell where an operand got a gradient, or what alone it was computed from, by another way.

    So do both sides of max(a, 0.1 a), and scores less their largest.
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
    """Return the axis of the competitors; None for a pool, whose windows differ."""
    sparsity = traits_of(node.rule).sparsity
    if sparsity != "reduction":
        return _unit_axis(survey, ndim) if sparsity == "elementwise" else None
    axes = axes_of(node.parents[0].shape, node.options.get("axis"), node.op)
    return axes[0] if len(axes) == 1 and axes[0] != survey.batch_axis(ndim) else None


def _of_scalars(survey: Survey, nodes: list[Node]) -> Gate:
    """Count where scalars of a layer were shut; a unit is a scope, or a place in its maximum.

    Without a scope it is unknown which scalars are the same unit for another example.
    """
    tally: dict[tuple[str, int], list[bool]] = {}
    paid: set[tuple[str, int]] = set()
    for node in nodes:
        for i, p in enumerate(node.parents):
            if isinstance(p, Node):
                relu = node.rule is elementwise.relu
                opens = not p._numbers <= 0 if relu else bool(np.any(unit_slopes(node, i)))
                tally.setdefault((node.about.scope, i), []).append(opens)
                if not opens and _paid(survey, p):
                    paid.add((node.about.scope, i))
    row = survey.row(nodes[0])
    known = {unit: some for unit, some in tally.items() if unit[0]}
    dead = [unit for unit, some in known.items() if not any(some) and unit not in paid]
    one = len(nodes[0].parents) == 1
    names = [
        scope.removeprefix(f"{row}/") + ("" if one else f", operand {i + 1}") for scope, i in dead
    ]
    answers = [opens for some in tally.values() for opens in some]
    examples = min((len(known[unit]) for unit in dead), default=0)
    counts = (answers.count(False), len(answers), names, len(known), examples)
    if nodes[0].rule is not elementwise.relu:
        return Gate(row, row, tuple(nodes), *counts)
    scopes = frozenset(scope for scope, _ in dead)
    x = [operands_of(node)[0] for node in nodes if node.about.scope in scopes]
    inputs = f", with inputs of {number(min(x))} … {number(max(x))}" if x else ""
    return Gate(row, row, tuple(nodes), *counts, inputs, scopes)


class Slopes(NamedTuple):
    """The sigmoids and tanhs of one layer: how many are saturated, and how many stuck."""

    nodes: tuple[Node, ...]
    flat: int
    stuck: int
    units: int


def slopes_by_row(survey: Survey) -> dict[str, Slopes]:
    """Count the saturated units of each layer, and those that the gradient pulls back."""
    rows: dict[str, list[Node]] = {}
    for node in survey.nodes:
        squash = traits_of(node.rule).unit == "squash"
        if squash and node in survey.grads and node.parents and node.size:
            rows.setdefault(survey.row(node), []).append(node)
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
    one that a logarithm makes up for, as in a cross entropy.
    """
    stuck = {row: of for row, of in rows.items() if of.stuck >= STUCK * of.units}
    many = [[*stuck]] if len(stuck) > LAYERS else [[row] for row in stuck]
    for some in many:
        of = [stuck[row] for row in some]
        nodes = tuple(node for one in of for node in one.nodes)
        op = several(list(dict.fromkeys(node.op for node in nodes)))
        name = survey.call(nodes[0]) if len(nodes) == 1 else several(some)
        flat, pulled, units = (sum(x) for x in zip(*(one[1:] for one in of), strict=True))
        says = f"saturated: {flat:,} of {counted(units, 'unit')} of {op}"
        says += f" in {len(some)} layers" if some[1:] else ""
        why = (
            f"the local derivative of {op} is below {FLAT:.0%} of its largest there, and the "
            f"gradient pulls {pulled:,} of them back. Smaller weights, biases or inputs keep it "
            "steep"
        )
        yield Finding("saturated", PARTLY_LOST, name, says, why, nodes)
