"""Wrong or unreliable numbers: NaN, infinities, rounding, ties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of
from tinygrad_pool.derivatives.ties import Tie, find_ties
from tinygrad_pool.diagnosis.findings import (
    NOT_FINITE,
    PARTLY_LOST,
    STATIONARY,
    SUSPICIOUS,
    WRONG_NUMBERS,
    Finding,
)
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import GraphError
from tinygrad_pool.formatting import counted, number, on_a_line, several
from tinygrad_pool.recording.closures import ClosureCheck, WrongClosure
from tinygrad_pool.recording.origins import Culprit, behind_data, behind_gradient, behind_rounding
from tinygrad_pool.recording.source import defined_at, made_at
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.traits import EVENLY, FIRST, HALF

ABOVE_0 = "keep its operand above 0"

HELPS = {
    "log": f"{ABOVE_0}; log_softmax and logsigmoid do that for probabilities",
    "exp": "subtract the maximum first, as softmax and logsumexp do, or clip its operand",
    **dict.fromkeys(("arccos", "arcsin", "arctanh"), "clip its operand to less than −1 … 1"),
    "div": "keep the divisor away from 0",
    "sqrt": "add a small number under the root",
    "power": ABOVE_0,
    **dict.fromkeys(
        ("softmax", "log_softmax", "logsumexp"),
        "keep at least one number above −inf in each row, and none at inf",
    ),
}

PAID = {
    "first": ("the first gets the whole gradient", (FIRST,)),
    "last": ("the last gets the whole gradient", ()),
    "even": ("all get an even share of the gradient", (HALF, EVENLY)),
}
"""Who gets the gradient, by how a tie is settled, and what PyTorch's words for the same are."""


def wrong_rules(survey: Survey) -> Iterator[Finding]:
    """Report the user's own rules whose closures disagree with their slopes."""
    steps = [step for step in survey.passed.steps if not is_ours(step.node.rule)]
    wrong: dict[Any, list[WrongClosure]] = {}
    for found in ClosureCheck(survey.passed, steps).wrong:
        wrong.setdefault(found.node.rule, []).append(found)
    for several_found in wrong.values():
        first, nodes = several_found[0], tuple(found.node for found in several_found)
        says = f"its closure sends {number(first.sent)} where the slope of {first.node.op} is "
        says += first.slope
        if len(nodes) > 1:
            says += f"; {counted(len(nodes) - 1, 'other node')} of this rule too"
        place = first.node.rule and defined_at(first.node.rule)
        rule = f"the rule, defined at {place}," if place else "the rule"
        why = (
            f"{rule} is wrong, or differs on purpose{made_at(first.node)}; tg.gradcheck names the "
            "contribution and the element"
        )
        yield Finding("wrong rule", SUSPICIOUS, survey.call(first.node), says, why, nodes)


def not_finite(survey: Survey) -> Iterator[Finding]:
    """Report where a NaN or an infinity in the loss or in a parameter's gradient began."""
    loss, ledger = survey.loss, survey.ledger
    found: dict[Node | None, tuple[str, list[Node]]] = {}
    known: dict[tuple[Node, int], Culprit] = {}
    if not np.isfinite(loss._numbers).all():
        node, why = behind_data(ledger, loss, _worst(loss._numbers))
        found[node] = why, [loss]
    for p in survey.wanted:
        if not np.isfinite(g := survey.grads.get(p, 0.0)).all():
            node, why = behind_gradient(ledger, p, _worst(g), known)
            found.setdefault(node, (why, []))[1].append(p)
    for node, (why, reached) in found.items():
        says = f"{survey.call(loss)} is {on_a_line(loss.data)}"
        if bad := len([v for v in reached if v is not loss]):
            of = f"{bad:,} of {len(survey.wanted):,} parameters"
            says += f", and the gradients of {of} are not finite"
        if node is None:
            yield Finding(NOT_FINITE, WRONG_NUMBERS, "the gradient that was given", says, why)
        else:
            name, helps = survey.call(node), _help(node)
            yield Finding(NOT_FINITE, WRONG_NUMBERS, name, says, why + helps, (node,))


