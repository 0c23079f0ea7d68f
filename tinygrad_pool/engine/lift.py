"""From a rule to an operation: it runs the rule on the data of its operands and records a node.

This is the general path. `short_ways.py` has a faster one for Values and Python numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.context import SETTING
from tinygrad_pool.engine.data import read_only_copy, to_constant, to_data
from tinygrad_pool.engine.node import NOTHING, Node, cut_off, record
from tinygrad_pool.engine.running import data_of, run, with_wants
from tinygrad_pool.engine.short_ways import short_way
from tinygrad_pool.engine.signature import Signature, signature_of, with_signature
from tinygrad_pool.engine.staleness import with_guard
from tinygrad_pool.rules.rule import Rule


def operation_of(rule: Rule) -> Callable[..., Any]:
    """Return the operation of a rule, made once and kept as an attribute of the rule."""
    made: Any = getattr(rule, "operation", None)
    if made is not None and made.__wrapped__ is rule:  # functools.wraps copies the attribute
        return made  # type: ignore[no-any-return]  # a function may have attributes
    signature = signature_of(rule)
    operation = short_way(rule, signature, _general(rule, signature))
    rule.operation = with_signature(operation, rule, signature)  # type: ignore[attr-defined]  # as above
    return operation


def _general(rule: Rule, signature: Signature) -> Callable[..., Any]:
    """Return an operation that accepts any operands and options, under any setting."""

    def operation(*operands: Any, **options: Any) -> Any:
        operands, options = signature.sort(operands, options)
        options = {name: read_only_copy(option) for name, option in options.items()}
        return apply(rule, _read(operands, signature.name), options)

    return operation


def apply(rule: Rule, operands: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """Run a rule on the data of its operands, and return the node."""
    setting, data = SETTING.get(), data_of(operands)
    before = [np.copy(d) for d in data] if setting.checked else []
    y, closure = run(rule, operands, data, with_wants(rule, operands, options))
    if not setting.graph:
        return cut_off(rule, y, options, setting)
    if setting.checked:
        closure = with_guard(rule.__name__, closure, operands, [*data, y], [*before, np.copy(y)])
    # two operands have a slot each; any other number of them is a tuple in the first
    x, w = operands if len(operands) == 2 else (operands, NOTHING)
    return record(rule, y, closure, x, w, options, setting)


def _read(operands: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Convert constants; without any Value to decide the dtype, as `Value` converts its data."""
    read = to_constant if any(isinstance(v, Node) for v in operands) else to_data
    return tuple([v if isinstance(v, Node) else read_only_copy(read(v, name)) for v in operands])


def reapply(node: Node, operands: Sequence[Any]) -> Any:
    """Apply the rule of a node to other operands, and return a node of the same name."""
    assert node.rule is not None
    twin = apply(node.rule, tuple(operands), node.options)
    twin.about = node.about
    return twin
