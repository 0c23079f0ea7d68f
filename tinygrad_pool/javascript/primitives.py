"""Our own primitives and observations in JavaScript: windows, weights, and winners."""

from __future__ import annotations

from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_pool.javascript.meanings import applied, joined, rows_of
from tinygrad_pool.javascript.tracing import (
    SEEN,
    Mask,
    Places,
    Tape,
    Traced,
    bare,
    handles,
    moved,
    places,
    result,
    rounding,
    shaped,
    tape_of,
    undispatched,
    whole,
)
from tinygrad_pool.rules.arguments import Key, Shape, kept
from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.masks import truth
from tinygrad_pool.rules.pooling import winning_links
from tinygrad_pool.rules.shaping import cast, scatter
from tinygrad_pool.rules.sparse_weights import Weights, weigh
from tinygrad_pool.rules.tie_breaking import Ties, winners, winners_among
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import AnyWindows


@handles(scatter)
def _scatter(g: Any, *, key: Key, shape: Shape) -> Any:
    numbers = undispatched(scatter)(g.numbers, key=bare(key), shape=shape)
    if isinstance(key, Places):
        values, to = g.text, key.text
    else:
        cells = np.atleast_1d(np.arange(prod(shape)).reshape(shape)[key])
        values, to = whole(g, cells.shape, g.tape), g.tape.constant(cells)
    return _added_up(g.tape, values, to, numbers)


def _added_up(tape: Tape, values: str, to: str, numbers: Any) -> Any:
    """Write a sum of values per flat index `to`; `numbers` are the results."""
    text = f"scatter({values}, {to}, {np.size(numbers)}{rounding(numbers)})"
    return shaped(result(tape, text, np.reshape(numbers, -1)), np.shape(numbers))


@handles(unfold)
def _unfold(x: Any, *, windows: AnyWindows) -> Any:
    return moved(x, undispatched(unfold)(places(x) + 1, windows=windows) - 1)


@handles(fold)
def _fold(g: Any, *, windows: AnyWindows, shape: Shape) -> Any:
    at = np.arange(1, prod(shape) + 1).reshape(shape)
    cells = undispatched(unfold)(at, windows=windows) - 1
    numbers = undispatched(fold)(g.numbers, windows=windows, shape=shape)
    values = whole(g, cells.shape, g.tape)
    return _added_up(g.tape, values, g.tape.constant(cells), numbers)


@handles(truth)
def _truth(mask: Any) -> Any:
    return mask if isinstance(mask, Mask) else np.not_equal(mask, 0.0)


@handles(cast)
def _cast(x: Any, *, dtype: Any) -> Any:
    numbers = x.numbers.astype(dtype)
    if numbers.dtype.itemsize < x.dtype.itemsize:
        rounded = "Math.fround({})"
        return result(x.tape, applied(rounded, (x,), np.asarray(x.numbers), False), numbers)
    return Traced(x.tape, x.text, numbers)


@handles(weigh)
def _weigh(*xs: Any, weights: tuple[Weights, ...]) -> Any:
    tape = tape_of(xs)
    numbers = undispatched(weigh)(*map(bare, xs), weights=weights)
    values, units = [], []
    for x, W in zip(xs, weights, strict=True):
        links = W.carrying()
        wide = np.broadcast_to(x, W.x_shape) if np.shape(bare(x)) != W.x_shape else x
        cells = np.reshape(wide, -1)[links.cell]
        weighed = np.reshape(links.weight.astype(numbers.dtype) * cells, -1)
        values.append(whole(weighed, np.shape(bare(weighed)), tape))
        units.append(links.unit)
    to = tape.constant(np.concatenate(units))
    return _added_up(tape, f"join({', '.join(values)})", to, numbers)


# -- winners


@handles(winners)
def _winners(x: Any, axes: Shape, *, ties: Ties, name: str, least: bool = False) -> tuple[Any, Any]:
    won, n = undispatched(winners)(x.numbers, axes, ties=ties, name=name, least=least)
    rows, order, axes = rows_of(x, axes)
    each = prod(x.shape[i] for i in axes)
    mask, n = _row_winners(rows, each, ties, least, np.reshape(won, -1)[order], n)
    mask = moved(mask, np.argsort(order).reshape(x.shape))
    return mask, n if isinstance(n, int) else shaped(n, kept(x.shape, axes))


def _row_winners(
    rows: Any, each: int, ties: Ties, least: bool, won: Any, n: Any
) -> tuple[Any, Traced | int]:
    """Write the winners in rows of length `each`, and the number of winners in each row."""
    text = f'{SEEN}winners({rows.text}, {each}, "{ties}", {"min" if least else "max"}))'
    mask = result(rows.tape, text, won)
    if isinstance(n, int):
        return mask, n
    return mask, result(rows.tape, f"total({mask.text}, {each}, {each})", np.reshape(n, -1))


@handles(winners_among)
def _winners_among(*xs: Any, ties: Ties, name: str, least: bool = False) -> tuple[list[Any], Any]:
    won, n = undispatched(winners_among)(*map(bare, xs), ties=ties, name=name, least=least)
    shape = np.shape(won[0])
    stacked = joined(np.stack, [np.broadcast_to(x, shape) for x in xs], axis=-1)
    rows = shaped(stacked, (stacked.size,))
    flat = np.stack(won, axis=-1).reshape(-1)
    mask, n = _row_winners(rows, len(xs), ties, least, flat, n)
    at = places(np.zeros((*shape, len(xs))))
    masks = [moved(mask, at[..., i]) for i in range(len(xs))]
    return masks, n if isinstance(n, int) else shaped(n, shape)


@handles(winning_links)
def _winning_links(x: Any, *, windows: AnyWindows, ties: Ties) -> SimpleNamespace:
    links = undispatched(winning_links)(x.numbers, windows=windows, ties=ties)
    space = x.shape[x.ndim - len(windows.kernel) :]
    cells = cells_of(windows, space)
    planes = np.arange(x.size // prod(space)).reshape(-1, *(1,) * cells.ndim) * prod(space)
    seen = x.tape.constant(np.where(cells >= 0, planes + cells, -1))
    text = x.tape.line(f'links({x.text}, {seen}, {prod(windows.kernel)}, "{ties}")')
    x.tape.line(f"{SEEN}{text}.cell)")
    n: Any = links.n if isinstance(links.n, int) else Traced(x.tape, f"{text}.n", links.n)
    names = ("unit", "cell", "first")
    return SimpleNamespace(n=n, **{k: Places(f"{text}.{k}", getattr(links, k)) for k in names})
