"""Pooling: each result summarizes a window of units, without trained weights."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.rules.arguments import Shape, flag
from tinygrad_pool.rules.box_sums import fast_avg_pool
from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.fast_even_pooling import fast_even_max_pool
from tinygrad_pool.rules.fast_norms import fast_lp_pool
from tinygrad_pool.rules.fast_pooling import fast_max_pool, fast_winners, has_ties
from tinygrad_pool.rules.pool_checks import check_divisor, check_norm, check_pool, divisors
from tinygrad_pool.rules.primitive import observation
from tinygrad_pool.rules.rule import Array, Backward, Contributions, new_arrays
from tinygrad_pool.rules.shaping import cast, scatter
from tinygrad_pool.rules.tie_breaking import Mask, Ties, check_ties, winners
from tinygrad_pool.rules.tiles import tiled, wide_of
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import AnyWindows, Windows


class Winners(NamedTuple):
    """The winners of every window: where max pooling's matrix P has a 1.

    `unit` and `cell` are flat indices into the pooled array and the input, one pair per link, in
    row-major order of the units; `n` is how many links share a unit, 1 or an array of y's shape.
    """

    unit: NDArray[np.int64]
    cell: NDArray[np.int64]
    n: NDArray[np.int64] | int

    @property
    def first(self) -> NDArray[np.int64]:
        """The first winner of each unit."""
        return self.cell[np.flatnonzero(np.diff(self.unit, prepend=-1))]


@observation
def winning_links(x: Array, *, windows: AnyWindows, ties: Ties = "first") -> Winners:
    """Find the winners l_max of every window.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> winning_links(np.array([1.0, 3.0, 2.0, 0.0]), windows=windows_of("max_pool1d", 1, 2)).cell
    array([1, 2])
    """
    space = x.shape[x.ndim - len(windows.kernel) :]
    cells = cells_of(windows, space)
    planes = x.reshape(-1, prod(space))
    window = tuple(range(1 + len(space), 1 + 2 * len(space)))
    units = np.broadcast_to(cells >= 0, (len(planes), *cells.shape))

    def unit_at(place: Shape) -> tuple[NDArray[np.int64], ...]:
        return np.unravel_index(place[0] * prod(space) + cells[place[1:]], x.shape)

    won, n = winners(
        planes[:, cells], window, ties=ties, name=windows.name, units=units, unit_at=unit_at
    )
    plane, *unit_and_offset = np.nonzero(won)
    out = cells.shape[: len(space)]
    unit = np.ravel_multi_index((plane, *unit_and_offset[: len(space)]), (len(planes), *out))
    cell = plane * prod(space) + cells[tuple(unit_and_offset)]
    n = n if isinstance(n, int) else n.reshape(*x.shape[: -len(space)], *out)
    return Winners(unit, cell, n)


@observation
def winning_cells(x: Array, *, windows: AnyWindows, ties: Ties = "first") -> NDArray[np.int64]:
    """List the first winner of each window, of y's shape, as a flat index into its plane.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> winning_cells(np.array([[1.0, 3.0], [2.0, 0.0]]), windows=windows_of("max_pool1d", 1, 2))
    array([[1],
           [0]])
    """
    space, out = x.shape[x.ndim - len(windows.kernel) :], check_pool(x.shape, windows)
    if _is_floats(x) and ties != "error":
        cells = fast_winners(x, windows, "last" if ties == "last" else "first")
    else:
        cells = winning_links(x, windows=windows, ties=ties).first
    in_planes: NDArray[np.int64] = (cells % prod(space)).reshape(out)
    return in_planes


@new_arrays
def max_pool(x: Array, *, windows: AnyWindows, ties: Ties = "first") -> tuple[Array, Backward]:
    """Keep the largest unit of each window; the whole gradient goes back to the winner.

    y_k = x_l,  l = argmax over window k            ∂E/∂x_l = Σ_k g_k [l == l_max(k)]

    In matrix form y = P x and ∂E/∂x = Pᵀ g, with one 1 in each row of P, 0 elsewhere. Where windows
    overlap, contributions add in row-major order of the windows. A padded cell is not a unit: it
    never wins.

    Ties: first in row-major order, last, even or error. NaN propagates; the first NaN wins. Where
    0.0 and −0.0 tie, y may have either sign.

    Raises OptionError if the padding is not smaller than the window, ShapeError if a window is
    longer than the padded input or contains no unit, TieError if ties="error".

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> x, windows = np.array([1.0, 3.0, 2.0, 0.0]), windows_of("max_pool1d", 1, 2)
    >>> y, backward = max_pool(x, windows=windows)
    >>> y, backward(np.array([5.0, 7.0]))
    (array([3., 2.]), (array([0., 5., 7., 0.]),))
    """
    if not _is_floats(x):
        return max_pool_by_links(x, windows, ties)
    check_ties(ties, windows.name)
    check_pool(x.shape, windows)
    if ties == "even":
        tiling = tiled(windows, x.shape[x.ndim - len(windows.kernel) :])
        if tiling is None:
            return max_pool_by_links(x, windows, ties)
        return fast_even_max_pool(x, tiling)
    if ties == "error" and has_ties(x, windows):
        winning_links(x, windows=windows, ties=ties)  # raises an error that names the units
    return fast_max_pool(x, windows, "last" if ties == "last" else "first")


def max_pool_by_links(x: Array, windows: AnyWindows, ties: Ties) -> tuple[Array, Backward]:
    """Pool by the matrix P, y = P x and ∂E/∂x = Pᵀ g: readable, but slower on arrays.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> x, windows = np.array([1.0, 3.0, 3.0, 0.0]), windows_of("max_pool1d", 1, 4)
    >>> y, backward = max_pool_by_links(x, windows, "even")
    >>> y, backward(np.array([5.0]))
    (array([3.]), (array([0. , 2.5, 2.5, 0. ]),))
    """
    shape = np.shape(x)
    out = check_pool(shape, windows)
    links = winning_links(x, windows=windows, ties=ties)

    def max_pool_backward(g: Array) -> Contributions:
        to_winners = np.reshape(g / links.n, -1)[links.unit]
        to_x = np.reshape(scatter(to_winners, key=links.cell, shape=(prod(shape),)), shape)
        return (cast(to_x, dtype=g.dtype),)

    return np.reshape(np.reshape(x, -1)[links.first], out), max_pool_backward


@new_arrays
def avg_pool(
    x: Array,
    *,
    windows: AnyWindows,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> tuple[Array, Backward]:
    """Average each window: a layer of weights that are all 1 / K.

    y_k = Σ_l x_l / K,  l in window k            ∂E/∂x_l = Σ_k g_k [l in window k] / K

    K counts padded cells unless count_include_pad=False, and never the overhang of ceil_mode;
    divisor_override replaces K.

    Raises OptionError if the padding is not smaller than the window or the divisor is 0 or not
    finite, ShapeError if a window is longer than the padded input or has nothing to average.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> y, backward = avg_pool(np.array([1.0, 3.0]), windows=windows_of("avg_pool1d", 1, 2))
    >>> y, backward(np.array([5.0]))
    (array([2.]), (array([2.5, 2.5]),))
    """
    shape = np.shape(x)
    check_pool(shape, windows, units=divisor_override is None)
    padding = flag(count_include_pad, f"{windows.name}: count_include_pad")
    wide = wide_of(x.dtype)
    if divisor_override is not None:
        K: Any = check_divisor(divisor_override, windows.name)
    else:
        K = divisors(windows, shape[len(shape) - len(windows.kernel) :], padding, wide)
    if _is_floats(x):
        return fast_avg_pool(x, windows, K, wide)
    return avg_pool_by_unfolding(x, windows, K, wide)


def avg_pool_by_unfolding(
    x: Array, windows: AnyWindows, K: Any, dtype: Any
) -> tuple[Array, Backward]:
    """Average the unfolded windows: readable, but slower on arrays."""
    shape = np.shape(x)
    units = (*shape[: len(shape) - len(windows.kernel)], *windows.over(shape))

    def avg_pool_backward(g: Array) -> Contributions:
        share = np.reshape(cast(g, dtype=dtype) / K, (*units, *[1] * len(windows.kernel)))
        to_seen = np.broadcast_to(share, (*units, *windows.kernel))
        to_x = fold(to_seen, windows=windows, shape=shape)
        return (cast(to_x, dtype=x.dtype),)

    seen = unfold(cast(x, dtype=dtype), windows=windows)
    return cast(np.sum(seen, axis=windows.axes) / K, dtype=x.dtype), avg_pool_backward


@new_arrays
def lp_pool(x: Array, *, windows: Windows, norm_type: float = 2.0) -> tuple[Array, Backward]:
    """Compute the p-norm of each window: p = 1 sums magnitudes, p → ∞ is the largest magnitude.

    y_k = (Σ_l |x_l|ᵖ)^(1/p),  l in window k        ∂E/∂x_l = Σ_k g_k sign(x_l) (|x_l| / y_k)ᵖ⁻¹

    Where a window is all 0, so is its gradient. Padded cells add nothing.

    Raises OptionError unless norm_type is finite and at least 1, or if the padding is not smaller
    than the window; ShapeError if a window is longer than the padded input or contains no unit.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> y, backward = lp_pool(np.array([3.0, -4.0]), windows=windows_of("lp_pool1d", 1, 2))
    >>> y, backward(np.array([10.0]))
    (array([5.]), (array([ 6., -8.]),))
    """
    p = check_norm(norm_type, windows.name)
    check_pool(np.shape(x), windows)
    wide = wide_of(x.dtype)
    if _is_floats(x) and tiled(windows, x.shape[x.ndim - len(windows.kernel) :]):
        return fast_lp_pool(x, windows, p, wide)
    return lp_pool_by_unfolding(x, windows, p, wide)


def lp_pool_by_unfolding(
    x: Array, windows: Windows, p: float, dtype: Any
) -> tuple[Array, Backward]:
    """Compute the norm of the unfolded windows: readable, but slower on most arrays."""
    shape = np.shape(x)
    units = (*shape[: len(shape) - len(windows.kernel)], *windows.over(shape))
    seen = unfold(cast(x, dtype=dtype), windows=windows)
    largest, zero, all_zero, no_slope = _magnitude(seen, axes=windows.axes)
    largest = 1.0 if p == 1 else largest  # a sum of magnitudes needs no scaling
    ratio = np.abs(seen) / largest
    total = np.where(all_zero, 1.0, np.sum(ratio**p, axis=windows.axes, keepdims=True))
    root = np.where(all_zero, 0.0, total ** (1 / p))

    def lp_pool_backward(g: Array) -> Contributions:
        slope = share = seen / largest / np.where(no_slope, np.inf, root)
        if p != 2:
            slope = np.sign(seen) * np.abs(np.where(zero, 1.0, share)) ** (p - 1)
        to_seen = np.reshape(cast(g, dtype=dtype), (*units, *[1] * len(windows.kernel))) * slope
        to_x = fold(to_seen, windows=windows, shape=shape)
        return (cast(to_x, dtype=x.dtype),)

    return cast(np.reshape(largest * root, units), dtype=x.dtype), lp_pool_backward


@observation
def _magnitude(seen: Array, *, axes: Shape) -> tuple[Array, Mask, Mask, Mask]:
    """Return the largest magnitude of each window, to divide by, and three masks.

    They mark the zeros, the windows that are all 0, and the zeros that get no gradient: those in
    such windows, and those beside NaN.
    """
    largest = np.max(np.abs(seen), axis=axes, keepdims=True)
    zero, all_zero = seen == 0, largest == 0
    scale = np.where(all_zero | ~np.isfinite(largest), 1, largest).astype(seen.dtype)
    return scale, zero, all_zero, zero & (all_zero | np.isnan(largest))


def _is_floats(x: object) -> bool:
    """Return whether x is an array of floats, as the fast forms require."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"
