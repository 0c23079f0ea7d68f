"""The methods that NumPy's arrays have, on Values: each is NumPy's function of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool.engine.numpy_protocol import answer
from tinygrad_pool.engine.python_protocol import AnswersPython
from tinygrad_pool.errors import OptionError


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of a function of NumPy's, which a Value answers for."""

    def method(self: Any, *operands: Any, **options: Any) -> Any:
        return answer(function, (self, *operands), options, self._operation_of)

    method.__name__, method.__qualname__ = function.__name__, f"Value.{function.__name__}"
    method.__doc__ = f"Call `np.{function.__name__}` of this, with the same options."
    return method


class HasArrayMethods(AnswersPython):
    """A node with the methods that arrays have; those that change an array are not there."""

    __slots__ = ()

    prod = _method(np.prod)
    cumsum = _method(np.cumsum)
    cumprod = _method(np.cumprod)
    var = _method(np.var)
    std = _method(np.std)
    ptp = _method(np.ptp)
    dot = _method(np.dot)
    trace = _method(np.trace)
    ravel = _method(np.ravel)
    squeeze = _method(np.squeeze)
    swapaxes = _method(np.swapaxes)
    repeat = _method(np.repeat)
    take = _method(np.take)
    diagonal = _method(np.diagonal)
    copy = _method(np.copy)

    # -- answered from the data, with plain numbers

    all = _method(np.all)
    any = _method(np.any)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    argsort = _method(np.argsort)
    nonzero = _method(np.nonzero)
    round = _method(np.round)
    searchsorted = _method(np.searchsorted)

    def flatten(self, order: Any = "C", **habits: Any) -> Any:
        """Call `np.ravel` of a copy of this."""
        if given := [*habits] or [order] * (not isinstance(order, str)):
            raise OptionError(
                f"flatten: takes an order alone, 'C' or 'F', got {given[0]!r:.80}; "
                "v.reshape(len(v), -1) keeps the first axis"
            )
        return np.ravel(np.copy(self), order)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """Call `np.compress` of this: keep what the condition says, along an axis."""
        return np.compress(condition, self, axis)

    @property
    def mT(self) -> Any:  # noqa: N802  # NumPy's name for it
        """The same numbers with the last two axes swapped."""
        return np.matrix_transpose(self)
