"""The first step at which something became NaN or infinite, vanished or exploded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.history import Norms
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.recording import Recording

NAN, INFINITE, VANISHED, EXPLODED, MISSING = "NaN", "infinite", "vanished", "exploded", "missing"
KINDS = (NAN, INFINITE, VANISHED, EXPLODED, MISSING)


class Event(NamedTuple):
    """The first step of one kind: "NaN", "infinite", "vanished", "exploded" or "missing".

    `what` is the "loss", a "gradient" or a "weight", `name` its parameter, and `others` counts the
    parameters of which the same is true. `size` is the norm. `why` explains it, and `recording` is
    the pass of that step; it is None if the data had been changed in place before `step(loss)`.
    """

    step: int
    kind: str
    what: str
    name: str
    size: float
    others: int
    why: str
    recording: Recording | None

    @property
    def says(self) -> str:
        """What happened, on one line."""
        of = f" of {self.name}" if self.name else ""
        more = f", and of {counted(self.others, 'other')}," if self.others else ""
        verb = "is" if self.kind in (NAN, INFINITE, MISSING) else "has"
        size = f": {number(self.size)}" if self.kind in (VANISHED, EXPLODED) else ""
        return f"step {self.step:,}: the {self.what}{of}{more} {verb} {self.kind}{size}"

    def __str__(self) -> str:
        return "\n  ".join([self.says, *self.why.splitlines()])


class Bad(NamedTuple):
    """What is bad at a step, before it is explained; `row` is the worst of its parameters."""

    kind: str
    what: str
    row: int | None
    size: float
    others: int


class Limits(NamedTuple):
    """Gradients vanish below the norm `vanish`; they, and weights, explode above `explode`."""

    vanish: float
    explode: float

    def hold(self, loss: float, norms: Norms) -> bool:
        """Return whether surely nothing is bad: no norm is NaN, infinite or beyond a limit."""
        g, _, w = norms
        within = g and min(g) >= self.vanish and max(g) <= self.explode >= max(w)
        return bool(within) and isfinite(loss + sum(g) + sum(w))

    def broken(self, loss: float, norms: Norms, updated: bool) -> Iterator[Bad]:
        """List what is bad at a step, each kind once, where it comes first in the step.

        `norms` are those of gradients, updates and weights; `updated` tells whether the weights
        are those after the step or those it began with.
        """
        g, _, w = np.array(norms)
        there = g[g != ABSENT]
        places = [("loss", np.array([loss])), ("gradient", g)]
        places.insert(2 if updated else 0, ("weight", w))
        tests: dict[str, Callable[[str, NDArray[Any]], Any]] = {
            NAN: lambda _, sizes: np.isnan(sizes),
            INFINITE: lambda _, sizes: np.isinf(sizes),
            VANISHED: lambda what, sizes: (
                (what == "gradient") & (sizes < self.vanish) & (sizes != ABSENT)
            ),
            EXPLODED: lambda what, sizes: (
                (what != "loss") & (sizes > self.explode) & np.isfinite(sizes)
            ),
        }
        for kind, test in tests.items():
            for what, sizes in places:
                found = np.flatnonzero(test(what, sizes))
                if found.size:
                    yield _bad(kind, what, found, sizes)
                    break
        if not there.size:
            yield Bad(MISSING, "gradient", None, ABSENT, 0)


def _bad(kind: str, what: str, found: NDArray[Any], sizes: NDArray[Any]) -> Bad:
    """Name the parameter that is worst; of those that are not finite the first."""
    worst = found[sizes[found].argmin() if kind == VANISHED else sizes[found].argmax()]
    row = None if what == "loss" else int(worst)
    return Bad(kind, what, row, float(sizes[worst]), len(found) - 1)
