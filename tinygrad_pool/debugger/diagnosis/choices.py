"""Choices that plain Python made by the data of Values: no gradient knows of them."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tinygrad_pool.debugger.diagnosis.findings import PARTLY_LOST, SUSPICIOUS, Finding
from tinygrad_pool.debugger.diagnosis.survey import Survey
from tinygrad_pool.node import Node
from tinygrad_pool.setting import Choice, Line

PICKING = {"max": "tg.maximum", "min": "tg.minimum", "sorted": "tg.maximum"}
"""Functions of Python that compare Values and return one, and what is a node."""


class Fork(NamedTuple):
    """A place in the source where Python goes on with one thing or another."""

    what: str
    first: int
    last: int
    branches: tuple[ast.AST, ...]


def choices_of_python(survey: Survey) -> Iterator[Finding]:
    """Report lines at which Python chose, by a Value's data, what the network goes on with.

    What a loop asks of its loss, or counts, is no choice of the network: the branches must make
    something, and one whose rivals are all in the graph, too, took nothing away.
    """
    seen: dict[Line, list[tuple[Node, Choice]]] = {}
    for node in survey.nodes[:-1]:
        for choice in node.about.choices:
            if choice.line is not None:
                seen.setdefault(choice.line, []).append((node, choice))
    for line, asked in seen.items():
        rivals = {str(node._data) for node, _ in asked}
        alone = [node for node, choice in asked if choice.other not in rivals]
        fork = _fork(line)
        if alone and fork is not None:
            yield _finding(survey, line, fork.what, alone)


def _finding(survey: Survey, line: Line, what: str, nodes: list[Node]) -> Finding:
    names = survey.call(nodes[0]) if len(nodes) == 1 else f"{len(nodes):,} Values"
    node = PICKING.get(what, "")
    says = f"Python's {what} chose by the data of {names}"
    code = linecache.getline(line.file, line.number).strip()
    quoted = f"`{code}`: " if code else ""
    why = f"{quoted}what was not chosen is not in the graph, and no gradient will ever reach it"
    helps = f"{node} is the node that keeps all" if node else "tg.where and tg.maximum are nodes"
    severity = PARTLY_LOST if node else SUSPICIOUS
    return Finding("python choice", severity, str(line), says, f"{why}; {helps}", tuple(nodes))


def _fork(line: Line) -> Fork | None:
    """Find the innermost fork that a line decides, if what it leads to is more than a count."""
    forks = _forks("".join(linecache.getlines(line.file)))
    if forks is None:
        return Fork("comparison", line.number, line.number, ())
    here = [fork for fork in forks if fork.first <= line.number <= fork.last]
    inner = min(here, key=lambda fork: fork.last - fork.first, default=None)
    if inner is None or (inner.branches and not any(map(_makes, inner.branches))):
        return None
    return inner


@lru_cache(maxsize=16)
def _forks(source: str) -> list[Fork] | None:
    """List the forks of a source; None if it is not known."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    return [fork for node in ast.walk(tree) if (fork := _read(node))] if source else None


def _read(node: ast.AST) -> Fork | None:
    match node:
        case ast.If(test, body, orelse) | ast.While(test, body, orelse):
            return _of("if" if isinstance(node, ast.If) else "while", test, *body, *orelse)
        case ast.IfExp(test, body, orelse):
            return _of("if", test, body, orelse)
        case ast.Call(ast.Name(name)) if name in PICKING:
            return _of(name, node)
    return None


def _of(what: str, test: ast.expr, *branches: ast.AST) -> Fork:
    return Fork(what, test.lineno, test.end_lineno or test.lineno, branches)


def _makes(branch: ast.AST) -> bool:
    """Tell whether a branch gives something on that is no constant, and no count."""
    match branch:
        case ast.Assign(targets, value):
            return bool(_names(value) - set().union(*map(_names, targets)))
        case ast.AugAssign(value=value) | ast.Return(value=ast.expr() as value):
            return bool(_names(value))
        case ast.expr():
            return bool(_names(branch))
    return any(_makes(part) for part in ast.iter_child_nodes(branch) if isinstance(part, ast.stmt))


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
