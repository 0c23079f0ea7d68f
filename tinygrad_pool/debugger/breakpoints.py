"""Breakpoints in a backward pass: at a rule, a node, a line, a number or a change."""

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
from tinygrad_pool.engine.node import Node, locked
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted, often
from tinygrad_pool.recording.naming import Named
from tinygrad_pool.recording.trace import Trace

Test = Callable[[Step], bool]
VANISHING = 1000.0


class Breakpoint:
    """A breakpoint: a title, usually as the user typed it, a condition, and a count of its hits."""

    def __init__(self, title: str, test: Callable[[Trace], Test], once: bool = False) -> None:
        self.number = 0
        self.title, self.test, self.once = title, test, once
        self.condition, self.ignored, self.hits, self.watched = "", 0, 0, ""

    def arm(self, recording: Trace) -> None:
        """Find the nodes to stop at in a recording. Raises OptionError if there are none."""
        self.matches = self.test(recording)

    def __str__(self) -> str:
        extras = [f" if {self.condition}"] if self.condition else []
        extras += [f", ignored {counted(self.ignored, 'more time')}"] if self.ignored else []
        extras += [", once"] if self.once else []
        return f"{self.number}: {self.title}{''.join(extras)}, hit {often(self.hits)}"

    def stops(self, step: Step) -> bool:
        """Count a hit, and return whether to stop at this step."""
        if not self.matches(step) or (self.condition and not is_true(self.condition, step)):
            return False
        self.hits += 1
        if self.ignored:
            self.ignored -= 1
            return False
        return True


def at_place(recording: Trace, place: str) -> Test:
    """Stop at the node of a label or number, or at every node of a rule or a line of source.

    A line is written as 12 or net.py:12. A leaf has no step of its own: stop where something is
    added to its gradient.

    Raises OptionError if the place matches nothing.
    """
    file, _, line = place.rpartition(":")
    number = whole_number(line)
    if number is not None and place not in recording.known():
        return at_line(recording, file, number)
    return at_name(recording, place)


