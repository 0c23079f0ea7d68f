"""Who competes at a maximum: every unit that each window looks at, also a ReLU's constant 0."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import Indices, Links, links_of, operands_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules import elementwise, pooling, reductions
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.tie_breaking import Mask

LEAST = (reductions.min, reductions.minimum)
CHOOSING = (pooling.max_pool, reductions.max, reductions.maximum, elementwise.relu, *LEAST)
"""The rules that choose a winner, those for whom the least wins first."""


class Candidates(NamedTuple):
    """The contestants of every unit of a node, unit by unit, in the order that settles a tie.

    `operand` and `cell` say where a contestant stands, operand −1 being the constant of a ReLU;
    `value` is what it competes with, negated where the least wins; `weight` is what its link
    weighs; `moves` tells Values from constants.
    """

    node: Node
    unit: Indices
    operand: Indices
    cell: Indices
    value: NDArray[Any]
    weight: NDArray[Any]
    moves: Mask

    @property
    def starts(self) -> Indices:
        """Where the contestants of each unit begin."""
        return np.flatnonzero(np.diff(self.unit, prepend=-1))

    @property
    def top(self) -> NDArray[Any]:
        """The largest value of each unit's contest, repeated for every contestant; NaN wins."""
        tops: NDArray[Any] = np.maximum.reduceat(self.value, self.starts)
        return tops[self.unit]

    @property
    def tied(self) -> Mask:
        """Tell who has the largest value."""
        top = self.top
        tied: Mask = (self.value == top) | (np.isnan(self.value) & np.isnan(top))
        return tied

    def within(self, unit: int) -> range:
        """List the contestants of one unit."""
        first, last = np.searchsorted(self.unit, (unit, unit + 1))
        return range(int(first), int(last))

    def place(self, i: int) -> Shape:
        """Say where a contestant stands in its operand."""
        shape = np.shape(operands_of(self.node)[self.operand[i]])
        return tuple(int(k) for k in np.unravel_index(self.cell[i], shape))


def contest_of(node: Node) -> Candidates | None:
    """List the contestants of a node that chooses a winner; None for any other, or an empty one."""
    if node.rule not in CHOOSING or node.is_leaf or not node.size:
        return None
    operands = operands_of(node)
    links = [links_of(node, i, np.arange(node.size)) for i in range(len(operands))]
    values = [np.asarray(x).reshape(-1)[of.cell] for x, of in zip(operands, links, strict=True)]
    places = list(range(len(operands)))
    if node.rule is elementwise.relu:  # max(0, x): the constant comes first
        zero = np.zeros(node.size)
        links.insert(0, Links(np.arange(node.size), zero.astype(int), 1 - links[0].weight))
        values.insert(0, zero)
        places.insert(0, -1)
    unit, cell, weight = (np.concatenate(column) for column in zip(*links, strict=True))
    value = np.concatenate(values).astype(node.dtype)
    operand = np.repeat(places, [len(of.unit) for of in links])
    moving = [i >= 0 and isinstance(node.parents[i], Node) for i in places]
    moves = np.repeat(moving, [len(of.unit) for of in links])
    order = np.argsort(unit, kind="stable")
    value = -value if node.rule in LEAST else value
    columns = (unit, operand, cell, value, weight, moves)
    return Candidates(node, *(column[order] for column in columns))
