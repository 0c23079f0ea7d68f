"""Fast p-norm pooling: the numbers of `lp_pool_by_unfolding`, one kernel offset at a time.

The cells that all windows see at one offset are a slice of a tile. So the cells of all windows
together are never in memory.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.tiles import tiles
from tinygrad_pool.rules.windows import Floats, Windows


def fast_lp_pool(
    x: Floats, windows: Windows, p: float, dtype: np.dtype[Any]
) -> tuple[Floats, Backward]:
    """Compute the p-norm of each window in `dtype`."""
    shape, lead, x_dtype = x.shape, x.ndim - len(windows.kernel), x.dtype
    planes = x.reshape(prod(shape[:lead]), *shape[lead:])
    scale = np.empty((len(planes), *windows.over(shape)), dtype)
    root = np.empty_like(scale)
    for key, tile in tiles(windows, planes.shape[1:], len(planes)):
        seen = tile.seen(np.abs(tile.lay_out(planes[key[0]], 0.0, dtype)))
        scale[key] = 1 if p == 1 else _scale(seen)  # a sum of magnitudes needs no scaling
        root[key] = _total(
            [_power(cells / scale[key], p) for cells in seen], windows.kernel[-1]
        ) ** (1 / p)

    def lp_pool_backward(g: Array) -> Contributions:
        upstream, to_planes = g.reshape(scale.shape), np.zeros(planes.shape, dtype)
        for key, tile in tiles(windows, planes.shape[1:], len(planes)):
            to_cells = tile.gradients_so_far(to_planes[key[0]])
            seen = tile.seen(tile.lay_out(planes[key[0]], 0.0, dtype))
            for cells, to_seen in zip(seen[::-1], tile.seen(to_cells)[::-1], strict=True):
                sent = upstream[key] * _slope(cells, scale[key], root[key], p)
                np.add(to_seen, sent, out=to_seen)
            tile.put_back(to_cells, to_planes[key[0]])
        to_x = to_planes.reshape(shape).astype(x_dtype, copy=False)
        return (to_x,)

    y = (scale * root).reshape(*shape[:lead], *scale.shape[1:])
    return y.astype(x_dtype, copy=False), lp_pool_backward


def _scale(magnitudes: list[Floats]) -> Floats:
    """Return the largest magnitude of each window, to divide by; 1 where it is 0 or not finite."""
    largest: Floats = reduce(np.maximum, magnitudes)
    scale: Floats = largest + (largest == 0)
    if not np.isfinite(largest.max()):
        np.copyto(scale, 1, where=~np.isfinite(largest))
    return scale


def _total(parts: list[Floats], row: int) -> Floats:
    """Add row by row, in the order of np.sum over unfolded windows."""
    rows = [reduce(np.add, parts[start : start + row]) for start in range(0, len(parts), row)]
    return reduce(np.add, rows)


def _slope(seen: Floats, scale: Floats, root: Floats, p: float) -> Floats:
    """Compute sign(x) (|x| / y)ᵖ⁻¹ for the cells x that are seen; 0 where x is 0."""
    if p == 1:
        return np.sign(seen)
    share = seen / scale / (root + (root == 0))
    slope = share if p == 2 else np.sign(seen) * _power(np.abs(share), p - 1)
    return np.where(seen == 0, 0, slope) if np.isnan(root).any() else slope


def _power(x: Floats, p: float) -> Floats:
    """Compute x ** p, without a copy of x for p = 1."""
    return x if p == 1 else np.square(x) if p == 2 else x**p
