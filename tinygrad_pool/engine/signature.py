"""Which parameters of a rule are operands, and which are options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, NamedTuple

from tinygrad_pool.engine.numpy_protocol import AnswersNumPy
from tinygrad_pool.errors import OptionError, RuleError
from tinygrad_pool.rules.composition import HINTS
from tinygrad_pool.rules.primitive import is_value
from tinygrad_pool.rules.rule import Rule

NEW_OPERATION = (
    "to define an operation, write a rule that returns its result and its backward closure, "
    "and call y = tg.lift(rule)(x)"
)
HABITS = {
    **HINTS,
    **dict.fromkeys(("_children", "_op", "children", "parents"), NEW_OPERATION),
    "name": "v.label names a Value",
    "argnum": "write argnums=",
    "requires_grad": "every Value gets a gradient; v.detach() or tg.no_grad() stops it",
    "constant": "numbers and arrays are constants; every Value gets a gradient",
    "create_graph": "tg.grad(loss, [x], create_graph=True) returns gradients with a graph",
    "allow_unused": "gradients are zeros where the result does not depend on x",
    "grad_outputs": "write gradient=",
    "retain_graph": "a graph is kept as long as you hold a Value of it",
    "inplace": "results are new Values",
    "set_to_none": "gradients are reset, and read as zeros",
}


class Signature(NamedTuple):
    """The parameters of a rule. `arity` is None if the number of operands is arbitrary."""

    name: str
    arity: int | None
    options: tuple[str, ...]
    required: tuple[str, ...]
    wants: bool

    def sort(
        self, operands: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Separate operands from options given by position, and reject unknown options.

        >>> signature_of(lambda x, axis=None: None).sort((2.0, 1), {})
        ((2.0,), {'axis': 1})
        """
        operands, extras = self._split(operands)
        if len(operands) < (self.arity or 0) or len(extras) > len(self.options):
            most, got = len(self.options), len(operands) + len(extras)
            raise OptionError(
                f"{self.name}: needs {'any number of' if self.arity is None else self.arity} "
                f"operand{'s' * (self.arity != 1)} and at most {most} option{'s' * (most != 1)}, "
                f"got {got} argument{'s' * (got != 1)}"
            )
        if extras:
            placed = dict(zip(self.options, extras))  # noqa: B905  # there may be fewer extras
            if twice := [option for option in placed if option in options]:
                raise OptionError(f"{self.name}: option {twice[0]!r} is given twice")
            options = placed | options if options else placed
        for option in options:
            if option not in self.options:
                unknown = "out" if "out" in options else option  # NumPy passes axes too in a @= v
                known = ", ".join(self.options) or "none"
                hint = f"; {HABITS[unknown]}" if unknown in HABITS else ""
                raise OptionError(f"{self.name}: no option {unknown!r} (options: {known}){hint}")
        for option in self.required:
            if option not in options:
                raise OptionError(f"{self.name}: missing the option {option!r}")
        return operands, options

    def _split(self, arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Split arguments into operands and options; operands of any number may be in one list."""
        if self.arity is not None:
            return arguments[: self.arity], arguments[self.arity :]
        first = arguments[0] if arguments else None
        if isinstance(first, list | tuple) and (
            len(arguments) == 1 or any(isinstance(v, AnswersNumPy) for v in first)
        ):
            return tuple(first), arguments[1:]
        return arguments, ()


def signature_of(rule: Rule) -> Signature:
    """Return the signature of a rule: parameters with a default or after `*` are options.

    Raises RuleError if `rule` is not a function, or is already an operation.
    """
    if not isinstance(rule, FunctionType):
        raise RuleError(
            f"lift: needs a rule, a function with a name, got {rule!r:.80}; "
            "wrap a method or a partial in a function: def rule(x): return f(x)"
        )
    if isinstance(getattr(rule, "signature", None), Signature):
        raise RuleError(f"lift: {rule.__name__} is already an operation")
    function = inspect.unwrap(rule)
    code, defaults = function.__code__, function.__defaults__ or ()
    end = code.co_argcount + code.co_kwonlyargcount
    arity = code.co_argcount - len(defaults)
    options = tuple(name for name in code.co_varnames[arity:end] if name != "wants")
    optional = {*code.co_varnames[arity : code.co_argcount], *(function.__kwdefaults__ or ())}
    return Signature(
        name=rule.__name__,
        arity=None if code.co_flags & inspect.CO_VARARGS else arity,
        options=options,
        required=tuple(name for name in options if name not in optional),
        wants="wants" in code.co_varnames[arity:end],
    )


def reject_foreign_options(name: str, options: dict[str, Any]) -> None:
    """Raise OptionError for options that do not exist, with advice on those of other libraries."""
    for option in options:
        hint = f": {HABITS[option]}" if option in HABITS else ""
        raise OptionError(f"{name}: no option {option!r}{hint}")


def reject_children(first: Any, *rest: Any) -> None:
    """Raise OptionError for micrograd's Value(data, children, op), given what follows the data."""
    if rest or (type(first) in (tuple, list, set) and any(map(is_value, first))):
        raise OptionError(f"Value: takes data and a label; {NEW_OPERATION}")


def with_signature(operation: Callable[..., Any], rule: Rule, signature: Signature) -> Any:
    """Give an operation the docstring and the signature of its rule, for help and editors."""
    described: Any = wraps(rule)(operation)
    if rule.__doc__:  # without its example, which calls the rule itself
        described.__doc__ = f"{rule.__doc__.partition('>>> ')[0].rstrip()}\n"
    described.__signature__ = ShownSignature(rule)
    described.signature = signature
    return described


class ShownSignature(inspect.Signature):
    """The signature of an operation in help and editors, read from its rule on first use: slow.

    >>> ShownSignature(lambda x, axis=None, *, wants=(True,): None)
    <ShownSignature (x, axis=None) -> 'Value'>
    """

    __slots__ = ("_rule",)

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def __getattr__(self, name: str) -> Any:
        if name not in inspect.Signature.__slots__:
            raise AttributeError(name)
        parameters = inspect.signature(self._rule).parameters.values()
        super().__init__([p for p in parameters if p.name != "wants"], return_annotation="Value")
        return getattr(self, name)

    def replace(self, **changes: Any) -> inspect.Signature:  # type: ignore[override]
        """Return a changed copy; `inspect` uses this to drop the first operand of a method."""
        parameters = [*self.parameters.values()]
        plain = inspect.Signature(parameters, return_annotation=self.return_annotation)
        return plain.replace(**changes)
