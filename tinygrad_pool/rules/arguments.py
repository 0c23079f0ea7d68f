"""Read what users pass: axes, indices, flags and whole numbers, one or one per axis."""

import operator
from collections.abc import Iterable, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.errors import AxisError, OptionError

Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = int | Sequence[int] | None
Rng: TypeAlias = "np.random.Generator | int | None"  # in quotes: NumPy loads np.random on use
"""A random generator, a seed, or None for numbers that nobody chose."""

Key: TypeAlias = Any
"""Whatever NumPy takes between square brackets."""


def axes_of(shape: Shape, axis: Axis, name: str) -> Shape:
    """List the axes that `axis` names, counted from 0, in order; None names all.

    Raises AxisError if one is out of range or named twice.

    >>> axes_of((2, 3, 4), (-1, 0), "sum")
    (0, 2)
    """
    if axis is None:
        return tuple(range(len(shape)))
    axes = []
    for given in axis if isinstance(axis, Sequence) else (axis,):
        number = whole(given, f"{name}: axis")
        if not -len(shape) <= number < len(shape):
            raise AxisError(f"{name}: axis {number} is out of range for shape {shape}")
        axes.append(number % len(shape))
    if len(set(axes)) < len(axes):
        raise AxisError(f"{name}: axis {axis} names an axis of shape {shape} twice")
    return tuple(sorted(axes))


def kept(shape: Shape, axes: Shape) -> Shape:
    """Shrink the given axes to length 1: the shape of a reduction that keeps its axes.

    >>> kept((2, 3, 4), (0, 2))
    (1, 3, 1)
    """
    return tuple(1 if i in axes else length for i, length in enumerate(shape))


def whole(number: object, what: str) -> int:
    """Read a whole number. Raises AxisError, which names `what`, for anything else (NaN, 1.5, "1").

    >>> whole(2, "sum: axis")
    2
    """
    if not isinstance(number, bool):
        with suppress(TypeError):
            return operator.index(number)  # type: ignore[arg-type]  # anything may come
    raise AxisError(f"{what} must be a whole number, got {number!r}")


def count_of(given: object, what: str, least: float = -np.inf, most: float = np.inf) -> int:
    """Read a whole number from `least` to `most`, NumPy's too.

    Raises OptionError, which names `what`, for anything else.

    >>> count_of(np.int64(2), "draw: rows", 1)
    2
    """
    with suppress(AxisError):
        if least <= (number := whole(given, what)) <= most:
            return number
    wanted = f" of at least {least}" if least > -np.inf else ""
    wanted = f" from {least} to {most:,}" if most < np.inf else wanted
    raise OptionError(f"{what} must be a whole number{wanted}, got {given!r:.80}")


def place_of(index: Any, shape: Shape, what: str) -> Shape | None:
    """Read the index of one element, counted from the end where it is negative; None if out of it.

    Raises AxisError, which names `what`, if it is not an integer.

    >>> place_of((0, -1), (2, 3), "why: index"), place_of(3, (3,), "why: index")
    ((0, 2), None)
    """
    several = isinstance(index, Sequence) or np.ndim(index) == 1
    place = tuple(whole(k, what) for k in (index if several else (index,)))
    if len(place) != len(shape) or any(not -n <= k < n for k, n in zip(place, shape, strict=True)):
        return None
    return tuple(k % n for k, n in zip(place, shape, strict=True))


def flag(given: object, what: str) -> bool:
    """Read True or False. Raises OptionError, which names `what`, for anything else (1, "no").

    >>> flag(True, "sum: keepdims")
    True
    """
    if not isinstance(given, bool | np.bool_):
        raise OptionError(f"{what} must be True or False, got {given!r}")
    return bool(given)


def choice(given: object, among: Iterable[str], what: str) -> str:
    """Read one of some words. Raises OptionError, which names `what`, for anything else.

    >>> choice("up", ("LR", "TB"), "draw: direction")
    Traceback (most recent call last):
    tinygrad_pool.errors.OptionError: draw: direction must be one of 'LR', 'TB', got 'up'
    """
    words = tuple(among)
    if not isinstance(given, str) or given not in words:
        listed = ", ".join(map(repr, words))
        raise OptionError(f"{what} must be one of {listed}, got {given!r:.80}")
    return given


def text(given: object, what: str) -> str:
    """Read text. Raises OptionError, which names `what`, for anything else (3, None).

    Half of a surrogate pair is not a character: nothing could print it or write it to a file.

    >>> text("A neuron", "draw: title")
    'A neuron'
    """
    if not isinstance(given, str):
        raise OptionError(f"{what} must be text, got {given!r:.80}")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise OptionError(
            f"{what} must be text without lone surrogates, got {given!r:.80}"
        ) from None
    return given


def numbers(name: str, option: str, given: Any, count: int, least: int) -> Shape:
    """Read one whole number for all of `count`, or one each.

    Raises OptionError below `least`, and where NumPy could not count as far.

    >>> numbers("conv2d", "stride", 3, 2, least=1)
    (3, 3)
    """
    numbers = each(given, count)
    if len(numbers) != count:
        raise OptionError(f"{name}: {option} needs one number or {count}, got {given!r}")
    try:
        whole_numbers = tuple(whole(n, option) for n in numbers)
    except AxisError:
        raise OptionError(f"{name}: {option} must be whole numbers, got {given!r}") from None
    if any(n < least for n in whole_numbers):
        raise OptionError(f"{name}: {option} must be at least {least}, got {given!r}")
    if any(n >= 2**31 for n in whole_numbers):
        raise OptionError(f"{name}: {option} must be below 2**31, got {given!r:.80}")
    return whole_numbers


def listed(given: Any) -> list[Any]:
    """List what was given; what cannot be listed is one thing.

    >>> listed("ab"), listed(3)
    (['a', 'b'], [3])
    """
    try:
        return list(given)
    except TypeError:
        return [given]


def each(given: Any, count: int) -> Sequence[Any]:
    """Return what was given for each of `count`: one thing is repeated; text is one thing."""
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    return given if several else (given,) * count


def real(given: object, what: str, least: float = -np.inf, most: float = np.inf) -> float:
    """Read a number from `least` to `most`. Raises OptionError, which names `what`, for any other.

    >>> real(1, "softplus: beta", least=0.0)
    1.0
    """
    read = np.nan
    if isinstance(given, Real) and not isinstance(given, bool):
        with suppress(OverflowError):
            read = float(given)
    if not least <= read <= most:
        bounds = f", {least:g} … {most:g}" if most < np.inf else f" of at least {least:g}"
        wanted = "" if least == -np.inf else bounds
        raise OptionError(f"{what} must be a number{wanted}, got {given!r:.80}")
    return read


def floating(dtype: Any, what: str) -> np.dtype[Any]:
    """Read a floating dtype. Raises OptionError, which names `what`, for any other.

    >>> floating("float32", "digits: dtype")
    dtype('float32')
    """
    try:
        read: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        read = np.dtype(object)
    if read.kind != "f":
        raise OptionError(f"{what} must be a floating-point type, got {dtype!r}")
    return read


def generator(rng: Any, name: str) -> "np.random.Generator":
    """Return a random generator, of a seed or the one given; None is a new one.

    Raises OptionError, which names who asks, for anything else.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise OptionError(
            f"{name}: rng must be a NumPy generator or a seed, got {rng!r:.80}"
        ) from None
