"""Fast max pooling with ties="even", where tied units share the gradient.

It returns the numbers of `max_pool_by_links`, and works on one offset of the kernel at a time.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.arguments import Key, Shape
from tinygrad_pool.rules.cells import counts_of
from tinygrad_pool.rules.masks import keep
from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.tiles import Tile, tiles, wide_of
from tinygrad_pool.rules.windows import Floats, Windows


def fast_even_max_pool(x: Floats, windows: Windows) -> tuple[Floats, Backward]:
    """Keep the largest unit of each window; tied units share its gradient evenly."""
    shape, lead = x.shape, x.ndim - len(windows.kernel)
    planes = x.reshape(prod(shape[:lead]), *shape[lead:])
    y = np.empty((len(planes), *windows.over(shape)), x.dtype)
    n = np.empty(y.shape, np.min_scalar_type(prod(windows.kernel)))
    for key, tile in tiles(windows, planes.shape[1:], len(planes)):
        seen = _seen(tile, planes[key[0]])
        y[key] = reduce(np.maximum, seen)
        n[key] = reduce(np.add, [hits.astype(n.dtype) for hits in _hits(seen, y[key])])
        if not tile.full:
            _count_units(windows, planes.shape[1:], key, y, n)

    def max_pool_backward(g: Array) -> Contributions:
        share = g.reshape(y.shape) / n.astype(np.int64)
        to_planes = np.zeros(planes.shape, share.dtype)
        for key, tile in tiles(windows, planes.shape[1:], len(planes)):
            to_cells = tile.gradients_so_far(to_planes[key[0]])
            hits = _hits(_seen(tile, planes[key[0]]), y[key])
            for to_seen, won in zip(tile.seen(to_cells)[::-1], hits[::-1], strict=True):
                np.add(to_seen, keep(share[key], won), out=to_seen)
            tile.put_back(to_cells, to_planes[key[0]])
        to_x = to_planes.reshape(shape).astype(g.dtype, copy=False)
        return (to_x,)

    return y.reshape(*shape[:lead], *y.shape[1:]), max_pool_backward


def _seen(tile: Tile, planes: Floats) -> list[Floats]:
    """List the cells that all windows see at each offset; padded cells are −∞."""
    return tile.seen(tile.lay_out(planes, -np.inf, wide_of(planes.dtype)))


def _hits(seen: list[Floats], top: Floats) -> list[NDArray[np.bool_]]:
    """Return where the cells at each offset equal the maximum."""
    if np.isnan(top.max()):
        return [(cells == top) | (np.isnan(cells) & np.isnan(top)) for cells in seen]
    return [cells == top for cells in seen]


def _count_units(windows: Windows, space: Shape, key: Key, y: Floats, n: NDArray[Any]) -> None:
    """Correct the counts of windows of −∞, where padded cells are equal too: only units share."""
    units = tuple([(part.start, part.stop) for part in key[1:]])
    counts = counts_of(windows, space, padding=False, units=units).astype(n.dtype)
    np.copyto(n[key], counts, where=y[key] == -np.inf)
