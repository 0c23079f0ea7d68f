"""Convert a network to a torch.nn.Module with equal outputs and gradients."""

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
from tinygrad_pool.bridges.translations import data_of, torch
from tinygrad_pool.engine.functions import mapped
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError, UnsupportedError
from tinygrad_pool.nn.containers import ModuleList, Sequential
from tinygrad_pool.nn.module import Module

EXAMPLE = "net.to_torch(x), with example inputs, converts node by node"


def to_torch(network: Module, *example: Any) -> Any:
    """Convert a network to a torch.nn.Module, with copies of its parameters under their names.

    A layer becomes PyTorch's layer of its name, and a Sequential a torch.nn.Sequential. A network
    with a `forward` of its own is converted node by node, from a pass over example inputs; the
    module then accepts any batch size, or only the example's if an operation depends on it. A
    network from `from_torch` becomes the original module again, with its present parameters and
    buffers.

    Raises ToolError without PyTorch; OptionError if an example is needed; UnsupportedError for a
    layer or a rule that PyTorch lacks, such as ties="even".
    """
    torch("to_torch")
    if not isinstance(network, Module):
        raise DataError(f"to_torch: needs a network, got {type(network).__name__}")
    try:
        return _layer(network, {})
    except (OptionError, UnsupportedError):
        if not example:
            raise
    return _replayed(graph_of("to_torch", network, example))


def _tensors(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tensor(data_of(part)) for name, part in parts.items()}


def _tensor(x: Any) -> Any:
    """Return a tensor with a copy of an array."""
    numbers = np.array(x)
    _check_dtype(numbers.dtype)
    return torch().as_tensor(numbers)


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.itemsize > np.dtype(np.float64).itemsize:
        raise UnsupportedError(
            f"to_torch: PyTorch has no {dtype}; .astype(np.float64) makes doubles"
        )


# -- layer by layer


def _layer(module: Module, converted: dict[Any, Any]) -> Any:
    """Convert a layer to PyTorch's layer of its name, with the same options and parameters.

    `converted` maps layers and parameters to PyTorch's: what is shared remains shared.
    """
    kind = type(module)
    if isinstance(module, Network) and module._origin is not None:
        original: Any = copy.deepcopy(module._origin)
        original.load_state_dict(_tensors(dict(named_parts(module))), strict=False)
        return original
    if isinstance(module, Sequential | ModuleList):
        layers = getattr(torch().nn, kind.__name__)()
        for name, part in vars(module).items():
            if isinstance(part, Module):
                if part not in converted:
                    converted[part] = _layer(part, converted)
                layers.add_module(name, converted[part])
        layers.training = module.training
        return layers
    theirs = getattr(torch().nn, kind.__name__, None)
    if theirs is None or not kind.__module__.startswith("tinygrad_pool.nn."):
        raise OptionError(
            f"to_torch: {kind.__name__} has a forward of its own and needs example inputs: "
            "net.to_torch(x)"
        )
    own = {n: v for n, v in vars(module).items() if not n.startswith("_")}
    layer = theirs(**_options(theirs, own))
    state = {n: v for n, v in own.items() if isinstance(v, Value | np.ndarray)}
    for first in [*state.values()][:1]:
        layer = layer.to(_tensor(np.zeros(0, first.dtype)).dtype)
    layer.load_state_dict(_tensors(state), strict=False)
    for name, v in state.items():
        if isinstance(v, Value):
            setattr(layer, name, converted.setdefault(v, getattr(layer, name)))
    return layer.train(getattr(module, "training", True))


