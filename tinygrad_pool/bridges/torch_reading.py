"""A PyTorch module as a network on Values, by way of torch.export."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_pool.bridges.differences import Difference, compared, outputs_of
from tinygrad_pool.bridges.network import MOST, Call, Input, Network, Program, Ref, check_known
from tinygrad_pool.bridges.torch_tracing import (
    name_of_target,
    own_lines,
    traced,
    two_rows,
    untraceable,
)
from tinygrad_pool.bridges.translations import copied, data_of, returned
from tinygrad_pool.engine.context import no_grad
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError, ShapeError, UnsupportedError
from tinygrad_pool.extras import extra
from tinygrad_pool.formatting import several

LEFT_OUT = {"device", "layout", "memory_format", "pin_memory", "non_blocking", "generator"}
"""Options that say where a tensor lies, and not what is in it."""


def from_torch(module: Any, *example: Any) -> Network:
    """Translate a PyTorch module into a network on Values, with the numbers that it has now.

    The module is traced by `torch.export` with the example inputs; it is not changed. The network
    is called as the module is, and returns what it returns. Its parameters are copies under their
    own names, which are labels too; nodes have the layers as scopes and remember the module's lines
    of source. Axes keep the example's lengths only where the module's code needs them, so another
    batch size works for ordinary nets. Training or evaluation, as the module is now, stays. What
    is frozen in the module gets a gradient, too.

    Ties are settled as in PyTorch: the first unit of a pool, half each at torch.maximum. Outputs
    and gradients of the example that are not PyTorch's end in a warning.

    Raises ToolError without PyTorch; DataError for anything but a module; OptionError if the module
    fails on the example; UnsupportedError for an operation that is not known, or a module that
    cannot be traced, with the place in its source.
    """
    torch = extra("torch", "from_torch")
    if not isinstance(module, torch.nn.Module):
        raise DataError(f"from_torch: needs a torch.nn.Module, got {type(module).__name__}")
    given = torch.utils._pytree.tree_map(partial(_tensor, torch), example)
    with torch.no_grad(), torch.random.fork_rng():
        expected = returned("from_torch", copied(torch, module), given)
    refused: list[Exception] = []
    for traced_with, free in ((two_rows(torch, given), True), (given, True), (given, False)):
        try:
            exported = traced(torch, module, traced_with, free)
        except Exception as error:  # noqa: BLE001  # torch.export raises many kinds
            refused.append(error)
            continue
        network = _network(torch, exported, module)
        if not free or _shapes_agree(torch, network, given, expected):
            network._origin = copied(torch, module)
            _warn_of_differences(torch, network, module, given)
            return network
    raise untraceable(torch, module, refused[-1]) from refused[-1]


def _shapes_agree(torch: Any, network: Network, given: tuple[Any, ...], expected: Any) -> bool:
    """Return whether the network makes of the example what the module does, by the shapes."""
    flatten = torch.utils._pytree.tree_leaves
    try:
        with no_grad():
            made, _ = network.run(given, {})
    except ShapeError:
        return False
    ours, theirs = (
        [tuple(getattr(y, "shape", ())) for y in flatten(ys)] for ys in (made, expected)
    )
    return ours == theirs


def _warn_of_differences(torch: Any, network: Network, module: Any, given: tuple[Any, ...]) -> None:
    """Warn where the example's outputs or gradients are others than PyTorch's own."""
    with torch.random.fork_rng(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if _is_random(torch, module, given):
            return
        found = _differences(torch, network, module, given)
        near = torch.utils._pytree.tree_map(partial(_jolted, torch), given)
        if not found or not _differences(torch, network, module, near):  # else it was at a kink
            return
    first = found[0]
    warnings.warn(
        f"from_torch: on the example, {first.what} is {first.sides}: what torch.export does "
        "not show is not translated, such as a torch.autograd.Function's backward, or a hook; "
        "tg.crosscheck(net, module, x) lists all that differs",
        stacklevel=3,
    )


def _differences(
    torch: Any, network: Network, module: Any, given: tuple[Any, ...]
) -> list[Difference]:
    """List what differs; nothing where PyTorch has no slope, or no outputs are alike."""
    try:
        _, found = compared(torch, network, module, given, given)
    except (RuntimeError, OptionError, ShapeError):
        return []
    return [difference for difference in found if np.isfinite(difference.theirs)]


def _jolted(torch: Any, x: Any) -> Any:
    floats = isinstance(x, torch.Tensor) and x.is_floating_point()
    return x + 0.01 * torch.randn_like(x) if floats else x


def _is_random(torch: Any, module: Any, given: tuple[Any, ...]) -> bool:
    """Return whether a module makes other numbers of the same inputs, as dropout does."""
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        with torch.no_grad():
            made.append([*outputs_of(copied(torch, module)(*given))])
    return not all(torch.equal(one, other) for one, other in zip(*made, strict=True))


def _tensor(torch: Any, given: Any) -> Any:
    """Read an example input: an array or a Value counts as a tensor; given twice, it is two."""
    if isinstance(given, Value | np.ndarray):
        return torch.tensor(data_of(given))
    return given.detach().clone() if isinstance(given, torch.Tensor) else given


def _network(torch: Any, exported: Any, module: Any) -> Network:
    signature, kind = exported.graph_signature, type(module).__name__
    if changed := [*signature.parameters_to_mutate.values()]:
        raise UnsupportedError(
            f"from_torch: {kind} changes its parameters in place in forward, which is not "
            f"translated: {several(changed)}"
        )
    *nodes, output = exported.graph.nodes
    lifted = signature.inputs_to_lifted_tensor_constants
    renamed = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    renamed |= {name: f"constant {target}" for name, target in lifted.items()}
    reader = _Reader(torch, renamed, "" if any(module.children()) else kind)
    calls = tuple(reader.call(n) for n in nodes if n.op == "call_function" and n.users)
    check_known("from_torch", calls)
    made = reader.refs(output.args[0])
    mutated = list(signature.buffers_to_mutate.values())
    unflatten = torch.utils._pytree.tree_unflatten
    given = (n for n in nodes if n.op == "placeholder")
    inputs = {n.name: n for n in given if hasattr(n.meta.get("val"), "shape")}
    program = Program(
        inputs=tuple(
            _input(n, exported.range_constraints) for k, n in inputs.items() if k not in renamed
        ),
        takes=unflatten(_taken(signature, inputs), exported.call_spec.in_spec),
        calls=calls,
        returns=unflatten(
            list(made[len(made) - len(signature.user_outputs) :]), exported.call_spec.out_spec
        ),
        constants={f"constant {t}": _array(exported.constants[t]) for t in lifted.values()},
        updates={name: ref.name for name, ref in zip(mutated, made, strict=False)},
    )
    return Network(program, _parameters(signature, exported), kind, module.training)


def _parameters(signature: Any, exported: Any) -> dict[str, Any]:
    """Copy parameters into Values, and buffers into arrays; what is shared stays shared."""
    held: dict[str, Any] = {}
    values: dict[int, Value] = {}
    for name in signature.inputs_to_parameters.values():
        tensor = exported.state_dict[name]
        if id(tensor) not in values:
            values[id(tensor)] = Value(_array(tensor), label=name)
        held[name] = values[id(tensor)]
    for name in signature.inputs_to_buffers.values():
        tensors = exported.state_dict if name in exported.state_dict else exported.constants
        held[name] = _array(tensors[name])
    return held


def _array(tensor: Any) -> Any:
    tensor = tensor.detach().cpu()
    try:
        return np.array(tensor.numpy())
    except TypeError:
        raise DataError(
            f"from_torch: NumPy has no numbers of {tensor.dtype}; module.float() converts them"
        ) from None


def _taken(signature: Any, inputs: Mapping[str, Any]) -> list[Any]:
    """List the inputs in order: tensors by their names, other things as they were."""
    own = [s.arg for s in signature.input_specs if s.kind.name == "USER_INPUT"]
    return [Ref(a.name) if a.name in inputs else getattr(a, "value", None) for a in own]


def _input(node: Any, constraints: Any) -> Input:
    lengths: list[int | tuple[str, int, int]] = []
    for n in node.meta["val"].shape:
        expression: Any = n if isinstance(n, int) else n.node.expr
        if isinstance(n, int) or expression.is_number:
            lengths.append(int(expression))
            continue
        found = constraints.get(expression)
        least, most = _bound(found, "lower", 0), _bound(found, "upper", MOST)
        lengths.append((str(n), 0 if least <= 2 else least, min(most, MOST)))
    return Input(node.name, tuple(lengths))


def _bound(found: Any, side: str, otherwise: int) -> int:
    try:
        return int(getattr(found, side))
    except (TypeError, ValueError, OverflowError, AttributeError):  # there is none: infinity
        return otherwise


class _Reader:
    """Reads the nodes of an exported graph into calls."""

    def __init__(self, torch: Any, renamed: Mapping[str, str], lone: str) -> None:
        self.torch, self.renamed, self.lone = torch, renamed, lone

    def call(self, node: Any) -> Call:
        """Read one node: what it calls, on what, and where that is in the module's source."""
        options = {k: self.refs(v) for k, v in node.kwargs.items() if k not in LEFT_OUT}
        lines = own_lines(self.torch, node.meta.get("stack_trace") or "")
        line = lines[-1] if lines else None
        operands, scope = self.refs(node.args), self._scope(node)
        return Call((node.name,), name_of_target(node.target), operands, options, scope, line)

    def refs(self, given: Any) -> Any:
        """Read operands: nodes by name, dtypes as NumPy's, lists as lists."""
        if isinstance(given, self.torch.fx.Node):
            return Ref(self.renamed.get(given.name, given.name))
        if isinstance(given, tuple):
            return tuple(map(self.refs, given))
        if isinstance(given, list):
            return [*map(self.refs, given)]
        if isinstance(given, self.torch.dtype):
            return np.dtype(str(given).partition(".")[2])
        return given

    def _scope(self, node: Any) -> str:
        """Return the layer as a scope, "features/0"; a lone layer is called by its class."""
        stack = [*(node.meta.get("nn_module_stack") or {}).values()]
        path = stack[-1][0] if stack else ""
        return re.sub(r"@\d+", "", path).replace(".", "/") or self.lone
