"""Check and convert arguments from users: axes, indices, flags and numbers."""

import operator
from collections.abc import Iterable, Sequence
from contextlib import suppress
from numbers import Complex, Number, Real
from typing import Any, SupportsFloat, TypeAlias, TypeGuard

import numpy as np

from tinygrad_pool.errors import AxisError, OptionError

Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = int | Sequence[int] | None
Rng: TypeAlias = "np.random.Generator | int | None"  # in quotes: NumPy loads np.random on use
"""A random generator, a seed, or None for a random seed."""

POSITIVE = np.finfo(float).tiny
"""The smallest normal number, as the bound of options that must be above 0."""

Key: TypeAlias = Any
"""Any index that NumPy accepts between square brackets."""


def axes_of(shape: Shape, axis: Axis, name: str) -> Shape:
    """Return the axes that `axis` names, counted from 0, in increasing order; None names all.

    Raises AxisError if one is out of range or named twice.

    >>> axes_of((2, 3, 4), (-1, 0), "sum")
    (0, 2)
    """
    return tuple(sorted(named_axes(shape, axis, name)))


def named_axes(shape: Shape, axis: Axis, name: str) -> Shape:
    """Return the axes that `axis` names, like `axes_of`, but in the given order.

    >>> named_axes((2, 3, 4), (-1, 0), "gradient")
    (2, 0)
    """
    if axis is None:
        return tuple(range(len(shape)))
    axes = []
    for item in axis if isinstance(axis, Sequence) else (axis,):
        number = whole(item, f"{name}: axis")
        if not -len(shape) <= number < len(shape):
            raise AxisError(f"{name}: axis {number} is out of range for shape {shape}")
        axes.append(number % len(shape))
    if len(set(axes)) < len(axes):
        raise AxisError(f"{name}: axis {axis} names an axis of shape {shape} twice")
    return tuple(axes)


def kept(shape: Shape, axes: Shape) -> Shape:
    """Return the shape of a reduction over `axes` with keepdims=True.

    >>> kept((2, 3, 4), (0, 2))
    (1, 3, 1)
    """
    return tuple(1 if i in axes else length for i, length in enumerate(shape))


def whole(number: object, name: str) -> int:
    """Return an integer as an int. Raises AxisError for anything else (NaN, 1.5, "1").

    Error messages begin with `name`, here and below.
    """
    if not isinstance(number, bool):
        with suppress(TypeError):
            return operator.index(number)  # type: ignore[arg-type]  # raises TypeError
    raise AxisError(f"{name} must be an integer, got {number!r}")


def count_of(value: object, name: str, least: float = -np.inf, most: float = np.inf) -> int:
    """Return an integer from `least` to `most` as an int. Raises OptionError for anything else."""
    with suppress(AxisError):
        if least <= (number := whole(value, name)) <= most:
            return number
    bounds = f" of at least {least}" if least > -np.inf else ""
    bounds = f" from {least} to {most:,}" if most < np.inf else bounds
    raise OptionError(f"{name} must be an integer{bounds}, got {value!r:.80}")


def place_of(index: Any, shape: Shape, name: str) -> Shape | None:
    """Return the index of one element without negative numbers; None if it is out of range.

    Raises AxisError if it is not made of integers.

    >>> place_of((0, -1), (2, 3), "why: index"), place_of(3, (3,), "why: index")
    ((0, 2), None)
    """
    several = isinstance(index, Sequence) or np.ndim(index) == 1
    place = tuple(whole(k, name) for k in (index if several else (index,)))
    if len(place) != len(shape) or any(not -n <= k < n for k, n in zip(place, shape, strict=True)):
        return None
    return tuple(k % n for k, n in zip(place, shape, strict=True))