def _options(theirs: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of PyTorch's layer: attributes of ours, and sizes of its weights.

    Raises UnsupportedError for an option that means something else in PyTorch.
    """
    names, kind = list(inspect.signature(theirs.__init__).parameters)[1:], theirs.__name__
    if own.get("ties", "first") != "first":
        raise UnsupportedError(
            f"to_torch: {kind} resolves ties by {own['ties']!r}, PyTorch by 'first'"
        )
    if "norm_type" in own and own["norm_type"] % 2:
        raise UnsupportedError(
            f"to_torch: PyTorch's {kind} takes no magnitudes, and differs below 0 for "
            f"norm_type={own['norm_type']!r}; {EXAMPLE}"
        )
    if "norm_type" in own and own["ceil_mode"]:
        raise UnsupportedError(
            f"to_torch: PyTorch's {kind} scales up windows that end outside, with ceil_mode=True; "
            f"{EXAMPLE}"
        )
    plain = {n: v for n, v in own.items() if n in names and not isinstance(v, Value)}
    options = {n: _tensor(v) if isinstance(v, np.ndarray) else v for n, v in plain.items()}
    weight = own.get("weight")
    if isinstance(weight, Value) and "in_features" in names:
        options |= dict(zip(("out_features", "in_features"), weight.shape, strict=True))
    if isinstance(weight, Value) and "in_channels" in names:
        features, channels, *kernel = weight.shape
        options |= {"in_channels": channels * own["groups"], "out_channels": features}
        options["kernel_size"] = tuple(kernel)
    if isinstance(weight, Value) and "num_parameters" in names:
        options["num_parameters"] = weight.size
    if "padding" in options:
        options["padding"] = _padding(own["padding"])
    if "bias" in names:
        options["bias"] = own.get("bias") is not None
    return options


def _padding(padding: Any) -> Any:
    """Return padding as PyTorch takes it: one number for both sides of an axis."""
    if not isinstance(padding, list | tuple):
        return padding
    sides = [p if isinstance(p, list | tuple) else (p, p) for p in padding]
    if any(before != after for before, after in sides):
        raise UnsupportedError(
            f"to_torch: PyTorch pads both sides equally, got padding={padding!r}; {EXAMPLE}"
        )
    return tuple(before for before, _ in sides)


# -- node by node


def _replayed(graph: Graph) -> Any:
    """Return a module that computes the nodes of a graph one by one."""
    for node in graph.nodes:
        _check_dtype(node.dtype)
        if node.options.get("ties", "first") != "first":
            raise UnsupportedError(
                f"to_torch: {node.op} resolves ties by {node.options['ties']!r}, PyTorch by 'first'"
            )
        try:
            if not node.is_leaf:
                counterpart_of(node)
        except NoCounterpartError:
            raise UnsupportedError(f"to_torch: PyTorch has no counterpart of {node.op}") from None

    class Replayed(torch().nn.Module):  # type: ignore[misc]  # torch is imported late
        """The nodes of a recorded graph, computed in PyTorch."""

        def __init__(self) -> None:
            super().__init__()
            for name, value in graph.parameters.items():
                tensor = torch().nn.Parameter(_tensor(value._numbers))
                _attach(self, name, tensor)

        def forward(self, *inputs: Any) -> Any:
            if len(inputs) != len(graph.inputs):
                raise TypeError(f"the network takes {len(graph.inputs)}, got {len(inputs)}")
            for (name, own), x in zip(graph.inputs.items(), inputs, strict=True):
                if not graph.batch and tuple(x.shape[:1]) != own.shape[:1]:
                    raise ValueError(
                        f"input {name}: the batch size is fixed, since an operation depends on it: "
                        f"needs shape {own.shape}, got {tuple(x.shape)}"
                    )
            parameters = dict(self.named_parameters())
            results: dict[Any, Any] = {v: parameters[n] for n, v in graph.parameters.items()}
            results.update(zip(graph.inputs.values(), inputs, strict=True))
            for node in graph.nodes:
                if node in results:
                    continue
                xs = [
                    results[p] if isinstance(p, Node) else constant(p, node.dtype)
                    for p in node.parents
                ]
                results[node] = in_torch(node, xs, graph.shapes.get(node))
            return mapped(lambda x: results[x] if isinstance(x, Value) else x, graph.returns)

    return Replayed()


def _attach(root: Any, name: str, parameter: Any) -> None:
    """Register a parameter under its full name, "conv1.weight"."""
    *path, last = name.split(".")
    try:
        for step in path:
            if step not in root._modules:
                root.add_module(step, torch().nn.Module())
            root = root._modules[step]
        root.register_parameter(last, parameter)
    except KeyError as error:
        raise UnsupportedError(f"to_torch: {name!r} cannot be a parameter: {error}") from error
