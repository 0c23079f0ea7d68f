"""Find where our numbers and PyTorch's differ, in a node or between two networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.bridges.counterparts import NoCounterpartError
from tinygrad_pool.bridges.graph import buffers_kept, outputs_of
from tinygrad_pool.bridges.translations import copied, returned, torch
from tinygrad_pool.engine.gradients import grad
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.formatting import counted, number, several
from tinygrad_pool.nn.module import Module

TOLERANCE = {2: 1e-2, 4: 1e-4, 8: 1e-9}
"""Differences allowed for rounding, relative to the largest number, by the dtype's bytes."""

UNUSED = {"allow_unused": True, "materialize_grads": True}
"""Options of torch.autograd.grad: the gradient of an unused tensor is 0."""


class Difference(NamedTuple):
    """The largest difference in a node's data, or in a contribution that it sends.

    `what` names the array; `place` is an index into it. `choice` describes the documented choice
    that explains the difference, and is "" for an error.
    """

    node: Node | None
    what: str
    place: tuple[int, ...]
    ours: float
    theirs: float
    choice: str = ""

    @property
    def sides(self) -> str:
        """Both numbers, as text."""
        return f"{number(self.ours)} here and {number(self.theirs)} in PyTorch"


def largest_difference(
    node: Node | None, what: str, ours: Any, theirs: Any, rounding: float = 0.0
) -> Iterator[Difference]:
    """Yield the largest difference between an array and a tensor, unless it is rounding."""
    ours, theirs = np.asarray(ours), theirs.detach().cpu().numpy()
    if ours.shape != theirs.shape:
        raise NoCounterpartError(what)
    operands = [p.dtype for p in (() if node is None else node.parents) if isinstance(p, Node)]
    least = min(dtype.itemsize for dtype in (ours.dtype, theirs.dtype, *operands))
    relative = TOLERANCE.get(least, 1e-9)
    finite = theirs[np.isfinite(theirs)]
    scale = np.abs(finite).max(initial=np.finfo(ours.dtype).tiny)
    absolute = max(relative * scale, rounding if np.isfinite(rounding) else 0.0)
    different = ~np.isclose(ours, theirs, rtol=relative, atol=absolute, equal_nan=True)
    if different.any():
        distance = np.where(different, np.nan_to_num(np.abs(ours - theirs), nan=np.inf), -1.0)
        place = np.unravel_index(int(np.argmax(distance)), ours.shape)
        at = tuple(int(i) for i in place)
        yield Difference(node, what, at, float(ours[at]), float(theirs[at]))


def compared(
    network: Module, module: Any, inputs: Sequence[Any], tensors: Sequence[Any]
) -> tuple[Value, list[Difference]]:
    """Compare outputs and the parameters' gradients of a weighted sum of the outputs.

    Return our sum, too, and the differences.
    """
    with buffers_kept(network):
        ours = outputs_of(network(*inputs))
    module = copied(module)
    theirs = outputs_of(returned("crosscheck", module, tensors))
    if len(ours) != len(theirs):
        raise OptionError(
            f"crosscheck: the network returns {counted(len(ours), 'output')}, the module "
            f"{len(theirs)}"
        )
    differences: list[Difference] = []
    rng = np.random.default_rng(0)
    total: Any = 0.0
    their_total: Any = 0.0
    for i, (y, t) in enumerate(zip(ours, theirs, strict=True)):
        if y.shape != tuple(t.shape):
            raise ShapeError(
                f"crosscheck: output {i} has shape {y.shape} here, and {tuple(t.shape)} in PyTorch"
            )
        differences += largest_difference(None, f"output {i}", y._numbers, t)
        weights = rng.standard_normal(y.shape).astype(y.dtype)
        total = total + (y * weights).sum()
        their_total = their_total + (t * torch().as_tensor(np.asarray(weights))).sum()
    differences += _of_parameters(network, module, total, their_total)
    return total, differences


def _of_parameters(
    network: Module, module: Any, total: Value, their_total: Any
) -> Iterator[Difference]:
    """Compare the parameters' gradients by name, but for those that are frozen in PyTorch."""
    ours, theirs = dict(network.named_parameters()), dict(module.named_parameters())
    if ours.keys() != theirs.keys():
        only = several(sorted(map(str, ours.keys() ^ theirs.keys())))
        raise OptionError(f"crosscheck: only one of network and module has {only}")
    names = [n for n in ours if theirs[n].requires_grad]
    if not names:
        return
    gradients = grad(total, [ours[n] for n in names])
    if not their_total.requires_grad:
        their_total = their_total + 0 * theirs[names[0]].sum()
    their_gradients = torch().autograd.grad(their_total, [theirs[n] for n in names], **UNUSED)
    largest = max(np.abs(g).max(initial=0.0) for g in gradients)
    for name, g, t in zip(names, gradients, their_gradients, strict=True):
        rounding = 256 * float(np.finfo(ours[name].dtype).eps * largest)
        yield from largest_difference(None, f"gradient of {name}", g, t, rounding)
