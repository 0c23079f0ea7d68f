"""Where Python or a mask chooses by the data of a Value: if, max, a filter, x[x > 0].

A recorded comparison counts only if its outcome reaches a line that made a node.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.context import THROUGH, Choice, Line
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.python_protocol import as_answer
from tinygrad_pool.engine.value import Value
from tinygrad_pool.recording.flow import Source, names_in, source_of
from tinygrad_pool.recording.freshness import made_plain, takes_number
from tinygrad_pool.recording.source import quoted

PICKING = {
    **dict.fromkeys(("max", "sorted", "sort", "nlargest"), "tg.maximum"),
    **dict.fromkeys(("min", "nsmallest"), "tg.minimum"),
}
"""Python functions that compare Values and return one of them, and the operation to use instead."""

NUMBERS = ("data", "item", "grad", "detach")
"""Attributes that turn the chosen Value into a number, which ends its graph."""

RELATIONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


JOINED = ("and", "or")
"""Operators that choose an operand, as in `a > 0 and b`; many are part of another test."""

OF_SHAPES = frozenset({".shape", ".ndim", ".size", ".dtype", "len"})
"""What does not depend on numbers, though it is read from data."""

CLOSE = frozenset({"isclose", "allclose", "array_equal"})
"""Functions that compare numbers."""


class Fork(NamedTuple):
    """A fork in the source: the lines of its test, and from `begin` to `end` those it controls.

    `by_data` is True if the test compares v.data instead of v, which no Value records.
    """

    what: str
    first: int
    last: int
    begin: int
    end: int
    by_data: bool


def fork_at(source: Source, number: int) -> Fork | None:
    """Find the innermost fork whose test is at a line; None if its result becomes a number."""
    here = [fork for fork in _forks(source) if fork.first <= number <= fork.last]
    inner = min(here, key=lambda fork: (fork.what in JOINED, fork.last - fork.first), default=None)
    return None if inner is None or inner.what in NUMBERS else inner


def forks_by_data(nodes: Iterable[Node]) -> Iterator[tuple[str, Fork]]:
    """List forks that test v.data and whose outcome reaches lines that made nodes, with their file.

    `while` loops are skipped: they usually iterate until some number is reached.
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


def lines_of(nodes: Iterable[Node], file: str) -> list[int]:
    """List the lines of a file that made nodes."""
    made = {v.about.line for v in nodes if v.parents and v.about.line}
    return [line.number for line in made if line.file == file]


def choices_undone(twins: Mapping[Value, Value]) -> list[str]:
    """List the choices of Python that a replay keeps though its numbers may call for others.

    `twins` maps each node to its copy in the replay.
    """
    times = {node._order: twin for node, twin in twins.items()}
    warnings: dict[tuple[Line, bool], str] = {}
    for node, twin in twins.items():
        for choice in node.about.choices:
            if choice.line is not None and choice.other != THROUGH:
                goes_on = _makes_constant if takes_number(choice) else _decides
                undone = _undone(choice, node, twin, times.get(choice.rival))
                if undone and goes_on(twins, choice):
                    warnings.setdefault((choice.line, takes_number(choice)), undone)
    for file, fork in forks_by_data(twins):
        line = Line(file, fork.first, "")
        chose = f"Python's {fork.what} chose by the .data of a Value at {quoted(line)}"
        warnings.setdefault((line, False), f"{chose}; the replay keeps that choice")
    return [*warnings.values(), *dict.fromkeys(_masks_kept(twins))]


def _masks_kept(twins: Mapping[Any, Node]) -> Iterator[str]:
    """Describe masks, as in x[x > 0], that a replay keeps though its numbers may call for others.

    A mask does not know what it was computed from. So it is compared with the operands beside it.
    """
    for node in twins:
        constants = [p for p in (*node.parents, node.options.get("key")) if not isinstance(p, Node)]
        masks = [np.ravel(p) for p in constants if isinstance(p, bool | np.bool_ | np.ndarray)]
        for mask in (mask for mask in masks if mask.dtype == bool):
            for p in (p for p in node.parents if isinstance(p, Node) and p.size == mask.size):
                if not _still_fits(mask, *(np.ravel(v._numbers) for v in (p, twins[p]))):
                    at = f" at {quoted(node.about.line)}" if node.about.line else ""
                    yield (
                        f"the mask of {name_of(node)}{at} may depend on {name_of(p)}, "
                        "whose numbers changed; the replay keeps the old mask"
                    )


def _still_fits(mask: NDArray[np.bool_], old: NDArray[Any], new: NDArray[Any]) -> bool:
    """Return whether a mask selects from new numbers as it may have from the old ones.

    It may compare them with 0; if it does not, it may select the larger or the smaller ones.
    """

    def by_0(x: NDArray[Any]) -> list[bool]:
        return [np.array_equal(compare(x, 0.0), mask) for compare in RELATIONS.values()]

    def by_size(x: NDArray[Any]) -> list[bool]:
        on, off = x[mask], x[~mask]
        larger = on.min(initial=np.inf) > off.max(initial=-np.inf)
        return [larger, on.max(initial=-np.inf) < off.min(initial=np.inf)]

    way = by_0 if any(by_0(old)) else by_size
    return not any(way(old)) or any(map(operator.and_, way(old), way(new)))


