"""Where numbers of ours and PyTorch's differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.bridges.counterparts import NoCounterpartError
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number

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
