"""Where several units share a maximum, and whether it matters who wins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.candidates import LEAST, Candidates, contest_of
from tinygrad_pool.derivatives.jvp import jvp
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.errors import DataError
from tinygrad_pool.formatting import Table
from tinygrad_pool.rules import pooling, reductions
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.tie_breaking import Mask

LISTED = 20
HALF = "half each"
ELSEWHERE: dict[Rule | None, tuple[str, str, str]] = {
    pooling.max_pool: ("the first", "the first", "the first"),
    reductions.max: ("max(dim) the first, amax all evenly", "all evenly", "all evenly"),
    reductions.min: ("min(dim) the first, amin all evenly", "all evenly", "all evenly"),
    reductions.maximum: (HALF, HALF, "the first"),
    reductions.minimum: (HALF, HALF, "the first"),
}


class Tie(NamedTuple):
    """Units that share a maximum: the window they share, their places, and who is paid where.

    `window` is an index into the node's data. A place is an index into the operand; with several
    operands it begins with the operand's number. `torch`, `jax` and `tensorflow` say whom they pay.
    """

    node: Node
    window: Shape
    places: list[Shape]
    value: float
    torch: str
    jax: str
    tensorflow: str


class Ties(NamedTuple):
    """What find_ties found: the harmless ties counted, the others listed."""

    harmless: int
    others: list[Tie]

    def table(self) -> Table:
        """Lay out the first of the others."""
        n = len(self.others)
        title = f"{n} {'tie that matters' if n == 1 else 'ties that matter'}, "
        title += f"{self.harmless} harmless"
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

    A tie is harmless if no leaf's gradient depends on who wins: the units that share move alike, or
    not at all, when the leaves do, as equal zeros after a ReLU; or nothing arrives at the window,
    whatever is sent from an array. Harmless ties are counted, the others listed, with whom PyTorch,
    JAX and TensorFlow would pay.

    Raises DataError for what is no node; GraphError if data changed since.

    >>> from tinygrad_pool import Value, max_pool1d
    >>> ties = find_ties(max_pool1d(Value([3.0, 3.0, 1.0, 2.0]), 2))
    >>> ties.harmless, ties.others[0].window, ties.others[0].places
    (0, (0,), [(0,), (1,)])
    """
    if not isinstance(node, Node):
        raise DataError(f"find_ties: needs a Value that was computed, got {type(node).__name__}")
    nodes = topological_order(node)
    check_not_stale(nodes, create_graph=True)
    contests = [c for n in nodes if n.rule in ELSEWHERE and (c := contest_of(n))]
    tied = [(c, ties) for c in contests if (ties := tied_units(c)).any()]
    if not tied:
        return Ties(0, [])
    moves = random_tangents(node)
    arrives = _arrivals(node, [c.node for c, _ in tied])
    harmless, others = 0, []
    for (contest, ties), g in zip(tied, arrives, strict=True):
        mattering = ties & matters(contest, moves) & (np.reshape(g, -1) != 0)
        harmless += int(ties.sum() - mattering.sum())
        everyone = contest.tied
        others += [
            _tie(contest, unit, [i for i in contest.within(unit) if everyone[i]])
            for unit in np.flatnonzero(mattering).tolist()
        ]
    return Ties(harmless, others)


def tied_units(contest: Candidates) -> Mask:
    """Tell, for each unit of a node, whether several share its maximum."""
    tied: Mask = np.add.reduceat(contest.tied, contest.starts, dtype=int) > 1
    return tied


def random_tangents(node: Node) -> dict[Node, NDArray[np.float64]]:
    """Move every leaf at random: units with one and the same slope by every leaf move alike."""
    rng = np.random.default_rng(0)
    leaves = [leaf for leaf in topological_order(node) if leaf.rule is None]
    return jvp(node, {leaf: rng.standard_normal(leaf.shape) for leaf in leaves})


def matters(contest: Candidates, moves: dict[Node, NDArray[np.float64]]) -> Mask:
    """Tell, for each unit, whether those that share its maximum move differently."""
    how = tangents_of(contest, moves)
    tied = contest.tied
    low = np.minimum.reduceat(np.where(tied, how, np.inf), contest.starts)
    high = np.maximum.reduceat(np.where(tied, how, -np.inf), contest.starts)
    alike: Mask = (low == high) & np.isfinite(low)
    return ~alike


def tangents_of(contest: Candidates, moves: dict[Node, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Look up how each contestant moves; a constant does not."""
    how = np.zeros(contest.unit.shape)
    for i, p in enumerate(contest.node.parents):
        if isinstance(p, Node):
            here = contest.operand == i
            how[here] = np.reshape(moves[p], -1)[contest.cell[here]]
    return how


def _arrivals(node: Node, nodes: list[Node]) -> list[NDArray[np.float64]]:
    """Find the gradient that arrives at each of some nodes; an array is sent one at random."""
    g = None if node.size == 1 else np.random.default_rng(1).standard_normal(node.shape)
    with np.errstate(all="ignore"):
        return [np.asarray(g) for g in grad(node, nodes, g)]  # type: ignore[arg-type]


def _tie(contest: Candidates, unit: int, tied: list[int]) -> Tie:
    node = contest.node
    several = len(node.parents) > 1
    places = [
        (int(contest.operand[i]), *contest.place(i)) if several else contest.place(i) for i in tied
    ]
    value = float(contest.value[tied[0]]) * (-1 if node.rule in LEAST else 1)
    window = tuple(int(k) for k in np.unravel_index(unit, node.shape))
    torch, jax, tensorflow = ELSEWHERE[node.rule]
    if np.isnan(value):
        torch = "the last NaN" if node.rule is pooling.max_pool else torch
        tensorflow = "skips NaN"
    return Tie(node, window, places, value, torch, jax, tensorflow)


def _shown(tie: Tie) -> tuple[str, str]:
    places = ", ".join(map(str, tie.places[:4])) + (" …" if len(tie.places) > 4 else "")
    return places, f"{tie.value:.4g}"
