"""Compare a recorded graph with PyTorch: each node's data, and what it sends to its operands."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np

from tinygrad_pool.bridges.counterparts import NoCounterpartError, constant, in_torch
from tinygrad_pool.bridges.differences import UNUSED, Difference, compared, largest_difference
from tinygrad_pool.bridges.torch_writing import to_torch
from tinygrad_pool.bridges.translations import as_operand, data_of, torch
from tinygrad_pool.derivatives.candidates import candidates_of
from tinygrad_pool.derivatives.ties import tied_units
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.formatting import counted, several, subscript
from tinygrad_pool.nn.module import Module
from tinygrad_pool.recording.recording import Recording, record
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import trigonometry
from tinygrad_pool.rules.traits import traits_of

LISTED = 8


class Crosscheck:
    """The result of `crosscheck`: errors, documented choices, and nodes that were not compared.

    `differences` and `choices` are in the order of the graph: the first is nearest to the leaves.
    `unknown` lists the nodes without a counterpart in PyTorch, and `compared` counts the others.
    `parameters` counts those that were compared with a module's.
    """

    def __init__(self, recording: Recording) -> None:
        self.differences: list[Difference] = []
        self.choices: list[Difference] = []
        self.unknown: list[Node] = []
        self.compared = 0
        self.parameters = 0
        self._call = recording.call

    @property
    def ok(self) -> bool:
        """Whether nothing differs, except for documented choices."""
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The first difference."""
        return next(iter(self.differences), None)

    def add(self, found: Iterable[Difference]) -> None:
        """Add differences to the errors or to the documented choices."""
        for one in found:
            (self.choices if one.choice else self.differences).append(one)

    def __repr__(self) -> str:
        n = len(self.differences)
        summary = f"{counted(self.compared, 'node')} computed in PyTorch, too"
        if self.parameters:
            summary += f", {counted(self.parameters, 'parameter')} compared with the module's"
        agree = "all agree" if self.compared or self.parameters else "nothing was compared"
        summary += f": {counted(n, 'difference')}, the first one:" if n else f": {agree}"
        if self.choices:
            summary += f", except for {counted(len(self.choices), 'documented choice')}"
        lines = [summary, *map(self._line, self.differences[:LISTED])]
        lines += [f"… and {n - LISTED} more"] * (n > LISTED)
        lines += map(self._line, self.choices[:LISTED])
        if self.unknown:
            names = several([self._call(node) for node in self.unknown])
            lines.append(f"not compared, since PyTorch lacks the operation or rejects it: {names}")
        return "\n".join(lines)

    def _line(self, difference: Difference) -> str:
        what, node = f"{difference.what}{subscript(difference.place)}", difference.node
        if node is None:
            return f"  {what}: {difference.sides}"
        rule = getattr(node.rule, "__name__", "")
        line = f"  {self._call(node)} (rule {rule}): {what} is {difference.sides}{made_at(node)}"
        return f"{line}\n    {difference.choice}" if difference.choice else line


def crosscheck(loss: Value | Module, module: Any = None, *example: Any) -> Crosscheck:
    """Compute each node of a graph in PyTorch, too, and compare its data and contributions.

    Each node is compared separately: PyTorch gets the data of its operands and its upstream
    gradient from here, so one wrong rule does not make other nodes look wrong. A rule of your own
    is compared if PyTorch supports its operators. A difference that follows from a documented
    choice, for example at a tie, is listed as such, and the result is still `ok`. No data and no
    gradient changes.

    With a torch.nn.Module after a pass of its own, its parameters and their `.grad` are compared
    with the leaves of the same names. With a network and example inputs, its outputs and the
    parameters' gradients are also compared with those of `module`, by default
    `network.to_torch()`.

    Raises ToolError without PyTorch; DataError for anything but a Value or a network; OptionError
    if no leaf has the name of a parameter; GraphError if data changed since the forward pass.

    >>> a, b = Value(2.0, label="a"), Value(2.0, label="b")
    >>> crosscheck((a * b).exp()).ok  # doctest: +SKIP
    True
    """
    torch("crosscheck")
    if module is not None and not isinstance(module, torch().nn.Module):
        raise DataError(f"crosscheck: needs a torch.nn.Module, got {type(module).__name__}")
    if isinstance(loss, Module):
        return _of_networks(loss, module, example)
    check_value(loss, "crosscheck")
    recording = record(loss, _seed(loss))
    result = _of_graph(recording)
    if module is not None:
        leaves = {v.label: v for v in recording.nodes if v.is_leaf and v.label}
        parameters = dict(module.named_parameters())
        named = {n: p for n, p in parameters.items() if n in leaves}
        if not named:
            raise OptionError(
                f"crosscheck: no leaf of the graph is called {several([*parameters])}"
            )
        result.parameters = len(named)
        for name, theirs in named.items():
            ours = leaves[name]
            result.add(largest_difference(None, f"data of {name}", ours._numbers, theirs))
            if theirs.grad is not None:
                result.add(largest_difference(None, f"gradient of {name}", ours.grad, theirs.grad))
    return result


