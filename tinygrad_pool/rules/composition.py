"""Functions of NumPy's that are made of others, which have rules: what they mean on a Value.

A composition is a plain function of arrays. On Values each function it calls records its own node.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any

import numpy as np

from tinygrad_pool.errors import (
    AxisError,
    DataError,
    OptionError,
    ShapeError,
    SubscriptError,
    TinygradPoolError,
)
from tinygrad_pool.rules.primitive import PYTHON, is_value
from tinygrad_pool.rules.rule import Function

COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What a function of NumPy's is made of, where it has no rule of its own."""

SUBJECTS = """
accumulations contractions inverses moves powers quantiles sequences statistics trigonometry
ufunc_methods
"""
"""The modules that answer for NumPy's rarer functions; they are loaded when one is called."""

HINTS = {
    "out": "results are new Values: a = a + v, not a += v",
    "order": "in Fortran's order it is v.T.reshape(shape[::-1]).T",
    **dict.fromkeys(("correction", "unbiased"), "ddof= is the correction here, 0 unless given"),
    "dtype": "v.astype(dtype) converts",
    "dim": "axis= names an axis here",
    "keepdim": "keepdims= keeps axes here",
    "where": "np.where(mask, v, 0.0) leaves numbers out of a sum",
}


@cache
def load() -> None:
    """Load the rules and the compositions that are not needed to begin with."""
    for subject in SUBJECTS.split():
        import_module(f"tinygrad_pool.rules.{subject}")


def composes(*names: str) -> Callable[[Function], Function]:
    """Let a composition answer for functions of NumPy's, by their names: "std", "linalg.norm".

    Those that an older NumPy has not are left out. The composition is called with what it takes,
    and what NumPy refuses inside is refused in words.
    """

    def enter(composition: Function) -> Function:
        for name in names:
            if function := found(name):
                COMPOSED[function] = _refusing(name, composition)
        return composition

    return enter


def found(name: str) -> Callable[..., Any] | None:
    """Find a function of NumPy's by its name; None if it has none of that name.

    >>> found("linalg.norm") is np.linalg.norm, found("absent")
    (True, None)
    """
    owner: Any = np
    for part in name.split("."):
        owner = getattr(owner, part, None)
    function: Callable[..., Any] | None = owner
    return function


def _refusing(name: str, composition: Callable[..., Any]) -> Callable[..., Any]:
    takes = inspect.signature(composition)

    @wraps(composition)
    def called(*operands: Any, **options: Any) -> Any:
        try:
            given = takes.bind(*operands, **options)
        except TypeError as error:
            hint = next((f"; {HINTS[option]}" for option in HINTS if option in options), "")
            listed = ", ".join(takes.parameters)
            raise OptionError(f"np.{name}: {error} (on Values it takes {listed}){hint}") from None
        return asked(f"np.{name}", composition, *given.args, **given.kwargs)

    return called


def asked(name: str, function: Callable[..., Any], *operands: Any, **options: Any) -> Any:
    """Call a function. Raises an error of this package, by its name, for what NumPy refuses."""
    try:
        return function(*operands, **options)
    except TinygradPoolError:
        raise
    except (ArithmeticError, AttributeError, TypeError, ValueError, IndexError) as error:
        raise _kind_of(error)(f"{name}: {error}") from error


def _kind_of(error: Exception) -> type[TinygradPoolError]:
    """Return which error of this package says what one of NumPy's says."""
    if isinstance(error, ValueError) and isinstance(error, IndexError):
        return AxisError
    if isinstance(error, IndexError):
        return SubscriptError
    if isinstance(error, ValueError):
        of_shape = any(word in str(error) for word in ("shape", "broadcast", "dim", "empty"))
        return ShapeError if of_shape else OptionError
    return DataError


def operand(x: Any) -> Any:
    """Return what may be a list of numbers as an array; arrays, Values and numbers as they are.

    >>> operand([1, 2]), operand(2.0)
    (array([1, 2]), 2.0)
    """
    return x if hasattr(x, "__array_function__") or type(x) in PYTHON else np.asarray(x)


def constant(what: str, x: Any) -> None:
    """Raise OptionError for a Value, or a list of them, where only a constant can stand."""
    if any(map(is_value, x if isinstance(x, list | tuple) else [x])):
        raise OptionError(f"{what} is a constant, not a Value; v.data has its numbers")


def dtype_of(x: Any) -> Any:
    """Return the dtype of an operand, float64 of Python's own numbers."""
    return getattr(x, "dtype", np.dtype(float))
