"""The norms of a run by step, in memory that does not grow, and the first step that is bad."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.recording import Recording

NAN, INFINITE, VANISHED, EXPLODED, MISSING = "NaN", "infinite", "vanished", "exploded", "missing"


class Norms(NamedTuple):
    """The norms of a step by parameter; −1 where there is none."""

    gradient: array[float]
    update: array[float]
    weight: array[float]


class Point(NamedTuple):
    """A step: its number, its loss, and the norms of gradient, update and weight by parameter."""

    step: int
    loss: float
    norms: Norms


class History:
    """Steps, of which every second is forgotten whenever there are more than `most`.

    Steps in `kept` stay, and so does the last one.
    """

    def __init__(self, most: int) -> None:
        self.most, self.stride = most, 1
        self.names: dict[str, int] = {}
        self.kept: set[int] = set()
        self.last: Point | None = None
        self._points: list[Point] = []

    def add(self, point: Point) -> None:
        """Add a step."""
        self.last = point
        if not self._stays(point):
            return
        self._points.append(point)
        while len(self._points) > self.most + len(self.kept):
            self.stride *= 2
            self._points = [p for p in self._points if self._stays(p)]

    def _stays(self, point: Point) -> bool:
        return point.step % self.stride == 0 or point.step in self.kept

    @property
    def points(self) -> list[Point]:
        """The steps that are kept, and the last one."""
        ends = self.last is None or (bool(self._points) and self._points[-1] is self.last)
        return self._points if ends else [*self._points, *([self.last] if self.last else [])]

    def table(self) -> NDArray[np.float64]:
        """Return all norms, of shape (3, steps, parameters)."""
        points = self.points
        wide = np.full((len(Norms._fields), len(points), len(self.names)), ABSENT)
        for i, point in enumerate(points):
            wide[:, i, : len(point.norms[0])] = point.norms
        return wide


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
