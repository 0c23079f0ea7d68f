"""Layers whose units have the same weights and the same gradients: they never become different."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_pool.diagnosis.findings import PARTLY_LOST, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules import convolution, linear, shaping

ALIKE = 1e-5
"""Numbers are the same if they differ by less than this share of the largest."""


def units_alike(survey: Survey) -> Iterator[Finding]:
    """Report layers, but for the last, of two units or more that are all alike."""
    homes = {p: _use(survey, p)[0] for p in survey.wanted if p in survey.grads}
    last = max(homes.values(), key=lambda node: node._order, default=None)
    found: list[Node] = []
    for row, some in _by_row(survey, [*homes]).items():
        if last is not None and row != survey.rows[last]:
            found += _alike(survey, some)
    if found:
        says = "all units of the layer are alike: they have the same weights and the same gradient"
        why = "so they stay alike, and do the work of one unit; draw the initial weights at random"
        yield Finding("alike", PARTLY_LOST, survey.listed(found), says, why, tuple(found))


def _by_row(survey: Survey, parameters: list[Node]) -> dict[str, list[Node]]:
    rows: dict[str, list[Node]] = {}
    for p in parameters:
        rows.setdefault(survey.row(p), []).append(p)
    return rows


def _alike(survey: Survey, some: list[Node]) -> list[Node]:
    """Return the parameters of a layer whose units are alike: arrays of weights, or all numbers."""
    arrays = [p for p in some if (axis := _axis(survey, p)) is not None and _same(survey, p, axis)]
    units: dict[str, list[Node]] = {}
    for p in some:
        if not p.shape and survey.scope(p):
            units.setdefault(survey.scope(p), []).append(p)
    numbers = [p for of in units.values() for p in of]
    if len({len(of) for of in units.values()}) != 1 or len(numbers) < 2 * len(units):
        return arrays
    shape = len(units), -1
    xs = (np.reshape([of(p) for p in numbers], shape) for of in (_data, survey.grads.get))
    return arrays + numbers * _equal(*xs)


def _data(p: Node) -> Any:
    return p._numbers


def _use(survey: Survey, p: Node) -> tuple[Node, int, int]:
    """Return what a parameter is used by, as which operand, and how often it was transposed."""
    (step, i), flips = survey.users[p][0], 0
    while step.node.rule is shaping.transpose and step.node in survey.users:
        (step, i), flips = survey.users[step.node][0], flips + 1
    return step.node, i, flips


def _axis(survey: Survey, p: Node) -> int | None:
    """Return the axis of the units of an array of weights; None if it is not known."""
    user, i, flips = _use(survey, p)
    if user.rule is linear.matmul and p.ndim == 2:
        return (i + flips) % 2
    return 0 if user.rule is convolution.conv and i == 1 and not flips else None


def _same(survey: Survey, p: Node, axis: int) -> bool:
    data, grads = (np.asarray(x) for x in (p._numbers, survey.grads[p]))
    return _equal(np.moveaxis(data, axis, 0), np.moveaxis(grads, axis, 0))


def _equal(data: Any, grads: Any) -> bool:
    """Return whether all rows are equal, of two or more, and some gradient is not 0."""
    return (
        len(data) > 1
        and bool(np.any(grads))
        and all(np.abs(x - x[:1]).max() <= ALIKE * np.abs(x).max() for x in (data, grads))
    )
