"""What a run measures: an array of weights, or the numbers of one layer together."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import gcd, prod, sqrt
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError

Numbers: TypeAlias = NDArray[np.floating[Any]]

ABSENT = -1.0
"""Stands for a norm that there is not, where NaN is one that there is."""

SAFE = (1e-30, 1e30)
"""Sums of squares in between were neither rounded to 0 nor too large, in single precision too."""

MOVES = 1 << 13
"""About so many weights of an array are compared with those before: that gives about two digits."""

ASSIGNED = attrgetter("_assigned")
LAYER = re.compile(r"(.*?\.\d+)\.|(.*)\.\d+$")


class Row:
    """The parameters that are measured together: one array, or several numbers."""

    def __init__(self, name: str, values: list[Value]) -> None:
        self.name, self.values = name, values
        self.size = sum(v.size for v in values)
        self._every = _spread(self.size, values[0].shape)
        self._before: Numbers | None = None
        self._had = True  # or it is to be asked for
        self._seen: Callable[[], Any] = lambda: None

    def weights(self) -> Numbers:
        """Return the data as an array, which may be the parameter's own."""
        if len(self.values) > 1:
            return np.array([v._numbers for v in self.values], float)
        return np.asarray(self.values[0]._numbers)

    def gradient(self) -> Numbers | None:
        """Return the gradient likewise; None if no parameter of the row has one."""
        if len(self.values) == 1:
            g = self.values[0]._grad
            return None if g is None else np.asarray(g)
        grads = [v._grad for v in self.values]
        if None in grads:
            if grads.count(None) == len(grads):
                return None
            grads = [0.0 if g is None else g for g in grads]
        return np.array(grads, float)

    def is_idle(self) -> bool:
        """Return whether no gradient came since the last time that this was asked.

        The parameter may have been replaced by another one. If none comes for long, that is known.
        """
        now = self.values[0]._grad
        had, self._had = self._had, now is not None
        idle = had and (now is None or now is self._seen())
        try:
            self._seen = weakref.ref(now)
        except TypeError:  # a number, which is small enough to be kept
            self._seen = lambda: now
        return idle

    def _some(self, weights: Numbers) -> Numbers:
        """Take the weights of which moves are measured: of many, some that are spread evenly."""
        return weights.reshape(-1)[:: self._every]

    def distance(self) -> float:
        """Measure how far the weights are from those that were kept last."""
        return ABSENT if self._before is None else rms(self._some(self.weights()) - self._before)

    def moved(self, weights: Numbers) -> float:
        """Measure the same, and keep the weights of now."""
        now, before = self._some(weights), self._before
        if before is None:
            self._before = now.copy()
            return ABSENT
        distance = rms(np.subtract(now, before, out=before))
        before[...] = now
        return distance

    def go_on(self, old: Row) -> None:
        """Take over what was kept of this row when the parameters were read last."""
        if [v.shape for v in old.values] == [v.shape for v in self.values]:
            self._before = old._before
        if old.values[0] is self.values[0]:
            self._had, self._seen = old._had, old._seen

    def changed_after(self, time: int) -> bool:
        """Return whether the data of a parameter were set after a time of the engine's."""
        first: Any = self.values[0]
        if first._lent:  # an array that was handed out may have been written to
            first.look()
        return bool(first._assigned > time) or any(ASSIGNED(v) > time for v in self.values[1:])

    def worst(self, smallest: bool) -> Value:
        """Return the parameter with the smallest or the largest gradient; NaN is the largest."""
        sizes = np.array(
            [0.0 if v._grad is None else rms(np.asarray(v._grad)) for v in self.values]
        )
        sizes[np.isnan(sizes)] = np.inf
        return self.values[int(sizes.argmin() if smallest else sizes.argmax())]


