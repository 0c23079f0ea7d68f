"""PyTorch's elementwise operations, reductions and shapes on Values.

Each takes what the operation of its name in `torch.ops.aten` takes. NumPy's functions are used,
since they work on Values and on arrays alike: whole numbers and masks stay arrays.
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
log2 logical_and logical_not logical_or logical_xor remainder round sign sin sinh sqrt square
stack tan tanh tril triu trunc
"""
REDUCTIONS = "all any argmax argmin mean prod sum"
RENAMED = {
    **{"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh"},
    **{"atan": "arctan", "atan2": "arctan2", "atanh": "arctanh"},
    **{"eq": "equal", "ne": "not_equal", "lt": "less"},
    **{"le": "less_equal", "gt": "greater", "ge": "greater_equal", "bitwise_not": "invert"},
    **{"permute": "transpose", "unsqueeze": "expand_dims"},
}
"""Functions of NumPy's under PyTorch's names; what has no slope answers with plain numbers."""


def same(x: Any, *_: Any, **__: Any) -> Any:
    """Return x itself."""
    return x


def folded(name: str, **options: Any) -> Callable[..., Any]:
    """Return a maximum or minimum of any number of operands, of Values or of arrays."""
    on_values, on_arrays = getattr(operations, name), getattr(np, name)

    def fold(*xs: Any) -> Any:
        if any(isinstance(x, Value) for x in xs):
            return on_values(*xs, **options)
        return reduce(on_arrays, xs)

    return fold


def _along(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of rows along an axis."""
    return lambda x, axis, dtype=None: f(cast(x, dtype), axis=axis)


def _over(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a reduction over axes; none or an empty list means all."""
    return lambda x, axes=None, keepdim=False, dtype=None: f(
        cast(x, dtype), axis=axes_of(axes), keepdims=keepdim, **options
    )


SIMPLE: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in NUMPY.split()},
    **{name: getattr(np, numpy) for name, numpy in RENAMED.items()},
    **dict.fromkeys(("contiguous", "clone", "alias", "lift_fresh_copy", "lift_fresh"), same),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), operator.matmul),
    "sigmoid": operations.sigmoid,
    "relu": operations.relu,
    "add": lambda x, y, alpha=1: x + (y if alpha == 1 else y * alpha),
    "sub": lambda x, y, alpha=1: x - (y if alpha == 1 else y * alpha),
    "rsub": lambda x, y, alpha=1: y - (x if alpha == 1 else x * alpha),
    "neg": operator.neg,
    "mul": operator.mul,
    "pow": operator.pow,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "reciprocal": lambda x: np.divide(1.0, x),
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "maximum": folded("maximum", ties="even"),  # PyTorch pays half each
    "minimum": folded("minimum", ties="even"),
    "where": lambda mask, x, y: np.where(data_of(mask) != 0, *_of_one_dtype(x, y)),
    "masked_fill": lambda x, mask, y: np.where(data_of(mask), y, x),
    "sym_size": lambda x, axis: x.shape[axis],
    "detach": lambda x: x.detach() if isinstance(x, Value) else x,
    "embedding": lambda w, i, padding=-1, *given: _embedding(w, i, padding, *given),
    **{name: _over(getattr(np, name)) for name in REDUCTIONS.split()},
    "amax": _over(Value.max, ties="even"),
    "amin": _over(Value.min, ties="even"),
    "logsumexp": _over(operations.logsumexp),
    **{name: _along(getattr(np, name)) for name in ("cumsum", "cumprod")},
    **dict.fromkeys(("softmax", "_softmax"), _along(operations.softmax)),
    **dict.fromkeys(("log_softmax", "_log_softmax"), _along(operations.log_softmax)),
    "arange": lambda *bounds, dtype=None: np.arange(*bounds, dtype=dtype),
    "scalar_tensor": np.asarray,
    "rand_like": lambda x, **_: np.random.default_rng().random(x.shape).astype(x.dtype),
}
TRANSLATIONS.update({f"aten.{name}": f for name, f in SIMPLE.items()})
TRANSLATIONS.update({f"python.{name}": f for name, f in vars(operator).items() if callable(f)})
TRANSLATIONS["torch.sym_float"] = float


@translates("aten.clamp", "aten.clamp_min")
def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit x; a bound that a gradient reaches gets it where it holds."""
    if not isinstance(min, Value) and not isinstance(max, Value):
        return np.clip(x, min, max)
    y = x if min is None else np.maximum(x, min)
    return y if max is None else np.minimum(y, max)


TRANSLATIONS["aten.clamp_max"] = lambda x, max: clamp(x, None, max)


def _of_one_dtype(*xs: Any) -> Any:
    """Make single precision of Python's numbers, as PyTorch does, if there is nothing else."""
    alone = all(isinstance(x, int | float) for x in xs)
    return [*map(np.float32, xs)] if alone and float in map(type, xs) else xs


