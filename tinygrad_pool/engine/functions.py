"""Call a function that is to be differentiated, and handle the structure of its arguments.

An argument may be a number, an array, a Value, a network, or a tuple, a list or a dict of those,
nested to any depth. Gradients have the structure of the arguments; the gradient of a network is a
dict by the names of its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any, NamedTuple, cast

import numpy as np

from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.data import copied
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import AxisError, DataError, OptionError
from tinygrad_pool.rules.arguments import flag, whole

INSIDE: ContextVar[bool] = ContextVar("INSIDE", default=False)
"""Whether a function is being differentiated, so that derivatives inside it must be Values."""


class Called(NamedTuple):
    """The result of a function, and the arguments to differentiate with respect to, as Values."""

    y: Any
    aux: Any
    xs: list[Any]
    graph: bool
    """Whether derivatives must be Values, because the function runs inside another one."""


def called(
    name: str,
    f: Callable[..., Any],
    args: Sequence[Any],
    options: dict[str, Any],
    places: Sequence[int],
    has_aux: bool = False,
    graph: bool = False,
) -> Called:
    """Call a function with Values in place of the numbers in the arguments at `places`.

    Raises DataError if they are not numbers, or if the function returns anything but Values;
    OptionError if there is no such argument, or if it does not return a pair with `has_aux`.
    """
    values, copies = list(args), list(args)
    for i in places:
        if not -len(values) <= i < len(values):
            got = f"{len(values)} positional argument{'s' * (len(values) != 1)}"
            raise OptionError(f"{name}: argnums={i}, but the call has {got}")
        values[i] = mapped(lambda x: _value_of(name, x, graph or INSIDE.get()), values[i])
        copies[i] = mapped(lambda x: x, values[i])  # f may change its lists and dicts
    with inside():
        y = f(*copies, **options)
    aux = None
    if has_aux:
        if not isinstance(y, tuple) or len(y) != 2:
            raise OptionError(f"{name}: with has_aux=True f must return a pair, got {y!r:.80}")
        y, aux = y
    for part in leaves_of(y):
        if not isinstance(part, Value):
            raise DataError(
                f"{name}: f must return a Value, got {type(part).__name__}; results computed from "
                "v.data, float(v), np.round(v) or array[i] = v have no gradient. Return a constant "
                "as tg.Value(1.0), and anything beside y with has_aux=True"
            )
    return Called(y, aux, [values[i] for i in places], graph or INSIDE.get())


@contextmanager
def inside() -> Iterator[None]:
    """Run a function that is being differentiated: record a graph, even inside `no_grad`."""
    token = INSIDE.set(True)
    try:
        with with_graph():
            yield
    finally:
        INSIDE.reset(token)


def places_of(name: str, f: object, argnums: Any, has_aux: Any) -> tuple[int, ...]:
    """Check what to differentiate; return the positions in `argnums`, one integer or several."""
    if not callable(f):
        raise DataError(f"{name}: needs a function, got {type(f).__name__}")
    several = isinstance(argnums, Sequence) and not isinstance(argnums, str)
    places = argnums if several else [argnums]
    try:
        found = tuple(whole(i, "argnums") for i in places)
    except AxisError:
        raise OptionError(
            f"{name}: argnums must be an integer or several, got {argnums!r:.80}; pass "
            f"arguments of f to the function that {name} returns: {name}(f)(x)"
        ) from None
    flag(has_aux, f"{name}: has_aux")
    return found


def one_or_all(argnums: Any, trees: Sequence[Any]) -> Any:
    """Return the only tree for one argument, a tuple for several."""
    return tuple(trees) if isinstance(argnums, Sequence) else trees[0]


# -- structures


def leaves_of(tree: Any) -> list[Any]:
    """List the leaves of nested tuples, lists and dicts, in order; of a network, the parameters.

    >>> leaves_of({"w": [1.0, 2.0], "b": (3.0, None)})
    [1.0, 2.0, 3.0]
    """
    if (parts := parts_of(tree)) is None:
        return [tree]
    return [leaf for part in parts.values() for leaf in leaves_of(part)]


def mapped(make: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `make` to each leaf and keep the structure; a network is returned unchanged.

    >>> mapped(lambda x: 2 * x, {"w": [1.0, 2.0]})
    {'w': [2.0, 4.0]}
    """
    if hasattr(tree, "named_parameters"):
        return tree
    return _rebuilt(tree, make, lambda part: mapped(make, part))


def as_value(x: Any) -> Any:
    """Convert a floating array or NumPy scalar to a Value; return anything else unchanged."""
    floats = isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f"
    return Value(x) if floats else x


def filled(tree: Any, leaves: Iterator[Any]) -> Any:
    """Return the same structure with other leaves; a network becomes a dict.

    >>> filled({"w": [1.0, 2.0]}, iter("ab"))
    {'w': ['a', 'b']}
    """
    if hasattr(tree, "named_parameters"):
        return {name: next(leaves) for name, _ in tree.named_parameters()}
    return _rebuilt(tree, lambda _: next(leaves), lambda part: filled(part, leaves))


def _rebuilt(tree: Any, make: Callable[[Any], Any], below: Callable[[Any], Any]) -> Any:
    if isinstance(tree, dict):
        result = copy(tree)  # a defaultdict keeps its default
        result.update({key: below(part) for key, part in tree.items()})
        return result
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(below, tree))
    if isinstance(tree, tuple | list):
        return type(tree)(map(below, tree))
    return None if tree is None else make(tree)


def parts_of(tree: Any) -> dict[Any, Any] | None:
    """Return the parts of a structure by index or key; None if it is a leaf.

    >>> parts_of((1.0, 2.0)), parts_of(None), parts_of(3.0)
    ({0: 1.0, 1: 2.0}, {}, None)
    """
    if hasattr(tree, "named_parameters"):
        return dict(tree.named_parameters())
    if isinstance(tree, dict):
        return tree
    return dict(enumerate(tree or ())) if tree is None or isinstance(tree, tuple | list) else None


def plain(tree: Any, graph: bool) -> Any:
    """Replace Values by their numbers, unless `graph`."""
    return mapped(lambda x: x if graph or not isinstance(x, Value) else copied(x._numbers), tree)


def _value_of(name: str, x: Any, graph: bool) -> Value:
    """Convert an argument to a new Value; if `graph`, the new one is connected to the old."""
    if not isinstance(x, Node):
        try:
            return Value(x)
        except DataError as error:
            raise DataError(f"{name}: an argument in argnums: {error}") from error
    value: Value = cast("Value", np.reshape(x, x.shape)) if graph else Value(x._numbers)
    value.about = x.about
    return value
