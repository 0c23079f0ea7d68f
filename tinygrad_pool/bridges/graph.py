"""What a network recorded, ready to be written elsewhere: for any batch size, where it can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.bridges.translations import as_operand, data_of
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.functions import leaves_of
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, GraphError, OptionError, TinygradPoolError
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules import shaping
from tinygrad_pool.rules.arguments import Shape


class Graph(NamedTuple):
    """A recorded graph: its nodes from the leaves on, and what each leaf is.

    `inputs` and `parameters` are leaves by their names. `shapes` are what a reshape or a broadcast
    makes, where −1 stands for the batch. If the batch size may be any, `batch` says of each axis of
    the inputs and outputs whether it grows with it. `returns` is what the network returned, Values
    in lists, tuples and dicts.
    """

    nodes: list[Any]
    inputs: dict[str, Value]
    parameters: dict[str, Value]
    shapes: Mapping[Node, Shape]
    returns: Any
    batch: Mapping[Node, tuple[bool, ...]] = {}

    @property
    def outputs(self) -> list[Value]:
        """The Values that the network returned, in order."""
        return [*values_in(self.returns)]


def graph_of(name: str, made_of: Any, inputs: Sequence[Any]) -> Graph:
    """Record what a network makes of example inputs, or read the graph of a Value.

    Raises OptionError for a network without an example, or a Value that does not depend on the
    inputs; DataError for anything else; GraphError if constants of the graph were computed from the
    numbers of the inputs.
    """
    if isinstance(made_of, Module):
        return _of_network(name, made_of, inputs)
    if not isinstance(made_of, Value):
        raise DataError(f"{name}: needs a network or a Value, got {type(made_of).__name__}")
    nodes = topological_order(made_of)
    for given in inputs:
        if not isinstance(given, Node) or given not in nodes or not given.is_leaf:
            who = name_of(given) if isinstance(given, Node) else f"{given!r:.80}"
            raise OptionError(f"{name}: an input must be a leaf of this graph, which {who} is not")
    named = _names(inputs, [v.label for v in inputs], "x")
    return _read(name, nodes, named, {}, made_of)


def _of_network(name: str, network: Module, example: Sequence[Any]) -> Graph:
    if not example:
        raise OptionError(f"{name}: a network needs example inputs: {name}(net, …, x)")
    given = [as_operand(x, f"{name}: an input") for x in example]
    with buffers_kept(network):
        first = _recorded(name, network, given)
        other = _recorded(name, network, [*map(_moved, given)])
        _check_constants(name, first, other)
        longer = _longer(name, network, given)
    if longer is None or (shapes := _free_shapes(first, longer)) is None:
        return first
    ends = zip(_ends(first), _ends(longer), strict=True)
    grows: dict[Node, Any] = {
        a: tuple(n != m for n, m in zip(a.shape, b.shape, strict=True)) for a, b in ends
    }
    return first._replace(shapes=shapes, batch=grows)


@contextmanager
def buffers_kept(network: Module) -> Iterator[None]:
    """Give buffers their numbers back afterwards: a call in training moves running means."""
    kept = [(own, own.copy()) for own in network.buffers()]
    try:
        yield
    finally:
        for own, numbers in kept:
            own[...] = numbers


def _ends(graph: Graph) -> list[Value]:
    return [*graph.inputs.values(), *graph.outputs]


def _recorded(name: str, network: Module, given: Sequence[Any]) -> Graph:
    kinds = [np.asarray(data_of(x)).dtype.kind for x in given]
    leaves = [Value(data_of(x)) if kind == "f" else x for x, kind in zip(given, kinds, strict=True)]
    with with_graph():
        returns = network(*leaves)
    outputs = [*values_in(returns)]
    if not outputs:
        raise DataError(f"{name}: the network returns no Value, but {returns!r:.80}")
    nodes = list(dict.fromkeys(n for y in outputs for n in topological_order(y)))
    nodes.sort(key=lambda n: n._order)
    floats = [v for v in leaves if isinstance(v, Value)]
    inputs = _names(floats, [_argument(network, i) for i in range(len(floats))], "x")
    own = {n: v for n, v in network.named_parameters() if v in set(nodes)}
    return _read(name, nodes, inputs, own, returns)


def _read(
    name: str, nodes: list[Any], inputs: dict[str, Any], own: dict[str, Any], returns: Any
) -> Graph:
    """Name all leaves. Raises GraphError where a graph was cut: what came before is no constant."""
    for node in nodes:
        if node.is_leaf and node.rule is not None:
            raise GraphError(
                f"{name}: the graph was cut at {_placed(node)}, by detach or no_grad; an "
                "exported graph would keep the present numbers"
            )
    known = {*inputs.values(), *own.values()}
    others = [v for v in nodes if v.is_leaf and v not in known]
    own |= _names(others, [v.label for v in others], "w", taken=inputs | own)
    shapes = {n: n.shape for n in nodes if n.rule in (shaping.reshape, shaping.broadcast_to)}
    return Graph(nodes, inputs, own, shapes, returns)


def _placed(node: Node) -> str:
    """Name a node, and the line of source that made it if that is known."""
    return f"{name_of(node)}, at {node.about.line}" if node.about.line else name_of(node)


def _argument(network: Module, i: int) -> str:
    """Name an input as the network does."""
    program = getattr(network, "_program", None)
    if program is not None:
        return str(program.inputs[i].name) if i < len(program.inputs) else ""
    code = getattr(type(network).forward, "__code__", None)
    names = code.co_varnames[1 : code.co_argcount] if code else ()
    return names[i] if i < len(names) else ""


def _names(
    values: Sequence[Any], wanted: Sequence[str], stem: str, taken: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Give each Value a name of its own: the one that is wanted, or a number."""
    named: dict[str, Any] = {}
    for i, (value, name) in enumerate(zip(values, wanted, strict=True)):
        own = name or f"{stem}{i}"
        while own in named or own in taken:
            own += "_"
        named[own] = value
    return named


