"""One step of a backward pass, as shown to whoever steps through it."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn, SupportsIndex

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.rule import Contributions, has_new_arrays


class Step(NamedTuple):
    """One step of a backward pass: the upstream gradient of a node, and its contributions.

    There is one contribution per operand, with the operand's shape and dtype, already added to its
    gradient. It is None for a constant and for an operand that gets no gradient from this node.
    """

    node: Node
    upstream: Any
    contributions: Contributions

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        refuse_copy("a step")


def refuse_copy(what: str) -> NoReturn:
    """Raise GraphError when a step or a recording is copied or pickled."""
    raise GraphError(
        f"{what} cannot be copied or pickled: it holds the closures of its graph. "
        "record(loss).to_html('pass.html') saves the pass as a page, and "
        "unroll(loss).source as a program"
    )


def step_of(node: Node, upstream: Any, contributions: Contributions) -> Step:
    """Return a Step to keep. A contribution that a leaf holds as its gradient is copied."""
    if has_new_arrays(node.rule):
        pairs = zip(node.parents, contributions, strict=True)
        contributions = tuple(
            [np.array(c) if isinstance(p, Node) and c is p._grad else c for p, c in pairs]
        )
    return Step(node, upstream, contributions)
