"""Functions of this package that Values override as they override NumPy's (NEP 18).

A rule also runs on Values, in a higher-order pass. Where it needs a function that NumPy does not
have, that function is marked `@primitive` and has its own rule. If it only reads facts off the
data, it is marked `@observation`.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from tinygrad_pool.rules.rule import Function

PYTHON = frozenset({float, int, bool})
"""The types of Python's numbers, compared exactly: np.float64 is a subclass of float."""

FIXED: set[type] = {*PYTHON, str, type(None)}
"""Immutable types of options."""

PLAIN = frozenset({float, np.ndarray, int, bool, tuple})
"""The most frequent types that do not override functions."""


def is_value(x: Any) -> bool:
    """Return whether an operand overrides NumPy's functions and is not an array or number."""
    return hasattr(x, "__array_function__") and not isinstance(x, np.ndarray | np.generic)


def primitive(function: Function) -> Function:
    """Let the first Value among the operands override a function; without Values it just runs."""

    @wraps(function)
    def dispatch(*operands: Any, **options: Any) -> Any:
        for x in operands:
            if type(x) not in PLAIN and is_value(x):
                return x.__array_function__(dispatch, (type(x),), operands, options)
        return function(*operands, **options)

    return dispatch  # type: ignore[return-value]  # the same signature, by way of wraps


def observation(function: Function) -> Function:
    """Mark a function that reads facts off the data, such as winners and signs.

    It is not differentiated: on Values it sees their data, and returns constants.
    """
    dispatch = primitive(function)
    dispatch.observes = function  # type: ignore[attr-defined]  # read where Values dispatch
    return dispatch
