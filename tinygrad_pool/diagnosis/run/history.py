"""The norms of a run by step, in memory that does not grow."""

from __future__ import annotations

from array import array
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.rows import ABSENT

GRADIENT, UPDATE, WEIGHT = range(3)
MEASURES = ("gradient", "update", "weight")

Norms: TypeAlias = "tuple[array[float], array[float], array[float]]"
"""Those of gradient, update and weight, by parameter; −1 where there is none."""


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
        wide = np.full((len(MEASURES), len(points), len(self.names)), ABSENT)
        for i, point in enumerate(points):
            wide[:, i, : len(point.norms[0])] = point.norms
        return wide
