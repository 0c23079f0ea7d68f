"""What a diagnosis finds: one trouble, how bad it is, and why."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_pool.engine.node import Node

WRONG_NUMBERS = "wrong numbers"
NO_GRADIENT = "no gradient"
LOST_FOR_ALL = "lost for the whole batch"
PARTLY_LOST = "partly lost"
SUSPICIOUS = "suspicious"
SEVERITIES = (WRONG_NUMBERS, NO_GRADIENT, LOST_FOR_ALL, PARTLY_LOST, SUSPICIOUS)
"""How bad a finding is, the worst first."""

FEW = 4
"""Below as many examples, a unit that is off or loses in all of them is no news: 1 in 8 does."""

MANY = 16
"""From as many examples on it is hardly chance: of 65,000 units that are off half of the time, one
is off in 16 of 16."""


class Finding(NamedTuple):
    """One trouble: its kind, how bad it is, what it is about, what is the matter, and why.

    `severity` is one of "wrong numbers", "no gradient", "lost for the whole batch", "partly lost"
    and "suspicious". `nodes` are what `name` names: `tg.record(loss).why(node)` tells more.
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
    """Weigh what a unit did in every one of so many examples."""
    return otherwise if examples >= MANY else SUSPICIOUS


def in_all(examples: int) -> str:
    """Write that something was so for every example.

    >>> in_all(1), in_all(450)
    ('in the only example', 'in all 450 examples')
    """
    return "in the only example" if examples == 1 else f"in all {examples:,} examples"
