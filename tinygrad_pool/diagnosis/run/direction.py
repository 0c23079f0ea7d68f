"""Check whether the first update goes down the gradient."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_pool.diagnosis.run.rows import Numbers, Row
from tinygrad_pool.formatting import joined

ALONG = 0.5
"""An update goes along a gradient if the cosine of their angle is larger than this."""


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
