"""The syntax tree of a function, if its source is what Python runs."""

from __future__ import annotations
import __future__

import ast
import linecache
import warnings
from collections.abc import Iterator
from functools import lru_cache
from threading import Lock
from types import CodeType, FunctionType

PARSING = Lock()
"""Python 3.11 counts in one place how deep it is in a tree, for all threads."""


def definition_of(function: FunctionType) -> ast.FunctionDef:
    """Find the definition of a function in the source of its module.

    Raises LookupError if there is none, or if it says something else than what Python runs: the
    file may have changed since.
    """
    code = function.__code__
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    later = code.co_flags & __future__.annotations.compiler_flag  # of another cell of a notebook
    definition, compiled = _definitions(source, later)[code.co_name, code.co_firstlineno]
    if code.co_freevars or code != compiled:
        raise LookupError(f"the source of {function.__name__} is not what runs")
    return definition


@lru_cache(maxsize=32)
def _definitions(
    source: str, flags: int
) -> dict[tuple[str, int], tuple[ast.FunctionDef, CodeType]]:
    """Map the name and the first line of every function to its tree, and to it as compiled.

    A module is compiled as a whole: what it imports decides how its functions are compiled.
    """
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warned of the source when it was imported
        tree, compiled = ast.parse(source), compile(source, "<source>", "exec", flags, True)
    found, codes = {}, {(code.co_name, code.co_firstlineno): code for code in _codes(compiled)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            at = node.name, min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            found[at] = node, codes[at]
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)
