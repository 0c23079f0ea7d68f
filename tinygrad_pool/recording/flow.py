"""Data flow from a line of source through one file, followed by names.

Local names of a function are its own. It still overestimates: the order of lines does not count.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

OWN = frozenset({".data", ".grad"})
"""Attributes of every Value, too common to be followed."""

CALLED = ("forward", "__call__")
"""Methods that are called through the name of their object or class."""


class Move(NamedTuple):
    """A piece of source, by its first and last line, with the names that it reads and sets."""

    first: int
    last: int
    reads: frozenset[str]
    sets: frozenset[str]


class Source:
    """A parsed file: its syntax tree, and the moves of names in it."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        functions = [part for part in ast.walk(self.tree) if isinstance(part, ast.FunctionDef)]
        self._functions = {function.name: function for function in functions}
        self._own = {function: _own_names(function) for function in functions}
        self.moves = [*self._moves(self.tree, "", {})]

    def made_by(self, first: int, last: int) -> frozenset[str]:
        """List every name that depends on what some lines set; see `_own_names` for local names."""
        here = [m for m in self.moves if m.first <= last and first <= m.last]
        names = set().union(*(m.sets for m in here))
        while more := {n for m in self.moves if m.reads & names for n in m.sets} - names:
            names |= more
        return frozenset(names)

    def statement_of(self, number: int) -> tuple[int, int]:
        """Return the first and last line of the innermost statement at a line."""
        here = [(m.first, m.last) for m in self.moves if m.first <= number <= m.last]
        return min(here, key=lambda lines: lines[1] - lines[0], default=(number, number))

    def reached(self, first: int, last: int, numbers: Iterable[int]) -> list[int]:
        """List the lines of `numbers` that depend on the lines first … last, or are among these."""
        names = self.made_by(first, last)
        found = []
        for number in numbers:
            begin, end = self.statement_of(number)
            moves = (m for m in self.moves if m.first <= end and begin <= m.last)
            if first <= number <= last or any(m.reads & names for m in moves):
                found.append(number)
        return found

    def _moves(self, node: ast.AST, function: str, names: Mapping[str, str]) -> Iterator[Move]:
        """List the moves inside a node; `names` maps the local names that it can see."""
        for part in ast.iter_child_nodes(node):
            inner, seen = function, names
            if isinstance(part, ast.ClassDef):
                inner = names.get(part.name, part.name)
            elif isinstance(part, ast.FunctionDef):
                if not isinstance(node, ast.ClassDef):
                    inner = names.get(part.name, part.name)
                elif part.name not in CALLED:  # net(x) calls Net.forward
                    inner = f".{part.name}"
                seen = {**names, **self._own[part]}
            moves = [*_move(part, inner)]
            if isinstance(part, ast.Call):
                moves += self._arguments(part)
            for move in moves:
                reads, sets = (frozenset(seen.get(n, n) for n in x) for x in move[2:])
                yield move._replace(reads=reads, sets=sets)
            yield from self._moves(part, inner, seen)

    def _arguments(self, call: ast.Call) -> Iterator[Move]:
        """Pass names on to the parameters of a function in the same file."""
        if isinstance(call.func, ast.Name) and call.func.id in self._functions:
            function = self._functions[call.func.id]
            of, own = function.args, self._own[function]
            names = [parameter.arg for parameter in (*of.posonlyargs, *of.args)]
            pairs = [*zip(names, call.args, strict=False)]
            pairs += [(word.arg or "", word.value) for word in call.keywords]
            for name, argument in pairs:
                yield _reading(argument, argument, {own.get(name, name)})


def _own_names(function: ast.FunctionDef) -> dict[str, str]:
    """Map the local names of a function to names that no other function has, such as x@12."""
    names, others = set[str](), set[str]()
    for part in ast.walk(function):
        match part:
            case ast.arg(name) | ast.Name(name, ast.Store()):
                names.add(name)
            case ast.FunctionDef(name) | ast.ClassDef(name) if part is not function:
                names.add(name)
            case ast.Global(more) | ast.Nonlocal(more):
                others.update(more)
    return {name: f"{name}@{function.lineno}" for name in names - others}


def source_of(file: str) -> Source | None:
    """Parse a file as it is now; None if it cannot be read or parsed."""
    linecache.checkcache(file)
    return _parsed("".join(linecache.getlines(file)))


@lru_cache(maxsize=16)
def _parsed(text: str) -> Source | None:
    try:
        return Source(text) if text else None
    except SyntaxError:
        return None


def names_in(*nodes: ast.AST | None) -> frozenset[str]:
    """List the names in syntax nodes; attributes with a leading dot."""
    parts = [part for node in nodes if node is not None for part in ast.walk(node)]
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return frozenset(names | {f".{part.attr}" for part in parts if isinstance(part, ast.Attribute)})


def _move(node: ast.AST, function: str) -> Iterator[Move]:
    """Yield the names that a statement reads and sets."""
    match node:
        case ast.Assign(targets, value):
            yield _reading(node, value, _targets(*targets))
        case ast.AnnAssign(target, value=ast.expr() as value) | ast.NamedExpr(target, value):
            yield _reading(node, value, _targets(target))
        case ast.AugAssign(target):
            yield _reading(node, node, _targets(target))
        case ast.Return(ast.expr() as value) | ast.Yield(ast.expr() as value):
            yield _reading(node, value, {function})
        case ast.For(target, iter):
            yield _reading(iter, iter, _targets(target))
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name))) as call):  # zs.append(x)
            yield _reading(node, call, {name})
        case ast.Expr(value):
            yield _reading(node, value, ())


def _reading(node: ast.AST, value: ast.AST, sets: Iterable[str]) -> Move:
    assert isinstance(node, ast.stmt | ast.expr)
    return Move(node.lineno, node.end_lineno or node.lineno, names_in(value), frozenset(sets))


def _targets(*targets: ast.AST) -> frozenset[str]:
    """List the assigned names: of x.a the attribute, of x[i] and (x, y) the names."""
    names: set[str] = set()
    for target in targets:
        match target:
            case ast.Name(name):
                names.add(name)
            case ast.Attribute(attr=name):
                names.add(f".{name}")
            case ast.Subscript(value) | ast.Starred(value):
                names |= _targets(value)
            case ast.Tuple(elts) | ast.List(elts):
                names |= _targets(*elts)
    return frozenset(names) - OWN
