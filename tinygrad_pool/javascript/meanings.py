"""NumPy's functions in JavaScript.

A function that only moves elements runs here, on their flat indices, and becomes a list of them.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool.javascript.tracing import (
    SEEN,
    NotTraced,
    Places,
    bare,
    handles,
    moved,
    places,
    result,
    rounding,
    shaped,
    spread,
    tape_of,
    whole,
)
from tinygrad_pool.rules.arguments import Axis, Shape, axes_of

ELEMENTWISE: dict[Any, str] = {
    np.add: "{} + {}",
    np.subtract: "{} - {}",
    np.multiply: "{} * {}",
    np.divide: "{} / {}",
    np.negative: "-{}",
    np.positive: "{}",
    np.square: "{0} * {0}",
    np.reciprocal: "1 / {}",
    np.power: "pow({}, {})",
    np.less: "{} < {}",
    np.less_equal: "{} <= {}",
    np.greater: "{} > {}",
    np.greater_equal: "{} >= {}",
    np.equal: "{} === {}",
    np.not_equal: "{} !== {}",
    **dict.fromkeys((np.logical_not, np.invert), "!{}"),
    **dict.fromkeys((np.logical_or, np.bitwise_or), "!!({} || {})"),
    **dict.fromkeys((np.logical_and, np.bitwise_and), "!!({} && {})"),
    np.maximum: "max({}, {})",
    np.minimum: "min({}, {})",
    np.clip: "min(max({}, {}), {})",
    np.where: "{} ? {} : {}",
    np.isnan: "Number.isNaN({})",
    np.isfinite: "Number.isFinite({})",
    **dict.fromkeys((np.absolute, np.fabs), "Math.abs({})"),
    np.arctan2: "Math.atan2({}, {})",
    np.hypot: "Math.hypot({}, {})",
    np.exp2: "2 ** {}",
    np.rint: "rint({})",
    np.fmod: "{} % {}",
    **{getattr(np, name): f"Math.{name}({{}})" for name in (
        *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "sign"),
        *("sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "trunc"),
    )},
    **{getattr(np, f"arc{name}"): f"Math.a{name}({{}})" for name in (
        "sin", "cos", "tan", "sinh", "cosh", "tanh",
    )},
}  # fmt: skip
"""Elementwise functions. JavaScript's Math may differ from NumPy in the last digits."""

MOVES = (
    *(np.reshape, np.transpose, np.squeeze, np.expand_dims, np.broadcast_to, np.ravel),
    *(np.moveaxis, np.swapaxes, np.flip, np.roll, np.repeat, np.tile),
)
COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}


def _elementwise(function: Any, text: str, *xs: Any, **options: Any) -> Any:
    if options:
        raise NotTraced(f"it calls {function.__name__} with {', '.join(options)}=")
    if any(x is None for x in xs):
        raise NotTraced(f"it calls {function.__name__} with None")
    xs = tuple(np.asarray(x) if isinstance(x, list | tuple) else x for x in xs)
    with np.errstate(all="ignore"):
        numbers = np.asarray(function(*map(bare, xs)))
    return result(tape_of(xs), applied(text, xs, numbers, function in COMPARISONS), numbers)


def applied(text: str, xs: tuple[Any, ...], numbers: Any, seen: bool) -> str:
    """Write an elementwise function: of numbers, or of each element of arrays."""
    tape, kind = tape_of(xs), numbers.dtype
    if kind.kind not in "fbi":
        raise NotTraced(f"it computes numbers of dtype {kind}")
    dtype = np.result_type(*map(bare, xs))  # NumPy compares a float32 with a constant in float32
    xs = tuple(np.asarray(x, dtype) if bare(x) is x else x for x in xs)
    operands = [spread(x, numbers.shape, tape) for x in xs]
    letters = operands if not numbers.shape else [*"abc"[: len(xs)]]
    single = kind == np.float32 and not text.startswith(("max", "min", "{} ?"))
    text = text.format(*letters)
    text = f"Math.fround({text})" if single else text
    if numbers.shape:
        text = f"each({numbers.size}, ({', '.join(letters)}) => {text}, {', '.join(operands)})"
    return f"{SEEN}{text})" if seen else text


for _function, _text in ELEMENTWISE.items():
    handles(_function)(partial(_elementwise, _function, _text))


def _move(function: Any, x: Any, *order: Any, **options: Any) -> Any:
    return moved(x, function(places(x), *order, **options))


for _function in MOVES:
    handles(_function)(partial(_move, _function))

