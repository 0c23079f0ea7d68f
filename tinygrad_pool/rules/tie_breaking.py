"""The winners of a maximum, also where several units tie."""

from collections.abc import Callable, Sequence
from math import isnan, prod
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, TieError
from tinygrad_pool.rules.arguments import Shape, choice
from tinygrad_pool.rules.primitive import PYTHON, observation
from tinygrad_pool.rules.rule import Array

Ties: TypeAlias = Literal["first", "last", "even", "error"]
TIES: tuple[Ties, ...] = get_args(Ties)
Mask: TypeAlias = NDArray[np.bool_]


def check_ties(ties: object, name: str) -> None:
    """Raise OptionError unless `ties` is one of the four ways to settle a tie."""
    choice(ties, TIES, f"{name}: ties")


@observation
def winners(
    x: Array,
    axes: Shape,
    *,
    ties: Ties,
    name: str,
    least: bool = False,
    units: Mask | None = None,
    unit_at: Callable[[Shape], Sequence[Any]] = tuple,
) -> tuple[Mask, NDArray[np.int64] | int]:
    """Find the winners of the maximum over `axes`, or of the minimum, in row-major order.

    Returns the mask [l == l_max], of x's shape, and the number n of winners that share each
    gradient, 1 unless ties="even". NaN beats every number. Places where `units` is False are not
    units and never win.

    Raises TieError if ties="error" and two units share a maximum; the message names each unit by
    `unit_at(place in x)`.

    >>> winners(np.array([1.0, 3.0, 3.0]), (0,), ties="first", name="max")[0]
    array([False,  True, False])
    """
    check_ties(ties, name)
    x = np.asarray(x)
    if units is not None:
        x = np.where(units, x, -np.inf)
    elif ties in ("first", "last"):
        return _single_winners(x, axes, ties, least), 1
    top = (np.min if least else np.max)(x, axis=axes, keepdims=True)
    hits = (x == top) | (np.isnan(x) & np.isnan(top))
    if units is not None:
        hits &= units
    if ties == "even":
        return hits, hits.sum(axis=axes, keepdims=True)
    if ties == "error" and (hits.sum(axis=axes) > 1).any():
        tied = _first_tie(hits, axes)
        shared = f"the {'minimum' if least else 'maximum'} {x[tied[0]]:g}"
        listed = ", ".join(str(tuple(map(int, unit_at(place)))) for place in tied[:8])
        more = f" and {len(tied) - 8} more" if len(tied) > 8 else ""
        raise TieError(
            f"{name}: units {listed}{more} share {shared}, and ties='error' allows one winner; "
            "ties='first', 'last' or 'even' breaks the tie"
        )
    return _single_winners(hits, axes, ties, least=False), 1


def first_wins(x: Array, w: Array, least: bool = False) -> Any:
    """Return where x wins: where it is at least as large as w (with `least`, as small), or NaN.

    >>> first_wins(2.0, 2.0), first_wins(np.array([1.0, np.nan]), 2.0)
    (True, array([False,  True]))
    """
    if type(x) is float and type(w) is float:
        return (x <= w if least else x >= w) or x != x  # noqa: PLR0124  # only NaN is not itself
    if type(x) is type(w) is np.ndarray:
        return (x <= w if least else x >= w) | (x != x)  # noqa: PLR0124
    return _first_wins(x, w, least)


@observation
def _first_wins(x: Array, w: Array, least: bool) -> Any:
    if type(x) in PYTHON and type(w) in PYTHON:
        return first_wins(float(x), float(w), least)
    return (np.less_equal if least else np.greater_equal)(x, w) | np.isnan(x)


@observation
def winners_among(
    *xs: Array, ties: Ties, name: str, least: bool = False
) -> tuple[Sequence[Any], NDArray[np.int64] | int]:
    """Find where each of several operands wins, like `winners` for the elements of one array.

    >>> winners_among(np.array([1.0, 3.0]), 3.0, ties="first", name="maximum")
    ([array([False,  True]), array([ True, False])], 1)
    """
    if not xs:
        raise OptionError(f"{name}: needs at least one operand, got none")
    if ties != "first":
        stacked = np.stack(np.broadcast_arrays(*xs), dtype=np.result_type(*xs))
        won, n = winners(stacked, (0,), ties=ties, name=name, least=least)
        return list(won), n
    best, *others = [np.asarray(x, np.result_type(*xs)) for x in xs]
    k = np.zeros(best.shape, np.intp)
    for i, x in enumerate(others, 1):
        best_wins = _first_wins(best, x, least)
        k, best = np.where(best_wins, k, i), np.where(best_wins, best, x)
    return [k == i for i in range(len(xs))], 1


def first_winner(xs: Sequence[float], least: bool = False) -> int:
    """Return the index of the first NaN or, if there is none, of the first largest or smallest.

    >>> first_winner([1.0, 3.0, 3.0]), first_winner([1.0, 3.0], least=True)
    (1, 0)
    """
    if isnan(sum(xs)):
        for k, x in enumerate(xs):
            if isnan(x):
                return k
    return xs.index(min(xs) if least else max(xs))


def _single_winners(x: Array, axes: Shape, ties: Ties, least: bool) -> Mask:
    """Find the first or the last winner over `axes`, in row-major order; NaN beats numbers."""
    others = [i for i in range(x.ndim) if i not in axes]
    rows = x.transpose(*others, *axes)
    flat = rows.reshape([x.shape[i] for i in others] + [prod(x.shape[i] for i in axes)])
    seen = flat[..., ::-1] if ties == "last" else flat
    k = (seen.argmin if least else seen.argmax)(axis=-1)
    if ties == "last":
        k = flat.shape[-1] - 1 - k
    won = np.zeros(flat.shape, bool)
    np.put_along_axis(won, k[..., None], True, axis=-1)
    return won.reshape(rows.shape).transpose(*np.argsort([*others, *axes]))


def _first_tie(hits: Mask, axes: Shape) -> list[Shape]:
    """List the places of the first winners that share one maximum."""
    places = [tuple(p) for p in np.argwhere(hits & (hits.sum(axis=axes, keepdims=True) > 1))]
    others = [i for i in range(hits.ndim) if i not in axes]
    return [p for p in places if all(p[i] == places[0][i] for i in others)]
