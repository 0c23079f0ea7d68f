"""Wrong inputs to a loss: probabilities for scores, a row for a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.sparse_jacobian import operands_of
from tinygrad_pool.diagnosis.findings import FEW, SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey, first_of, made_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import counted, number
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules import activations, arithmetic, elementwise, linear, reductions, shaping
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.traits import traits_of

SQUASHES = (reductions.softmax, elementwise.sigmoid)

SQUASHED: dict[Any, tuple[Rule, ...]] = {
    reductions.log_softmax: (*SQUASHES, elementwise.relu),
    reductions.softmax: (reductions.softmax,),
    activations.softplus: (elementwise.sigmoid, elementwise.relu),
}
"""For each rule that needs scores: the activations whose output it must not be given."""

RANGES: dict[Any, tuple[float, float]] = {
    reductions.softmax: (0.0, 1.0),
    elementwise.sigmoid: (0.0, 1.0),
    elementwise.tanh: (-1.0, 1.0),
    elementwise.relu: (0.0, np.inf),
}
"""The ranges of activations."""

SHARE = 0.1
"""A smaller share of targets that are out of reach is not reported."""

MEANS = (arithmetic.neg, arithmetic.div, reductions.sum, reductions.mean)
LINEAR = (*MEANS, arithmetic.mul)


def wrong_inputs(survey: Survey) -> Iterator[Finding]:
    """Report wrong inputs to a loss."""
    after = [node for node in survey.nodes if node in survey.after]
    yield from _broadcast(survey, after)
    yield from _squashed_twice(survey)
    for kind, check in CHECKS.items():
        for node in after:
            for says, why in check(survey, node):
                yield Finding(kind, SUSPICIOUS, survey.call(node), says, why, (node,))
    yield from _wrong_sign(survey)


def _broadcast(survey: Survey, after: list[Node]) -> Iterator[Finding]:
    """Report a loss that combines each prediction with every target: shapes (n, 1) and (n,)."""
    pairs = [node for node in after if _combines_all(node)]
    if pairs:
        node, n = pairs[0], f"{pairs[0].shape[0]:,}"
        shapes = " and ".join(str(np.shape(x)) for x in operands_of(node))
        says = f"shapes {shapes} broadcast to ({n}, {n})"
        fix = "give both the same shape, for example with t.reshape(-1, 1)"
        if node.rule is shaping.getitem:
            says = f"all {n} labels are taken of each of {n} examples: shape ({n}, {n})"
            fix = "take one label of each with y[np.arange(n), labels]"
        says += f", and the same in {counted(len(pairs) - 1, 'other node')}" if pairs[1:] else ""
        why = f"each of {n} examples is combined with every other{made_at(node)}. If every pair is "
        why += f"intended, ignore this; otherwise {fix}"
        yield Finding("broadcast", SUSPICIOUS, survey.call(node), says, why, tuple(pairs))


def _combines_all(node: Node) -> bool:
    """Return whether a column is combined with a row, one of which was not computed."""
    n, y = node.shape[0] if node.shape else 0, first_of(node)
    if node.shape != (n, n) or n < 2 or node.rule is linear.matmul:
        return False
    if node.rule is shaping.getitem and y is not None:
        key = _key(node)
        whole = len(key) == 2 and isinstance(key[0], slice) and len(_arrays(node)) == 1
        return whole and y.shape[0] == n != y.shape[1]
    if all(isinstance(p, Node) and p.is_interior for p in node.parents):
        return False
    shapes = {np.shape(x) for x in operands_of(node)} - {()}
    return shapes in ({(n,), (n, 1)}, {(1, n), (n, 1)})


def _squashed_twice(survey: Survey) -> Iterator[Finding]:
    """Report a loss of scores that receives probabilities, as in cross_entropy(softmax(x), t)."""
    squashed = {
        node: below
        for node in survey.nodes
        if node.rule in SQUASHED
        and (scores := first_of(node)) is not None
        and (below := made_of(scores)).rule in SQUASHED[node.rule]
    }
    if squashed:
        node, below = next(iter(squashed.items()))
        limits = "between 0 and 1"
        why = "given probabilities, the loss cannot get near 0, and its gradients are small"
        if below.rule is elementwise.relu:
            limits, why = "never below 0", "scores below 0 are lost, and get no gradient"
        says = f"{node.op} needs scores, but its input {survey.call(below)} is {limits}"
        why += f"{made_at(node)}. Pass the loss what comes before {below.op}"
        yield Finding("squashed twice", SUSPICIOUS, survey.call(node), says, why, tuple(squashed))


def _out_of_reach(survey: Survey, node: Node) -> Iterator[tuple[str, str]]:
    """Report targets that the last activation cannot output, such as −1 of a sigmoid."""
    terms = (arithmetic.add, arithmetic.sub)  # of a result, and not of an error
    if node.rule is not arithmetic.sub or any(v.rule in terms for v in survey.above(node)):
        return
    for y, t in (node.parents, node.parents[::-1]):
        if not isinstance(y, Node) or not _is_given(survey, t) or np.size(t) < FEW:
            continue
        targets = np.asarray(t._numbers if isinstance(t, Node) else t)
        low, high = RANGES.get((last := made_of(y)).rule, (-np.inf, np.inf))
        beyond = np.sum((targets < low) | (targets > high))
        if beyond >= SHARE * targets.size:
            to = f"to {number(high)}" if high < np.inf else "up"
            yield (
                f"{beyond:,} of {targets.size:,} targets are out of reach: {survey.call(last)} "
                f"outputs numbers from {number(low)} {to}",
                f"the targets range from {number(targets.min())} to {number(targets.max())}"
                f"{made_at(node)}. Scale them, or leave out {last.op}",
            )


def _is_given(survey: Survey, x: Any) -> bool:
    """Return whether an operand is a constant, or a leaf that is not a parameter."""
    return not isinstance(x, Node) or (x.is_leaf and x not in survey.parameters)


def _over_examples(survey: Survey, node: Node) -> Iterator[tuple[str, str]]:
    """Report a loss whose softmax is taken over the examples instead of the classes."""
    axis = survey.batch_axis(2)
    if (
        node.rule in (reductions.softmax, reductions.log_softmax)
        and node.ndim > 1
        and axes_of(node.shape, node.options.get("axis", -1), node.op) == (axis,)
        and len({1, *node.shape[:2]}) == 3  # neither pairs nor one of each
        and _logged(survey, node)
    ):
        n, classes = node.shape[axis], node.shape[1 - axis]
        yield (
            f"{node.op} is taken over {n:,} examples, not over {classes:,} classes",
            f"its axis {axis} is that of the examples{made_at(node)}. With axis={1 - axis} the "
            "probabilities of each example sum to 1",
        )


def _logged(survey: Survey, node: Node) -> bool:
    """Return whether a softmax is followed by a logarithm, within a few nodes."""
    nodes = [node]
    for _ in range(5):
        if any(v.rule is elementwise.log for v in nodes):
            return True
        nodes = [user for v in nodes for user in survey.above(v)]
    return node.rule is reductions.log_softmax


def _no_logarithm(survey: Survey, node: Node) -> Iterator[tuple[str, str]]:
    """Report a loss that sums the probabilities, or scores, of the labels without a logarithm."""
    taken = _taken(survey, node)
    if taken is None or not _linear(survey, node):
        return
    y = made_of(taken)
    probable = y.rule in SQUASHES
    alone = _is_layer(y) and len(survey.users[taken]) == 1
    if (probable or alone) and np.any(np.asarray(taken._numbers) > 0):
        what, why = "scores", "such a loss can fall without end"
        if probable:
            what, why = "probabilities", "its gradient is small where the network is wrong"
        yield (
            f"the loss sums {what} of {survey.call(y)}, not logarithms of probabilities",
            f"{why}{made_at(node)}. Take log_softmax of the scores before nll_loss or an index by "
            "labels, or pass the scores to cross_entropy",
        )


def _is_layer(node: Node) -> bool:
    """Return whether a node is x W, or x W + b."""
    if node.rule is arithmetic.add:
        return any(isinstance(p, Node) and p.rule is linear.matmul for p in node.parents)
    return node.rule is linear.matmul


def _linear(survey: Survey, node: Node) -> bool:
    """Return whether a loss is a weighted sum of a node."""
    while node is not survey.loss:
        users = survey.above(node)
        if len(users) != 1:
            return False
        (node,) = users
        operands = [p for p in node.parents if isinstance(p, Node)]
        ratio = node.rule is arithmetic.div and np.ndim(node.parents[1])  # to old probabilities
        if node.rule not in LINEAR or len(operands) > 1 or ratio:
            return False
    return True


def _labels_below_0(_: Survey, node: Node) -> Iterator[tuple[str, str]]:
    """Report negative labels, which NumPy counts from the last class."""
    for k in _arrays(node) if _by_label(node) else ():
        if np.any(k < 0):
            least = number(int(k.min()))
            yield (
                f"{np.sum(k < 0):,} of {k.size:,} labels are below 0, such as {least}",
                f"NumPy counts them from the end: −1 is the last class{made_at(node)}. Number "
                "classes from 0, and leave out examples without one, as ignore_index does",
            )


CHECKS = {
    "out of reach": _out_of_reach,
    "wrong axis": _over_examples,
    "no logarithm": _no_logarithm,
    "labels": _labels_below_0,
}
"""Checks of a node, by their kind of finding: each yields what was measured, and why."""


def _by_label(node: Node) -> bool:
    """Return whether a node takes one element of each example, by arrays of rows and labels."""
    is_index = node.rule is shaping.getitem and node.parents and node.shape
    return bool(is_index) and len(_arrays(node)) > 1


def _taken(survey: Survey, node: Node) -> Node | None:
    """Return what a node takes one element of each example from: by labels, or times one-hot."""
    if _by_label(node):
        return first_of(node)
    pairs = zip(node.parents, reversed(node.parents), strict=True)
    known = (y for y, t in pairs if isinstance(y, Node) and _is_given(survey, t) and _is_one_hot(t))
    return next(known, None) if node.rule is arithmetic.mul else None


def _is_one_hot(t: Any) -> bool:
    """Return whether each row of a table has a 1, and zeros."""
    t = np.asarray(t._numbers if isinstance(t, Node) else t)
    return t.ndim == 2 and bool(np.all((t == 0) | (t == 1)) and np.all(t.sum(axis=1) == 1))


def _arrays(node: Node) -> list[Any]:
    """List the arrays of integers in the index of a getitem."""
    arrays = (np.asarray(k) for k in _key(node) if isinstance(k, list | np.ndarray))
    return [k for k in arrays if k.dtype.kind in "iu" and k.size > 1]


def _key(node: Node) -> tuple[Any, ...]:
    """Return the index of a getitem, as a tuple."""
    key = node.options.get("key", ())
    return key if isinstance(key, tuple) else (key,)


def _wrong_sign(survey: Survey) -> Iterator[Finding]:
    """Report minus a mean of errors, such as squares, and plus a mean of log probabilities."""
    node: Node = survey.loss
    while node.rule in MEANS and (below := first_of(node)) is not None:
        node = below
    if not node.size or node not in survey.after:
        return
    slopes, x = np.asarray(survey.grads.get(node, 0.0)), node.parents[0]
    of_labels = _logs_labels(survey, node)
    is_error = isinstance(x, Node) and x.rule is arithmetic.sub
    is_error = is_error and any(_is_given(survey, t) for t in x.parents)
    of_error = is_error and traits_of(node.rule).unit == "power"
    if (of_labels and np.all(slopes > 0)) or (of_error and np.all(slopes < 0)):
        loss, change = survey.loss, "labels get less probable" if of_labels else "error grows"
        says = f"the loss falls as the {change}"
        why = f"a smaller loss is worse{made_at(loss)}. Change its sign, unless you maximize it"
        yield Finding("wrong sign", SUSPICIOUS, survey.call(loss), says, why, (loss,))


def _logs_labels(survey: Survey, node: Node) -> bool:
    """Return whether a node is the log probability of each label."""
    logged = node.rule is elementwise.log
    if (taken := _taken(survey, node.parents[0] if logged else node)) is None:
        return False
    y = made_of(taken)
    if y.rule is elementwise.log and y.parents:
        logged, y = True, made_of(y.parents[0])
    return y.rule is (reductions.softmax if logged else reductions.log_softmax)
