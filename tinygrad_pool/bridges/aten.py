"""PyTorch's elementwise operations, reductions and constants on Values.

Each function has the parameters of the operation of its name in `torch.ops.aten`. NumPy's functions
are used where possible, since they accept Values and arrays alike: integers and masks remain
arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.functional import operations

Axes = int | Sequence[int] | None

NUMPY = """
abs ceil copysign cos cosh exp exp2 expm1 floor floor_divide fmod hypot isinf isnan log log10 log1p
log2 logical_and logical_not logical_or logical_xor remainder round sign sin sinh sqrt square stack
tan tanh tril triu trunc
"""
REDUCTIONS = "all any argmax argmin mean prod sum"
RENAMED = {
    **{"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh"},
    **{"atan": "arctan", "atan2": "arctan2", "atanh": "arctanh"},
    **{"eq": "equal", "ne": "not_equal", "lt": "less"},
    **{"le": "less_equal", "gt": "greater", "ge": "greater_equal", "bitwise_not": "invert"},
    **{"permute": "transpose", "unsqueeze": "expand_dims"},
}
"""NumPy's functions by PyTorch's names; those without a gradient return arrays."""


def same(x: Any, *_: Any, **__: Any) -> Any:
    """Return x itself."""
    return x


def folded(name: str, **options: Any) -> Callable[..., Any]:
    """Return maximum or minimum of any number of operands, Values or arrays."""
    on_values, on_arrays = getattr(operations, name), getattr(np, name)
    return lambda *xs: (
        on_values(*xs, **options)
        if any(isinstance(x, Value) for x in xs)
        else reduce(on_arrays, xs)
    )


def _along(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function along one axis."""
    return lambda x, axis, dtype=None: f(cast(x, dtype), axis=axis)


