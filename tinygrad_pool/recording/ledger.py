"""The contributions of a pass, unit by unit, and why some are zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.candidates import Candidates, candidates_of
from tinygrad_pool.derivatives.sparse_jacobian import Indices, operands_of, sparse_jacobian
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import number, several, subscript
from tinygrad_pool.recording.links import (
    Known,
    in_row,
    links_into,
    number_at,
    row_of,
    sent_by_links,
    with_flat_links,
)
from tinygrad_pool.recording.strongest_paths import Depth, StrongestPaths
from tinygrad_pool.rules import accumulations, arithmetic
from tinygrad_pool.rules.arguments import Shape, axes_of
from tinygrad_pool.rules.traits import UNDERFLOWS, traits_of

UNDERFLOW = (arithmetic.power, arithmetic.div, accumulations.prod)
"""Rules whose slope is exactly 0 only where an operand is 0 or infinite, or the base of a power is
1. Anywhere else a slope of 0 has underflowed."""


class Link(NamedTuple):
    """A link from a cell of operand i to a unit of a node."""

    node: Node
    i: int
    cell: int
    unit: int

    @property
    def x(self) -> float:
        """The number in its cell."""
        return number_at(operands_of(self.node)[self.i], self.cell)

    @property
    def seen(self) -> list[Any]:
        """The numbers that the unit may look at, by operand."""
        shape, xs = self.node.shape, operands_of(self.node)
        if traits_of(self.node.rule).sparsity != "elementwise":
            return xs
        return [np.broadcast_to(x, shape)[np.unravel_index(self.unit, shape)] for x in xs]


class Reason(str):
    """Why a contribution is 0. Reasons of one `kind` differ in a number {x} and in {names}."""

    __slots__ = ("kind", "names", "x")
    kind: str
    x: float
    names: str

    def __new__(cls, kind: str, x: float = 0.0, names: str = "") -> Self:
        """Write the text of a reason."""
        reason = super().__new__(cls, _filled(kind, number(x), names))
        reason.kind, reason.x, reason.names = kind, x, names
        return reason


def in_common(reasons: Sequence[Reason]) -> str:
    """Write reasons of one kind as one, with the range of their numbers.

    >>> in_common([Reason("the relu is off, as its input is {x}", x) for x in (-2.0, -1.0, -3.0)])
    'the relu is off, as its input is −3 … −1'
    """
    kind, names = reasons[0].kind, reasons[0].names
    xs = [reason.x for reason in reasons if not np.isnan(reason.x)]
    ends = " … ".join(dict.fromkeys((number(min(xs)), number(max(xs))) if xs else ()))
    nans = "nan" * (len(xs) < len(reasons))
    if any(reason.names != names for reason in reasons):
        names = f"others such as {names}"
    return _filled(kind, " or ".join(filter(None, (ends, nans))), names)


def _filled(kind: str, x: str, names: str) -> str:
    return kind.replace("{x}", x).replace("{names}", names)


NONE, FROM_ABOVE = Reason(""), Reason("the upstream gradient is 0")


class Entry(NamedTuple):
    """The contribution of one unit above, upstream × local, and why it is zero.

    The contribution is as it was sent, in its own dtype. `operand` is its place among the operands
    of the node.
    """

    node: Node
    unit: Shape
    upstream: float
    local: float
    contribution: float
    reason: Reason
    operand: int

    @property
    def cell(self) -> int:
        """The flat index of the unit."""
        flat = 0  # NumPy takes longer
        for size, k in zip(self.node.shape, self.unit, strict=True):
            flat = flat * size + k
        return flat


class Arrival(NamedTuple):
    """The contributions of one step to one element, link by link."""

    node: Node
    operand: int
    units: Indices
    g: NDArray[Any]
    slopes: NDArray[Any]
    sent: NDArray[Any]

    def entries(self, links: slice = np.s_[:]) -> Iterator[Entry]:
        """Yield the contributions of some links, without reasons."""
        places: Iterable[Shape] = repeat(())
        if self.node.shape:
            axes = np.unravel_index(self.units[links], self.node.shape)
            places = zip(*(axis.tolist() for axis in axes), strict=True)
        numbers = (x[links].astype(float).tolist() for x in (self.g, self.slopes, self.sent))
        for unit, g, slope, sent in zip(places, *numbers, strict=False):
            yield Entry(self.node, unit, g, slope, sent, NONE, self.operand)


class GradientExplainer:
    """Explain the gradients of a pass from its steps."""

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
        self._candidates: dict[Node, Candidates | None] = {}
        self._winners: dict[tuple[Node, int], tuple[int, int]] = {}
        self.cancelled: dict[Node, Any] = {}  # a cache of `behind_rounding`

    @cached_property
    def strongest(self) -> StrongestPaths:
        """The strongest path from the loss to each node."""
        return StrongestPaths(self.steps, self.grads)

    @cached_property
    def depths(self) -> dict[Node, Depth]:
        """The depth of each node, counted in layers that use a leaf."""
        return self.strongest.layers({v for v in self.nodes if v.rule is None})

    def entries(self, node: Node, cell: int, known: Known | None = None) -> list[Entry]:
        """List the contribution of each unit above to one element, zeros last.

        `known` caches links, for callers that ask about many elements.
        """
        sent, nothing = list[Entry](), list[Entry]()
        for arrival in self.arrivals(node, cell, known):
            for e, unit in zip(arrival.entries(), arrival.units.tolist(), strict=True):
                if e.contribution:
                    sent.append(e)
                else:
                    link = Link(e.node, e.operand, cell, unit)
                    nothing.append(e._replace(reason=self._reason(link, e.upstream, e.local)))
        return sent + nothing

    def arrivals(self, node: Node, cell: int, known: Known | None = None) -> Iterator[Arrival]:
        """List the contributions of each step above to one element."""
        for step, i in self.users.get(node, ()):
            if step.contributions[i] is not None:
                links = links_into(step.node, i, cell, known=known)
                yield _arrival(step, i, cell, *with_flat_links(step, cell, *links))

    def bad_arrivals(self, node: Node, cell: int) -> Iterator[Arrival]:
        """List the steps that sent a NaN or an infinity to one element.

        Units whose own gradient is not finite are searched first, as one is enough; the others only
        if none of them has a link to the element. A link of slope 0 may be missing from the list,
        though ∞ × 0 made a NaN there: if no link makes one, the first such unit is taken.
        """
        for step, i in self.users.get(node, ()):
            c = step.contributions[i]
            if c is not None and not np.isfinite(number_at(c, cell)):
                row = row_of(step.node, cell)
                bad = np.flatnonzero(~np.isfinite(np.reshape(step.upstream, -1)))
                bad = bad if row is None else np.intersect1d(bad, row)
                links = links_into(step.node, i, cell, bad)
                if not len(links[0]):
                    units, slopes = links = links_into(step.node, i, cell)
                    sent = np.reshape(step.upstream, -1)[units] * slopes
                    if np.isfinite(sent.astype(step.node.parents[i].dtype)).all():
                        links = bad[:1], np.zeros(len(bad[:1]), step.node.dtype)
                yield _arrival(step, i, cell, *links)

    def reason(self, step: Step, i: int) -> Reason:
        """Explain why a scalar node sends 0 to a scalar operand."""
        local = sum(sparse_jacobian(step.node, i).weight.tolist())
        return self._reason(Link(step.node, i, 0, 0), float(step.upstream), local)

    def _reason(self, link: Link, upstream: float, local: float) -> Reason:
        """Explain why the contribution of one link is 0."""
        if local and upstream:
            dtypes = link.node.dtype, link.node.parents[link.i].dtype
            narrower = min(dtypes, key=lambda dtype: dtype.itemsize)
            sent = f"{number(upstream, 3)} × {number(local, 3)}"
            return Reason(f"it underflows, as {sent} is too small for {narrower}")
        if local:
            return FROM_ABOVE
        off = traits_of(link.node.rule).off
        if off and "{x}" not in off:  # it holds whatever was set since
            return Reason(off)
        if stale := set_since([link.node]):
            leaves = several([*map(self.call, stale)])
            return Reason("{names} changed after the forward pass; run it again", names=leaves)
        if off:
            return Reason(off, link.x)
        lost = self._lost(link)
        return lost or Reason(f"{flat(link.node, link.seen, link.cell)} at {{x}}", link.x)

    def cause(self, below: Node, cell: int, entry: Entry) -> str:
        """Explain why one unit sends 0 to an element below it."""
        unit = self.at(entry.node, entry.cell)
        return f"{self.at(below, cell)} gets nothing from {unit}: {entry.reason}"

    def at(self, node: Node, cell: int) -> str:
        """Name one element of a node."""
        return self.call(node) + subscript(np.unravel_index(cell, node.shape))

    def _lost(self, link: Link) -> Reason | None:
        """Name the winner of a maximum, and its margin; None if the node is not a max or a min."""
        node = link.node
        if node not in self._candidates:
            self._candidates[node] = candidates_of(node)
        candidates = self._candidates[node]
        if candidates is None:
            return None
        if (node, link.unit) not in self._winners:
            here = candidates.within(link.unit)
            won = np.argmax(candidates.weight[here.start : here.stop] != 0)
            self._winners[node, link.unit] = candidates.at(here.start + int(won))
        i, cell = self._winners[node, link.unit]
        p = node.parents[i]
        winner = self.at(p, cell) if isinstance(p, Node) else "a constant"
        best, own = number_at(operands_of(node)[i], cell), link.x
        if best == own or np.isnan(own):
            return Reason("it lost to {names} in a tie", names=winner)
        how = "which is nan" if np.isnan(best) else "by {x}"
        return Reason(f"it lost to {{names}}, {how}", abs(best - own), winner)


def _arrival(step: Step, i: int, cell: int, units: Indices, slopes: NDArray[Any]) -> Arrival:
    g = np.reshape(step.upstream, -1)[units]
    return Arrival(step.node, i, units, g, slopes, sent_by_links(step, i, cell, units, slopes))


def flat(node: Node, seen: Sequence[Any] = (), cell: int | None = None) -> str:
    """Explain that the slope of a node is 0, exactly or after rounding, perhaps at one `cell`.

    `seen` are the numbers that its units look at, by operand, if they are known.
    """
    how = traits_of(node.rule).vanishes or "is 0"
    if traits_of(node.rule).unit == "softmax":
        x = operands_of(node)[0]
        off = np.isneginf(x if cell is None else in_row(node, cell, x))
        axes = axes_of(x.shape, node.options.get("axis", -1), node.op) if cell is None else None
        if np.all(np.sum(~off, axis=axes) == 1):
            one = "one number" + " that is not −inf" * bool(off.any())
            always = number(float(np.max(node._numbers)))
            return f"{node.op} of {one} is always {always}, so its local derivative is 0"
        if cell is not None and np.isneginf(number_at(x, cell)):
            how = "is 0"
    return f"the local derivative of {node.op} {UNDERFLOWS if _underflows(node, seen) else how}"


def _underflows(node: Node, seen: Sequence[Any]) -> bool:
    """Return whether a slope of 0 is an underflow, and not exactly 0."""
    if node.rule not in UNDERFLOW or not seen:
        return False
    of_one = node.rule is arithmetic.power and np.any(np.equal(seen[0], 1))
    return not of_one and all(np.isfinite(x).all() and np.all(x) for x in seen)