def values_in(whole: Any) -> Iterator[Any]:
    """Iterate over the Values in lists, tuples and dicts."""
    return (x for x in leaves_of(whole) if isinstance(x, Value))


def _moved(x: Any) -> Any:
    """Change the numbers of an example, to see what depends on them."""
    numbers = np.asarray(data_of(x))
    if numbers.dtype.kind != "f":
        return np.roll(numbers, 1)
    return (numbers * -0.7 + 0.1).astype(numbers.dtype)


def _longer(name: str, network: Module, given: Sequence[Any]) -> Graph | None:
    """Record again with one more example in the batch; None if that cannot be."""
    arrays = [np.asarray(data_of(x)) for x in given]
    if not all(a.ndim and len(a) for a in arrays):
        return None
    try:
        return _recorded(name, network, [np.concatenate([a, a[:1]]) for a in arrays])
    except TinygradPoolError:
        return None


def _check_constants(name: str, one: Graph, other: Graph) -> None:
    """Raise GraphError if two passes over different numbers have different constants."""
    same = len(one.nodes) == len(other.nodes)
    for a, b in zip(one.nodes, other.nodes, strict=False):
        if not same or not _alike(a, b, one):
            raise GraphError(
                f"{name}: {_placed(a)} has a constant that was computed from the numbers of an "
                "input: a mask, an index, or something random; an exported graph would keep it"
            )


def _alike(a: Any, b: Any, one: Graph) -> bool:
    """Return whether nodes of two passes have one rule, and equal options and constants."""
    if a.rule is not b.rule or len(a.parents) != len(b.parents):
        return False
    if a.is_leaf and a not in {*one.inputs.values()}:
        return a is b or _equal(np.asarray(a._numbers), np.asarray(b._numbers))
    constants = zip(a.parents, b.parents, strict=True)
    return _equal(a.options, b.options) and all(
        isinstance(p, Node) or _equal(p, q) for p, q in constants
    )


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b) or a is b


def _free_shapes(one: Graph, longer: Graph) -> dict[Node, Shape] | None:
    """Put −1 for the batch into shapes, by two passes; None if anything else depends on it."""
    if len(one.nodes) != len(longer.nodes):
        return None
    shapes: dict[Node, Shape] = {}
    for a, b in zip(one.nodes, longer.nodes, strict=True):
        if a in one.shapes:
            if a.rule is not b.rule or len(a.shape) != len(b.shape):
                return None
            pairs = zip(a.shape, b.shape, strict=True)
            shapes[a] = tuple(n if n == m else -1 for n, m in pairs)
            empty = 0 in a.shape  # of no numbers, no length can be found
            if shapes[a].count(-1) > (not empty) or not _has_batch(a, shapes[a]):
                return None
        elif a.ndim != b.ndim or not _alike(a, b, one) or _picks_cells(a):
            return None
    return shapes


def _picks_cells(node: Node) -> bool:
    """Return whether a node selects by arrays over several axes: ONNX has that for flat cells."""
    key = node.options.get("key", ()) if node.rule is shaping.getitem else ()
    parts = key if isinstance(key, tuple) else (key,)
    return sum(isinstance(part, list | np.ndarray) for part in parts) > 1


def _has_batch(node: Any, shape: Shape) -> bool:
    """Return whether what is broadcast has the batch already: only then it can stay as it is."""
    if node.rule is shaping.reshape or -1 not in shape:
        return True
    own = np.shape(data_of(node.parents[0]))
    at = shape.index(-1) - len(shape)
    return len(own) >= -at and own[at] == node.shape[at]
