"""Functions of ours that operands answer for, as they do for NumPy's own (NEP 18).

A rule also runs on Values, in a higher-order pass. Where it needs a function that NumPy does not
have, that function is marked `@primitive`, and has a rule of its own; or `@observation`, if it only
reads facts off the data.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from tinygrad_pool.rules.rule import Function

PYTHON = frozenset({float, int, bool})
"""The types of Python's own numbers; NumPy's float64 is a float, too, and is none of them."""

FIXED: set[type] = {*PYTHON, str, type(None)}
"""Types of options that cannot be changed."""

PLAIN = frozenset({float, np.ndarray, int, bool, tuple})
"""Types that answer for no function, the most frequent ones."""


def is_value(x: Any) -> bool:
    """Return whether an operand is neither array nor number, but answers for NumPy's functions."""
    return hasattr(x, "__array_function__") and not isinstance(x, np.ndarray | np.generic)


def primitive(function: Function) -> Function:
    """Let the first Value among the operands answer for a function of ours; else it runs."""

    @wraps(function)
    def dispatch(*operands: Any, **options: Any) -> Any:
        for x in operands:
            if type(x) not in PLAIN and is_value(x):
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
