"""NumPy functions of sequences: differences, integrals, convolution, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, ShapeError, UnsupportedError
from tinygrad_pool.rules.arguments import axes_of, count_of, kept, named_axes, whole
from tinygrad_pool.rules.comparisons import is_0, whether
from tinygrad_pool.rules.composition import call_numpy, composes, constant, dtype_of, operand
from tinygrad_pool.rules.masks import choose
from tinygrad_pool.rules.primitive import observation, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements
from tinygrad_pool.rules.shaping import scatter


def _part(x: Array, axis: int, part: Any) -> Array:
    """Index one axis with a slice or an integer."""
    return x[(slice(None),) * (axis % np.ndim(x)) + (part,)]


def _axis_of(x: Array, axis: Any) -> int:
    """Return an axis, counted from 0. Errors get the name of the function that was called."""
    return axes_of(np.shape(x), whole(axis, "diff: axis"), "diff")[0]


@composes("diff")
def diff(
    a: Array, n: int = 1, axis: int = -1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """Subtract from each number the one before it, n times."""
    a = operand(a)
    at, times = _axis_of(a, axis), whole(n, "np.diff: n")
    if times < 0:
        raise OptionError(f"np.diff: n must be at least 0, got {n}")
    if not times:  # NumPy ignores prepend and append here, too
        return a
    parts = [operand(x) for x in (prepend, a, append) if x is not None]
    column = kept(np.shape(a), (at,))  # for a number
    parts = [x if np.ndim(x) else np.broadcast_to(x, column) for x in parts]
    a = np.concatenate(parts, axis=at) if len(parts) > 1 else a
    for _ in range(times):
        a = _part(a, at, slice(1, None)) - _part(a, at, slice(None, -1))
    return a


@composes("ediff1d")
def ediff1d(ary: Array, to_end: Array | None = None, to_begin: Array | None = None) -> Array:
    """Subtract from each number of the flattened array the one before it; join the given ends.

    The ends are converted to the dtype of the array, as NumPy does.
    """
    y = diff(np.reshape(operand(ary), -1))
    flat = [np.reshape(operand(x), -1) for x in (to_begin, y, to_end) if x is not None]
    parts = [x if dtype_of(x) == dtype_of(y) else x.astype(dtype_of(y)) for x in flat]
    return np.concatenate(parts) if len(parts) > 1 else y


@composes("gradient")
def gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Compute slopes by central differences, and one-sided differences at the ends.

    The step is a number, one for all axes or one per axis.
    """
    f = operand(f)
    axes = named_axes(np.shape(f), axis, "np.gradient")
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes) or any(np.ndim(h) for h in steps):
        raise UnsupportedError(
            f"np.gradient on Values needs one step, or one for each of {len(axes)} axes, "
            "as numbers; np.diff(f) / np.diff(x) gives the slopes between places x"
        )
    if edge_order not in (1, 2) or any(np.shape(f)[i] <= edge_order for i in axes):
        raise ShapeError(
            f"np.gradient: edge_order must be 1 or 2, and axes longer than that, "
            f"got {edge_order!r} and shape {np.shape(f)}"
        )
    slopes = [_slopes(f, i, h, edge_order) for i, h in zip(axes, steps, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slopes(f: Array, axis: int, h: Any, order: int) -> Array:
    n = np.shape(f)[axis]
    at = [_part(f, axis, slice(k % n, k % n + 1)) for k in (0, 1, -2, -1)]
    middle = (_part(f, axis, slice(2, None)) - _part(f, axis, slice(None, -2))) / (2.0 * h)
    first, last = (at[1] - at[0]) / h, (at[3] - at[2]) / h
    if order == 2:
        third, third_last = _part(f, axis, slice(2, 3)), _part(f, axis, slice(n - 3, n - 2))
        first = (4.0 * at[1] - 3.0 * at[0] - third) / (2.0 * h)
        last = (3.0 * at[3] - 4.0 * at[2] + third_last) / (2.0 * h)
    return np.concatenate([first, middle, last], axis=axis)


@composes("trapezoid", "trapz")
def trapezoid(y: Array, x: Array | None = None, dx: Array = 1.0, axis: int = -1) -> Array:
    """Integrate along an axis by the trapezoidal rule."""
    y = operand(y)
    at = _axis_of(y, axis)
    steps: Any = dx
    if x is not None:
        steps = np.diff(operand(x), axis=at if np.ndim(x) == np.ndim(y) else -1)
        if np.ndim(x) == 1 < np.ndim(y):
            steps = np.reshape(steps, (-1,) + (1,) * (np.ndim(y) - at - 1))
    means = (_part(y, at, slice(1, None)) + _part(y, at, slice(None, -1))) / 2.0
    return np.sum(means * steps, axis=at)


@composes("cumulative_sum")
def cumulative_sum(x: Array, axis: int | None = None, include_initial: bool = False) -> Array:
    """Compute running sums, which begin with 0 if `include_initial`."""
    return _running(np.cumsum, x, axis, 0.0 if include_initial else None)


@composes("cumulative_prod")
def cumulative_prod(x: Array, axis: int | None = None, include_initial: bool = False) -> Array:
    """Compute running products, which begin with 1 if `include_initial`."""
    return _running(np.cumprod, x, axis, 1.0 if include_initial else None)


def _running(function: Any, x: Array, axis: int | None, initial: float | None) -> Array:
    x = operand(x)
    if axis is None and np.ndim(x) > 1:
        raise OptionError("cumulative_sum: needs axis= for several axes")
    at = _axis_of(x, 0 if axis is None else axis)
    y = function(x, axis=at)
    if initial is None:
        return y
    first = np.full(kept(np.shape(y), (at,)), initial, dtype_of(x))
    return np.concatenate([first, y], axis=at)


@composes("convolve")
def convolve(a: Array, v: Array, mode: str = "full") -> Array:
    """Slide one vector, reversed, over the other: y_k = Σ_i a_i v_(k−i)."""
    a, v = operand(a), operand(v)
    if np.size(v) > np.size(a):
        a, v = v, a
    return _slide(a, v[::-1] if np.ndim(v) else v, mode)


@composes("correlate")
def correlate(a: Array, v: Array, mode: str = "valid") -> Array:
    """Slide one vector over the other: y_k = Σ_i a_(i+k) v_i."""
    a, v = operand(a), operand(v)
    if np.size(v) > np.size(a):
        return _slide(v, a, mode)[::-1]
    return _slide(a, v, mode)


def _slide(a: Array, v: Array, mode: str) -> Array:
    if np.ndim(a) > 1 or np.ndim(v) > 1 or not np.size(v):
        raise ShapeError(
            f"convolve: needs two vectors that are not empty, got {np.shape(a)} and {np.shape(v)}"
        )
    a, v, n = np.atleast_1d(a), np.atleast_1d(v), np.size(v)
    sides = {"full": (n - 1, n - 1), "same": (n // 2, (n - 1) // 2), "valid": (0, 0)}
    if mode not in sides:
        raise OptionError(f"convolve: mode must be 'full', 'same' or 'valid', got {mode!r:.80}")
    padded = np.pad(a, sides[mode]) if mode != "valid" and n > 1 else a
    return np.lib.stride_tricks.sliding_window_view(padded, n) @ v


@composes("interp")
def interpolate(
    x: Array, xp: Array, fp: Array, left: Array | None = None, right: Array | None = None
) -> Array:
    """Interpolate linearly between the points (xp, fp); beyond them, use fp's ends, left or right.

    At a kink, one of the points, the slope is that of the line on its right.
    """
    x, xp, fp = operand(x), operand(xp), operand(fp)
    if np.ndim(xp) != 1 or np.shape(xp) != np.shape(fp) or not np.size(xp):
        raise ShapeError(
            "np.interp: needs xp and fp as two vectors of equal length, got shapes "
            f"{np.shape(xp)} and {np.shape(fp)}"
        )
    below = whether(x, xp[0], test="less")
    above = whether(x, xp[-1], test="greater_equal")
    y = np.broadcast_to(fp[-1], np.shape(x))
    if np.size(xp) > 1:
        y = np.where(above, fp[-1], on_lines(x, xp, fp))
    y = np.where(below, fp[0] if left is None else left, y)
    return y if right is None else np.where(whether(x, xp[-1], test="greater"), right, y)


@primitive
def on_lines(x: Array, xp: Array, fp: Array) -> Array:
    """Evaluate the lines between the points (xp, fp) at x."""
    k = _piece(x, xp)
    return fp[k] + (x - xp[k]) * ((fp[k + 1] - fp[k]) / _gap(xp, k))


@implements(on_lines)
def interp(x: Array, v: Array, w: Array) -> tuple[Array, Backward]:
    """Differentiate on_lines, through the points (v, w).

    y = w_k + (x − v_k) s,  s = (w_j − w_k) / (v_j − v_k),  t = (x − v_k) / (v_j − v_k),  j = k + 1

    ∂E/∂x = g s            ∂E/∂w_k = g (1 − t),  ∂E/∂w_j = g t            ∂E/∂v = −s ∂E/∂w

    At a kink, one of the points, the slope is that of the line on its right.

    >>> y, backward = interp(1.5, np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 3.0]))
    >>> float(y), [np.asarray(c).tolist() for c in backward(2.0)]
    (2.0, [4.0, [0.0, -2.0, -2.0], [0.0, 1.0, 1.0]])
    """
    k = _piece(x, v)
    gap = _gap(v, k)
    s, t = (w[k + 1] - w[k]) / gap, (x - v[k]) / gap

    def at_points(low: Array, high: Array) -> Array:
        shape = np.shape(w)
        return scatter(low, key=k, shape=shape) + scatter(high, key=k + 1, shape=shape)

    def interp_backward(g: Array) -> Contributions:
        to_x = g * s
        to_v = at_points(-g * s * (1.0 - t), -g * s * t)
        to_w = at_points(g * (1.0 - t), g * t)
        return to_x, to_v, to_w

    return on_lines(x, v, w), interp_backward


def _gap(xp: Array, k: NDArray[np.int64]) -> Array:
    """Return the length of each line along x; inf for vertical lines, on which no x lies."""
    gap = xp[k + 1] - xp[k]
    return choose(is_0(gap), np.inf, gap)


@observation
def _piece(x: Array, xp: Array) -> NDArray[np.int64]:
    """Return the index of the line that each x lies on."""
    after = np.asarray(np.searchsorted(xp, x, side="right"))
    return np.clip(after - 1, 0, len(xp) - 2)


@composes("polyval")
def polyval(p: Array, x: Array) -> Array:
    """Evaluate a polynomial; its highest coefficient comes first."""
    p, x = operand(p), operand(x)
    y = np.broadcast_to(p[0], np.shape(x)) if np.size(p) else np.zeros_like(x)
    for k in range(1, np.size(p)):
        y = y * x + p[k]
    return y


@composes("linspace")
def linspace(
    start: Array, stop: Array, num: int = 50, endpoint: bool = True, axis: int = 0
) -> Array:
    """Space `num` numbers evenly from start to stop, which is one of them if `endpoint`."""
    start, stop = operand(start), operand(stop)
    dtype = np.result_type(*[getattr(x, "dtype", 1.0) for x in (start, stop)])
    t = np.linspace(0.0, 1.0, num, endpoint, dtype=dtype)
    t = np.reshape(t, (-1, *[1] * max(np.ndim(start), np.ndim(stop))))
    y = start * (1.0 - t) + stop * t
    return y if axis == 0 else np.moveaxis(y, 0, axis)


@composes("vander")
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """Raise each element of a vector to the powers N − 1, …, 1, 0, one row for each element."""
    x = operand(x)
    if np.ndim(x) != 1:
        raise ShapeError(f"np.vander: needs a vector, got shape {np.shape(x)}")
    k = np.arange(np.size(x) if N is None else count_of(N, "np.vander: N", least=0))
    return np.reshape(x, (-1, 1)) ** (k if increasing else k[::-1])


@implements(np.unwrap)
def unwrap(
    x: Array, discont: float | None = None, axis: int = -1, period: float = 2 * np.pi
) -> tuple[Array, Backward]:
    """Add whole periods so that no step along an axis is longer than half a period.

    y = x + n period            ∂E/∂x = g

    The number of periods is piecewise constant, so the slope is 1.

    >>> y, backward = unwrap(np.array([0.0, 6.0]), period=4.0)
    >>> y, backward(np.ones(2))
    (array([0., 2.]), (array([1., 1.]),))
    """
    constant("np.unwrap: an option", [discont, axis, period])

    def unwrap_backward(g: Array) -> Contributions:
        to_x = g
        return (to_x,)

    return x + _periods(x, discont=discont, axis=axis, period=period), unwrap_backward


@observation
def _periods(x: Array, **options: Any) -> Any:
    return call_numpy("np.unwrap", np.unwrap, x, **options) - x
