"""Choices that plain Python made by the data of Values: no gradient knows of them."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from typing import NamedTuple

from tinygrad_pool.debugger.diagnosis.findings import PARTLY_LOST, SUSPICIOUS, Finding
from tinygrad_pool.debugger.diagnosis.flow import Source, source_of
from tinygrad_pool.debugger.diagnosis.survey import Survey
from tinygrad_pool.node import Node
from tinygrad_pool.setting import THROUGH, Choice, Line

PICKING = {
    **dict.fromkeys(("max", "sorted", "sort", "nlargest"), "tg.maximum"),
    **dict.fromkeys(("min", "nsmallest"), "tg.minimum"),
}
"""Functions of Python that compare Values and return one, and what is a node."""

NUMBERS = ("data", "item", "grad", "detach")
"""Attributes that make a number of what was chosen: no Value goes on."""


class Fork(NamedTuple):
    """A place in the source where Python goes on with one thing or another.

    `begin` to `end` are the lines that give what was chosen.
    """

    what: str
    first: int
    last: int
    begin: int
    end: int


def choices_of_python(survey: Survey) -> Iterator[Finding]:
    """Report lines at which Python chose, by a Value's data, what the network goes on with.

    What a loop asks of its loss, or counts, is no choice of the network: what was chosen must go on
    to a line that made a node of it.
    """
    seen: dict[Line, list[tuple[Node, Choice]]] = {}
    for node in survey.nodes:
        for choice in node.about.choices:
            if choice.line is not None and choice.other != THROUGH:
                seen.setdefault(choice.line, []).append((node, choice))
    times = {node._time for node in survey.nodes}
    for line, asked in seen.items():
        alone = [node for node, choice in asked if choice.rival not in times]
        nodes = alone or [node for node, _ in asked]
        source = source_of(line.file)
        if source is None:
            if alone and alone != [survey.loss]:
                yield _finding(survey, line, "comparison", nodes, all_inside=False)
        elif (fork := _fork(source, line.number)) and _goes_on(survey, source, fork, line):
            yield _finding(survey, line, fork.what, nodes, all_inside=not alone)


def _finding(survey: Survey, line: Line, what: str, nodes: list[Node], all_inside: bool) -> Finding:
    names = survey.call(nodes[0]) if len(nodes) == 1 else f"{len(nodes):,} Values"
    node = PICKING.get(what, "")
    says = f"Python's {what} chose by the data of {names}"
    code = linecache.getline(line.file, line.number).strip()
    quoted = f"`{code}`: " if code else ""
    why = "what was not chosen is not in the graph, and no gradient will ever reach it"
    if all_inside:
        why = "the choice is not in the graph, and stays as it is when data changes"
    helps = f"{node} is the node that keeps all" if node else "tg.where and tg.maximum are nodes"
    severity = PARTLY_LOST if node and not all_inside else SUSPICIOUS
    why = f"{quoted}{why}; {helps}"
    return Finding("python choice", severity, str(line), says, why, tuple(nodes))


def _goes_on(survey: Survey, source: Source, fork: Fork, line: Line) -> bool:
    """Tell whether what was chosen goes on to a line that made a node, or is the loss itself."""
    made = {v.about.line for v in survey.nodes if v.parents and v.about.line}
    numbers = [other.number for other in made if other.file == line.file]
    loss = survey.passed.names.get(id(survey.loss))
    lines = fork.begin, fork.end
    return loss in source.made_by(*lines) or bool(source.reached(*lines, numbers))


def _fork(source: Source, number: int) -> Fork | None:
    """Find the innermost fork that a line decides."""
    forks = [fork for node in ast.walk(source.tree) for fork in _read(source, node)]
    here = [fork for fork in forks if fork.first <= number <= fork.last]
    inner = min(here, key=lambda fork: fork.last - fork.first, default=None)
    return None if inner is None or inner.what in NUMBERS else inner


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
            yield _fork_of(attr, call, 0, 0)
        case ast.Call() if what := _picks(node):
            yield _fork_of(what, node, *source.statement_of(node.lineno))


def _fork_of(what: str, test: ast.expr, begin: int, end: int) -> Fork:
    return Fork(what, test.lineno, _end(test), begin, end)


def _end(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


def _picks(call: ast.Call) -> str:
    """Name the function that picks, called or handed on: max(a, b), xs.sort(), reduce(max, xs)."""
    func = call.func
    own = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    handed = [a.id for a in call.args if isinstance(a, ast.Name)] if own == "reduce" else []
    return next((name for name in (own, *handed) if name in PICKING), "")
