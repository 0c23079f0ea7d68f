"""Methods of NumPy's arrays on Values: each calls the NumPy function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool.engine.numpy_protocol import answer
from tinygrad_pool.engine.python_protocol import AnswersPython
from tinygrad_pool.errors import OptionError


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that calls a NumPy function on a Value."""

    def method(self: Any, *operands: Any, **options: Any) -> Any:
        return answer(function, (self, *operands), options, self._operation_of)

    method.__name__, method.__qualname__ = function.__name__, f"Value.{function.__name__}"
    method.__doc__ = f"Call `np.{function.__name__}` on this, with the same options."
    return method


class HasArrayMethods(AnswersPython):
    """A node with the methods of arrays, except those that change an array in place."""

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
    conj = conjugate = _method(np.conjugate)  # np.std of an array of Values calls it

    # -- these return plain numbers, computed from the data

    all = _method(np.all)
    any = _method(np.any)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    argsort = _method(np.argsort)
    nonzero = _method(np.nonzero)
    round = _method(np.round)
    searchsorted = _method(np.searchsorted)

    def flatten(self, order: Any = "C", **habits: Any) -> Any:
        """Call `np.ravel` on a copy of this."""
        if wrong := [*habits] or [order] * (not isinstance(order, str)):
            raise OptionError(
                f"flatten: takes only an order, 'C' or 'F', got {wrong[0]!r:.80}; "
                "to keep the first axis, use v.reshape(len(v), -1)"
            )
        return np.ravel(np.copy(self), order)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """Call `np.compress` on this: keep the slices along an axis where `condition` is true."""
        return np.compress(condition, self, axis)

    @property
    def mT(self) -> Any:  # noqa: N802  # NumPy's name for it
        """The same numbers with the last two axes swapped."""
        return np.matrix_transpose(self)
