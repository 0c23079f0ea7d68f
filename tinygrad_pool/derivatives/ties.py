"""Find maxima that several units share, and whether the choice of a winner matters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.candidates import Candidates, candidates_of
from tinygrad_pool.derivatives.jvp import jvp
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.formatting import Table, counted, number
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

LISTED = 20


class Tie(NamedTuple):
    """Units that share a maximum: their window, their places, and who gets the gradient.

    `window` is an index into the node's data. A place is an index into the operand; with several
    operands it begins with the operand's number. `torch`, `jax` and `tensorflow` tell which of the
    units gets the gradient there.
    """

    node: Node
    window: Shape
    places: list[Shape]
    value: float
    torch: str
    jax: str
    tensorflow: str


class Ties(NamedTuple):
    """The result of find_ties: the number of harmless ties, and a list of the others."""

    harmless: int
    others: list[Tie]

    def table(self) -> Table:
        """Tabulate the first ties that matter."""
        n = len(self.others)
        title = f"{counted(n, 'tie that matters', 'ties that matter')}, {self.harmless} harmless"
        title += f"; the first {LISTED} that matter:" if n > LISTED else ":" if n else ""
        rows = [
            (t.node.label or t.node.op, t.window, *_shown(t), t.torch, t.jax, t.tensorflow)
            for t in self.others[:LISTED]
        ]
        columns = ("node", "window", "units", "value", "PyTorch pays", "JAX", "TensorFlow")
        return Table(title, columns, rows)

    def __repr__(self) -> str:
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def find_ties(node: Node) -> Ties:
    """Find where two or more units share a maximum, in a node and in all that it depends on.

    A tie is harmless if no leaf's gradient depends on the winner. Either the tied units change by
    the same amount whatever the leaves do, such as equal zeros after a ReLU; or no gradient reaches
    the window. Harmless ties are counted. The others are listed, with the units that get the
    gradient in PyTorch, JAX and TensorFlow.

    Raises DataError if `node` is not a Value; GraphError if data changed since.

    >>> from tinygrad_pool import Value, max_pool1d
    >>> ties = find_ties(max_pool1d(Value([3.0, 3.0, 1.0, 2.0]), 2))
    >>> ties.harmless, ties.others[0].window, ties.others[0].places
    (0, (0,), [(0,), (1,)])
    """
    check_value(node, "find_ties")
    nodes = topological_order(node)
    check_not_stale(nodes, create_graph=True, name="find_ties")
    choosing = [c for n in nodes if _may_tie(n) and (c := candidates_of(n))]
    tied = [(c, ties) for c in choosing if (ties := tied_units(c)).any()]
    if not tied:
        return Ties(0, [])
    tangents = random_tangents(node)
    upstream = _upstream(node, [c.node for c, _ in tied])
    harmless, others = 0, []
    for (candidates, ties), g in zip(tied, upstream, strict=True):
        matters = ties & affects_gradient(candidates, tangents) & (np.reshape(g, -1) != 0)
        harmless += int(ties.sum() - matters.sum())
        is_tied = candidates.tied
        others += [
            _tie(candidates, unit, [i for i in candidates.within(unit) if is_tied[i]])
            for unit in np.flatnonzero(matters).tolist()
        ]
    return Ties(harmless, others)


def _may_tie(node: Node) -> bool:
    """Return whether a node chooses among cells. A relu, which compares with 0, does not count."""
    traits = traits_of(node.rule)
    return bool(traits.paid) or (traits.chooses and not is_ours(node.rule))


def tied_units(candidates: Candidates) -> Mask:
    """Return, for each unit of a node, whether several candidates share its maximum."""
    tied: Mask = np.add.reduceat(candidates.tied, candidates.starts, dtype=int) > 1
    return tied


def random_tangents(node: Node) -> dict[Node, NDArray[np.float64]]:
    """Compute JVPs of random tangents, which are equal for units with equal gradients."""
    rng = np.random.default_rng(0)
    leaves = [leaf for leaf in topological_order(node) if leaf.rule is None]
    return jvp(node, {leaf: rng.standard_normal(leaf.shape) for leaf in leaves})


def affects_gradient(candidates: Candidates, tangents: dict[Node, NDArray[np.float64]]) -> Mask:
    """Return, for each unit, whether the tangents of its tied candidates differ."""
    own = np.zeros(candidates.unit.shape)  # the tangents; 0 for constants
    for i, p in enumerate(candidates.node.parents):
        if isinstance(p, Node):
            here = candidates.operand == i
            with np.errstate(over="ignore"):  # a long double may exceed float64
                own[here] = np.reshape(tangents[p], -1)[candidates.cell[here]]
    tied = candidates.tied
    low = np.minimum.reduceat(np.where(tied, own, np.inf), candidates.starts)
    high = np.maximum.reduceat(np.where(tied, own, -np.inf), candidates.starts)
    equal: Mask = (low == high) & np.isfinite(low)
    return ~equal


def _upstream(node: Node, nodes: list[Node]) -> list[NDArray[np.float64]]:
    """Return the gradient of each of `nodes`; if `node` is an array, from a random gradient."""
    g = None if node.size == 1 else np.random.default_rng(1).standard_normal(node.shape)
    with np.errstate(all="ignore"):
        return [np.asarray(g) for g in grad(node, nodes, g)]  # type: ignore[call-overload]


def _tie(candidates: Candidates, unit: int, tied: list[int]) -> Tie:
    node, traits = candidates.node, traits_of(candidates.node.rule)
    several = len(node.parents) > 1
    places = [
        (candidates.at(i)[0], *candidates.place(i)) if several else candidates.place(i)
        for i in tied
    ]
    value = float(candidates.value[tied[0]]) * (-1 if traits.unit == "least" else 1)
    window = tuple(int(k) for k in np.unravel_index(unit, node.shape))
    torch, jax, tensorflow = traits.paid or ("–",) * 3
    if np.isnan(value):
        torch = "the last NaN" if traits.sparsity == "pool" else torch
        tensorflow = "skips NaN"
    return Tie(node, window, places, value, torch, jax, tensorflow)


def _shown(tie: Tie) -> tuple[str, str]:
    places = ", ".join(map(str, tie.places[:4])) + (" …" if len(tie.places) > 4 else "")
    return places, number(tie.value)
