"""One step of a backward pass, as who watches the pass is told of it."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn, SupportsIndex

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.rule import Contributions, has_new_arrays


class Step(NamedTuple):
    """One step of a backward pass: what arrived at a node, and what it sent to each operand.

    Contributions have the operand's own shape and dtype, and are added up already. A constant, and
    an operand that no gradient reaches from here, gets None.
    """

    node: Node
    upstream: Any
    contributions: Contributions

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        refuse_copy("a step")


def refuse_copy(what: str) -> NoReturn:
    """Raise GraphError: what holds a graph that was walked over is not copied or pickled."""
    raise GraphError(
        f"{what} cannot be copied or pickled: it holds the closures of its graph. "
        "record(loss).to_html('pass.html') saves the pass as a page, and "
        "unroll(loss).source as a program"
    )


def step_of(node: Node, upstream: Any, contributions: Contributions) -> Step:
    """Return a step to keep: what became a leaf's gradient may be written to, so it is copied."""
    if has_new_arrays(node.rule):
        pairs = zip(node.parents, contributions, strict=True)
        contributions = tuple(
            [np.array(c) if isinstance(p, Node) and c is p._grad else c for p, c in pairs]
        )
    return Step(node, upstream, contributions)
