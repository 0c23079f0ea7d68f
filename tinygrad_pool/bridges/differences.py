"""Where numbers of ours and PyTorch's differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.bridges.counterparts import NoCounterpartError
from tinygrad_pool.bridges.graph import buffers_kept
from tinygrad_pool.bridges.translations import copied, returned
from tinygrad_pool.engine.functions import leaves_of
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.formatting import counted, number, several
from tinygrad_pool.nn.module import Module

TOLERANCE = {2: 1e-2, 4: 1e-4, 8: 1e-9}
"""How much two results may differ, relative to the largest number, by the bytes of their dtype."""


class Difference(NamedTuple):
    """Where ours and PyTorch's differ most: in a node's data, or in what it sends to an operand.

    `what` says which, and of what; `place` is an index. `choice` says which documented choice makes
    the difference, and is "" where it is an error.
    """

    node: Node | None
    what: str
    place: tuple[int, ...]
    ours: float
    theirs: float
    choice: str = ""

    @property
    def sides(self) -> str:
        """The two numbers, in words."""
        return f"{number(self.ours)} here and {number(self.theirs)} in PyTorch"


def largest_difference(
    node: Node | None, what: str, ours: Any, theirs: Any, rounding: float = 0.0
) -> Iterator[Difference]:
    """Yield the largest difference, if it is one."""
    ours, theirs = np.asarray(ours), theirs.detach().cpu().numpy()
    if ours.shape != theirs.shape:
        raise NoCounterpartError(what)
    operands = [p.dtype for p in (() if node is None else node.parents) if isinstance(p, Node)]
    least = min(dtype.itemsize for dtype in (ours.dtype, theirs.dtype, *operands))
    rough = TOLERANCE.get(least, 1e-9)
    finite = theirs[np.isfinite(theirs)]
    scale = np.abs(finite).max(initial=np.finfo(ours.dtype).tiny)
    near = max(rough * scale, rounding)
    away = ~np.isclose(ours, theirs, rtol=rough, atol=near, equal_nan=True)
    if away.any():
        distance = np.where(away, np.nan_to_num(np.abs(ours - theirs), nan=np.inf), -1.0)
        place = np.unravel_index(int(np.argmax(distance)), ours.shape)
        at = tuple(int(i) for i in place)
        yield Difference(node, what, at, float(ours[at]), float(theirs[at]))


def compared(
    torch: Any, network: Module, module: Any, given: Sequence[Any], tensors: Sequence[Any]
) -> tuple[Value, list[Difference]]:
    """Compare outputs and parameters' gradients; return also our sum that was differentiated."""
    with buffers_kept(network):
        ours = [*outputs_of(network(*given))]
    theirs_own = copied(torch, module)
    theirs = [*outputs_of(returned("crosscheck", theirs_own, tensors))]
    if len(ours) != len(theirs):
        raise OptionError(
            f"crosscheck: the network returns {counted(len(ours), 'output')}, the module "
            f"{len(theirs)}"
        )
    found: list[Difference] = []
    for i, (y, t) in enumerate(zip(ours, theirs, strict=True)):
        if y.shape != tuple(t.shape):
            raise ShapeError(
                f"crosscheck: output {i} has shape {y.shape} here, and {tuple(t.shape)} in PyTorch"
            )
        found += largest_difference(None, f"output {i}", y._numbers, t)
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(y.shape).astype(y.dtype) for y in ours]
    total: Any = sum((y * w).sum() for y, w in zip(ours, weights, strict=True))
    pairs = zip(theirs, weights, strict=True)
    their_total: Any = sum((y * torch.as_tensor(np.asarray(w))).sum() for y, w in pairs)
    return total, [*found, *_of_parameters(torch, network, theirs_own, total, their_total)]


def _of_parameters(
    torch: Any, network: Module, module: Any, total: Value, their_total: Any
) -> Iterator[Difference]:
    """Compare the parameters' gradients, by their names; PyTorch has none of what is frozen."""
    ours, theirs = dict(network.named_parameters()), dict(module.named_parameters())
    if ours.keys() != theirs.keys():
        only = several(sorted(map(str, ours.keys() ^ theirs.keys())))
        raise OptionError(f"crosscheck: only one of network and module has {only}")
    learnt = [n for n in ours if theirs[n].requires_grad]
    if not learnt:
        return
    gradients = grad(total, [ours[n] for n in learnt])
    options = {"allow_unused": True, "materialize_grads": True}
    if not their_total.requires_grad:
        their_total = their_total + 0 * theirs[learnt[0]].sum()
    slopes = torch.autograd.grad(their_total, [theirs[n] for n in learnt], **options)
    largest = max(np.abs(g).max(initial=0.0) for g in gradients)
    for name, g, slope in zip(learnt, gradients, slopes, strict=True):
        rounding = 256 * float(np.finfo(ours[name].dtype).eps * largest)
        yield from largest_difference(None, f"gradient of {name}", g, slope, rounding)


def outputs_of(result: Any) -> Iterator[Any]:
    """Iterate over the numbers in what a network returns, in lists, tuples and dicts."""
    return (
        x
        for x in leaves_of(result)
        if isinstance(x, Value) or getattr(x, "is_floating_point", bool)()
    )
