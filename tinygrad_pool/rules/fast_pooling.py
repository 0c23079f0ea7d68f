"""Fast max pooling: the same numbers as `max_pool_by_links`, without listing the links.

Where windows are short or overlap, maxima are taken along one axis after another, the last axis
first. Along an axis, the cells of all windows are compared tap by tap, and a later cell wins only
if it is larger (with ties="last", at least as large). So the first of equal units in row-major
order wins. The winner is stored as its distance from the window's corner in the flat plane, mostly
in one byte. The backward pass needs nothing else.

Where windows are few, differ in length, or are long and do not overlap, the cells of each window
are gathered in a row, and argmax finds the winner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, reduce
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.tiles import CELLS, Flat, Tile, cut, is_whole, tiled, tiles, wide_of
from tinygrad_pool.rules.windows import AnyWindows, Floats, Windows

Places: TypeAlias = NDArray[np.intp]
Beats: TypeAlias = Callable[[Flat, Flat], NDArray[np.bool_]]

FEW = 2**13
"""Up to this many cells in all windows together, lists are faster than tiles."""


def fast_max_pool(x: Floats, windows: AnyWindows, ties: str) -> tuple[Floats, Backward]:
    """Keep the largest unit of each window; the whole gradient goes back to the winner.

    Every window must contain a unit. Where 0.0 and −0.0 tie, y may have either sign.
    """
    tiling = _tiling(windows, x.shape)
    if tiling is None:
        return _max_pool_of_lists(x, windows, ties)
    shape, space = x.shape, x.shape[x.ndim - len(windows.kernel) :]
    planes = x.reshape(prod(shape[: -len(space)]), *space)
    y, winners = _maxima(planes, tiling, ties)

    def max_pool_backward(g: Array) -> Contributions:
        to_x = np.zeros(shape, wide_of(g.dtype))
        flat, upstream, unit = to_x.reshape(-1), g.reshape(-1), 0
        for first, cells in _winning_cells(winners, tiling, space):
            np.add.at(flat[first:], cells, upstream[unit : unit + len(cells)])
            unit += len(cells)
        return (to_x.astype(g.dtype, copy=False),)

    return y.reshape(*shape[: -len(space)], *y.shape[1:]), max_pool_backward


def fast_winners(x: Floats, windows: AnyWindows, ties: str) -> Places:
    """List the winner of each window, in row-major order of the windows, as a flat index into x."""
    space = x.shape[x.ndim - len(windows.kernel) :]
    planes, tiling = x.reshape(-1, *space), _tiling(windows, x.shape)
    if tiling is None:
        return _listed_winners(planes, windows, ties)
    _, winners = _maxima(planes, tiling, ties)
    cells = [first + cells for first, cells in _winning_cells(winners, tiling, space)]
    return np.concatenate([np.zeros(0, np.intp), *cells])


def has_ties(x: Floats, windows: AnyWindows) -> bool:
    """Return whether two units of some window share its maximum."""
    first, last = (fast_winners(x, windows, ties) for ties in ("first", "last"))
    return not np.array_equal(first, last)


@lru_cache(maxsize=256)
def _tiling(windows: AnyWindows, shape: Shape) -> Windows | None:
    """Return the windows to cut into tiles; None where lists are faster or required.

    Lists are required for a window longer than an axis: there a padded cell may lie later in the
    flat plane than the unit that beats it, and `_pool` would keep the wrong place.
    """
    ndim = len(windows.kernel)
    space = shape[-ndim:]
    cells = prod(shape[:-ndim]) * prod(windows.over(shape)) * prod(windows.kernel)
    tiling = None if cells <= FEW else tiled(windows, space)
    fits = tiling is not None and all(map(int.__le__, tiling.extent[1:], space[1:]))
    return tiling if fits else None


# -- by tiles


def _maxima(planes: Floats, windows: Windows, ties: str) -> tuple[Floats, NDArray[Any]]:
    """Find the maximum of each window, and the winner's distance from the window's corner."""
    space = planes.shape[1:]
    far = [
        d * prod(space[axis + 1 :]) if k > 1 else 0  # 0 where unused, so that more fit a byte
        for axis, (k, d) in enumerate(zip(windows.kernel, windows.dilation, strict=True))
    ]
    furthest = sum((k - 1) * step for k, step in zip(windows.kernel, far, strict=True))
    place_dtype = np.min_scalar_type(furthest)
    steps = [place_dtype.type(step) for step in far]
    y = np.empty((len(planes), *windows.over(space)), planes.dtype)
    winners = np.empty(y.shape, place_dtype)
    beats, beats_or_nan = BEATS[ties]
    dtype = wide_of(planes.dtype)
    for key, tile in tiles(windows, space, len(planes)):
        cells = tile.lay_out(planes[key[0]], -np.inf, dtype)
        top, won = _pool(tile, cells, steps, beats)
        if np.isnan(np.maximum.reduce(top)):
            top, won = _pool(tile, cells, steps, beats_or_nan)
        y[key], winners[key] = tile.units(top), tile.units(won)
        if not tile.full:
            lowest = y[key] == -np.inf  # there a padded cell may have won
            if lowest.any():
                units = _outermost_units(windows, space, key[1:], ties, far)
                np.copyto(winners[key], units.astype(place_dtype), where=lowest)
    return y, winners


def _pool(tile: Tile, top: Flat, steps: list[np.integer[Any]], beats: Beats) -> tuple[Flat, Flat]:
    """Find the maxima of a tile, along one axis after another, the last one first; and the winners.

    The first cell of a window wins until a later one beats it. A cell lies after those that it
    beats, so its place is the larger number.
    """
    won: Flat | None = None
    for taps, step in zip(tile.taps[::-1], steps[::-1], strict=True):
        below, of_below = top, won
        top, won = below[taps[0]], None if of_below is None else of_below[taps[0]]
        for i, tap in enumerate(taps[1:], 1):
            x = below[tap]
            beaten = beats(x, top).view(np.uint8)
            top = np.maximum(top, x, out=None if i == 1 else top)
            far = i * step
            if of_below is None:
                place = beaten * far if far > 1 else beaten
            else:
                place = of_below[tap] + far
                place *= beaten
            won = place if won is None else np.maximum(won, place, out=place)
    return top, np.zeros(len(top), type(steps[0])) if won is None else won


BEATS: dict[str, tuple[Beats, Beats]] = {
    "first": (np.greater, lambda x, y: ~(x <= y) & ~np.isnan(y)),
    "last": (np.greater_equal, lambda x, y: (x >= y) | np.isnan(x)),
}


def _outermost_units(
    windows: Windows, space: Shape, units: tuple[slice, ...], ties: str, steps: list[int]
) -> Places:
    """Find the distance of the first or last unit of each window from the window's corner."""
    along = []
    for axis, (part, n, step) in enumerate(zip(units, space, steps, strict=True)):
        look = windows.look(axis, np.arange(part.start, part.stop))
        inside = (look >= 0) & (look < n)
        last = look.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
        along.append((last if ties == "last" else inside.argmax(axis=1)) * step)
    return reduce(np.add.outer, along)


