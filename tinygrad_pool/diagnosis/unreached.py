"""Parameters that no gradient reaches, and places where the graph was cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_pool.diagnosis.findings import NO_GRADIENT, SUSPICIOUS, Finding, grouped
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.diagnosis.zero_causes import factor_of
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.formatting import counted, several
from tinygrad_pool.recording.freshness import numbers_taken
from tinygrad_pool.recording.gains import leaf_below
from tinygrad_pool.recording.source import made_at, quoted
from tinygrad_pool.rules import arithmetic, shaping
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

UNUSED = (
    "it is unused, Python's own max or if did not choose it, or its results were detached, "
    "computed under no_grad or turned into plain numbers, as by v.data, v > 0 or np.argmax(v). "
    "Compute the loss from the Value itself"
)


def not_reached(survey: Survey) -> Iterator[Finding]:
    """Report parameters that the loss does not depend on, or that get no gradient."""
    outside = [p for p in survey.missing if p not in survey.inside]
    reasons = [how for p in outside for how in numbers_taken(p)]
    for (how, _), cut in _cut(survey).items():
        names, were = survey.names(cut), "were" if cut[1:] else "was"
        cut_off = f"was cut off where {names} {were} {how}"
        reasons.append(f"it is unused, {cut_off}, or was turned into plain numbers, as by v.data")
    unused = f"no path in the graph leads there: {[*reasons, UNUSED][0]}"
    inside = [p for p in survey.missing if p in survey.inside]
    decays = "only their size is in the loss: use them in the forward pass, or leave them out"
    for parameters, problem, why in (
        (outside, "the loss does not depend on", unused),
        (inside, "no gradient is computed for", _refused(survey) if inside else ""),
        (survey.decayed, "nothing but weight decay reaches", decays),
    ):
        if parameters:
            says = f"{problem} {survey.count(parameters)}"
            name, nodes = survey.listed(parameters), tuple(parameters)
            yield Finding("not reached", NO_GRADIENT, name, says, why, nodes)


def _refused(survey: Survey) -> str:
    """Name the nodes whose closures return None for an operand that gets no other gradient."""
    nodes = [
        step.node
        for step in survey.steps
        for p, c in zip(step.node.parents, step.contributions, strict=True)
        if c is None and isinstance(p, Node) and p in survey.inside and p not in survey.grads
    ]
    names = survey.names(dict.fromkeys(nodes))
    return f"the closure of {names} returns None for an operand: return its gradient instead"


def _cut(survey: Survey) -> dict[tuple[str, str], list[Node]]:
    """Group Values without a graph that were computed, by how they were cut off and by row."""
    leaves = (node for node in survey.nodes if node.rule and not node.parents and node.is_leaf)
    cut = (leaf for leaf in leaves if leaf not in survey.parameters)
    how = {"detach": "detached"}
    return grouped(cut, lambda v: (how.get(v.op, "computed under no_grad"), survey.row(v)))


def not_listed(survey: Survey) -> Iterator[Finding]:
    """Report weights of products that are not among the parameters that were given."""
    unlisted = survey.weights - survey.parameters.keys() - {*survey.inputs()}
    nodes = [v for v in survey.nodes if v in unlisted and _may_be_weight(survey, v)]
    if nodes and survey.explicit and not survey.weights_on_the_left:
        are = "are" if nodes[1:] else "is"
        says = f"{counted(len(nodes), 'weight')} of the loss {are} not among the parameters given"
        why = (
            "an optimizer of the same parameters changes nothing there: perhaps a layer is made "
            "anew in each step, or is kept where parameters() does not look. Ignore this if "
            f"{several([*map(survey.brief, nodes)])} {are} data, or frozen on purpose"
        )
        yield Finding("unlisted", SUSPICIOUS, survey.names(nodes), says, why, tuple(nodes))


def _may_be_weight(survey: Survey, v: Node) -> bool:
    """Return whether a leaf is multiplied, and by no parameter: beside one, it is an input."""
    factors = [f for node, i in survey.uses(v) if (f := factor_of(node, i)) is not None]
    leaves = [leaf_below(f) for f in factors if isinstance(f, Node)]
    return bool(factors) and survey.parameters.keys().isdisjoint(leaves)


def cut_off(survey: Survey) -> Iterator[Finding]:
    """Report Values without a graph that were computed: detached, or under no_grad.

    That is severe if a parameter is missing, or may be; otherwise it may be a target.
    """
    for (how, row), nodes in _cut(survey).items():
        detached = how == "detached"
        compares = all(_is_target(survey, v) for v in nodes)
        severe = bool(survey.missing) or (detached and not (survey.given or compares))
        fix = "leave out detach()" if detached else "compute it outside no_grad"
        user = row
        if row in survey.parameters.values():  # a layer without a name of its own
            user = survey.names(dict.fromkeys(user for v in nodes for user in survey.above(v)))
        subject = f"{len(nodes):,} Values were" if nodes[1:] else "it was"
        line = nodes[0].about.line
        place = f", at {quoted(line)}" if line else ""
        why = f"no gradient flows back through {'them' if nodes[1:] else 'it'}{place}. "
        if not survey.missing:
            other = ", a constant or the state of an earlier step" if detached else " or a constant"
            why += f"That is fine for a target{other}. "
        yield Finding(
            "cut off",
            NO_GRADIENT if severe else SUSPICIOUS,
            survey.names(nodes),
            f"{subject} {how}, then used in {user}",
            f"{why}If a parameter below has to learn, {fix}",
            tuple(nodes),
        )


def _is_target(survey: Survey, v: Node) -> bool:
    """Return whether a Value is only subtracted, after all parameters, from what was computed."""
    users = survey.above(v)
    differences = all(user.rule is arithmetic.sub and user in survey.after for user in users)
    return differences and all(
        isinstance(p, Node) and (p is v or p.is_interior) for user in users for p in user.parents
    )


def never_taken(survey: Survey) -> Iterator[Finding]:
    """Report units of a layer that no index takes in any example, while it takes the others in all.

    Units are along the last axis. Indices in the loss, as by labels, are not reported.
    """
    for node in (v for v in survey.nodes if traits_of(v.rule).sparsity):
        if node.is_leaf or node.rule is shaping.reshape or node.ndim < 2 or node in survey.after:
            continue
        users, taken = _indices(survey, node)
        if not users or not node.size:
            continue
        taken = taken.reshape(-1, node.shape[-1])
        never = np.flatnonzero(~taken.any(axis=0))
        if len(never) and taken[:, np.setdiff1d(np.arange(taken.shape[1]), never)].all():
            which = f"{len(never):,} of {counted(taken.shape[1], 'unit')}"
            says = f"an index never takes {which} ({several([*map(str, never)])})"
            leave = f"{several([*map(survey.brief, users)])} {'leave' if users[1:] else 'leaves'}"
            why = f"{leave} them out: they get no gradient{made_at(users[0])}. Check the index"
            yield Finding("never taken", SUSPICIOUS, survey.call(node), says, why, (node,))


def _indices(survey: Survey, node: Node) -> tuple[list[Node], Mask]:
    """List the indices into a node, perhaps in another shape, and where they take its cells.

    There are none if anything else uses the node.
    """
    users, taken, shaped = list[Node](), np.zeros(node.shape, bool), [node]
    for v in shaped:
        for user in survey.above(v):
            if user.rule is shaping.reshape:
                shaped.append(user)
            elif user.rule is shaping.getitem:
                users.append(user)
                taken.reshape(v.shape)[user.options.get("key", ())] = True
            else:
                return [], taken
    return users, taken


def no_graph(loss: Node) -> Finding:
    """Report that a loss has no graph."""
    how, fix = "is a leaf: it was not computed from other Values", ""
    if loss.op == "detach":
        how, fix = "was detached", ", without detach()"
    elif loss.rule is not None:
        how, fix = "was computed under no_grad", ", outside no_grad"
    why = f"{name_of(loss)} has no operands, so nothing flows back: compute it from Values{fix}"
    return Finding("no graph", NO_GRADIENT, loss.label or "the loss", f"it {how}", why, (loss,))


def nothing_to_learn(survey: Survey) -> Iterator[Finding]:
    """Report a loss whose leaves are all constants, detached, or computed under no_grad."""
    if all(node.rule and node not in survey.parameters for node in survey.nodes):
        says = "it does not depend on any leaf Value, so there is nothing to learn"
        why = "all it was computed from is constant or detached: compute it from a tg.Value"
        yield Finding("no graph", NO_GRADIENT, survey.call(survey.loss), says, why, (survey.loss,))
