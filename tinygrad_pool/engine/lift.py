"""From a rule to an operation: it runs the rule on its operands' data and records a node.

This is the general way. `short_ways.py` has a faster one for Values and Python's numbers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.context import SETTING
from tinygrad_pool.engine.data import own, to_constant, to_data
from tinygrad_pool.engine.node import NOTHING, Node, cut_off, record
from tinygrad_pool.engine.running import asked, data_of, run
from tinygrad_pool.engine.short_ways import short_way
from tinygrad_pool.engine.signature import Signature, described, signature_of
from tinygrad_pool.engine.staleness import guarded
from tinygrad_pool.rules.rule import Rule


def operation_of(rule: Rule) -> Callable[..., Any]:
    """Return the operation of a rule, which is made once and kept with it."""
    made: Any = getattr(rule, "operation", None)
    if made is not None and made.__wrapped__ is rule:  # and not one that this rule wraps
        return made  # type: ignore[no-any-return]  # a function may carry attributes
    signature = signature_of(rule)
    operation = short_way(rule, signature, _general(rule, signature))
    rule.operation = described(operation, rule, signature)  # type: ignore[attr-defined]  # as above
    return operation


def _general(rule: Rule, signature: Signature) -> Callable[..., Any]:
    """Take any operands, options by position and by name, and every setting."""

    def operation(*operands: Any, **options: Any) -> Any:
        operands, options = signature.sort(operands, options)
        options = {name: own(option) for name, option in options.items()}
        return apply(rule, _read(operands, signature.name), options)

    return operation


def apply(rule: Rule, operands: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """Run a rule on its operands' data, and return a node that remembers all of it."""
    setting, data = SETTING.get(), data_of(operands)
    before = [np.copy(d) for d in data] if setting.checked else []
    y, closure = run(rule, operands, data, asked(rule, operands, options))
    if not setting.graph:
        return cut_off(rule, y, options, setting)
    if setting.checked:
        closure = guarded(rule.__name__, closure, operands, [*data, y], [*before, np.copy(y)])
    # a node has two slots for operands; other numbers of them are a tuple in the first
    x, w = operands if len(operands) == 2 else (operands, NOTHING)
    return record(rule, y, closure, x, w, options, setting)


def _read(operands: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Read constants as they are; but where no Value decides the dtype, as a Value would."""
    read = to_constant if any(isinstance(v, Node) for v in operands) else to_data
    return tuple([v if isinstance(v, Node) else own(read(v, name)) for v in operands])


def reapply(node: Node, operands: Sequence[Any]) -> Any:
    """Return what a node's rule makes of other operands, called by the node's name."""
    assert node.rule is not None
    again = apply(node.rule, tuple(operands), node.options)
    again.about = node.about
    return again
