"""Symbolic numbers: expressions with the type that their value will have."""

from __future__ import annotations

import ast
from collections.abc import Callable
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from tinygrad_pool.codegen.spelling import Names


class InliningError(Exception):
    """A function is written in a way that cannot be written out in line."""


class Symbol:
    """A number that is known only when the program runs.

    `tree` is its expression, of `size` operators, and `kind` its type, None where that is not
    certain. One that is `free` raises nothing and changes nothing: it may be left out or moved.
    """

    __slots__ = ("free", "kind", "size", "tree")
    __hash__ = None  # type: ignore[assignment]  # it cannot be compared

    def __init__(
        self, tree: ast.expr, kind: type | None = None, *, free: bool = True, size: int = 0
    ) -> None:
        self.tree, self.kind, self.free, self.size = tree, kind, free, size

    def __bool__(self) -> NoReturn:
        raise InliningError("a decision on a number that is not known yet")

    def __eq__(self, other: object) -> NoReturn:
        raise InliningError("a comparison with a number that is not known yet")


class Constant(Symbol):
    """An operand that does not change: a name in the program, whose value may decide its form."""

    __slots__ = ("value",)

    def __init__(self, name: str, value: float) -> None:
        super().__init__(ast.Name(name), type(value))
        self.value = value


class Draft:
    """What a function comes to: numbers that got a name, and other objects, `given` by name."""

    def __init__(self, taken: list[str]) -> None:
        self.names = Names(taken)
        self.most = 50 + 20 * len(taken)
        self.bound: dict[str, Symbol] = {}
        self.given: dict[str, Any] = {}
        self.decided = False
        self.changes = 0  # of lists

    def named(self, x: Any, name: str) -> Any:
        """Name an expression, so that it can be used twice."""
        if type(x) is tuple:
            return tuple([self.named(part, name) for part in x])
        if type(x) is list:  # it stays the same list
            x[:] = [self.named(part, name) for part in x]
        if not isinstance(x, Symbol) or isinstance(x.tree, ast.Name):
            return x
        if len(self.bound) > self.most:
            raise InliningError("too many lines")
        name = self.names.new(name)
        self.bound[name] = x
        return Symbol(ast.Name(name), x.kind)

    def known(self, x: Any) -> Any:
        """Use a constant's value, on which the form then depends."""
        if isinstance(x, Constant):
            self.decided = True
            return x.value
        return x

    def symbol(self, x: Any) -> Symbol:
        """Make a symbol of a known object; one without a literal is passed by name."""
        if isinstance(x, Symbol):
            return x
        if type(x) in (tuple, list):
            parts = [self.symbol(part) for part in x]
            return Symbol((ast.Tuple if type(x) is tuple else ast.List)([p.tree for p in parts]))
        tree = written(x)
        if tree is None:
            if type(x).__module__.startswith("tinygrad_pool."):
                raise InliningError(f"a {type(x).__name__} as a number")
            same = (name for name, given in self.given.items() if given is x)
            name = next(same, None) or self.names.new(getattr(x, "__name__", "given"))
            self.given[name] = x
            tree = ast.Name(name)
        return Symbol(tree, kind_of(x))

    def apart(self, step: Callable[[], Any]) -> Any:
        """Take a step that the program may not take: what is done all the same must do no harm."""
        before, changes = len(self.bound), self.changes
        result = step()
        parts = list(self.bound.values())[before:]
        if self.changes > changes or not all(x.free for x in parts):
            raise InliningError("a number in one branch that may be refused")
        return result

    def chosen(self, test: Symbol, x: Any, w: Any) -> Any:
        """Select by a symbolic condition: a number, or each number of a tuple."""
        if type(x) is type(w) is tuple:
            test = self.named(test, "test")
            return tuple([self.chosen(test, *pair) for pair in zip(x, w, strict=True)])
        parts = [self.symbol(number(part)) for part in (test, x, w)]
        return combined(ast.IfExp(*[part.tree for part in parts]), parts)

    def changed(self, items: list[Any], i: Any, x: Any) -> None:
        """Change an item of a list, whose index may be symbolic."""
        self.changes += 1
        if not is_open(i):
            items[self.known(i)] = x
            return
        x, i = self.named(x, "item"), self.named(i, "at")
        for at, old in enumerate(items):
            places = ast.parse(f"({at}, {at - len(items)})", mode="eval").body
            test = combined(ast.Compare(i.tree, [ast.In()], [places]), [i])
            items[at] = self.named(self.chosen(test, x, old), "item")


def number(x: Any) -> Any:
    """Return a number, known or not. Raises InliningError for all else."""
    if isinstance(x, Symbol | np.generic | np.ndarray) or kind_of(x) is not None:
        return x
    raise InliningError(f"{x!r:.80} is no number")


def is_open(x: Any) -> bool:
    """Return whether an object is a symbolic number."""
    return isinstance(x, Symbol) and not isinstance(x, Constant)


def kind_of(x: Any) -> type | None:
    """Return the type of a number, symbolic or not; None for all else."""
    if isinstance(x, Symbol):
        return x.kind
    return type(x) if type(x) in (float, int, bool) else None


def written(x: Any) -> ast.expr | None:
    """Write a number as an expression; None if it has no literal.

    >>> ast.unparse(written(-0.0)), written(float("inf"))
    ('-0.0', None)
    """
    if kind_of(x) is None or (type(x) is float and not isfinite(x)):
        return None
    if str(x).startswith("-"):
        return ast.UnaryOp(ast.USub(), ast.Constant(-x))
    return ast.Constant(x)


def combined(tree: ast.expr, parts: list[Any]) -> Symbol:
    """Make a symbol of an operator with operands that may be symbols."""
    kinds = [kind_of(x) for x in parts]
    python = {*kinds} <= {float, int, bool}
    symbols = [x for x in parts if isinstance(x, Symbol)]
    refusing = isinstance(tree, ast.BinOp) and not isinstance(tree.op, _NEVER_REFUSE)
    free = python and not refusing and all(x.free for x in symbols)
    size = 1 + sum(x.size for x in symbols)
    return Symbol(tree, _kind(tree, kinds, parts) if python else None, free=free, size=size)


_NEVER_REFUSE = (ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr)
"""Operators that raise for no Python numbers, unlike 1 / 0.0 and 10.0 ** 400."""


def _kind(tree: ast.expr, kinds: list[type | None], parts: list[Any]) -> type | None:
    """Return the type that an operator gives for Python numbers of these types."""
    same = kinds[-1] if len({*kinds[-2:]}) == 1 else None  # of both branches, or both operands
    match tree:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            kind: type | None = bool
        case ast.IfExp() | ast.BoolOp() | ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            kind = same
        case ast.BinOp(op=ast.Div()):
            kind = float
        case ast.BinOp(op=ast.Pow()):
            n = parts[1]
            whole = type(n) is int or (type(n) is float and n.is_integer())
            kind = float if whole and kinds[0] is float else None
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult()) | ast.UnaryOp(op=ast.USub()):
            kind = float if float in kinds else int
        case _:
            kind = None
    return kind
