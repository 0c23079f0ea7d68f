"""Whether a pass still fits its Values: data set since, gradients held before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.context import THROUGH, Choice
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import counted, on_a_line, several
from tinygrad_pool.recording.source import quoted


def was_set(call: Callable[[Node], str], leaf: Node, user: Node) -> str:
    """Write that a leaf was set after a node was computed from it."""
    who = f"{call(leaf)} was set after {call(user)} was computed from it"
    return f"{who}: the numbers here are from before; run the forward pass again"


def before_a_pass(call: Callable[[Node], str], nodes: Sequence[Node]) -> list[str]:
    """List notes to read before a pass: gradients that leaves hold, data set since."""
    lines = []
    held = [v for v in nodes if v.is_leaf and np.any(v.grad)]
    if held:
        some = several([f"{call(v)}.grad = {on_a_line(v.grad)}" for v in held])
        lines.append(f"before this pass, which adds to it: {some}; zero_grad() forgets it")
    stale = set_since(nodes)
    lines += [was_set(call, leaf, user) for leaf, user in list(stale.items())[:1]]
    if len(stale) > 1:
        lines.append(f"… and so {counted(len(stale) - 1, 'other leaf', 'other leaves')}")
    return lines


def left_before(before: Mapping[Node, Any], own: Mapping[Node, Any], ran: bool) -> dict[Node, Any]:
    """Find what earlier passes left in the gradients of leaves, of what was `before` a pass.

    If the pass `ran` before, its own gradients are in there, too.
    """
    left = {node: g for node, g in before.items() if node.is_leaf and g is not None}
    with np.errstate(all="ignore"):
        for v in left.keys() & own if ran else ():
            left[v] = 0.0 if np.array_equal(left[v], own[v], equal_nan=True) else left[v] - own[v]
    return {v: g for v, g in left.items() if np.any(g)}


def numbers_taken(node: Node) -> list[str]:
    """List the places where a number was made of a Value: known under `traced`."""
    of = ("it", "what came of it")
    return [
        f"{made_plain(choice.relation)} of {of[choice.other == THROUGH]} at {quoted(choice.line)}"
        for choice in node.about.choices
        if takes_number(choice)
    ]


def takes_number(choice: Choice) -> bool:
    """Return whether a Value was taken for a number, and not compared."""
    return choice.relation not in ("bool", "<", "<=", ">", ">=")


def made_plain(how: str) -> str:
    """Write that a function made numbers of a Value.

    >>> made_plain("float"), made_plain("np.sign")
    ('float() made a plain number', 'np.sign() made plain numbers')
    """
    return f"{how}() made {'plain numbers' if how.startswith('np.') else 'a plain number'}"
