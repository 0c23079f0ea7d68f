"""From a rule to an operation: it calls the rule on its operands' data and records a node.

The usual calls take a short way: one, two or more operands that are Values or Python's numbers, a
graph to record, and nothing else. Every other call goes the general way, where options, constants,
settings and mistakes are dealt with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_pool.engine.backward import no_closure
from tinygrad_pool.engine.context import SETTING, Setting, placed
from tinygrad_pool.engine.data import (
    Data,
    broadcast_error,
    fits_together,
    own,
    to_constant,
    to_data,
    to_result,
)
from tinygrad_pool.engine.node import NO_OPTIONS, NOTHING, LeafNode, Node, name_of, next_id
from tinygrad_pool.engine.signature import Signature, signature_of
from tinygrad_pool.errors import GraphError, RuleError, TinygradPoolError
from tinygrad_pool.rules.rule import Array, Backward, Contributions, Rule

Value: type[Any] = Node
Leaf: type[Any] = Node
_nodes: frozenset[type] = frozenset()


def bind(value: type[Node], leaf: type[Node]) -> None:
    """Name the classes of interior nodes and of leaves, whose operators are made by `lift`."""
    global Value, Leaf, _nodes  # the classes need operations, which need them
    Value, Leaf, _nodes = value, leaf, frozenset({value, leaf})


def operation_of(rule: Rule) -> Callable[..., Any]:
    """Return the operation of a rule, which is made once and kept with it."""
    made: Callable[..., Any] | None = getattr(rule, "operation", None)
    if (
        made is not None and getattr(made, "__wrapped__", None) is rule
    ):  # and not of a rule that this one wraps
        return made
    signature = signature_of(rule)
    general = _general(rule, signature)
    operation = general
    if not signature.required:
        if signature.arity == 1 and not signature.wants:
            operation = _unary(rule, general, signature.options)
        elif signature.arity == 2:
            operation = _binary(rule, general, signature.wants)
        elif signature.arity is None and not signature.wants:
            operation = _many(rule, general, _binary(rule, general))
    operation = wraps(rule)(operation)
    operation.__doc__ = _words_of(rule)
    operation.__signature__ = ShownSignature(rule)  # type: ignore[attr-defined]  # as below
    operation.signature = signature  # type: ignore[attr-defined]  # a function may carry attributes
    rule.operation = operation  # type: ignore[attr-defined]  # as above
    return operation


class ShownSignature(inspect.Signature):
    """What help and editors show of an operation, read off its rule when they ask: it takes long.

    >>> ShownSignature(lambda x, axis=None, *, wants=(True,): None)
    <ShownSignature (x, axis=None) -> 'Value'>
    """

    __slots__ = ("_rule",)

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def __getattr__(self, name: str) -> Any:
        if name not in inspect.Signature.__slots__:
            raise AttributeError(name)
        shown = inspect.signature(self._rule).parameters.values()
        kept = [parameter for parameter in shown if parameter.name != "wants"]
        super().__init__(kept, return_annotation="Value")
        return getattr(self, name)


def _words_of(rule: Rule) -> str | None:
    """Return what a rule's docstring says but for its example, which calls the rule by itself."""
    return rule.__doc__ and f"{rule.__doc__.partition('>>> ')[0].rstrip()}\n"


def _general(rule: Rule, signature: Signature) -> Callable[..., Any]:
    """Take any operands, options by position and by name, and every setting."""

    def operation(*operands: Any, **options: Any) -> Any:
        while operands and operands[-1] is NOTHING:
            operands = operands[:-1]
        if options or len(operands) != signature.arity or signature.required:
            operands, options = signature.sort(operands, options)
            options = {o: v if type(v) in _ATOMS else own(v) for o, v in options.items()}
        if not _nodes.issuperset(map(type, operands)):
            operands = _read(operands, signature.name)
        if signature.wants:
            options["wants"] = tuple([isinstance(v, Node) for v in operands])
        data = [v._numbers if isinstance(v, Node) else v for v in operands]
        setting = SETTING.get()
        before = [np.copy(d) for d in data] if setting.checked else []
        y, closure = _run(rule, operands, data, options)
        if not setting.graph:
            return _cut_off(rule, y, options, setting)
        if setting.checked:
            closure = _guarded(signature.name, closure, operands, [*data, y], [*before, np.copy(y)])
        x, w = operands if len(operands) == 2 else (operands, NOTHING)
        return _node(rule, y, closure, x, w, options, setting)

    return operation


