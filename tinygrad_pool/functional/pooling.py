"""The pooling family over one, two and three axes, with PyTorch's names for its arguments.

A pool of each kind is written once, as a function of its name and the number of axes; the public
functions are made of it at the end of this file.
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
    """Yield a pool over one, two and three axes; it takes its name and their number first."""
    signature = inspect.signature(pool)
    shown = signature.replace(parameters=[*signature.parameters.values()][2:])
    for ndim in (1, 2, 3):
        yield _named(pool, f"{pool.__name__.strip('_')}{ndim}d", ndim, shown)


def _named(
    pool: Callable[Concatenate[str, int, P], R], name: str, ndim: int, shown: inspect.Signature
) -> Callable[P, R]:
    own = FunctionType(pool.__code__, pool.__globals__, name, pool.__defaults__)
    own.__kwdefaults__, own.__qualname__ = pool.__kwdefaults__, name  # Python's errors say the name

    @wraps(pool)
    def over_ndim(*operands: P.args, **options: P.kwargs) -> R:
        return own(name, ndim, *operands, **options)  # type: ignore[no-any-return]

    over_ndim.__name__ = over_ndim.__qualname__ = name
    over_ndim.__signature__ = shown  # type: ignore[attr-defined]  # a function may carry attributes
    return over_ndim


def keep_largest(x: Any, windows: AnyWindows, return_indices: bool, ties: Ties) -> Any:
    """Max-pool; with return_indices, also return the winners as flat indices into their planes."""
    y = _largest(x, windows=windows, ties=ties)
    if not flag(return_indices, f"{windows.name}: return_indices"):
        return y
    numbers = x._numbers if isinstance(x, Value) else x  # v.data would hand it out
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

    `stride=None` means the kernel's size; padding can be a pair (before, after) per axis; with
    `return_indices`, also return each window's winner as a flat index into its plane. Ties:
    "first" in row-major order, "last", "even" or "error". NaN propagates; a padded cell never
    wins.

    Raises OptionError if an option is out of range; ShapeError if no window fits or
    one holds no unit; TieError if ties="error".

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
    """Average each window over the last axes: a layer whose weights are all 1 / K.

    y_k = Σ_l x_l / K,  l in window k            ∂E/∂x_l = Σ_k g_k [l in window k] / K

    K counts padded cells unless count_include_pad=False, and never the overhang of ceil_mode;
    divisor_override replaces K.

    Raises OptionError if an option is out of range; ShapeError if no window fits or
    one holds no unit.

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
    """Take the p-norm of each window over the last axes, p being `norm_type`.

    y_k = (Σ_l |x_l|ᵖ)^(1/p),  l in window k        ∂E/∂x_l = Σ_k g_k sign(x_l) (|x_l| / y_k)ᵖ⁻¹

    Where all of a window is 0, so is the gradient. (PyTorch leaves out the magnitude: there, an
    odd p of negative units gives a negative sum, or NaN. And it scales up windows that end outside,
    with `ceil_mode`.)

    Raises OptionError if an option is out of range, norm_type below 1; ShapeError if no window fits
    or one holds no unit.

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

    `indices` are what max pooling returns with return_indices=True. Planes of different sizes
    pool to this one; `output_size`, the shape of the plane or of all of y, chooses one. Where
    several units share an index, the last one is kept, and only it gets a gradient.

    Raises OptionError for indices out of range; ShapeError unless there is one per unit, or if
    no plane of `output_size` pools to the shape of x.

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
    """Read the shape of a plane, or of a whole array with the leading axes of `shape`."""
    lead = shape[: len(shape) - ndim]
    whole = isinstance(output_size, Sequence) and len(output_size) == len(shape)
    count = len(shape) if whole else ndim
    sizes = numbers(name, "output_size", output_size, count, least=0)
    if count != ndim and sizes[: len(lead)] != lead:
        raise ShapeError(
            f"{name}: output_size={sizes} must begin with {lead}, as the shape of x does, {shape}"
        )
    return sizes[count - ndim :]


max_pool1d, max_pool2d, max_pool3d = cast("Iterator[MaxPool]", over_axes(_max_pool))
avg_pool1d, avg_pool2d, avg_pool3d = over_axes(_avg_pool)
lp_pool1d, lp_pool2d, lp_pool3d = over_axes(_lp_pool)
max_unpool1d, max_unpool2d, max_unpool3d = over_axes(_max_unpool)
