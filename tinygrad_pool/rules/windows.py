"""Where a window looks: index arithmetic for pooling and convolution in any number of axes.

Along one axis of length n, with kernel k, stride s, padding p before and q after, and dilation d,
window o looks at the cells o s − p + i d for i = 0 … k−1. There are

    floor((n + p + q − d (k − 1) − 1) / s) + 1

windows; with `ceil_mode` the ceiling, less one where the last window would start past n + p.

Adaptive pooling asks for m windows instead: window o looks at ⌊o n / m⌋ … ⌈(o + 1) n / m⌉ − 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import AxisError, OptionError, ShapeError
from tinygrad_pool.rules.axes import Shape, flag, whole

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

    @property
    def options(self) -> str:
        """What was asked for, as messages say it."""
        return (
            f"kernel_size={self.kernel}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}"
        )

    def over(self, shape: Shape) -> Shape:
        """Count the windows on each axis over the last axes of `shape`.

        Raises ShapeError if there are too few axes, or if a window is longer than its padded axis.

        >>> windows_of("max_pool2d", 2, 2).over((8, 1, 5, 4))
        (2, 2)
        """
        space = space_of(shape, len(self.kernel), self.name)
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

    def looks(self, space: Shape) -> list[NDArray[np.int64]]:
        """List where the windows look on each axis of a plane: o s − p + i d, of shape (o, k)."""
        return [
            np.arange(o)[:, None] * s - p + np.arange(k) * d
            for o, k, s, (p, _), d in zip(
                self.over(space), self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        ]


class AdaptiveWindows(NamedTuple):
    """As many windows as asked for, `wanted` on each axis of a plane of shape `space`."""

    name: str
    space: Shape
    wanted: Shape

    @property
    def kernel(self) -> Shape:
        """The cells of the longest window on each axis."""
        return tuple(look.shape[1] for look in self.looks(self.space))

    @property
    def axes(self) -> Shape:
        """The axes that windows lie along: the last ones."""
        return tuple(range(-len(self.space), 0))

    @property
    def extent(self) -> Shape:
        """How many cells the longest window spans: its kernel."""
        return self.kernel

    @property
    def options(self) -> str:
        """What was asked for, as messages say it."""
        return f"output_size={self.wanted}"

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """None on any side."""
        return ((0, 0),) * len(self.space)

    def over(self, shape: Shape) -> Shape:
        """Count the windows on each axis. Raises ShapeError if there are too few axes.

        >>> AdaptiveWindows("adaptive_max_pool1d", (5,), (2,)).over((8, 5))
        (2,)
        """
        space_of(shape, len(self.space), self.name)
        return self.wanted

    def looks(self, space: Shape) -> list[NDArray[np.int64]]:
        """List where the windows look on each axis; −1 past the end of a shorter one.

        >>> AdaptiveWindows("adaptive_max_pool1d", (5,), (3,)).looks((5,))[0]
        array([[ 0,  1, -1],
               [ 1,  2,  3],
               [ 3,  4, -1]])
        """
        looks = []
        for n, m in zip(space, self.wanted, strict=True):
            start, end = np.arange(m) * n // m, -(np.arange(1, m + 1) * -n // m)
            at = start[:, None] + np.arange((end - start).max())
            looks.append(np.where(at < end[:, None], at, -1))
        return looks


AnyWindows: TypeAlias = Windows | AdaptiveWindows


def space_of(shape: Shape, ndim: int, name: str) -> Shape:
    """Return the last `ndim` lengths: the plane. Raises ShapeError if there are too few axes."""
    if len(shape) < ndim:
        raise ShapeError(f"{name}: needs at least {ndim} axes, got shape {shape}")
    return shape[len(shape) - ndim :]


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
    pads = _each(padding, ndim)
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


def adaptive_windows_of(name: str, ndim: int, output_size: Any, shape: Shape) -> AdaptiveWindows:
    """Read the output size of an adaptive pool over the last axes of `shape`; None keeps an axis.

    Raises OptionError, which names the option; ShapeError if there are too few axes.

    >>> adaptive_windows_of("adaptive_max_pool2d", 2, (1, None), (3, 7, 5)).wanted
    (1, 5)
    """
    space = space_of(shape, ndim, name)
    sizes = _each(output_size, ndim)
    if len(sizes) != ndim:
        raise OptionError(f"{name}: output_size needs one number or {ndim}, got {output_size!r}")
    sizes = tuple(n if m is None else m for m, n in zip(sizes, space, strict=True))
    return AdaptiveWindows(name, space, numbers(name, "output_size", sizes, ndim, least=1))


def numbers(name: str, option: str, given: Any, count: int, least: int) -> Shape:
    """Read one whole number for all of `count`, or one each.

    Raises OptionError below `least`, and where NumPy could not count as far.

    >>> numbers("conv2d", "stride", 3, 2, least=1)
    (3, 3)
    """
    numbers = _each(given, count)
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


def _each(given: Any, count: int) -> Sequence[Any]:
    """Repeat one thing for all; text is one thing."""
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    return given if several else (given,) * count


@lru_cache(maxsize=64)
def cells_of(windows: AnyWindows, space: Shape) -> NDArray[np.int64]:
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
    for axis, (n, look) in enumerate(zip(space, windows.looks(space), strict=True)):
        place = [1] * 2 * ndim
        place[axis], place[ndim + axis] = look.shape
        at = look.reshape(place)
        cells = cells * n + at
        inside = inside & (at >= 0) & (at < n)
    cells = np.where(inside, cells, -1)
    cells.flags.writeable = False
    return cells


@lru_cache(maxsize=64)
def counts_of(windows: AnyWindows, space: Shape, padding: bool) -> NDArray[np.int64]:
    """Count the cells each window looks at; with `padding`, padded cells too, overhang never.

    >>> counts_of(windows_of("avg_pool1d", 1, 2, padding=1), (3,), padding=False)
    array([1, 2])
    """
    counts: NDArray[np.int64] = np.ones((1,) * len(space), np.int64)
    for axis, at in enumerate(windows.looks(space)):
        p, q = windows.padding[axis] if padding else (0, 0)
        inside = (at >= -p) & (at < space[axis] + q)
        counts = counts * inside.sum(axis=1).reshape(
            [-1 if i == axis else 1 for i in range(len(space))]
        )
    counts.flags.writeable = False
    return counts
