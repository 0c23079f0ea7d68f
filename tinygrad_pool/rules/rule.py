"""What a rule is.

A rule is a pure function of arrays. It returns its result and a local backward closure, which turns
the gradient of the result, `g`, into one contribution per operand:

    def mul(x, w):
        def mul_backward(g):
            to_x = g * w
            to_w = g * x
            return to_x, to_w

        return x * w, mul_backward

Parameters without a default are operands, which are differentiated. Keyword-only parameters and
parameters with a default are options. An expensive rule may accept `wants`, one bool per operand,
and return None for a contribution that is not needed.

Rules do not know about graphs. In a higher-order pass a rule runs on Values instead of arrays, so
it is written with operators, NumPy's functions and those of `primitive.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

Array: TypeAlias = Any
"""A Python float, an ndarray or, in a higher-order pass, a Value."""

Contributions: TypeAlias = tuple[Array | None, ...]
Backward: TypeAlias = Callable[[Array], Contributions]
Rule: TypeAlias = Callable[..., tuple[Array, Backward]]

Function = TypeVar("Function", bound=Callable[..., Any])

IMPLEMENTED: dict[Callable[..., Any], Rule] = {}
"""The rule that each function of NumPy's, or primitive of this package, runs on a Value."""


def implements(*functions: Callable[..., Any]) -> Callable[[Function], Function]:
    """Let these functions run this rule when they are called on a Value."""
    return entering(IMPLEMENTED, functions)


def entering(table: dict[Any, Any], keys: Iterable[Any]) -> Callable[[Function], Function]:
    """Return a decorator that enters a function in a table under `keys`."""

    def enter(function: Function) -> Function:
        table.update(dict.fromkeys(keys, function))
        return function

    return enter


def is_ours(rule: Callable[..., Any] | None) -> bool:
    """Return whether a rule is defined in this package. Code run by `exec` may have no module."""
    return str(getattr(rule, "__module__", None)).startswith("tinygrad_pool.")


def new_arrays(rule: Function) -> Function:
    """Mark a rule whose contributions are new arrays, which nothing else holds or views.

    The engine then keeps such an array as a leaf's gradient, without a copy. Use it where copies
    take time.
    """
    rule.new_arrays = True  # type: ignore[attr-defined]  # a function may carry attributes
    return rule


def has_new_arrays(rule: Rule | None) -> bool:
    """Return whether a rule is marked with `new_arrays`."""
    return getattr(rule, "new_arrays", False)
