"""Mistakes in a training loop: no zero_grad(), data set too early, updates that make nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_pool.diagnosis.findings import SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey, first_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since, used_after
from tinygrad_pool.formatting import counted, on_a_line, several
from tinygrad_pool.recording.flow import source_of
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import arithmetic


def gradients_left(survey: Survey) -> Iterator[Finding]:
    """Report parameters that hold gradients of earlier passes, to which this pass adds."""
    of_leaves = survey.recording.left
    left = {p: g for p in survey.parameters if (g := of_leaves.get(p)) is not None}
    if left:
        p, g = next(iter(left.items()))
        now = g + survey.grads.get(p, 0.0)
        says = (
            f"gradients of earlier passes remain in {counted(len(left), 'parameter')}: they left "
            f"{on_a_line(g)} in {survey.call(p)}.grad, and this pass makes it {on_a_line(now)}"
        )
        name, rest = survey.listed(left), survey.parameters.keys() - left
        why = "backward() adds to .grad: call zero_grad() first, unless you accumulate on purpose"
        if any(np.any(survey.grads.get(p, 0.0)) for p in rest):
            verb = "are" if left.keys() - {p} else "is"
            why += f". None remain in others: {verb} {name} among the parameters of the optimizer?"
        yield Finding("gradient left", SUSPICIOUS, name, says, why, tuple(left))


def data_set_since(survey: Survey) -> Iterator[Finding]:
    """Report leaves whose data was set while the loss was computed, or before its backward pass.

    Data that is set after backward() is an ordinary update, and is not reported.
    """
    stale = set_since(survey.nodes)
    between = {v: after for v in stale if (after := used_after(survey.above(v), v))}
    leaves: list[Node] = [*between] or [v for v in stale if not survey.loss.has_grad]
    if leaves:
        when, user = "after", stale[leaves[0]]
        why = (
            f"{survey.call(user)} and the gradients belong to the old data{made_at(user)}. Run the "
            "forward pass again after a change"
        )
        if between:
            when, later = "while", between[leaves[0]][0]
            why = (
                f"{survey.call(user)} was computed with the old data, {survey.call(later)} with "
                f"the new{made_at(later)}. A state kept from one step to the next needs detach()"
            )
        says = f"its data was set {when} {survey.call(survey.loss)} was computed from it"
        name = survey.names(leaves)
        yield Finding("stale graph", SUSPICIOUS, name, says, why, tuple(leaves))


def made_anew(survey: Survey) -> Iterator[Finding]:
    """Report updates of a parameter that became nodes of the graph: w -= lr * w.grad."""
    last: dict[Node, Node] = {}
    for node in survey.nodes:
        if (leaf := _updated(survey, node)) is not None:
            last[leaf] = node
    if last:
        node = next(iter(last.values()))
        variables = survey.recording.names
        names = several([variables.get(id(v)) or survey.call(v) for v in last.values()])
        says = f"no longer a leaf: it was computed from {survey.names(last)}"
        why = (
            "an update such as w -= lr * w.grad makes a new Value: the graph grows with each step, "
            f"and the parameter itself never changes{made_at(node)}. Update its data instead: "
            "w.data -= lr * w.grad"
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
    while leaf.rule in (arithmetic.sub, arithmetic.add) and (below := first_of(leaf)) is not None:
        leaf = below
    if leaf.parents:
        return None
    line = node.about.line
    if line and (source := source_of(line.file)):
        here = [m for m in source.moves if m.first <= line.number <= m.last]
        return leaf if any(m.sets & m.reads and ".grad" in m.reads for m in here) else None
    name = survey.recording.names.get(id(node))
    known = node in survey.parameters or (name and name == leaf.label)
    own = survey.grads.get(old) if survey.loss.has_grad else None  # the target of a fit from 0
    fits = _is_multiple(step, old._grad) and not _is_multiple(step, own)
    return leaf if known or fits else None


def _is_multiple(step: Any, g: Any) -> bool:
    """Return whether an array is a multiple of a gradient."""
    step, g = np.asarray(step), np.asarray(0.0 if g is None else g)
    if step.shape != g.shape or g.size < 2 or not np.any(step):
        return False
    k = np.abs(g).argmax()
    return bool(np.allclose(step, step.reshape(-1)[k] / g.reshape(-1)[k] * g, rtol=1e-5, atol=0))
