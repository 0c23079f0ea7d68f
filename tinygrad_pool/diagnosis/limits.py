"""What a diagnosis could not check."""

from __future__ import annotations

from collections.abc import Iterator

from tinygrad_pool.diagnosis.findings import WRONG_NUMBERS, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import several


def limits_of(survey: Survey, findings: list[Finding]) -> list[str]:
    """List what was not checked, and why."""
    return [*_limits(survey, any(f.severity == WRONG_NUMBERS for f in findings))]


def _limits(survey: Survey, wrong: bool) -> Iterator[str]:
    if not any(node.about.line for node in survey.nodes if node.parents):
        yield "what Python's max, min, if and float() did (build the graph under tg.traced())"
    if not survey.given:
        yield "parameters that the loss does not depend on (none were given)"
    if wrong:
        yield "dead units, zeros, trends and ties (first the numbers have to be finite)"
    elif stale := set_since(survey.nodes):
        names = several([survey.call(leaf) for leaf in stale])
        yield f"ties, and data as it is now (set after the forward pass: {names})"
