"""Name Values by the variables of the program, in pictures and in explanations."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import Any

from tinygrad_pool.engine.context import is_library
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.module import Module

CONTAINERS = (list, tuple, dict)
DEPTH, MOST = 8, 10_000
"""How many containers and objects are searched for Values: within each other, and in all."""


def check_names(names: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return `names`, or {} for None. Raises OptionError unless it is a dict with text as keys."""
    if names is None:
        return {}
    if not isinstance(names, Mapping):
        raise OptionError(f"names must be a dict, such as locals(), got {names!r:.80}")
    for name in names:
        if not isinstance(name, str):
            raise OptionError(f"names must have text as keys, as in locals(), got {name!r:.80}")
    return names


def held_by(variables: Mapping[str, Any] | None) -> dict[int, str]:
    """Map ids of Values to the variables that hold them, also in containers, objects and modules.

    >>> w, x = Value(1.0), Value(2.0)
    >>> names = held_by({"w": w, "xs": [w, x]})
    >>> names[id(w)], names[id(x)]
    ('w', 'xs[1]')
    """
    held: dict[int, str] = {}
    for name, v in values_in(check_names(variables)):
        held.setdefault(id(v), name)
    return held


def values_in(variables: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
    """Yield the Values that variables hold, with their names, the best names first."""
    public = {n: v for n, v in variables.items() if not n.startswith("_")}
    for name, v in (*public.items(), *variables.items()):  # names such as a notebook's _3 last
        if isinstance(v, Value):
            yield name, v
    for part, name in held_by_modules(public).items():
        yield name, part
    yield from _held(public)


def _held(variables: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
    """Yield the Values in containers and in the attributes of objects, level by level."""
    level: list[tuple[str, tuple[Any, ...], Any]]
    level = [(name, (), v) for name, v in variables.items() if _may_hold(v)]
    seen: set[int] = set()
    for _ in range(DEPTH):
        below = []
        for name, path, holder in level:
            if id(holder) in seen or len(seen) > MOST:
                continue
            seen.add(id(holder))
            for key, v in _parts_of(holder):
                places = (*path, (holder, key))
                if isinstance(v, Value):
                    yield name + "".join(starmap(_place, places)), v
                elif _may_hold(v):
                    below.append((name, places, v))
        level = below


def _parts_of(holder: Any) -> Iterable[tuple[Any, Any]]:
    """Return what a container or an object holds, each with its key or the name of its field."""
    if _is_named(holder):
        return zip(holder._fields, holder, strict=True)
    if isinstance(holder, list | tuple):
        return enumerate(holder)
    return (holder if isinstance(holder, dict) else vars(holder)).items()


def _place(holder: Any, key: Any) -> str:
    indexed = isinstance(holder, CONTAINERS) and not _is_named(holder)
    return f"[{key!r}]" if indexed else f".{key}"


def _is_named(holder: Any) -> bool:
    """Return whether something is a named tuple."""
    return isinstance(holder, tuple) and hasattr(holder, "_fields")


def _may_hold(v: Any) -> bool:
    """Return whether something is a container, or an object of a class of the user's."""
    if isinstance(v, CONTAINERS):
        return not _of_numbers(v)
    kind = type(v)
    return _is_users(kind.__module__) and not isinstance(v, Module) and hasattr(v, "__dict__")


@cache
def _is_users(module: str) -> bool:
    """Return whether a module is the program itself, or a file of the user's: not installed."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    installed = is_library(file) or {"site-packages", "dist-packages"} & {*Path(file).parts}
    return module == "__main__" or bool(file and not installed)


def _of_numbers(container: Any) -> bool:
    """Return whether a container begins with a plain number, as data do, which may be long."""
    parts = container.values() if isinstance(container, dict) else container
    return isinstance(next(iter(parts), None), int | float)


def held_by_modules(variables: Mapping[str, Any]) -> dict[Node, str]:
    """Name the parameters of the modules among variables; of several, with their variable."""
    modules = [(n, v.parameters()) for n, v in variables.items() if isinstance(v, Module)]
    modules.sort(key=lambda pair: -len(pair[1]))  # whole modules before their parts
    held: set[Node] = set()
    separate = []
    for variable, parameters in modules:
        if not held.issuperset(parameters):
            separate.append(variable)
            held.update(parameters)
    names: dict[Node, str] = {}
    for variable in separate:
        for name, v in variables[variable].named_parameters():
            names.setdefault(v, f"{variable}.{name}" if len(separate) > 1 else name)
    return names
