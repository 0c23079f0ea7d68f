"""A finding of a diagnosis: the problem, its severity and its cause."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_pool.engine.node import Node

WRONG_NUMBERS = "wrong numbers"
NO_GRADIENT = "no gradient"
LOST_FOR_ALL = "lost for the whole batch"
PARTLY_LOST = "partly lost"
SUSPICIOUS = "suspicious"
SEVERITIES = (WRONG_NUMBERS, NO_GRADIENT, LOST_FOR_ALL, PARTLY_LOST, SUSPICIOUS)
"""The severities of findings, most severe first."""

NOT_FINITE = "not finite"
"""The kind of a finding of NaN or infinities."""

STATIONARY = (
    "at a minimum, or the loss does not depend on it, as on a bias before a norm or a difference, "
    "or in the sum of a softmax or a norm"
)
"""Where contributions to a parameter cancel, exactly or but for rounding."""

FEW = 4
"""With fewer examples, a unit that is off in all of them is not reported: by chance, 1 in 8 is."""

MANY = 16
"""From this many examples on, it is hardly chance: of 65,000 units that are off half of the time,
one is off in 16 of 16."""


class Finding(NamedTuple):
    """One problem: its kind, its severity, the name of what it is about, what is wrong, and why.

    `severity` is one of "wrong numbers", "no gradient", "lost for the whole batch", "partly lost"
    and "suspicious". `nodes` are those that `name` names: `tg.record(loss).why(node)` explains one.
    """

    kind: str
    severity: str
    name: str
    says: str
    why: str
    nodes: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity}: {self.name}: {self.says}"


def by_chance(examples: int, otherwise: str) -> str:
    """Return the severity of what a unit did in every one of n examples."""
    return otherwise if examples >= MANY else SUSPICIOUS


def in_all(examples: int) -> str:
    """Format "in every example".

    >>> in_all(1), in_all(450)
    ('in the only example', 'in all 450 examples')
    """
    return "in the only example" if examples == 1 else f"in all {examples:,} examples"