def _winning_cells(
    winners: NDArray[Any], windows: Windows, space: Shape
) -> Iterator[tuple[int, Places]]:
    """Yield the flat cells of the winners, in row-major order of the units, tile by tile.

    They are counted from a first cell, yielded with them, so that most tiles share their corners.
    """
    sizes = [prod(space[axis + 1 :]) for axis in range(len(space))]
    moves = [prod(space), *(s * size for s, size in zip(windows.stride, sizes, strict=True))]
    padding = sum(p * size for (p, _), size in zip(windows.padding, sizes, strict=True))
    for key, tile in tiles(windows, space, len(winners)):
        corner = sum(part.start * move for part, move in zip(key, moves, strict=True)) - padding
        cells = winners[key].reshape(-1).astype(np.intp)
        cells += _corners(tile.counts, tuple(moves), min(corner, 0))
        yield max(corner, 0), cells


@lru_cache(maxsize=4)
def _corners(counts: Shape, moves: Shape, first: int) -> Places:
    """List the flat cells at which the windows of a tile begin."""
    along = [np.arange(n) * move for n, move in zip(counts, moves, strict=True)]
    corners: Places = reduce(np.add.outer, along).reshape(-1) + first
    corners.flags.writeable = False
    return corners


# -- by lists


def _max_pool_of_lists(x: Floats, windows: AnyWindows, ties: str) -> tuple[Floats, Backward]:
    shape = x.shape
    planes = x.reshape(-1, *shape[x.ndim - len(windows.kernel) :])
    cells = _listed_winners(planes, windows, ties)

    def max_pool_backward(g: Array) -> Contributions:
        to_x = np.zeros(shape, wide_of(g.dtype))
        np.add.at(to_x.reshape(-1), cells, g.reshape(-1))
        return (to_x.astype(g.dtype, copy=False),)

    out = (*shape[: x.ndim - len(windows.kernel)], *windows.over(shape))
    return planes.reshape(-1).take(cells).reshape(out), max_pool_backward


def _listed_winners(planes: Floats, windows: AnyWindows, ties: str) -> Places:
    """List the flat cell of every winner, in row-major order of the units."""
    space, size = planes.shape[1:], prod(planes.shape[1:])
    flat = planes.reshape(len(planes), size)
    if is_whole(windows, space):
        reversed_rows = flat[:, ::-1] if ties == "last" else flat
        at = reversed_rows.argmax(axis=1)
        at = size - 1 - at if ties == "last" else at
        return np.asarray(at + np.arange(0, flat.size, size))
    winners = np.empty((len(planes), prod(windows.over(space))), np.intp)
    unit = 0
    for cells, rows in _lists_of(windows, space, ties):
        step = max(1, CELLS // cells.size)
        for start in range(0, len(planes), step):
            at = flat[start : start + step].take(cells, axis=1).argmax(axis=2)
            winners[start : start + step, unit : unit + len(rows)] = cells.take(at + rows)
        unit += len(rows)
    winners += np.arange(0, flat.size, size)[:, None]
    return winners.reshape(-1)


def _lists_of(windows: AnyWindows, space: Shape, ties: str) -> Iterable[tuple[Places, Places]]:
    """Yield the cells of some windows at a time, one row each, and the indices where rows start.

    A row lists units in the order in which they win ties. It is padded with its first unit: where
    that is the largest, it has won before its copies.
    """
    few = prod(windows.over(space)) * prod(windows.kernel) <= FEW
    return (_few_lists if few else _lists)(windows, space, ties)


def _lists(windows: AnyWindows, space: Shape, ties: str) -> Iterator[tuple[Places, Places]]:
    for units in cut(windows.over(space), CELLS // prod(windows.kernel)):
        cells = cells_of(windows, space, units).reshape(-1, prod(windows.kernel))
        if ties == "last":
            cells = cells[:, ::-1]
        rows = np.arange(len(cells))
        first = cells[rows, (cells >= 0).argmax(axis=1)]
        yield np.where(cells < 0, first[:, None], cells), rows * cells.shape[1]


@lru_cache(maxsize=64)
def _few_lists(windows: AnyWindows, space: Shape, ties: str) -> tuple[tuple[Places, Places], ...]:
    return tuple(_lists(windows, space, ties))
