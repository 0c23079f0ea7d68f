"""The candidates and winners of every max: all inputs of each window, and the 0 of a ReLU."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import Indices, operands_of, sparse_jacobian
from tinygrad_pool.engine.node import Node, shape_of
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.elementwise import relu
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of


class Cell(NamedTuple):
    """A cell of an operand; operand −1 is the constant 0 of a ReLU."""

    operand: int
    cell: int


class Candidates(NamedTuple):
    """The candidates of every unit of a node, unit by unit, in the order that breaks ties.

    `operand` and `cell` locate a candidate; operand −1 is the constant 0 of a ReLU. `value` is its
    data, negated for a minimum. `weight` is its share of the unit's gradient. `is_variable`
    distinguishes Values from constants.
    """

    node: Node
    unit: Indices
    operand: Indices
    cell: Indices
    value: NDArray[Any]
    weight: NDArray[Any]
    is_variable: Mask

    @property
    def starts(self) -> Indices:
        """The index of the first candidate of each unit."""
        return np.flatnonzero(np.diff(self.unit, prepend=-1))

    @property
    def top(self) -> NDArray[Any]:
        """The largest value of each unit, repeated for each of its candidates; NaN wins."""
        return np.maximum.reduceat(self.value, self.starts)[self.unit]

    @property
    def tied(self) -> Mask:
        """Which candidates have the largest value."""
        top = self.top
        tied: Mask = (self.value == top) | (np.isnan(self.value) & np.isnan(top))
        return tied

    @property
    def winners(self) -> Candidates:
        """The candidates that get a share of the gradient."""
        won = np.flatnonzero(self.weight)
        return self._replace(**{name: getattr(self, name)[won] for name in self._fields[1:]})

    def within(self, unit: int) -> range:
        """Return the range of candidates of one unit."""
        first, last = np.searchsorted(self.unit, (unit, unit + 1))
        return range(int(first), int(last))

    def at(self, i: int) -> Cell:
        """Return the operand of a candidate, and its flat index there."""
        return Cell(int(self.operand[i]), int(self.cell[i]))

    def place(self, i: int) -> Shape:
        """Return the index of a candidate in its operand."""
        operand, cell = self.at(i)
        places = np.unravel_index(cell, shape_of(self.node.parents[operand]))
        return tuple(map(int, places))


def candidates_of(node: Node) -> Candidates | None:
    """List the candidates of a max or a min; None for other nodes and empty ones."""
    return links_of(node) if traits_of(node.rule).chooses else None


def links_of(node: Node) -> Candidates | None:
    """List all inputs of each window as candidates, also for rules that choose none of them."""
    traits = traits_of(node.rule)
    if node.is_leaf or not node.size:
        return None
    numbers: list[NDArray[Any]] = [*map(np.asarray, operands_of(node))]
    links = [sparse_jacobian(node, i) for i in range(len(numbers))]
    columns: list[tuple[NDArray[Any], ...]] = [
        (W.unit, np.full(W.unit.shape, i), W.cell, x.reshape(-1)[W.cell], W.weight)
        for i, (x, W) in enumerate(zip(numbers, links, strict=True))
    ]
    if node.rule is relu:  # max(0, x): the constant comes first
        zero = np.zeros(node.size, int)
        columns.insert(0, (np.arange(node.size), zero - 1, zero, zero, 1 - links[0].weight))
    unit, operand, cell, value, weight = map(np.concatenate, zip(*columns, strict=True))
    order = np.argsort(unit, kind="stable")
    value = value.astype(node.dtype) * (-1 if traits.unit == "least" else 1)
    is_variable = np.array([isinstance(p, Node) for p in (*node.parents, None)])[operand]
    ordered = (unit, operand, cell, value, weight, is_variable)
    return Candidates(node, *(column[order] for column in ordered))
