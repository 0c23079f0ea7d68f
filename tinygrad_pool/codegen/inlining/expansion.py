"""A rule and its closure, expanded into expressions of their operands."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.codegen.inlining.printing import Form, form_of
from tinygrad_pool.codegen.inlining.reading import REFUSALS, called, followed
from tinygrad_pool.codegen.inlining.symbols import Constant, Draft, Symbol, number

LARGE = 32
"""From so many operators on, an expression keeps its name, and is not put into another."""

MOST = 64
"""With more operands, a rule is called: one call for so many links costs little."""

Lines = Mapping[str, Symbol]


class Inlined(NamedTuple):
    """A rule and its closure, as expressions of the operands x0, x1, … and of g.

    `forward` and `backward` name parts of them. A contribution is None where the operand is a
    constant, or the closure returns None. `given` are functions and other objects, by name.
    `uses_forward` and `uses` count how often a name is used, without the closure and in all.
    """

    forward: dict[str, Form]
    y: Form
    backward: dict[str, Form]
    contributions: list[Form | None]
    given: Mapping[str, Any]
    decided: bool  # whether the value of a constant decided something
    uses_forward: Counter[str]
    uses: Counter[str]


def inlined(rule: Any, constants: list[Any], options: Mapping[str, Any]) -> Inlined | None:
    """Write out a rule for operands that are floats, and constants where one is not None.

    Returns None if the rule is written in a way that this does not follow.

    >>> from tinygrad_pool.rules.arithmetic import power
    >>> square = inlined(power, [None, 2], {"wants": (True, False)})
    >>> square.y.text, square.contributions[0].text
    ('{x0} ** 2', '{g} * {x1} * {x0} ** 1')
    """
    if len(constants) > MOST:
        return None
    names = [f"x{i}" for i in range(len(constants))]
    operands = [
        Symbol(ast.Name(name), float) if x is None else Constant(name, x)
        for name, x in zip(names, constants, strict=True)
    ]
    draft = Draft(["g", *names])
    try:
        with np.errstate(all="ignore"):
            y, closure = followed(draft, rule)(*operands, **options)
            y, forward = draft.symbol(number(y)), [*draft.bound]
            returned = called(draft, closure, [Symbol(ast.Name("g"), float)], {})
        pairs = zip(returned, constants, strict=True)
        sent = [None if c is None or x is not None else draft.symbol(number(c)) for c, x in pairs]
    except REFUSALS:
        return None
    tidy = _Tidy(draft.bound, [y, *(x for x in sent if x is not None)])
    before, (result,) = tidy.stage(forward, [y])
    after, contributions = tidy.stage([n for n in draft.bound if n not in forward], sent)
    there = Counter(name for form in (*before.values(), result) for name in form.names)
    given = {name: x for name, x in draft.given.items() if name in tidy.uses}
    return Inlined(before, result, after, contributions, given, draft.decided, there, tidy.uses)


class _Tidy(ast.NodeTransformer):
    """Drop names that are not used, and inline those that are used once."""

    def __init__(self, bound: Lines, results: list[Symbol]) -> None:
        self.bound, self.lines = bound, dict[str, Symbol]()
        self.waiting: dict[str, Symbol] = {}
        self.uses = Counter(name for x in results for name in names_in(x))
        for name, x in reversed([*bound.items()]):
            if self.uses[name] or not x.free:
                self.uses.update(names_in(x))

    def stage(self, names: list[str], results: list[Any]) -> tuple[dict[str, Form], list[Any]]:
        """Tidy the numbers of one pass and its results, and print them."""
        self.lines = {}
        for name in names:
            x = self.bound[name]
            if self.uses[name] or not x.free:
                x = self._whole(x)
                once = self.uses[name] == 1 and x.size < LARGE
                (self.waiting if once else self.lines)[name] = x
        results = [None if x is None else self._whole(x) for x in results]
        for name in [name for name, x in self.waiting.items() if not x.free]:
            self.lines[name] = self.waiting.pop(name)
        lines = {name: form_of(x) for name, x in self.lines.items()}
        return lines, [None if x is None else form_of(x) for x in results]

    def _whole(self, x: Symbol) -> Symbol:
        """Put the parts of an expression into it that wait for that."""
        parts = {name: self.waiting[name] for name in names_in(x) if name in self.waiting}
        if any(isinstance(node, ast.IfExp | ast.BoolOp) for node in ast.walk(x.tree)):
            for name in [name for name, part in parts.items() if not part.free]:
                self.lines[name] = self.waiting.pop(name)
                del parts[name]
        tree = self.visit(x.tree)
        for name in parts:
            del self.waiting[name]
        free = x.free and all(part.free for part in parts.values())
        size = x.size + sum(part.size for part in parts.values())
        return Symbol(tree, x.kind, free=free, size=size)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.waiting[node.id].tree if node.id in self.waiting else node


def names_in(x: Symbol) -> list[str]:
    """List the names in an expression, with repetitions."""
    return [node.id for node in ast.walk(x.tree) if isinstance(node, ast.Name)]