def deciding(nodes: list[Node]) -> Iterator[tuple[Node, Choice, Node | None]]:
    """List comparisons that decided how nodes were made: Value, choice, and any rival Value.

    Those of arrays are left out.
    """
    times = {node._order: node for node in nodes}
    for node in nodes:
        for choice in node.about.choices:
            rival = times.get(choice.rival)
            if takes_number(choice) or choice.line is None or (choice.rival and rival is None):
                continue
            of_number = type(choice.answer) is bool
            if of_number and choice.other != THROUGH and _decides(nodes, choice):
                yield node, choice, rival


def _undone(choice: Choice, node: Node, twin: Node, rival: Node | None) -> str:
    """Write how other numbers affect a choice; "" if they do not."""
    where = f"{name_of(node)} at {quoted(choice.line)}"
    if takes_number(choice):
        same = np.array_equal(node._numbers, twin._numbers, equal_nan=True)
        taken = f"{made_plain(choice.relation)} of {where}"
        return "" if same else f"{taken}; the replay keeps the old number"
    chose = f"Python chose by the data of {where}"
    if _answer(choice, twin, rival) != choice.answer:
        return f"{chose}; it would now choose differently, but the replay keeps the old choice"
    if choice.rival and rival is None:
        return f"{chose}, compared with a Value outside this graph; the replay keeps that choice"
    return ""


def _answer(choice: Choice, asked: Node, rival: Node | None) -> bool | bytes:
    """Repeat the comparison of a choice with the present data."""
    if choice.relation == "bool":
        return bool(asked._numbers)
    try:
        other = float(choice.other) if rival is None else rival._numbers
    except ValueError:  # True, or an array
        return choice.answer
    return as_answer(RELATIONS[choice.relation](asked._numbers, other))


def _decides(nodes: Iterable[Node], choice: Choice) -> bool:
    """Return whether a choice decides how nodes are made.

    If its source cannot be read: True for a number, False for an array, which is rather a mask.
    """
    assert choice.line is not None
    source = source_of(choice.line.file)
    if source is None:
        return type(choice.answer) is bool
    fork = fork_at(source, choice.line.number)
    return fork is not None and bool(
        source.reached(fork.begin, fork.end, lines_of(nodes, choice.line.file))
    )


def _makes_constant(nodes: Iterable[Node], choice: Choice) -> bool:
    """Return whether the result of a line reaches a node that was computed with a constant."""
    assert choice.line is not None
    made = {v.about.line for v in nodes if v.about.line and has_constant(v)}
    return bool(lines_from(choice.line, made))


def lines_from(line: Line, made: Iterable[Line]) -> list[Line]:
    """Return the lines among `made` that use the result of a line; itself, without its source."""
    source = source_of(line.file)
    if source is None:
        return [other for other in made if other == line]
    here = {other.number: other for other in made if other.file == line.file}
    return [here[n] for n in source.reached(*source.statement_of(line.number), here)]


def has_constant(node: Node) -> bool:
    """Return whether a node is a constant, or was computed with one, or with an index."""
    return "key" in node.options or not all(isinstance(p, Node) for p in node.parents or [0])


def _read(source: Source, node: ast.AST) -> Iterator[Fork]:
    """Yield the forks of one syntax node."""
    match node:
        case ast.If(test, body, orelse) | ast.While(test, body, orelse):
            what = "if" if isinstance(node, ast.If) else "while"
            yield _fork_of(what, test, body[0].lineno, _end((orelse or body)[-1]))
        case ast.IfExp(test):
            yield _fork_of("if", test, *source.statement_of(node.lineno))
        case ast.BoolOp(op):
            yield _fork_of(type(op).__name__.lower(), node, *source.statement_of(node.lineno))
        case ast.Subscript(ast.List() | ast.Tuple() | ast.Dict(), test):
            yield _fork_of("[]", test, *source.statement_of(node.lineno))
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
    """Return whether a test, or the key of a max, compares the .data of a Value."""
    if isinstance(test, ast.Call) and _picks(test):
        return any(word.arg == "key" and ".data" in names_in(word.value) for word in test.keywords)
    return any(map(_compares_data, ast.walk(test)))


def _compares_data(part: ast.AST) -> bool:
    """Return whether a comparison is one of the numbers of some .data, not of shapes or texts."""
    match part:
        case ast.Compare(_, ops, others):
            orders = not any(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in ops)
            texts = (isinstance(x, ast.Constant) and isinstance(x.value, str) for x in others)
            compares = orders and not any(texts)
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name)):
            compares = name in CLOSE
        case _:
            compares = False
    names = names_in(part)
    return compares and ".data" in names and names.isdisjoint(OF_SHAPES)


def _end(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


def _picks(call: ast.Call) -> str:
    """Name the picking function of a call: max(a, b), xs.sort(), reduce(max, xs); "" if none."""
    func = call.func
    own = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    handed = [a.id for a in call.args if isinstance(a, ast.Name)] if own == "reduce" else []
    return next((name for name in (own, *handed) if name in PICKING), "")
