"""Fast paths for the usual calls of an operation, with only Values and Python numbers.

They make the same nodes as `lift.py`. Other calls, with arrays, settings or mistakes, take the
general path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_pool.engine.context import SETTING
from tinygrad_pool.engine.data import LARGE
from tinygrad_pool.engine.node import NO_OPTIONS, NOTHING, Node, record
from tinygrad_pool.engine.running import REFUSED, normalize, retry_on_numpy
from tinygrad_pool.engine.signature import Signature
from tinygrad_pool.rules.primitive import FIXED
from tinygrad_pool.rules.rule import Rule

Operation = Callable[..., Any]


def short_way(rule: Rule, signature: Signature, general: Operation) -> Operation:
    """Return the operation of a rule, with a fast path if its signature allows one."""
    if not {"x", "w"}.isdisjoint(signature.options):  # the operands below have these names
        return general
    if signature.arity == 1 and not signature.wants:
        return _unary(rule, general, signature)
    if signature.required:
        return general
    if signature.arity == 2:
        return _binary(rule, general, signature.wants)
    if signature.arity is None and not signature.wants:
        return _many(rule, general, _binary(rule, general))
    return general


def _binary(rule: Rule, general: Operation, asks: bool = False) -> Operation:
    wanted = [[{"wants": (x, w)} for w in (False, True)] for x in (False, True)]

    def operation(x: Any = NOTHING, w: Any = NOTHING, *more: Any, **options: Any) -> Any:
        setting = SETTING.get()
        if more or options or not setting.plain:
            return general(*_present(x, w), *more, **options)
        if isinstance(x, Node):
            a = x._numbers
            if isinstance(w, Node):
                b = w._numbers
            elif type(w) is float or (type(w) is int and -LARGE < w < LARGE):
                b = w
            else:
                return general(*_present(x, w))
        elif type(x) is float and isinstance(w, Node):
            a, b = x, w._numbers
        else:
            return general(*_present(x, w))
        wants = wanted[a is not x][b is not w] if asks else NO_OPTIONS
        try:
            y, closure = rule(a, b, **wants) if asks else rule(a, b)
        except REFUSED as error:
            y, closure = retry_on_numpy(rule, (a, b), wants, error)
        if type(y) is not float or closure is None:
            y, closure = normalize(rule, y, closure, (x, w), (a, b), wants)
        return record(rule, y, closure, x, w, NO_OPTIONS, setting)

    return operation


def _unary(rule: Rule, general: Operation, signature: Signature) -> Operation:
    """Return the fast path for one operand, with any options of immutable types."""
    names, known, required = signature.options, {*signature.options}, {*signature.required}

    def operation(x: Any = NOTHING, *more: Any, **options: Any) -> Any:
        setting = SETTING.get()
        if not setting.plain or not isinstance(x, Node):
            return general(*_present(x), *more, **options)
        given: Mapping[str, Any] = NO_OPTIONS
        if more:
            if options or len(more) > len(names) or not FIXED.issuperset(map(type, more)):
                return general(x, *more, **options)
            given = dict(zip(names, more))  # noqa: B905  # there may be fewer options
        elif options:
            if not known.issuperset(options) or not FIXED.issuperset(map(type, options.values())):
                return general(x, **options)
            given = options
        if required and not required.issubset(given):
            return general(x, *more, **options)
        a = x._numbers
        try:
            y, closure = rule(a, **given) if given else rule(a)
        except REFUSED as error:
            y, closure = retry_on_numpy(rule, (a,), given, error)
        if type(y) is not float or closure is None:
            y, closure = normalize(rule, y, closure, (x,), (a,), given)
        return record(rule, y, closure, x, NOTHING, given, setting)

    return operation


def _many(rule: Rule, general: Operation, two: Operation) -> Operation:
    def operation(*operands: Any, **options: Any) -> Any:
        setting = SETTING.get()
        if options or not operands or not setting.plain:
            return general(*operands, **options)
        if len(operands) == 2:
            return two(*operands)
        try:
            data = [v._numbers for v in operands]
        except AttributeError:  # some are constants
            constants = [v for v in operands if not isinstance(v, Node)]
            if len(constants) == len(operands) or {*map(type, constants)} != {float}:
                return general(*operands)
            data = [v if type(v) is float else v._numbers for v in operands]
        try:
            y, closure = rule(*data)
        except REFUSED as error:
            y, closure = retry_on_numpy(rule, data, options, error)
        if type(y) is not float or closure is None:
            y, closure = normalize(rule, y, closure, operands, data, options)
        return record(rule, y, closure, operands, NOTHING, NO_OPTIONS, setting)

    return operation


def _present(*operands: Any) -> list[Any]:
    return [v for v in operands if v is not NOTHING]
