"""How a convolution is cut into blocks of windows, and where the numbers of a block lie.

Where the stride along the first axis is 1, the columns may leave out that axis of the kernel. Each
row i of the kernel then has separate results z, one for each row r of cells,

    z_fi(r, o) = Σ_c Σ_j w_fc(i, j) x_c(r − p, o s − p + j d)

and y is their sum, shifted by i d rows: y_f(r, o) = Σ_i z_fi(r + i d, o). This is done where it is
cheaper and x and w are finite: where row i has no window, its products with 0 have to be 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil, isfinite, prod
from typing import NamedTuple, TypeAlias

import numpy as np

from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.windows import Floats, Windows

Block: TypeAlias = tuple[slice, ...]
"""A range of images, and a range of windows on each axis."""

NUMBERS = 2**19
"""About how many numbers the columns and results of a block hold: 2 MiB of float32."""

WINDOWS = 2**9
"""The fewest windows of a block, if there are as many: products of narrow matrices are slow."""


class Cut(NamedTuple):
    """How a convolution is cut into blocks, and where the numbers of a block lie."""

    windows: Windows  # with the axes of the kernel that are laid out in columns
    shifts: Shape  # by how many rows the results of each row of the kernel are shifted
    groups: int
    space: Shape
    counts: Shape  # images, and windows on each axis
    box: Shape  # the same for a block
    cost: float  # of one window

    def blocks(self) -> Iterator[Block]:
        """Iterate over blocks that cover all windows of all images."""
        axes = [
            [slice(i, min(i + size, n)) for i in range(0, n, size)]
            for n, size in zip(self.counts, self.box, strict=True)
        ]
        return product(*axes)

    def by_group(self, v: Floats) -> Floats:
        """View (..., channels, *space) as (groups, channels, images, *space)."""
        channels, *space = v.shape[-1 - len(self.space) :]
        split = (self.counts[0], self.groups, channels // self.groups, *space)
        return np.moveaxis(np.reshape(v, split), 0, 2)

    def matrices(self, w: Floats) -> Floats:
        """Lay out weights as a matrix for each group: (shifts · filters, channels · taps)."""
        filters, channels = len(w) // self.groups, w.shape[1]
        count, taps = len(self.shifts), prod(self.windows.kernel)
        parts = np.moveaxis(np.reshape(w, (self.groups, filters, channels, count, taps)), 3, 1)
        return np.reshape(parts, (self.groups, count * filters, channels * taps))

    def weights(self, matrices: Floats, shape: Shape) -> Floats:
        """Reshape such matrices back to the shape of the weights."""
        filters, channels = shape[0] // self.groups, shape[1]
        count, taps = len(self.shifts), prod(self.windows.kernel)
        parts = np.reshape(matrices, (self.groups, count, filters, channels, taps))
        return np.reshape(np.moveaxis(parts, 1, 3), shape)

    def buffers(self, matrices: Floats) -> tuple[Floats, Floats]:
        """Allocate memory for the columns and the results of a block; all blocks use it in turn."""
        most = self.box[0] * (self.box[1] + self.shifts[-1]) * prod(self.box[2:])
        columns, results = (
            np.empty((self.groups * n, most), matrices.dtype) for n in matrices.shape[:0:-1]
        )
        return columns, results

    def fit(self, buffer: Floats, block: Block) -> Floats:
        """View the start of a buffer as a matrix for each group, with a column for each window."""
        windows = prod(self._shape(block))
        start = np.reshape(buffer, -1)[: len(buffer) * windows]
        return np.reshape(start, (self.groups, len(buffer) // self.groups, windows))

    def lay_out(self, cells: Floats, block: Block, buffer: Floats) -> Floats:
        """Copy the cells of each window of a block to a column, 0 where there is no cell."""
        columns = self.fit(buffer, block)
        columns.fill(0)
        for seen, place in self._taps(cells, columns, block):
            place[...] = seen
        return columns

    def add_columns(self, columns: Floats, cells: Floats, block: Block) -> None:
        """Add columns to the cells that they were copied from."""
        for seen, place in self._taps(cells, columns, block):
            np.add(seen, place, out=seen)

    def add_shifted(self, results: Floats, block: Block) -> Floats:
        """Add the results of all rows of the kernel; return a view with one sum per window."""
        count = len(self.shifts)
        z = np.reshape(results, (self.groups, count, prod(results.shape[1:]) // count))
        for i, shift in enumerate(self.shifts[1:], 1):
            step = shift * prod(self._shape(block)[2:])
            # All at once, since NumPy is slow on short rows. This also adds numbers of the next
            # image to the last rows of an image, which belong to no window.
            z[:, 0, :-step] += z[:, i, step:]
        return self._shifted(results, block)[0]

    def spread(self, units: Floats, block: Block, buffer: Floats) -> Floats:
        """Lay out the gradients of the windows of a block, shifted for each row of the kernel."""
        rows = self.fit(buffer, block)
        rows.fill(0)
        for part in self._shifted(rows, block):
            part[...] = units[:, :, *block]
        return rows

    def _shifted(self, results: Floats, block: Block) -> list[Floats]:
        """View the windows of a block among the results of each row of the kernel."""
        count, windows = len(self.shifts), block[1].stop - block[1].start
        split = (self.groups, count, results.shape[1] // count, *self._shape(block))
        z = np.reshape(results, split)
        return [z[:, i, :, :, shift : shift + windows] for i, shift in enumerate(self.shifts)]

    def _shape(self, block: Block) -> Shape:
        """Count the images of a block, and along each axis the windows that have results."""
        images, windows, *others = (part.stop - part.start for part in block)
        return (images, windows + self.shifts[-1], *others)

    def _taps(
        self, cells: Floats, columns: Floats, block: Block
    ) -> Iterator[tuple[Floats, Floats]]:
        """View, for each tap, the cells that the windows of a block see, and their columns."""
        axes = []
        for axis, (k, s, (p, _), d) in enumerate(zip(*self.windows[1:5], strict=True)):
            start, stop = block[1 + axis].start, block[1 + axis].stop
            stop += self.shifts[-1] if axis == 0 else 0
            axes.append([_look(start, stop, s, i * d - p, self.space[axis]) for i in range(k)])
        split = (*cells.shape[:2], prod(self.windows.kernel), *self._shape(block))
        place = np.reshape(columns, split)
        for tap, pairs in enumerate(product(*axes)):
            at, where = zip(*pairs, strict=True)
            yield cells[:, :, block[0], *where], place[:, :, tap, :, *at]


def _look(start: int, stop: int, stride: int, shift: int, n: int) -> tuple[slice, slice]:
    """Find which of the windows start … stop − 1 have a cell at o · stride + shift, and the cells.

    >>> _look(0, 4, 1, -1, 3)  # the first window's cell is in the padding
    (slice(1, 4, None), slice(0, 3, 1))
    """
    first = max(start, -(shift // stride))
    last = max(first, min(stop, (n - 1 - shift) // stride + 1))
    cell = first * stride + shift
    return slice(first - start, last - start), slice(cell, cell + (last - first) * stride, stride)


def cut_of(x: Floats, w: Floats, windows: Windows, groups: int) -> Cut:
    """Choose what columns hold: all axes of the kernel, or all but the first."""
    plain = _cut(x.shape, w.shape, windows, (0,), groups)
    # If the sums of squares are finite, so is |Σ w x| of any cells (Cauchy–Schwarz).
    if windows.stride[0] > 1 or not isfinite(float(np.vdot(x, x)) + float(np.vdot(w, w))):
        return plain
    k, d = windows.kernel[0], windows.dilation[0]
    others = windows._replace(kernel=(1, *windows.kernel[1:]))
    by_rows = _cut(x.shape, w.shape, others, tuple(range(0, k * d, d)), groups)
    return min(plain, by_rows, key=lambda cut: cut.cost)


def _cut(x: Shape, w: Shape, windows: Windows, shifts: Shape, groups: int) -> Cut:
    """Choose the size of a block: all windows of an image if they fit, then several images."""
    ndim, out = len(windows.kernel), windows.over(x)
    counts = (prod(x[: -ndim - 1]), out[0] - shifts[-1], *out[1:])
    columns, results = groups * w[1] * prod(windows.kernel), w[0] * len(shifts)
    limit = max(NUMBERS // max(1, columns + results), WINDOWS)
    box: list[int] = []
    for axis in reversed(range(1 + ndim)):
        over = shifts[-1] if axis == 1 else 0
        n = max(1, counts[axis])
        box.insert(0, ceil(n / ceil(n / max(1, limit - over))))  # blocks of about one size
        limit //= box[0] + over
    # In units of one number copied: columns are laid out, and again by matmul. Measured.
    cost = (2 * columns + results + columns * results / groups / 32) * (1 + shifts[-1] / box[1])
    return Cut(windows, shifts, groups, x[-ndim:], counts, tuple(box), cost)
