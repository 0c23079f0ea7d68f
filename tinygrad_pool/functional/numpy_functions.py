"""NumPy's functions as operations, under their own names, `np.linalg.norm` as `norm`.

They are made on first use: `tg.var`, `tg.einsum`, `tg.norm`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_pool.engine.functions import mapped
from tinygrad_pool.engine.lift import operation_of
from tinygrad_pool.engine.numpy_protocol import QUESTIONS, answer, answered
from tinygrad_pool.functional.operations import value as _value
from tinygrad_pool.rules.composition import COMPOSED
from tinygrad_pool.rules.rule import IMPLEMENTED


def __getattr__(name: str) -> Callable[..., Any]:
    """Make an operation of a NumPy function on first use.

    >>> import tinygrad_pool as tg
    >>> tg.functional.dot(tg.Value([1.0, 2.0]), [3.0, 4.0]).data
    np.float64(11.0)
    """
    if function := answered(name):
        globals()[name] = operation = _operation(name, function)
        return operation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def _operation(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the operation of a NumPy function: it returns Values, a question plain numbers."""
    if rule := IMPLEMENTED.get(function):
        return operation_of(rule)

    def operation(*operands: Any, **options: Any) -> Any:
        result = answer(function, operands, options, operation_of)
        return result if function in QUESTIONS else mapped(lambda x: _value(x, name), result)

    operation.__name__ = operation.__qualname__ = name
    composition = COMPOSED.get(function)
    operation.__doc__ = (composition and composition.__doc__) or f"Call `np.{name}` on Values."
    return operation