def _help(node: Node) -> str:
    """Write what helps where a node made what is not finite; "" if its numbers are just large."""
    y, i = np.asarray(node._numbers), int(node.op == "div")
    if node.op not in HELPS or not node.parents:
        return ""
    x, wrong = np.broadcast_to(operands_of(node)[i], y.shape), ~np.isfinite(y)
    x, y = (x[wrong], y[wrong]) if wrong.any() else (x, y)
    if node.op == "sqrt" and np.any(x < 0):
        return f"; {ABOVE_0}"
    overflows = {"power": (x != 0) & ~np.isnan(y), "div": np.abs(x) >= 1}
    return "" if np.all(overflows.get(node.op, False)) else f"; {HELPS[node.op]}"


def _worst(x: Any) -> int:
    """Return the place of the first NaN, or else of the first infinity."""
    flat = np.reshape(x, -1)
    return int(np.argmax(np.where(np.isnan(flat), 2, np.isinf(flat))))


def underflow(survey: Survey) -> Iterator[Finding]:
    """Report parameters whose whole gradient is too small for the full precision of its dtype."""
    sizes = {
        p: np.abs(survey.grads[p]).max(initial=0.0) for p in survey.wanted if p in survey.grads
    }
    small = [p for p, size in sizes.items() if 0 < size < np.finfo(p.dtype).tiny]
    if small:
        largest = max(sizes[p] for p in small)
        tiny = max(np.finfo(p.dtype).tiny for p in small)
        says = f"gradients are {largest:.2g} at most, in {counted(len(small), 'parameter')}"
        why = f"below {tiny:.2g} digits are lost, then everything: scale the loss or the weights up"
        yield Finding("underflow", PARTLY_LOST, survey.listed(small), says, why, tuple(small))


def cancelling(survey: Survey) -> Iterator[Finding]:
    """Report parameters whose contributions cancel to rounding error, or do so above them."""
    found = {p: c for p in survey.wanted if (c := behind_rounding(survey.ledger, p))}
    if found:
        first = next(iter(found.values()))
        why = (
            f"they sum to {number(first.terms)} without their signs: what one asks for, another "
            f"takes back. So it is {STATIONARY}"
        )
        yield Finding("cancels", SUSPICIOUS, survey.listed(found), first.says, why, tuple(found))


def ties(survey: Survey) -> Iterator[Finding]:
    """Report ties in maxima on which a parameter's gradient depends."""
    rows: dict[tuple[str, str], list[Tie]] = {}
    try:
        found = find_ties(survey.loss).others
    except GraphError:  # data has changed: nothing can be run again
        return
    for tie in found:
        rows.setdefault((survey.row(tie.node), tie.node.op), []).append(tie)
    for (row, op), some in rows.items():
        first = some[0]
        nodes = tuple(dict.fromkeys(tie.node for tie in some))
        windows = sum(node.size for node in nodes)
        name = survey.call(first.node) if len(nodes) == 1 else row
        says = f"{counted(len(some), 'tie')} in {counted(windows, 'window')} of {op}"
        says += ", where it matters who wins"
        units = several([*map(str, first.places)], 3)
        why = (
            f"the units {units} all hold {number(first.value)}: {_paid(first)}. Equal numbers in "
            "weights or inputs make ties"
        )
        yield Finding("ties", SUSPICIOUS, name, says, why, nodes)


def _paid(tie: Tie) -> str:
    """Write who gets the gradient of a tie, here and in PyTorch."""
    if not is_ours(tie.node.rule):
        return "the rule decides who gets the gradient"
    here, same = PAID[tie.node.options.get("ties", "first")]
    too = tie.torch in same
    return f"here{', as in PyTorch,' * too} {here}{f', in PyTorch {tie.torch}' * (not too)}"
