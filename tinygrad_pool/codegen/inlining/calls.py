"""Calls with symbolic numbers: evaluated now where possible, else left to the program."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from functools import reduce
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_pool.codegen.inlining.symbols import (
    Draft,
    InliningError,
    Symbol,
    combined,
    is_open,
    kind_of,
    number,
)
from tinygrad_pool.rules.primitive import primitive

STRUCTURAL = (len, tuple, list, zip, enumerate, range, reversed, map, sorted, reduce)
"""Functions that arrange and count, and do not look at what they arrange."""

_OPERATORS = {
    operator.add: ast.Add,
    operator.sub: ast.Sub,
    operator.mul: ast.Mult,
    operator.truediv: ast.Div,
}
_DISPATCH = primitive(len).__code__
_PURE = {abs, all, any, bool, divmod, float, getattr, hasattr, int, issubclass}
_PURE |= {max, min, round, sum}
_PYTHON: dict[Any, type] = {float: float, int: int, bool: bool}
_ANNOTATED = _PYTHON | {kind.__name__: kind for kind in _PYTHON}
_SAMPLES = {float: 0.5, int: 2, bool: True, np.float64: np.float64(0.5)}


def undispatched(function: Any) -> Any:
    """Return the function that a dispatching one calls for plain numbers."""
    behind = getattr(function, "__code__", None) is _DISPATCH
    return function.__wrapped__ if behind else function


def answered(draft: Draft, function: Any, operands: list[Any], options: Mapping[str, Any]) -> Any:
    """Return the result of a call if it is known, or an operator; NotImplemented for all else."""
    answer = _by_type(function, operands)
    if answer is not NotImplemented:
        return answer
    if _is_pure(function) and not any(map(_holds, (*operands, *options.values()))):
        return function(*map(draft.known, operands), **options)
    if function in _OPERATORS:
        x, w = (draft.symbol(number(x)) for x in operands)
        return combined(ast.BinOp(x.tree, _OPERATORS[function](), w.tree), [x, w])
    return NotImplemented


def _by_type(function: Any, operands: list[Any]) -> Any:
    """Return the result of a call if types alone decide it; NotImplemented if they do not."""
    answer: Any = NotImplemented
    if function is type and len(operands) == 1:
        answer = _type(operands[0])
    elif function is isinstance:
        answer = issubclass(_type(operands[0]), operands[1])
    elif function is getattr and isinstance(operands[0], Symbol):
        answer = answer if hasattr(_type(operands[0]), operands[1]) else operands[2]
    elif function is float and kind_of(operands[0]) is float:
        answer = operands[0]
    return answer


def later(draft: Draft, function: Any, operands: list[Any], options: Mapping[str, Any]) -> Symbol:
    """Make a symbol of a call that the program carries out."""
    parts = [draft.symbol(x) for x in operands]
    keywords = [ast.keyword(name, draft.symbol(x).tree) for name, x in options.items()]
    items = getattr(function, "__self__", None)
    if _holds(items):  # xs.index(True)
        tree: ast.expr = ast.Attribute(draft.symbol(items).tree, function.__name__, ast.Load())
    else:
        tree = draft.symbol(function).tree
    tree = ast.Call(tree, [x.tree for x in parts], keywords)
    size = 1 + sum(x.size for x in parts)
    return Symbol(tree, _kind(function, parts), free=False, size=size)


def _kind(function: Any, operands: list[Symbol]) -> type | None:
    """Return a function's result type, if it depends on its operands' types only."""
    module = getattr(function, "__module__", None) or ""
    if isinstance(function, FunctionType) and module.startswith("tinygrad_pool."):
        return _ANNOTATED.get(function.__annotations__.get("return"))
    by_type = isinstance(function, np.ufunc) or module == "math" or function in (*_PYTHON, abs)
    samples = [_SAMPLES[x.kind] for x in operands if x.kind in _SAMPLES]
    if not by_type or len(samples) < len(operands):
        return None
    with np.errstate(all="ignore"):
        return type(function(*samples))


def _holds(x: Any) -> bool:
    """Return whether an object is or contains a symbolic number."""
    if type(x) in (tuple, list):
        return any(isinstance(part, Symbol) or _holds(part) for part in x)
    return is_open(x)


def _is_pure(function: Any) -> bool:
    items = getattr(function, "__self__", None)
    if type(items) in (frozenset, tuple, str):
        return not _holds(items)
    module = getattr(function, "__module__", None) or ""
    ours = module.startswith("tinygrad_pool.rules.")
    pure = module in ("math", "numpy", "_operator") or isinstance(function, np.ufunc)
    return function in _PURE or pure or ours


def _type(x: Any) -> type:
    kind = kind_of(x) if isinstance(x, Symbol) else type(x)
    if kind is None:
        raise InliningError("the type of a number that is not known yet")
    return kind