def flag(value: object, name: str) -> bool:
    """Return True or False. Raises OptionError for anything else (1, "no")."""
    if not isinstance(value, bool | np.bool_):
        raise OptionError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def choice(value: object, among: Iterable[str], name: str) -> str:
    """Return `value` if it is one of the words `among`. Raises OptionError for anything else.

    >>> choice("up", ("LR", "TB"), "draw: direction")
    Traceback (most recent call last):
    tinygrad_pool.errors.OptionError: draw: direction must be one of 'LR', 'TB', got 'up'
    """
    words = tuple(among)
    if not isinstance(value, str) or value not in words:
        listed = ", ".join(map(repr, words))
        raise OptionError(f"{name} must be one of {listed}, got {value!r:.80}")
    return value


def text(value: object, name: str) -> str:
    """Return text. Raises OptionError for anything else (3, None).

    Lone surrogates are rejected: they cannot be printed or written to a file.
    """
    if not isinstance(value, str):
        raise OptionError(f"{name} must be text, got {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OptionError(
            f"{name} must be text without lone surrogates, got {value!r:.80}"
        ) from None
    return value


def numbers(name: str, option: str, value: Any, count: int, least: int) -> Shape:
    """Return `count` integers, given as one for all or one each.

    Raises OptionError for a number below `least` or above 2³¹ − 1, or a wrong count.

    >>> numbers("conv2d", "stride", 3, 2, least=1)
    (3, 3)
    """
    try:
        whole_numbers = tuple(whole(n, option) for n in items_of(name, option, value, count))
    except AxisError:
        kind = "an integer" if count == 1 else "integers"
        raise OptionError(f"{name}: {option} must be {kind}, got {value!r}") from None
    if any(n < least for n in whole_numbers):
        raise OptionError(f"{name}: {option} must be at least {least}, got {value!r}")
    if any(n >= 2**31 for n in whole_numbers):
        raise OptionError(f"{name}: {option} must be below 2**31, got {value!r:.80}")
    return whole_numbers


def listed(value: Any) -> list[Any]:
    """Return the items of an iterable as a list; anything else as a list of one item.

    >>> listed("ab"), listed(3)
    (['a', 'b'], [3])
    """
    try:
        return list(value)
    except TypeError:
        return [value]


def items_of(name: str, option: str, value: Any, count: int) -> Sequence[Any]:
    """Return `count` items, given as one for all or one each. Raises OptionError for another count.

    >>> items_of("max_pool2d", "padding", [(1, 0), 2], 2), items_of("max_pool2d", "padding", 1, 2)
    ([(1, 0), 2], (1, 1))
    """
    items = each(value, count)
    if len(items) != count:
        several = f" or {count}" if count > 1 else ""
        raise OptionError(f"{name}: {option} needs one number{several}, got {value!r}")
    return items


def each(value: Any, count: int) -> Sequence[Any]:
    """Return a sequence as it is; repeat anything else, text included, `count` times."""
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return value if several else (value,) * count


def is_real(value: object) -> TypeGuard[SupportsFloat]:
    """Return whether `value` is a real number, such as a Fraction or a Decimal."""
    real = isinstance(value, Real)
    return real or (isinstance(value, Number) and not isinstance(value, Complex))


def real(value: object, name: str, least: float = -np.inf, most: float = np.inf) -> float:
    """Return a number from `least` to `most` as a float. Raises OptionError for anything else."""
    number = np.nan
    if is_real(value) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not least <= number <= most:
        bounds = f" from {least:g} to {most:g}" if most < np.inf else f" of at least {least:g}"
        bounds = {-np.inf: "", POSITIVE: " above 0"}.get(least, bounds)
        raise OptionError(f"{name} must be a number{bounds}, got {value!r:.80}")
    return number


def floating(dtype: Any, name: str) -> np.dtype[Any]:
    """Return a floating-point dtype. Raises OptionError for anything else."""
    try:
        result: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        result = np.dtype(object)
    if result.kind != "f":
        raise OptionError(f"{name} must be a floating-point type, got {dtype!r}")
    return result


def generator(rng: Any, name: str) -> "np.random.Generator":
    """Return a random generator: `rng` itself, or a new one from a seed or None.

    Raises OptionError for anything else.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise OptionError(
            f"{name}: rng must be a NumPy generator or a seed, got {rng!r:.80}"
        ) from None