for _function in (np.shape, np.ndim, np.size, np.result_type, np.zeros_like, np.ones_like):
    handles(_function)(lambda *xs, ask=_function, **options: ask(*map(bare, xs), **options))


@handles("getitem")
def _getitem(x: Any, key: Any) -> Any:
    if isinstance(key, Places):
        return result(x.tape, f"take({x.text}, {key.text})", np.reshape(x.numbers, -1)[key.numbers])
    return moved(x, places(x)[key])


def joined(function: Any, xs: Any, axis: int = 0) -> Any:
    """Join the elements of several arrays, and rearrange them as the function does."""
    tape, numbers = tape_of(xs), [np.asarray(bare(x)) for x in xs]
    texts = [
        (whole if n.shape else spread)(x, n.shape, tape) for x, n in zip(xs, numbers, strict=True)
    ]
    flat = np.concatenate([n.reshape(-1) for n in numbers])
    starts = np.cumsum([0, *(n.size for n in numbers[:-1])])
    cells = [start + places(n) for start, n in zip(starts, numbers, strict=True)]
    return moved(result(tape, f"join({', '.join(texts)})", flat), function(cells, axis=axis))


for _function in (np.concatenate, np.stack):
    handles(_function)(partial(joined, _function))


# -- reductions


def rows_of(x: Any, axis: Axis) -> tuple[Any, Any, Shape]:
    """Rearrange x so that each reduced row is contiguous.

    Returns the rows, the flat index in x of each of their elements, and the axes.
    """
    axes = axes_of(x.shape, axis, "reduce")
    others = [i for i in range(x.ndim) if i not in axes]
    order = np.transpose(places(x), (*others, *axes)).reshape(-1)
    return moved(x, order), order, axes


def _reduction(
    function: Any, text: str, x: Any, axis: Axis = None, keepdims: bool = False, **options: Any
) -> Any:
    if options or not x.size:
        problem = f"with {', '.join(options)}=" if options else "on an empty array"
        raise NotTraced(f"it calls {function.__name__} {problem}")
    if not x.shape:
        return x
    with np.errstate(all="ignore"):
        numbers = function(x.numbers, axis=axis, keepdims=keepdims)
    rows, _, axes = rows_of(x, axis)
    n = prod(x.shape[i] for i in axes)
    expression = text.format(rows.text, n, _run(x.shape, axes), rounding(x.numbers))
    return shaped(result(x.tape, expression, np.reshape(numbers, -1)), np.shape(numbers))


def _run(shape: Shape, axes: Shape) -> int:
    """Count how many summands are contiguous in memory: NumPy adds those up pairwise."""
    count, i = 1, len(shape) - 1
    while i in axes or (i >= 0 and shape[i] == 1):
        count, i = count * shape[i], i - 1
    return count


handles(np.sum)(partial(_reduction, np.sum, "total({0}, {1}, {2}{3})"))
handles(np.max)(partial(_reduction, np.max, "best({0}, {1}, max)"))
handles(np.min)(partial(_reduction, np.min, "best({0}, {1}, min)"))
handles(np.prod)(partial(_reduction, np.prod, "best({0}, {1}, (x, w) => x * w)"))


def _running(function: Any, sign: str, x: Any, axis: int) -> Any:
    rows, order, (at,) = rows_of(x, axis)
    with np.errstate(all="ignore"):
        numbers = function(x.numbers, axis=axis)
    join = f"Math.fround(a {sign} b)" if rounding(numbers) else f"a {sign} b"
    text = f"running({rows.text}, {x.shape[at]}, (a, b) => {join})"
    flat = result(x.tape, text, np.reshape(numbers, -1)[order])
    return moved(flat, np.argsort(order).reshape(x.shape))


handles(np.cumsum)(partial(_running, np.cumsum, "+"))
handles(np.cumprod)(partial(_running, np.cumprod, "*"))


@handles(np.mean)
def _mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    total = np.sum(x, axis=axis, keepdims=keepdims)
    return total / (x.size / max(1, np.size(bare(total))))


@handles(np.matmul)
def _matmul(x: Any, w: Any) -> Any:
    tape, (n, k), m = tape_of((x, w)), np.shape(bare(x))[-2:], np.shape(bare(w))[-1]
    with np.errstate(all="ignore"):
        numbers = np.matmul(bare(x), bare(w))
    lead = numbers.shape[:-2]
    texts = [whole(x, (*lead, n, k), tape), whole(w, (*lead, k, m), tape)]
    sizes = f"{prod(lead)}, {n}, {k}, {m}{rounding(numbers)}"
    return result(tape, f"product({', '.join(texts)}, {sizes})", numbers)
