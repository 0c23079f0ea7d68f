"""What NumPy's functions and our primitives mean in JavaScript.

A function that only moves numbers is carried out here, on their places: what is left is a list.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.javascript.tracing import (
    SEEN,
    Choice,
    NotTraced,
    Places,
    Tape,
    Traced,
    bare,
    behind,
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
from tinygrad_pool.rules.arguments import Axis, Key, Shape, axes_of, kept
from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.masks import keep_elements, truth
from tinygrad_pool.rules.pooling import winning_links
from tinygrad_pool.rules.shaping import cast, scatter
from tinygrad_pool.rules.sparse_weights import Weights, weigh
from tinygrad_pool.rules.tie_breaking import Ties, winners, winners_among
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import AnyWindows

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
    np.logical_not: "!{}",
    np.invert: "!{}",
    np.logical_or: "!!({} || {})",
    np.bitwise_or: "!!({} || {})",
    np.logical_and: "!!({} && {})",
    np.bitwise_and: "!!({} && {})",
    np.maximum: "max({}, {})",
    np.minimum: "min({}, {})",
    np.clip: "min(max({}, {}), {})",
    np.where: "{} ? {} : {}",
    np.isnan: "Number.isNaN({})",
    np.isfinite: "Number.isFinite({})",
    np.absolute: "Math.abs({})",
    np.fabs: "Math.abs({})",
    np.arctan2: "Math.atan2({}, {})",
    np.hypot: "Math.hypot({}, {})",
    **{getattr(np, name): f"Math.{name}({{}})" for name in (
        *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "sign"),
        *("sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "trunc"),
    )},
    **{getattr(np, f"arc{name}"): f"Math.a{name}({{}})" for name in (
        "sin", "cos", "tan", "sinh", "cosh", "tanh",
    )},
}  # fmt: skip
"""Functions of numbers. NumPy's numbers that Math's functions give differ by the last digits."""

MOVES = (
    *(np.reshape, np.transpose, np.squeeze, np.expand_dims, np.broadcast_to, np.ravel),
    *(np.moveaxis, np.swapaxes, np.flip, np.roll, np.repeat, np.tile),
)
COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}


def _elementwise(function: Any, text: str) -> Any:
    def apply(*xs: Any, **options: Any) -> Any:
        if options:
            raise NotTraced(f"it calls {function.__name__} with {', '.join(options)}")
        with np.errstate(all="ignore"):
            numbers = np.asarray(function(*map(bare, xs)))
        tape = tape_of(xs)
        return result(tape, _applied(text, xs, numbers, function in COMPARISONS), numbers)

    return apply


def _applied(text: str, xs: tuple[Any, ...], numbers: Any, seen: bool) -> str:
    """Write a function of numbers: as it is, or for each element."""
    tape, kind = tape_of(xs), numbers.dtype
    if kind.kind not in "fbi":
        raise NotTraced("its numbers are no floats")
    operands = [spread(x, numbers.shape, tape) for x in xs]
    letters = operands if not numbers.shape else [*"abc"[: len(xs)]]
    single = kind == np.float32 and not text.startswith(("max", "min", "{} ?"))
    text = text.format(*letters)
    text = f"Math.fround({text})" if single else text
    if numbers.shape:
        text = f"each({numbers.size}, ({', '.join(letters)}) => {text}, {', '.join(operands)})"
    return f"{SEEN}{text})" if seen else text


for _function, _text in ELEMENTWISE.items():
    handles(_function)(_elementwise(_function, _text))


def _moves(function: Any) -> Any:
    def move(x: Any, *order: Any, **options: Any) -> Any:
        return moved(x, function(places(x), *order, **options))

    return move


for _function in MOVES:
    handles(_function)(_moves(_function))

for _function in (np.shape, np.ndim, np.size, np.result_type, np.zeros_like, np.ones_like):
    handles(_function)(lambda *xs, ask=_function, **options: ask(*map(bare, xs), **options))


@handles("getitem")
def _getitem(x: Any, key: Any) -> Any:
    if isinstance(key, Places):
        return result(x.tape, f"take({x.text}, {key.text})", np.reshape(x.numbers, -1)[key.numbers])
    return moved(x, places(x)[key])


@handles(np.concatenate)
def _concatenate(xs: Any, axis: int = 0) -> Any:
    return _joined(np.concatenate, xs, axis)


@handles(np.stack)
def _stack(xs: Any, axis: int = 0) -> Any:
    return _joined(np.stack, xs, axis)


def _joined(function: Any, xs: Any, axis: int) -> Any:
    """Write the numbers of several arrays one after the other, and move them to their places."""
    tape, numbers = tape_of(xs), [np.asarray(bare(x)) for x in xs]
    texts = [
        whole(x, np.shape(x), tape) if x.shape else spread(x, (), tape) for x in map(_kept, xs)
    ]
    flat = np.concatenate([n.reshape(-1) for n in numbers])
    starts = np.cumsum([0, *(n.size for n in numbers[:-1])])
    cells = [start + places(n) for start, n in zip(starts, numbers, strict=True)]
    return moved(result(tape, f"join({', '.join(texts)})", flat), function(cells, axis=axis))


def _kept(x: Any) -> Any:
    return x if isinstance(x, Traced | Choice) else np.asarray(x)


# -- reductions


def _rows(x: Any, axis: Axis) -> tuple[Any, Shape, Shape]:
    """Lay out what is reduced together side by side; return it, the shape kept, and the axes."""
    axes = axes_of(x.shape, axis, "reduce")
    others = [i for i in range(x.ndim) if i not in axes]
    rows = moved(x, np.transpose(places(x), (*others, *axes)).reshape(-1))
    return rows, kept(x.shape, axes), axes


def _reduction(function: Any, text: str) -> Any:
    def reduce(x: Any, axis: Axis = None, keepdims: bool = False, **options: Any) -> Any:
        if options or not x.size:
            raise NotTraced(f"it calls {function.__name__} of nothing, or with {[*options]}")
        if not x.shape:
            return x
        with np.errstate(all="ignore"):
            numbers = function(x.numbers, axis=axis, keepdims=keepdims)
        rows, column, axes = _rows(x, axis)
        n = prod(x.shape[i] for i in axes)
        run = _run(x.shape, axes)
        said = text.format(rows.text, n, run, rounding(x.numbers))
        flat = result(x.tape, said, np.reshape(np.asarray(numbers), -1))
        return shaped(flat, np.shape(numbers)) if column else flat

    return reduce


def _run(shape: Shape, axes: Shape) -> int:
    """Count how many numbers that are added up lie side by side: NumPy adds those in pairs."""
    count, i = 1, len(shape) - 1
    while i in axes or (i >= 0 and shape[i] == 1):
        count, i = count * shape[i], i - 1
    return count


handles(np.sum)(_reduction(np.sum, "total({0}, {1}, {2}{3})"))
handles(np.max)(_reduction(np.max, "best({0}, {1}, max)"))
handles(np.min)(_reduction(np.min, "best({0}, {1}, min)"))


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


# -- primitives of ours


@handles(scatter)
def _scatter(g: Any, *, key: Key, shape: Shape) -> Any:
    numbers = behind(scatter)(g.numbers, key=bare(key), shape=shape)
    if isinstance(key, Places):
        values, to = g.text, key.text
    else:
        cells = np.atleast_1d(np.arange(prod(shape)).reshape(shape)[key])
        values, to = whole(g, cells.shape, g.tape), g.tape.constant(cells)
    text = f"scatter({values}, {to}, {prod(shape)}{rounding(numbers)})"
    flat = result(g.tape, text, np.reshape(numbers, -1))
    return shaped(flat, shape)


@handles(unfold)
def _unfold(x: Any, *, windows: AnyWindows) -> Any:
    return moved(x, behind(unfold)(places(x) + 1, windows=windows) - 1)


@handles(fold)
def _fold(g: Any, *, windows: AnyWindows, shape: Shape) -> Any:
    at = np.arange(1, prod(shape) + 1).reshape(shape)
    cells = behind(unfold)(at, windows=windows) - 1
    numbers = behind(fold)(g.numbers, windows=windows, shape=shape)
    texts = [whole(g, cells.shape, g.tape), g.tape.constant(cells)]
    text = f"scatter({', '.join(texts)}, {prod(shape)}{rounding(numbers)})"
    return shaped(result(g.tape, text, np.reshape(numbers, -1)), shape)


@handles(truth)
def _truth(mask: Any) -> Any:
    return mask if isinstance(mask, Choice) else np.not_equal(mask, 0.0)


@handles(keep_elements)
def _keep(x: Any, *, mask: Any) -> Any:
    return np.where(mask, x, 0.0)


@handles(cast)
def _cast(x: Any, *, dtype: Any) -> Any:
    numbers = x.numbers.astype(dtype)
    if numbers.dtype.itemsize < x.dtype.itemsize:
        rounded = "Math.fround({})"
        return result(x.tape, _applied(rounded, (x,), np.asarray(x.numbers), False), numbers)
    return Traced(x.tape, x.text, numbers)


@handles(weigh)
def _weigh(*xs: Any, weights: tuple[Weights, ...]) -> Any:
    tape = tape_of(xs)
    numbers = behind(weigh)(*map(bare, xs), weights=weights)
    values, units = [], []
    for x, W in zip(xs, weights, strict=True):
        links = W.carrying()
        wide = np.broadcast_to(x, W.x_shape) if np.shape(bare(x)) != W.x_shape else x
        seen = np.reshape(wide, -1)[links.cell]
        weighed = np.reshape(links.weight.astype(numbers.dtype) * seen, -1)
        values.append(whole(weighed, np.shape(bare(weighed)), tape))
        units.append(links.unit)
    to = tape.constant(np.concatenate(units))
    size = f"{numbers.size}{rounding(numbers)}"
    text = f"scatter(join({', '.join(values)}), {to}, {size})"
    return shaped(result(tape, text, np.reshape(numbers, -1)), numbers.shape)


# -- who wins


@handles(winners)
def _winners(x: Any, axes: Shape, *, ties: Ties, name: str, least: bool = False) -> tuple[Any, Any]:
    won, n = behind(winners)(x.numbers, axes, ties=ties, name=name, least=least)
    rows, column, _axes = _rows(x, axes)
    each = prod(x.shape[i] for i in axes)
    others = [i for i in range(x.ndim) if i not in axes]
    back = np.transpose(places(x), (*others, *axes)).reshape(-1)
    flat = np.reshape(won, -1)[back]
    mask, n = _found(rows, each, ties, least, flat, n)
    mask = moved(mask, np.argsort(back).reshape(x.shape))
    return mask, n if isinstance(n, int) else shaped(n, column)


def _found(
    rows: Any, each: int, ties: Ties, least: bool, won: Any, n: Any
) -> tuple[Any, Traced | int]:
    """Write who wins in rows of so many, and how many share each maximum."""
    text = f'{SEEN}winners({rows.text}, {each}, "{ties}", {"min" if least else "max"}))'
    mask = result(rows.tape, text, won)
    if isinstance(n, int):
        return mask, n
    return mask, result(rows.tape, f"total({mask.text}, {each}, {each})", np.reshape(n, -1))


@handles(winners_among)
def _winners_among(*xs: Any, ties: Ties, name: str, least: bool = False) -> tuple[list[Any], Any]:
    won, n = behind(winners_among)(*map(bare, xs), ties=ties, name=name, least=least)
    shape = np.shape(won[0])
    stacked = _stack([_wide(x, shape, tape_of(xs)) for x in xs], axis=-1)
    rows = shaped(stacked, (stacked.size,))
    flat = np.stack(won, axis=-1).reshape(-1)
    mask, n = _found(rows, len(xs), ties, least, flat, n)
    at = places(np.zeros((*shape, len(xs))))
    masks = [moved(mask, at[..., i]) for i in range(len(xs))]
    return masks, n if isinstance(n, int) else shaped(n, shape)


def _wide(x: Any, shape: Shape, tape: Tape) -> Any:
    """Bring an operand to a shape."""
    if isinstance(x, Traced):
        return moved(x, np.broadcast_to(places(x), shape))
    return Traced(tape, tape.constant(np.broadcast_to(x, shape)), np.broadcast_to(x, shape))


class Links(NamedTuple):
    """The winners of every window, found when the program runs."""

    unit: Places
    cell: Places
    n: Any
    first: Places


@handles(winning_links)
def _winning_links(x: Any, *, windows: AnyWindows, ties: Ties = "first") -> Links:
    found = behind(winning_links)(x.numbers, windows=windows, ties=ties)
    space = x.shape[x.ndim - len(windows.kernel) :]
    cells = cells_of(windows, space)
    planes = np.arange(x.size // prod(space)).reshape(-1, *(1,) * cells.ndim) * prod(space)
    seen = x.tape.constant(np.where(cells >= 0, planes + cells, -1))
    text = x.tape.line(f'links({x.text}, {seen}, {prod(windows.kernel)}, "{ties}")')
    x.tape.line(f"{SEEN}{text}.cell)")
    n = found.n
    if not isinstance(n, int):
        n = Traced(x.tape, f"{text}.n", n)
    unit, cell = Places(f"{text}.unit", found.unit), Places(f"{text}.cell", found.cell)
    return Links(unit, cell, n, Places(f"{text}.first", found.first))
