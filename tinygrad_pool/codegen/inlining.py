"""Rules of numbers as Python expressions, found by running them on traced numbers.

The rule and its closure run once, on operands that record what is computed with them. This gives
expressions of the operands x0, x1, … and of the gradient g, which replace the calls.

The expressions may skip what a rule computes without using it. If an operation of Python floats
raises, as 1 / 0.0 does, the caller runs the graph itself instead.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.codegen.spelling import spelled
from tinygrad_pool.javascript.tracing import (
    Handler,
    Mask,
    NotTraced,
    Tape,
    Traced,
    bare,
    tape_of,
    traced,
)
from tinygrad_pool.rules.activations import area_above, area_below
from tinygrad_pool.rules.masks import truth
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.tie_breaking import first_wins, winners_among

LARGE = 32
"""An expression of this many operators is assigned to a name instead of being put into another."""

MOST = 64
"""A rule with more operands is called: the call costs little beside the work for so many."""

LOOSE, TEST, SUM, PRODUCT, POWER, ATOM = range(6)
"""How tightly the outermost operator of an expression binds."""

OPERATORS: dict[Any, tuple[str, int]] = {
    np.add: ("{:2} + {:3}", SUM),
    np.subtract: ("{:2} - {:3}", SUM),
    np.multiply: ("{:3} * {:4}", PRODUCT),
    np.divide: ("{:3} / {:4}", PRODUCT),
    np.negative: ("-{:4}", PRODUCT),
    np.power: ("{:5} ** {:5}", POWER),
    np.less: ("{:2} < {:2}", TEST),
    np.less_equal: ("{:2} <= {:2}", TEST),
    np.greater: ("{:2} > {:2}", TEST),
    np.greater_equal: ("{:2} >= {:2}", TEST),
    np.equal: ("{:2} == {:2}", TEST),
    np.not_equal: ("{:2} != {:2}", TEST),
    np.isnan: ("{0:2} != {0:2}", TEST),
    **dict.fromkeys((np.logical_not, np.invert), ("not {:1}", TEST)),
    **dict.fromkeys((np.logical_or, np.bitwise_or), ("{:1} or {:1}", LOOSE)),
    **dict.fromkeys((np.logical_and, np.bitwise_and), ("{:1} and {:1}", LOOSE)),
    np.where: ("{1:1} if {0:1} else {2:1}", LOOSE),
}
"""NumPy's functions that are Python operators; {:2} is an operand that must bind like a sum."""

GIVEN = {"_erf": math.erf, "_erfc": math.erfc}
"""Functions in expressions that NumPy does not have; names of nodes never begin with "_"."""

HOLE = re.compile(r"\{(\w+):\d\}")


class Text(NamedTuple):
    """An expression with `size` operators; `names` are its holes, as often as they occur."""

    text: str
    level: int = ATOM
    size: int = 0
    names: tuple[str, ...] = ()

    def __format__(self, level: str) -> str:
        """Write the expression as an operand that must bind at least this tightly."""
        return self.text if self.level >= int(level) else f"({self.text})"

    def plus(self, other: Text) -> Text:
        """Write a sum."""
        return Text(f"{self:2} + {other:3}", SUM, self.size + other.size + 1)

    def filled(self, texts: Mapping[str, Text]) -> Text:
        """Fill the holes.

        >>> product = Text("{a:3} * {b:4}", PRODUCT, 1, ("a", "b"))
        >>> product.filled({"a": Text("x + w", SUM, 1), "b": Text("c")}).text
        '(x + w) * c'
        """
        if self.names and not self.size:
            return texts[self.names[0]]
        size = self.size + sum([texts[name].size for name in self.names])
        return Text(self.text.format_map(texts), self.level, size)


class Hole(str):
    """A name in an expression that is to be replaced."""

    __slots__ = ()
    size = 0

    def __format__(self, level: str) -> str:
        return f"{{{self!s}:{level}}}"


class Inlined(NamedTuple):
    """A rule and its closure as expressions of the operands x0, x1, … and of g.

    `forward` and `backward` are intermediate results by name. A contribution is None if the operand
    is a constant, or if the closure returns None. `uses` counts how often each name occurs,
    `uses_forward` without the closure.
    """

    forward: dict[str, Text]
    y: Text
    backward: dict[str, Text]
    contributions: list[Text | None]
    decided: bool  # whether the expressions depend on the value of a constant
    uses_forward: Counter[str]
    uses: Counter[str]


def literal(x: Any) -> Text:
    """Write a number. A minus sign binds like a product: (-2.0) ** n."""
    text = spelled(bool(x) if isinstance(x, bool | np.bool_) else float(x)) or ""
    return Text(text, PRODUCT if text.startswith("-") else ATOM)


def inlined(rule: Any, constants: list[float | None], options: Mapping[str, Any]) -> Inlined | None:
    """Write a rule as expressions. `constants` has None for each operand that is a variable.

    Returns None if the rule cannot be traced, or if it is not one of this package: a user's rule
    may have side effects, or read data that changes.

    >>> from tinygrad_pool.rules.arithmetic import power
    >>> square = inlined(power, [None, 2.0], {"wants": (True, False)})
    >>> square.y.text, square.contributions[0].text
    ('{x0:5} ** 2.0', '{g:3} * {x1:4} * {x0:5} ** 1.0')
    """
    if len(constants) > MOST or not is_ours(rule):
        return None
    tape = Expressions()
    operands = [
        Traced(tape, f"x{i}", 0.5) if x is None else Constant(tape, f"x{i}", x)
        for i, x in enumerate(constants)
    ]
    try:
        with np.errstate(all="ignore"):
            y, closure = rule(*operands, **options)
            in_forward = [*tape.lines]
            contributions = closure(Traced(tape, "g", 0.5))
        pairs = zip(contributions, constants, strict=True)
        sent = [c if x is None else None for c, x in pairs]
        results = [c if c is None else _result(c) for c in (y, *sent)]
    except Exception:  # noqa: BLE001  # a rule that needs arrays may raise anything
        return None
    forms, (y, *sent) = _tidied(tape.lines, results)
    forward = {name: form for name, form in forms.items() if name in in_forward}
    backward = {name: form for name, form in forms.items() if name not in in_forward}
    uses_forward = _uses([*forward.values(), y])
    uses = uses_forward + _uses([*backward.values(), *sent])
    return Inlined(forward, y, backward, sent, tape.decided, uses_forward, uses)


