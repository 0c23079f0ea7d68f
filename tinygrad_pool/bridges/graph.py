"""Record the graph of a network for export, with a free batch size where possible."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

EXTREMES = ((0.0, 0.0), (1e4, 1e3), (-1e4, -1e3), (0.0, np.nan))
"""Other numbers, as factors of the example's and what is added: masks and choices change, too."""


class Graph(NamedTuple):
    """A recorded graph: its nodes, leaves first, and the role of each leaf.

    `inputs` and `parameters` are leaves by name. `shapes` are the results of reshapes and
    broadcasts, with −1 for the batch. If the batch size is free, `batch` tells for each axis of
    inputs and outputs whether it is the batch. `returns` is what the network returned: Values in
    lists, tuples and dicts.
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
        return outputs_of(self.returns)


def graph_of(name: str, source: Any, inputs: Sequence[Any]) -> Graph:
    """Record a network on example inputs, or read the graph of a Value.

    Raises OptionError for a network without an example, or an input that is not a leaf of the
    Value's graph; DataError for any other source; GraphError if constants of the graph were
    computed from the numbers of the inputs.
    """
    if isinstance(source, Module):
        return _of_network(name, source, inputs)
    if not isinstance(source, Value):
        raise DataError(f"{name}: needs a network or a Value, got {type(source).__name__}")
    nodes = topological_order(source)
    for x in inputs:
        if not isinstance(x, Node) or x not in nodes or not x.is_leaf:
            label = name_of(x) if isinstance(x, Node) else f"{x!r:.80}"
            raise OptionError(
                f"{name}: an input must be a leaf of this graph, which {label} is not"
            )
    return _graph(name, nodes, _by_name(inputs, [v.label for v in inputs], "x"), {}, source)


def _of_network(name: str, network: Module, example: Sequence[Any]) -> Graph:
    """Record a network on the example, on other numbers, and on batches of other sizes."""
    if not example:
        raise OptionError(f"{name}: a network needs example inputs: {name}(net, …, x)")
    inputs = [as_operand(x, f"{name}: an input") for x in example]
    for i, x in enumerate(inputs):
        numbers = np.asarray(data_of(x))
        if numbers.ndim and numbers.dtype.kind != "f":
            raise GraphError(
                f"{name}: input {i} is an array of {numbers.dtype}, which an exported graph would "
                f"keep; {name}(net(...), ...) exports a graph for these numbers"
            )
    with buffers_kept(network):
        graph = _recorded(name, network, inputs)
        try:
            other = _recorded(name, network, [_other_numbers(x, -0.7, 0.1) for x in inputs])
        except Exception as error:  # the user's forward may raise anything
            kind = "" if isinstance(error, TinygradPoolError) else f"{type(error).__name__}: "
            raise GraphError(
                f"{name}: the graph depends on the numbers of the inputs; with others, "
                f"{kind}{error}"
            ) from error
        _check_constants(name, graph, other)
        for change in EXTREMES:
            extreme = _tried(name, network, (_other_numbers(x, *change) for x in inputs))
            if extreme:
                _check_constants(name, graph, extreme)
        return _with_free_batch(graph, _resized(name, network, inputs))


@contextmanager
def buffers_kept(network: Module) -> Iterator[None]:
    """Restore the buffers afterwards: a call in training updates running means."""
    copies = [(buffer, buffer.copy()) for buffer in network.buffers()]
    try:
        yield
    finally:
        for buffer, numbers in copies:
            buffer[...] = numbers


def _recorded(name: str, network: Module, inputs: Sequence[Any]) -> Graph:
    floats = [np.asarray(data_of(x)).dtype.kind == "f" for x in inputs]
    operands = [Value(data_of(x)) if own else x for x, own in zip(inputs, floats, strict=True)]
    with with_graph():
        returns = network(*operands)
    outputs = outputs_of(returns)
    if not outputs:
        raise DataError(f"{name}: the network must return Values, got {returns!r:.80}")
    nodes = topological_order(*outputs)
    named = _by_name(operands, _parameter_names(network), "x")
    inputs_by_name = {n: v for n, v in named.items() if isinstance(v, Value)}
    used = set(nodes)
    parameters = {n: v for n, v in network.named_parameters() if v in used}
    return _graph(name, nodes, inputs_by_name, parameters, returns)


def _graph(
    name: str, nodes: list[Any], inputs: dict[str, Any], parameters: dict[str, Any], returns: Any
) -> Graph:
    """Name the other leaves. Raises GraphError where the graph was cut by detach or no_grad."""
    for node in nodes:
        if node.is_leaf and node.rule is not None:
            raise GraphError(
                f"{name}: the graph was cut at {_with_line(node)}, by detach or no_grad; an "
                "exported graph would keep the present numbers"
            )
    known = {*inputs.values(), *parameters.values()}
    others = [v for v in nodes if v.is_leaf and v not in known]
    parameters |= _by_name(others, [v.label for v in others], "w", taken=inputs | parameters)
    shapes = {n: n.shape for n in nodes if n.rule in (shaping.reshape, shaping.broadcast_to)}
    return Graph(nodes, inputs, parameters, shapes, returns)


def _with_line(node: Node) -> str:
    """Name a node and, if known, the line of source that made it."""
    return f"{name_of(node)}, at {node.about.line}" if node.about.line else name_of(node)


def _parameter_names(network: Module) -> Sequence[str]:
    """List the names of the inputs in the network's own signature."""
    program = getattr(network, "_program", None)
    if program is not None:
        return [*program.inputs]
    code = getattr(type(network).forward, "__code__", None)
    return code.co_varnames[1 : code.co_argcount] if code else ()


