"""A run as a page with a slider over its steps: one file, for a browser, without a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.diagnosis.run.summary import Summary
from tinygrad_pool.drawing.page import extra_of, page
from tinygrad_pool.drawing.words import Caption, with_caption
from tinygrad_pool.formatting import LONGEST, counted, plain
from tinygrad_pool.rules.arguments import text

FRAME = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}"></svg>'
WIDE, HIGH = 640, 400
"""The picture's units, in which the script draws."""


def page_of(run: Summary, title: str) -> str:
    """Write the page of a run."""
    text(title, "to_html: title")
    caption = Caption(plain(title, 4 * LONGEST), f"{_counts(run)} √(Σ x² / n) is what |x| means.")
    extra = extra_of(__name__.rpartition(".")[0], "run", _told(run))
    return page(with_caption(FRAME.format(WIDE, HIGH), caption), caption, extra)


def _counts(run: Summary) -> str:
    rows, steps = counted(len(run.names), "parameter"), counted(run.steps, "step")
    found = "; ".join(event.says for event in run.events) or "nothing went wrong"
    return f"{steps}, {rows}: {found}."


def _told(run: Summary) -> dict[str, Any]:
    """Write out the run for the script."""
    g, _, w = run.norms
    return {
        "names": [plain(name) for name in run.names],
        "steps": [point.step for point in run.points],
        "loss": _numbers([point.loss for point in run.points]),
        "gradient": [_numbers(row, ABSENT) for row in g],
        "share": [_numbers(row, ABSENT) for row in run.shares],
        "weight": [_numbers(row, ABSENT) for row in w],
        "events": [{"step": e.step, "says": e.says, "why": e.why} for e in run.events],
    }


def _numbers(row: Iterable[float], absent: float = np.nan) -> list[float | str | None]:
    """Round numbers to four digits; those that JSON lacks are words, what is absent is null."""
    return [
        None if x == absent else float(f"{x:.4g}") if np.isfinite(x) else str(float(x)) for x in row
    ]
