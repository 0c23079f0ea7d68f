"""Rules that are linear in each operand: the weighted sum of a unit, and matrix products."""

from __future__ import annotations

from operator import mul

import numpy as np

from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.half_precision import as_given, widened
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements, new_arrays


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
    if type(a) is not float and getattr(a, "dtype", None) == np.float16:
        a = as_given(weighted_sum(*map(widened, terms))[0], a)
    return a, weighted_sum_backward


@new_arrays
@implements(np.matmul, np.linalg.matmul)
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
            to_x = g @ transposed(columns)
            to_x = to_x if len(x_shape) > 1 else np.squeeze(to_x, axis=-2)
        if wants[1]:
            to_w = transposed(rows) @ g
            to_w = to_w if len(w_shape) > 1 else np.squeeze(to_w, axis=-1)
        return to_x, to_w

    return (np.squeeze(y, axis=vectors) if vectors else y), matmul_backward


def transposed(x: Array) -> Array:
    """Transpose matrices: swap the last two axes."""
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
