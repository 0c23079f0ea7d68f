"""Where a window looks: index arithmetic for pooling and convolution in any number of axes.

Along one axis of length n, with kernel k, stride s, padding p before and q after, and dilation d,
window o looks at the cells o s − p + i d for i = 0 … k−1. There are

    floor((n + p + q − d (k − 1) − 1) / s) + 1

windows; with `ceil_mode` the ceiling, less one where the last window would start past n + p.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinygrad_pool.errors import AxisError, OptionError, ShapeError
from tinygrad_pool.rules.axes import Key, Shape, flag, whole
from tinygrad_pool.rules.rule import Array, Backward, Contributions, answers, primitive

Padding: TypeAlias = int | Sequence[int | tuple[int, int]]
"""One number for all sides, one an axis, or a pair (before, after) an axis."""


class Windows(NamedTuple):
    """The windows of one pooling or convolution, `name`: everything but the size of the input."""

    name: str
    kernel: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    ceil_mode: bool

    @property
    def extent(self) -> Shape:
        """How many cells a window spans on each axis: d (k − 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def axes(self) -> Shape:
        """The axes that windows move along: the last ones."""
        return tuple(range(-len(self.kernel), 0))

    def over(self, shape: Shape) -> Shape:
        """Count the windows on each axis over the last axes of `shape`.

        Raises ShapeError if there are too few axes, or if a window is longer than its padded axis.

        >>> windows_of("max_pool2d", 2, 2).over((8, 1, 5, 4))
        (2, 2)
        """
        ndim = len(self.kernel)
        if len(shape) < ndim:
            raise ShapeError(f"{self.name}: needs at least {ndim} axes, got shape {shape}")
        space = shape[len(shape) - ndim :]
        counts = []
        for n, extent, s, (p, q) in zip(space, self.extent, self.stride, self.padding, strict=True):
            room = n + p + q - extent
            if room < 0:
                raise ShapeError(
                    f"{self.name}: a window of {extent} cells (kernel_size={self.kernel}, "
                    f"dilation={self.dilation}) is longer than an axis of {n} with padding "
                    f"{p} + {q}; the input has shape {shape}"
                )
            last = -(-room // s) if self.ceil_mode else room // s
            counts.append(last if self.ceil_mode and last * s >= n + p else last + 1)
        return tuple(counts)

    def overhang(self, shape: Shape) -> tuple[tuple[int, int], ...]:
        """List the cells on each side of the input that the windows touch: padding and overhang."""
        space = shape[len(shape) - len(self.kernel) :]
        sides = []
        for n, o, extent, s, (p, q) in zip(
            space, self.over(shape), self.extent, self.stride, self.padding, strict=True
        ):
            sides.append((p, max(q, (o - 1) * s + extent - n - p)))
        return tuple(sides)


def windows_of(
    name: str,
    ndim: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Windows:
    """Read the options of a pooling or convolution; `stride=None` means the kernel's own size.

    Raises OptionError, which names the option and its range.

    >>> windows_of("max_pool2d", 2, (3, 2), padding=1).padding
    ((1, 1), (1, 1))
    """
    kernel = numbers(name, "kernel_size", kernel_size, ndim, least=1)
    pads = padding if isinstance(padding, Sequence) else (padding,) * ndim
    if len(pads) != ndim:
        raise OptionError(f"{name}: padding needs one number or {ndim}, got {padding!r}")
    sides = [numbers(name, "padding", side, 2, least=0) for side in pads]
    return Windows(
        name=name,
        kernel=kernel,
        stride=numbers(name, "stride", kernel if stride is None else stride, ndim, least=1),
        padding=tuple((p, q) for p, q in sides),
        dilation=numbers(name, "dilation", dilation, ndim, least=1),
        ceil_mode=flag(ceil_mode, f"{name}: ceil_mode"),
    )


def numbers(name: str, option: str, given: Any, count: int, least: int) -> Shape:
    """Read one whole number for all of `count`, or one each.

    Raises OptionError below `least`, and where NumPy could not count as far.

    >>> numbers("conv2d", "stride", 3, 2, least=1)
    (3, 3)
    """
    numbers = given if isinstance(given, Sequence) else (given,) * count
    if len(numbers) != count:
        raise OptionError(f"{name}: {option} needs one number or {count}, got {given!r}")
    try:
        whole_numbers = tuple(whole(n, option) for n in numbers)
    except AxisError:
        raise OptionError(f"{name}: {option} must be whole numbers, got {given!r}") from None
    if any(n < least for n in whole_numbers):
        raise OptionError(f"{name}: {option} must be at least {least}, got {given!r}")
    if any(n >= 2**31 for n in whole_numbers):
        raise OptionError(f"{name}: {option} must be below 2**31, got {given!r:.80}")
    return whole_numbers


@lru_cache(maxsize=64)
def cells_of(windows: Windows, space: Shape) -> NDArray[np.int64]:
    """List the cells each window looks at, as flat indices into the plane; −1 is no unit.

    Returns an array of shape (windows on each axis ..., kernel ...).

    >>> cells_of(windows_of("max_pool1d", 1, 3, stride=1, padding=1), (3,))
    array([[-1,  0,  1],
           [ 0,  1,  2],
           [ 1,  2, -1]])
    """
    ndim = len(space)
    cells: NDArray[np.int64] = np.zeros((1,) * 2 * ndim, np.int64)
    inside: NDArray[np.bool_] = np.ones((1,) * 2 * ndim, bool)
    for axis, count in enumerate(windows.over(space)):
        n = space[axis]
        place = [1] * 2 * ndim
        place[axis], place[ndim + axis] = count, windows.kernel[axis]
        at = _looks(windows, axis, count).reshape(place)
        cells = cells * n + at
        inside = inside & (at >= 0) & (at < n)
    cells = np.where(inside, cells, -1)
    cells.flags.writeable = False
    return cells


@lru_cache(maxsize=64)
def counts_of(windows: Windows, space: Shape, padding: bool) -> NDArray[np.int64]:
    """Count the cells each window looks at; with `padding`, padded cells too, overhang never.

    >>> counts_of(windows_of("avg_pool1d", 1, 2, padding=1), (3,), padding=False)
    array([1, 2])
    """
    counts: NDArray[np.int64] = np.ones((1,) * len(space), np.int64)
    for axis, count in enumerate(windows.over(space)):
        p, q = windows.padding[axis] if padding else (0, 0)
        at = _looks(windows, axis, count)
        inside = (at >= -p) & (at < space[axis] + q)
        counts = counts * inside.sum(axis=1).reshape(
            [-1 if i == axis else 1 for i in range(len(space))]
        )
    counts.flags.writeable = False
    return counts


def _looks(windows: Windows, axis: int, count: int) -> NDArray[np.int64]:
    """List where `count` windows look along one axis: o s − p + i d, of shape (count, k)."""
    starts = np.arange(count) * windows.stride[axis] - windows.padding[axis][0]
    return starts[:, None] + np.arange(windows.kernel[axis]) * windows.dilation[axis]


@primitive
def unfold(x: Array, *, windows: Windows) -> Array:
    """Lay out what each window sees, 0 where there is no unit: (..., *windows, *kernel).

    >>> windows = windows_of("max_pool1d", 1, 2, stride=1)
    >>> unfold(np.array([1.0, 2.0, 3.0]), windows=windows)
    array([[1., 2.],
           [2., 3.]])
    """
    x = np.asarray(x)
    lead = x.ndim - len(windows.kernel)
    padded = np.pad(x, ((0, 0),) * lead + windows.overhang(x.shape))
    views = sliding_window_view(padded, windows.extent, axis=windows.axes)
    steps = (
        slice(0, (o - 1) * s + 1, s)
        for o, s in zip(windows.over(x.shape), windows.stride, strict=True)
    )
    taps = (slice(None, None, d) for d in windows.dilation)
    key: Key = (..., *steps, *taps)
    return views[key]


@primitive
def fold(g: Array, *, windows: Windows, shape: Shape) -> Array:
    """Add what each window sends back into the cells it looked at: the adjoint of unfold.

    Where windows overlap, a cell adds up in row-major order of the windows.

    >>> windows = windows_of("max_pool1d", 1, 2, stride=1)
    >>> fold(np.ones((2, 2)), windows=windows, shape=(3,))
    array([1., 2., 1.])
    """
    sides = windows.overhang(shape)
    lead = shape[: len(shape) - len(sides)]
    rims = list(zip(shape[len(lead) :], sides, strict=True))
    padded = np.zeros((*lead, *(n + p + q for n, (p, q) in rims)), g.dtype)
    inner: Key = (..., *(slice(p, p + n) for n, (p, _) in rims))
    for offset in _offsets_backwards(windows.kernel):
        steps = zip(offset, windows.dilation, windows.over(shape), windows.stride, strict=True)
        into: Key = (..., *(slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in steps))
        padded[into] += g[(..., *offset)]
    return padded[inner]


def _offsets_backwards(kernel: Shape) -> Iterator[Shape]:
    """Walk the kernel from its last cell: an earlier window meets a shared cell later in itself."""
    for flat in reversed(range(prod(kernel))):
        yield tuple(int(i) for i in np.unravel_index(flat, kernel))


@answers(unfold)
def unfold_rule(x: Array, *, windows: Windows) -> tuple[Array, Backward]:
    """Differentiate unfold: its adjoint is fold.

    >>> windows = windows_of("conv1d", 1, 2, stride=1)
    >>> y, backward = unfold_rule(np.array([1.0, 2.0, 3.0]), windows=windows)
    >>> backward(np.ones((2, 2)))
    (array([1., 2., 1.]),)
    """
    shape = np.shape(x)

    def unfold_backward(g: Array) -> Contributions:
        to_x = fold(g, windows=windows, shape=shape)
        return (to_x,)

    return unfold(x, windows=windows), unfold_backward


@answers(fold)
def fold_rule(g: Array, *, windows: Windows, shape: Shape) -> tuple[Array, Backward]:
    """Differentiate fold: its adjoint is unfold.

    >>> windows = windows_of("conv1d", 1, 2, stride=1)
    >>> y, backward = fold_rule(np.ones((2, 2)), windows=windows, shape=(3,))
    >>> backward(np.array([5.0, 6.0, 7.0]))[0]
    array([[5., 6.],
           [6., 7.]])
    """

    def fold_backward(h: Array) -> Contributions:
        to_g = unfold(h, windows=windows)
        return (to_g,)

    return fold(g, windows=windows, shape=shape), fold_backward
