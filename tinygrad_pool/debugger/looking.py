"""What can be seen from one place in a recorded pass, as text."""

from __future__ import annotations

from tinygrad_pool.debugger.source import quoted
from tinygrad_pool.debugger.walk import Change, Walk
from tinygrad_pool.drawing.labels import on_a_line, sign
from tinygrad_pool.node import Node


def title(passed: Walk, node: Node) -> str:
    """Name a node, and its operation where the name does not tell it."""
    name = passed.call(node)
    return f"{name} ({sign(node)})" if node.op and not name.startswith(node.op) else name


def here(passed: Walk) -> str:
    """Say where we are: the step that was taken last, and what it sent."""
    step = passed.step
    if step is None:
        return f"before the first of {len(passed)} steps; node takes it"
    end = ", the last" if passed.position == len(passed) else ""
    arrived = f"{title(passed, step.node)} gets {on_a_line(step.upstream)}"
    lines = [f"{passed.position} of {len(passed)}{end}: {arrived}"]
    if step.node.about.line:
        lines.append(f"  {quoted(step.node.about.line)}")
    for p, c in zip(step.node.parents, step.contributions, strict=True):
        if isinstance(p, Node):
            sent = "nothing" if c is None else on_a_line(c)
            lines.append(f"  sends {sent} to {title(passed, p)}, whose grad is {grad_of(p)} now")
    return "\n".join(lines)


def where(passed: Walk) -> str:
    """List a path from the loss to here, with what arrived at each node."""
    step = passed.step
    if step is None:
        return here(passed)
    upstream = {s.node: s.upstream for s in passed.steps}
    lines = []
    for node in _path(passed, step.node):
        mark = "->" if node is step.node else "  "
        lines.append(f"{mark} {title(passed, node)} gets {on_a_line(upstream[node])}")
    return "\n".join(lines)


def show(passed: Walk, node: Node) -> str:
    """Show a node's data and gradient, its operands, and what it sends them in the pass."""
    lines = [f"{title(passed, node)} = {on_a_line(node.data)}, grad {grad_of(node)}"]
    step = passed.step_of(node)
    for i, p in enumerate(node.parents):
        sent = None if step is None else step.contributions[i]
        shown = f"sent {on_a_line(sent)}" if sent is not None else "sent nothing"
        name = f"{title(passed, p)} = {on_a_line(p.data)}" if isinstance(p, Node) else on_a_line(p)
        lines.append(f"  {name}: {shown}")
    return "\n".join(lines)


def contributions(passed: Walk, node: Node) -> str:
    """List what a node's step made of each operand's gradient, old -> new."""
    if passed.step_of(node) is None:
        return f"{title(passed, node)} has no step: nothing is sent from it"
    below = {p for p in node.parents if isinstance(p, Node)}
    made = [c for c in passed.changed_by(node) if c.node in below and c.after is not None]
    return "\n".join(_old_and_new(passed, change) for change in made)


def accumulated(passed: Walk, node: Node) -> str:
    """Say what the last step made of one gradient, old -> new."""
    made = [c for c in passed.changed() if c.node is node and c.after is not None]
    return "\n".join(_old_and_new(passed, change) for change in made)


def _old_and_new(passed: Walk, change: Change) -> str:
    old, new = ("–" if g is None else on_a_line(g) for g in (change.before, change.after))
    return f"  {title(passed, change.node)}: grad {old} -> {new}"


def local_derivatives(passed: Walk, node: Node) -> str:
    """Show the local derivatives of a node by its operands: its weights."""
    from tinygrad_pool.links import weights_of

    lines = []
    for i, p in enumerate(node.parents):
        if isinstance(p, Node):
            W = weights_of(node, i)
            shown = repr(W)
            if max(W.shape) <= 8:
                dense = W.dense()
                shown = on_a_line(dense) if dense.size == 1 else f"\n{dense}"
            lines.append(f"  by {title(passed, p)}: {shown}")
    return "\n".join(lines)


def steps(passed: Walk) -> str:
    """List the steps around here."""
    last = passed.position
    first = max(0, last - 4)
    lines = []
    for i, step in enumerate(passed.steps[first : last + 5], first + 1):
        mark = "->" if i == last else "  "
        lines.append(f"{mark} {i}: {title(passed, step.node)} gets {on_a_line(step.upstream)}")
    return "\n".join(lines)


def grad_of(node: Node) -> str:
    """Write a gradient on a line; a dash where none is computed."""
    return on_a_line(node.grad) if node.has_grad else "–"


def _path(passed: Walk, node: Node) -> list[Node]:
    """Find a path from the loss to a node, along which gradients flowed."""
    user: dict[Node, Node] = {}
    for step in passed.steps:
        for p, c in zip(step.node.parents, step.contributions, strict=True):
            if isinstance(p, Node) and c is not None:
                user.setdefault(p, step.node)
    path = [node]
    while path[-1] is not passed.loss:
        path.append(user[path[-1]])
    return path[::-1]
