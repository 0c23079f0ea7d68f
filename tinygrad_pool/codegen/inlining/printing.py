"""Symbolic expressions as source text with names to fill in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import NamedTuple

from tinygrad_pool.codegen.inlining.symbols import Symbol

LOOSE, SUM, PRODUCT, ATOM = range(4)
"""How tightly an expression is held together by its outermost operator."""


class Text(NamedTuple):
    """An expression as text, and how many operators it has."""

    text: str
    level: int = ATOM
    size: int = 0

    def within(self, level: int) -> str:
        """Write it as an operand that has to hold together so tightly."""
        return self.text if self.level >= level else f"({self.text})"

    def plus(self, other: Text) -> Text:
        """Write a sum."""
        text = f"{self.within(SUM)} + {other.within(PRODUCT)}"
        return Text(text, SUM, self.size + other.size + 1)


def literal(text: str) -> Text:
    """Read the text of a number; the sign of a negative one binds as a product: (-2.0) ** n."""
    return Text(text, PRODUCT if text.startswith("-") else ATOM)


class Form(NamedTuple):
    """An expression whose names are filled in; `names` are in order, as often as they are there."""

    text: str
    level: int
    symbol: Symbol
    names: list[str]
    levels: Mapping[str, int]

    def filled(self, texts: Mapping[str, Text]) -> Text:
        """Fill the names in.

        >>> product = form_of(Symbol(ast.parse("a * b", mode="eval").body, float, size=1))
        >>> product.filled({"a": Text("x + w", SUM, 1), "b": Text("c")}).text
        '(x + w) * c'
        """
        if isinstance(self.symbol.tree, ast.Name):
            return texts[self.symbol.tree.id]
        parts = {name: texts[name].within(level) for name, level in self.levels.items()}
        size = self.symbol.size + sum([texts[name].size for name in self.names])
        return Text(self.text.format_map(parts), self.level, size)

    def number(self, texts: Mapping[str, Text]) -> Text:
        """Fill the names in, and make a float of a number of another type."""
        text = self.filled(texts)
        return (
            text if self.symbol.kind is float else Text(f"float({text.text})", ATOM, text.size + 1)
        )


def form_of(symbol: Symbol) -> Form:
    """Print a symbol, with its names to be filled in."""
    found = [*_names(symbol.tree, LOOSE)]
    levels: dict[str, int] = {}
    for name, level in found:
        levels[name] = max(level, levels.get(name, LOOSE))
    text = ast.unparse(_Braces().visit(deepcopy(symbol.tree)))
    return Form(text, _level(symbol.tree), symbol, [name for name, _ in found], levels)


class _Braces(ast.NodeTransformer):
    """Puts names in braces, as they are filled in."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(f"{{{node.id}}}")


def _names(tree: ast.AST, level: int) -> Iterator[tuple[str, int]]:
    """List the names in an expression, and how tightly each has to hold together."""
    if isinstance(tree, ast.Name):
        yield tree.id, level
        return
    own = _level(tree)
    for i, part in enumerate(ast.iter_child_nodes(tree)):
        match tree:
            case ast.BinOp() if own != LOOSE:  # a * (b * c) is not a * b * c
                level = own + (i > 0)
            case ast.Call() | ast.Tuple() | ast.List():
                level = LOOSE
            case _:
                level = ATOM
        yield from _names(part, level)


def _level(tree: ast.AST) -> int:
    match tree:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return SUM
        case ast.BinOp(op=ast.Mult() | ast.Div()) | ast.UnaryOp(op=ast.USub()):
            return PRODUCT
        case ast.Name() | ast.Call() | ast.Constant() | ast.Subscript() | ast.Attribute():
            return ATOM
    return LOOSE