def _unary(rule: Rule, general: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Take the usual call the short way: one Value, and at most numbers as options by position."""

    def operation(x: Any = NOTHING, *more: Any, **options: Any) -> Any:
        setting, kind = SETTING.get(), type(x)
        if options or not setting.plain or (kind is not Value and kind is not Leaf):
            return general(x, *more, **options)
        given: Mapping[str, Any] = NO_OPTIONS
        if more:
            if len(more) > len(names) or not _ATOMS.issuperset(map(type, more)):
                return general(x, *more)
            given = dict(zip(names, more, strict=False))
        a = x._numbers
        try:
            y, closure = rule(a, **given) if more else rule(a)
        except _REFUSED as error:
            y, closure = _again(rule, (a,), given, error)
        if type(y) is not float or closure is None:
            y, closure = _settled(rule, y, closure, (x,), (a,), given)
        return _node(rule, y, closure, x, NOTHING, given, setting)

    return operation


def _binary(rule: Rule, general: Callable[..., Any], asks: bool = False) -> Callable[..., Any]:
    """Take the usual call the short way: two Values, or one and a Python number."""
    wanted = [[{"wants": (x, w)} for w in (False, True)] for x in (False, True)]

    def operation(x: Any = NOTHING, w: Any = NOTHING, *more: Any, **options: Any) -> Any:
        setting, x_kind, w_kind = SETTING.get(), type(x), type(w)
        if more or options or not setting.plain:
            return general(x, w, *more, **options)
        if x_kind is Value or x_kind is Leaf:
            a = x._numbers
        elif x_kind is float and issubclass(w_kind, Node):
            a = x
        else:
            return general(x, w)
        if w_kind is Value or w_kind is Leaf:
            b = w._numbers
        elif (w_kind is float or w_kind is int) and x_kind is not float:
            b = w
        else:
            return general(x, w)
        wants = wanted[x_kind is not float][isinstance(w, Node)] if asks else NO_OPTIONS
        try:
            y, closure = rule(a, b, **wants) if asks else rule(a, b)
        except _REFUSED as error:
            y, closure = _again(rule, (a, b), wants, error)
        if type(y) is not float or closure is None:
            y, closure = _settled(rule, y, closure, (x, w), (a, b), wants)
        return _node(rule, y, closure, x, w, wants, setting)

    return operation


def _many(rule: Rule, general: Callable[..., Any], two: Callable[..., Any]) -> Callable[..., Any]:
    """Take the usual call the short way: any number of Values and Python numbers."""

    def operation(*operands: Any, **options: Any) -> Any:
        if len(operands) == 2:
            return two(*operands, **options)
        setting, kinds = SETTING.get(), {*map(type, operands)}
        kinds.discard(float)
        if options or not setting.plain or not kinds or not kinds <= _nodes:
            return general(*operands, **options)
        data = [v if type(v) is float else v._numbers for v in operands]
        try:
            y, closure = rule(*data)
        except _REFUSED as error:
            y, closure = _again(rule, data, options, error)
        if type(y) is not float or closure is None:
            y, closure = _settled(rule, y, closure, operands, data, options)
        return _node(rule, y, closure, operands, NOTHING, NO_OPTIONS, setting)

    return operation


def _read(operands: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Read constants as they are; but where no Value decides the dtype, as a Value would."""
    read = to_constant if any(isinstance(v, Node) for v in operands) else to_data
    return tuple([v if isinstance(v, Node) else own(read(v, name)) for v in operands])


def _node(
    rule: Rule,
    y: Data,
    closure: Backward,
    x: Any,
    w: Any,
    options: Mapping[str, Any],
    setting: Setting,
) -> Any:
    """Record what an operation did."""
    out = _new(Value)
    out._numbers = y
    out._grad = None
    out._order = next_id()
    out._closure = closure
    out._x = x
    out._w = w
    out.rule = rule
    out.options = options
    out.about = placed(setting.about) if setting.traced else setting.about
    return out


def run_again(node: Node, operands: Sequence[Any]) -> Any:
    """Run a node's rule on other operands, and call the result by the node's name."""
    assert node.rule is not None
    options = dict(node.options)
    if "wants" in options:
        options["wants"] = tuple([isinstance(v, Node) for v in operands])
    data = [v._numbers if isinstance(v, Node) else v for v in operands]
    y, closure = _run(node.rule, operands, data, options)
    x, w = operands if len(operands) == 2 else (tuple(operands), NOTHING)
    twin = _node(node.rule, y, closure, x, w, options or NO_OPTIONS, SETTING.get())
    twin.about = node.about
    return twin


def _cut_off(rule: Rule, y: Data, options: Mapping[str, Any], setting: Setting) -> Any:
    """Make a leaf of what an operation computed."""
    leaf = Leaf(y)
    leaf.rule, leaf.options = rule, options
    leaf.about = placed(setting.about) if setting.traced else setting.about
    return leaf


def _run(
    rule: Rule, operands: Sequence[Any], data: Sequence[Any], options: Mapping[str, Any]
) -> tuple[Data, Backward]:
    """Run a rule, and bring its result into the form that a Value holds."""
    try:
        y, closure = rule(*data, **options)
    except _REFUSED as error:
        y, closure = _again(rule, data, options, error)
    if type(y) is float and closure is not None:
        return y, closure
    return _settled(rule, y, closure, operands, data, options)


def _settled(
    rule: Rule,
    y: Any,
    closure: Any,
    operands: Sequence[Any],
    data: Sequence[Any],
    options: Mapping[str, Any],
) -> tuple[Data, Backward]:
    """Bring a result into the form that a Value holds, and look at arrays that were handed out."""
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


_new = object.__new__
_ATOMS = frozenset({float, int, bool, str, type(None)})
_REFUSED = (ArithmeticError, TypeError, ValueError)


def _again(
    rule: Rule, data: Sequence[Any], options: Mapping[str, Any], error: Exception
) -> tuple[Any, Backward]:
    """Explain why a rule failed; where only Python's floats refused (0.0 ** -1), use NumPy's."""
    name = rule.__name__
    if any(isinstance(d, int) and d.bit_length() > 63 for d in data):  # NumPy knows no such integer
        data = [to_data(d, name) if isinstance(d, int) else d for d in data]
        return _run(rule, (), data, options)
    if isinstance(error, ArithmeticError) and not any(isinstance(d, np.ndarray) for d in data):
        return _on_numpy(rule, data, options)
    if error.__traceback__ is not None and error.__traceback__.tb_next is None:
        raise RuleError(f"{name}: a rule must return its result and a closure") from error
    ours = isinstance(error, TinygradPoolError)
    if isinstance(error, ValueError) and not ours and not fits_together(data):
        raise broadcast_error(name, data) from error
    raise error


def _on_numpy(rule: Rule, data: Sequence[Any], options: Mapping[str, Any]) -> tuple[Any, Backward]:
    return rule(*(np.float64(to_data(d, rule.__name__)) for d in data), **options)


def _guarded(
    name: str, closure: Backward, operands: tuple[Any, ...], now: list[Any], then: list[Any]
) -> Backward:
    """Wrap a closure so that it first compares operands and result with what they were then."""
    whose = [name_of(v) if isinstance(v, Node) else "a constant" for v in operands]
    kept = [*zip([*whose, "its result"], now, then, strict=True)]

    def guard() -> None:
        for who, data, copy in kept:
            if not np.array_equal(data, copy, equal_nan=True):
                raise GraphError(f"{name}: the data of {who} changed since the forward pass")

    def checked_backward(g: Array) -> Contributions:
        guard()
        return closure(g)

    checked_backward.guard = guard  # type: ignore[attr-defined]  # for a pass that runs rules again
    checked_backward.__wrapped__ = closure  # type: ignore[attr-defined]  # for a debugger
    return checked_backward
