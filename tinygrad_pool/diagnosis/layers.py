"""The size of the gradients in each layer, and where they vanish or explode on the way down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

import numpy as np

from tinygrad_pool.diagnosis.dead_units import Gate, Slopes
from tinygrad_pool.diagnosis.findings import FEW, PARTLY_LOST, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import Table, counted, joined, number
from tinygrad_pool.recording.gains import TREND, GainPath, decades_between
from tinygrad_pool.recording.origins import behind_rounding
from tinygrad_pool.recording.reasons import explain
from tinygrad_pool.recording.strongest_paths import LEAST, Depth, rms

HUGE = 1e6
"""Gradients this many times larger than their parameters are too large for any usual step."""

TINY = 1e12
"""Gradients this many times smaller than their parameters change nothing, with any usual step."""

HELP = {
    "vanishing": "steeper activations, larger initial weights, shortcuts or gates help",
    "exploding": "smaller initial weights, or clipped gradients, help",
}


class Layer(NamedTuple):
    """One layer: quantiles of `|grad|` over its parameters, or else its units, and what was shut.

    `low`, `median` and `high` are the 5, 50 and 95 % quantiles, `size` the root of the mean square,
    of what is finite; `zeros` the share of zeros among its `elements`. `off` is the share of
    relus off, `idle` of units that win in no example, `dead` counts relus off in every example,
    `flat` is the share of saturated sigmoids and tanhs; None where there are none. `dtypes` are
    those of data and gradients.
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
        shut = [f"{self.off:.0%} off" if self.off is not None else ""]
        shut += [f"{self.dead:,} always" if self.dead else ""]
        shut += [f"{self.idle:.0%} never win" if self.idle is not None else ""]
        shut += [f"{self.flat:.0%} saturated" if self.flat is not None else ""]
        quantiles = (f"{x:.2g}" for x in (self.low, self.median, self.high))
        of = counted(self.elements, "parameter" if self.of_parameters else "unit")
        return (
            *(self.name, of, *quantiles, f"{self.zeros:.0%}"),
            ", ".join(part for part in shut if part),
        )


def layers_of(survey: Survey, gates: list[Gate], slopes: dict[str, Slopes]) -> list[Layer]:
    """Measure each layer, in forward order."""
    members: dict[str, list[Node]] = {}
    for node, row in survey.rows.items():
        members.setdefault(row, []).append(node)
    own: dict[str, list[Node]] = {}
    for parameter in survey.wanted:
        if parameter in survey.inside and parameter not in survey.decayed:
            own.setdefault(survey.row(parameter), []).append(parameter)
    shut: dict[str, list[Gate]] = {}
    for gate in gates:
        shut.setdefault(gate.row, []).append(gate)
    return [
        _layer(survey, row, nodes, own.get(row, []), shut.get(row, []), slopes.get(row))
        for row, nodes in members.items()
    ]


def trend(survey: Survey, layers: list[Layer]) -> Iterator[Finding]:
    """Report gradients that vanish or explode from the last layer with parameters to the first."""
    held = [layer for layer in layers if layer.of_parameters and layer.size > 0]
    if any(node.ndim > 1 for layer in held for node in layer.nodes):
        held = [layer for layer in held if any(node.ndim > 1 for node in layer.nodes)]
    if len(held) < LEAST:
        return
    first, last = held[0], held[-1]
    ratio = last.size / first.size
    if 1 / TREND < ratio < TREND:
        return
    each = ratio ** (1 / (len(held) - 1))
    factors = [after.size / before.size for before, after in pairwise(held)]
    worst = int(np.argmax(np.log(factors) * np.sign(np.log(ratio))))
    kind = "vanishing" if ratio > 1 else "exploding"
    help_ = HELP[kind]
    if ratio > 1:
        path = survey.ledger.strongest.gains(survey.loss, first.nodes[0], survey.call)
        help_ = path.flattest() or help_
    says = (
        f"gradients are {number(max(ratio, 1 / ratio))} times "
        f"{'smaller' if ratio > 1 else 'larger'} in {first.name} than in {last.name}: "
        f"{first.size:.2g} and {last.size:.2g}, by root mean square"
    )
    why = (
        f"from one of the {len(held)} layers to the next a factor of {each:.2g}, and of "
        f"{factors[worst]:.2g} from {held[worst].name} to {held[worst + 1].name}; {help_}"
    )
    nodes = (*first.nodes, *last.nodes)
    yield Finding(kind, PARTLY_LOST, f"{first.name} … {last.name}", says, why, nodes)


