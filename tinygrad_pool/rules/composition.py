"""NumPy functions that are composed of functions with rules, so that they work on Values.

A composition is a plain function of arrays. On Values, every function it calls records a node.
"""

from __future__ import annotations

import inspect
import re
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
"""The composition for each NumPy function that has no rule."""

SUBJECTS = """
accumulations comparisons contractions decompositions inverses moves powers quantiles sequences
sorting statistics trigonometry ufunc_methods
"""
"""The modules for NumPy's rarer functions, loaded when one is first called."""

HINTS = {
    "out": "results are new Values: a = a + v, not a += v",
    "order": "for Fortran order write v.T.reshape(shape[::-1]).T",
    **dict.fromkeys(("correction", "unbiased"), "use ddof= here, which is 0 by default"),
    "dtype": "v.astype(dtype) converts",
    "dim": "use axis= here",
    "keepdim": "use keepdims= here",
    "where": "np.where(mask, v, 0.0) leaves elements out of a sum",
}


@cache
def load() -> None:
    """Load the modules of rarer rules and compositions."""
    for subject in SUBJECTS.split():
        import_module(f"tinygrad_pool.rules.{subject}")


def composes(*names: str) -> Callable[[Function], Function]:
    """Return a decorator that registers a composition for NumPy functions, by their names.

    Names, such as "std" or "linalg.norm", that an older NumPy lacks are skipped. Wrong arguments,
    and errors that NumPy raises inside, become errors of this package.
    """

    def enter(composition: Function) -> Function:
        for name in names:
            if function := numpy_function(name):
                COMPOSED[function] = _with_our_errors(name, composition)
        return composition

    return enter


def numpy_function(name: str) -> Callable[..., Any] | None:
    """Return the NumPy function of this name; None if there is none.

    >>> numpy_function("linalg.norm") is np.linalg.norm, numpy_function("absent")
    (True, None)
    """
    owner: Any = np
    for part in name.split("."):
        owner = getattr(owner, part, None)
    function: Callable[..., Any] | None = owner
    return function


def _with_our_errors(name: str, composition: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(composition)

    @wraps(composition)
    def call(*operands: Any, **options: Any) -> Any:
        try:
            bound = signature.bind(*operands, **options)
        except TypeError as error:
            takes = f" (on Values it takes {', '.join(signature.parameters)})"
            raise OptionError(f"np.{name}: {error}{takes}{_hint(error)}") from None
        return call_numpy(f"np.{name}", composition, *bound.args, **bound.kwargs)

    return call


def call_numpy(name: str, function: Callable[..., Any], *operands: Any, **options: Any) -> Any:
    """Call a function; its errors, also NumPy's, become errors of this package that name `name`."""
    try:
        return function(*operands, **options)
    except TinygradPoolError as error:  # may name a function that this one calls
        error.args = (re.sub(r"^[\w.]+(?=: )", name, str(error)),)
        raise
    except (ArithmeticError, AttributeError, TypeError, ValueError, IndexError) as error:
        hint = _hint(error)
        says = str(error).partition(". Did you mean")[0] if hint else error  # of Python 3.13
        raise _error_class(error)(f"{name}: {says}{hint}") from error


def _hint(error: Exception) -> str:
    """Return what to write instead of the option that an error says is unknown, if any."""
    hints = (f"; {hint}" for option, hint in HINTS.items() if f"argument {option!r}" in str(error))
    return next(hints, "")


def _error_class(error: Exception) -> type[TinygradPoolError]:
    """Return the class of this package's error for an error of NumPy's."""
    if "keyword argument" in str(error):
        return OptionError
    if isinstance(error, ValueError) and isinstance(error, IndexError):
        return AxisError
    if isinstance(error, IndexError):
        return SubscriptError
    if isinstance(error, ValueError):
        of_shape = any(word in str(error) for word in ("shape", "broadcast", "dim", "empty"))
        return ShapeError if of_shape else OptionError
    return DataError


def operand(x: Any) -> Any:
    """Return lists of numbers as an array; arrays, Values and numbers unchanged."""
    return x if hasattr(x, "__array_function__") or type(x) in PYTHON else np.asarray(x)


def constant(name: str, x: Any) -> None:
    """Raise OptionError if x is a Value or a list with Values; the message begins with `name`."""
    if any(map(is_value, x if isinstance(x, list | tuple) else [x])):
        raise OptionError(f"{name} must be a constant, not a Value; v.data has its numbers")


def dtype_of(x: Any) -> Any:
    """Return the dtype of an operand; float64 for Python numbers."""
    return getattr(x, "dtype", np.dtype(float))
