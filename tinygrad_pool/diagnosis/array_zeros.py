"""Why a step on arrays sends only zeros to an operand."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.engine.vjp import vjp_by_operand
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.gains import leaf_below
from tinygrad_pool.recording.ledger import flat
from tinygrad_pool.recording.reasons import explain
from tinygrad_pool.rules import elementwise, linear, reductions
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

FAR = 16
"""So many nodes down is a relu looked for that made a factor 0."""

NO_INPUT = "inputs 0"
"""What is said of a relu whose inputs are all 0."""


def why_zero(survey: Survey, step: Step, i: int) -> str:
    """Explain why a step on arrays sends only zeros to an operand."""
    node, g = step.node, np.asarray(step.upstream)
    if not g.size:
        return "it has no elements"
    arrived, largest = g != 0, np.abs(g).max()
    if _sends(node, i, np.ldexp(g, -np.frexp(largest)[1])):  # exact, so that what cancels does
        return f"underflow: gradients of up to {largest:.3g} are too small"
    slopes = np.random.default_rng(0).uniform(1, 2, g.shape)
    if _sends(node, i, np.where(arrived, slopes, 0)):
        return "what arrives at its units cancels"
    return _flat(survey, node, i, arrived)


def _flat(survey: Survey, node: Node, i: int, arrived: Mask) -> str:
    """Explain why a local derivative is 0 wherever a gradient arrives."""
    where = f"wherever a gradient arrives, at {counted(int(arrived.sum()), 'unit')}"
    if node.rule is elementwise.relu:
        at = np.asarray(operands_of(node)[i])[arrived]
        inputs = f"inputs {number(at.min())} … {number(at.max())}"
        if not np.any(node.parents[i]._numbers):
            inputs = NO_INPUT + _made_by(survey, node.parents[i])
        return f"the relu is off {where}: {inputs}"
    traits = traits_of(node.rule)
    if traits.unit == "copy":
        first, *_ = explain(survey.ledger, node.parents[i], None).causes
        return f"nothing arrives at its part, for {first}"
    if traits.unit == "product" and node.rule is not linear.weighted_sum:
        other = node.parents[1 - i]
        if np.any(operands_of(node)[1 - i]):
            return f"the other factor is 0 {where}"
        if not isinstance(other, Node):
            return "the other factor is 0"
        leaf = leaf_below(other)
        helps = ": weights that start at 0 pass nothing down" if leaf in survey.wanted else ""
        if helps and not survey.is_zero(leaf):
            helps += ", until their own gradient moves them"
        name = f", {survey.call(leaf)}," if leaf.label or helps else ""
        made = _made_by(survey, other) if off_below(other) is None else ""
        return f"the other factor{name} is 0{helps}{made}"
    off, _, _ = traits.off.partition(":")
    slope = flat(node, operands_of(node))
    return f"{'it loses' if traits.chooses else off or slope} {where}"


def off_below(factor: Any) -> Node | None:
    """Follow a 0 down to the relu, or maximum(x, 0), that made it; None if there is none."""
    for _ in range(FAR):
        if not isinstance(factor, Node) or np.any(factor._numbers):
            return None
        constants = [p for p in factor.parents if not isinstance(p, Node)]
        if factor.rule is elementwise.relu or (factor.rule is reductions.maximum and constants):
            return factor
        zeros = (p for p in factor.parents if isinstance(p, Node) and not np.any(p._numbers))
        factor = next(zeros, None)
    return None


def _made_by(survey: Survey, zero: Node) -> str:
    """Follow zeros down to the weight, the constant or the unit that made them; "" if it did."""
    node = zero
    while True:
        operands, product = node.parents, traits_of(node.rule).unit == "product"
        factors = operands[: len(operands) // 2 * 2] if product else operands
        zeros = [p for p, x in zip(factors, operands_of(node), strict=False) if not np.any(x)]
        if product and any(not isinstance(p, Node) for p in zeros):
            return f", for {survey.brief(node)} multiplies by a constant 0"
        below = next((p for p in zeros if isinstance(p, Node)), None)
        if below is None:
            return "" if node is zero else f", for {survey.brief(node)} is 0"
        node = below


def _sends(node: Node, i: int, g: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.any(vjp_by_operand(node, np.asarray(g, node.dtype))[i]))
