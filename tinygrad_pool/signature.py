"""Which parameters of a rule are operands, and which are options."""

import inspect
from typing import Any, NamedTuple

from tinygrad_pool.errors import OptionError, RuleError
from tinygrad_pool.numpy_names import AnswersNumPy
from tinygrad_pool.rules.rule import Rule

HABITS = {
    "dim": "axis= names an axis here",
    "keepdim": "keepdims= keeps axes here",
    "a_min": "the bounds are min= and max=",
    "a_max": "the bounds are min= and max=",
    "requires_grad": "every Value takes part; v.detach() or tg.no_grad() leaves one out",
    "retain_graph": "a graph lives as long as you hold it",
    "out": "results are new Values",
    "inplace": "results are new Values",
}


class Signature(NamedTuple):
    """The parameters of a rule. `arity` is None if it takes any number of operands."""

    name: str
    arity: int | None
    options: tuple[str, ...]
    required: tuple[str, ...]
    wants: bool

    def sort(
        self, operands: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Tell operands from options given by position, and refuse what the rule does not know.

        >>> signature_of(lambda x, axis=None: None).sort((2.0, 1), {})
        ((2.0,), {'axis': 1})
        """
        operands, extras = self._split(operands)
        if len(operands) < (self.arity or 0) or len(extras) > len(self.options):
            raise OptionError(
                f"{self.name}: needs {'any number of' if self.arity is None else self.arity} "
                f"operands and at most {len(self.options)} options, "
                f"got {len(operands) + len(extras)} arguments"
            )
        placed = dict(zip(self.options, extras, strict=False))
        for option in placed.keys() & options.keys():
            raise OptionError(f"{self.name}: option {option!r} is given twice")
        options = placed | options
        for option in options:
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                hint = f"; {HABITS[option]}" if option in HABITS else ""
                raise OptionError(f"{self.name}: no option {option!r} (options: {known}){hint}")
        for option in self.required:
            if option not in options:
                raise OptionError(f"{self.name}: needs the option {option!r}")
        return operands, options

    def _split(self, given: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Tell operands from options by position; many operands may also come in one list."""
        if self.arity is not None:
            return given[: self.arity], given[self.arity :]
        first = given[0] if given else None
        if isinstance(first, list | tuple) and (
            len(given) == 1 or any(isinstance(v, AnswersNumPy) for v in first)
        ):
            return tuple(first), given[1:]
        return given, ()


def signature_of(rule: Rule) -> Signature:
    """Read a rule's signature: parameters with a default or after `*` are options.

    Raises RuleError for what is no function, or is an operation already.
    """
    try:
        name, parameters = rule.__name__, inspect.signature(rule).parameters.values()
    except (AttributeError, TypeError, ValueError):
        raise RuleError(f"lift: needs a rule, a function with a name, got {rule!r:.80}") from None
    if isinstance(getattr(rule, "signature", None), Signature):
        raise RuleError(f"lift: {name} is an operation already")
    operands = [p for p in parameters if p.kind < p.VAR_POSITIONAL and p.default is p.empty]
    options = [p for p in parameters if p not in operands and p.kind != p.VAR_POSITIONAL]
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return Signature(
        name=name,
        arity=None if open_ended else len(operands),
        options=tuple(p.name for p in options if p.name != "wants"),
        required=tuple(p.name for p in options if p.default is p.empty and p.name != "wants"),
        wants=any(p.name == "wants" for p in options),
    )


def refuse_habits(name: str, given: dict[str, Any]) -> None:
    """Raise OptionError for options that another library would take, saying what is done here."""
    for option in given:
        hint = f": {HABITS[option]}" if option in HABITS else ""
        raise OptionError(f"{name}: no option {option!r}{hint}")
