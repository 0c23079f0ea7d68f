"""What a run measures: an array of weights, or the numbers of one layer together."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from itertools import chain, count
from math import gcd, nan, prod
from operator import attrgetter
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.survey import parts_of
from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError
from tinygrad_pool.formatting import joined
from tinygrad_pool.recording.strongest_paths import rms

Numbers: TypeAlias = NDArray[np.floating[Any]]

ABSENT = -1.0
"""The norm of what was not computed; NaN is a norm that was."""

CALM = 1e20
"""Weights below this can be subtracted in float32 without overflow."""

MOVES = 1 << 12
"""About how many weights of an array are compared with the previous ones: for two digits."""

ALONG = 0.5
"""An update goes along a gradient if the cosine of their angle is larger than this."""

ASSIGNED = attrgetter("_assigned")
LAYER = re.compile(r"(.*?\.\d+)\.|(.*)\.\d+$")


class Row:
    """The parameters that are measured together: one array, or several numbers."""

    def __init__(self, name: str, values: list[Value]) -> None:
        self.name, self.values = name, values
        self.size = sum(v.size for v in values)
        self._every = _spread(self.size, values[0].shape)
        self._array: Any = values[0] if values[0].shape else None
        self._before: Numbers | None = None
        self._last, self._known = ABSENT, nan
        self.is_stuck = False

    def weights(self) -> Numbers:
        """Return the data as an array, which may be the parameter's own."""
        if self._array is not None:
            return cast("Numbers", self._array._numbers)
        return np.array([v._numbers for v in self.values])

    def gradient(self) -> Numbers | None:
        """Return the gradient as an array; None if no parameter of the row has one."""
        if self._array is not None:
            return cast("Numbers | None", self._array._grad)
        grads = [v._grad for v in self.values]
        if None in grads:
            if grads.count(None) == len(grads):
                return None
            grads = [0.0 if g is None else g for g in grads]
        return np.array(grads)

    def move(self) -> Numbers:
        """Return how far each of the compared weights has moved since they were kept."""
        now = self.some(self.weights())
        return _difference(now, now if self._before is None else self._before)

    def distance(self) -> float:
        """Measure how far the weights are from those kept last."""
        with np.errstate(all="ignore"):
            return ABSENT if self._before is None else rms(self.move())

    def measured(self) -> tuple[float, float, float]:
        """Measure gradient, update and weight, and keep the weights to measure the next update.

        Then `is_stuck` is True if the gradient did not change, or is still missing, and that is
        new: the parameter may have been replaced by another one.
        """
        g, weights = self.gradient(), self.weights()
        size, weight = ABSENT if g is None else rms(g), rms(weights)
        self.is_stuck = self._known != size == self._last
        if self.is_stuck:
            self._known = size
        self._last = size
        before, now = self._before, self.keep(weights)
        if before is None:
            return size, ABSENT, weight
        if now.itemsize == 2 or not weight < CALM:
            with np.errstate(all="ignore"):
                return size, rms(_difference(now, before)), weight
        return size, rms(np.subtract(now, before, out=before)), weight

    def keep(self, weights: Numbers) -> Numbers:
        """Keep the present weights, to measure the next update."""
        self._before = self.some(weights).copy()
        return self._before

    def some(self, weights: Numbers) -> Numbers:
        """Return the weights that are compared: if there are many, evenly spread ones."""
        return weights if self._every == 1 else weights.reshape(-1)[:: self._every]

    def go_on(self, old: Row) -> None:
        """Take over the weights kept by the row of a replaced parameter of the same shape."""
        if [v.shape for v in old.values] == [v.shape for v in self.values]:
            self._before = old._before

    def changed_after(self, time: int) -> bool:
        """Return whether the data of a parameter was set after a time, as the engine counts it."""
        if self._array is None:
            return bool(max(map(ASSIGNED, self.values)) > time)
        if self._array._lent:  # its array was handed out, so it may have been changed in place
            self._array.look()
        return bool(self._array._assigned > time)

    def worst(self, smallest: bool) -> Value:
        """Return the parameter with the smallest or the largest gradient; NaN is the largest."""
        sizes = np.array(
            [0.0 if v._grad is None else rms(np.asarray(v._grad)) for v in self.values]
        )
        sizes[np.isnan(sizes)] = np.inf
        return self.values[int(sizes.argmin() if smallest else sizes.argmax())]


class Direction:
    """The direction of the first update: `uphill` is True if it went along all gradients.

    It is None before that update. Later ones are not checked: momentum may carry them uphill.
    """

    def __init__(self) -> None:
        self.uphill: bool | None = None
        self._slopes: dict[Row, Numbers] = {}

    def look(self, rows: Iterable[Row], updated: bool) -> None:
        """Compare the first update with the gradients it used: if `updated`, the present ones."""
        if self.uphill is not None:
            return
        now = {row: row.some(g) for row in rows if (g := row.gradient()) is not None}
        slopes = now if updated else self._slopes
        moves = [(g, move) for row, g in slopes.items() if np.any(move := row.move())]
        self._slopes = {row: g.copy() for row, g in now.items()}
        if moves:
            self._slopes = {}
            g, move = (joined(arrays) for arrays in zip(*moves, strict=True))
            along = np.vdot(g, move) > ALONG * np.linalg.norm(g) * np.linalg.norm(move)
            self.uphill = bool(along) and all(np.vdot(*pair) > 0 for pair in moves)


def _difference(now: Numbers, before: Numbers) -> Numbers:
    """Subtract weights of any size in at least double precision."""
    return np.subtract(now, before, dtype=np.promote_types(now.dtype, np.float64))


def _spread(size: int, shape: tuple[int, ...]) -> int:
    """Choose the stride of the weights that are compared: about MOVES, in all rows and columns.

    >>> _spread(1000, (10, 100)), _spread(100_000, (100, 1000)), _spread(105_000, (105, 1000))
    (1, 27, 29)
    """
    every = max(1, size // MOVES)
    while gcd(every, prod(shape)) > 1:
        every += 1
    return every


def rows_of(parameters: Any) -> list[Row]:
    """Read parameters: each array is a row, and the numbers of a layer are one row together.

    They are a module, a Value, or lists and dicts of these. A shared parameter is listed once.

    Raises DataError for anything else.
    """
    rows: dict[str, list[Value]] = {}
    arrays, seen = set[str](), set[int]()
    for name, v in parts_of("watch", parameters):
        if id(v) in seen or not v.size:
            continue
        seen.add(id(v))
        if v.is_interior:
            raise DataError(f"watch: {name_of(v)} was computed; only leaves can be parameters")
        if v.shape:
            row = _free(name or v.label or "parameter", rows)
            arrays.add(row)
        else:
            row = _free(_layer(name) if name else v.label or "numbers", arrays)
        rows.setdefault(row, []).append(v)
    return [Row(row, values) for row, values in rows.items()]


def _layer(name: str) -> str:
    """Return the layer in the name of a number: up to its first index.

    >>> _layer("layers.0.neurons.3.w.1"), _layer("w.1"), _layer("scale")
    ('layers.0', 'w', 'scale')
    """
    found = LAYER.match(name)
    return (found[1] or found[2]) if found else name


def _free(name: str, taken: Container[str]) -> str:
    """Return a name, with a number if it is taken.

    >>> _free("w", {"w", "w (2)"})
    'w (3)'
    """
    more = (f"{name} ({i})" for i in count(2))
    return next(free for free in chain([name], more) if free not in taken)
