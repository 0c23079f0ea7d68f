"""Compare the backward closures of a recorded pass with finite differences of their rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose, isfinite, isnan, nan
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.running import run_again
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.source import defined_at, quoted
from tinygrad_pool.recording.trace import Trace

STEP = 1e-5
TOLERANCE = 1e-6
LISTED = 12


class WrongClosure(NamedTuple):
    """A closure whose contributions disagree with finite differences of its rule.

    For one scalar operand, `sent` is its contribution, and `least` and `most` bound g ∂y/∂x.
    Otherwise the `operands` are moved together in a random direction d: `sent` is Σ c d over their
    contributions c, and `least` and `most` bound Σ g ∂y/∂d.
    """

    node: Node
    operands: tuple[int, ...]
    sent: float
    least: float
    most: float

    @property
    def slope(self) -> str:
        """The slope as text; at a kink its bounds."""
        return " to ".join(dict.fromkeys([number(self.least), number(self.most)]))


class ClosureCheck:
    """The result of `Recording.check`: `wrong` closures, and the `unchecked` nodes.

    A node is unchecked if its rule now computes other numbers, or fails on moved operands. Operands
    for which the closure returns None, that is no gradient, are skipped.
    """

    def __init__(self, recording: Trace, steps: Sequence[Step]) -> None:
        self._call, self._steps = recording.call, len(steps)
        self.wrong: list[WrongClosure] = []
        self.unchecked: list[Node] = []
        rng = np.random.default_rng(0)
        with np.errstate(all="ignore"):
            for step in steps:
                try:
                    self.wrong += _wrong(recording, step, rng)
                except Exception:  # noqa: BLE001  # a rule of the user's may raise anything
                    self.unchecked.append(step.node)

    @property
    def holds(self) -> bool:
        """Whether no closure is wrong."""
        return not self.wrong

    def __repr__(self) -> str:
        checked = counted(self._steps - len(self.unchecked), "closure")
        lines = [f"{checked} compared with finite differences: {len(self.wrong) or 'none'} wrong"]
        lines += [self._written(found) for found in self.wrong[:LISTED]]
        lines += [f"… and {len(self.wrong) - LISTED} more, in .wrong"][: len(self.wrong) > LISTED]
        if self.unchecked:
            names = ", ".join(self._call(node) for node in self.unchecked[:LISTED])
            lines.append(f"not checked, as the rule now fails or computes other numbers: {names}")
        return "\n".join(lines)

    def _written(self, found: WrongClosure) -> str:
        node = found.node
        line = f"\n    {quoted(node.about.line)}" if node.about.line else ""
        if place := node.rule and defined_at(node.rule):
            line += f"\n    {node.op} is defined at {place}"
        operands = " and ".join(self._call(node.parents[i]) for i in found.operands)
        alone = len(found.operands) == 1 and not np.shape(node.parents[found.operands[0]])
        along = "" if alone else ", along a random direction"
        return (
            f"  {self._call(node)}: its closure sends {number(found.sent)} to {operands}, but "
            f"finite differences of {node.op} give {found.slope}{along}{line}"
        )


def _wrong(recording: Trace, step: Step, rng: np.random.Generator) -> Iterator[WrongClosure]:
    """Compare a step's contributions with finite differences, moving all operands at once.

    Directions are random, so that errors do not cancel, and positive, so that paying each of
    several tied units in full is detected. If the total is wrong, each operand is checked alone.
    """
    node, sent = step.node, step.contributions
    data = [_wide(recording.data_of(p) if isinstance(p, Node) else p) for p in node.parents]
    moving = [i for i, p in enumerate(node.parents) if isinstance(p, Node) and sent[i] is not None]
    towards = {i: _direction(data[i], rng) for i in moving}
    middle = _result(node, data)
    if not _is_close(middle, node._numbers):
        raise ArithmeticError("the rule computes other numbers each time")
    together = _compared(step, data, towards, middle, (*moving,))
    if together is not None and _precision(node, sent) > TOLERANCE:  # of a narrow dtype
        g = _wide(step.upstream)
        again = Step(node, g, run_again(node, data)[1](g))
        together = _compared(again, data, towards, middle, (*moving,)) and together
    if together is not None:
        alone = [_compared(step, data, towards, middle, (i,)) for i in moving]
        yield from [found for found in alone if found is not None] or [together]


def _compared(
    step: Step, data: list[Any], towards: dict[int, Any], middle: Any, operands: tuple[int, ...]
) -> WrongClosure | None:
    """Compare Σ c d with the bounds of Σ g ∂y/∂d, in a direction d of some operands."""
    node, g = step.node, _wide(step.upstream)
    shares = [np.where(d := towards[i], _wide(step.contributions[i]) * d, 0.0) for i in operands]

    def slope(h: float) -> Any:
        moved = [*data]
        for i in operands:
            moved[i] = data[i] + h * towards[i]
        return g * ((_result(node, moved) - middle) / h)

    slopes = [slope(-STEP), slope(STEP)]
    ours = sum(float(np.sum(share)) for share in shares)
    effect = sum(float(np.sum(np.abs(share))) for share in shares)
    least, most = _bounds(slopes)
    slack = _precision(node, step.contributions) * max(effect, abs(least), abs(most))
    if not isfinite(least + most):
        return None
    if isfinite(ours) and least - slack <= ours <= most + slack:
        return None
    # the error of a one-sided slope is proportional to the step: half of it tells without it
    low, high = _bounds([2 * slope(h / 2) - s for h, s in zip((-STEP, STEP), slopes, strict=True)])
    if not isfinite(ours) and max(-low, high) > 1.5 * max(-least, most):
        return None  # the shorter the step, the steeper: the slope is infinite
    low, high = min(least, low), max(most, high)
    if isfinite(ours) and low - slack <= ours <= high + slack:
        return None
    if len(operands) == 1 and isinstance(d := towards[operands[0]], float):
        ours, least, most = (x / d for x in (ours, least, most))
    return WrongClosure(node, operands, ours, least, most)


def _bounds(slopes: list[Any]) -> tuple[float, float]:
    """Sum the smaller and the larger of two slopes, for each element."""
    return float(np.sum(np.minimum(*slopes))), float(np.sum(np.maximum(*slopes)))


def _result(node: Node, data: list[Any]) -> Any:
    return _wide(run_again(node, data)[0])


def _wide(x: Any) -> Any:
    """Convert to float64; Python floats and integer constants are returned unchanged."""
    if type(x) is complex:  # a power outside its domain
        return nan
    if type(x) is float or getattr(x, "dtype", np.dtype(int)).kind != "f":
        return x
    return np.asarray(x, np.float64)[()]


def _direction(x: Any, rng: np.random.Generator) -> Any:
    """Return a random positive direction: each element moves by about its own magnitude.

    A NaN or an infinity does not move.
    """
    if type(x) is float:
        return rng.uniform(0.5, 1.5) * (abs(x) or 1.0) if isfinite(x) else 0.0
    size = np.where(np.isfinite(x), np.abs(x), 0.0)
    typical = float(np.mean(size)) if np.size(x) else 1.0
    by = np.where(size > 0, size, np.isfinite(x) * (typical or 1.0))
    return rng.uniform(0.5, 1.5, np.shape(x)) * by


def _is_close(x: Any, y: Any) -> bool:
    if type(x) is type(y) is float:
        return isclose(x, y, rel_tol=1e-9) or isnan(x) or isnan(y)
    return np.allclose(x, y, rtol=1e-3, atol=1e-6, equal_nan=True)


def _precision(node: Node, sent: tuple[Any, ...]) -> float:
    """Return the relative precision of a comparison: that of the dtypes, or of the step taken."""
    dtypes = {c.dtype for c in (node._numbers, *sent) if isinstance(c, np.ndarray | np.generic)}
    return max([TOLERANCE, *(64 * float(np.finfo(dtype).eps) for dtype in dtypes)])
