"""The size of the gradients in each layer, and where they vanish or explode on the way down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

import numpy as np

from tinygrad_pool.diagnosis.dead_units import Gate, Slopes
from tinygrad_pool.diagnosis.findings import FEW, PARTLY_LOST, Finding, grouped
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import Table, counted, joined, number
from tinygrad_pool.recording.gains import TREND, GainPath, decades_between
from tinygrad_pool.recording.origins import behind_rounding
from tinygrad_pool.recording.reasons import explain
from tinygrad_pool.recording.strongest_paths import LEAST, Depth, rms

HUGE = 1e6
"""Gradients this many times larger than their parameters are too large for a usual step."""

TINY = 1e12
"""Gradients this many times smaller than their parameters change nothing in a usual step."""

STEEPER = "Inputs nearer to 0 make it steeper"

FIXES = {
    "vanishing": "Use steeper activations, larger initial weights, shortcuts or gates",
    "exploding": "Use smaller initial weights, or clip the gradients",
}


class Layer(NamedTuple):
    """One layer: quantiles of `|grad|` over its parameters, or its units if it has no parameters.

    `low`, `median` and `high` are the 5, 50 and 95 % quantiles, and `size` the root mean square, of
    finite gradients; `zeros` is the share of zeros among its `elements`. `off` is the share of
    relus that are off, `idle` that of units that win in no example, `flat` that of saturated
    sigmoids and tanhs; each is None if there are none. `dead` counts relus that are off in every
    example. `dtypes` are those of data and gradients.
    """

    name: str
    nodes: tuple[Node, ...]
    of_parameters: bool
    elements: int
    low: float
    median: float
    high: float
    size: float
    zeros: float
    off: float | None
    dead: int
    idle: float | None
    flat: float | None
    dtypes: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        """Return this layer's row of the table."""
        units = [
            f"{self.off:.0%} off" if self.off is not None else "",
            f"{self.dead:,} always" if self.dead else "",
            f"{self.idle:.0%} never win" if self.idle is not None else "",
            f"{self.flat:.0%} saturated" if self.flat is not None else "",
        ]
        quantiles = (f"{x:.2g}" for x in (self.low, self.median, self.high))
        of = counted(self.elements, "parameter" if self.of_parameters else "unit")
        return self.name, of, *quantiles, f"{self.zeros:.0%}", ", ".join(filter(None, units))


def layers_of(survey: Survey, gates: list[Gate], slopes: dict[str, Slopes]) -> list[Layer]:
    """Measure each layer, in forward order."""
    learning = survey.inside.difference(survey.decayed)
    parameters = grouped((p for p in survey.parameters if p in learning), survey.row)
    by_row = grouped(gates, lambda gate: gate.row)
    return [
        _layer(survey, row, nodes, parameters.get(row, []), by_row.get(row, []), slopes.get(row))
        for row, nodes in grouped(survey.rows, survey.rows.__getitem__).items()
    ]


def trend(survey: Survey, layers: list[Layer]) -> Iterator[Finding]:
    """Report gradients that vanish or explode from the last layer with parameters to the first."""
    held = [layer for layer in layers if layer.of_parameters and layer.size > 0]
    held = [layer for layer in held if any(node.ndim > 1 for node in layer.nodes)] or held
    if len(held) < LEAST:
        return
    first, last = held[0], held[-1]
    vanishes = first.size < last.size
    ratio = last.size / first.size if vanishes else first.size / last.size
    if ratio < TREND:
        return
    sizes = [layer.size for layer in held]
    factors = [b / a if vanishes else a / b for a, b in pairwise(sizes)]
    worst = int(np.argmax(factors))
    kind, change, fix = "exploding", "larger", FIXES["exploding"]
    if vanishes:
        path = survey.ledger.strongest.gains(survey.loss, _largest(survey, first), survey.call)
        kind, change = "vanishing", "smaller"
        fix = _steeper(path.flattest())
    says = (
        f"gradients are {number(ratio)} times {change} in {first.name} than in {last.name}: "
        f"{first.size:.2g} and {last.size:.2g}, by root mean square"
    )
    why = (
        f"per layer they get {number(ratio ** (1 / len(factors)), 3)} times {change} on average, "
        f"and {number(factors[worst], 3)} times from {held[worst + 1].name} to {held[worst].name}, "
        f"the most. {fix}"
    )
    nodes = (*first.nodes, *last.nodes)
    yield Finding(kind, PARTLY_LOST, f"{first.name} … {last.name}", says, why, nodes)


def extreme(survey: Survey, layers: list[Layer]) -> Iterator[Finding]:
    """Report the first layer whose gradients dwarf its parameters, or are dwarfed by them."""
    sizes = {of: rms(joined([v._numbers for v in of.nodes])) for of in layers if of.of_parameters}
    huge = [of for of, size in sizes.items() if 0 < size * HUGE < of.size]
    tiny = [of for of, size in sizes.items() if 0 < of.size < size / TINY]
    found = huge or tiny
    for layer in found[:1]:
        node, size = _largest(survey, layer), sizes[layer]
        kind, says = "exploding", f"{number(layer.size / size)} times as large as"
        effect = "almost any step is too large"
        fix = "Use smaller weights or inputs, or clip the gradients"
        if not huge:
            causes = explain(survey.ledger, node, None).causes
            if not causes or behind_rounding(survey.ledger, node):  # `cancelling` reports those
                return
            kind, says = "vanishing", f"{number(size / layer.size)} times smaller than"
            effect, fix = "no usual step changes the parameters", _steeper(causes[0])
        others = f" (also in {counted(len(found) - 1, 'other layer')})" if found[1:] else ""
        why = f"{layer.size:.2g} and {size:.2g}, by root mean square, so {effect}{others}. {fix}"
        of_numbers = not node.shape and not survey.scope(node)
        name = survey.listed(layer.nodes) if of_numbers else layer.name
        says = f"gradients are {says} the parameters"
        yield Finding(kind, PARTLY_LOST, name, says, why, layer.nodes)