def whole_number(text: str) -> int | None:
    """Read a non-negative integer of up to 18 digits; return None for anything else.

    >>> whole_number("12"), whole_number("-1"), whole_number("")
    (12, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def at_line(recording: Trace, file: str, number: int) -> Test:
    """Stop at every node that a line of source made; if there are none, at those its calls made.

    Raises OptionError if there are none either.
    """
    lines = {node.about.line for node in recording.nodes if node.about.line and node.parents}
    if not lines:
        raise OptionError(
            "no lines of source were recorded: build the graph under tg.traced(), or run the "
            "script with tinygrad-pool debug"
        )

    def is_there(line: Line) -> bool:
        return line.number == number and line.file.endswith(file)

    matches = {line for line in lines if is_there(line)}
    if not matches:
        nodes = {node for node in recording.nodes if any(map(is_there, node.about.callers))}
        if nodes:
            return lambda step: step.node in nodes
        near = sorted(
            lines, key=lambda line: (not line.file.endswith(file), abs(line.number - number))
        )
        listed = ", ".join(dict.fromkeys(map(str, near[:4])))
        raise OptionError(f"line {number} made no node; nearby lines that did: {listed}")
    return lambda step: step.node.about.line in matches


def at_name(recording: Trace, name: str) -> Test:
    """Stop at each node of a label, a number or a rule."""
    if not name.strip():
        raise OptionError("a breakpoint needs the name of a node or a rule")
    nodes = set(nodes_called(recording, name))
    if not any(step.node in nodes for step in recording.steps):
        return at_change(recording, name)
    return lambda step: step.node in nodes


def nodes_called(named: Named, name: str) -> list[Node]:
    """List the nodes of a name; relu_backward always means the rule. Raises OptionError if none."""
    rule = name.removesuffix("_backward")
    return [v for v in named.nodes if v.op == rule != name] or named.all_called(name)


def at_numbers(predicate: Callable[[Any], Any]) -> Test:
    """Stop where a number that satisfies a predicate, such as np.isinf, arrives or is sent."""
    return lambda step: any(np.any(predicate(x)) for x in _gradients_of(step))


def vanishes(step: Step) -> bool:
    """Return whether the largest contribution is nonzero, but below 1/1000 of what arrived."""
    arrived, *sent = (np.max(np.abs(x), initial=0.0) for x in _gradients_of(step))
    return bool(0.0 < max(sent, default=0.0) < arrived / VANISHING)


def sends_only_zeros(step: Step) -> bool:
    """Return whether a nonzero gradient arrives and only zeros are sent."""
    arrived, *sent = map(np.any, _gradients_of(step))
    return bool(arrived) and not any(sent)


def at_change(recording: Trace, name: str) -> Test:
    """Stop where something is added to the gradient of a node of this name."""
    nodes = set(recording.all_called(name))
    return lambda step: any(
        c is not None and p in nodes
        for p, c in zip(step.node.parents, step.contributions, strict=True)
    )


def is_true(expression: str, step: Step) -> bool:
    """Return whether an expression is true at a step; an array is if any element is.

    Raises OptionError, which quotes the expression, if it cannot be evaluated.
    """
    result = evaluate(expression, of_step(step))
    with _quoting(expression):
        return bool(np.any(result))


def of_step(step: Step) -> dict[str, Any]:
    """Return the names that an expression may use: g, data, op and label."""
    node = step.node
    return {"g": step.upstream, "data": node.data, "op": node.op, "label": node.label}


ALWAYS = {"np": np, "abs": np.abs, "nan": np.nan, "inf": np.inf}
"""Names that every expression may use."""


def check_condition(expression: str) -> None:
    """Check the condition of a breakpoint. Raises OptionError for an error or an unknown name."""
    check(expression)
    parts = [*ast.walk(ast.parse(expression.strip(), mode="eval"))]
    names = [part for part in parts if isinstance(part, ast.Name)]
    bound = {part.arg for part in parts if isinstance(part, ast.arg)}
    bound |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    known = bound | {"g", "data", "op", "label", *ALWAYS} | {*dir(builtins)}
    wrong = [f"{name.id} is not defined here" for name in names if name.id not in known]
    if wrong := wrong or ["it is the same at every step"] * (not names):
        raise OptionError(
            f"{expression!r}: {wrong[0]}; use g (the gradient that arrived), data, op, label and np"
        )


def names_at(recording: Trace, step: Step) -> dict[str, Any]:
    """Return the names that print may use: variables, names of nodes, and those of a step."""
    nodes = {recording.call(v): v for v in recording.nodes}
    return {**recording.variables, **nodes, **of_step(step)}


@lru_cache(maxsize=64)
def check(expression: str) -> CodeType:
    """Compile an expression, in which − is -, as numbers are printed.

    Raises OptionError, which quotes it, for a syntax error.
    """
    with _quoting(expression), warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # such as: "is" with a literal
        return compile(expression.replace("−", "-"), "the expression", "eval")


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """Evaluate an expression with the given names, np, abs, nan and inf; arrays are read-only.

    Raises OptionError, which quotes the expression, if it cannot be evaluated.
    """
    code = check(expression)
    read_only = {name: locked(x) for name, x in names.items()}
    with _quoting(expression):
        return eval(code, {**ALWAYS, **read_only})  # the user typed it


@contextmanager
def _quoting(expression: str) -> Iterator[None]:
    """Turn every exception into an OptionError that quotes the expression."""
    try:
        yield
    except (Exception, SystemExit) as error:  # noqa: BLE001  # also a MemoryError of deep nesting
        raise OptionError(f"{expression!r}: {type(error).__name__}: {error}") from None


def _gradients_of(step: Step) -> list[Any]:
    """Return the upstream gradient and the contributions of a step."""
    return [step.upstream, *(c for c in step.contributions if c is not None)]
