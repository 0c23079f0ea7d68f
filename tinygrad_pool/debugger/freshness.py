"""Whether a pass is about the Values as they are now: data set since, gradients held before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_pool.debugger.source import quoted
from tinygrad_pool.node import Node
from tinygrad_pool.setting import THROUGH, Choice


def set_since(nodes: Iterable[Node]) -> dict[Node, Node]:
    """Map leaves that were set after a node was computed from them to the first such node."""
    found: dict[Node, Node] = {}
    if Node.last_change:
        for node in nodes:
            for p in node.parents:
                if isinstance(p, Node) and p._closure is None and node._time < p._assigned:
                    found.setdefault(p, node)
    return found


def was_set(call: Callable[[Node], str], leaf: Node, user: Node) -> str:
    """Say that a leaf was set after a node was computed from it."""
    who = f"{call(leaf)} was set after {call(user)} was computed from it"
    return f"{who}: numbers are as before that; run the forward pass again"


def left_before(before: Mapping[Node, Any], own: Mapping[Node, Any]) -> dict[Node, Any]:
    """Choose, of what gradients were before a pass, what earlier passes left in its leaves.

    What is exactly the gradient of this pass was left by a run of this pass, and does not count.
    """
    return {
        node: g
        for node, g in before.items()
        if node._closure is None and np.any(g) and not _same(g, own.get(node))
    }


def numbers_taken(node: Node) -> list[str]:
    """Say where Python took a Value, or what came of it, for a number: known under `traced`."""
    of = ("it", "what came of it")
    return [
        f"{choice.relation}() made a plain number of {of[choice.other == THROUGH]} "
        f"at {quoted(choice.line)}"
        for choice in node.about.choices
        if takes_number(choice)
    ]


def takes_number(choice: Choice) -> bool:
    """Tell whether a Value was taken for a number, and not compared."""
    return choice.relation in ("float", "int", "item")


def _same(g: Any, own: Any) -> bool:
    return own is not None and np.array_equal(g, own, equal_nan=True)
