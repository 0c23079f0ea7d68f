"""A run as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.history import Point
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.formatting import Table, counted, number

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


def table_of(
    steps: int,
    points: Sequence[Point],
    norms: NDArray[np.float64],
    names: Sequence[str],
    sizes: Mapping[str, int],
) -> Table:
    """Lay out each parameter: gradients and weights from the first step to the last.

    Of the share of the weights that an update changes, the median is shown.
    """
    title = f"Watched {counted(steps, 'step')}"
    if points:
        title += f": the loss went from {number(points[0].loss)} to {number(points[-1].loss)}"
    rows = [
        (name, f"{sizes[name]:,}" if name in sizes else "–", *_cells(*norms[:, :, i]))
        for i, name in enumerate(names[:LISTED])
    ]
    return Table(title, COLUMNS, rows).with_count(len(names))


def _cells(g: Any, update: Any, w: Any) -> tuple[str, ...]:
    there = g[g != ABSENT]
    finite = there[np.isfinite(there)]
    ends = (
        [number(float(end), digits=3) for end in (finite.min(), finite.max())]
        if finite.size
        else "––"
    )
    known = (update != ABSENT) & (w > 0) & np.isfinite(update)
    shares = update[known] / w[known]
    share = number(float(np.median(shares)), digits=2) if shares.size else "–"
    return (_from_to(there), *ends, share, _from_to(w[w != ABSENT]))


def _from_to(sizes: Any) -> str:
    if not sizes.size:
        return "–"
    first, last = (number(float(x), digits=3) for x in (sizes[0], sizes[-1]))
    return f"{first} → {last}"