def _by_name(
    values: Sequence[Any], names: Sequence[str], stem: str, taken: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Give each Value a unique name: its own if it has one, otherwise a numbered one."""
    named: dict[str, Any] = {}
    for i, value in enumerate(values):
        name = (names[i] if i < len(names) else "") or f"{stem}{i}"
        while name in named or name in taken:
            name += "_"
        named[name] = value
    return named


def outputs_of(result: Any) -> list[Any]:
    """List the Values, or the floating-point tensors, in lists, tuples and dicts."""
    return [
        x
        for x in leaves_of(result)
        if isinstance(x, Value) or getattr(x, "is_floating_point", bool)()
    ]


def _other_numbers(x: Any, scale: float, shift: float) -> Any:
    """Change the numbers of an example, and with them constants that were computed from them.

    An integer is an option, and remains.
    """
    numbers = np.asarray(data_of(x))
    return (numbers * scale + shift).astype(numbers.dtype) if numbers.dtype.kind == "f" else x


def _tried(name: str, network: Module, inputs: Iterable[Any]) -> Graph | None:
    """Record the network on inputs that it may refuse; return None if it does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _recorded(name, network, [*inputs])
        except Exception:  # noqa: BLE001  # the user's forward may raise anything
            return None


def _resized(name: str, network: Module, inputs: Sequence[Any]) -> list[Graph]:
    """Record the network on batches of other sizes, as far as it accepts them.

    1 is not tried: an axis of length 1 may be squeezed, or broadcast.
    """
    arrays = [np.asarray(data_of(x)) for x in inputs]
    n = len(arrays[0]) if arrays[0].ndim else 0
    if not n or any(a.shape[:1] != (n,) for a in arrays):
        return []
    sizes = sorted({2, 10, n + 1} - {n})
    tried = (_tried(name, network, (_rows(a, m) for a in arrays)) for m in sizes)
    return [graph for graph in tried if graph]


def _rows(numbers: Any, n: int) -> Any:
    """Repeat or drop rows until there are n, with other numbers of either sign in them."""
    rows = np.resize(numbers, (n, *numbers.shape[1:]))
    return (rows * np.random.default_rng(n).normal(0.0, 3.0, rows.shape)).astype(numbers.dtype)


def _check_constants(name: str, graph: Graph, other: Graph) -> None:
    """Raise GraphError if two passes over different numbers have different constants."""
    same_length = len(graph.nodes) == len(other.nodes)
    for a, b in zip(graph.nodes, other.nodes, strict=False):
        if not same_length or not _equal_nodes(a, b, graph):
            raise GraphError(
                f"{name}: {_with_line(a)} has a constant that was computed from the numbers of an "
                "input, for example a mask, an index or a random array; an exported graph would "
                "keep it"
            )


def _equal_nodes(a: Any, b: Any, graph: Graph) -> bool:
    """Return whether nodes of two passes have the same rule, and equal options and constants."""
    if a.rule is not b.rule or len(a.parents) != len(b.parents):
        return False
    if a.is_leaf and a not in graph.inputs.values():
        return a is b or _equal(np.asarray(a._numbers), np.asarray(b._numbers))
    operands = zip(a.parents, b.parents, strict=True)
    return _equal(a.options, b.options) and all(
        isinstance(p, Node) or _equal(p, q) for p, q in operands
    )


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple | np.ndarray) != isinstance(b, list | tuple | np.ndarray):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b) or a is b


def _with_free_batch(graph: Graph, resized: Sequence[Graph]) -> Graph:
    """Mark the axes of the batch, with −1 in shapes, unless anything else depends on its size."""
    first, *others = [_marked(graph, other) for other in resized] or [None]
    return first if first and all(other == first for other in others) else graph


def _marked(graph: Graph, other: Graph) -> Graph | None:
    """Mark the axes whose lengths differ in a graph of another batch; None if more differs."""
    outputs, others = ([*map(g.nodes.index, g.outputs)] for g in (graph, other))
    if len(graph.nodes) != len(other.nodes) or outputs != others:
        return None
    shapes: dict[Node, Shape] = {}
    for a, b in zip(graph.nodes, other.nodes, strict=True):
        is_shaped = a in graph.shapes
        same = a.rule is b.rule if is_shaped else _equal_nodes(a, b, graph)
        if not same or a.ndim != b.ndim:
            return None
        if is_shaped:
            shapes[a] = tuple(n if n == m else -1 for n, m in zip(a.shape, b.shape, strict=True))
            inferable = 0 not in a.shape  # without elements, −1 has no meaning
            if shapes[a].count(-1) > inferable or not _has_batch(a, shapes[a]):
                return None
    ends = ([*g.inputs.values(), *g.outputs] for g in (graph, other))
    batch: dict[Node, Any] = {
        a: tuple(n != m for n, m in zip(a.shape, b.shape, strict=True))
        for a, b in zip(*ends, strict=True)
    }
    return graph._replace(shapes=shapes, batch=batch)


def _has_batch(node: Any, shape: Shape) -> bool:
    """Return whether the operand of a broadcast already has the batch axis, which −1 keeps."""
    if node.rule is shaping.reshape or -1 not in shape:
        return True
    own = np.shape(data_of(node.parents[0]))
    at = shape.index(-1) - len(shape)
    return len(own) >= -at and own[at] == node.shape[at]
