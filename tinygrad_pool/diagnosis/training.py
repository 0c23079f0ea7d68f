"""Mistakes of a training loop: gradients left over, data set too early, updates as nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_pool.diagnosis.findings import SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since, used_after
from tinygrad_pool.formatting import counted, on_a_line, several
from tinygrad_pool.recording.flow import source_of
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import arithmetic


def gradients_left(survey: Survey) -> Iterator[Finding]:
    """Report parameters with gradients of earlier passes, to which this pass will add."""
    known = survey.passed.left
    left = {p: g for p in survey.wanted if (g := known.get(p)) is not None}
    if left:
        p, g = next(iter(left.items()))
        now = g + survey.grads.get(p, 0.0)
        says = f"gradients of earlier passes are in {counted(len(left), 'parameter')}: they left "
        says += f"{on_a_line(g)} in {survey.call(p)}.grad, which is {on_a_line(now)} with this one"
        why = "backward() adds to what earlier passes left, unless zero_grad() is called before it"
        yield Finding("gradient left", SUSPICIOUS, survey.listed(left), says, why, tuple(left))


def data_set_since(survey: Survey) -> Iterator[Finding]:
    """Report leaves that were set after the loss was computed, but before its backward pass.

    After its own backward() that is right: it is how a step is taken. Not while the graph was
    built: then it holds on to an earlier step.
    """
    stale = set_since(survey.nodes)
    users = {leaf: [step.node for step, _ in survey.users.get(leaf, ())] for leaf in stale}
    between = {leaf: after for leaf in stale if (after := used_after(users[leaf], leaf))}
    if between:
        leaf, (later, *_) = next(iter(between.items()))
        names = several([survey.call(one) for one in between])
        says = f"set while {survey.call(survey.loss)} was computed from it"
        why = (
            f"{survey.call(stale[leaf])} was computed before, {survey.call(later)} after"
            f"{made_at(later)}: a state that is kept from one step to the next needs detach()"
        )
        yield Finding("stale graph", SUSPICIOUS, names, says, why, (*between,))
    elif stale and not survey.loss.has_grad:
        user = next(iter(stale.values()))
        names = several([survey.call(leaf) for leaf in stale])
        says = f"set after {survey.call(survey.loss)} was computed from it"
        why = (
            f"{survey.call(user)} was computed before{made_at(user)}: data and gradients are "
            "from then. Run the forward pass again after a change"
        )
        yield Finding("stale graph", SUSPICIOUS, names, says, why, (*stale,))


def made_anew(survey: Survey) -> Iterator[Finding]:
    """Report updates of a parameter that became nodes of the graph: w -= lr * g."""
    last: dict[Node, Node] = {}
    for node in survey.nodes:
        if (leaf := _updated(survey, node)) is not None:
            last[leaf] = node
    if last:
        node = next(iter(last.values()))
        names = several([survey.passed.names.get(id(v)) or survey.call(v) for v in last.values()])
        says = f"no longer a leaf: computed from {several([survey.call(v) for v in last])}"
        why = (
            f"an update such as w -= lr * w.grad{made_at(node)} makes a new Value: the graph grows "
            "with each step, and the parameter itself stays. w.data -= lr * w.grad changes it"
        )
        yield Finding("made anew", SUSPICIOUS, names, says, why, (*last.values(),))


def _updated(survey: Survey, node: Node) -> Node | None:
    """Return the parameter that a node is an update of; None if it is not one."""
    if node.rule not in (arithmetic.sub, arithmetic.add) or len(node.parents) != 2:
        return None
    old, step = node.parents
    if not isinstance(old, Node) or isinstance(step, Node):
        return None
    leaf = old
    while leaf.rule in (arithmetic.sub, arithmetic.add) and isinstance(leaf.parents[0], Node):
        leaf = leaf.parents[0]
    source = source_of(node.about.line.file) if node.about.line else None
    if source is not None and node.about.line:
        number = node.about.line.number
        here = [m for m in source.moves if m.first <= number <= m.last]
        return leaf if any(m.sets & m.reads and ".grad" in m.reads for m in here) else None
    held = survey.passed.names.get(id(node))
    return leaf if (held and held == leaf.label) or _along(step, old._grad) else None


def _along(step: Any, g: Any) -> bool:
    """Return whether an array is a multiple of a gradient, element by element."""
    step, g = np.asarray(step), np.asarray(0.0 if g is None else g)
    if step.shape != g.shape or g.size < 2 or not np.any(step):
        return False
    k = np.abs(g).argmax()
    return bool(np.allclose(step, step.reshape(-1)[k] / g.reshape(-1)[k] * g, rtol=1e-5, atol=0))
