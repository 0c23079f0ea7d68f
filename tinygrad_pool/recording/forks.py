"""Places in the source where plain Python chooses: if, max, a filter.

A recorded choice is one only if what was chosen goes on to a line that made a node.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tinygrad_pool.engine.context import THROUGH, Choice, Line
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.recording.flow import Source, names_in, source_of
from tinygrad_pool.recording.freshness import made_plain, takes_number
from tinygrad_pool.recording.source import quoted

PICKING = {
    **dict.fromkeys(("max", "sorted", "sort", "nlargest"), "tg.maximum"),
    **dict.fromkeys(("min", "nsmallest"), "tg.minimum"),
}
"""Functions of Python that compare Values and return one, and what is a node."""

NUMBERS = ("data", "item", "grad", "detach")
"""Attributes that make a number of what was chosen: no Value goes on."""

RELATIONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Fork(NamedTuple):
    """A fork in the source: its lines, and from `begin` to `end` those that give what is chosen.

    One that asks for v.data and not for v is made `by_data`: no Value remembers that.
    """

    what: str
    first: int
    last: int
    begin: int
    end: int
    by_data: bool


def fork_at(source: Source, number: int) -> Fork | None:
    """Find the innermost fork that a line decides, if what was chosen is not made a number."""
    here = [fork for fork in _forks(source) if fork.first <= number <= fork.last]
    inner = min(here, key=lambda fork: fork.last - fork.first, default=None)
    return None if inner is None or inner.what in NUMBERS else inner


def forks_by_data(nodes: Iterable[Node]) -> Iterator[tuple[str, Fork]]:
    """List forks that ask for v.data, and go on to lines that made nodes; with their file.

    A loop that runs until some number is reached is none.
    """
    files = dict.fromkeys(v.about.line.file for v in nodes if v.parents and v.about.line)
    for file in files:
        if source := source_of(file):
            made = lines_of(nodes, file)
            for fork in (fork for fork in _forks(source) if fork.by_data):
                if fork.what != "while" and source.reached(fork.begin, fork.end, made):
                    yield file, fork


def _forks(source: Source) -> list[Fork]:
    return [fork for node in ast.walk(source.tree) for fork in _read(source, node)]


def lines_of(nodes: Iterable[Node], file: str, leaves: bool = False) -> list[int]:
    """List the lines of a file that made nodes; or leaves, too."""
    made = {v.about.line for v in nodes if (leaves or v.parents) and v.about.line}
    return [line.number for line in made if line.file == file]


def choices_undone(twins: Mapping[Value, Value]) -> list[str]:
    """List the choices of Python that a replay keeps, and that its numbers may turn round.

    `twins` maps each node to what the replay made of it.
    """
    times = {node._order: twin for node, twin in twins.items()}
    said: dict[tuple[Line, bool], str] = {}
    for node, twin in twins.items():
        for choice in node.about.choices:
            if choice.line is not None and choice.other != THROUGH:
                goes_on = _makes_constant if takes_number(choice) else _decides
                undone = _undone(choice, node, twin, times.get(choice.rival))
                if undone and goes_on(twins, choice.line):
                    said.setdefault((choice.line, takes_number(choice)), undone)
    for file, fork in forks_by_data(twins):
        line = Line(file, fork.first, "")
        chose = f"Python's {fork.what} chose by the .data of a Value at {quoted(line)}"
        said.setdefault((line, False), f"{chose}; what it chose stays")
    return [*said.values()]


def deciding(nodes: list[Node]) -> Iterator[tuple[Node, Choice, Node | None]]:
    """List the comparisons that decided what nodes are made of: the Value, and its rival if any."""
    times = {node._order: node for node in nodes}
    for node in nodes:
        for choice in node.about.choices:
            rival = times.get(choice.rival)
            if takes_number(choice) or choice.line is None or (choice.rival and rival is None):
                continue
            if choice.other != THROUGH and _decides(nodes, choice.line):
                yield node, choice, rival


def _undone(choice: Choice, node: Node, twin: Node, rival: Node | None) -> str:
    """Write how other numbers change a choice; "" if they do not."""
    who = f"{name_of(node)} at {quoted(choice.line)}"
    if takes_number(choice):
        same = np.array_equal(node._numbers, twin._numbers, equal_nan=True)
        taken = f"{made_plain(choice.relation)} of {who}"
        return "" if same else f"{taken}; it stays as it was"
    chose = f"Python chose by the data of {who}"
    if _answer(choice, twin, rival) != choice.answer:
        return f"{chose}; now it would choose otherwise, but what it chose stays"
    if choice.rival and rival is None:
        return f"{chose}; it stays, for it was against a Value that is not in this graph"
    return ""


def _answer(choice: Choice, asked: Node, rival: Node | None) -> bool:
    """Ask once more what Python asked."""
    if choice.relation == "bool":
        return bool(asked._numbers)
    try:
        other = float(choice.other) if rival is None else rival._numbers
    except ValueError:  # True
        return choice.answer
    return bool(RELATIONS[choice.relation](asked._numbers, other))


def _decides(nodes: Iterable[Node], line: Line) -> bool:
    """Return whether a line decides what nodes are made of; without its source it may."""
    source = source_of(line.file)
    if source is None:
        return True
    fork = fork_at(source, line.number)
    return fork is not None and bool(
        source.reached(fork.begin, fork.end, lines_of(nodes, line.file))
    )


def _makes_constant(nodes: Iterable[Node], line: Line) -> bool:
    """Return whether what a line gives goes on to a node that was computed with a constant."""
    some = [node for node in nodes if has_constant(node)]
    source = source_of(line.file)
    if source is None:
        return any(v.about.line == line for v in some)
    return bool(
        source.reached(*source.statement_of(line.number), lines_of(some, line.file, leaves=True))
    )


def has_constant(node: Node) -> bool:
    """Return whether a node is a constant, or was computed with one."""
    return not node.parents or not all(isinstance(p, Node) for p in node.parents)


def _read(source: Source, node: ast.AST) -> Iterator[Fork]:
    """Read the forks of one piece of source."""
    match node:
        case ast.If(test, body, orelse) | ast.While(test, body, orelse):
            what = "if" if isinstance(node, ast.If) else "while"
            yield _fork_of(what, test, body[0].lineno, _end((orelse or body)[-1]))
        case ast.IfExp(test):
            yield _fork_of("if", test, *source.statement_of(node.lineno))
        case ast.comprehension(ifs=tests):
            for test in tests:
                yield _fork_of("if", test, *source.statement_of(test.lineno))
        case ast.Attribute(ast.Call() as call, attr) if attr in NUMBERS and _picks(call):
            yield Fork(attr, call.lineno, _end(call), 0, 0, by_data=False)
        case ast.Call() if what := _picks(node):
            yield _fork_of(what, node, *source.statement_of(node.lineno))


def _fork_of(what: str, test: ast.expr, begin: int, end: int) -> Fork:
    return Fork(what, test.lineno, _end(test), begin, end, _asks_for_data(test))


def _asks_for_data(test: ast.expr) -> bool:
    """Return whether a test, or the key of a max, puts numbers in order that are some v.data."""
    if isinstance(test, ast.Call) and _picks(test):
        return any(word.arg == "key" and ".data" in names_in(word.value) for word in test.keywords)
    orders = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
    return any(
        ".data" in names_in(part) and any(isinstance(op, orders) for op in part.ops)
        for part in ast.walk(test)
        if isinstance(part, ast.Compare)
    )


def _end(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


def _picks(call: ast.Call) -> str:
    """Name the function that picks, called or handed on: max(a, b), xs.sort(), reduce(max, xs)."""
    func = call.func
    own = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    handed = [a.id for a in call.args if isinstance(a, ast.Name)] if own == "reduce" else []
    return next((name for name in (own, *handed) if name in PICKING), "")
