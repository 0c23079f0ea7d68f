"""Parameters whose whole gradient is zero, grouped by where the zeros began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_pool.diagnosis import zero_causes
from tinygrad_pool.diagnosis.dead_units import LOSER
from tinygrad_pool.diagnosis.findings import (
    LOST_FOR_ALL,
    MANY,
    NO_GRADIENT,
    STATIONARY,
    SUSPICIOUS,
    Finding,
    by_chance,
    grouped,
    in_all,
)
from tinygrad_pool.diagnosis.layers import STEEPER
from tinygrad_pool.diagnosis.survey import Survey, is_size_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import counted
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.traits import traits_of

FIXES = {
    "it is clipped": "Widen its bounds",
    "it was not chosen": "Check its condition",
    "it underflows, as ": "Scale the loss up, or use a wider dtype",
    " of one number is always ": "Check its axis, or use a sigmoid",
    " that is not −inf is always ": "Check its mask",
    " is too small for ": "Use larger weights or inputs, or a wider dtype",
    " of itself alone ": "Take the mean over more than one number",
    " minus itself ": "Pass two different operands",
}
"""What to do, by a phrase in the reason."""

START = "Weights of 0 pass nothing on"


class Key(NamedTuple):
    """Where zeros begin: a layer and a rule, which is None where contributions cancel."""

    rule: Rule | None
    row: str
    in_loss: bool


class Origin(NamedTuple):
    """A step that sends nothing to its operand i, `below`, although a gradient arrived."""

    below: Node
    step: Step
    i: int


class Lost(NamedTuple):
    """Parameters whose whole gradient is zero, and the places where the zeros began."""

    parameters: list[Node]
    keys: frozenset[Key]

    @property
    def decided(self) -> bool:
        """Return whether every zero comes from a relu that is off or a candidate that lost."""
        return bool(self.keys) and all(traits_of(key.rule).chooses for key in self.keys)


class Zeros:
    """The zeros of a pass: `began` maps each node to where its zeros began."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.counts: Counter[Key] = Counter()
        self.began: dict[Node, frozenset[Key]] = {}
        for node in reversed(survey.nodes):
            g = survey.grads.get(node)
            if g is not None and node.size and not np.any(g):
                self.began[node] = self._keys(node)

    def _keys(self, node: Node) -> frozenset[Key]:
        """Find where the zeros of a node began: at its users, or where those of the users began."""
        keys, of_decay = set[Key](), set[Key]()
        for origin in self._sent(node):
            user = origin.step.node
            if user in self.began:
                keys |= self.began[user]
            else:
                key = self._key(origin)
                (of_decay if is_size_of(user, node) else keys).add(key)
                self.counts[key] += user.size
        return frozenset(keys or of_decay)  # w * w, as in weight decay, is not a cause

    def _sent(self, node: Node) -> Iterator[Origin]:
        """List the steps that sent a contribution to a node."""
        users = self.survey.users.get(node, ())
        return (Origin(node, step, i) for step, i in users if step.contributions[i] is not None)

    def _key(self, origin: Origin) -> Key:
        below, step, i = origin
        cancels = bool(np.any(step.contributions[i]))
        node = below if cancels else zero_causes.began_at(step, i)
        users = self.survey.above(node)
        loses = users and all(traits_of(user.rule).chooses for user in users)
        if loses and traits_of(node.rule).unit == "copy":
            node = users[0]  # a part of a stack that lost a maximum
        row = self.survey.row(node)
        if cancels:
            return Key(None, row, in_loss=False)
        fits = node is step.node and zero_causes.fits(self.survey, below, step)
        return Key(node.rule, row, fits or zero_causes.in_loss(self.survey, node))

    def _origin(self, node: Node, key: Key) -> Origin:
        """Follow the zeros of a node up to one of the places where they began."""
        while True:
            above = self._sent(node)
            began = ((o, self.began.get(o.step.node) or (self._key(o),)) for o in above)
            origin = next(o for o, keys in began if key in keys)
            node = origin.step.node
            if node not in self.began:
                return origin

    def settled(self, group: Lost) -> bool:
        """Return whether contributions cancel in the parameters themselves, while others learn."""
        learns = any(p not in self.began for p in self.survey.parameters)
        return learns and all(
            step.node not in self.began
            and (np.any(step.contributions[i]) or zero_causes.cancels(step, i))
            for p in group.parameters
            for _, step, i in self._sent(p)
        )

    def starts(self, group: Lost) -> bool:
        """Return whether all zeros come from weights of 0 that have a gradient themselves."""
        origins = [self._first(group, key) for key in group.keys if key.rule is not None]
        starts = [zero_causes.start_of(self.survey, step.node, i) for _, step, i in origins]
        return len(starts) == len(group.keys) > 0 and all(map(self._will_move, starts))

    def _will_move(self, leaf: Node | None) -> bool:
        return leaf is not None and leaf not in self.began

    def _first(self, group: Lost, key: Key) -> Origin:
        return self._origin(next(p for p in group.parameters if key in self.began[p]), key)

    def why(self, group: Lost, severity: str) -> str:
        """Describe two places where zeros began, first those that decide the severity."""
        if self.settled(group):
            names = self.survey.listed(group.parameters)
            return f"the contributions to {names} cancel: {STATIONARY}"
        keys = [key for key in reversed(self.counts) if key in group.keys]
        keys.sort(key=lambda key: key.in_loss != (severity == SUSPICIOUS))
        reasons = [self._reason(self._first(group, key), key) for key in keys[:2]]
        more = f"; zeros began at {counted(len(keys) - 2, 'more place')}" if len(keys) > 2 else ""
        if not reasons:
            return "the pass began with the gradient 0. Pass another one"
        return "; ".join(reasons) + more

    def _reason(self, origin: Origin, key: Key) -> str:
        survey, (below, step, i) = self.survey, origin
        if key.rule is None:
            less = (zero_causes.less_itself(user, below) for user in survey.above(below))
            why = next(filter(None, less), f": {STATIONARY}")
            return f"the contributions to {survey.call(below)} cancel{why}"
        place = f"in {step.node.about.scope}, " if step.node.about.scope else ""
        cause, factor = self._cause(origin), zero_causes.began_at(step, i)
        if factor is not step.node:
            cause += f", because {survey.brief(factor)} is off"
        elif self._will_move(zero_causes.start_of(survey, step.node, i)):
            cause += ", and weights of 0 pass no gradient down until their own moves them"
        elif traits_of(key.rule).unit == "power" and not key.in_loss:
            cause += zero_causes.made_by(survey, below)
        cause += "" if zero_causes.NO_PART in cause else made_at(step.node)
        if key.in_loss and not traits_of(key.rule).chooses:
            cause += "; the error is 0 there: the fit is exact, unless the target is a copy of the "
            cause += "prediction"
        elif key.in_loss:
            hinges = counted(self.counts[key], f"such {step.node.op}")
            cause += f"; no error comes from {hinges} in the loss"
        return place + cause

    def _cause(self, origin: Origin) -> str:
        """Write which step sends nothing to which node, and why."""
        survey, (below, step, i) = self.survey, origin
        if not step.node.shape and not below.shape:
            for entry in survey.ledger.entries(below, 0):  # none of a user's rule with slope 0
                if entry.node is step.node and entry.operand == i:
                    return survey.ledger.cause(below, 0, entry)
        reason = zero_causes.why_zero(survey, step, i)
        return f"{survey.brief(below)} gets nothing from {survey.brief(step.node)}: {reason}"


