"""The first step at which something became NaN or infinite, vanished or exploded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.history import Point
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.recording import Recording

NAN, INFINITE, VANISHED, EXPLODED, MISSING = "NaN", "infinite", "vanished", "exploded", "missing"


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
    why: str = ""
    recording: Recording | None = None

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


class Limits(NamedTuple):
    """Gradients vanish below the norm `vanish`; they, and weights, explode above `explode`."""

    vanish: float
    explode: float

    def hold(self, point: Point) -> bool:
        """Return whether surely nothing is bad: no norm is NaN, infinite or beyond a limit."""
        g, _, w = point.norms
        within = g and min(g) >= self.vanish and max(g) <= self.explode >= max(w)
        return bool(within) and isfinite(point.loss + sum(g) + sum(w))

    def broken(self, point: Point, names: Sequence[str], updated: bool) -> Iterator[Event]:
        """List what is bad at a step, each kind once, where it comes first in the step.

        The parameter is named that is worst; of those that are not finite the first. `updated`
        tells whether the weights are those after the step or those it began with.
        """
        g, _, w = np.array(point.norms)
        places = [("loss", np.array([point.loss])), ("gradient", g)]
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
                    some = sizes[found]
                    worst = found[some.argmin() if kind == VANISHED else some.argmax()]
                    name = "" if what == "loss" else names[worst]
                    size, others = float(sizes[worst]), found.size - 1
                    yield Event(point.step, kind, what, name, size, others)
                    break
        if np.all(g == ABSENT):
            yield Event(point.step, MISSING, "gradient", "", ABSENT, 0)
