"""What arrived at each node of a pass, link by link, and why nothing came through a link."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.candidates import Candidates, contest_of
from tinygrad_pool.derivatives.sparse_jacobian import Indices, links_of, operands_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import number
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import arithmetic, elementwise, linear, reductions
from tinygrad_pool.rules.arguments import Shape, axes_of

ROUNDED = (
    *(elementwise.sigmoid, elementwise.tanh, reductions.softmax, reductions.log_softmax),
    reductions.logsumexp,
)
"""Rules whose slopes are never 0, but for digits that end."""

BLOCK = 1 << 20
"""So many links are listed at once."""


class Link(NamedTuple):
    """A link into a unit of a node, from a cell of operand i."""

    node: Node
    i: int
    cell: int
    unit: int

    @property
    def value(self) -> str:
        """The number at its lower end, as text."""
        return number(float(np.reshape(operands_of(self.node)[self.i], -1)[self.cell]))


class Entry(NamedTuple):
    """What one unit above sent: upstream × local = contribution, and why that is zero.

    The contribution is as it was sent, in its own dtype. `operand` says for which of the node's.
    """

    node: Node
    unit: Shape
    upstream: float
    local: float
    contribution: float
    reason: str
    operand: int

    @property
    def cell(self) -> int:
        """The flat place of the unit."""
        return int(np.ravel_multi_index(self.unit, self.node.shape)) if self.unit else 0


class Arrival(NamedTuple):
    """What one step sent to one element, link by link: its units, g, the slopes, what was sent."""

    node: Node
    operand: int
    units: Indices
    g: NDArray[Any]
    slopes: NDArray[Any]
    sent: NDArray[Any]

    def entry(self, k: int, reason: str) -> Entry:
        """Return one of the links as an Entry."""
        unit = tuple(int(n) for n in np.unravel_index(self.units[k], self.node.shape))
        g, slope, sent = (float(x[k]) for x in (self.g, self.slopes, self.sent))
        return Entry(self.node, unit, g, slope, sent, reason, self.operand)


class GradientExplainer:
    """The whole of a pass, to be asked what was sent."""

    def __init__(
        self,
        loss: Node,
        nodes: list[Node],
        steps: Sequence[Step],
        grads: dict[Node, Any],
        call: Callable[[Node], str],
    ) -> None:
        self.loss, self.nodes, self.steps, self.grads, self.call = loss, nodes, steps, grads, call
        self.users: dict[Node, list[tuple[Step, int]]] = {}
        for step in steps:
            for i, p in enumerate(step.node.parents):
                if isinstance(p, Node):
                    self.users.setdefault(p, []).append((step, i))
        self._contests: dict[Node, Candidates | None] = {}

    def entries(self, node: Node, cell: int) -> list[Entry]:
        """List what each unit above sent to one element, those that sent nothing at last."""
        found = []
        for arrival in self.arrivals(node, cell):
            for k in range(len(arrival.units)):
                reason = ""
                if not arrival.sent[k]:
                    link = Link(arrival.node, arrival.operand, cell, int(arrival.units[k]))
                    reason = self._reason(link, float(arrival.g[k]), float(arrival.slopes[k]))
                found.append(arrival.entry(k, reason))
        return sorted(found, key=lambda e: e.contribution == 0)

    def arrivals(self, node: Node, cell: int) -> Iterator[Arrival]:
        """List what each step above sent to one element."""
        for step, i in self.users.get(node, ()):
            if step.contributions[i] is not None:
                yield _arrival(step, i, cell, *_links_into(step.node, i, cell))

    def bad_arrivals(self, node: Node, cell: int) -> Iterator[Arrival]:
        """List those of the steps that sent what is not finite, from units that got that at first.

        Of these one is enough; only if there is none, all units are looked at. Of a link with a
        slope of 0, through which ∞ made a NaN, a rule may not tell: then any such unit stands.
        """
        for step, i in self.users.get(node, ()):
            c = step.contributions[i]
            if c is not None and not np.isfinite(np.reshape(c, -1)[cell]):
                row = row_of(step.node, cell)
                bad = np.flatnonzero(~np.isfinite(np.reshape(step.upstream, -1)))
                bad = bad if row is None else np.intersect1d(bad, row)
                links = _links_into(step.node, i, cell, bad)
                if not len(links[0]):
                    links = _links_into(step.node, i, cell)
                if not len(links[0]):
                    links = bad[:1], np.zeros(len(bad[:1]), step.node.dtype)
                yield _arrival(step, i, cell, *links)

    def reason(self, step: Step, i: int) -> str:
        """Say why a node that is a number sends nothing to an operand that is one."""
        local = sum(links_of(step.node, i, np.arange(1)).weight.tolist())
        return self._reason(Link(step.node, i, 0, 0), float(step.upstream), local)

    def _reason(self, link: Link, upstream: float, local: float) -> str:
        """Say why nothing came through one link."""
        if local and upstream:
            return f"underflow: {upstream:.3g} × {local:.3g} is below {_narrower(link)}"
        if local:
            return "nothing arrived there"
        return _OFF.get(link.node.rule, _lost_or_flat)(link, self)

    def cause(self, below: Node, cell: int, entry: Entry) -> str:
        """Say why one unit sends nothing to an element below it."""
        who = f"{self.at(below, cell)} gets nothing from {self.at(entry.node, entry.cell)}"
        return f"{who}: {entry.reason}{made_at(entry.node)}"

    def at(self, node: Node, cell: int) -> str:
        """Name one element of a node."""
        if not node.shape:
            return self.call(node)
        place = ", ".join(str(int(k)) for k in np.unravel_index(cell, node.shape))
        return f"{self.call(node)}[{place}]"

    def contest(self, node: Node) -> Candidates | None:
        """List who competes at a node; None if it chooses no winner."""
        if node not in self._contests:
            self._contests[node] = contest_of(node)
        return self._contests[node]


def _arrival(step: Step, i: int, cell: int, units: Indices, slopes: NDArray[Any]) -> Arrival:
    g = np.reshape(step.upstream, -1)[units]
    return Arrival(step.node, i, units, g, slopes, _sent(step, i, cell, units, slopes))


def _links_into(
    node: Node, i: int, cell: int, some: Indices | None = None
) -> tuple[Indices, NDArray[Any]]:
    """List the units of a node that look at one cell of operand i, and with which weight.

    Of `some` units, the first are enough.
    """
    row = row_of(node, cell)
    asked = np.arange(node.size) if row is None else row
    if some is not None:
        asked = np.intersect1d(asked, some)
    each = len(links_of(node, i, asked[:1]).unit) if len(asked) > 1 else 1
    block = max(1, BLOCK // max(1, each))
    units, weights = [np.zeros(0, int)], [np.zeros(0, node.dtype)]
    for first in range(0, len(asked), block):
        links = links_of(node, i, asked[first : first + block])
        here = links.cell == cell
        units.append(links.unit[here])
        weights.append(links.weight[here])
        if some is not None and np.any(here):
            break
    return np.concatenate(units), np.concatenate(weights)


def row_of(node: Node, cell: int) -> Indices | None:
    """List the units of a softmax that look at a cell, which are those at the cells of its row."""
    if node.rule not in (reductions.softmax, reductions.log_softmax):
        return None
    place: list[Any] = [*np.unravel_index(cell, node.shape)]
    for axis in axes_of(node.shape, node.options.get("axis", -1), node.op):
        place[axis] = slice(None)
    row: Indices = np.arange(node.size).reshape(node.shape)[tuple(place)].reshape(-1)
    return row


def _sent(step: Step, i: int, cell: int, units: Indices, weights: NDArray[Any]) -> NDArray[Any]:
    """Find what each of some units sent to a cell, of which the step tells only the sum."""
    total = np.asarray(step.contributions[i]).reshape(-1)[cell]
    if len(units) == 1:
        return np.array([total])
    own = step.node.parents[i].dtype
    sent: NDArray[Any] = (np.reshape(step.upstream, -1)[units] * weights).astype(own)
    masked = (weights == 0) & ~np.isfinite(sent)  # ∞ through a slope of 0, and perhaps chosen away
    if np.isfinite(total) or not np.isfinite(sent[~masked]).all():
        sent[masked] = 0
    if total == 0 and not (np.any(sent < 0) and np.any(sent > 0)):  # they underflow, none cancels
        sent[:] = 0
    return sent


def _narrower(link: Link) -> np.dtype[Any]:
    """Return the dtype in which a contribution is rounded: its own, if that is smaller."""
    dtypes = link.node.dtype, link.node.parents[link.i].dtype
    return min(dtypes, key=lambda dtype: dtype.itemsize)


def flat(node: Node) -> str:
    """Say that the slope of a node is 0: as it is, or because digits end."""
    how = "is 0"
    if node.rule in (elementwise.exp, elementwise.expm1):
        how = "underflows to 0"
    elif node.rule in ROUNDED:
        how = "rounds to 0"
    return f"the local derivative of {node.op} {how}"


def _lost_or_flat(link: Link, ledger: GradientExplainer) -> str:
    """Name the winner of a maximum, and by how much it won; elsewhere the slope is 0."""
    contest = ledger.contest(link.node)
    if contest is None:
        return f"{flat(link.node)} at {link.value}"
    best = next(k for k in contest.within(link.unit) if contest.weight[k])
    mine = next(
        k
        for k in contest.within(link.unit)
        if (contest.operand[k], contest.cell[k]) == (link.i, link.cell)
    )
    p, cell = link.node.parents[int(contest.operand[best])], int(contest.cell[best])
    winner = ledger.at(p, cell) if isinstance(p, Node) else "a constant"
    behind = number(float(contest.value[best] - contest.value[mine]))
    tie = " (a tie, which it does not win)" if contest.value[best] == contest.value[mine] else ""
    return f"it lost to {winner}, by {behind}{tie}"


_OFF: dict[Any, Callable[[Link, GradientExplainer], str]] = {
    elementwise.relu: lambda link, _: f"the relu is off: its input is {link.value}",
    elementwise.where: lambda _, __: "it was not chosen",
    elementwise.clip: lambda link, _: f"it is clipped: {link.value} is outside the bounds",
    arithmetic.mul: lambda _, __: "the other factor is 0",
    linear.weighted_sum: lambda _, __: "the other factor is 0",
    linear.matmul: lambda _, __: "the other factor is 0",
    linear.conv: lambda _, __: "the other factor is 0",
}
