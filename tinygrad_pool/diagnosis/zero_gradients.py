"""Parameters whose whole gradient is zero, grouped by where the zeros began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_pool.diagnosis.array_zeros import NO_INPUT, NO_PART, cancels, why_zero
from tinygrad_pool.diagnosis.findings import (
    LOST_FOR_ALL,
    MANY,
    NO_GRADIENT,
    STATIONARY,
    SUSPICIOUS,
    Finding,
    by_chance,
    in_all,
)
from tinygrad_pool.diagnosis.survey import Survey, is_size_of
from tinygrad_pool.diagnosis.zero_factors import began_at, less_itself, start_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import counted
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import elementwise
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.traits import traits_of


class Key(NamedTuple):
    """Where zeros begin: a layer, and a rule, or None where contributions cancel."""

    rule: Rule | None
    row: str
    in_loss: bool


class Origin(NamedTuple):
    """A step that sends nothing to its operand i, `below`, although a gradient arrived."""

    below: Node
    step: Step
    i: int


class Lost(NamedTuple):
    """Parameters whose whole gradient is zero, and the places where that began."""

    parameters: list[Node]
    keys: frozenset[Key]

    @property
    def decided(self) -> bool:
        """Return whether every zero comes from a unit that is off or that lost."""
        return bool(self.keys) and all(traits_of(key.rule).chooses for key in self.keys)

    @property
    def relus(self) -> bool:
        """Return whether some zero comes from a relu that is off."""
        return any(key.rule is elementwise.relu for key in self.keys)


class Zeros:
    """The zeros of a pass: `began` maps each node to where its zeros began."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.counts: Counter[Key] = Counter()
        self.began: dict[Node, frozenset[Key]] = {}
        for node in reversed(survey.nodes):
            if survey.is_zero(node):
                self.began[node] = self._keys(node)

    def _keys(self, node: Node) -> frozenset[Key]:
        """Find where the zeros of a node began: at its users, or where those of the users began."""
        found: set[Key] = set()
        of_itself: set[Key] = set()
        for step, i in self._paid(node):
            if step.node in self.began:
                found |= self.began[step.node]
            else:
                key = self._key(Origin(node, step, i))
                (of_itself if is_size_of(step.node, node) else found).add(key)
                self.counts[key] += step.node.size
        return frozenset(found or of_itself)  # w * w, as in weight decay, is not a cause

    def _paid(self, node: Node) -> Iterator[tuple[Step, int]]:
        users = self.survey.users.get(node, ())
        return ((step, i) for step, i in users if step.contributions[i] is not None)

    def _key(self, origin: Origin) -> Key:
        below, step, i = origin
        cancels = bool(np.any(step.contributions[i]))
        node = below if cancels else began_at(step, i)
        fits = node is step.node and self.survey.fits(below, step)
        in_loss = not cancels and (self.survey.in_loss(node) or fits)
        return Key(None if cancels else node.rule, self.survey.row(node), in_loss)

    def _origin(self, node: Node, key: Key) -> Origin:
        """Return the path from a node up to one of the places where its zeros began."""
        while True:
            above = (Origin(node, step, i) for step, i in self._paid(node))
            began = ((o, self.began.get(o.step.node) or (self._key(o),)) for o in above)
            origin = next(o for o, keys in began if key in keys)
            node = origin.step.node
            if node not in self.began:
                return origin

    def lost(self) -> list[Lost]:
        """Collect the parameters whose whole gradient is zero."""
        groups: dict[frozenset[Key], list[Node]] = {}
        for parameter in self.survey.wanted:
            if parameter in self.began:
                groups.setdefault(self.began[parameter], []).append(parameter)
        return [Lost(some, keys) for keys, some in groups.items()]

    def settled(self, group: Lost) -> bool:
        """Return whether contributions cancel in the parameters themselves, while others learn."""
        learns = any(p not in self.began for p in self.survey.wanted)
        paid = (paid for p in group.parameters for paid in self._paid(p))
        return learns and all(
            step.node not in self.began and (np.any(step.contributions[i]) or cancels(step, i))
            for step, i in paid
        )

    def starts(self, group: Lost) -> bool:
        """Return whether all are below weights of 0, which their own gradient will move."""
        origins = [self._first(group, key) for key in group.keys if key.rule is not None]
        starts = [start_of(self.survey, step.node, i) for _, step, i in origins]
        return len(starts) == len(group.keys) > 0 and all(
            leaf is not None and leaf not in self.began for leaf in starts
        )

    def _first(self, group: Lost, key: Key) -> Origin:
        return self._origin(next(p for p in group.parameters if key in self.began[p]), key)

    def why(self, group: Lost, severity: str) -> str:
        """Describe where zeros began, naming two places: those that made it so severe first."""
        if self.settled(group):
            names = self.survey.listed(group.parameters)
            return f"what reaches {names} cancels: so it is {STATIONARY}"
        keys = [key for key in reversed(self.counts) if key in group.keys]
        keys.sort(key=lambda key: key.in_loss != (severity == SUSPICIOUS))
        told = [self._reason(self._first(group, key), key) for key in keys[:2]]
        more = f"; likewise at {counted(len(keys) - 2, 'more place')}" if len(keys) > 2 else ""
        return "; ".join(told) + more if told else "the pass began with the gradient 0"

    def _reason(self, origin: Origin, key: Key) -> str:
        survey, (below, step, i) = self.survey, origin
        if key.rule is None:
            less = (less_itself(s.node, below) for s, _ in survey.users.get(below, ()))
            return f"what reaches {survey.call(below)} cancels{next(filter(None, less), '')}"
        place = f"in {step.node.about.scope}, " if step.node.about.scope else ""
        scalars = not step.node.shape and not below.shape
        cause = self._cause(origin) if scalars else self._cause_of_arrays(origin)
        factor = began_at(step, i)
        if factor is not step.node:
            cause += f", for {survey.brief(factor)} is off"
        start = start_of(survey, step.node, i)
        if start is not None:
            cause += ": weights that start at 0 pass nothing down"
            cause += "" if start in self.began else ", until their own gradient moves them"
        cause += "" if NO_PART in cause else made_at(step.node)
        if key.in_loss and not traits_of(key.rule).chooses:
            cause += "; the error is 0 there: the fit is exact"
        elif key.in_loss:
            hinges = counted(self.counts[key], f"such {step.node.op}")
            cause += f"; no error comes from {hinges} in the loss"
        return place + cause

    def _cause(self, origin: Origin) -> str:
        ledger = self.survey.ledger
        below, step, i = origin
        entries = (e for e in ledger.entries(below, 0) if e.node is step.node and e.operand == i)
        entry = next(entries, None)
        if entry is None:  # a user's rule with slope 0
            return self._cause_of_arrays(origin)
        return ledger.cause(below, 0, entry)

    def _cause_of_arrays(self, origin: Origin) -> str:
        below, step, i = origin
        who = f"{self.survey.brief(below)} gets nothing from {self.survey.brief(step.node)}"
        return f"{who}: {why_zero(self.survey, step, i)}"


