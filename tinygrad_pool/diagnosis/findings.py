"""A finding of a diagnosis: the problem, its severity and its cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import number

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
    "either it is at a minimum, or it has no effect on the loss, like a bias before a norm or a "
    "difference (leave that bias out), or an input of a softmax or a norm whose outputs are summed"
)
"""Why the contributions to a parameter cancel, exactly or up to rounding."""

FEW = 4
"""With fewer examples, a unit that is off in all of them is not reported: 1 in 8 is by chance."""

MANY = 16
"""With this many examples it is hardly chance: of 65,000 units that are off half of the time, one
is off in 16 of 16."""


class Finding(NamedTuple):
    """One problem: its kind, its severity, the names of its nodes, what was measured, and why.

    `severity` is one of "wrong numbers", "no gradient", "lost for the whole batch", "partly lost"
    and "suspicious". `why` gives the cause and what to do. `nodes` are those that `name` lists:
    `tg.record(loss).why(node)` explains one.
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
    """Return the severity of what a unit did in all of n examples: lower if that may be chance."""
    return otherwise if examples >= MANY else SUSPICIOUS


def in_all(examples: int) -> str:
    """Format "in all n examples"; of one, "in the only example"."""
    return "in the only example" if examples == 1 else f"in all {examples:,} examples"


def with_inputs(x: Any) -> str:
    """Format the range of some inputs."""
    low, high = number(x.min()), number(x.max())
    return f"with inputs of {low}" + f" … {high}" * (low != high)


def grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Group items by a key."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
