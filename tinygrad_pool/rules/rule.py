"""What a rule is.

A rule is a pure function of arrays. It returns its result and a local backward closure, which turns
the gradient of the result, `g`, into one contribution per operand:

    def mul(x, w):
        def mul_backward(g):
            to_x = g * w
            to_w = g * x
            return to_x, to_w

        return x * w, mul_backward

Parameters without a default are operands: what is differentiated. Keyword-only parameters and
parameters with a default are options. An expensive rule may take `wants`, one bool per operand, and
return None for a contribution that nobody wants.

Rules know of no graph. In a higher-order pass the same rule is run on Values instead of arrays, so
it is written with operators and with functions that an operand can answer for: NumPy's own, and the
ones that are marked `@primitive` or `@observation` here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = Any
"""A Python float, an ndarray or, in a higher-order pass, a Value."""

Contributions: TypeAlias = tuple[Array | None, ...]
Backward: TypeAlias = Callable[[Array], Contributions]
Rule: TypeAlias = Callable[..., tuple[Array, Backward]]

PYTHON = frozenset({float, int, bool})
"""The types of Python's own numbers; NumPy's float64 is a float, too, and is none of them."""

PLAIN = frozenset({float, np.ndarray, int, bool, tuple})
"""Types that answer for no function, the most frequent ones."""

Function = TypeVar("Function", bound=Callable[..., Any])


IMPLEMENTED: dict[Callable[..., Any], Rule] = {}
"""The rule that each function means on a Value: a function of NumPy's, or a primitive of ours."""


def implements(*functions: Callable[..., Any]) -> Callable[[Function], Function]:
    """Enter a rule as the one that these functions mean when they are called on a Value."""

    def enter(rule: Function) -> Function:
        IMPLEMENTED.update(dict.fromkeys(functions, rule))
        return rule

    return enter


def new_arrays(rule: Function) -> Function:
    """Mark a rule whose contributions are arrays of their own, which nothing else holds or views.

    The engine then keeps the one for a leaf instead of a copy. To be used where the copy costs.
    """
    rule.new_arrays = True  # type: ignore[attr-defined]  # a function may carry attributes
    return rule


def primitive(function: Function) -> Function:
    """Let an operand answer for a function of ours, as NumPy lets it for its own (NEP 18).

    An operand that has `__array_function__` and is no array decides; else the function runs.
    """

    @wraps(function)
    def dispatch(*operands: Any, **options: Any) -> Any:
        for x in operands:
            if (
                type(x) not in PLAIN
                and hasattr(x, "__array_function__")
                and not isinstance(x, np.ndarray | np.generic)
            ):
                return x.__array_function__(dispatch, (type(x),), operands, options)
        return function(*operands, **options)

    return dispatch  # type: ignore[return-value]  # the same signature, by way of wraps


def observation(function: Function) -> Function:
    """Mark a function that reads facts off the data: winners, signs, shapes. Never differentiated.

    On Values it sees their data, and what it returns is a constant.
    """
    dispatch = primitive(function)
    dispatch.observes = function  # type: ignore[attr-defined]  # read by who dispatches
    return dispatch
