"""Small pictures of arrays as bytes, one per cell, which a page colours."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple

import numpy as np

LONGEST, CELLS, PLANES = 32, 1024, 6
NOT_A_NUMBER = -128
GAP = 3


class Format(NamedTuple):
    """How an array is painted: planes, rows, columns, and pixels per cell.

    Of planes longer than 32 cells, only every second, third, … cell is shown.
    """

    planes: int
    rows: int
    columns: int
    every: int
    side: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in points."""
        wide = self.planes * (self.columns * self.side + GAP) - GAP
        return wide, self.rows * self.side


def format_of(shape: tuple[int, ...]) -> Format | None:
    """Return how to paint an array of a shape; None for a number or an empty array.

    >>> format_of((64, 1, 28, 28))
    Format(planes=1, rows=28, columns=28, every=1, side=3)
    """
    if not shape or 0 in shape:
        return None
    rows, columns = (1, *shape)[-2:]
    every = -(-max(rows, columns) // LONGEST)
    rows, columns = -(-rows // every), -(-columns // every)
    planes = int(np.prod(shape[:-2], dtype=int))
    planes = max(1, min(planes, PLANES, CELLS // (rows * columns)))
    return Format(planes, rows, columns, every, max(3, min(8, 48 // max(rows, columns))))


def cells_of(data: Any, shown: Format, largest: float) -> str:
    """Encode the shown cells in base64, as bytes from −127 to 127 for −`largest` to `largest`.

    >>> cells_of(np.array([-1.0, 0.0, 1.0]), format_of((3,)), 1.0)
    'gQB/'
    """
    planes = np.reshape(data, (-1, *(1, *np.shape(data))[-2:]))[: shown.planes]
    cells = planes[:, :: shown.every, :: shown.every]
    with np.errstate(invalid="ignore", over="ignore"):
        shares = np.clip(cells / (largest or 1.0), -1.0, 1.0)
        whole = np.where(np.isnan(shares), NOT_A_NUMBER, np.rint(127 * shares))
    return b64encode(whole.astype(np.int8).tobytes()).decode()


def largest_in(data: Any) -> float:
    """Return the largest finite magnitude in an array; 0 if there is none."""
    flat = np.abs(np.ravel(data))
    return float(flat[np.isfinite(flat)].max(initial=0.0))
