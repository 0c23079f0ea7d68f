"""Layers whose units have equal weights and equal gradients, and so remain equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_pool.diagnosis.findings import PARTLY_LOST, Finding, grouped
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules import convolution, linear, shaping

ALIKE = 1e-5
"""Numbers are equal if they differ by less than this share of the largest."""


def units_alike(survey: Survey) -> Iterator[Finding]:
    """Report layers whose two or more units are all alike; the last layer is left out."""
    reached = (p for p in survey.parameters if p in survey.users and p in survey.grads)
    users = {p: _use(survey, p)[0] for p in reached}
    last = max(users.values(), key=lambda node: node._order, default=survey.loss)
    alike: list[Node] = []
    for row, parameters in grouped(users, survey.row).items():
        if row != survey.rows[last]:
            alike += _alike(survey, parameters)
    if alike:
        says = "the units of a layer are all alike: they have the same weights and gradients"
        why = "so they remain alike, and do the work of one unit. "
        why += "Draw the initial weights at random"
        yield Finding("alike", PARTLY_LOST, survey.listed(alike), says, why, tuple(alike))


def _alike(survey: Survey, parameters: list[Node]) -> list[Node]:
    """Return the arrays of a layer whose units are alike; and its numbers, if all its units are."""
    axes = {p: axis for p in parameters if (axis := _axis(survey, p)) is not None}
    arrays = [p for p, axis in axes.items() if _equal(p._numbers, survey.grads[p], axis)]
    units = grouped((p for p in parameters if not p.shape and survey.scope(p)), survey.scope)
    numbers = [p for unit in units.values() for p in unit]
    if len({len(unit) for unit in units.values()}) != 1 or len(numbers) < 2 * len(units):
        return arrays
    numbers_of: Any = ([p._numbers for p in numbers], [survey.grads[p] for p in numbers])
    data, grads = (np.reshape(x, (len(units), -1)) for x in numbers_of)
    return arrays + numbers * _equal(data, grads, 0)


def _use(survey: Survey, p: Node) -> tuple[Node, int, int]:
    """Return the first node that uses a parameter, as which operand, and transposed how often."""
    (step, i), flips = survey.users[p][0], 0
    while step.node.rule is shaping.transpose and step.node in survey.users:
        (step, i), flips = survey.users[step.node][0], flips + 1
    return step.node, i, flips


def _axis(survey: Survey, p: Node) -> int | None:
    """Return the axis of an array of weights along which its units are; None if not known."""
    user, i, flips = _use(survey, p)
    if user.rule is linear.matmul and p.ndim == 2:
        return (i + flips) % 2
    return 0 if user.rule is convolution.conv and i == 1 and not flips else None


def _equal(data: Any, grads: Any, axis: int) -> bool:
    """Return whether there are several units along an axis, all equal, with a gradient not 0."""
    arrays = [np.moveaxis(np.asarray(x), axis, 0) for x in (data, grads)]
    several = len(arrays[0]) > 1 and bool(np.any(grads))
    return several and all(np.abs(x - x[:1]).max() <= ALIKE * np.abs(x).max() for x in arrays)
