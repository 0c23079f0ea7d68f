"""What made a gradient, a factor, an input or an error 0: a relu that is off, a weight, a fit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of
from tinygrad_pool.diagnosis.findings import STATIONARY, with_inputs
from tinygrad_pool.diagnosis.survey import Survey, made_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.running import run_again
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.engine.vjp import vjp_by_operand
from tinygrad_pool.recording.gains import leaf_below
from tinygrad_pool.recording.ledger import flat
from tinygrad_pool.recording.reasons import explain
from tinygrad_pool.rules import (
    activations,
    arithmetic,
    comparisons,
    elementwise,
    entropies,
    linear,
    reductions,
)
from tinygrad_pool.rules.tie_breaking import Mask
from tinygrad_pool.rules.traits import UNDERFLOWS, traits_of

NO_INPUT = "with inputs of 0"
"""The reason of a relu whose inputs are all 0."""

NO_PART = "no gradient arrives at its part"
"""The reason of an array that was joined with others; its cause quotes a line."""

FAR = 16
"""How many nodes below a factor of 0 are searched for the relu that made it."""

SURE: dict[Any, int] = {
    reductions.log_softmax: -1,
    activations.softplus: 1,
    entropies.binary_cross_entropy: 1,
}
"""Rules of cross entropies, which are 0 if all answers are right and certain; and their signs."""


RELUS = (reductions.maximum, comparisons.fmax, elementwise.clip, elementwise.where, arithmetic.mul)
"""Rules with which a relu can be written: a constant of them is 0, or a mask."""


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
    if _sends(node, i, _scaled(g)):
        largest = f"{np.abs(g).max():.3g}"
        return f"it underflows, as products with gradients of up to {largest} round to 0"
    if cancels(step, i):
        return f"the contributions of its units cancel: {STATIONARY}"
    return _flat(survey, node, i, g != 0)


def _flat(survey: Survey, node: Node, i: int, arrived: Mask) -> str:
    """Explain why a local derivative is 0 wherever a gradient arrives."""
    n = int(arrived.sum())
    where = f"at {f'all {n:,} units' if n > 1 else 'the only unit'} where a gradient arrives"
    if is_relu(node):
        x = node.parents[i]
        inputs = with_inputs(np.asarray(x._numbers)[arrived])
        if not np.any(x._numbers):
            inputs = NO_INPUT + made_by(survey, x)
        return f"the relu is off {where}, {inputs}"
    traits = traits_of(node.rule)
    if traits.unit == "copy":
        first, *_ = explain(survey.ledger, node.parents[i], None).causes
        return f"{NO_PART}; {first}"
    if traits.unit == "product" and node.rule is not linear.weighted_sum:
        other = factor_of(node, i)
        if np.any(operands_of(node)[1 - i]):
            return f"the other factor is 0 {where}"
        if not isinstance(other, Node):
            return "the other factor, a constant, is 0"
        named = other.label or leaf_below(other) is start_of(survey, node, i)
        name = f", {survey.call(leaf_below(other))}," if named else ""
        made = "" if named or off_below(other) is not None else made_by(survey, other)
        return f"the other factor{name} is 0{made}"
    reason = re.sub(r"[:,] .*\{x\}.*", "", traits.off)  # the units have different inputs
    reason = reason or flat(node, operands_of(node))
    if traits.chooses:
        rivals = [p for k, p in enumerate(node.parents) if k != i] or [node]
        reason = "it loses" + " to a constant" * all(not isinstance(p, Node) for p in rivals)
    return f"{reason} {where}"


def _sends(node: Node, i: int, g: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.any(vjp_by_operand(node, np.asarray(g, node.dtype))[i]))


def began_at(step: Step, i: int) -> Node:
    """Return the node where a zero begins: that of the step, or the relu that made a factor 0."""
    node = step.node
    power = traits_of(node.rule).unit == "power"
    off = off_below(node.parents[0] if power else factor_of(node, i))
    return node if off is None else off


def factor_of(node: Node, i: int) -> Any:
    """Return what operand i of a product is multiplied by; None for a bias, and for other rules."""
    n = len(node.parents) // 2
    product = traits_of(node.rule).unit == "product" and i < 2 * n
    return node.parents[(i + n) % (2 * n)] if product else None


def off_below(factor: Any) -> Node | None:
    """Return the relu, or maximum(x, 0), below that made a factor 0; None if there is none."""
    for _ in range(FAR):
        if not isinstance(factor, Node) or np.any(factor._numbers):
            return None
        if is_relu(factor):
            return factor
        zeros = (p for p in factor.parents if isinstance(p, Node) and not np.any(p._numbers))
        factor = next(zeros, None)
    return None


def _made_0(zero: Node) -> tuple[Node, bool]:
    """Return the node below that made a zero, and whether it multiplied by a constant 0."""
    node = zero
    while True:
        operands, product = node.parents, traits_of(node.rule).unit == "product"
        factors = operands[: len(operands) // 2 * 2] if product else operands
        zeros = [p for p, x in zip(factors, operands_of(node), strict=False) if not np.any(x)]
        if product and any(not isinstance(p, Node) for p in zeros):
            return node, True
        below = next((p for p in zeros if isinstance(p, Node)), None)
        if below is None:
            return node, False
        node = below


def made_by(survey: Survey, zero: Node) -> str:
    """Describe the weight, the constant or the unit that made a zero; "" for the zero itself."""
    node, constant = _made_0(zero)
    if constant:
        return f", because {survey.brief(node)} multiplies by a constant 0"
    if _underflowed(node):
        return f", because {survey.brief(node)} is too small for {node.dtype}"
    less = less_itself(node, node.parents[0]) if node.parents else ""
    return less if node is zero else f", because {survey.brief(node)} is 0{less}"


def _underflowed(node: Node) -> bool:
    """Return whether the numbers of a node are 0 only because they are too small for its dtype."""
    traits, operands = traits_of(node.rule), operands_of(node)
    small = traits.vanishes == UNDERFLOWS or traits.unit in ("product", "power", "squash")
    if not small or len(operands) > 2 or np.any(node._numbers):  # with a bias, a sum may be 0
        return False
    return bool(np.any(run_again(node, [*map(_scaled, operands)])[0]))


def less_itself(node: Node, x: Any) -> str:
    """Describe x − x, and x − mean(x) if each mean is of one number; "" for other nodes."""
    mean = node.parents[1] if node.rule is arithmetic.sub else None
    if isinstance(mean, Node) and mean is node.parents[0]:
        return ", as a number minus itself is 0"
    mean = made_of(mean) if isinstance(mean, Node) else node
    alone = mean.rule is reductions.mean and mean.size == x.size
    own = alone and mean.parents and mean.parents[0] is x is node.parents[0]
    return ", as each number minus the mean of itself alone is 0" if own else ""


def start_of(survey: Survey, node: Node, i: int) -> Node | None:
    """Return the parameter that is, or made, the other factor of 0 of operand i; None if none."""
    other = factor_of(node, i)
    if node.rule is linear.weighted_sum or not isinstance(other, Node):
        return None
    if not other.size or np.any(other._numbers):
        return None
    made, constant = _made_0(other)
    square = node.parents[0] is node.parents[1]
    known = made in survey.parameters and (survey.given or made in survey.weights)
    return made if known and not (constant or square) else None


def fits(survey: Survey, error: Node, step: Step) -> bool:
    """Return whether a node after all parameters measures errors, all of which are 0.

    A parameter must be able to change them. A gradient below 0 means that the loss rewards what is
    measured, such as a distance, so that 0 is not a fit; for logarithms of probabilities the sign
    is the other way round.
    """
    node, sign = step.node, SURE.get(step.node.rule)
    if node not in survey.after and not (sign and error in survey.parameters):
        return False
    if sign and (sign > 0 or np.any(node._numbers)):  # a softmax of one number is always 0
        return not np.any(survey.loss._numbers) and not np.any(step.upstream * sign < 0)
    of_constant = not all(isinstance(p, Node) for p in node.parents)
    if of_constant and traits_of(node.rule).unit == "product":
        return False  # a mask or a weight of 0
    if any(map(np.any, (error._numbers, node._numbers, step.upstream < 0))):
        return False
    if _underflowed(_made_0(error)[0]):
        return False
    return survey.moves(error)


def in_loss(survey: Survey, node: Node) -> bool:
    """Return whether a relu or max(0, a) belongs to the loss, as in a hinge: off is no error.

    It comes after all parameters, and its input adds a constant: the margin.
    """
    if not is_relu(node) or node not in survey.after:
        return False
    a = next(p for p in node.parents if isinstance(p, Node))
    margin = a.rule in (arithmetic.add, arithmetic.sub)
    return margin and not all(isinstance(p, Node) for p in a.parents)


def is_relu(node: Node) -> bool:
    """Return whether a node is a relu, or written as one: np.maximum(0, a), a * (a > 0)."""
    if node.rule not in RELUS:
        return node.rule is elementwise.relu
    constants = [node.options.get("min"), *(p for p in node.parents if not isinstance(p, Node))]
    values = [p for p in node.parents if isinstance(p, Node)]
    if node.rule is arithmetic.mul:
        cuts = any(np.asarray(c).dtype == bool for c in constants)
    else:
        cuts = any(c is not None and not np.any(c) for c in constants)
    if not cuts or len(values) != 1:
        return False
    return np.array_equal(node._numbers, np.maximum(values[0]._numbers, 0), equal_nan=True)
