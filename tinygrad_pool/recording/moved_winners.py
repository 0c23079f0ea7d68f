"""Maxima whose winner differs between two passes, and relus that switched on or off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_pool.derivatives.candidates import Candidates, candidates_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number
from tinygrad_pool.recording.links import number_at
from tinygrad_pool.recording.recording import Recording
from tinygrad_pool.rules import elementwise
from tinygrad_pool.rules.arithmetic import nudge
from tinygrad_pool.rules.traits import traits_of

NAMED = 4


class Moved(NamedTuple):
    """A unit with another winner in the second pass, or a relu that switched on or off.

    `before` and `after` describe the winners, with their numbers. `gradient` is the δ that arrives
    in the second pass, None if none does, and `goes` describes where it goes.
    """

    name: str
    before: str
    after: str
    gradient: float | None
    goes: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before}, now {self.after}; {self.goes}"


def moved_between(a: Recording, b: Recording, pairs: list[tuple[str, Node, Node]]) -> list[Moved]:
    """List the units of max, min, maximum, minimum, relu and max pool whose winner differs in b."""
    nodes = [(_computed(x), _computed(y)) for _, x, y in pairs]
    nodes = [(x, y) for x, y in nodes if x.rule is y.rule and traits_of(x.rule).chooses]
    before, after = _sides(a, [x for x, _ in nodes]), _sides(b, [y for _, y in nodes])
    sides = zip(before, after, strict=True)
    return [_moved(x, y, unit) for x, y in sides if x and y for unit in _other_winners(x, y)]


class _Side(NamedTuple):
    """A node in one of the passes, and the winners of its units."""

    recording: Recording
    won: Candidates

    @property
    def node(self) -> Node:
        return self.won.node

    def winners(self, unit: int) -> list[tuple[int, int]]:
        """List the operand and the cell of each winner of a unit."""
        return [self.won.at(k) for k in self.won.within(unit)]

    def name(self, i: int, cell: int) -> str:
        """Name a cell of operand i; "" for a constant."""
        p = self.node.parents[i] if i >= 0 else None
        return self.recording.ledger.at(p, cell) if isinstance(p, Node) else ""

    def names(self, unit: int) -> list[str]:
        """Name the winners of a unit."""
        return [self.name(*winner) for winner in self.winners(unit)]

    def value(self, i: int, cell: int) -> str:
        """Write the number in a cell of operand i."""
        p = self.node.parents[i]
        data = self.recording.data_of(p) if isinstance(p, Node) else p
        return number(number_at(data, cell))

    def operands(self) -> list[str]:
        """Name the operands."""
        return [self.recording.call(p) if isinstance(p, Node) else "" for p in self.node.parents]


def _computed(node: Node) -> Node:
    """Return the computed node below the change that `set` made to it."""
    return node.parents[0] if node.rule is nudge else node


def _sides(recording: Recording, nodes: list[Node]) -> list[_Side | None]:
    """Find the winners of nodes with the data that was recorded; None for an empty node."""
    now = {node: node._numbers for node in recording.nodes}
    try:
        for node in recording.nodes:
            node._numbers = recording.data_of(node)
        found = [candidates_of(node) for node in nodes]
    finally:
        for node, data in now.items():
            node._numbers = data
    return [c and _Side(recording, c.winners) for c in found]


def _other_winners(x: _Side, y: _Side) -> list[int]:
    """List the units whose winners differ between x and y."""
    if x.node.shape != y.node.shape:
        return []
    if x.operands() == y.operands():
        both = (x.won, y.won)
        high = 2 + max(won.operand.max(initial=0) for won in both)
        wide = 1 + max(won.cell.max(initial=0) for won in both)
        codes = [((won.unit * high) + won.operand + 1) * wide + won.cell for won in both]
        units = np.unique(np.setxor1d(*codes) // (high * wide))
        return [int(unit) for unit in units]
    return [u for u in range(x.node.size) if x.names(u) != y.names(u)]


def _moved(x: _Side, y: _Side, unit: int) -> Moved:
    name = y.recording.ledger.at(y.node, unit)
    g = y.recording.gradients.get(y.node)
    gradient = None if g is None else number_at(g, unit)
    describe = _state if y.node.rule is elementwise.relu else _winner
    before, _ = describe(x, unit, ("won", "shared"))
    after, goes = describe(y, unit, ("does" if len(x.winners(unit)) == 1 else "wins", "share"))
    if gradient is None:
        goes = "no gradient arrives there"
    return Moved(name, before, after, gradient, goes.replace("δ", f"δ = {number(gradient or 0.0)}"))


def _state(side: _Side, unit: int, _: tuple[str, str]) -> tuple[str, str]:
    """Describe whether a relu is on, and where δ goes."""
    name = side.name(0, unit)
    on = side.winners(unit) == [(0, unit)]
    where = f"{'on' if on else 'off'} at {name or 'a constant'} = {side.value(0, unit)}"
    return where, f"δ goes on to {name}" if on and name else "δ stops there"


def _winner(side: _Side, unit: int, verbs: tuple[str, str]) -> tuple[str, str]:
    """Describe the winners of a maximum, and where δ goes."""
    winners, names = side.winners(unit), side.names(unit)
    listed = [
        f"{name} ({side.value(*winner)})" if name else f"the constant {side.value(*winner)}"
        for name, winner in zip(names[:NAMED], winners, strict=False)
    ]
    more = f" and {len(winners) - NAMED} more" if len(winners) > NAMED else ""
    if len(winners) > 1:
        return f"{' and '.join(listed)}{more} {verbs[1]}", "δ is split between them"
    goes = f"the whole δ goes to {names[0]}" if names[0] else "δ stops there"
    return f"{listed[0]} {verbs[0]}", goes
