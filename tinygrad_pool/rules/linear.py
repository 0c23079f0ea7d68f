"""Rules that are linear in each operand: a unit's weighted sum, matrix products, convolution."""

from __future__ import annotations

from functools import reduce
from math import prod
from operator import mul
from typing import TypeAlias

import numpy as np

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.arguments import Shape, numbers
from tinygrad_pool.rules.fast_convolution import fast_conv
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements, new_arrays
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import Windows

Convolved: TypeAlias = tuple[Array, Backward]
"""What a rule returns: its result, and its closure."""


def weighted_sum(*terms: Array) -> tuple[Array, Backward]:
    """Compute one unit, a weighted sum. Operands: w_1 … w_n, x_1 … x_n, b.

    a = Σ_i w_i x_i + b            ∂E/∂w_i = g x_i            ∂E/∂x_i = g w_i            ∂E/∂b = g

    Raises ShapeError unless there are as many weights as inputs.

    >>> a, backward = weighted_sum(2.0, 3.0, 5.0, 7.0, 1.0)
    >>> a, backward(1.0)
    (32.0, (5.0, 7.0, 2.0, 3.0, 1.0))
    """
    n, odd = divmod(len(terms) - 1, 2)
    if odd or not terms:
        raise ShapeError(f"weighted_sum: needs n weights, n inputs and a bias, got {len(terms)}")
    ws, xs, b = terms[:n], terms[n:-1], terms[-1]

    def weighted_sum_backward(g: Array) -> Contributions:
        to_ws = list(map(mul, [g] * n, xs))
        to_xs = list(map(mul, [g] * n, ws))
        to_b = g
        return (*to_ws, *to_xs, to_b)

    a = b
    for w, x in zip(ws, xs, strict=True):
        a = a + w * x
    return a, weighted_sum_backward


@new_arrays
@implements(np.matmul)
def matmul(
    x: Array, w: Array, *, wants: tuple[bool, bool] = (True, True)
) -> tuple[Array, Backward]:
    """Multiply matrices; leading axes broadcast, and a vector counts as a row or a column.

    Y = X W            ∂E/∂X = G Wᵀ            ∂E/∂W = Xᵀ G

    Raises ShapeError if X's rows are not as long as W's columns, or for a scalar.

    >>> y, backward = matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    >>> y, backward(np.array([[1.0]]))[0]
    (array([[11.]]), array([[3., 4.]]))
    """
    x_shape, w_shape = np.shape(x), np.shape(w)
    _check_matmul(x_shape, w_shape)
    rows = x if len(x_shape) > 1 else np.reshape(x, (1, *x_shape))
    columns = w if len(w_shape) > 1 else np.reshape(w, (*w_shape, 1))
    y = rows @ columns
    y_shape = np.shape(y)
    vectors = tuple(i for i, v in ((-2, x_shape), (-1, w_shape)) if len(v) == 1)

    def matmul_backward(g: Array) -> Contributions:
        to_x = to_w = None
        g = np.reshape(g, y_shape)
        if wants[0]:
            to_x = g @ _transposed(columns)
            to_x = to_x if len(x_shape) > 1 else np.squeeze(to_x, axis=-2)
        if wants[1]:
            to_w = _transposed(rows) @ g
            to_w = to_w if len(w_shape) > 1 else np.squeeze(to_w, axis=-1)
        return to_x, to_w

    return (np.squeeze(y, axis=vectors) if vectors else y), matmul_backward


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

    and ∂E/∂x adds, for each window, g_f(o) w_fc(i) into the cell it looked at. Shapes: x is
    (..., C, *space), w is (F, C / groups, *kernel), b is (F,), y is (..., F, *windows). It is a
    cross-correlation: the kernel is not flipped, as everywhere in deep learning.

    Raises ShapeError if channels, groups or bias do not fit, or a window is longer than the input.

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
) -> Convolved:
    """Slide weights as one product of matrices, with all that the windows see laid out beside it.

    Readable, and right on Values too; but it holds the input as often as the kernel has cells.

    >>> from tinygrad_pool.rules.windows import windows_of
    >>> x, w = np.array([[1.0, 2.0, 4.0]]), np.array([[[-1.0, 1.0]]])
    >>> windows = windows_of("conv1d", 1, 2, stride=1)
    >>> y, backward = conv_by_unfolding(x, w, windows=windows, groups=1, wants=(True, False))
    >>> y, backward(np.array([[1.0, 3.0]]))
    (array([[1., 2.]]), (array([[-1., -2.,  3.]]), None))
    """
    x_shape, w_shape = np.shape(x), np.shape(w)
    ndim = len(windows.kernel)
    lead, out = x_shape[: -ndim - 1], windows.over(x_shape)
    batch, positions, taps = prod(lead), prod(out), prod(windows.kernel)
    channels, features = w_shape[1], w_shape[0] // groups
    split = (batch, groups, channels, positions, taps)

    # For each group a matrix of weights (F, C·K) and one of what the windows see (C·K, N·O).
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
                _transposed(weights) @ rows, (groups, channels, taps, batch, positions)
            )
            to_seen = np.transpose(to_seen, (3, 0, 1, 4, 2))
            to_seen = np.reshape(to_seen, (*x_shape[:-ndim], *out, *windows.kernel))
            to_x = fold(to_seen, windows=windows, shape=x_shape)
        if wants[1]:
            to_w = np.reshape(rows @ _transposed(seen), w_shape)
        to_b = tuple(np.reshape(np.sum(rows, axis=2), np.shape(v)) for v in b)
        return to_x, to_w, *to_b

    return reduce(lambda a, v: a + np.reshape(v, column), b, y), conv_backward


def _transposed(x: Array) -> Array:
    ndim = np.ndim(x)
    return np.transpose(x, (*range(ndim - 2), ndim - 1, ndim - 2))


def _check_matmul(x: Shape, w: Shape) -> None:
    if not x or not w:
        raise ShapeError(f"matmul: needs arrays, got shapes {x} and {w}; use * to scale")
    if x[-1] != w[0 if len(w) == 1 else -2]:
        raise ShapeError(
            f"matmul: shapes {x} and {w} do not match: rows have {x[-1]} elements, "
            f"columns {w[0 if len(w) == 1 else -2]}"
        )


def _check_conv(x: Shape, w: Shape, biases: list[Shape], windows: Windows, groups: int) -> None:
    name, ndim = windows.name, len(windows.kernel)
    if len(x) < ndim + 1:
        raise ShapeError(f"{name}: needs an input (..., channels, *space), got shape {x}")
    channels = x[-ndim - 1]
    if channels % groups or w[0] % groups:
        raise OptionError(
            f"{name}: groups={groups} must divide {channels} input channels and {w[0]} filters"
        )
    if w[1] * groups != channels:
        raise ShapeError(
            f"{name}: a weight of shape {w} with groups={groups} needs {w[1] * groups} "
            f"channels, got {channels} in an input of shape {x}"
        )
    if biases and biases[0] != (w[0],):
        raise ShapeError(f"{name}: bias of {w[0]} filters needs shape {(w[0],)}, got {biases[0]}")
