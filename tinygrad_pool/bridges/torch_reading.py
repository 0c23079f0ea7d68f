"""Translate a PyTorch module into a network on Values, from the graph that torch.export traces."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_pool.bridges.differences import Difference, compared
from tinygrad_pool.bridges.graph import buffers_kept, outputs_of
from tinygrad_pool.bridges.network import MOST, Call, Length, Network, Program, Ref, check_known
from tinygrad_pool.bridges.torch_tracing import name_of, own_lines, traced, two_rows, untraceable
from tinygrad_pool.bridges.translations import copied, data_of, returned, torch
from tinygrad_pool.engine.context import no_grad
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError, ShapeError, UnsupportedError
from tinygrad_pool.formatting import several

LEFT_OUT = {"device", "layout", "memory_format", "pin_memory", "non_blocking", "generator"}
"""Options that say where a tensor is stored, and not what is in it."""


def from_torch(module: Any, *example: Any) -> Network:
    """Translate a PyTorch module into a network on Values, with copies of its parameters.

    `torch.export` traces the module with the example inputs; the module is not changed. The network
    is called like the module and returns the same structure. Parameters have the module's names,
    also as labels; each node has its layer as scope, and the line of the module's source. Frozen
    parameters get a gradient, too.

    An axis is fixed to the example's length only where the module's code requires it, so ordinary
    networks accept any batch size. The network remains in training or evaluation, whichever the
    module is in now.

    Ties are resolved as in PyTorch: the first unit of a pool wins, and torch.maximum pays half
    each. If outputs or gradients on the example differ from PyTorch's, a warning names the first.

    Raises ToolError without PyTorch; DataError for anything but a module; OptionError if the module
    fails on the example; UnsupportedError for an operation without a translation, or a module that
    cannot be traced, with the line of its source.
    """
    torch("from_torch")
    if not isinstance(module, torch().nn.Module):
        raise DataError(f"from_torch: needs a torch.nn.Module, got {type(module).__name__}")
    inputs = torch().utils._pytree.tree_map(_tensor, example)
    with torch().no_grad(), torch().random.fork_rng():
        expected = returned("from_torch", copied(module), inputs)
    errors: list[Exception] = []
    for traced_inputs, free in ((two_rows(inputs), True), (inputs, True), (inputs, False)):
        try:
            exported = traced(module, traced_inputs, free)
        except Exception as error:  # noqa: BLE001  # torch.export raises many kinds
            errors.append(error)
            continue
        network = _network(exported, module)
        if not free or _same_shapes(network, inputs, expected):
            network._origin = copied(module)
            _warn_of_differences(network, module, inputs)
            return network
    raise untraceable(module, errors[-1]) from errors[-1]


def _tensor(x: Any) -> Any:
    """Return an array or a Value as a tensor, and a tensor as a copy: passed twice, it is two."""
    if isinstance(x, Value | np.ndarray):
        return torch().tensor(data_of(x))
    return x.detach().clone() if isinstance(x, torch().Tensor) else x


# -- checking


def _same_shapes(network: Network, inputs: tuple[Any, ...], expected: Any) -> bool:
    """Return whether the outputs for the example have the shapes of the module's."""
    flatten = torch().utils._pytree.tree_leaves
    try:
        with no_grad(), buffers_kept(network):
            outputs = network(*inputs)
    except ShapeError:
        return False
    ours, theirs = (
        [tuple(getattr(y, "shape", ())) for y in flatten(ys)] for ys in (outputs, expected)
    )
    return ours == theirs


