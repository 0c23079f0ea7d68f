"""Why a gradient is what it is: a ledger of what arrived on each path, and where a zero began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.contests import contest_of
from tinygrad_pool.debugger.source import quoted
from tinygrad_pool.drawing.labels import number, on_a_line
from tinygrad_pool.errors import OptionError
from tinygrad_pool.graph import Step
from tinygrad_pool.links import links_of, operands_of
from tinygrad_pool.node import Node
from tinygrad_pool.rules import arithmetic, elementwise, linear
from tinygrad_pool.rules.axes import Shape, place_of

LISTED = 8


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
    """What one unit above sent: upstream × local = contribution, and why that is zero."""

    node: Node
    unit: Shape
    upstream: float
    local: float
    contribution: float
    reason: str


class Explanation(NamedTuple):
    """One gradient explained: the entries add up to it, `causes` say where zeros began."""

    name: str
    grad: float | None
    entries: list[Entry]
    causes: list[str]
    call: Callable[[Node], str]

    def __str__(self) -> str:
        shown = "not computed" if self.grad is None else number(self.grad)
        sums = " + ".join(number(e.contribution) for e in self.entries[:LISTED])
        more = f" + … ({len(self.entries)} in all)" if len(self.entries) > LISTED else ""
        lines = [f"grad of {self.name} is {shown}" + (f" = {sums}{more}" if sums else "")]
        for e in self.entries[:LISTED]:
            place = f"[{', '.join(map(str, e.unit))}]" if e.unit else ""
            sent = f"{number(e.upstream)} × {number(e.local)} = {number(e.contribution)}"
            why = f"   {e.reason}" if e.reason else ""
            lines.append(f"  from {self.call(e.node)}{place}: {sent}{why}")
        return "\n".join(lines + [f"  because {cause}" for cause in self.causes])

    def __repr__(self) -> str:
        return str(self)


class Ledger:
    """The whole of a pass, to be asked for reasons."""

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

    def explain(self, node: Node, index: int | Sequence[int] | None) -> Explanation:
        """Explain the gradient of one element of a node."""
        g = self.grads.get(node)
        if not node.size:
            return Explanation(self.call(node), None, [], ["it has no elements"], self.call)
        cell = self._cell(node, index, g)
        name = self.at(node, cell)
        grad = None if g is None else float(np.reshape(g, -1)[cell])
        entries = self.entries(node, cell)
        if node not in self.nodes:
            causes = ["the loss does not depend on it: it is on no path, or was detached"]
        elif node is self.loss:
            causes = ["the pass begins here, with the gradient that it was given"]
        elif grad is None:
            causes = ["no node that got a gradient hands one on to it"]
        elif not np.isfinite(grad):
            causes = [self.first_bad()[1]]
        elif grad == 0:
            causes = self._origins(node, cell, entries)
        else:
            causes = []
        return Explanation(name, grad, entries, causes, self.call)

    def entries(self, node: Node, cell: int) -> list[Entry]:
        """List what each unit above sent to one element."""
        found = []
        for step, i in self.users.get(node, ()):
            links = links_of(step.node, i, np.arange(step.node.size))
            for k in np.flatnonzero(links.cell == cell):
                unit, local = int(links.unit[k]), float(links.weight[k])
                upstream = float(np.reshape(step.upstream, -1)[unit])
                sent = upstream * local if local and upstream else 0.0
                reason = (
                    "" if sent else self._reason(Link(step.node, i, cell, unit), upstream, local)
                )
                place = tuple(int(n) for n in np.unravel_index(unit, step.node.shape))
                found.append(Entry(step.node, place, upstream, local, sent, reason))
        return sorted(found, key=lambda e: e.contribution == 0)

    def reason(self, step: Step, i: int) -> str:
        """Say why a node that is a number sends nothing to an operand that is one."""
        local = sum(links_of(step.node, i, np.arange(1)).weight.tolist())
        return self._reason(Link(step.node, i, 0, 0), float(step.upstream), local)

    def _reason(self, link: Link, upstream: float, local: float) -> str:
        """Say why nothing came through one link."""
        if local and upstream:
            return f"underflow: {upstream:.3g} × {local:.3g} is below {link.node.dtype}"
        if local:
            return "nothing arrived there"
        return _OFF.get(link.node.rule, _lost_or_flat)(link, self)

    def _origins(self, node: Node, cell: int, entries: list[Entry]) -> list[str]:
        """Follow zeros upwards to where each began."""
        if entries and any(e.contribution for e in entries):
            return ["the contributions cancel"]
        causes: dict[str, None] = {}
        seen = {(node, cell)}
        waiting = [(node, cell, entries)]
        while waiting and len(causes) < LISTED:
            below, at, found = waiting.pop()
            if not found:
                causes[self._unseen(below, at)] = None
            for e in found:
                unit = int(np.ravel_multi_index(e.unit, e.node.shape)) if e.unit else 0
                if e.upstream or not e.local:
                    causes[self.cause(below, at, e)] = None
                elif e.node is self.loss:
                    causes["the pass began with the gradient 0"] = None
                elif (e.node, unit) not in seen:
                    seen.add((e.node, unit))
                    above = self.entries(e.node, unit)
                    if above and any(a.contribution for a in above):
                        causes[f"what reaches {self.at(e.node, unit)} cancels"] = None
                    else:
                        waiting.append((e.node, unit, above))
        return list(causes)

    def _unseen(self, node: Node, cell: int) -> str:
        """Say that an element takes no part in what is computed from its array."""
        users = dict.fromkeys(self.call(step.node) for step, _ in self.users.get(node, ()))
        listed = ", ".join([*users][:LISTED])
        return f"{self.at(node, cell)} takes no part in {listed}{_made(node)}"

    def cause(self, below: Node, cell: int, entry: Entry) -> str:
        """Say why one unit sends nothing to an element below it."""
        unit = int(np.ravel_multi_index(entry.unit, entry.node.shape)) if entry.unit else 0
        who = f"{self.at(below, cell)} gets nothing from {self.at(entry.node, unit)}"
        return f"{who}: {entry.reason}{_made(entry.node)}"

    def first_bad(self) -> tuple[Node | None, str]:
        """Find the first node that made a NaN or an infinity, forward or backward, of finite ones.

        If there is none, the first that made a NaN of infinities.
        """
        for good in (np.isfinite, _no_nan):
            for node in self.nodes:
                operands = [np.asarray(x, float) for x in operands_of(node)]
                if not good(node._data).all() and all(good(x).all() for x in operands):
                    how = "made it in the forward pass" if operands else "is not finite"
                    return node, f"{self.call(node)} {how}{self._operands(node)}{_made(node)}"
        for good in (np.isfinite, _no_nan):
            for node, g, contributions in self.steps:
                sent = [c for c in contributions if c is not None]
                if good(g).all() and not all(good(c).all() for c in sent):
                    who = f"{self.call(node)} made it in the backward pass"
                    return node, f"{who}{self._operands(node)}{_made(node)}"
        return None, "it came with the gradient that the pass was given"

    def _operands(self, node: Node) -> str:
        shown = []
        for p, x in zip(node.parents, operands_of(node), strict=True):
            name = f"{self.call(p)} = " if isinstance(p, Node) else ""
            shown.append(name + on_a_line(x))
        return f": {node.op} of {', '.join(shown)}" if shown else ""

    def at(self, node: Node, cell: int) -> str:
        """Name one element of a node."""
        if not node.shape:
            return self.call(node)
        place = ", ".join(str(int(k)) for k in np.unravel_index(cell, node.shape))
        return f"{self.call(node)}[{place}]"

    def _cell(self, node: Node, index: int | Sequence[int] | None, g: Any) -> int:
        """Read the index of an element; None is the one with the largest gradient."""
        if index is None:
            flat = np.reshape(np.zeros(node.shape) if g is None else g, -1)
            return int(np.abs(np.nan_to_num(flat, nan=np.inf)).argmax())
        place = place_of(index, node.shape, "why: index")
        if place is None:
            raise OptionError(
                f"why: {self.call(node)} of shape {node.shape} has no element {index!r}"
            )
        return int(np.ravel_multi_index(place, node.shape)) if place else 0


def _no_nan(x: Any) -> Any:
    return ~np.isnan(x)


def _made(node: Node) -> str:
    """Quote the line of source that made a node, where it is known."""
    return f", at {quoted(node.about.line)}" if node.about.line else ""


def _lost_or_flat(link: Link, ledger: Ledger) -> str:
    """Name the winner of a maximum, and by how much it won; elsewhere the slope is 0."""
    contest = contest_of(link.node)
    if contest is None:
        return f"the local derivative of {link.node.op} is 0 at {link.value}"
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


_OFF: dict[Any, Callable[[Link, Ledger], str]] = {
    elementwise.relu: lambda link, _: f"the relu is off: its input is {link.value}",
    elementwise.where: lambda _, __: "it was not chosen",
    elementwise.clip: lambda link, _: f"it is clipped: {link.value} is outside the bounds",
    arithmetic.mul: lambda _, __: "the other factor is 0",
    linear.weighted_sum: lambda _, __: "the other factor is 0",
    linear.matmul: lambda _, __: "the other factor is 0",
    linear.conv: lambda _, __: "the other factor is 0",
}
