"""A network of ours as a torch.nn.Module, with equal outputs and gradients."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_pool.bridges.counterparts import (
    NoCounterpartError,
    constant,
    counterpart_of,
    in_torch,
)
from tinygrad_pool.bridges.graph import Graph, graph_of
from tinygrad_pool.bridges.network import Network, named_parts
from tinygrad_pool.bridges.translations import data_of
from tinygrad_pool.engine.functions import mapped
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError, UnsupportedError
from tinygrad_pool.extras import extra
from tinygrad_pool.nn.containers import ModuleList, Sequential
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules import shaping


def to_torch(network: Module, *example: Any) -> Any:
    """Make a torch.nn.Module of a network, with copies of its parameters, under their names.

    A layer becomes PyTorch's layer of its name, and a Sequential a torch.nn.Sequential. A network
    with a `forward` of its own is written node by node, from a pass over example inputs; it then
    takes any batch size if every node does. What `from_torch` translated is the original module
    again, with its present parameters and buffers.

    Raises ToolError without PyTorch; OptionError if an example is needed; UnsupportedError for a
    layer or a rule that PyTorch lacks, such as ties="even".
    """
    torch = extra("torch", "to_torch")
    if not isinstance(network, Module):
        raise DataError(f"to_torch: needs a network, got {type(network).__name__}")
    try:
        return _layer(torch, network, {})
    except (OptionError, UnsupportedError):
        if not example:
            raise
    return _replayed(torch, graph_of("to_torch", network, example))


def _original(torch: Any, network: Network) -> Any:
    """Copy the module that was translated, and give it the present numbers."""
    module: Any = copy.deepcopy(network._origin)
    module.load_state_dict(_tensors(torch, dict(named_parts(network))), strict=False)
    return module


def _tensors(torch: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tensor(torch, data_of(v)) for name, v in held.items()}


def _tensor(torch: Any, given: Any) -> Any:
    """Return a tensor with a copy of an array."""
    numbers = np.array(given)
    _check_dtype(numbers.dtype)
    return torch.as_tensor(numbers)


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.itemsize > np.dtype(np.float64).itemsize:
        raise UnsupportedError(
            f"to_torch: PyTorch has no {dtype}; .astype(np.float64) makes doubles"
        )


def _layer(torch: Any, module: Module, known: dict[Any, Any]) -> Any:
    """Make PyTorch's layer of the same name and options.

    `known` holds the layers and parameters that were made: what is shared stays shared.
    """
    kind = type(module)
    if isinstance(module, Network) and module._origin is not None:
        return _original(torch, module)
    if isinstance(module, Sequential | ModuleList):
        made = getattr(torch.nn, kind.__name__)()
        for name, part in vars(module).items():
            if isinstance(part, Module):
                if part not in known:
                    known[part] = _layer(torch, part, known)
                made.add_module(name, known[part])
        made.training = module.training
        return made
    theirs = getattr(torch.nn, kind.__name__, None)
    if theirs is None or not kind.__module__.startswith("tinygrad_pool.nn."):
        raise OptionError(
            f"to_torch: {kind.__name__} has a forward of its own; give example inputs, "
            "net.to_torch(x), and its nodes are written one by one"
        )
    held = {n: v for n, v in vars(module).items() if not n.startswith("_")}
    if held.get("ties", "first") != "first":
        raise UnsupportedError(
            f"to_torch: {kind.__name__} settles ties by {held['ties']!r}, PyTorch by 'first'"
        )
    if "norm_type" in held and (otherwise := _another_norm(held["norm_type"], held["ceil_mode"])):
        raise UnsupportedError(
            f"to_torch: PyTorch's {kind.__name__} {otherwise}; with an example, net.to_torch(x), "
            "nodes are written one by one"
        )
    made = theirs(**_options(torch, theirs, held))
    state = {n: v for n, v in held.items() if isinstance(v, Value | np.ndarray)}
    first = next((v for v in state.values()), None)
    if first is not None:
        made = made.to(_tensor(torch, np.zeros(0, first.dtype)).dtype)
    made.load_state_dict(_tensors(torch, state), strict=False)
    for name, v in state.items():
        if isinstance(v, Value):
            setattr(made, name, known.setdefault(v, getattr(made, name)))
    return made.train(getattr(module, "training", True))


def _options(torch: Any, theirs: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """Read a layer's options: what it holds, and sizes from its weights."""
    names = list(inspect.signature(theirs.__init__).parameters)[1:]
    plain = {n: v for n, v in held.items() if n in names and not isinstance(v, Value)}
    options = {n: torch.as_tensor(v) if isinstance(v, np.ndarray) else v for n, v in plain.items()}
    weight = held.get("weight")
    if isinstance(weight, Value) and "in_features" in names:
        options |= dict(zip(("out_features", "in_features"), weight.shape, strict=True))
    if isinstance(weight, Value) and "in_channels" in names:
        features, channels, *kernel = weight.shape
        options |= {"in_channels": channels * held["groups"], "out_channels": features}
        options["kernel_size"] = tuple(kernel)
    if "padding" in options:
        options["padding"] = _padding(held["padding"])
    if isinstance(weight, Value) and "num_parameters" in names:
        options["num_parameters"] = weight.size
    if "bias" in names:
        options["bias"] = held.get("bias") is not None
    return options