def _embedding(w: Any, index: Any, padding: int, by_frequency: bool = False, *_: Any) -> Any:
    if by_frequency:
        raise UnsupportedError("embedding: scale_grad_by_freq=True is not translated")
    rows = w[data_of(index)]
    if padding < 0:
        return rows
    return np.where((data_of(index) == padding)[..., None], data_of(rows), rows)


@translates("aten.div", "aten.true_divide")
def div(x: Any, y: Any, rounding_mode: str | None = None) -> Any:
    """Compute x / y; rounded, it has no slope."""
    if rounding_mode is None:
        return np.divide(x, y)
    quotient = getattr(np, rounding_mode)(np.divide(x, y))
    return quotient.astype(np.int64) if np.result_type(x, y).kind in "iu" else quotient


@translates("aten.linalg_vector_norm")
def vector_norm(
    x: Any, order: float = 2, axes: Axes = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """Compute a p-norm; PyTorch's own way, by a root, has no slope where all are 0."""
    x, over = cast(x, dtype), axes_of(axes)
    if order == 0:
        return np.sum(data_of(x) != 0, axis=over, keepdims=keepdim).astype(x.dtype)
    if np.isinf(order):
        return SIMPLE["amax" if order > 0 else "amin"](np.abs(x), axes, keepdim)
    norm: Any = np.linalg.vector_norm
    return norm(x, ord=order, axis=over, keepdims=keepdim)


def _extreme(name: str) -> Callable[..., Any]:
    """Return max or min: of all elements, along an axis with its places, or of two operands."""
    along, arg = getattr(Value, name), getattr(np, f"arg{name}")

    def extreme(x: Any, axis: Any = None, keepdim: bool = False) -> Any:
        if axis is None:
            return along(x, ties="even")
        if not isinstance(axis, int):
            return TRANSLATIONS[f"aten.{name}imum"](x, axis)
        index = arg(data_of(x), axis=axis, keepdims=keepdim)
        return along(x, axis=axis, keepdims=keepdim), index

    return extreme


TRANSLATIONS.update({f"aten.{name}": _extreme(name) for name in ("max", "min")})


@translates("aten.var")
def var(x: Any, axes: Axes = None, correction: Any = 1, keepdim: bool = False) -> Any:
    """Average the squared distance from the mean, over n − correction."""
    if isinstance(axes, bool):  # var(x, unbiased)
        return var(x, None, 1 if axes else 0)
    ddof = 1 if correction is None else correction
    return np.var(x, axis=axes_of(axes), ddof=ddof, keepdims=keepdim)


@translates("aten._safe_softmax")
def safe_softmax(x: Any, axis: int, dtype: Any = None) -> Any:
    """Compute softmax; where all is masked, by −∞, it is 0, and nothing is sent back."""
    masked = np.all(data_of(x) == -np.inf, axis=axis, keepdims=True)
    shares = operations.softmax(np.where(masked, 0.0, cast(x, dtype)), axis=axis)
    return np.where(masked, 0.0, shares)


def cast(x: Any, dtype: Any) -> Any:
    """Convert to a dtype; of a Value, to a floating one. None keeps it."""
    if not isinstance(dtype, np.dtype) or dtype == x.dtype:
        return x
    return x.astype(dtype) if dtype.kind == "f" else data_of(x).astype(dtype)


@translates("aten._to_copy", "aten.to")
def to(x: Any, *given: Any, dtype: Any = None, **_: Any) -> Any:
    """Convert to a dtype; where it lies does not matter here."""
    return cast(x, next((d for d in (dtype, *given) if isinstance(d, np.dtype)), None))


def _new(value: Any, like: bool) -> Callable[..., Any]:
    """Return what makes a constant array: of a shape, or of the shape of another."""

    def new(given: Any, *more: Any, dtype: Any = None) -> Any:
        fill = more[0] if value is None else value
        shape = np.shape(data_of(given)) if like else tuple(given)
        own = data_of(given).dtype if like else None
        if own is None and dtype is None:
            own = np.asarray(fill).dtype if isinstance(fill, bool | int) else np.dtype("float32")
        return np.full(shape, fill, dtype or own)

    return new


for _name, _fill in {"empty": 0.0, "zeros": 0.0, "ones": 1.0, "full": None}.items():
    TRANSLATIONS[f"aten.{_name}"] = _new(_fill, like=False)
    TRANSLATIONS[f"aten.{_name}_like"] = _new(_fill, like=True)


def axes_of(axes: Axes) -> int | tuple[int, ...] | None:
    """Return axes as NumPy takes them: an empty list is all of them."""
    return axes if isinstance(axes, int) else tuple(axes or ()) or None
