"""A recorded pass at its present position, as text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import numpy as np

from tinygrad_pool.drawing.nodes import sign
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import counted, on_a_line
from tinygrad_pool.recording.freshness import was_set
from tinygrad_pool.recording.source import quoted_calls
from tinygrad_pool.recording.steps import Change
from tinygrad_pool.recording.trace import Trace

LISTED = 16
ENDS = 8
WIDE = 24
Item = TypeVar("Item")


def title(recording: Trace, node: Node) -> str:
    """Name a node, and its operation unless the name contains it."""
    name = recording.call(node)
    return f"{name} ({sign(node)})" if node.op and not name.startswith(node.op) else name


def here(recording: Trace) -> str:
    """Describe the last step: its node, the upstream gradient and the contributions sent."""
    step = recording.step
    if not len(recording):
        return f"this pass has no steps: {title(recording, recording.loss)} is a leaf"
    if step is None:
        return f"before the first of {counted(len(recording), 'step')}; type node to take it"
    end = ", the last" if recording.position == len(recording) else ""
    arrived = f"{title(recording, step.node)} gets {on_a_line(step.upstream)}"
    lines = [f"{recording.position} of {len(recording)}{end}: {arrived}"]
    if step.node.about.line:
        lines.append(f"  {quoted_calls(step.node)}")
    sent = zip(step.node.parents, step.contributions, strict=True)
    shown, more = few([(p, c) for p, c in sent if isinstance(p, Node)], first=_sends)
    for p, c in shown:
        sends = "nothing" if c is None else on_a_line(c)
        now = grad_of(p)
        if len(now) > WIDE and np.array_equal(np.asarray(c), p.grad, equal_nan=True):
            now = "the same"
        lines.append(f"  sends {sends} to {title(recording, p)}, whose grad is now {now}")
    return "\n".join(lines + more)


def where(recording: Trace) -> str:
    """List a path from the loss to here with the gradient of each node; of a long one, its ends."""
    step = recording.step
    if step is None:
        return here(recording)
    path = path_to(recording, step.node)
    lines = []
    for node in [*path[:ENDS], *path[max(ENDS, len(path) - ENDS) :]]:
        mark = "->" if node is step.node else "  "
        g = recording.gradients[node]
        lines.append(f"{mark} {title(recording, node)} gets {on_a_line(g)}")
    if len(path) > len(lines):
        lines.insert(ENDS, f"   … {counted(len(path) - len(lines), 'node')}")
    return "\n".join(lines)


def show(recording: Trace, node: Node) -> str:
    """Describe a node: its data and gradient, its operands, and its contributions to them."""
    lines = [f"{title(recording, node)} = {on_a_line(node.data)}, grad {grad_of(node)}"]
    step = recording.step_of(node)
    sent = [None] * len(node.parents) if step is None else step.contributions
    shown, more = few([*zip(node.parents, sent, strict=True)], first=_sends)
    for p, c in shown:
        name = (
            f"{title(recording, p)} = {on_a_line(p.data)}" if isinstance(p, Node) else on_a_line(p)
        )
        lines.append(f"  {name}: sends {'nothing' if c is None else on_a_line(c)}")
    stale = set_since(recording.nodes)
    near = [p for p in (node, *node.parents) if isinstance(p, Node) and p in stale]
    notes = [f"  but {was_set(recording.call, p, stale[p])}" for p in dict.fromkeys(near)]
    return "\n".join(lines + more + notes)


def contributions(recording: Trace, node: Node) -> str:
    """List each operand's gradient before and after a node's step."""
    if recording.step_of(node) is None:
        return f"{title(recording, node)} has no step: it sends nothing"
    return listed(
        recording, recording.changed_by(node), {p for p in node.parents if isinstance(p, Node)}
    )


def listed(recording: Trace, changes: list[Change], nodes: Collection[Node]) -> str:
    """List the gradients of `nodes` before and after a step that changes them."""
    known = [c for c in changes if c.node in nodes and c.after is not None]
    shown, more = few(known, first=lambda c: c.before is not c.after)
    lines = []
    for change in shown:
        old, new = ("–" if g is None else on_a_line(g) for g in (change.before, change.after))
        lines.append(f"  {title(recording, change.node)}: grad {old} -> {new}")
    return "\n".join(lines + more)


def local_derivatives(recording: Trace, node: Node) -> str:
    """List the local derivatives of a node with respect to each operand."""
    from tinygrad_pool.derivatives.sparse_jacobian import weights_of

    lines, call = [], recording.call
    places, more = few([i for i, p in enumerate(node.parents) if isinstance(p, Node)])
    for i in places:
        W = weights_of(node, i)
        shown = repr(W)
        if max(W.shape) <= 8:
            dense = W.dense()
            shown = on_a_line(dense) if dense.size == 1 else f"\n{dense}"
        operand = node.parents[i]
        twice = sum(p is operand for p in node.parents) > 1
        place = f", as operand {i + 1}" if twice else ""
        lines.append(f"  ∂{call(node)}/∂{call(operand)}{place}: {shown}")
    return "\n".join(lines + more) or f"{title(recording, node)} was not computed from Values"


def few(
    items: list[Item], first: Callable[[Item], Any] = lambda _: True
) -> tuple[list[Item], list[str]]:
    """Return the first of many items, preferring those that satisfy `first`, and count the rest.

    >>> few([*range(30)], first=lambda n: n == 25)[0][:3], few([*range(30)])[1]
    ([25, 0, 1], ['  … and 14 more'])
    """
    if len(items) <= LISTED:
        return items, []
    chosen = sorted(items, key=lambda item: not first(item))[:LISTED]
    return chosen, [f"  … and {len(items) - LISTED:,} more"]


def _sends(pair: tuple[Any, Any]) -> bool:
    return bool(np.any(pair[1]))


def steps(recording: Trace) -> str:
    """List the steps around the present position."""
    if not len(recording):
        return here(recording)
    last = recording.position
    first = max(0, last - 4)
    lines = []
    for i, step in enumerate(recording.steps[first : last + 5], first + 1):
        mark = "->" if i == last else "  "
        lines.append(f"{mark} {i}: {title(recording, step.node)} gets {on_a_line(step.upstream)}")
    return "\n".join(lines)


def grad_of(node: Node) -> str:
    """Write a gradient on one line; a dash if it is not computed."""
    return on_a_line(node.grad) if node.has_grad else "–"


def up(recording: Trace, node: Node) -> Iterator[Node]:
    """Yield a node and nodes above it up to the loss, if possible along nonzero gradients."""
    yield node
    while node is not recording.loss:
        node = recording.above[node]
        yield node


def path_to(recording: Trace, node: Node) -> list[Node]:
    """Return a path from the loss to a node, if possible along nonzero gradients."""
    return [*up(recording, node)][::-1]
