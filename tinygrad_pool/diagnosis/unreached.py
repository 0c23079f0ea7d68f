"""Parameters that no gradient reaches, and places where the graph was cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_pool.diagnosis.findings import NO_GRADIENT, SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.formatting import counted, several
from tinygrad_pool.recording.freshness import numbers_taken
from tinygrad_pool.recording.source import made_at, quoted
from tinygrad_pool.rules import shaping


def unreached(survey: Survey) -> list[Node]:
    """List the parameters that this pass computes no gradient for."""
    return [parameter for parameter in survey.wanted if parameter not in survey.grads]


def not_reached(survey: Survey) -> Iterator[Finding]:
    """Report parameters that the loss does not depend on, or that get no gradient."""
    lost = unreached(survey)
    strangers = [p for p in lost if p not in survey.inside]
    taken = (how for p in strangers for how in numbers_taken(p))
    unused = "no path leads there: " + next(
        taken,
        "it was not used, or what came of it was detached, computed under no_grad, or rebuilt "
        "from plain numbers, such as v.data, v > 0 and np.sign(v)",
    )
    unpaid = [p for p in lost if p in survey.inside]
    decays = "weight decay reaches them, and no error does: nothing else is computed from them"
    for some, says, why in (
        (strangers, "the loss does not depend on", unused),
        (unpaid, "no gradient is computed for", "no node that got a gradient hands one on"),
        (survey.decayed, "the loss depends on the size alone of", decays),
    ):
        if some:
            counts = f"{says} {len(some):,} of {len(survey.wanted):,} parameters"
            name, nodes = survey.listed(some), tuple(some)
            yield Finding("not reached", NO_GRADIENT, name, counts, why, nodes)


def cut_off(survey: Survey) -> Iterator[Finding]:
    """Report leaves that were computed, but cut off from what they were computed from.

    That is severe if a parameter is missing, or if that is unknown; else it may be intended.
    """
    groups: dict[tuple[bool, str], list[Node]] = {}
    for node in survey.nodes:
        if node.rule is not None and not node.parents and node.is_leaf:
            groups.setdefault((node.op == "detach", survey.row(node)), []).append(node)
    missing = bool(unreached(survey))
    for (detached, row), nodes in groups.items():
        severe = missing or (detached and not survey.given)
        how = "detached" if detached else "computed under no_grad"
        n = f"{len(nodes):,} Values were" if nodes[1:] else "it was"
        line = nodes[0].about.line
        made = f", at {quoted(line)}" if line else ""
        why = f"no gradient flows back through {'them' if nodes[1:] else 'it'}{made}"
        yield Finding(
            "cut off",
            NO_GRADIENT if severe else SUSPICIOUS,
            several([survey.call(node) for node in nodes]),
            f"{n} {how}, and used in {row}",
            why if severe else f"{why}; that is fine if it was intended",
            tuple(nodes),
        )


def never_taken(survey: Survey) -> Iterator[Finding]:
    """Report units of a layer that no index takes in any example, while it takes the others in all.

    Units are along the last axis. What the loss picks, as by labels, is left out.
    """
    for node in survey.nodes:
        if node.is_leaf or node.ndim < 2 or not node.size or node in survey.after:
            continue
        users = [step.node for step, _ in survey.users.get(node, ())]
        if not users or any(user.rule is not shaping.getitem for user in users):
            continue
        taken = np.zeros(node.shape, bool)
        for user in users:
            taken[user.options.get("key", ())] = True
        taken = taken.reshape(-1, node.shape[-1])
        never = np.flatnonzero(~taken.any(axis=0))
        if len(never) and taken[:, np.setdiff1d(np.arange(taken.shape[1]), never)].all():
            which = f"{len(never):,} of {counted(taken.shape[1], 'unit')}"
            says = f"never taken: {which} ({several([*map(str, never)])})"
            takes = several([survey.brief(user) for user in users])
            verb = "take" if users[1:] else "takes"
            why = f"{takes} {verb} others{made_at(users[0])}; that is fine if it was intended"
            yield Finding("never taken", SUSPICIOUS, survey.call(node), says, why, (node,))


def no_graph(loss: Node) -> Finding:
    """Report that a loss has no graph."""
    how = "is a leaf: it was not computed from anything"
    if loss.rule is not None:
        how = "was detached" if loss.op == "detach" else "was computed under no_grad"
    why = f"{name_of(loss)} has no operands: compute the loss from Values, outside no_grad"
    return Finding("no graph", NO_GRADIENT, loss.label or "the loss", f"it {how}", why, (loss,))


def nothing_to_learn(survey: Survey) -> Iterator[Finding]:
    """Report a loss whose leaves are all constants or were cut off."""
    if all(node.rule is not None for node in survey.nodes):
        name = survey.call(survey.loss)
        says = "it depends on no Value that could learn"
        why = "it was computed from constants, or from what was cut off"
        yield Finding("no graph", NO_GRADIENT, name, says, why, (survey.loss,))