def zero_gradients(zeros: Zeros, dead: frozenset[str]) -> Iterator[tuple[Finding, frozenset[Key]]]:
    """Report parameters whose whole gradient is zero, and the places where the zeros began.

    A loss that is 0 because it has no error is only suspicious. Parts of layers whose units are off
    or lose are reported together, except those in a `dead` scope.
    """
    survey = zeros.survey
    rows = Counter(survey.row(p) for p in survey.parameters if p in survey.inside)
    partly: dict[str, list[Lost]] = {}
    groups = grouped((p for p in survey.parameters if p in zeros.began), zeros.began.__getitem__)
    for group in (Lost(parameters, keys) for keys, parameters in groups.items()):
        own = Counter(survey.row(p) for p in group.parameters)
        harmless = zeros.settled(group) or zeros.starts(group)
        if any(p.shape for p in group.parameters) or any(own[row] == rows[row] for row in own):
            fits = bool(group.keys) and all(key.in_loss for key in group.keys)
            cells = sum(zeros.counts[key] for key in group.keys)
            severity = SUSPICIOUS if fits or harmless else NO_GRADIENT
            yield _finding(zeros, group, severity, cells), group.keys
        elif not group.decided:
            yield _finding(zeros, group, SUSPICIOUS if harmless else LOST_FOR_ALL), group.keys
        else:
            hinge = any(key.in_loss for key in group.keys)
            parameters = [p for p in group.parameters if survey.scope(p) not in dead]
            severity = SUSPICIOUS if hinge else LOST_FOR_ALL
            if parameters:
                partly.setdefault(severity, []).append(Lost(parameters, group.keys))
    for severity, parts in partly.items():
        parameters = [p for part in parts for p in part.parameters]
        keys = frozenset(key for part in parts for key in part.keys)
        yield _finding(zeros, Lost(parameters, keys), severity), keys


def _finding(zeros: Zeros, group: Lost, severity: str, cells: int = 0) -> Finding:
    """Report parameters; if a whole part is off, each of its `cells` counts against chance."""
    survey, parameters, seen = zeros.survey, group.parameters, ""
    why = zeros.why(group, severity)
    fix = "" if severity == SUSPICIOUS else _fix(zeros, group, why)
    if group.decided:
        examples = max(survey.examples(p) for p in parameters)
        evidence = max(examples, cells)
        if evidence < MANY and severity != SUSPICIOUS and START not in fix:
            fix = "With so few examples this may be chance: take more"
        severity, seen = by_chance(evidence, severity), f", {in_all(examples)}"
    of = f" in {survey.count(parameters)}" if parameters[1:] else ""
    says, name = f"the whole gradient is 0{of}{seen}", survey.listed(parameters)
    why = f"{why}. {fix}" if fix else why
    return Finding("zero gradient", severity, name, says, why, tuple(parameters))


def _fix(zeros: Zeros, group: Lost, why: str) -> str:
    """Write what to do about a zero gradient; "" if that is not known."""
    survey, rules = zeros.survey, {key.rule for key in group.keys}
    flat = (p for p in survey.parameters if p in zeros.began and not np.any(p._numbers))
    uses = ((p, use) for p in flat for use in survey.uses(p))
    still = dict.fromkeys(p for p, use in uses if zero_causes.factor_of(*use) is not None)
    factor_is_0 = "the other factor" in why and ", a constant, is 0" not in why
    if still and (group.decided or factor_is_0):
        return f"{START}: do not start {survey.listed(still)} at 0"
    if group.decided and "relu" not in why:
        return LOSER
    if group.decided:
        on = "Smaller steps and weights, or biases above 0, keep relus on"
        return "" if zero_causes.NO_INPUT in why else on
    fixes = [fix for phrase, fix in FIXES.items() if phrase in why]
    vanishes = (traits_of(rule).vanishes for rule in rules)
    return next(iter(fixes + [STEEPER] * any(how and how in why for how in vanishes)), "")