def _warn_of_differences(network: Network, module: Any, inputs: tuple[Any, ...]) -> None:
    """Warn if outputs or gradients differ from PyTorch's on the example, and also near it.

    A difference on the example alone is that of a kink, where either side may be right.
    """

    def shifted(x: Any) -> Any:
        floats = isinstance(x, torch().Tensor) and x.is_floating_point()
        return x + 0.01 * torch().randn_like(x) if floats else x

    with torch().random.fork_rng(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if _is_random(module, inputs):
            return
        differences = _differences(network, module, inputs)
        nearby = torch().utils._pytree.tree_map(shifted, inputs)
        if not differences or not _differences(network, module, nearby):
            return
    first = differences[0]
    warnings.warn(
        f"from_torch: on the example, {first.what} is {first.sides}: torch.export does not show "
        "everything, for example not the backward of a torch.autograd.Function, nor a hook; "
        "tg.crosscheck(net, module, x) lists all differences",
        stacklevel=3,
    )


def _differences(network: Network, module: Any, inputs: tuple[Any, ...]) -> list[Difference]:
    """List what differs; nothing where PyTorch has no gradient, or no output matches."""
    try:
        _, differences = compared(network, module, inputs, inputs)
    except (RuntimeError, OptionError, ShapeError):
        return []
    return [difference for difference in differences if np.isfinite(difference.theirs)]


def _is_random(module: Any, inputs: tuple[Any, ...]) -> bool:
    """Return whether a module's outputs depend on the random seed, as with dropout."""
    outputs = []
    for seed in (0, 1):
        torch().manual_seed(seed)
        with torch().no_grad():
            outputs.append(outputs_of(copied(module)(*inputs)))
    return not all(torch().equal(one, other) for one, other in zip(*outputs, strict=True))


# -- reading the graph


def _network(exported: Any, module: Any) -> Network:
    signature, kind = exported.graph_signature, type(module).__name__
    if changed := [*signature.parameters_to_mutate.values()]:
        raise UnsupportedError(
            f"from_torch: {kind} changes its parameters in place in forward, which is not "
            f"supported: {several(changed)}"
        )
    *nodes, output = exported.graph.nodes
    lifted = signature.inputs_to_lifted_tensor_constants
    renamed = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    renamed |= {name: f"constant {target}" for name, target in lifted.items()}
    refs = partial(_refs, renamed)
    lone = "" if any(module.children()) else kind
    used = (n for n in nodes if n.op == "call_function" and n.users)
    calls = tuple(_call(refs, lone, n) for n in used)
    check_known("from_torch", calls)
    results = refs(output.args[0])
    mutated = list(signature.buffers_to_mutate.values())
    unflatten = torch().utils._pytree.tree_unflatten
    placeholders = (n for n in nodes if n.op == "placeholder")
    inputs = {n.name: n for n in placeholders if hasattr(n.meta.get("val"), "shape")}
    arguments = [s.arg for s in signature.input_specs if s.kind.name == "USER_INPUT"]
    takes = [Ref(a.name) if a.name in inputs else getattr(a, "value", None) for a in arguments]
    returns = list(results[len(results) - len(signature.user_outputs) :])
    program = Program(
        inputs={
            name: _lengths(n.meta["val"].shape, exported.range_constraints)
            for name, n in inputs.items()
            if name not in renamed
        },
        takes=unflatten(takes, exported.call_spec.in_spec),
        calls=calls,
        returns=unflatten(returns, exported.call_spec.out_spec),
        constants={f"constant {t}": _array(exported.constants[t]) for t in lifted.values()},
        updates={name: ref.name for name, ref in zip(mutated, results, strict=False)},
    )
    return Network(program, _parameters(signature, exported), kind, module.training)


def _call(refs: Callable[[Any], Any], lone: str, node: Any) -> Call:
    """Read a node: its operation and operands, its layer and its line in the module's source."""
    options = {k: refs(v) for k, v in node.kwargs.items() if k not in LEFT_OUT}
    lines = own_lines(node.meta.get("stack_trace") or "")
    stack = [*(node.meta.get("nn_module_stack") or {}).values()]
    path = re.sub(r"@\d+", "", stack[-1][0]) if stack else ""
    scope, line = path.replace(".", "/") or lone, lines[-1] if lines else None
    return Call((node.name,), name_of(node.target), refs(node.args), options, scope, line)


def _refs(renamed: Mapping[str, str], x: Any) -> Any:
    """Convert operands: nodes to Refs, dtypes to NumPy's, in tuples and lists of Python's."""
    if isinstance(x, torch().fx.Node):
        return Ref(renamed.get(x.name, x.name))
    if isinstance(x, tuple | list):
        parts = [_refs(renamed, part) for part in x]
        return tuple(parts) if isinstance(x, tuple) else parts
    return np.dtype(str(x).partition(".")[2]) if isinstance(x, torch().dtype) else x


def _parameters(signature: Any, exported: Any) -> dict[str, Any]:
    """Copy parameters into Values and buffers into arrays; shared ones remain shared."""
    parts: dict[str, Any] = {}
    values: dict[int, Value] = {}
    for name in signature.inputs_to_parameters.values():
        tensor = exported.state_dict[name]
        if id(tensor) not in values:
            values[id(tensor)] = Value(_array(tensor), label=name)
        parts[name] = values[id(tensor)]
    for name in signature.inputs_to_buffers.values():
        tensors = exported.state_dict if name in exported.state_dict else exported.constants
        parts[name] = _array(tensors[name])
    return parts


def _array(tensor: Any) -> Any:
    tensor = tensor.detach().cpu()
    try:
        return np.array(tensor.numpy())
    except TypeError:
        raise DataError(
            f"from_torch: NumPy has no numbers of {tensor.dtype}; module.float() converts them"
        ) from None


def _lengths(shape: Any, constraints: Any) -> list[Length]:
    lengths = []
    for n in shape:
        expression: Any = n if isinstance(n, int) else n.node.expr
        if isinstance(n, int) or expression.is_number:
            lengths.append(Length(str(n), int(expression), int(expression)))
        else:
            bounds = constraints.get(expression)
            least, most = (0, MOST) if bounds is None else (bounds.lower, bounds.upper)
            lengths.append(Length(str(n), 0 if least <= 2 else int(least), int(min(most, MOST))))
    return lengths
