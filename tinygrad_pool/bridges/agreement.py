"""A recorded graph beside PyTorch: each node is computed there, too, and its slopes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np

from tinygrad_pool.bridges.counterparts import NoCounterpartError, constant, in_torch
from tinygrad_pool.bridges.differences import Difference, compared, largest_difference
from tinygrad_pool.bridges.torch_writing import to_torch
from tinygrad_pool.bridges.translations import as_operand, data_of
from tinygrad_pool.derivatives.candidates import candidates_of
from tinygrad_pool.derivatives.ties import tied_units
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.extras import extra
from tinygrad_pool.formatting import counted, several, subscript
from tinygrad_pool.nn.module import Module
from tinygrad_pool.recording.recording import Recording, record
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import trigonometry
from tinygrad_pool.rules.traits import traits_of

LISTED = 8


class Crosscheck:
    """The result of `crosscheck`: `differences`, documented `choices`, and nodes not `compared`.

    Both are in the order of the graph, so the first difference is nearest to the leaves.
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
        """Whether nothing differs, but for documented choices."""
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The first difference."""
        return next(iter(self.differences), None)

    def add(self, found: Iterable[Difference]) -> None:
        """Sort what was found: errors, and documented choices."""
        for one in found:
            (self.choices if one.choice else self.differences).append(one)

    def __repr__(self) -> str:
        lines = [self._summary()]
        lines += map(self._written, self.differences[:LISTED])
        lines += [f"… and {len(self.differences) - LISTED} more"][: len(self.differences) > LISTED]
        lines += map(self._written, self.choices[:LISTED])
        if self.unknown:
            names = several([self._call(node) for node in self.unknown])
            lines.append(
                f"not compared, since PyTorch has no such operation, or refuses it: {names}"
            )
        return "\n".join(lines)

    def _summary(self) -> str:
        parts = [f"{counted(self.compared, 'node')} computed in PyTorch, too"]
        if self.parameters:
            parts.append(f"{counted(self.parameters, 'parameter')} compared with the module's")
        n = len(self.differences)
        agree = "all agree" if self.compared or self.parameters else "nothing was compared"
        found = f"{counted(n, 'difference')}, the first one:" if n else agree
        if self.choices:
            found += f", but for {counted(len(self.choices), 'documented choice')}"
        return f"{', '.join(parts)}: {found}"

    def _written(self, found: Difference) -> str:
        what = f"{found.what}{subscript(found.place)}"
        if found.node is None:
            return f"  {what}: {found.sides}"
        rule = getattr(found.node.rule, "__name__", "")
        line = f"  {self._call(found.node)} (rule {rule}): {what} is {found.sides}"
        line += made_at(found.node)
        return f"{line}\n    {found.choice}" if found.choice else line


def crosscheck(loss: Value | Module, module: Any = None, *example: Any) -> Crosscheck:
    """Compute each node of a graph in PyTorch, too, and compare its data and what it sends.

    Each node is judged by itself: PyTorch gets the data of its operands, and the gradient that
    arrives at it here, so a wrong rule does not make others look wrong. A rule of your own is
    compared where PyTorch knows its operators. Where a documented choice differs, as at the tie of
    a maximum, the result says so, and is `ok`. All numbers and gradients stay as they are.

    With a torch.nn.Module, after a pass of its own, its parameters and their `.grad` are compared
    with the leaves of their names. With a network and example inputs, outputs and the parameters'
    gradients are compared with those of `module`, or of `network.to_torch()`, as well.

    Raises ToolError without PyTorch; DataError for what is neither a Value nor a network;
    OptionError if no leaf has the name of a parameter; GraphError if data changed since.

    >>> a, b = Value(2.0, label="a"), Value(2.0, label="b")
    >>> crosscheck((a * b).exp()).ok  # doctest: +SKIP
    True
    """
    torch = extra("torch", "crosscheck")
    if module is not None and not isinstance(module, torch.nn.Module):
        raise DataError(f"crosscheck: needs a torch.nn.Module, got {type(module).__name__}")
    if isinstance(loss, Module):
        return _of_networks(torch, loss, module, example)
    check_value(loss, "crosscheck")
    result = _of_graph(torch, loss)
    if module is not None:
        leaves = {v.label: v for v in record(loss, _seed(loss)).nodes if v.is_leaf and v.label}
        named = {n: p for n, p in module.named_parameters() if n in leaves}
        if not named:
            names = several([n for n, _ in module.named_parameters()])
            raise OptionError(f"crosscheck: no leaf of the graph is called {names}")
        result.parameters = len(named)
        for name, theirs in named.items():
            ours = leaves[name]
            result.add(largest_difference(None, f"data of {name}", ours._numbers, theirs))
            if theirs.grad is not None:
                result.add(largest_difference(None, f"gradient of {name}", ours.grad, theirs.grad))
    return result


def _of_graph(torch: Any, loss: Value) -> Crosscheck:
    recording = record(loss, _seed(loss))
    check_not_stale(recording.nodes, create_graph=True)
    result = Crosscheck(recording)
    steps = {step.node: step for step in recording.steps}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of variances of no numbers
        for node in recording.nodes:
            if node.is_leaf:
                continue
            try:
                result.add([*_of_node(torch, node, steps.get(node))])
                result.compared += 1
            except Exception:  # noqa: BLE001  # PyTorch may refuse what a rule of the user's does
                result.unknown.append(node)
    return result


def _seed(loss: Value) -> Any:
    """Return what arrives at the end: 1, or for an array numbers at random, the same each time."""
    if loss.size == 1:
        return None
    return np.random.default_rng(0).standard_normal(loss.shape).astype(loss.dtype)


def _of_node(torch: Any, node: Node, step: Any) -> Iterator[Difference]:
    """Compare one node's data, and what it sends to each operand."""
    xs = [_tensor(torch, p, node.dtype) for p in node.parents]
    y = in_torch(node, xs)
    if not isinstance(y, torch.Tensor):
        raise NoCounterpartError(node.op)
    size = max((np.abs(data_of(p)).max(initial=0.0) for p in node.parents), default=0.0)
    if traits_of(node.rule).sparsity != "elementwise":  # a sum, perhaps, that may cancel
        size *= sqrt(max((np.size(data_of(p)) for p in node.parents), default=1))
    yield from largest_difference(node, "its data", node._numbers, y, _units_of(node, size))
    wanted = [x for x in xs if getattr(x, "requires_grad", False)]
    if step is None or not wanted or not y.requires_grad:
        return
    g = torch.as_tensor(np.array(step.upstream)).to(y.dtype).reshape(y.shape)
    options = {"allow_unused": True, "materialize_grads": True}
    slopes = iter(torch.autograd.grad(y, wanted, g, **options))
    for i, (p, ours) in enumerate(zip(node.parents, step.contributions, strict=True)):
        if not isinstance(p, Node):
            continue
        theirs = next(slopes)
        if ours is None:
            continue
        what = f"what it sends to {p.label or p.op or f'operand {i + 1}'}"
        near = _rounding(node, p, step.upstream)
        for found in largest_difference(node, what, ours, theirs, near):
            yield found._replace(choice=_choice(node, i, np.asarray(ours), theirs.numpy()))


