"""Breakpoints of a backward pass: at a rule, a node, a line, a number or a change."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_pool.engine.context import Line
from tinygrad_pool.engine.node import locked
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import often
from tinygrad_pool.recording.trace import Trace

Test = Callable[[Step], bool]
VANISHING = 1000.0


class Breakpoint:
    """A breakpoint: what the user typed, its condition, and how often it was met."""

    def __init__(self, what: str, test: Callable[[Trace], Test], once: bool = False) -> None:
        self.number = 0
        self.what, self.test, self.once = what, test, once
        self.condition, self.ignored, self.hits, self.watched = "", 0, 0, ""

    def arm(self, passed: Trace) -> None:
        """Find the place in a pass. Raises OptionError if there is none."""
        self.holds = self.test(passed)

    def __str__(self) -> str:
        extras = [f" if {self.condition}"] if self.condition else []
        extras += [f", ignored {self.ignored} more times"] if self.ignored else []
        extras += [", once"] if self.once else []
        return f"{self.number}: {self.what}{''.join(extras)}, met {often(self.hits)}"

    def stops(self, step: Step) -> bool:
        """Return whether to stop here, and count."""
        if not self.holds(step) or (self.condition and not is_true(self.condition, step)):
            return False
        self.hits += 1
        if self.ignored:
            self.ignored -= 1
            return False
        return True


def at_place(passed: Trace, place: str) -> Test:
    """Stop at a node by its label or number, at every node of a rule, or of a line of source.

    A line is 12 or net.py:12. A leaf takes no step: for one, stop where something is added to its
    gradient.

    Raises OptionError for anything else.
    """
    file, _, line = place.rpartition(":")
    number = whole_number(line)
    if number is not None and place not in passed.known():
        return at_line(passed, file, number)
    return at_name(passed, place)


def whole_number(text: str) -> int | None:
    """Return a non-negative integer of up to 18 digits; None for anything else.

    >>> whole_number("12"), whole_number("-1"), whole_number("")
    (12, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def at_line(passed: Trace, file: str, number: int) -> Test:
    """Stop at every node that a line of source made, or else that was made in what it called.

    Raises OptionError if there is none.
    """
    made = [node.about.line for node in passed.nodes if node.about.line and node.parents]
    if not made:
        raise OptionError(
            "no lines of source were recorded: build the graph under tg.traced(), or run the "
            "script with tinygrad-pool debug"
        )

    def is_there(line: Line) -> bool:
        return line.number == number and line.file.endswith(file)

    wanted = {line for line in made if is_there(line)}
    if not wanted:
        called = {node for node in passed.nodes if any(map(is_there, node.about.callers))}
        if called:
            return lambda step: step.node in called
        near = sorted(
            set(made), key=lambda line: (not line.file.endswith(file), abs(line.number - number))
        )
        listed = ", ".join(dict.fromkeys(map(str, near[:4])))
        raise OptionError(
            f"no node was made at line {number}; nearby lines that made one: {listed}"
        )
    return lambda step: step.node.about.line in wanted


def at_name(passed: Trace, name: str) -> Test:
    """Stop at each node with a label, a number or a rule; relu_backward always means the rule."""
    if not name.strip():
        raise OptionError("a breakpoint needs the name of a node or a rule")
    rule = name.removesuffix("_backward")
    wanted = {node for node in passed.nodes if node.op == rule != name}
    wanted = wanted or set(passed.all_called(name))
    if not any(step.node in wanted for step in passed.steps):
        return at_change(passed, name)
    return lambda step: step.node in wanted


def at_numbers(kind: Callable[[Any], Any]) -> Test:
    """Stop where numbers of a kind arrive or are sent, such as np.isinf."""
    return lambda step: any(np.any(kind(x)) for x in _numbers_of(step))


def vanishes(step: Step) -> bool:
    """Return whether less than a thousandth of what arrived is sent on, and not nothing."""
    arrived, *sent = (np.max(np.abs(x), initial=0.0) for x in _numbers_of(step))
    return bool(0.0 < max(sent, default=0.0) < arrived / VANISHING)


def stays(step: Step) -> bool:
    """Return whether a gradient arrives, and only zeros are sent."""
    arrived, *sent = map(np.any, _numbers_of(step))
    return bool(arrived) and not any(sent)


def at_change(passed: Trace, name: str) -> Test:
    """Stop where something is added to the gradient of the node of this name."""
    wanted = set(passed.all_called(name))
    return lambda step: any(
        c is not None and p in wanted
        for p, c in zip(step.node.parents, step.contributions, strict=True)
    )


def is_true(expression: str, step: Step) -> bool:
    """Return whether an expression holds at a step, for an array anywhere in it.

    Raises OptionError, which says what is wrong with it.
    """
    found = evaluate(expression, of_step(step))
    with _naming(expression):
        return bool(np.any(found))


def of_step(step: Step) -> dict[str, Any]:
    """Return the names that an expression may use: g, data, op and label."""
    node = step.node
    return {"g": step.upstream, "data": node.data, "op": node.op, "label": node.label}


ALWAYS = {"np": np, "abs": np.abs, "nan": np.nan, "inf": np.inf}
"""The names that every expression may use."""


def check_condition(expression: str) -> None:
    """Check an expression of a step. Raises OptionError, which says what is wrong with it."""
    check(expression)
    parts = [*ast.walk(ast.parse(expression.strip(), mode="eval"))]
    names = [part for part in parts if isinstance(part, ast.Name)]
    bound = {part.arg for part in parts if isinstance(part, ast.arg)}
    bound |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    for name in names:
        if name.id not in bound | {"g", "data", "op", "label", *ALWAYS} | {*dir(builtins)}:
            raise OptionError(
                f"{expression!r}: there is no {name.id} here; g is the gradient that arrived, and "
                "there are data, op, label and np"
            )


def names_at(recording: Trace, step: Step) -> dict[str, Any]:
    """Return the names that an expression to be shown may use: those of a step, and of nodes."""
    called = {recording.call(v): v for v in recording.nodes}
    return {**recording.variables, **called, **of_step(step)}


@lru_cache(maxsize=64)
def check(expression: str) -> CodeType:
    """Compile an expression. Raises OptionError, which says what is wrong with it."""
    with _naming(expression), warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # such as: "is" with a literal
        return compile(expression, "the expression", "eval")


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """Evaluate an expression with some names, np, abs, nan and inf; it cannot change them.

    Raises OptionError, which says what is wrong with it.
    """
    code = check(expression)
    given = {name: locked(x) for name, x in names.items()}
    with _naming(expression):
        return eval(code, {**ALWAYS, **given})  # it is the user's own


@contextmanager
def _naming(expression: str) -> Iterator[None]:
    """Raise OptionError, which names the expression, for whatever goes wrong with it."""
    try:
        yield
    except (Exception, SystemExit) as error:  # noqa: BLE001  # MemoryError of a deep one, too
        raise OptionError(f"{expression!r}: {type(error).__name__}: {error}") from None


def _numbers_of(step: Step) -> list[Any]:
    return [step.upstream, *(c for c in step.contributions if c is not None)]