def _tidied(
    forms: Mapping[str, Text], results: list[Text | None]
) -> tuple[dict[str, Text], list[Any]]:
    """Drop expressions that are not used, and put those that are used once into others."""
    uses = _uses([*forms.values(), *results])
    for name, form in reversed([*forms.items()]):
        if not uses[name]:
            uses.subtract(form.names)
    texts, named = dict[str, Any](), dict[str, Text]()

    def filled(form: Text) -> Text:
        if not form.size and form.names and form.names[0] not in texts:
            return form
        whole = form.filled({name: texts.get(name, Hole(name)) for name in form.names})
        return whole._replace(names=tuple(HOLE.findall(whole.text)))

    for name, form in forms.items():
        if uses[name]:
            whole = filled(form)
            is_inner = uses[name] == 1 and whole.size < LARGE
            (texts if is_inner else named)[name] = whole
    return named, [form and filled(form) for form in results]


def _uses(forms: list[Text | None]) -> Counter[str]:
    return Counter(name for form in forms if form for name in form.names)


# -- tracing


class Constant(Traced):
    """A number made of constant operands: an expression, but its value may be used, too."""


class Expressions(Tape):
    """Expressions of numbers, named t0, t1, …; equal expressions share a name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[Text, str] = {}
        self.decided = False

    def handler(self, function: Any) -> Handler | None:
        """Return what records a call of a function, if it can be recorded."""
        is_named = isinstance(function, np.ufunc) and hasattr(np, function.__name__)
        return HANDLERS.get(function, partial(self.apply, function) if is_named else None)

    def apply(self, function: Any, *xs: Any) -> Any:
        """Write a call of a ufunc. A test of constants is evaluated."""
        numbers = np.asarray(function(*map(bare, xs)))
        is_constant = all(isinstance(x, Constant) or not isinstance(x, Traced | Mask) for x in xs)
        if is_constant and numbers.dtype == bool:
            self.decided = True
            return numbers.item()
        call = f"float(np.{function.__name__}({', '.join(['{:0}'] * len(xs))}))", ATOM
        y = self.written(numbers, *OPERATORS.get(function, call), *xs)
        return Constant(self, y.text, numbers) if is_constant else y

    def written(self, numbers: Any, pattern: str, level: int, *xs: Any) -> Any:
        """Name an expression; `numbers` is an example of its value, which tells its type."""
        form = _form(pattern, level, 1, *xs)
        name = self.names.setdefault(form, f"t{len(self.names)}")
        self.lines[name] = form
        return traced(self, name, numbers)


def _form(pattern: str, level: int, size: int, *xs: Any) -> Text:
    """Write an expression of traced and of known numbers."""
    operands = [Hole(x.text) if isinstance(x, Traced | Mask) else literal(x) for x in xs]
    text = pattern.format(*operands)
    return Text(text, level, size, tuple(HOLE.findall(text)))


def _result(x: Any) -> Text:
    """Write a number that a rule or its closure returns. Raises NotTraced for a mask."""
    return _form("{:5}", ATOM, 0, x if isinstance(x, Traced) else float(x))


def _where(condition: Any, x: Any, w: Any) -> Any:
    if not isinstance(condition, Mask):
        return x if condition else w
    numbers = np.where(bare(condition), bare(x), bare(w))
    tape: Any = condition.tape
    return tape.written(numbers, *OPERATORS[np.where], condition, x, w)


def _power(x: Any, n: Any) -> Any:
    tape: Any = tape_of((x, n))
    if isinstance(n, Constant):
        tape.decided, n = True, n.numbers
    is_real = not isinstance(n, Traced) and float(n).is_integer()
    form = OPERATORS[np.power] if is_real else ("float({:5} ** {:5})", ATOM)
    return tape.written(np.power(bare(x), bare(n)), *form, x, n)


def _clip(x: Any, low: Any, high: Any) -> Any:
    y = np.where(x < low, low, x)
    return np.where(y > high, high, y)


def _winners_among(*xs: Any, ties: str, name: str, least: bool = False) -> tuple[list[Any], int]:
    if ties != "first":
        raise NotTraced(f"{name} with ties={ties!r}")
    best, k = xs[0], np.asarray(0)
    for i, x in enumerate(xs[1:], 1):
        stays = first_wins(best, x, least)
        best, k = np.where(stays, best, x), np.where(stays, k, i)
    return [np.equal(k, i) for i in range(len(xs))], 1


HANDLERS: dict[Any, Handler] = {
    np.where: _where,
    np.power: _power,
    np.clip: _clip,
    np.maximum: lambda x, w: np.where(first_wins(x, w), x, w),
    np.minimum: lambda x, w: np.where(first_wins(x, w, least=True), x, w),
    winners_among: _winners_among,
    truth: lambda condition: np.not_equal(condition, 0.0),
    area_below: lambda x: x.tape.written(x.numbers, "_erf({:0})", ATOM, x),
    area_above: lambda x: x.tape.written(x.numbers, "_erfc({:0})", ATOM, x),
}
"""Other functions on traced numbers. A ufunc that is in neither table is called by its name."""
