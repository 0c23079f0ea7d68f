"""The cells of windows: index arithmetic for pooling and convolution in any number of axes.

Along one axis of length n, with kernel k, stride s, padding p before and q after, and dilation d,
window o looks at the cells o s − p + i d for i = 0 … k−1. There are

    floor((n + p + q − d (k − 1) − 1) / s) + 1

windows; with `ceil_mode` the ceiling, less one if the last window would start past n + p.

Adaptive pooling has m windows instead: window o looks at ⌊o n / m⌋ … ⌈(o + 1) n / m⌉ − 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import gcd
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.arguments import Shape, choice, flag, items_of, numbers
from tinygrad_pool.rules.primitive import FIXED

Padding: TypeAlias = int | Sequence[int | tuple[int, int]]
"""One number for all sides, one per axis, or a pair (before, after) per axis."""

Floats: TypeAlias = NDArray[np.floating[Any]]
Units: TypeAlias = NDArray[np.int64]
Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""A range (start, stop) on each axis."""


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
        """The options of the windows, for messages."""
        return (
            f"kernel_size={self.kernel}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}"
        )

    def over(self, shape: Shape) -> Shape:
        """Count the windows on each axis over the last axes of `shape`.

        Raises ShapeError if there are too few axes, or no window fits on one of them.

        >>> windows_of("max_pool2d", 2, 2).over((8, 1, 5, 4))
        (2, 2)
        """
        return _over(self, shape)

    def overhang(self, shape: Shape) -> tuple[tuple[int, int], ...]:
        """Count the cells of windows beyond each side of the input: padding and overhang."""
        space = shape[len(shape) - len(self.kernel) :]
        sides = []
        for n, o, extent, s, (p, q) in zip(
            space, self.over(shape), self.extent, self.stride, self.padding, strict=True
        ):
            sides.append((p, max(q, (o - 1) * s + extent - n - p)))
        return tuple(sides)

    def look(self, axis: int, units: Units) -> Units:
        """List the cells that the given windows look at on one axis, one row per window."""
        start, _ = self.bounds(axis, units)
        return start[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]

    def bounds(self, axis: int, units: Units) -> tuple[Units, Units]:
        """List the first cell of the given windows on one axis, and the cell after the last one."""
        start = units * self.stride[axis] - self.padding[axis][0]
        return start, start + self.extent[axis]

    def counts(self, axis: int, n: int, units: Units, padding: bool) -> Units:
        """Count the cells that windows look at on one axis; with `padding`, include padded cells.

        >>> windows_of("avg_pool1d", 1, 2, padding=1).counts(0, 3, np.arange(2), padding=False)
        array([1, 2])
        """
        k, d, (p, q) = self.kernel[axis], self.dilation[axis], self.padding[axis]
        first, _ = self.bounds(axis, units)
        low, high = (-p, n + q) if padding else (0, n)
        begin, end = (np.clip(-((first - side) // d), 0, k) for side in (low, high))
        return np.asarray(end - begin)


@lru_cache(maxsize=256)
def _over(windows: Windows, shape: Shape) -> Shape:
    counts, space = [], space_of(shape, len(windows.kernel), windows.name)
    for n, extent, s, (p, q) in zip(
        space, windows.extent, windows.stride, windows.padding, strict=True
    ):
        room = n + p + q - extent
        count = (-(-room // s) if windows.ceil_mode else room // s) + 1
        if windows.ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        if count < 1:
            raise ShapeError(
                f"{windows.name}: a window of {counted(extent, 'cell')} "
                f"(kernel_size={windows.kernel}, "
                f"dilation={windows.dilation}) is longer than an axis of {n} with padding "
                f"{p} + {q}; the input has shape {shape}"
            )
        counts.append(count)
    return tuple(counts)


class AdaptiveWindows(NamedTuple):
    """A given number of windows, `output_size` on each axis of a plane of shape `space`."""

    name: str
    space: Shape
    output_size: Shape

    @property
    def kernel(self) -> Shape:
        """The cells of the longest window on each axis."""
        return _longest(self.space, self.output_size)

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
        """The options of the windows, for messages."""
        return f"output_size={self.output_size}"

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """Adaptive windows have no padding."""
        return ((0, 0),) * len(self.space)

    def over(self, shape: Shape) -> Shape:
        """Count the windows on each axis. Raises ShapeError if there are too few axes.

        >>> AdaptiveWindows("adaptive_max_pool1d", (5,), (2,)).over((8, 5))
        (2,)
        """
        space_of(shape, len(self.space), self.name)
        return self.output_size

    def look(self, axis: int, units: Units) -> Units:
        """List the cells that the given windows look at on one axis; −1 past the end of short ones.

        >>> AdaptiveWindows("adaptive_max_pool1d", (5,), (3,)).look(0, np.arange(3))
        array([[ 0,  1, -1],
               [ 1,  2,  3],
               [ 3,  4, -1]])
        """
        start, stop = self.bounds(axis, units)
        at = start[:, None] + np.arange(self.kernel[axis])
        return np.where(at < stop[:, None], at, -1)

    def bounds(self, axis: int, units: Units) -> tuple[Units, Units]:
        """List the first cell of the given windows on one axis, and the cell after the last one."""
        n, m = self.space[axis], self.output_size[axis]
        return units * n // m, -((units + 1) * -n // m)

    def counts(self, axis: int, n: int, units: Units, padding: bool) -> Units:  # noqa: ARG002
        """Count the cells that the given windows look at on one axis. There is no padding."""
        start, stop = self.bounds(axis, units)
        return stop - start


@lru_cache(maxsize=256)
def _longest(space: Shape, output_size: Shape) -> Shape:
    """Count the cells of the longest of m windows over n cells; they start at ⌊o n / m⌋."""
    lengths = []
    for n, m in zip(space, output_size, strict=True):
        cells, rest = divmod(n, m)
        lengths.append(cells + (rest > 0) + (rest > gcd(rest, m)))
    return tuple(lengths)


AnyWindows: TypeAlias = Windows | AdaptiveWindows
FIXED.update((Windows, AdaptiveWindows))


def space_of(shape: Shape, ndim: int, name: str) -> Shape:
    """Return the shape of the plane, the last `ndim` axes. Raises ShapeError if there are fewer."""
    if len(shape) < ndim:
        needed = counted(ndim, "axis", "axes")
        raise ShapeError(f"{name}: needs at least {needed}, got shape {shape}")
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
    """Read the options of a pooling or convolution; `stride=None` means the kernel size.

    Raises OptionError, which names the option and its range.

    >>> windows_of("max_pool2d", 2, (3, 2), padding=1).padding
    ((1, 1), (1, 1))
    """
    options = (kernel_size, stride, padding, dilation)
    cacheable = all(map(_is_plain, options)) and isinstance(ceil_mode, bool)
    read = _windows if cacheable else _windows.__wrapped__
    return read(name, ndim, kernel_size, stride, padding, dilation, ceil_mode)


def conv_windows_of(
    name: str, ndim: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> Windows:
    """Read the options of a convolution: padding "valid" means none, "same" keeps axes' lengths.

    Raises OptionError for another word, or for "same" with a stride.

    >>> conv_windows_of("conv1d", 1, 4, 1, "same", 1).padding
    ((1, 2),)
    """
    steps = numbers(name, "stride", stride, ndim, least=1)  # None is for pools only
    if isinstance(padding, str):
        if choice(padding, ("same", "valid"), f"{name}: padding") == "valid":
            padding = 0
        elif set(steps) != {1}:
            raise OptionError(f"{name}: padding='same' needs stride 1, got {stride!r}")
        else:
            extent = windows_of(name, ndim, kernel_size, 1, 0, dilation).extent
            padding = [((n - 1) // 2, n // 2) for n in extent]
    return windows_of(name, ndim, kernel_size, stride, padding, dilation)


@lru_cache(maxsize=256)
def _windows(
    name: str, ndim: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Windows:
    kernel = numbers(name, "kernel_size", kernel_size, ndim, least=1)
    pads = items_of(name, "padding", padding, ndim)
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

    >>> adaptive_windows_of("adaptive_max_pool2d", 2, (1, None), (3, 7, 5)).output_size
    (1, 5)
    """
    space = space_of(shape, ndim, name)
    read = _adaptive_windows if _is_plain(output_size) else _adaptive_windows.__wrapped__
    return read(name, space, output_size)


@lru_cache(maxsize=256)
def _adaptive_windows(name: str, space: Shape, output_size: Any) -> AdaptiveWindows:
    sizes = items_of(name, "output_size", output_size, len(space))
    sizes = tuple(n if m is None else m for m, n in zip(sizes, space, strict=True))
    return AdaptiveWindows(name, space, numbers(name, "output_size", sizes, len(space), least=1))


def _is_plain(option: Any) -> bool:
    """Return whether an option is exactly an int, a tuple of ints or None, as the cache needs."""
    kind = type(option)
    return kind is int or option is None or (kind is tuple and all(type(n) is int for n in option))
