"""Symbolic evaluation of functions from their source."""

from __future__ import annotations

import ast
import builtins
from collections import ChainMap
from collections.abc import Iterator, Mapping
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from tinygrad_pool.codegen.inlining.calls import STRUCTURAL, answered, later, undispatched
from tinygrad_pool.codegen.inlining.functions import Function, Scope
from tinygrad_pool.codegen.inlining.sources import definition_of
from tinygrad_pool.codegen.inlining.symbols import (
    Draft,
    InliningError,
    Symbol,
    combined,
    is_open,
    kind_of,
    number,
)
from tinygrad_pool.errors import TinygradPoolError

REFUSALS = (
    *(ArithmeticError, AttributeError, InliningError, LookupError, RecursionError),
    *(SyntaxError, TinygradPoolError, TypeError, ValueError),
)
"""What is raised where a function cannot be followed."""

_OPERATORS = (ast.Attribute, ast.BinOp, ast.Compare, ast.Subscript, ast.UnaryOp)


def followed(draft: Draft, function: FunctionType) -> Function:
    """Wrap a Python function for symbolic evaluation."""
    definition = definition_of(function)
    scope: Scope = ChainMap(function.__globals__, vars(builtins))
    follow = partial(run, draft, definition.body)
    made = Function(draft, follow, definition.args, function.__defaults__ or (), scope)
    made.take.__kwdefaults__ = function.__kwdefaults__
    return made


# -- statements


def run(draft: Draft, body: list[ast.stmt], scope: Scope) -> Any:
    """Evaluate statements up to a return; NotImplemented if there is none."""
    for statement in body:
        result = NotImplemented
        match statement:
            case ast.Return(value=ast.expr() as tree):
                return value(draft, tree, scope)
            case ast.If():
                holds = _decided(draft, statement.test, scope)
                result = run(draft, statement.body if holds else statement.orelse, scope)
            case ast.For(orelse=[]):
                result = _repeated(draft, statement, scope)
            case ast.Assign(targets=targets, value=ast.expr() as tree):
                _assign(draft, targets, value(draft, tree, scope), scope)
            case ast.AnnAssign(target=target, value=ast.expr() as tree):
                _assign(draft, [target], value(draft, tree, scope), scope)
            case ast.FunctionDef(decorator_list=[], args=ast.arguments(kwonlyargs=[]) as takes):
                defaults = tuple(_several(draft, takes.defaults, scope))
                follow = partial(run, draft, statement.body)
                scope[statement.name] = Function(draft, follow, takes, defaults, scope)
            case ast.Expr(value=ast.Constant()):  # a docstring
                pass
            case _:
                raise InliningError(f"a statement of another kind: {type(statement).__name__}")
        if result is not NotImplemented:
            return result
    return NotImplemented


def _repeated(draft: Draft, loop: ast.For, scope: Scope) -> Any:
    """Evaluate the body of a loop for each item, up to a return."""
    for x in value(draft, loop.iter, scope):
        _assign(draft, [loop.target], x, scope)
        result = run(draft, loop.body, scope)
        if result is not NotImplemented:
            return result
    return NotImplemented


def _decided(draft: Draft, tree: ast.expr, scope: Scope) -> bool:
    """Return whether a condition holds. It must not be symbolic."""
    return bool(draft.known(value(draft, tree, scope)))


def _assign(draft: Draft, targets: list[ast.expr], x: Any, scope: Scope) -> None:
    """Assign to names, each of them alone or several in a tuple."""
    for target in targets:
        match target:
            case ast.Name():
                x = scope[target.id] = draft.named(x, target.id)
            case ast.Tuple() if not isinstance(x, Symbol):
                for part, of in zip(target.elts, x, strict=True):
                    _assign(draft, [part], of, scope)
            case ast.Subscript() if type(items := value(draft, target.value, scope)) is list:
                draft.changed(items, value(draft, target.slice, scope), x)
            case _:
                raise InliningError("an assignment to another thing than a name")


# -- expressions


def value(draft: Draft, tree: ast.expr, scope: Scope) -> Any:
    """Evaluate an expression: to a symbol where it is not known yet."""
    x: Any
    match tree:
        case ast.Constant():
            x = tree.value
        case ast.Name():
            x = _looked_up(tree.id, scope)
        case ast.Tuple():
            x = tuple(_several(draft, tree.elts, scope))
        case ast.List():
            x = _several(draft, tree.elts, scope)
        case ast.Lambda(args=ast.arguments(kwonlyargs=[]) as takes):
            defaults = tuple(_several(draft, takes.defaults, scope))
            x = Function(draft, partial(value, draft, tree.body), takes, defaults, scope)
        case ast.Slice():
            ends = [tree.lower, tree.upper, tree.step]
            x = slice(*[end and draft.known(value(draft, end, scope)) for end in ends])
        case ast.IfExp():
            x = _conditional(draft, tree, scope)
        case ast.BoolOp():
            x = _logical(draft, tree, scope)
        case ast.Call():
            function, operands = value(draft, tree.func, scope), _several(draft, tree.args, scope)
            options = {_named(of): value(draft, of.value, scope) for of in tree.keywords}
            x = called(draft, function, operands, options)
        case _:
            x = _operator(draft, tree, scope)
    return x


def _named(option: ast.keyword) -> str:
    if option.arg is None:
        raise InliningError("options that are not named")
    return option.arg