def _tensor(torch: Any, operand: Any, dtype: Any) -> Any:
    """Return an operand's data as a tensor, which has a gradient unless it is a constant."""
    if isinstance(operand, Node):
        return torch.tensor(np.array(operand._numbers), requires_grad=True)
    return constant(operand, dtype)


def _rounding(node: Node, operand: Node, g: Any) -> float:
    """Bound what rounding leaves: of a result near a limit, as in 1 − y², or where sums cancel."""
    bound = _units_of(node, np.abs(g).max(initial=0.0))
    sparsity = traits_of(node.rule).sparsity
    broadcast = sparsity == "elementwise" and operand.shape != node.shape
    if broadcast or sparsity in ("matmul", "conv"):  # what it is sent is added up
        bound *= node.size * max(float(np.abs(data_of(p)).max(initial=1.0)) for p in node.parents)
    if node.rule is trigonometry.sinc:  # PyTorch's slope, (cos u − y) / x, cancels near 0
        sizes = np.abs(operand._numbers)
        bound /= max(np.min(sizes, initial=1.0, where=sizes > 0), np.finfo(node.dtype).eps)
    return bound if np.isfinite(bound) else 0.0


def _units_of(node: Node, size: Any) -> float:
    """Return a few units in the last place of a number of this size."""
    units = 4 * float(np.finfo(node.dtype).eps * size)
    return units if np.isfinite(units) else 0.0


def _choice(node: Node, operand: int, ours: Any, theirs: Any) -> str:
    """Name the documented choice that explains all of a difference; "" if none does."""
    away = ~np.isclose(ours, theirs, rtol=1e-6, equal_nan=True)
    finite = all(np.isfinite(data_of(p)).all() for p in node.parents)
    nan = np.isnan(data_of(node))
    if nan.any() and (nan.shape != away.shape or nan[away].all()):
        return "its data is NaN, and has no slope: neither is right"
    if np.isnan(theirs[away]).all() and not (finite and ours[away].any()):
        at = "at a kink, as of a norm of zeros, it is 0" if finite else "of infinities it is exact"
        return f"a documented choice: {at}; PyTorch has NaN"
    traits = traits_of(node.rule)
    found = candidates_of(node)
    if found is None:
        return ""
    shared = tied_units(found)[np.searchsorted(np.unique(found.unit), found.unit)]
    tied = np.zeros(ours.size, bool)
    tied[found.cell[shared & (found.operand == operand)]] = True
    if away.reshape(-1)[~tied].any():
        return ""
    paid = traits.paid[0] if traits.paid else "another"
    ties = node.options.get("ties", "first")
    return f"a documented choice: here ties={ties!r}; at a tie PyTorch pays {paid}"


def _of_networks(torch: Any, network: Module, module: Any, example: Sequence[Any]) -> Crosscheck:
    """Compare two networks on an example: outputs, gradients, and the graph of ours."""
    if not example:
        raise OptionError("crosscheck: a network needs example inputs, crosscheck(net, None, x)")
    if module is None:
        module = to_torch(network, *example)
    given = [as_operand(x, "crosscheck: an input") for x in example]
    tensors = [torch.as_tensor(np.array(data_of(x))) for x in given]
    total, found = compared(torch, network, module, given, tensors)
    result = _of_graph(torch, total)
    result.add(found)
    result.parameters = len([*network.named_parameters()])
    return result
