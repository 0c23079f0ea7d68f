"""Convolution: weights that are shared by the windows of the input."""

from __future__ import annotations

from functools import reduce
from math import prod

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.arguments import Shape, numbers
from tinygrad_pool.rules.fast_convolution import fast_conv
from tinygrad_pool.rules.linear import transposed
from tinygrad_pool.rules.rule import Array, Backward, Contributions, new_arrays
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import Windows


@new_arrays
def conv(
    x: Array,
    w: Array,
    *b: Array,
    windows: Windows,
    groups: int = 1,
    wants: tuple[bool, ...] = (True, True),
) -> tuple[Array, Backward]:
    """Slide shared weights over windows of the input, in any number of axes.

    y_f(o) = Σ_c Σ_i w_fc(i) x_c(o s − p + i d) + b_f

    ∂E/∂w_fc(i) = Σ_o g_f(o) x_c(o s − p + i d)            ∂E/∂b_f = Σ_o g_f(o)

    and ∂E/∂x adds, for each window, g_f(o) w_fc(i) to the cell it looked at. Shapes: x is
    (..., C, *space), w is (F, C / groups, *kernel), b is (F,), y is (..., F, *windows). It is a
    cross-correlation: the kernel is not flipped, as usual in deep learning.

    Raises ShapeError if channels or bias do not match, or a window is longer than the input, and
    OptionError if `groups` does not divide the channels and the filters.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> x, w = np.array([[1.0, 2.0, 4.0]]), np.array([[[-1.0, 1.0]]])
    >>> conv(x, w, windows=windows_of("conv1d", 1, 2, stride=1))[0]
    array([[1., 2.]])
    """
    (groups,) = numbers(windows.name, "groups", groups, 1, least=1)
    _check_conv(np.shape(x), np.shape(w), [np.shape(v) for v in b], windows, groups)
    if all(isinstance(v, np.ndarray) for v in (x, w, *b)) and np.result_type(x, w, *b).kind == "f":
        return fast_conv(x, w, *b, windows=windows, groups=groups, wants=wants)
    return conv_by_unfolding(x, w, *b, windows=windows, groups=groups, wants=wants)


def conv_by_unfolding(
    x: Array, w: Array, *b: Array, windows: Windows, groups: int, wants: tuple[bool, ...]
) -> tuple[Array, Backward]:
    """Convolve by one matrix product of the weights and the unfolded windows.

    Readable, and works on Values too; but it copies the input once per cell of the kernel.
    """
    x_shape, w_shape = np.shape(x), np.shape(w)
    ndim = len(windows.kernel)
    lead, out = x_shape[: -ndim - 1], windows.over(x_shape)
    batch, positions, taps = prod(lead), prod(out), prod(windows.kernel)
    channels, features = w_shape[1], w_shape[0] // groups
    split = (batch, groups, channels, positions, taps)

    # For each group, a matrix of weights (F, C·K) and one of the cells of windows (C·K, N·O).
    seen = np.reshape(unfold(x, windows=windows), split)
    seen = np.reshape(
        np.transpose(seen, (1, 2, 4, 0, 3)), (groups, channels * taps, batch * positions)
    )
    weights = np.reshape(w, (groups, features, channels * taps))
    y = np.reshape(weights @ seen, (groups, features, batch, positions))
    y = np.reshape(np.transpose(y, (2, 0, 1, 3)), (*lead, groups * features, *out))
    column = (groups * features,) + (1,) * ndim

    def conv_backward(g: Array) -> Contributions:
        to_x = to_w = None
        g = np.reshape(g, (batch, groups, features, positions))
        rows = np.transpose(g, (1, 2, 0, 3))
        rows = np.reshape(rows, (groups, features, batch * positions))
        if wants[0]:
            to_seen = np.reshape(
                transposed(weights) @ rows, (groups, channels, taps, batch, positions)
            )
            to_seen = np.transpose(to_seen, (3, 0, 1, 4, 2))
            to_seen = np.reshape(to_seen, (*x_shape[:-ndim], *out, *windows.kernel))
            to_x = fold(to_seen, windows=windows, shape=x_shape)
        if wants[1]:
            to_w = np.reshape(rows @ transposed(seen), w_shape)
        to_b = tuple(np.reshape(np.sum(rows, axis=2), np.shape(v)) for v in b)
        return to_x, to_w, *to_b

    return reduce(lambda a, v: a + np.reshape(v, column), b, y), conv_backward


def _check_conv(x: Shape, w: Shape, biases: list[Shape], windows: Windows, groups: int) -> None:
    name, ndim = windows.name, len(windows.kernel)
    if len(x) < ndim + 1:
        space = ", ".join(("depth", "height", "width")[-ndim:])
        raise ShapeError(f"{name}: needs an input (..., channels, {space}), got shape {x}")
    channels = x[-ndim - 1]
    if channels % groups or w[0] % groups:
        both = f"{counted(channels, 'input channel')} and {counted(w[0], 'filter')}"
        raise OptionError(f"{name}: groups={groups} must divide {both}")
    if w[1] * groups != channels:
        raise ShapeError(
            f"{name}: a weight of shape {w} with groups={groups} needs "
            f"{counted(w[1] * groups, 'channel')}, got {channels} in an input of shape {x}"
        )
    if biases and biases[0] != (w[0],):
        raise ShapeError(f"{name}: bias of {w[0]} filters needs shape {(w[0],)}, got {biases[0]}")
