"""Warn of a pass that no longer fits its Values: data set since, gradients from earlier passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.context import THROUGH, Choice, Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.turns import between_passes
from tinygrad_pool.formatting import counted, joined, on_a_line, several
from tinygrad_pool.recording.flow import source_of
from tinygrad_pool.recording.source import quoted

CLIPPED = 1e-3
"""Gradients were clipped if they equal the pass's own times one factor, up to this share."""


def was_set(call: Callable[[Node], str], leaf: Node, user: Node) -> str:
    """Write that a leaf was set after a node was computed from it."""
    changed = f"{call(leaf)} was set after {call(user)} was computed from it"
    return f"{changed}, so these numbers are out of date: run the forward pass again"


def before_a_pass(call: Callable[[Node], str], nodes: Sequence[Node]) -> list[str]:
    """List warnings to read before a pass: gradients that leaves already hold, data set since."""
    lines = []
    grads = between_passes(nodes)
    if held := [v for v in nodes if v.is_leaf and np.any(grads[v])]:
        listed = several([f"{call(v)}.grad = {on_a_line(grads[v])}" for v in held])
        lines.append(f"before this pass, which adds to it: {listed}; zero_grad() clears it")
    stale = set_since(nodes)
    lines += [was_set(call, leaf, user) for leaf, user in list(stale.items())[:1]]
    if len(stale) > 1:
        lines.append(f"… and {counted(len(stale) - 1, 'other leaf', 'other leaves')} set since")
    return lines


def left_before(before: Mapping[Node, Any], own: Mapping[Node, Any], ran: bool) -> dict[Node, Any]:
    """Return what earlier passes left in the gradients of leaves.

    `before` are all present gradients, which include the pass's `own` if it already `ran`. Own
    gradients that were clipped since leave nothing.
    """
    left = {node: g for node, g in before.items() if node.is_leaf and np.any(g)}
    added = [v for v in left if ran and v in own]
    changed = [v for v in added if not np.array_equal(left[v], own[v], equal_nan=True)]
    with np.errstate(all="ignore"):
        if changed and _is_clipped(*(joined([x[v] for v in changed]) for x in (left, own))):
            changed = []
        left |= dict.fromkeys(added, 0.0) | {v: left[v] - own[v] for v in changed}
    return {v: g for v, g in left.items() if np.any(g)}


def _is_clipped(g: Any, own: Any) -> bool:
    """Return whether gradients are some others, scaled down or limited to their largest element."""
    if len(g) < 2:
        return False
    scale, limit = np.dot(g, own) / np.dot(own, own), np.abs(g).max()
    clipped = [np.clip(own, -limit, limit)] + [scale * own] * bool(0 <= scale < 1)
    return any(np.allclose(g, x, rtol=CLIPPED, atol=0) for x in clipped)


def numbers_taken(node: Node) -> list[str]:
    """List where a Value was turned into a plain number, as recorded under `traced`.

    Lines that keep no result, such as print(float(v)), are left out.
    """
    what = ("it", "a result of it")
    return [
        f"{made_plain(choice.relation)} of {what[choice.other == THROUGH]} at {quoted(choice.line)}"
        for choice in node.about.choices
        if takes_number(choice) and not _is_dropped(choice.line)
    ]


def _is_dropped(line: Line | None) -> bool:
    """Return whether a line is an expression whose result is not used."""
    if line is None or (source := source_of(line.file)) is None:
        return False
    here = [move for move in source.moves if move.first <= line.number <= move.last]
    return bool(here) and not any(move.sets for move in here)


def takes_number(choice: Choice) -> bool:
    """Return whether a Value was converted to a number, not compared."""
    return choice.relation not in ("bool", "<", "<=", ">", ">=")


def made_plain(how: str) -> str:
    """Write that a function made plain numbers of a Value.

    >>> made_plain("float"), made_plain("np.sign")
    ('float() made a plain number', 'np.sign() made plain numbers')
    """
    return f"{how}() made {'plain numbers' if how.startswith('np.') else 'a plain number'}"
