"""Functions to be differentiated: what they are called with, and what structure it has.

An argument may be a number, an array, a Value, a network, or a tuple, a list or a dict of those,
however deep. Gradients have the structure of the arguments; of a network they are a dict by the
names of its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any, NamedTuple, cast

import numpy as np

from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import AxisError, DataError, OptionError
from tinygrad_pool.rules.arguments import whole

INSIDE: ContextVar[bool] = ContextVar("INSIDE", default=False)
"""Whether a function that is differentiated runs: a derivative inside it can be differentiated."""


class Called(NamedTuple):
    """What a function returned, and what it is differentiated with respect to, all of Values."""

    y: Any
    aux: Any
    xs: list[Any]
    graph: bool
    """Whether derivatives are to be Values, since the function is part of another one."""


def called(
    name: str,
    f: Callable[..., Any],
    args: Sequence[Any],
    options: dict[str, Any],
    places: Sequence[int],
    has_aux: bool = False,
    graph: bool = False,
) -> Called:
    """Call a function with Values in place of the numbers in some of its arguments.

    Raises DataError if they are not numbers, or if it returns anything but Values; OptionError if
    there is no such argument, or if it returns no pair with `has_aux`.
    """
    given, own = list(args), list(args)
    for i in places:
        if not -len(given) <= i < len(given):
            raise OptionError(f"{name}: argnums={i} of a call with {len(given)} arguments")
        given[i] = mapped(lambda x: _value_of(name, x, graph or INSIDE.get()), given[i])
        own[i] = mapped(lambda x: x, given[i])  # f may change its lists and dicts
    with inside():
        y = f(*own, **options)
    aux = None
    if has_aux:
        if not isinstance(y, tuple) or len(y) != 2:
            raise OptionError(f"{name}: with has_aux=True f returns a pair, got {y!r:.80}")
        y, aux = y
    for part in leaves_of(y):
        if not isinstance(part, Value):
            raise DataError(
                f"{name}: f must return a Value, got {type(part).__name__}; what is computed from "
                "v.data, float(v) or array[i] = v has no gradient, and a constant is tg.Value(1.0)"
            )
    return Called(y, aux, [given[i] for i in places], graph or INSIDE.get())


@contextmanager
def inside() -> Iterator[None]:
    """Compute a function that is differentiated: it has a graph, even inside `no_grad`."""
    token = INSIDE.set(True)
    try:
        with with_graph():
            yield
    finally:
        INSIDE.reset(token)


def places_of(name: str, f: object, argnums: Any) -> tuple[int, ...]:
    """Read which arguments are meant, by one number or several.

    >>> places_of("grad", len, 0), places_of("grad", len, [0, 2])
    ((0,), (0, 2))
    """
    if not callable(f):
        raise DataError(f"{name}: needs a function, got {type(f).__name__}")
    several = isinstance(argnums, Sequence) and not isinstance(argnums, str)
    places = argnums if several else [argnums]
    try:
        return tuple(whole(i, "argnums") for i in places)
    except AxisError:
        raise OptionError(
            f"{name}: argnums must be a whole number or several, got {argnums!r:.80}; what f is "
            f"called with goes into the function that is returned: {name}(f)(x)"
        ) from None


def one_or_all(argnums: Any, trees: Sequence[Any]) -> Any:
    """Return one thing for one argument, and a tuple for several."""
    return tuple(trees) if isinstance(argnums, Sequence) else trees[0]


# -- structures


def leaves_of(tree: Any) -> list[Any]:
    """List what is in tuples, lists and dicts, in order; the parameters of a network.

    >>> leaves_of({"w": [1.0, 2.0], "b": (3.0, None)})
    [1.0, 2.0, 3.0]
    """
    if (parts := parts_of(tree)) is None:
        return [tree]
    return [leaf for part in parts.values() for leaf in leaves_of(part)]


def mapped(make: Callable[[Any], Any], tree: Any) -> Any:
    """Make something of each leaf, in the same structure; a network stays as it is.

    >>> mapped(lambda x: 2 * x, {"w": [1.0, 2.0]})
    {'w': [2.0, 4.0]}
    """
    return tree if hasattr(tree, "named_parameters") else _rebuilt(tree, make)


def as_value(x: Any) -> Any:
    """Make a Value of an array of floats, or of one of NumPy's; anything else stays as it is."""
    floats = isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f"
    return Value(x) if floats else x


def filled(tree: Any, leaves: Iterator[Any]) -> Any:
    """Put other leaves in the place of a structure's own; of a network they are a dict.

    >>> filled({"w": [1.0, 2.0]}, iter("ab"))
    {'w': ['a', 'b']}
    """
    if hasattr(tree, "named_parameters"):
        return {name: next(leaves) for name, _ in tree.named_parameters()}
    return _rebuilt(tree, lambda _: next(leaves), lambda part: filled(part, leaves))


def _rebuilt(
    tree: Any, make: Callable[[Any], Any], below: Callable[[Any], Any] | None = None
) -> Any:
    below = below or (lambda part: mapped(make, part))
    if isinstance(tree, dict):
        other = copy(tree)  # a defaultdict keeps its default
        other.update({key: below(part) for key, part in tree.items()})
        return other
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(below, tree))
    if isinstance(tree, tuple | list):
        return type(tree)(map(below, tree))
    return None if tree is None else make(tree)


def parts_of(tree: Any) -> dict[Any, Any] | None:
    """Return the parts of a structure by their places; None if it is a leaf.

    >>> parts_of((1.0, 2.0)), parts_of(None), parts_of(3.0)
    ({0: 1.0, 1: 2.0}, {}, None)
    """
    if hasattr(tree, "named_parameters"):
        return dict(tree.named_parameters())
    if isinstance(tree, dict):
        return tree
    return dict(enumerate(tree or ())) if tree is None or isinstance(tree, tuple | list) else None


def plain(tree: Any, graph: bool) -> Any:
    """Return numbers in place of Values, unless they are part of another function."""
    return mapped(lambda x: _numbers_of(x) if isinstance(x, Value) and not graph else x, tree)


def _numbers_of(x: Value) -> Any:
    return np.array(x.data) if isinstance(x.data, np.ndarray) else x.data


def _value_of(name: str, x: Any, graph: bool) -> Value:
    """Make a Value of its own of an argument; inside another function one that is linked to it."""
    if not isinstance(x, Node):
        try:
            return Value(x)
        except DataError as error:
            raise DataError(f"{name}: an argument in argnums: {error}") from error
    own: Value = cast("Value", np.reshape(x, x.shape)) if graph else Value(x._numbers)
    own.about = x.about
    return own
