"""Compare a graph with its twin of 0/1 weight layers: all data and every gradient."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from sys import float_info
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.candidates import Candidates, candidates_of, links_of
from tinygrad_pool.derivatives.sparse_jacobian import pooling_weights
from tinygrad_pool.derivatives.ties import affects_gradient, random_tangents, tied_units
from tinygrad_pool.engine.data import abs_difference
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.rerun import replaced
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import Table, shape
from tinygrad_pool.pooling_as_weights.weight_layers import operations_of
from tinygrad_pool.rules.arguments import choice
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

if TYPE_CHECKING:
    from graphviz import Digraph

SLACK = 32
"""Tolerance for averages and even shares, in units in the last place."""

ROWS = 24


class WeightLayer(NamedTuple):
    """One node as a layer of weights.

    `links` counts all links, `ones` those of weight 1, `overlap` the cells that won several
    windows, `ties` the windows with several largest units, and `harmless` those of them whose
    winner does not matter. `radius` is how far the cells may move, in sup-norm, before a winner
    changes, ignoring harmless ties. `binary` tells whether all weights are 0 or 1.
    """

    node: Value
    links: int
    ones: int
    overlap: int
    ties: int
    harmless: int
    radius: float
    binary: bool


class Distance(NamedTuple):
    """The largest differences between the two networks in a node's data and in its gradient."""

    data: float
    grad: float


class Comparison(NamedTuple):
    """The result of compare_weight_layer.

    `twin` is the loss of the network with weights. `holds` tells whether both networks are equal,
    and `exact` whether bit for bit. `radius` is the smallest of the layers' radii.
    """

    loss: Value
    twin: Value
    holds: bool
    exact: bool
    layers: list[WeightLayer]
    differences: dict[Value, Distance]
    gradients: dict[Value, Any]
    radius: float

    def draw(
        self,
        node: Value | None = None,
        unit: int | None = None,
        *,
        narrow: bool = False,
        theme: str = "light",
    ) -> Digraph:
        """Draw a window, and others that contain its winner, in both networks side by side.

        `node` is one of the layers, by default the first max or min that is not a ReLU. `unit` is
        the flat index of the window, by default one whose winner won most windows, and among these
        the one with the largest gradient. `narrow`, for phones, draws that window alone, and one
        network above the other. `theme` is "light" or "dark".

        Raises OptionError if there is no such layer, window or theme.
        """
        from tinygrad_pool.drawing.theme import THEMES, in_theme
        from tinygrad_pool.pooling_as_weights.side_by_side import draw_side_by_side

        choice(theme, THEMES, "theme")
        layers = [links for layer in self.layers if (links := links_of(layer.node))]
        layers.sort(key=lambda c: c.node.op == "relu" or 2 * (not traits_of(c.node.rule).chooses))
        chosen = [links for links in layers if node is None or links.node is node]
        if not chosen:
            what = name_of(node) if isinstance(node, Node) else repr(node)
            raise OptionError(
                "draw: this network has no max, ReLU or average pool, or only empty ones"
                if node is None
                else f"draw: {what:.80} is not one of the layers of weights"
            )
        node = next(layer.node for layer in self.layers if layer.node is chosen[0].node)
        g = np.reshape(self.gradients[node], -1)
        unit = _window_to_draw(chosen[0], g) if unit is None else unit
        if unit not in range(g.size):
            raise OptionError(f"draw: unit must be in 0 … {g.size - 1}, got {unit!r}")
        grads = [self.gradients.get(p) for p in node.parents]
        drawn = draw_side_by_side(chosen[0], unit, np.reshape(node.data, -1), g, grads, narrow)
        return in_theme(drawn, theme)

    def table(self) -> Table:
        """Tabulate the layers; if there are many, by scope and operation."""
        worst = [max(column) for column in zip(*self.differences.values(), strict=True)]
        how = "bit for bit" if self.exact else f"within {SLACK} units in the last place"
        verdict = f"are equal {how}" if self.holds else "DIFFER"
        title = (
            f"Nodes: {len(self.differences):,}; layers of weights: {len(self.layers):,}; "
            f"data and gradients {verdict} (largest differences {worst[0]:.3g} and {worst[1]:.3g})."
        )
        title += f"\nThe weights {_how_far(self.radius)}." if self.layers else ""
        several = len(self.layers) > ROWS
        groups = [list(g) for _, g in groupby(sorted(self.layers, key=_kind), _kind)]
        shown = groups if several else [[layer] for layer in self.layers]
        columns = [*("where", "layer", "units", "links", "weigh 1", "won several", "ties")]
        columns += ["harmless", "radius", "differs by"]
        return Table(title, columns, [self._row(group) for group in shown])

    def _row(self, group: list[WeightLayer]) -> tuple[str, ...]:
        node = group[0].node
        rows = ((x.links, x.ones, x.overlap, x.ties, x.harmless) for x in group)
        counts = map(sum, zip(*rows, strict=True))
        differences = [self.differences[layer.node] for layer in group]
        return (
            node.about.scope or node.label or "–",
            node.op if len(group) == 1 else f"{node.op}, {len(group):,} times",
            shape(node.shape) or "a number",
            *(f"{count:,}" for count in counts),
            _length(min(layer.radius for layer in group)),
            f"{max(max(d) for d in differences):.3g}",
        )

    def __repr__(self) -> str:
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def compare_weight_layer(loss: Value, gradient: Any = None) -> Comparison:
    """Run a graph and its twin with weights, and compare all data and every gradient.

    The twin is the result of as_weight_layer. Both are equal if all numbers are, bit for bit except
    for the sign of a zero and the payload of a NaN. If a layer averages, or shares ties evenly,
    they may differ by 32 units in the last place, in the lowest precision of the graph, of the
    largest number in the array and in its terms. No `.grad` changes. `gradient` is the initial
    gradient if `loss` is an array.

    The weights remain valid while all units below a layer move by less than `radius`: half of the
    smallest margin between a winner and the runner-up, or the distance of a ReLU's input from 0,
    which does not move.

    Raises as as_weight_layer and Value.backward do.

    >>> from tinygrad_pool import max_pool2d
    >>> comparison = compare_weight_layer(max_pool2d(Value([[1.0, 3.0], [2.0, 0.0]]), 2).sum())
    >>> comparison.holds, comparison.radius
    (True, 0.5)
    """
    weights = pooling_weights(loss, "compare_weight_layer")
    tangents = random_tangents(loss)
    layers = [_layer(node, Ws, tangents) for node, Ws in weights.items()]
    chosen = all(layer.binary and _has_one_winner(layer.node) for layer in layers)
    twins = replaced(loss, operations_of(weights))
    gradients = grad(loss, twins.keys(), gradient)
    of_twins = grad(twins[loss], twins.values(), gradient)
    slack = 0.0 if chosen else SLACK * max(float(np.finfo(node.dtype).eps) for node in twins)
    pairs = [
        ((node._numbers, twin._numbers), (g, h))
        for (node, twin), g, h in zip(twins.items(), gradients, of_twins, strict=True)
    ]
    distances = [
        Distance(*(float(abs_difference(a, b).max(initial=0.0)) for a, b in pair)) for pair in pairs
    ]
    holds = all(
        np.asarray(a).dtype == np.asarray(b).dtype and distance <= slack * size
        for pair, both, sizes in zip(pairs, distances, _summed(twins, gradients), strict=True)
        for (a, b), distance, size in zip(pair, both, sizes, strict=True)
    )
    return Comparison(
        loss,
        twins[loss],
        holds,
        not np.any(distances),
        layers,
        dict(zip(twins, distances, strict=True)),
        dict(zip(twins, gradients, strict=True)),
        min((layer.radius for layer in layers), default=np.inf),
    )


