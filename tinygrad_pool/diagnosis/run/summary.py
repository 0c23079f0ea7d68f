"""What is shown of a run, and its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.findings import FEW
from tinygrad_pool.diagnosis.run.events import Event
from tinygrad_pool.diagnosis.run.history import Point
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.formatting import Table, counted, number, several

LISTED = 40
COLUMNS = (
    "parameter",
    "numbers",
    "|gradient|",
    "smallest",
    "largest",
    "update / weight",
    "|weight|",
)


class Summary(NamedTuple):
    """What is shown of a run: its steps in all, those that are kept, their norms, and the events.

    `norms` are those of gradient, update and weight, of shape (3, steps, parameters), and −1 where
    there is none.
    """

    steps: int
    names: list[str]
    points: list[Point]
    norms: NDArray[np.float64]
    events: list[Event]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The share of the weights that each update changes; −1 where there was no update."""
        _, update, w = self.norms
        with np.errstate(all="ignore"):
            return np.where(update == ABSENT, ABSENT, update / w)

    def unmoved(self) -> list[str]:
        """Tell which parameters no update has moved, of FEW updates or more, despite a gradient."""
        g, update, _ = self.norms
        moved = (update != 0) & (update != ABSENT)
        still = (np.sum(update == 0, axis=0) >= FEW) & ~moved.any(axis=0) & (g > 0).any(axis=0)
        names = [self.names[i] for i in np.flatnonzero(still)]
        why = "frozen, replaced, not in the optimizer (which keeps those that it was made with), "
        why += "or moved by less than the dtype can tell"
        return [f"no update moved {several(names)}, despite a gradient: {why}"] if names else []

    def table(self, sizes: Mapping[str, int]) -> Table:
        """Lay out each parameter: gradients and weights from the first step to the last.

        Of the share of the weights that an update changes, the median is shown.
        """
        title = f"Watched {counted(self.steps, 'step')}"
        if self.points:
            first, last = (number(self.points[i].loss) for i in (0, -1))
            title += f": the loss went from {first} to {last}"
        rows = []
        for i, name in enumerate(self.names[:LISTED]):
            size = f"{sizes[name]:,}" if name in sizes else "–"
            rows.append((name, size, *_cells(self.norms[:, :, i], self.shares[:, i])))
        return Table(title, COLUMNS, rows).with_count(len(self.names))


def _cells(norms: Any, shares: Any) -> tuple[str, ...]:
    g, _, w = norms
    there = g[g != ABSENT]
    finite = there[np.isfinite(there)]
    ends = ["–", "–"]
    if finite.size:
        ends = [number(float(end), digits=3) for end in (finite.min(), finite.max())]
    known = shares[np.isfinite(shares) & (shares != ABSENT)]
    share = number(float(np.median(known)), digits=2) if known.size else "–"
    return (_from_to(g), *ends, share, _from_to(w))


def _from_to(sizes: Any) -> str:
    """Write the first size that there was, and the last, if there still is one."""
    there = sizes[sizes != ABSENT]
    if not there.size:
        return "–"
    last = "–" if sizes[-1] == ABSENT else number(float(sizes[-1]), digits=3)
    return f"{number(float(there[0]), digits=3)} → {last}"
