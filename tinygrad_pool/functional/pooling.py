"""The pooling functions over one, two and three axes, with PyTorch's names for their arguments.

Each kind of pool is written once, as a function of its name and the number of axes. The public
functions are made from these at the end of this file.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import FunctionType
from typing import Any, Concatenate, Literal, Protocol, TypeAlias, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.data import to_constant
from tinygrad_pool.engine.node import shape_of
from tinygrad_pool.engine.value import P, Value, lift
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.functional.operations import Numbers, operand
from tinygrad_pool.rules import pooling, unpooling
from tinygrad_pool.rules.arguments import Shape, flag, numbers
from tinygrad_pool.rules.tie_breaking import Ties
from tinygrad_pool.rules.windows import AnyWindows, Padding, windows_of

Indices: TypeAlias = NDArray[np.int64]
R = TypeVar("R")

_largest = lift(pooling.max_pool)
average = lift(pooling.avg_pool)
_norm = lift(pooling.lp_pool)
_placed = lift(unpooling.max_unpool)


class MaxPool(Protocol):
    """The signature of `max_pool1d`, `max_pool2d` and `max_pool3d`."""

    @overload
    def __call__(
        self,
        x: Any,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        dilation: Numbers = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
        ties: Ties = "first",
    ) -> Value: ...
    @overload
    def __call__(
        self,
        x: Any,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        dilation: Numbers = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
        ties: Ties = "first",
    ) -> tuple[Value, Indices]: ...


def over_axes(pool: Callable[Concatenate[str, int, P], R]) -> Iterator[Callable[P, R]]:
    """Yield a pool over one, two and three axes: bind its first parameters, name and ndim."""
    signature = inspect.signature(pool)
    public = signature.replace(parameters=[*signature.parameters.values()][2:])
    for ndim in (1, 2, 3):
        yield _named(pool, f"{pool.__name__.strip('_')}{ndim}d", ndim, public)


def _named(
    pool: Callable[Concatenate[str, int, P], R], name: str, ndim: int, public: inspect.Signature
) -> Callable[P, R]:
    copy = FunctionType(pool.__code__, pool.__globals__, name, pool.__defaults__)
    copy.__kwdefaults__, copy.__qualname__ = pool.__kwdefaults__, name  # for Python's own errors

    @wraps(pool)
    def over_ndim(*operands: P.args, **options: P.kwargs) -> R:
        return copy(name, ndim, *operands, **options)  # type: ignore[no-any-return]

    over_ndim.__name__ = over_ndim.__qualname__ = name
    over_ndim.__signature__ = public  # type: ignore[attr-defined]  # a function may have attributes
    return over_ndim


def keep_largest(x: Any, windows: AnyWindows, return_indices: bool, ties: Ties) -> Any:
    """Max-pool; with return_indices, also return the winners as flat indices into their planes."""
    y = _largest(x, windows=windows, ties=ties)
    if not flag(return_indices, f"{windows.name}: return_indices"):
        return y
    numbers = x._numbers if isinstance(x, Value) else x  # v.data would lend the array
    return y, pooling.winning_cells(numbers, windows=windows, ties=ties)


def _max_pool(
    name: str,
    ndim: int,
    x: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Padding = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    ties: Ties = "first",
) -> Any:
    """Keep the largest unit of each window over the last axes; the winner gets the gradient.

    y_k = x_l,  l = argmax over window k            ∂E/∂x_l = Σ_k g_k [l == l_max(k)]

    `stride=None` is the kernel size; padding can be a pair (before, after) per axis. With
    `return_indices`, also return the winner of each window as a flat index into its plane. At a
    tie, the winner is the "first" in row-major order or the "last", all share the gradient
    ("even"), or it is an "error". NaN propagates; padding never wins.

    Raises OptionError if an option is out of range; ShapeError if no window fits or one contains
    only padding; TieError at a tie with ties="error".

    >>> y, winners = max_pool2d([[1.0, 3.0], [2.0, 0.0]], 2, return_indices=True)
    >>> y.data, winners
    (array([[3.]]), array([[1]]))
    """
    windows = windows_of(name, ndim, kernel_size, stride, padding, dilation, ceil_mode)
    return keep_largest(operand(x, name), windows, return_indices, ties)


def _avg_pool(
    name: str,
    ndim: int,
    x: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    *,
    dilation: Numbers = 1,
) -> Value:
    """Average each window over the last axes: a linear layer whose weights are all 1 / K.

    y_k = Σ_l x_l / K,  l in window k            ∂E/∂x_l = Σ_k g_k [l in window k] / K

    K is the number of cells in the window. It includes padding unless count_include_pad=False, but
    not cells beyond the padding in ceil_mode. divisor_override replaces K.

    Raises OptionError if an option is out of range; ShapeError if no window fits or one contains
    only padding.

    >>> avg_pool2d([[1.0, 3.0], [2.0, 0.0]], 2).data
    array([[1.5]])
    """
    return average(
        operand(x, name),
        windows=windows_of(name, ndim, kernel_size, stride, padding, dilation, ceil_mode),
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


def _lp_pool(
    name: str,
    ndim: int,
    x: Any,
    norm_type: float,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Numbers = 1,
) -> Value:
    """Compute the p-norm of each window over the last axes, with p = `norm_type`.

    y_k = (Σ_l |x_l|ᵖ)^(1/p),  l in window k        ∂E/∂x_l = Σ_k g_k sign(x_l) (|x_l| / y_k)ᵖ⁻¹

    The gradient of a window of zeros is 0. (PyTorch omits the absolute value, so negative units and
    an odd p give a negative sum, or NaN. With `ceil_mode` it also scales up windows that extend
    beyond the input.)

    Raises OptionError if an option is out of range or norm_type is below 1; ShapeError if no window
    fits or one contains only padding.

    >>> lp_pool2d([[3.0, 0.0], [-4.0, 0.0]], 2, kernel_size=2).data
    array([[5.]])
    """
    windows = windows_of(name, ndim, kernel_size, stride, padding, dilation, ceil_mode)
    return _norm(operand(x, name), windows=windows, norm_type=norm_type)


def _max_unpool(
    name: str,
    ndim: int,
    x: Any,
    indices: Any,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
) -> Value:
    """Place each unit at the index of its winner, in a plane of zeros.

    y[index_k] = x_k, 0 elsewhere            ∂E/∂x_k = g[index_k]

    `indices` are the indices that max pooling returns with return_indices=True. Planes of several
    sizes pool to the shape of x; `output_size`, the shape of a plane or of y, selects one. If
    several units share an index, the last one is kept, and only it gets a gradient.

    Raises OptionError for indices out of range; ShapeError if there is not one index per unit, or
    if a plane of `output_size` does not pool to the shape of x.

    >>> y, winners = max_pool2d([[1.0, 3.0], [2.0, 0.0]], 2, return_indices=True)
    >>> max_unpool2d(y, winners, 2).data
    array([[0., 3.],
           [0., 0.]])
    """
    x, indices = operand(x, name), to_constant(indices, f"{name}: indices")
    windows = windows_of(name, ndim, kernel_size, stride, padding)
    space = None if output_size is None else _space(name, ndim, output_size, shape_of(x))
    return _placed(x, windows=windows, indices=indices, output_size=space)


def _space(name: str, ndim: int, output_size: Any, shape: Shape) -> Shape:
    """Read the shape of a plane, or of a whole array whose leading axes are those of `shape`."""
    lead = shape[: len(shape) - ndim]
    whole = isinstance(output_size, Sequence) and len(output_size) == len(shape)
    count = len(shape) if whole else ndim
    sizes = numbers(name, "output_size", output_size, count, least=0)
    if count != ndim and sizes[: len(lead)] != lead:
        raise ShapeError(
            f"{name}: output_size={sizes} must begin with {lead}, like the shape of x, {shape}"
        )
    return sizes[count - ndim :]


max_pool1d, max_pool2d, max_pool3d = cast("Iterator[MaxPool]", over_axes(_max_pool))
avg_pool1d, avg_pool2d, avg_pool3d = over_axes(_avg_pool)
lp_pool1d, lp_pool2d, lp_pool3d = over_axes(_lp_pool)
max_unpool1d, max_unpool2d, max_unpool3d = over_axes(_max_unpool)
