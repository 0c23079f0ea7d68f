"""Run a rule on plain numbers, and convert its result to the data of a Value.

Python floats raise where NumPy returns inf or NaN: 0.0 ** -1 is an error in Python, and inf here.
So if a rule raises on Python numbers, it runs again on NumPy's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.data import Data, broadcast_error, fits_together, to_data, to_result
from tinygrad_pool.engine.node import LeafNode, Node
from tinygrad_pool.errors import RuleError, TinygradPoolError
from tinygrad_pool.rules.rule import Backward, Rule

REFUSED = (ArithmeticError, TypeError, ValueError)
"""Errors that Python's numbers and NumPy's arrays raise when a rule cannot be computed."""


def run(
    rule: Rule, operands: Sequence[Any], data: Sequence[Any], options: Mapping[str, Any]
) -> tuple[Data, Backward]:
    """Run a rule on the data of its operands; return the data of a Value and the closure."""
    try:
        y, closure = rule(*data, **options)
    except REFUSED as error:
        y, closure = retry_on_numpy(rule, data, options, error)
    if type(y) is float and closure is not None:
        return y, closure
    return normalize(rule, y, closure, operands, data, options)


def data_of(operands: Iterable[Any]) -> list[Any]:
    """List the data of operands; constants are returned as they are."""
    return [v._numbers if isinstance(v, Node) else v for v in operands]


def with_wants(
    rule: Rule, operands: Iterable[Any], options: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Add `wants` to the options of a rule with that parameter: which contributions are used."""
    if not rule.operation.signature.wants:  # type: ignore[attr-defined]  # lift put it there
        return options
    return {**options, "wants": tuple([isinstance(v, Node) for v in operands])}


def call_options(node: Node) -> Mapping[str, Any]:
    """Return the options that a node's rule was called with, including `wants`."""
    assert node.rule is not None
    return with_wants(node.rule, node.parents, node.options)


def run_again(node: Node, data: Sequence[Any]) -> tuple[Any, Backward]:
    """Run the rule of a node on other data, or on Values; return the result and the closure."""
    assert node.rule is not None
    return node.rule(*data, **call_options(node))


def normalize(
    rule: Rule,
    y: Any,
    closure: Any,
    operands: Sequence[Any],
    data: Sequence[Any],
    options: Mapping[str, Any],
) -> tuple[Data, Backward]:
    """Convert a result to the data of a Value, and check lent operands for in-place changes."""
    if closure is None:
        raise no_closure(rule.__name__, closure)
    for v in operands:
        if isinstance(v, LeafNode) and v._lent:
            v.look()
    if type(y) is np.ndarray and y.ndim and y.dtype.kind == "f":
        return y, closure
    if type(y) is complex:
        y, closure = _on_numpy(rule, data, options)
    return to_result(y, data, rule.__name__), closure


def retry_on_numpy(
    rule: Rule, data: Sequence[Any], options: Mapping[str, Any], error: Exception
) -> tuple[Any, Backward]:
    """Run a rule that raised on NumPy numbers, if that helps; otherwise raise a clearer error."""
    name = rule.__name__
    if isinstance(error, ArithmeticError) and not any(isinstance(d, np.ndarray) for d in data):
        return _on_numpy(rule, data, options)
    if error.__traceback__ is not None and error.__traceback__.tb_next is None:
        raise RuleError(f"{name}: a rule must return its result and a closure: {error}") from error
    ours = isinstance(error, TinygradPoolError)
    if isinstance(error, ValueError) and not ours and not fits_together(data):
        raise broadcast_error(name, data) from error
    try:
        raise error
    finally:
        del error  # or its traceback and this frame would keep each other, and the operands


def _on_numpy(rule: Rule, data: Sequence[Any], options: Mapping[str, Any]) -> tuple[Any, Backward]:
    return rule(*(np.float64(to_data(d, rule.__name__)) for d in data), **options)


def no_closure(name: str, got: Any) -> RuleError:
    """Return the error for a rule that did not return a closure."""
    return RuleError(
        f"{name}: a rule must return its result and a closure, got {got!r:.80} for the closure"
    )
