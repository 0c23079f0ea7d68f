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
    grouped,
)
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.errors import GraphError
from tinygrad_pool.formatting import counted, number, on_a_line, several, subscript
from tinygrad_pool.recording.closures import ClosureCheck
from tinygrad_pool.recording.origins import Culprit, behind_data, behind_gradient, behind_rounding
from tinygrad_pool.recording.source import defined_at, made_at
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.traits import EVENLY, FIRST, HALF

ABOVE_0, SMALLER = "Keep its operand above 0", "Keep its numbers smaller"
SET = "Make its numbers finite; if an update made them, tg.watch finds the first bad step"
OWN_RULE = "Check what this rule computes, and what its closure does"

FIXES = {
    "log": f"{ABOVE_0}; for probabilities use log_softmax or logsigmoid of the scores",
    "exp": "Subtract the maximum first, as softmax and logsumexp do, or clip its operand",
    **dict.fromkeys(("arccos", "arcsin", "arctanh"), "Clip its operand to just inside −1 … 1"),
    **dict.fromkeys(("div", "fmod", "remainder"), "Keep the divisor away from 0"),
    "sqrt": "Add a small number under the root",
    "cbrt": "Keep its operand away from 0",
    "eigenvectors": "Keep its eigenvalues apart",
    "singular_vectors": "Keep its singular values apart, and away from 0",
    **dict.fromkeys(("power", "log2", "log10"), ABOVE_0),
    "log1p": "Keep its operand above −1",
    "arccosh": "Keep its operand above 1",
    "var": f"{SMALLER}, and take more of them than ddof",
    **dict.fromkeys(
        ("softmax", "log_softmax", "logsumexp"),
        "Keep at least one number of each row above −inf, and all below inf",
    ),
}
"""What to do, by operation, where it makes a NaN or an infinity of finite numbers."""

PAID = {
    "first": ("the first gets the whole gradient", (FIRST,)),
    "last": ("the last gets the whole gradient", ()),
    "even": ("all get an even share of the gradient", (HALF, EVENLY)),
}
"""Who gets the gradient of a tie, by the option `ties`, and PyTorch's traits that say the same."""


def wrong_rules(survey: Survey) -> Iterator[Finding]:
    """Report rules of the user's whose closures disagree with finite differences."""
    steps = [step for step in survey.steps if not is_ours(step.node.rule)]
    by_rule = grouped(ClosureCheck(survey.recording, steps).wrong, lambda wrong: wrong.node.rule)
    for closures in by_rule.values():
        first, nodes = closures[0], tuple(wrong.node for wrong in closures)
        says = f"its closure sends {number(first.sent)}, but finite differences give {first.slope}"
        if len(nodes) > 1:
            says += f"; {counted(len(nodes) - 1, 'other node')} of this rule too"
        place = first.node.rule and defined_at(first.node.rule)
        rule = f"{first.node.op}, defined at {place}," if place else first.node.op
        why = (
            f"the closure of {rule} is not the derivative of its result{made_at(first.node)}. Run "
            "tg.gradcheck, which names the wrong contribution and element; ignore this if the "
            "closure differs on purpose"
        )
        yield Finding("wrong rule", SUSPICIOUS, survey.call(first.node), says, why, nodes)


def not_finite(survey: Survey) -> Iterator[Finding]:
    """Report where a NaN or an infinity in the loss or in a parameter's gradient began."""
    loss, ledger = survey.loss, survey.ledger
    origins: dict[Node | None, tuple[str, list[Node]]] = {}
    known: dict[tuple[Node, int], Culprit] = {}
    is_finite = np.isfinite(loss._numbers).all()
    if not is_finite:
        node, why = behind_data(ledger, loss, _worst(loss._numbers))
        origins[node] = why, [loss]
    for p in survey.parameters:
        if not np.isfinite(g := survey.grads.get(p, 0.0)).all():
            node, why = behind_gradient(ledger, p, _worst(g), known)
            origins.setdefault(node, (why, []))[1].append(p)
    for node, (why, reached) in origins.items():
        says = f"{survey.call(loss)} is {on_a_line(loss.data)}"
        if bad := [v for v in reached if v is not loss]:
            also = "but" if is_finite else "and"
            says += f", {also} the gradients of {survey.count(bad)} are not finite"
        name = "the gradient that was given" if node is None else survey.call(node)
        nodes = () if node is None else (node,)
        yield Finding(NOT_FINITE, WRONG_NUMBERS, name, says, f"{why}. {_fix(node)}", nodes)