def _seed(loss: Value) -> Any:
    """Return the gradient to start from: 1, or for an array random numbers with a fixed seed."""
    if loss.size == 1:
        return None
    return np.random.default_rng(0).standard_normal(loss.shape).astype(loss.dtype)


def _of_networks(network: Module, module: Any, example: Sequence[Any]) -> Crosscheck:
    """Compare two networks on an example: outputs, gradients, and the graph of ours."""
    if not example:
        raise OptionError("crosscheck: a network needs example inputs, crosscheck(net, None, x)")
    if module is None:
        module = to_torch(network, *example)
    inputs = [as_operand(x, "crosscheck: an input") for x in example]
    tensors = [torch().as_tensor(np.array(data_of(x))) for x in inputs]
    total, differences = compared(network, module, inputs, tensors)
    result = _of_graph(record(total))
    result.add(differences)
    result.parameters = len([*network.named_parameters()])
    return result


def _of_graph(recording: Recording) -> Crosscheck:
    check_not_stale(recording.nodes, create_graph=True, name="crosscheck")
    result = Crosscheck(recording)
    steps = {step.node: step for step in recording.steps}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of variances of no numbers
        for node in recording.nodes:
            if node.is_leaf:
                continue
            try:
                result.add([*_of_node(node, steps.get(node))])
                result.compared += 1
            except Exception:  # noqa: BLE001  # PyTorch may reject the operators of a user's rule
                result.unknown.append(node)
    return result


def _of_node(node: Node, step: Any) -> Iterator[Difference]:
    """Compare a node's data, and its contribution to each operand."""
    xs = [
        torch().tensor(np.array(p._numbers), requires_grad=True)
        if isinstance(p, Node)
        else constant(p, node.dtype)
        for p in node.parents
    ]
    y = in_torch(node, xs)
    if not isinstance(y, torch().Tensor):
        raise NoCounterpartError(node.op)
    size = max((np.abs(data_of(p)).max(initial=0.0) for p in node.parents), default=0.0)
    if traits_of(node.rule).sparsity != "elementwise":  # it may be a sum that cancels
        size *= sqrt(max((np.size(data_of(p)) for p in node.parents), default=1))
    rounding = 4 * float(np.finfo(node.dtype).eps * size)  # a few units in the last place
    yield from largest_difference(node, "its data", node._numbers, y, rounding)
    operands = [x for x in xs if x.requires_grad]
    if step is None or not operands or not y.requires_grad:
        return
    g = torch().as_tensor(np.array(step.upstream)).to(y.dtype).reshape(y.shape)
    gradients = iter(torch().autograd.grad(y, operands, g, **UNUSED))
    for i, (p, ours) in enumerate(zip(node.parents, step.contributions, strict=True)):
        theirs = next(gradients) if isinstance(p, Node) else None
        if ours is None or theirs is None:
            continue
        what = f"what it sends to {p.label or p.op or f'operand {i + 1}'}"
        rounding = _rounding(node, p, step.upstream)
        for difference in largest_difference(node, what, ours, theirs, rounding):
            choice = _choice(node, i, np.asarray(ours), theirs.numpy())
            yield difference._replace(choice=choice)


def _rounding(node: Node, operand: Node, g: Any) -> float:
    """Bound the rounding error of a contribution, which may be a sum that cancels, or 1 − y²."""
    bound = 4 * float(np.finfo(node.dtype).eps * np.abs(g).max(initial=0.0))
    sparsity = traits_of(node.rule).sparsity
    broadcast = sparsity == "elementwise" and operand.shape != node.shape
    if broadcast or sparsity in ("matmul", "conv"):  # the contribution is a sum
        bound *= node.size * max(float(np.abs(data_of(p)).max(initial=1.0)) for p in node.parents)
    if node.rule is trigonometry.sinc:  # PyTorch's gradient, (cos u − y) / x, cancels near 0
        sizes = np.abs(operand._numbers)
        bound /= max(np.min(sizes, initial=1.0, where=sizes > 0), np.finfo(node.dtype).eps)
    return bound


def _choice(node: Node, operand: int, ours: Any, theirs: Any) -> str:
    """Describe the documented choice that explains the whole difference; "" if none does."""
    different = ~np.isclose(ours, theirs, rtol=1e-6, equal_nan=True)
    finite = all(np.isfinite(data_of(p)).all() for p in node.parents)
    nan = np.isnan(data_of(node))
    if nan.any() and (nan.shape != different.shape or nan[different].all()):
        return "its data is NaN, so neither gradient is right"
    if np.isnan(theirs[different]).all() and not (finite and ours[different].any()):
        here = "0 at a kink, such as a norm of zeros" if finite else "exact at infinities"
        return f"a documented choice: the gradient is {here}; PyTorch has NaN"
    candidates = candidates_of(node)
    if candidates is None:
        return ""
    shared = tied_units(candidates)[candidates.unit]
    tied = np.zeros(ours.size, bool)
    tied[candidates.cell[shared & (candidates.operand == operand)]] = True
    if different.reshape(-1)[~tied].any():
        return ""
    paid = traits_of(node.rule).paid
    ties = node.options.get("ties", "first")
    winner = paid[0] if paid else "another"
    return f"a documented choice: here ties={ties!r}; at a tie PyTorch pays {winner}"
