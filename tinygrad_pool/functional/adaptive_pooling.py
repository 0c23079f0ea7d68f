"""Adaptive pools: you choose the number of windows, which determines their sizes."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, TypeAlias, cast, overload

from tinygrad_pool.engine.node import shape_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.functional.operations import operand
from tinygrad_pool.functional.pooling import Indices, average, keep_largest, over_axes
from tinygrad_pool.rules.tie_breaking import Ties
from tinygrad_pool.rules.windows import adaptive_windows_of

Sizes: TypeAlias = int | Sequence[int | None] | None
"""One size, or one per axis; None keeps the length of an axis."""


class AdaptiveMaxPool(Protocol):
    """The signature of `adaptive_max_pool1d`, `adaptive_max_pool2d` and `adaptive_max_pool3d`."""

    @overload
    def __call__(
        self,
        x: Any,
        output_size: Sizes,
        return_indices: Literal[False] = False,
        ties: Ties = "first",
    ) -> Value: ...
    @overload
    def __call__(
        self, x: Any, output_size: Sizes, return_indices: Literal[True], ties: Ties = "first"
    ) -> tuple[Value, Indices]: ...


def _adaptive_max_pool(
    name: str,
    ndim: int,
    x: Any,
    output_size: Sizes,
    return_indices: bool = False,
    ties: Ties = "first",
) -> Any:
    """Keep the largest unit of each of `output_size` windows over the last axes.

    y_o = x_l,  l = argmax over window o            ∂E/∂x_l = Σ_o g_o [l == l_max(o)]

    Window o of m on an axis of n cells covers ⌊o n / m⌋ … ⌈(o + 1) n / m⌉ − 1; otherwise this is
    like max_pool2d. None keeps the length of an axis.

    Raises OptionError for sizes below 1; ShapeError if there are too few axes, or one is empty;
    TieError if ties="error".

    >>> adaptive_max_pool2d([[1.0, 3.0, 5.0], [2.0, 0.0, 4.0]], (1, 2)).data
    array([[3., 5.]])
    """
    x = operand(x, name)
    windows = adaptive_windows_of(name, ndim, output_size, shape_of(x))
    return keep_largest(x, windows, return_indices, ties)


def _adaptive_avg_pool(name: str, ndim: int, x: Any, output_size: Sizes) -> Value:
    """Average each of `output_size` windows over the last axes.

    y_o = Σ_l x_l / K_o,  l in window o            ∂E/∂x_l = Σ_o g_o [l in window o] / K_o

    Window o of m on an axis of n cells covers ⌊o n / m⌋ … ⌈(o + 1) n / m⌉ − 1; otherwise this is
    like avg_pool2d. None keeps the length of an axis.

    Raises OptionError for sizes below 1; ShapeError if there are too few axes, or one is empty.

    >>> adaptive_avg_pool2d([[1.0, 3.0, 5.0], [2.0, 0.0, 4.0]], 1).data
    array([[2.5]])
    """
    x = operand(x, name)
    return average(x, windows=adaptive_windows_of(name, ndim, output_size, shape_of(x)))


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = cast(
    "Iterator[AdaptiveMaxPool]", over_axes(_adaptive_max_pool)
)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = over_axes(_adaptive_avg_pool)
