"""One plane of a pooling: its cells, the windows over them, and the winners."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import sparse_jacobian
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.traits import traits_of
from tinygrad_pool.rules.windows import AnyWindows


class Plane(NamedTuple):
    """One plane before and after pooling, as rows and columns; `grads` are None before a pass."""

    windows: AnyWindows
    x: NDArray[Any]
    y: NDArray[Any]
    grads: tuple[NDArray[Any] | None, NDArray[Any] | None]
    links: Weights
    chooses: bool

    def spans(self, unit: int) -> list[tuple[int, int]]:
        """List the first and the last cell of a window on each axis, padding included."""
        axes = len(self.windows.axes)
        place = np.unravel_index(unit, self.y.shape[-axes:])
        ends = [self.windows.bounds(axis, np.asarray(k)) for axis, k in enumerate(place)]
        return [(0, 0)] * (2 - axes) + [(int(first), int(stop) - 1) for first, stop in ends]

    @property
    def overlap(self) -> bool:
        """Whether any cell is seen by several windows."""
        return len(np.unique(self.links.cell)) < len(self.links.cell)

    @property
    def rims(self) -> tuple[tuple[int, int], ...]:
        """How far windows reach beyond each axis: padding and, at the end, that of `ceil_mode`."""
        padding = ((0, 0), *self.windows.padding)[-2:]
        ends = zip(padding, self.spans(self.y.size - 1), self.x.shape, strict=True)
        return tuple((p, max(q, last + 1 - n)) for (p, q), (_, last), n in ends)


def is_pool(node: Node) -> bool:
    """Return whether a node is a pooling of a Value."""
    pools = traits_of(node.rule).sparsity == "pool" and node.is_interior
    return pools and isinstance(node.parents[0], Node)


def plane_of(node: Node, place: Shape) -> Plane:
    """Cut one plane of one or two axes out of a pooling, by its index into the leading axes.

    Raises GraphError if data changed since.
    """
    check_not_stale([node], create_graph=True, name="draw_windows")
    windows, x = node.options["windows"], node.parents[0]
    ndim = len(windows.axes)
    lead, space, out = x.shape[:-ndim], x.shape[-ndim:], node.shape[-ndim:]
    units = np.arange(prod(out)) + prod(out) * np.ravel_multi_index(place, lead)
    W = sparse_jacobian(node, 0, units)

    def cut(data: Any, shape: Shape) -> NDArray[Any]:
        return np.reshape(data[place], (1, *shape) if ndim == 1 else shape)

    to_x = cut(x.grad, space) if x.has_grad else None
    g = cut(node.grad, out) if node.has_grad else None
    links = Weights(W.unit % prod(out), W.cell % prod(space), W.weight, out, space)
    chooses = traits_of(node.rule).chooses
    return Plane(windows, cut(x.data, space), cut(node.data, out), (to_x, g), links, chooses)