def _largest(survey: Survey, layer: Layer) -> Node:
    """Return the node of a layer with the largest gradient; one of 0 has causes of its own."""
    reached = (v for v in layer.nodes if v in survey.grads)
    return max(reached, key=survey.ledger.strongest.size)


def _steeper(cause: str) -> str:
    """Add what to do to the cause of a small gradient; without a cause, what usually helps."""
    fix = FIXES["vanishing"]
    if "the other factor" in cause:
        fix = "Scale that factor up"
    elif "the local derivative" in cause:
        fix = STEEPER
    return f"{cause}. {fix}" if cause else fix


def by_degrees(survey: Survey, found: list[Finding]) -> list[Finding]:
    """Add the path along which gradients vanish or explode to a finding, or report it as one.

    A path begins at the first use of a parameter: what is above, such as a mean over the batch,
    is common to all gradients. It leads to the largest gradient of each depth.
    """
    paths = {"exploding" if p.decades > 0 else "vanishing": p for p in _paths(survey)}
    findings = [
        f._replace(why=f"{f.why}. {path.summary()}: {path.reasons()}")
        if (path := paths.pop(f.kind, None)) and "|grad|" not in f.why
        else f
        for f in found
    ]
    for kind, path in paths.items():
        ends = path.nodes[0], path.nodes[-1]
        name, why = " … ".join(map(path.call, ends)), f"{path.reasons()}. {FIXES[kind]}"
        findings.append(Finding(kind, PARTLY_LOST, name, path.summary(names=False), why, ends))
    return findings


def _paths(survey: Survey) -> Iterator[GainPath]:
    """Find the path that shrinks most and the one that grows most, if they vanish or explode."""
    strongest = survey.ledger.strongest
    leaves: Set[Node] = survey.parameters.keys()
    if not survey.given:
        leaves = {v for v in survey.nodes if v.rule is None} - {*survey.inputs()}
    deep = _deep(survey, strongest.layers(leaves))
    size = strongest.size
    changes = ((n, decades_between(size(top), size(n))) for n, top in deep.items())
    decades = {n: x for n, x in changes if isfinite(x)}
    ends = (min, max) if decades else ()
    for end in dict.fromkeys(pick(decades, key=decades.__getitem__) for pick in ends):
        path = strongest.gains(deep[end], end, survey.call)
        if path.by_degrees:
            yield path.between_names()


def _deep(survey: Survey, depths: Mapping[Node, Depth]) -> dict[Node, Node]:
    """Map the node with the largest gradient of each row and depth to the top of its path."""
    size = survey.ledger.strongest.size
    sizes = {node: size(node) for node, depth in depths.items() if depth.layers >= LEAST}
    deep = (node for node, x in sizes.items() if x > 0)  # not if one is NaN
    groups = grouped(deep, lambda node: (survey.row(node), depths[node].layers))
    largest = (max(group, key=sizes.__getitem__) for group in groups.values())
    return {node: top for node in largest if (top := depths[node].top) is not None}


def table_of(layers: list[Layer], most: int) -> Table:
    """Lay out at most `most` layers in forward order, preferably those with parameters."""
    first = sorted(range(len(layers)), key=lambda i: not layers[i].of_parameters)[:most]
    shown = [layers[i] for i in sorted(first)]
    columns = ["layer", "|grad| of", "5 %", "median", "95 %", "zero", "units"]
    rows = [[*layer.cells()] for layer in shown]
    if len({layer.dtypes for layer in layers}) > 1:
        columns.append("dtype")
        rows = [[*row, ", ".join(of.dtypes)] for row, of in zip(rows, shown, strict=True)]
    hidden = len(layers) - len(shown)
    n = counted(len(layers), "layer")
    return Table(f"{n}, {hidden} of them not shown:" if hidden else f"{n}:", columns, rows)


def _layer(
    survey: Survey,
    row: str,
    nodes: list[Node],
    own: list[Node],
    gates: list[Gate],
    slopes: Slopes | None,
) -> Layer:
    of = own or nodes
    grads = [np.reshape(g, -1) for v in of if (g := survey.grads.get(v)) is not None]
    sizes = np.abs(np.concatenate(grads)) if grads else np.zeros(0)
    finite = sizes[np.isfinite(sizes)].astype(float)
    low, median, high = np.quantile(finite, (0.05, 0.5, 0.95)) if finite.size else (np.nan,) * 3
    relus = [gate for gate in gates if gate.rectifies]
    return Layer(
        row,
        tuple(of),
        of_parameters=bool(own),
        elements=sum(v.size for v in of),
        low=float(low),
        median=float(median),
        high=float(high),
        size=rms(finite),
        zeros=float(np.mean(sizes == 0)) if sizes.size else 0.0,
        off=_share(relus),
        dead=sum(len(gate.dead) for gate in relus if gate.examples >= FEW),
        idle=_share([gate for gate in gates if not gate.rectifies]),
        flat=slopes.flat / slopes.units if slopes else None,
        dtypes=tuple(sorted(str(dtype) for dtype in {v.dtype for v in (*nodes, *own)})),
    )


def _share(gates: list[Gate]) -> float | None:
    tried = sum(gate.tried for gate in gates)
    return sum(gate.shut for gate in gates) / tried if tried else None