def _has_one_winner(node: Node) -> bool:
    """Return whether each unit has one winner. Averages and even shares round differently."""
    return traits_of(node.rule).chooses and node.options.get("ties") != "even"


def _layer(
    node: Value, weights: list[Weights], tangents: dict[Node, NDArray[np.float64]]
) -> WeightLayer:
    weight = np.concatenate([W.weight for W in weights])
    candidates = candidates_of(node)
    tied = mattering = np.zeros(0, bool)
    if candidates is not None:
        tied = tied_units(candidates)
        mattering = tied & affects_gradient(candidates, tangents)
    of_nodes = (W for W, p in zip(weights, node.parents, strict=True) if isinstance(p, Node))
    return WeightLayer(
        node,
        links=weight.size,
        ones=int((weight == 1).sum()),
        overlap=sum(int((W.wins() > 1).sum()) for W in of_nodes),
        ties=int(tied.sum()),
        harmless=int(tied.sum() - mattering.sum()),
        radius=np.inf if candidates is None else _radius(candidates, mattering),
        binary=bool(np.isin(weight, (0, 1)).all()),
    )


def _radius(candidates: Candidates, mattering: Mask) -> float:
    """Return how far all candidates may move before a loser catches up with the winner."""
    if mattering.any():
        return 0.0
    tied, top = candidates.tied, candidates.top
    variable = candidates.is_variable
    winners_move = np.logical_or.reduceat(tied & variable, candidates.starts)[candidates.unit]
    pace = winners_move.astype(int) + variable
    behind = ~tied & (candidates.value < top) & (pace > 0)
    with np.errstate(over="ignore"):
        dtype = np.result_type(top, np.float64)
        margins = np.subtract(top[behind], candidates.value[behind], dtype=dtype)
    return float((margins / pace[behind]).min(initial=np.inf))


def _window_to_draw(candidates: Candidates, g: NDArray[Any]) -> int:
    """Choose a window whose winner won most windows; among these, one with the largest gradient."""
    won = candidates.winners
    places = np.stack([won.operand, won.cell])
    _, place, count = np.unique(places, axis=1, return_inverse=True, return_counts=True)
    wins = np.zeros(g.size)
    np.maximum.at(wins, won.unit, count[place.reshape(-1)])
    size = np.where(wins == wins.max(), np.abs(np.nan_to_num(g)), -1.0)
    return int(size.argmax())


def _summed(nodes: Iterable[Node], gradients: Iterable[Any]) -> list[list[float]]:
    """Return the largest number in each node's data and gradient, and in the terms of both.

    A sum that cancels is small, but its rounding error is that of its terms.
    """
    pairs = zip(nodes, gradients, strict=True)
    own = {node: [_largest(node._numbers), _largest(g)] for node, g in pairs}
    sizes = {node: [*both] for node, both in own.items()}
    for node in own:
        for p in node.parents:
            if isinstance(p, Node):
                sizes[node][0] = max(sizes[node][0], own[p][0])
                sizes[p][1] = max(sizes[p][1], own[node][1])
    return [*sizes.values()]


def _largest(numbers: Any) -> float:
    a = np.abs(numbers)
    return min(float(a.max(initial=0.0, where=np.isfinite(a))), float_info.max)


def _kind(layer: WeightLayer) -> tuple[str, str]:
    return layer.node.about.scope, layer.node.op


def _how_far(radius: float) -> str:
    if radius == 0:
        return "may change with any move, as units tie"
    if radius == np.inf:
        return "stay the same however far the units below these layers move"
    return f"stay the same while all units below these layers move by less than {_length(radius)}"


def _length(radius: float) -> str:
    return "∞" if radius == np.inf else f"{radius:.3g}"
