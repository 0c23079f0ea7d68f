"""A function that is evaluated symbolically when it is called."""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Callable
from copy import deepcopy
from types import FunctionType
from typing import Any, TypeAlias

from tinygrad_pool.codegen.inlining.symbols import Draft, InliningError

Scope: TypeAlias = ChainMap[str, Any]
"""Names in a function, in those around it, in its module, and Python's own, the nearest first."""


class Function:
    """A function by its parameters, and by what follows its body in a scope that holds them.

    Names are looked up when it is called, as Python does.
    """

    def __init__(
        self,
        draft: Draft,
        follow: Callable[[Scope], Any],
        takes: ast.arguments,
        defaults: tuple[Any, ...],
        scope: Scope,
    ) -> None:
        self.draft, self.follow, self.scope = draft, follow, scope
        self.take = _taker(takes)
        self.take.__defaults__ = defaults

    def __call__(self, *operands: Any, **options: Any) -> Any:
        """Evaluate the body with operands that may be symbols."""
        taken = self.take(*operands, **options)
        named = {name: self.draft.named(x, name) for name, x in taken.items()}
        result = self.follow(self.scope.new_child(named))
        if result is NotImplemented:
            raise InliningError("a function without a result")
        return result


def _taker(takes: ast.arguments) -> FunctionType:
    """Make a function of these parameters that returns what it is called with, by name."""
    plain = deepcopy(takes)
    plain.defaults = [ast.Constant(None) for _ in plain.defaults]
    plain.kw_defaults = [default and ast.Constant(None) for default in plain.kw_defaults]
    body = ast.Call(ast.Name("locals", ast.Load()), [], [])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(plain, body)))
    taker: FunctionType = eval(compile(tree, "<parameters>", "eval"), {})
    return taker
