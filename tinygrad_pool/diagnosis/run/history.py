"""The norms of a run by step, in bounded memory, and the first step in which something is wrong."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from itertools import takewhile
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.recording import Recording

NAN, INFINITE, VANISHED, EXPLODED, MISSING = "NaN", "infinite", "vanished", "exploded", "missing"


class Norms(NamedTuple):
    """The norms of a step by parameter; −1 if not computed."""

    gradient: array[float]
    update: array[float]
    weight: array[float]


class Point(NamedTuple):
    """A step: its number, its loss, and the norms of gradient, update and weight by parameter."""

    step: int
    loss: float
    norms: Norms

    @property
    def excess(self) -> float:
        """How many times as large as the weights the update was; 0 if it was not larger."""
        update, weight = max(self.norms.update), max(self.norms.weight)
        return update / weight if update > weight > 0 else 0.0


def growth(last: Point | None, by: Point, i: int) -> str:
    """Describe the update that made weight i bad; `last` is the step before, if there was one."""
    if last is None or i >= len(last.norms.weight):
        return "it was like that when first measured: check its initial data"
    norms = (last.norms.weight[i], by.norms.gradient[i], by.norms.update[i])
    before, g, update = ("–" if x == ABSENT else number(float(x), digits=3) for x in norms)
    sizes = f"|weight| was {before}, |gradient| {g}, |update| {update}"
    return f"update {by.step:,} caused it: {sizes}. Take smaller steps"


class History:
    """Steps, of which every second is dropped whenever there are more than `most`.

    Steps in `kept` and the last step are never dropped.
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
        if not self._is_kept(point):
            return
        self._points.append(point)
        while len(self._points) > self.most + len(self.kept):
            self.stride *= 2
            self._points = [p for p in self._points if self._is_kept(p)]

    def _is_kept(self, point: Point) -> bool:
        return point.step % self.stride == 0 or point.step in self.kept

    @property
    def points(self) -> list[Point]:
        """The steps that are kept, and the last one."""
        if self.last is None or self._points[-1:] == [self.last]:
            return self._points
        return [*self._points, self.last]

    def large_update(self) -> str:
        """Write a line on the first of the latest updates that were all larger than the weights."""
        large = [*takewhile(lambda point: point.excess, reversed(self.points))]
        if not large:
            return ""
        times = number(large[-1].excess, digits=3)
        return (
            f"\nupdate {large[-1].step:,} was {times} times as large as the weights: "
            "take smaller steps"
        )

    def table(self) -> NDArray[np.float64]:
        """Return all norms, of shape (3, steps, parameters)."""
        points = self.points
        table = np.full((len(Norms._fields), len(points), len(self.names)), ABSENT)
        for i, point in enumerate(points):
            table[:, i, : len(point.norms[0])] = point.norms
        return table


class Event(NamedTuple):
    """The first step of one `kind`: "NaN", "infinite", "vanished", "exploded" or "missing".

    `what` is the "loss", a "gradient" or a "weight", `name` its parameter, and `others` counts the
    other parameters of which the same is true. `size` is the norm. `why` explains it, and
    `recording` is the pass of the step; None if data was changed in place before `step(loss)`.
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
        """Return whether no norm is NaN, infinite, missing or beyond a limit: the usual case."""
        g, _, w = point.norms
        within = g and min(g) >= self.vanish and max(g) <= self.explode >= max(w)
        return bool(within) and isfinite(point.loss + sum(g) + sum(w))

    def broken(
        self, point: Point, names: Sequence[str], updated: bool, cancelling: Collection[str] = ()
    ) -> Iterator[Event]:
        """List what is wrong in a step: each kind once, where it was computed first.

        Each names the worst parameter, or the first that is not finite. `updated` says whether the
        weights are those after the update, and so computed last. Gradients that are `cancelling`
        do not count as vanished.
        """
        g, _, w = np.array(point.norms)
        places = [("loss", np.array([point.loss])), ("gradient", g)]
        places.insert(2 if updated else 0, ("weight", w))
        for kind in (NAN, INFINITE, VANISHED, EXPLODED):
            for what, sizes in places:
                bad = np.flatnonzero(self._are(kind, what, sizes))
                if kind == VANISHED:
                    bad = bad[[names[i] not in cancelling for i in bad.tolist()]]
                if bad.size:
                    of_bad = sizes[bad]
                    worst = bad[of_bad.argmin() if kind == VANISHED else of_bad.argmax()]
                    name = "" if what == "loss" else names[worst]
                    size, others = float(sizes[worst]), bad.size - 1
                    yield Event(point.step, kind, what, name, size, others)
                    break
        if np.all(g == ABSENT):
            yield Event(point.step, MISSING, "gradient", "", ABSENT, 0)

    def _are(self, kind: str, what: str, sizes: NDArray[Any]) -> Any:
        """Return which losses, gradients or weights are of a kind."""
        if kind == NAN:
            return np.isnan(sizes)
        if kind == INFINITE:
            return np.isinf(sizes)
        if kind == VANISHED:
            return (what == "gradient") & (sizes < self.vanish) & (sizes != ABSENT)
        return (what != "loss") & (sizes > self.explode) & np.isfinite(sizes)
