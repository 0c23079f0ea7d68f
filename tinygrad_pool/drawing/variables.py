"""What the variables of a program call its Values, in pictures and in explanations alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad_pool.engine.functions import parts_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.module import Module


def check_names(names: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the variables that were given, if any. Raises OptionError unless it is a dict."""
    if names is None:
        return {}
    if not isinstance(names, Mapping):
        raise OptionError(f"names must be a dict, such as locals(), got {names!r:.80}")
    for name in names:
        if not isinstance(name, str):
            raise OptionError(f"names must be called by text, as locals() are, got {name!r:.80}")
    return names


def held_by(variables: Mapping[str, Any] | None) -> dict[int, str]:
    """Map Values, by their id, to the variables that hold them, themselves or as one of several.

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
    """List the Values that variables hold, by the names that they are called by, the best first."""
    public = {n: v for n, v in variables.items() if not n.startswith("_")}
    for name, v in (*public.items(), *variables.items()):  # others, as a notebook's _3, at last
        if isinstance(v, Value):
            yield name, v
    for part, name in held_by_modules(public).items():
        yield name, part
    for name, some in public.items():
        parts = parts_of(some) if isinstance(some, list | tuple | dict) else None
        for key, v in (parts or {}).items():
            if isinstance(v, Value):
                yield f"{name}[{key!r}]", v


def held_by_modules(variables: Mapping[str, Any]) -> dict[Node, str]:
    """Find the parameters of the modules among variables; the variable names one of several."""
    modules = [(n, v.parameters()) for n, v in variables.items() if isinstance(v, Module)]
    modules.sort(key=lambda pair: -len(pair[1]))  # the whole before its parts
    held: dict[Node, str] = {}
    apart = []
    for variable, own in modules:
        if not held.keys() >= set(own):
            apart.append(variable)
            held |= {v: variable for v in own if v not in held}
    found: dict[Node, str] = {}
    for variable in apart:
        for name, v in variables[variable].named_parameters():
            found.setdefault(v, f"{variable}.{name}" if len(apart) > 1 else name)
    return found
