"""Questions to Values: answers about their data, which leave no node in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np

from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import SETTING, THROUGH, Choice, here
from tinygrad_pool.engine.data import broadcast_error, to_constant
from tinygrad_pool.engine.node import Node

SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

TAKEN: WeakSet[Node] = WeakSet()
"""Values that Python took for numbers under `traced`, and the leaves below them."""


def compare(relation: Callable[[Any, Any], Any], v: Node, other: Any) -> Any:
    """Compare data: a plain bool, or an array of them. Raises ShapeError if shapes do not fit."""
    w = other._numbers if isinstance(other, Node) else to_constant(other, relation.__name__)
    try:
        answer = relation(v._numbers, w)
    except ValueError as error:
        raise broadcast_error(relation.__name__, [v._numbers, w]) from error
    if isinstance(answer, np.ndarray):
        return answer
    sign = SIGNS[relation.__name__]
    rival = other if isinstance(other, Node) else None
    note(v, sign, w, bool(answer), rival)
    if rival is not None:
        note(rival, MIRRORED[sign], v._numbers, bool(answer), v)
    return bool(answer)


def note(v: Node, relation: str, other: Any, answer: bool, rival: Node | None = None) -> None:
    """Let a Value remember, under `traced`, that Python asked for its data: once for each line."""
    if SETTING.get().traced:
        line = here()
        kept = [choice for choice in v.about.choices if choice.line != line]
        choice = Choice(relation, str(other), answer, line, 0 if rival is None else rival._order)
        v.about = v.about._replace(choices=(*kept, choice))


def note_number(v: Node, how: str) -> None:
    """Let a Value, and the leaves below it, remember that Python took it for a number.

    No gradient goes through that, and a leaf may be all that is left to be asked.
    """
    if SETTING.get().traced:
        note(v, how, "", True)
        below = [node for node in topological_order(v) if not node.parents and node is not v]
        for leaf in below:
            note(leaf, how, THROUGH, True)
        TAKEN.update((v, *below))