def _over(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a reduction over axes."""
    return lambda x, axes=None, keepdim=False, dtype=None: f(
        cast(x, dtype), axis=axes_of(axes), keepdims=keepdim, **options
    )


def _promoting(f: Callable[..., Any]) -> Callable[..., Any]:
    """Give arrays of integers, and numbers, the dtype of a floating operand, as PyTorch does.

    Floating results of integers alone are in single precision.
    """

    def promoted(*xs: Any, **options: Any) -> Any:
        floating = [x for x in xs if getattr(x, "dtype", np.dtype(int)).kind == "f"]
        if not floating:
            y = f(*xs, **options)
            return y.astype(np.float32) if getattr(y, "dtype", None) == np.float64 else y
        dtype = max(floating, key=lambda x: x.ndim > 0).dtype
        weak = [
            isinstance(x, np.ndarray | np.generic) and (x.dtype.kind in "iu" or not x.ndim)
            for x in xs
        ]
        return f(*(x.astype(dtype) if w else x for x, w in zip(xs, weak, strict=True)), **options)

    return promoted


def axes_of(axes: Axes) -> int | tuple[int, ...] | None:
    """Return axes as NumPy takes them: an empty list means all."""
    return axes if isinstance(axes, int) else tuple(axes or ()) or None


@translates("aten.full")
def full(shape: Sequence[int], fill: Any, dtype: Any = None) -> Any:
    """Create a constant array; without a dtype, floats are in single precision."""
    own = np.asarray(fill).dtype if isinstance(fill, bool | int) else np.dtype("float32")
    return np.full(tuple(shape), fill, dtype or own)


SIMPLE: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in NUMPY.split()},
    **{name: getattr(np, numpy) for name, numpy in RENAMED.items()},
    **dict.fromkeys(("contiguous", "clone", "alias", "lift_fresh_copy", "lift_fresh"), same),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), operator.matmul),
    "sigmoid": operations.sigmoid,
    "relu": operations.relu,
    "add": lambda x, y, alpha=1: x + (y if alpha == 1 else y * alpha),
    "sub": lambda x, y, alpha=1: x - (y if alpha == 1 else y * alpha),
    "neg": operator.neg,
    "mul": operator.mul,
    "pow": operator.pow,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "reciprocal": lambda x: np.divide(1.0, x),
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "maximum": folded("maximum", ties="even"),  # PyTorch pays half each
    "minimum": folded("minimum", ties="even"),
    "where": lambda mask, x, y: np.where(data_of(mask) != 0, *_in_single(x, y)),
    "sym_size": lambda x, axis: x.shape[axis],
    "detach": lambda x: x.detach() if isinstance(x, Value) else x,
    **{name: _over(getattr(np, name)) for name in REDUCTIONS.split()},
    "amax": _over(Value.max, ties="even"),
    "amin": _over(Value.min, ties="even"),
    "logsumexp": _over(operations.logsumexp),
    **{name: _along(getattr(np, name)) for name in ("cumsum", "cumprod")},
    **dict.fromkeys(("softmax", "_softmax"), _along(operations.softmax)),
    **dict.fromkeys(("log_softmax", "_log_softmax"), _along(operations.log_softmax)),
    "arange": lambda *bounds, dtype=None: np.arange(
        *bounds, dtype=dtype or (np.float32 if float in map(type, bounds) else None)
    ),
    "scalar_tensor": np.asarray,
    "full_like": lambda x, fill, dtype=None: np.full(x.shape, fill, dtype or x.dtype),
    "empty": lambda shape, dtype=None: full(shape, 0.0, dtype),
    "empty_like": lambda x, dtype=None: np.full(x.shape, 0.0, dtype or x.dtype),
    "rand_like": lambda x, **_: np.random.default_rng().random(x.shape).astype(x.dtype),
}
PROMOTING = """
add sub mul pow maximum minimum where fmod remainder atan2 hypot copysign exp log sqrt sin cos
reciprocal rsqrt sigmoid
"""
SIMPLE |= {name: _promoting(SIMPLE[name]) for name in PROMOTING.split()}
TRANSLATIONS.update({f"aten.{name}": f for name, f in SIMPLE.items()})
TRANSLATIONS.update({f"python.{name}": f for name, f in vars(operator).items() if callable(f)})
TRANSLATIONS["torch.sym_float"] = float


@translates("aten.clamp")
def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit x; a bound that is a Value gets the gradient where it applies."""
    if not isinstance(min, Value) and not isinstance(max, Value):
        return np.clip(x, min, max)
    y = x if min is None else np.maximum(x, min)
    return y if max is None else np.minimum(y, max)


def _in_single(*xs: Any) -> Any:
    """Convert Python's floats to single precision, as PyTorch does, if there is nothing else."""
    numbers = all(isinstance(x, int | float) for x in xs)
    return [*map(np.float32, xs)] if numbers and float in map(type, xs) else xs


@translates("aten.embedding")
def embedding(w: Any, index: Any, padding: int = -1, by_frequency: bool = False, *_: Any) -> Any:
    """Select rows of w; the row of the padding index gets no gradient."""
    if by_frequency:
        raise UnsupportedError("embedding: scale_grad_by_freq=True is not supported")
    rows = w[data_of(index)]
    if padding < 0:
        return rows
    return np.where((data_of(index) == padding)[..., None], data_of(rows), rows)


@translates("aten.div")
@_promoting
def div(x: Any, y: Any, rounding_mode: str | None = None) -> Any:
    """Compute x / y; if it is rounded, it has no gradient."""
    if rounding_mode is None:
        return np.divide(x, y)
    quotient = getattr(np, rounding_mode)(np.divide(x, y))
    return quotient.astype(np.int64) if np.result_type(x, y).kind in "iu" else quotient


@translates("aten.linalg_vector_norm")
def vector_norm(
    x: Any, order: float = 2, axes: Axes = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """Compute a p-norm. PyTorch's decomposition, by a root, has no gradient at zeros."""
    x, over = cast(x, dtype), axes_of(axes)
    if order == 0:
        return np.sum(data_of(x) != 0, axis=over, keepdims=keepdim).astype(x.dtype)
    if np.isinf(order):
        return SIMPLE["amax" if order > 0 else "amin"](np.abs(x), axes, keepdim)
    norm: Any = np.linalg.vector_norm
    return norm(x, ord=order, axis=over, keepdims=keepdim)


def _extreme(name: str) -> Callable[..., Any]:
    """Return max or min: of all elements, along an axis with indices, or of two operands."""

    def extreme(x: Any, axis: Any = None, keepdim: bool = False) -> Any:
        if axis is None:
            return getattr(Value, name)(x, ties="even")
        if not isinstance(axis, int):
            return SIMPLE[f"{name}imum"](x, axis)
        index = getattr(np, f"arg{name}")(data_of(x), axis=axis, keepdims=keepdim)
        return getattr(Value, name)(x, axis=axis, keepdims=keepdim), index

    return extreme


TRANSLATIONS.update({f"aten.{name}": _extreme(name) for name in ("max", "min")})


@translates("aten.var")
def var(x: Any, axes: Axes = None, correction: Any = 1, keepdim: bool = False) -> Any:
    """Compute the variance, with n − correction as divisor."""
    if isinstance(axes, bool):  # var(x, unbiased)
        return var(x, None, 1 if axes else 0)
    ddof = 1 if correction is None else correction
    return np.var(x, axis=axes_of(axes), ddof=ddof, keepdims=keepdim)


@translates("aten._safe_softmax")
def safe_softmax(x: Any, axis: int, dtype: Any = None) -> Any:
    """Compute softmax; where all elements are masked, by −∞, it and its gradient are 0."""
    masked = np.all(data_of(x) == -np.inf, axis=axis, keepdims=True)
    shares = operations.softmax(np.where(masked, 0.0, cast(x, dtype)), axis=axis)
    return np.where(masked, 0.0, shares)


def cast(x: Any, dtype: Any) -> Any:
    """Convert to a dtype, if it is one; a Value remains one only if the dtype is floating."""
    if not isinstance(dtype, np.dtype) or dtype == x.dtype:
        return x
    return x.astype(dtype) if dtype.kind == "f" else data_of(x).astype(dtype)


@translates("aten._to_copy", "aten.to")
def to(x: Any, *options: Any, dtype: Any = None, **_: Any) -> Any:
    """Convert to a dtype; a device has no meaning here."""
    return cast(x, next((d for d in (dtype, *options) if isinstance(d, np.dtype)), None))
