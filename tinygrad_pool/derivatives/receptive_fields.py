"""Receptive fields: the cells of the input that a unit depends on, through all layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.leaf_roles import is_weight
from tinygrad_pool.derivatives.sparse_jacobian import Indices, sparse_jacobian
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node, name_of, shape_of
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.arguments import Shape, place_of


class ReceptiveField(NamedTuple):
    """The cells of one input that a unit sees, as flat indices in order."""

    operand: Any
    cells: Indices

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which cells are seen, in the input's shape: the derivation's m_li = [i in R_l]."""
        seen = np.zeros(prod(shape_of(self.operand)), bool)
        seen[self.cells] = True
        return seen.reshape(shape_of(self.operand))

    @property
    def region(self) -> tuple[slice, ...]:
        """The smallest box around the cells, as an index."""
        shape = shape_of(self.operand)
        places = np.unravel_index(self.cells, shape) if shape else ()
        return tuple(slice(int(at.min()), int(at.max()) + 1) for at in places)

    def __repr__(self) -> str:
        computed = getattr(self.operand, "parents", ())
        name = getattr(self.operand, "label", "")
        name = name or (name_of(self.operand) if computed else "the input")
        box = ", ".join(f"{s.start}:{s.stop}" for s in self.region)
        count = counted(len(self.cells), "cell")
        return f"{name}[{box}], {count}" if box else name


class ReceptiveFields(NamedTuple):
    """The receptive field of one unit of a node, in each input."""

    node: Node
    unit: Shape
    fields: tuple[ReceptiveField, ...]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask of the only field. Raises ShapeError if there are several."""
        return self._only.mask

    @property
    def region(self) -> tuple[slice, ...]:
        """The region of the only field. Raises ShapeError if there are several."""
        return self._only.region

    @property
    def _only(self) -> ReceptiveField:
        if len(self.fields) != 1:
            raise ShapeError(
                f"receptive_field: the unit sees {len(self.fields)} inputs, not one; "
                "`fields` lists them, and of=x chooses one"
            )
        return self.fields[0]

    def __repr__(self) -> str:
        seen = "; ".join(map(str, self.fields)) or "no input"
        unit = f"unit {self.unit} of " if self.unit else ""
        return f"{unit}{name_of(self.node)} sees {seen}"


def receptive_field(
    node: Value, unit: int | Sequence[int] | None = None, of: Value | None = None
) -> ReceptiveFields:
    """Find the receptive field of a unit: the derivation's R_l, in the coordinates of the input.

    `unit` is an index into the node, by default the middle. Inputs are all leaves and constant
    arrays that the node depends on, except weights: those of conv and weighted_sum, the second
    factor of a matrix product, and a leaf added to a computed Value. `of` selects one Value
    instead: any leaf, or an intermediate result.

    Links of weight 0 count, too. Padding is not a cell.

    Raises DataError if `node` or `of` is not a Value; OptionError if there is no such unit, or it
    does not depend on `of`; GraphError if data changed since.

    >>> import tinygrad_pool as tg
    >>> x = tg.Value(np.zeros((1, 8, 8)), label="x")
    >>> z = tg.max_pool2d(tg.conv2d(x, np.ones((1, 1, 3, 3))), 2)
    >>> print(receptive_field(z, (0, 1, 2)))
    unit (0, 1, 2) of the max_pool2d node sees x[0:1, 2:6, 4:8], 16 cells
    """
    for value in (node,) if of is None else (node, of):
        check_value(value, "receptive_field")
    nodes = topological_order(node)
    check_not_stale(nodes, create_graph=True, name="receptive_field")
    place = _unit(node, unit)
    seen: dict[Node, Indices] = {node: np.array([np.ravel_multi_index(place, node.shape)], int)}
    fields: list[ReceptiveField] = []
    for n in reversed(nodes):
        units = seen.get(n, np.zeros(0, int))
        if units.size and (n is of or (n.is_leaf and of is None)):
            fields.append(ReceptiveField(n, units))
        if n.is_leaf or not units.size or n is of:
            continue
        for i, p in enumerate(n.parents):
            if of is None and is_weight(n, i):
                continue
            W = sparse_jacobian(n, i, units)
            cells = _distinct(W.cell, prod(W.x_shape))
            if isinstance(p, Node):
                seen[p] = _distinct(np.concatenate([seen.get(p, cells), cells]), p.size)
            elif np.ndim(p) and of is None and cells.size:
                fields.append(ReceptiveField(p, cells))
    if of is not None and not fields:
        raise OptionError(f"receptive_field: {name_of(node)} does not depend on {name_of(of)}")
    return ReceptiveFields(node, place, tuple(reversed(fields)))


def _distinct(cells: Indices, size: int) -> Indices:
    """Sort cells below `size` and drop duplicates; np.unique takes seconds for a million."""
    there = np.zeros(size, bool)
    there[cells] = True
    return np.flatnonzero(there)


def _unit(node: Value, unit: int | Sequence[int] | None) -> Shape:
    """Check an index into a node, and count each axis from 0; None is the middle."""
    if unit is None:
        if not node.size:
            raise OptionError(
                f"receptive_field: {name_of(node)} of shape {node.shape} has no units"
            )
        return tuple(n // 2 for n in node.shape)
    place = place_of(unit, node.shape, "receptive_field: unit")
    if place is None:
        raise OptionError(
            f"receptive_field: unit must be an index into shape {node.shape}, got {unit!r}"
        )
    return place