def huge(survey: Survey, layers: list[Layer]) -> Iterator[Finding]:
    """Report gradients that dwarf their parameters, in the first such layer."""
    found = [(of, size) for of, size in _sized(layers) if 0 < size * HUGE < of.size]
    for layer, size in found[:1]:
        says = f"gradients are {number(layer.size / size)} times as large as the parameters"
        says += f", and likewise in {counted(len(found) - 1, 'other layer')}" if found[1:] else ""
        why = (
            f"{layer.size:.2g} and {size:.2g}, by root mean square: almost any step is too "
            "large; smaller weights or inputs, or clipped gradients, help"
        )
        yield Finding("exploding", PARTLY_LOST, _called(survey, layer), says, why, layer.nodes)


def tiny(survey: Survey, layers: list[Layer]) -> Iterator[Finding]:
    """Report gradients that their parameters dwarf, in the first such layer, if it is known why."""
    found = [(of, size) for of, size in _sized(layers) if 0 < of.size < size / TINY]
    for layer, size in found[:1]:
        says = f"gradients are {number(size / layer.size)} times smaller than the parameters"
        says += f", and likewise in {counted(len(found) - 1, 'other layer')}" if found[1:] else ""
        why = f"{layer.size:.2g} and {size:.2g}, by root mean square: no usual step changes them"
        node = layer.nodes[0]
        causes = explain(survey.ledger, node, None).causes
        if causes and behind_rounding(survey.ledger, node) is None:  # `cancelling` reports those
            why += f". {causes[0]}"
            yield Finding("vanishing", PARTLY_LOST, _called(survey, layer), says, why, layer.nodes)


def _called(survey: Survey, layer: Layer) -> str:
    """Name a layer; one that is called by an operation alone by its parameters."""
    of_numbers = not layer.nodes[0].shape and not survey.scope(layer.nodes[0])
    return survey.listed(layer.nodes) if of_numbers else layer.name


def _sized(layers: list[Layer]) -> Iterator[tuple[Layer, float]]:
    """Measure the parameters of each layer that has some, as its gradients are."""
    for layer in layers:
        if layer.of_parameters:
            yield layer, rms(joined([v._numbers for v in layer.nodes]))


def by_degrees(survey: Survey, found: list[Finding]) -> list[Finding]:
    """Add the path along which gradients vanish or explode: to what was `found`, or as a finding.

    A path begins where the first parameter is used, since what is above, such as a mean over the
    batch, all gradients have in common. It is taken to the largest gradient of each depth.
    """
    paths = {"exploding" if p.decades > 0 else "vanishing": p for p in _paths(survey)}
    told = [
        f._replace(why=f"{f.why}. {paths[f.kind].summary()}: {paths[f.kind].reasons()}")
        if f.kind in paths
        else f
        for f in found
    ]
    known = {f.kind for f in found}
    for kind, path in paths.items():
        if kind not in known:
            ends = path.nodes[0], path.nodes[-1]
            name = " … ".join(map(path.call, ends))
            why = f"{path.reasons()}. {HELP[kind].capitalize()}"
            told.append(Finding(kind, PARTLY_LOST, name, path.summary(names=False), why, ends))
    return told


def _paths(survey: Survey) -> Iterator[GainPath]:
    """Find the path that shrinks most, and the one that grows most, if they do so much."""
    strongest = survey.ledger.strongest
    deep = _deep(survey, strongest.layers(_leaves(survey)))
    size = strongest.size
    found = {n: decades_between(size(top), size(n)) for n, top in deep.items()}
    decades = {n: x for n, x in found.items() if isfinite(x)}
    ends = (min, max) if decades else ()
    for end in dict.fromkeys(pick(decades, key=decades.__getitem__) for pick in ends):
        path = strongest.gains(deep[end], end, survey.call)
        if path.by_degrees:
            yield path.between_names()


def _leaves(survey: Survey) -> Set[Node]:
    """Collect the parameters; if none were given, all leaves that cannot be inputs."""
    if survey.given:
        return survey.wanted.keys()
    inputs = set(survey.inputs())
    return {v for v in survey.nodes if v.rule is None and v not in inputs}


def _deep(survey: Survey, depths: Mapping[Node, Depth]) -> dict[Node, Node]:
    """Choose the node of the largest gradient of each row and depth, and the top of its path."""
    largest: dict[tuple[str, int], tuple[float, Node]] = {}
    for node, (layers, _) in depths.items():
        key = survey.row(node), layers
        if layers >= LEAST:
            size = survey.ledger.strongest.size(node)
            if size > largest.get(key, (0.0,))[0]:
                largest[key] = size, node
    return {node: top for _, node in largest.values() if (top := depths[node].top) is not None}


def table_of(layers: list[Layer], most: int) -> Table:
    """Lay out the layers in forward order; of many, prefer those with parameters."""
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
    got = [np.reshape(g, -1) for v in of if (g := survey.grads.get(v)) is not None]
    sizes = np.abs(np.concatenate(got)) if got else np.zeros(0)
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
