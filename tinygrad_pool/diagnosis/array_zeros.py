"""Why a step on arrays sends only zeros to an operand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of
from tinygrad_pool.diagnosis.findings import with_inputs
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.diagnosis.zero_factors import made_by, off_below, start_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.engine.vjp import vjp_by_operand
from tinygrad_pool.recording.gains import leaf_below
from tinygrad_pool.recording.ledger import flat
from tinygrad_pool.recording.reasons import explain
from tinygrad_pool.rules import elementwise, linear
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import traits_of

NO_INPUT = "with inputs of 0"
"""The reason of a relu whose inputs are all 0."""

NO_PART = "no gradient arrives at its part"
"""The reason of an array that was joined with others; its cause quotes a line."""


def cancels(step: Step, i: int) -> bool:
    """Return whether the contributions to an operand sum to 0, without an underflow."""
    g = np.asarray(step.upstream)
    if _sends(step.node, i, _scaled(g)):
        return False
    slopes = np.random.default_rng(0).uniform(1, 2, g.shape)
    return _sends(step.node, i, np.where(g != 0, slopes, 0))


def _scaled(g: Any) -> Any:
    """Scale a gradient to about 1 by a power of 2, so that sums of 0 remain 0."""
    return np.ldexp(g, -np.frexp(np.abs(g).max(initial=0.0))[1])


def why_zero(survey: Survey, step: Step, i: int) -> str:
    """Explain why a step on arrays sends only zeros to an operand."""
    node, g = step.node, np.asarray(step.upstream)
    if not g.size:
        return "it has no elements"
    if cancels(step, i):
        return "the contributions of its units cancel"
    if _sends(node, i, _scaled(g)):
        return (
            f"it underflows, as products with gradients of up to {np.abs(g).max():.3g} round to 0"
        )
    return _flat(survey, node, i, g != 0)


def _flat(survey: Survey, node: Node, i: int, arrived: Mask) -> str:
    """Explain why a local derivative is 0 wherever a gradient arrives."""
    n = int(arrived.sum())
    where = f"at {f'all {n:,} units' if n > 1 else 'the only unit'} where a gradient arrives"
    if node.rule is elementwise.relu:
        at = np.asarray(operands_of(node)[i])[arrived]
        inputs = with_inputs(at)
        if not np.any(node.parents[i]._numbers):
            inputs = NO_INPUT + made_by(survey, node.parents[i])
        return f"the relu is off {where}, {inputs}"
    traits = traits_of(node.rule)
    if traits.unit == "copy":
        first, *_ = explain(survey.ledger, node.parents[i], None).causes
        return f"{NO_PART}; {first}"
    if traits.unit == "product" and node.rule is not linear.weighted_sum:
        other = node.parents[1 - i]
        if np.any(operands_of(node)[1 - i]):
            return f"the other factor is 0 {where}"
        if not isinstance(other, Node):
            return "the other factor, a constant, is 0"
        named = other.label or leaf_below(other) is start_of(survey, node, i)
        name = f", {survey.call(leaf_below(other))}," if named else ""
        made = "" if named or off_below(other) is not None else made_by(survey, other)
        return f"the other factor{name} is 0{made}"
    off = re.sub(r"[:,] .*\{x\}.*", "", traits.off)  # the units have different inputs
    rivals = [p for k, p in enumerate(node.parents) if k != i] or [node]
    slope = flat(node, operands_of(node))
    loses = "it loses" + " to a constant" * all(not isinstance(p, Node) for p in rivals)
    return f"{loses if traits.chooses else off or slope} {where}"


def _sends(node: Node, i: int, g: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.any(vjp_by_operand(node, np.asarray(g, node.dtype))[i]))