def _fix(node: Node | None) -> str:
    """Write what to do where a number that is not finite began; None is the gradient given."""
    if node is None:
        return "Pass a gradient of finite numbers"
    if not node.parents:
        return SMALLER if np.isfinite(node._numbers).all() else SET
    if not all(isinstance(p, Node) or np.isfinite(p).all() for p in node.parents):
        return "Make its constant finite, such as the input data"
    fix = FIXES.get(node.op, SMALLER) if is_ours(node.rule) else OWN_RULE
    finite = all(np.isfinite(x).all() for x in operands_of(node))
    if not finite and (node.op == "div" or fix is SMALLER):
        return "Keep its operands finite"
    if node.op in ("sqrt", "power", "div"):
        x, y = np.broadcast_arrays(operands_of(node)[node.op == "div"], node._numbers)
        if not np.isfinite(y).all():
            x, y = x[~np.isfinite(y)], y[~np.isfinite(y)]
        if node.op == "sqrt" and np.any(x < 0):
            fix = ABOVE_0
        overflows = {"power": (x != 0) & ~np.isnan(y), "div": np.abs(x) >= 1}
        if np.all(overflows.get(node.op, False)):
            fix = SMALLER
    return fix


def _worst(x: Any) -> int:
    """Return the place of the first NaN, or of the first infinity if there is none."""
    flat = np.reshape(x, -1)
    return int(np.argmax(np.where(np.isnan(flat), 2, np.isinf(flat))))


def underflow(survey: Survey) -> Iterator[Finding]:
    """Report parameters whose whole gradient is too small for the full precision of its dtype."""
    sizes = {
        p: np.abs(survey.grads[p]).max(initial=0.0) for p in survey.parameters if p in survey.grads
    }
    small = [p for p, size in sizes.items() if 0 < size < np.finfo(p.dtype).tiny]
    if small:
        largest = max(sizes[p] for p in small)
        tiny, dtype = max((np.finfo(p.dtype).tiny, str(p.dtype)) for p in small)
        says = f"gradients are {largest:.2g} at most, in {counted(len(small), 'parameter')}"
        why = f"below {tiny:.2g} {dtype} loses digits, then everything: scale the loss up"
        yield Finding("underflow", PARTLY_LOST, survey.listed(small), says, why, tuple(small))


def cancelling(survey: Survey) -> Iterator[Finding]:
    """Report parameters whose gradient is a rounding error, since contributions cancel."""
    cancelled = {p: c for p in survey.parameters if (c := behind_rounding(survey.ledger, p))}
    if cancelled:
        first, name = next(iter(cancelled.values())), survey.listed(cancelled)
        why = (
            f"without their signs they sum to {number(first.terms)}, so the true gradient is 0: "
            f"{STATIONARY}"
        )
        yield Finding("cancels", SUSPICIOUS, name, first.says, why, tuple(cancelled))


def ties(survey: Survey) -> Iterator[Finding]:
    """Report ties in maxima whose winner changes a parameter's gradient."""
    try:
        found = find_ties(survey.loss).others
    except GraphError:  # data has changed: nothing can be run again
        return
    rows = grouped(found, lambda tie: (survey.row(tie.node), tie.node.op))
    for (row, op), tied in rows.items():
        first = tied[0]
        nodes = tuple(dict.fromkeys(tie.node for tie in tied))
        windows = sum(node.size for node in nodes)
        name = survey.call(first.node) if len(nodes) == 1 else row
        says = f"{counted(len(tied), 'tie')} in {counted(windows, 'window')} of {op}"
        says += ", where the winner changes a parameter's gradient"
        why = (
            f"{_candidates(survey, first)} are equal, {number(first.value)}: {_paid(first)}. Equal "
            "weights or inputs cause ties: draw weights at random, or choose who wins with ties="
        )
        yield Finding("ties", SUSPICIOUS, name, says, why, nodes)


def _candidates(survey: Survey, tie: Tie) -> str:
    """Name the first elements that share a maximum, and count the others."""
    parents = tie.node.parents
    cells = [place if parents[1:] else (0, *place) for place in tie.places[:3]]
    operands = ((parents[i], cell) for i, *cell in cells)
    names = [
        survey.brief(p) + subscript(c) if isinstance(p, Node) else "a number" for p, c in operands
    ]
    return several(names + [""] * (len(tie.places) - 3), 3)


def _paid(tie: Tie) -> str:
    """Write who gets the gradient of a tie, here and in PyTorch."""
    if not is_ours(tie.node.rule):
        return "the rule decides who gets the gradient"
    here, same = PAID[tie.node.options.get("ties", "first")]
    if tie.torch in same:
        return f"here, as in PyTorch, {here}"
    return f"here {here}, in PyTorch {tie.torch}"
