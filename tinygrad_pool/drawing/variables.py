"""Name Values by the variables of the program, in pictures and in explanations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.module import Module

CONTAINERS = (list, tuple, dict)
DEPTH = 4
"""How many containers within each other are searched for Values."""


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
    """Map ids of Values to the variables that hold them, directly or in a container or module.

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
    yield from _in_containers(public)


def _in_containers(variables: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
    """Yield the Values in containers, then those in containers within these, with their names."""
    level: list[tuple[tuple[Any, ...], Any]]
    level = [((name,), v) for name, v in variables.items() if isinstance(v, CONTAINERS)]
    seen: set[int] = set()
    for _ in range(DEPTH):
        below = []
        for path, container in level:
            if id(container) in seen:
                continue
            seen.add(id(container))
            pairs = container.items() if isinstance(container, dict) else enumerate(container)
            for key, v in pairs:
                if isinstance(v, Value):
                    yield path[0] + "".join(f"[{k!r}]" for k in (*path[1:], key)), v
                elif isinstance(v, CONTAINERS) and not _of_numbers(v):
                    below.append(((*path, key), v))
        level = below


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