def zero_gradients(zeros: Zeros, dead: frozenset[str]) -> Iterator[tuple[Finding, frozenset[Key]]]:
    """Report parameters whose whole gradient is zero, and the places where that began.

    A loss without error is not a fault. Parts of layers whose units are off or lose are reported
    together, except those in a `dead` scope.
    """
    survey = zeros.survey
    rows = Counter(survey.row(p) for p in survey.wanted if p in survey.inside)
    partly: dict[str, list[Lost]] = {}
    for group in zeros.lost():
        own = Counter(survey.row(p) for p in group.parameters)
        passes = zeros.settled(group) or zeros.starts(group)
        if any(p.shape for p in group.parameters) or any(own[row] == rows[row] for row in own):
            content = bool(group.keys) and all(key.in_loss for key in group.keys)
            cells = sum(zeros.counts[key] for key in group.keys)
            severity = SUSPICIOUS if content or passes else NO_GRADIENT
            yield _finding(zeros, group, severity, cells), group.keys
        elif not group.decided:
            yield _finding(zeros, group, SUSPICIOUS if passes else LOST_FOR_ALL), group.keys
        else:
            hinge = any(key.in_loss for key in group.keys)
            some = [p for p in group.parameters if survey.scope(p) not in dead]
            severity = SUSPICIOUS if hinge else LOST_FOR_ALL
            if some:
                partly.setdefault(severity, []).append(Lost(some, group.keys))
    for severity, groups in partly.items():
        some = [p for group in groups for p in group.parameters]
        keys = frozenset(key for group in groups for key in group.keys)
        yield _finding(zeros, Lost(some, keys), severity), keys


def _finding(zeros: Zeros, group: Lost, severity: str, cells: int = 0) -> Finding:
    """Report parameters; in a part that is off as a whole, each of its cells counts."""
    survey, some, seen = zeros.survey, group.parameters, ""
    why = zeros.why(group, severity)
    if group.decided:
        examples = max(survey.examples(p) for p in some)
        evidence = max(examples, cells)
        still = [p for p in some if not np.any(p._numbers) and _multiplies(survey, p)]
        severity, seen = by_chance(evidence, severity), f", {in_all(examples)}"
        if evidence < MANY:
            why += ". With so few examples that may be chance"
        elif still:
            why += f". Weights that start at 0 pass nothing on: {survey.listed(still)}"
        elif severity != SUSPICIOUS and group.relus and NO_INPUT not in why:
            why += ". Smaller steps and weights, or biases above 0, keep relus on"
    of = f" in {len(some):,} of {len(survey.wanted):,} parameters" if some[1:] else ""
    says = f"a gradient of 0 throughout{of}{seen}"
    return Finding("zero gradient", severity, survey.listed(some), says, why, tuple(some))


def _multiplies(survey: Survey, parameter: Node) -> bool:
    """Return whether a parameter is a factor, perhaps in another shape, and no bias."""
    for step, i in survey.users.get(parameter, ()):
        unit, factors = traits_of(step.node.rule).unit, len(step.node.parents) // 2 * 2
        if (unit == "product" and i < factors) or (
            unit == "move" and _multiplies(survey, step.node)
        ):
            return True
    return False