def rms(x: Numbers) -> float:
    """Return √(Σ x² / n) of an array; NaN if an element is, else ∞ if one is infinite.

    Squares that are too small or too large for the dtype do no harm.

    >>> rms(np.array([3.0, 4.0, 0.0, 0.0])), rms(np.full(9, 1e-30, np.float32)) > 0
    (2.5, True)
    """
    if x.ndim != 1:
        x = x.ravel(order="K")
    if x.dtype == np.float16:
        x = x.astype(np.float32)
    square = float(x.dot(x))
    if not SAFE[0] < square < SAFE[1]:
        largest = float(np.abs(x).max())
        if largest == 0 or not np.isfinite(largest):
            return largest
        x = x.astype(np.float64) / largest
        return largest * float(np.sqrt(np.dot(x, x) / x.size))
    return sqrt(square / x.size)


def _spread(size: int, shape: tuple[int, ...]) -> int:
    """Choose every how many weights are compared: of many about MOVES, in all rows and columns.

    >>> _spread(1000, (10, 100)), _spread(100_000, (100, 1000)), _spread(105_000, (105, 1000))
    (1, 13, 13)
    """
    every = max(1, size // MOVES)
    while gcd(every, prod(shape)) > 1:
        every += 1
    return every


def rows_of(parameters: Any) -> list[Row]:
    """Read parameters: each array is a row of its own, the numbers of one layer are one together.

    They are a module, a Value, or several of them, in a dict with their names. A parameter that is
    shared comes once.

    Raises DataError for anything else.
    """
    seen: set[int] = set()
    arrays: dict[str, Value] = {}
    scalars: dict[str, list[Value]] = {}
    order: dict[str, None] = {}
    for name, v in _named(parameters):
        if id(v) in seen or not v.size:
            continue
        seen.add(id(v))
        if v.is_interior:
            raise DataError(f"watch: {name_of(v)} was computed; only leaves can be parameters")
        if v.shape:
            row = _free(name or v.label or "parameter", arrays.keys() | scalars.keys())
            arrays[row] = v
        else:
            row = _layer(name) if name else v.label or "numbers"
            row = _free(row, arrays.keys())
            scalars.setdefault(row, []).append(v)
        order[row] = None
    return [Row(name, [arrays[name]] if name in arrays else scalars[name]) for name in order]


def _named(parameters: Any) -> Iterator[tuple[str, Value]]:
    """List Values with their names in a module or a dict; "" for those without."""
    if isinstance(parameters, Mapping):
        pairs: Iterable[tuple[str, Any]] = parameters.items()
    elif isinstance(parameters, Value) or _is_module(parameters):
        pairs = [("", parameters)]
    elif isinstance(parameters, Iterable) and not isinstance(parameters, str | np.ndarray):
        pairs = [("", part) for part in parameters]
    else:
        pairs = [("", parameters)]
    for name, part in pairs:
        if isinstance(part, Value):
            yield str(name), part
            continue
        if not _is_module(part):
            raise DataError(
                "watch: needs a module that has .parameters(), Values, or a dict of them, "
                f"got {type(part).__name__}"
            )
        lead = f"{name}." if name else ""
        own = getattr(
            part, "named_parameters", lambda part=part: [("", v) for v in part.parameters()]
        )
        for inner, v in own():
            yield from ((f"{lead}{inner}" if inner else "", w) for _, w in _named([v]))


def _is_module(part: Any) -> bool:
    return not isinstance(part, Value) and callable(getattr(part, "parameters", None))


def _layer(name: str) -> str:
    """Name the layer of a number: what comes before, or with, the first index.

    >>> _layer("layers.0.neurons.3.w.1"), _layer("w.1"), _layer("scale")
    ('layers.0', 'w', 'scale')
    """
    found = LAYER.match(name)
    return (found[1] or found[2]) if found else name


def _free(name: str, taken: Iterable[str]) -> str:
    """Return a name that is not taken, by a number where it is.

    >>> _free("w", {"w", "w (2)"})
    'w (3)'
    """
    used, free, i = set(taken), name, 1
    while free in used:
        i += 1
        free = f"{name} ({i})"
    return free
