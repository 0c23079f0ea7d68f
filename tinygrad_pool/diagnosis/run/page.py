"""A run as a page with a slider over its steps: one file, for a browser, without a network."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.drawing.page import Extra, page
from tinygrad_pool.drawing.words import Caption, with_caption
from tinygrad_pool.formatting import LONGEST, counted, plain

if TYPE_CHECKING:
    from tinygrad_pool.diagnosis.run.watching import Run

FRAME = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}"></svg>'
WIDE, HIGH = 640, 400
"""The picture's units, in which the script draws."""


def page_of(run: Run, title: str) -> str:
    """Write the page of a run."""
    told = json.dumps(_told(run), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    folder = files(__name__.rpartition(".")[0])
    markup, style, script = (
        folder.joinpath(f"run.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    harmless = re.sub("[<>&\u2028\u2029]", lambda c: f"\\u{ord(c[0]):04x}", told)
    caption = Caption(plain(title, 4 * LONGEST), f"{_counts(run)} √(Σ x² / n) is what |x| means.")
    extra = Extra("run", Template(markup).substitute(run=harmless), style, script)
    return page(with_caption(FRAME.format(WIDE, HIGH), caption), caption, extra)


def _counts(run: Run) -> str:
    rows, steps = counted(len(run.names), "parameter"), counted(run.steps, "step")
    found = "; ".join(event.says for event in run.events) or "nothing went wrong"
    return f"{steps}, {rows}: {found}."


def _told(run: Run) -> dict[str, Any]:
    """Write out the run for the script."""
    history, (g, update, w) = run.history, run.norms()
    with np.errstate(all="ignore"):
        share = np.where(update == ABSENT, ABSENT, update / w)
    return {
        "names": [plain(name) for name in run.names],
        "steps": [int(step) for step in history["step"]],
        "loss": _numbers(history["loss"]),
        "gradient": [_numbers(row, ABSENT) for row in g],
        "share": [_numbers(row, ABSENT) for row in share],
        "weight": [_numbers(row, ABSENT) for row in w],
        "events": [{"step": e.step, "says": e.says, "why": e.why} for e in run.events],
    }


def _numbers(row: NDArray[np.float64], absent: float = np.nan) -> list[float | str | None]:
    """Round numbers to four digits; those that JSON has not are words, what is absent is null."""
    return [
        None if x == absent else float(f"{x:.4g}") if np.isfinite(x) else str(float(x)) for x in row
    ]
