"""Fast convolution: the results of `conv_by_unfolding`, one block of windows at a time.

The cells that the windows of a block see are laid out in columns, multiplied while they are in the
processor's cache, and discarded. The backward pass lays them out again. So there is never an array
of the size of the unfolded input, and nothing is kept between calls.
"""

from __future__ import annotations

import numpy as np

from tinygrad_pool.rules.blocks import Cut, cut_of
from tinygrad_pool.rules.rule import Array, Backward, Contributions
from tinygrad_pool.rules.windows import Floats, Windows


def fast_conv(
    x: Floats, w: Floats, *b: Floats, windows: Windows, groups: int, wants: tuple[bool, ...]
) -> tuple[Floats, Backward]:
    """Slide shared weights over windows of the input; `conv` has checked the shapes.

    Float16 is summed in float32.
    """
    dtype = np.result_type(x, w, *b)
    wide, filters = np.result_type(dtype, np.float32), len(w) // groups
    cells, kernels = np.ascontiguousarray(x, wide), np.ascontiguousarray(w, wide)
    cut = cut_of(cells, kernels, windows, groups)
    weights = cut.matrices(kernels)
    y = np.empty((*x.shape[: -1 - len(windows.kernel)], len(w), *cut.counts[1:]), dtype)
    _slide(cut.by_group(cells), weights, b, cut, cut.by_group(y))

    def conv_backward(g: Array) -> Contributions:
        to_x = np.zeros(x.shape, wide) if wants[0] else None
        to_w = np.zeros(weights.shape, wide) if wants[1] else None
        to_b = np.zeros((groups, filters), wide) if b else None
        cells, units = cut.by_group(np.ascontiguousarray(x, wide)), cut.by_group(g)
        columns, results = cut.buffers(weights)
        for block in cut.blocks():
            rows = cut.spread(units, block, results)
            if to_w is not None:
                to_w += rows @ np.swapaxes(cut.lay_out(cells, block, columns), 1, 2)
            if to_x is not None:
                sent = np.matmul(np.swapaxes(weights, 1, 2), rows, out=cut.fit(columns, block))
                cut.add_columns(sent, cut.by_group(to_x), block)
            if to_b is not None:
                to_b += np.sum(rows[:, :filters], axis=2)
        to_x = None if to_x is None else to_x.astype(dtype, copy=False)
        to_w = None if to_w is None else cut.weights(to_w, w.shape).astype(dtype, copy=False)
        to_b = None if to_b is None else np.reshape(to_b, len(w)).astype(dtype, copy=False)
        return (to_x, to_w, to_b)[: 2 + len(b)]

    return y, conv_backward


def _slide(cells: Floats, weights: Floats, b: tuple[Floats, ...], cut: Cut, units: Floats) -> None:
    """Compute the result of every window, block by block."""
    columns, results = cut.buffers(weights)
    filters = units.shape[1]
    for block in cut.blocks():
        seen = cut.lay_out(cells, block, columns)
        z = np.matmul(weights, seen, out=cut.fit(results, block))
        for v in b:
            z[:, :filters] += np.reshape(v, (cut.groups, filters, 1))
        units[:, :, *block] = cut.add_shifted(z, block)
