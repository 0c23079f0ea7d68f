"""Max pooling at speed: the same numbers as `max_pool_by_links`, without the links.

A window is a box, so its maximum is one of maxima: along the last axis first, then along the one
before it, up to the first. A pass walks the cells of its windows in order, and a later one wins
only if it is larger (with ties="last", at least as large); so, of equal units, the first in
row-major order stays. Beside each maximum goes one byte, the winner's offset in its window, and
the backward pass needs no more than these. Planes are taken a few at a time, so that a block and
what is computed from it stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.axes import Key, Shape
from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.windows import Windows

Floats: TypeAlias = NDArray[np.floating[Any]]
Offsets: TypeAlias = NDArray[np.uint8]
Maxima: TypeAlias = tuple[Floats, Offsets]
Beats: TypeAlias = Callable[[Floats, Floats], NDArray[np.bool_]]

CELLS = 2**16
"""About how many cells of the input make a block."""

UNITS = 2**14
"""About how many units send their gradients back at a time."""


def fits(x: object, windows: Windows, ties: object) -> bool:
    """Tell whether `fast_max_pool` knows the case: one winner a window, its offset in a byte.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> [fits(np.ones(300), windows_of("", 1, k), "first") for k in (256, 257)]
    [True, False]
    """
    floats = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    settled = isinstance(ties, str) and ties in BEATS
    return floats and settled and prod(windows.kernel) <= 256


def fast_max_pool(x: Floats, windows: Windows, ties: str) -> tuple[Floats, Backward]:
    """Keep the largest unit of each window; the whole gradient goes back to the winner.

    Every window has to hold a unit. Where 0.0 and −0.0 tie, y may have either sign.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> y, backward = fast_max_pool(np.array([1.0, 3.0, 2.0]), windows_of("", 1, 2, 1), "first")
    >>> y, backward(np.array([5.0, 7.0]))
    (array([3., 3.]), (array([ 0., 12.,  0.]),))
    """
    shape, space = x.shape, x.shape[x.ndim - len(windows.kernel) :]
    y, winners = _maxima(x, windows, ties)

    def max_pool_backward(g: Array) -> Contributions:
        to_x = np.zeros(shape, g.dtype)
        start, flat, upstream = 0, to_x.reshape(-1), g.reshape(-1)
        for cells in _winning_cells(winners, windows, space):
            np.add.at(flat, cells, upstream[start : start + len(cells)])
            start += len(cells)
        return (to_x,)

    return y, max_pool_backward


def fast_winners(x: Floats, windows: Windows, ties: str) -> NDArray[np.intp]:
    """List the winner of each window, in row-major order of the windows, as a flat index into x.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> fast_winners(np.array([1.0, 3.0, 2.0]), windows_of("", 1, 2, 1), "first")
    array([1, 1])
    """
    _, winners = _maxima(x, windows, ties)
    space = x.shape[x.ndim - len(windows.kernel) :]
    return np.concatenate([np.zeros(0, int), *_winning_cells(winners, windows, space)])


def _maxima(x: Floats, windows: Windows, ties: str) -> Maxima:
    """Find the maximum of each window, and the offset of its winner; offsets are plane by plane."""
    out = windows.over(x.shape)
    lead, space = x.shape[: -len(out)], x.shape[-len(out) :]
    planes = x.reshape(-1, *space)
    y = np.empty((len(planes), *out), x.dtype)
    winners = np.empty(y.shape, np.uint8)
    axes = [list(_looks(windows, axis, n, out[axis])) for axis, n in enumerate(space)]
    beats, beats_or_nan = BEATS[ties]
    for block in _blocks(len(planes), prod(space), CELLS):
        _pool(planes[block], axes, beats, y[block], winners[block])
        if np.isnan(y[block].max()):
            _pool(planes[block], axes, beats_or_nan, y[block], winners[block])
    return y.reshape(*lead, *out), winners


class Look(NamedTuple):
    """One offset along an axis: unit o, of start to stop, looks at cell o stride + shift."""

    offset: np.uint8
    start: int
    stop: int
    shift: int
    stride: int

    def along(self, axis: int, start: int, stop: int) -> tuple[Key, Key]:
        """Select the units from start to stop, and the cells that they look at."""
        before = (slice(None),) * axis
        first = start * self.stride + self.shift
        cells = slice(first, first + (stop - start - 1) * self.stride + 1, self.stride)
        return (*before, slice(start, stop)), (*before, cells)


def _looks(windows: Windows, axis: int, n: int, count: int) -> Iterator[Look]:
    """List the offsets at which any of `count` windows looks at one of n cells, not at padding."""
    s, d, p = windows.stride[axis], windows.dilation[axis], windows.padding[axis][0]
    for i in range(windows.kernel[axis]):
        shift = i * d - p
        start, stop = max(0, -(shift // s)), min(count, (n - 1 - shift) // s + 1)
        if start < stop:
            yield Look(np.uint8(i * prod(windows.kernel[axis + 1 :])), start, stop, shift, s)


def _pool(x: Floats, axes: list[list[Look]], beats: Beats, y: Floats, winners: Offsets) -> None:
    """Write the maxima of some planes, and the offsets of the winners."""
    offsets = np.broadcast_to(np.uint8(0), x.shape)
    for axis in range(len(axes), 0, -1):
        shape = (*x.shape[:axis], *y.shape[axis:])
        top = y if axis == 1 else np.empty(shape, x.dtype)
        top_offsets = winners if axis == 1 else np.empty(shape, np.uint8)
        _pool_along(axis, axes[axis - 1], beats, (x, offsets), (top, top_offsets))
        x, offsets = top, top_offsets


def _pool_along(axis: int, looks: list[Look], beats: Beats, below: Maxima, above: Maxima) -> None:
    """Write the maxima along one axis: each window begins with its first cell, and others contest.

    The first look reaches every window but those that start in the padding, which are the first
    ones; they begin with a later look. So padding never takes part.
    """
    (x, offsets), (y, winners) = below, above
    begun = y.shape[axis]
    for look in looks:
        if look.start < begun:
            units, cells = look.along(axis, look.start, begun)
            y[units] = x[cells]
            winners[units] = offsets[cells] + look.offset
        if begun < look.stop:
            units, cells = look.along(axis, begun, look.stop)
            _contest(y[units], winners[units], x[cells], offsets[cells] + look.offset, beats)
        begun = look.start


def _contest(y: Floats, winners: Offsets, x: Floats, offsets: Offsets, beats: Beats) -> None:
    """Put x in the place of y where it beats it; then its offset is the larger, for it is later."""
    x = np.ascontiguousarray(x)  # it is read twice
    won = beats(x, y)
    np.maximum(y, x, out=y)
    np.multiply(offsets, won.view(np.uint8), out=offsets)
    np.maximum(winners, offsets, out=winners)


def _is_first_nan(x: Floats, y: Floats) -> NDArray[np.bool_]:
    return ~(x <= y) & ~np.isnan(y)


def _is_last_nan(x: Floats, y: Floats) -> NDArray[np.bool_]:
    return (x >= y) | np.isnan(x)


BEATS: dict[str, tuple[Beats, Beats]] = {
    "first": (np.greater, _is_first_nan),
    "last": (np.greater_equal, _is_last_nan),
}


def _winning_cells(winners: Offsets, windows: Windows, space: Shape) -> Iterator[NDArray[np.intp]]:
    """List the flat cell of every winner, in row-major order of the units, some rows at a time."""
    sizes = [prod(space[axis + 1 :]) for axis in range(len(space))]
    moves = [s * size for s, size in zip(windows.stride, sizes, strict=True)]
    steps = [d * size for d, size in zip(windows.dilation, sizes, strict=True)]
    corner = -sum(p * size for (p, _), size in zip(windows.padding, sizes, strict=True))
    cell_of = _places(windows.kernel, steps)
    row_at = _places(winners.shape[:-1], [prod(space), *moves[:-1]], corner)
    column_at = _places(winners.shape[-1:], moves[-1:])
    winners = winners.reshape(len(row_at), len(column_at))
    for rows in _blocks(len(row_at), len(column_at), UNITS):
        for columns in _blocks(len(column_at), 1, UNITS):
            cells = cell_of.take(winners[rows, columns])
            cells += row_at[rows, None]
            cells += column_at[columns]
            yield cells.reshape(-1)


def _places(shape: Shape, moves: list[int], start: int = 0) -> NDArray[np.intp]:
    """List start + Σ i_a m_a for all indices i into `shape`, in row-major order."""
    places = np.array([start])
    for n, move in zip(shape, moves, strict=True):
        places = np.add.outer(places, np.arange(n) * move).reshape(-1)
    return places


def _blocks(count: int, size: int, limit: int) -> Iterator[slice]:
    """Cut `count` things of `size` elements into slices of about `limit` elements each."""
    step = max(1, limit // size)
    return (slice(i, i + step) for i in range(0, count, step))