def _looked_up(name: str, scope: Scope) -> Any:
    """Look a name up; data of a user's module, which may change, is not taken for granted."""
    x, module = scope[name], scope.maps[-2]["__name__"]
    is_data = not callable(x) and not isinstance(x, ModuleType)
    local = any(name in names for names in scope.maps[:-2])
    if is_data and not local and not module.startswith("tinygrad_pool."):
        raise InliningError(f"{name} is data of a module")
    return x


def _several(draft: Draft, trees: list[ast.expr], scope: Scope) -> list[Any]:
    """Evaluate expressions, some of which may be starred."""
    found: list[Any] = []
    for tree in trees:
        if isinstance(tree, ast.Starred):
            found += value(draft, tree.value, scope)
        else:
            found.append(draft.named(value(draft, tree, scope), "part"))
    return found


def _conditional(draft: Draft, tree: ast.IfExp, scope: Scope) -> Any:
    test = value(draft, tree.test, scope)
    if not is_open(test):
        return value(draft, tree.body if draft.known(test) else tree.orelse, scope)
    branches = [partial(value, draft, branch, scope) for branch in (tree.body, tree.orelse)]
    return draft.chosen(test, *map(draft.apart, branches))


def _logical(draft: Draft, tree: ast.BoolOp, scope: Scope) -> Any:
    """Evaluate `and` and `or`, with short circuit."""
    parts: list[Any] = []
    for part in tree.values:
        x = draft.apart(partial(value, draft, part, scope)) if parts else value(draft, part, scope)
        ends = not is_open(x) and bool(draft.known(x)) is isinstance(tree.op, ast.Or)
        if is_open(x) or ends or part is tree.values[-1]:
            parts.append(x)
        if ends:
            break
    if len(parts) == 1:
        return parts[0]
    symbols = [draft.symbol(number(x)) for x in parts]
    return combined(ast.BoolOp(tree.op, [x.tree for x in symbols]), symbols)


def _operator(draft: Draft, tree: ast.expr, scope: Scope) -> Any:
    """Apply an operator: now, where its operands are known."""
    if not isinstance(tree, _OPERATORS):
        raise InliningError(f"an expression of another kind: {type(tree).__name__}")
    trees = [part for part in ast.iter_child_nodes(tree) if isinstance(part, ast.expr)]
    parts = [value(draft, part, scope) for part in trees]
    match tree:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]) if is_open(parts[0]):
            raise InliningError("the identity of a number")
        case ast.BinOp(op=ast.Pow()):
            parts[1] = draft.known(parts[1])
    if not any(map(is_open, parts)):
        names = {f"x{i}": draft.known(x) for i, x in enumerate(parts)}
        now = _over(tree, [ast.Name(name, ast.Load()) for name in names])
        code = compile(ast.fix_missing_locations(ast.Expression(now)), "<operator>", "eval")
        return eval(code, {}, names)
    if isinstance(tree, ast.Subscript) and type(parts[0]) in (tuple, list):
        return _item(draft, *parts)
    if isinstance(tree, ast.Attribute | ast.Subscript):
        raise InliningError("an attribute or an item of a number")
    symbols = [draft.symbol(number(x)) for x in parts]
    return combined(_over(tree, [x.tree for x in symbols]), parts)


def _over(tree: ast.expr, operands: list[ast.expr]) -> ast.expr:
    """Replace the operands of an operator."""
    new = iter(operands)
    fields: dict[str, Any] = {}
    for name, field in ast.iter_fields(tree):
        if isinstance(field, list) and field and isinstance(field[0], ast.expr):
            fields[name] = [next(new) for _ in field]
        else:
            fields[name] = next(new) if isinstance(field, ast.expr) else field
    return type(tree)(**fields)


def _item(draft: Draft, items: Any, i: Symbol) -> Symbol:
    """Select one of several numbers by a symbolic index."""
    kinds = {kind_of(number(x)) for x in items}
    tree = ast.Subscript(draft.symbol(items).tree, i.tree, ast.Load())
    kind = kinds.pop() if len(kinds) == 1 else None
    return Symbol(tree, kind, free=False, size=len(items) + i.size)


def called(draft: Draft, function: Any, operands: list[Any], options: Mapping[str, Any]) -> Any:
    """Call a function: now if all is known, symbolically if its source can be read, or later."""
    function = undispatched(function)
    if isinstance(function, Function):
        return function(*operands, **options)
    if function in STRUCTURAL:
        passed = {name: _passed(draft, x) for name, x in options.items()}
        result = function(*[_passed(draft, x) for x in operands], **passed)
        return [*result] if isinstance(result, Iterator) else result
    answer = answered(draft, function, operands, options)
    if answer is not NotImplemented:
        return answer
    if isinstance(function, FunctionType):
        before, changes = len(draft.bound), draft.changes
        try:
            return followed(draft, function)(*operands, **options)
        except REFUSALS:
            if draft.changes > changes:
                raise
            for name in [*draft.bound][before:]:
                del draft.bound[name]
    return later(draft, function, operands, options)


def _passed(draft: Draft, x: Any) -> Any:
    """Wrap a function that is passed to another, so that it is evaluated symbolically."""
    return (lambda *xs: called(draft, x, [*xs], {})) if callable(x) else x