def _another_norm(p: float, ceil_mode: bool) -> str:
    """Return how PyTorch's p-norm of a window differs; "" where it is the same."""
    if p % 2:
        return f"takes no magnitudes, and is another below 0 for norm_type={p!r}"
    return "scales up windows that end outside, with ceil_mode=True" if ceil_mode else ""


def _padding(given: Any) -> Any:
    """Return padding as PyTorch takes it: the same on both sides of an axis."""
    if not isinstance(given, list | tuple):
        return given
    sides = [p if isinstance(p, list | tuple) else (p, p) for p in given]
    if any(before != after for before, after in sides):
        raise UnsupportedError(
            f"to_torch: PyTorch pads both sides alike, got padding={given!r}; with an example, "
            "net.to_torch(x), nodes are written one by one"
        )
    return tuple(before for before, _ in sides)


def _replayed(torch: Any, graph: Graph) -> Any:
    """Make a module that computes the nodes of a graph one by one."""
    for node in graph.nodes:
        _check_dtype(node.dtype)
        if not node.is_leaf:
            _check_counterpart(node)

    class Replayed(torch.nn.Module):  # type: ignore[misc]  # torch comes late
        """The nodes of a recorded graph, computed in PyTorch."""

        def __init__(self) -> None:
            super().__init__()
            for name, value in graph.parameters.items():
                tensor = torch.nn.Parameter(_tensor(torch, value._numbers))
                _hang(torch, self, name, tensor)

        def forward(self, *inputs: Any) -> Any:
            if len(inputs) != len(graph.inputs):
                raise TypeError(f"the network takes {len(graph.inputs)}, got {len(inputs)}")
            own = dict(self.named_parameters())
            made: dict[Any, Any] = {v: own[n] for n, v in graph.parameters.items()}
            made.update(zip(graph.inputs.values(), inputs, strict=True))
            for node in graph.nodes:
                if node not in made:
                    xs = [
                        made[p] if isinstance(p, Node) else constant(p, node.dtype)
                        for p in node.parents
                    ]
                    made[node] = _computed(node, xs, graph)
            return mapped(lambda x: made[x] if isinstance(x, Value) else x, graph.returns)

    return Replayed()


def _check_counterpart(node: Node) -> None:
    if node.options.get("ties", "first") != "first":
        raise UnsupportedError(
            f"to_torch: {node.op} settles ties by {node.options['ties']!r}; PyTorch does not"
        )
    try:
        counterpart_of(node)
    except NoCounterpartError:
        raise UnsupportedError(f"to_torch: PyTorch has no counterpart of {node.op}") from None


def _computed(node: Node, xs: list[Any], graph: Graph) -> Any:
    """Compute a node; a reshape and a broadcast to the batch that is there now."""
    shape = graph.shapes.get(node)
    if shape is None:
        return in_torch(node, xs)
    return xs[0].reshape(shape) if node.rule is shaping.reshape else xs[0].expand(shape)


def _hang(torch: Any, root: Any, name: str, parameter: Any) -> None:
    *path, last = name.split(".")
    try:
        for step in path:
            if step not in root._modules:
                root.add_module(step, torch.nn.Module())
            root = root._modules[step]
        root.register_parameter(last, parameter)
    except KeyError as error:
        raise UnsupportedError(f"to_torch: {name!r} cannot be a parameter: {error}") from error
