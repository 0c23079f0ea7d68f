"""Losses, with PyTorch's formulas and defaults."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from tinygrad_pool.engine.data import to_constant, to_data, unbroadcast_axes
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import DataError, ShapeError, SubscriptError
from tinygrad_pool.formatting import counted
from tinygrad_pool.functional.activations import softplus
from tinygrad_pool.functional.operations import abs as magnitude, clip, log_softmax, value
from tinygrad_pool.rules import entropies
from tinygrad_pool.rules.arguments import POSITIVE, choice, count_of, flag, real
from tinygrad_pool.rules.half_precision import as_given, widened
from tinygrad_pool.rules.masks import plain

Reduction: TypeAlias = Literal["mean", "sum", "none"]
"""How to combine the losses of the examples: their mean, their sum, or not at all."""

_binary_cross_entropy = lift(entropies.binary_cross_entropy)


def mse_loss(y: Any, target: Any, reduction: Reduction = "mean") -> Value:
    """Compute the mean squared difference.

    E = (1/n) Σ (y_i − t_i)²            ∂E/∂y_i = 2 (y_i − t_i) / n

    Raises ShapeError unless both have the same shape; DataError if they are not numbers;
    OptionError for another reduction.

    >>> mse_loss(Value([1.0, 2.0]), [1.0, 4.0]).item()
    2.0
    """
    return _reduced("mse_loss", _difference("mse_loss", y, target) ** 2, reduction)


def l1_loss(y: Any, target: Any, reduction: Reduction = "mean") -> Value:
    """Compute the mean absolute difference; the slope is 0 where y equals the target.

    E = (1/n) Σ |y_i − t_i|            ∂E/∂y_i = sign(y_i − t_i) / n

    Raises the errors of mse_loss.

    >>> l1_loss(Value([1.0, 2.0]), [1.0, 4.0]).item()
    1.0
    """
    return _reduced("l1_loss", magnitude(_difference("l1_loss", y, target)), reduction)


def huber_loss(y: Any, target: Any, reduction: Reduction = "mean", delta: float = 1.0) -> Value:
    """Compute the mean Huber loss: quadratic for differences below δ, linear above.

    E = (1/n) Σ d²/2 where d = |y_i − t_i| < δ, else δ (d − δ/2)

    Raises the errors of mse_loss; OptionError unless δ > 0.

    >>> huber_loss(Value([0.0, 0.0]), [1.0, 3.0]).item()
    1.5
    """
    delta = real(delta, "huber_loss: delta", least=POSITIVE)
    return _reduced("huber_loss", _huber(_difference("huber_loss", y, target), delta), reduction)


def smooth_l1_loss(y: Any, target: Any, reduction: Reduction = "mean", beta: float = 1.0) -> Value:
    """Compute the mean absolute difference, smoothed below β: huber_loss / β, or l1_loss if β = 0.

    E = (1/n) Σ d² / (2 β) where d = |y_i − t_i| < β, else d − β/2

    Raises the errors of mse_loss; OptionError unless β ≥ 0.

    >>> smooth_l1_loss(Value([0.0, 0.0]), [1.0, 3.0], beta=2.0).item()
    1.125
    """
    beta, d = real(beta, "smooth_l1_loss: beta", 0.0), _difference("smooth_l1_loss", y, target)
    losses = _huber(d, beta) / beta if beta else magnitude(d)
    return _reduced("smooth_l1_loss", losses, reduction)


def kl_div(y: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Value:
    """Compute the Kullback–Leibler divergence of log-probabilities y from probabilities t.

    E = (1/n) Σ t_i (ln t_i − y_i); with log_target, the target contains ln t_i

    reduction="batchmean" divides by the number of examples, as in its definition, not of elements.

    Raises the errors of mse_loss.

    >>> kl_div(Value([[-1.0, 0.0]]), [[1.0, 0.0]], reduction="batchmean").item()
    1.0
    """
    y, t = _pair("kl_div", y, target)
    check_reduction("kl_div", reduction, "batchmean")
    if flag(log_target, "kl_div: log_target"):
        losses = plain(np.exp(t), t) * (t - y)
    else:
        entropy = np.where(t > 0, t * np.log(np.where(t > 0, t, 1.0)), 0.0)
        losses = plain(entropy, t) - t * y
    if reduction == "batchmean":
        return _divided(losses, len(y) if y.ndim else 1)
    return _reduced("kl_div", losses, reduction)


def binary_cross_entropy(
    p: Any, target: Any, weight: Any = None, reduction: Reduction = "mean"
) -> Value:
    """Compute the mean of −t ln p − (1 − t) ln(1 − p) for probabilities p.

    ∂E/∂p_i = (p_i − t_i) / (p_i (1 − p_i)) / n

    Logarithms are at least −100, and p_i (1 − p_i) is at least 10⁻¹². More accurate is
    binary_cross_entropy_with_logits, which accepts the input of the sigmoid.

    Raises the errors of mse_loss; DataError if a probability or a target is outside 0 … 1.

    >>> binary_cross_entropy(Value([0.5]), [1.0]).item().__round__(4)
    0.6931
    """
    name = "binary_cross_entropy"
    p, target = _pair(name, p, target)
    _check_shares(name, p, "probabilities")
    _check_shares(name, target, "targets")
    return _reduced(name, _weighted(name, _binary_cross_entropy(p, target), weight), reduction)


def binary_cross_entropy_with_logits(
    scores: Any,
    target: Any,
    weight: Any = None,
    reduction: Reduction = "mean",
    pos_weight: Any = None,
) -> Value:
    """Compute the mean cross entropy of sigmoid(scores) and targets, without overflow.

    E = (1/n) Σ t_i ln(1 + exp −x_i) + (1 − t_i) ln(1 + exp x_i)

    ∂E/∂x_i = (σ(x_i) − t_i) / n

    `pos_weight` multiplies the term with t_i, `weight` each loss.

    Raises the errors of mse_loss, also if weights do not broadcast or a target is outside 0 … 1.

    >>> binary_cross_entropy_with_logits(Value([-1000.0, 1000.0]), [0.0, 1.0]).item()
    0.0
    """
    name = "binary_cross_entropy_with_logits"
    x, t = _pair(name, scores, target)
    _check_shares(name, t, "targets")
    positive = _weighted(name, softplus(-x, threshold=np.inf) * t, pos_weight, "pos_weight")
    losses = positive + softplus(x, threshold=np.inf) * (1 - t)
    return _reduced(name, _weighted(name, losses, weight), reduction)


def cross_entropy(
    scores: Any,
    labels: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Value:
    """Compute the mean of −ln softmax(scores)[label] over the batch, without overflow.

    E = −(1/n) Σ_i ln y_i,label(i),  y = softmax(scores)            ∂E/∂scores = (y − onehot) / n

    Shapes: scores (n, classes, ...), labels (n, ...); without n for a single example. Labels are
    integers from 0 to classes − 1, or floats with the shape of the scores: one probability per
    class.

    `weight`, one number per class, makes the mean a weighted one. Examples with the label
    `ignore_index` are left out. `label_smoothing` ε mixes ε / classes into the probabilities.

    Raises ShapeError if shapes do not fit; DataError for labels that are not integers;
    SubscriptError for a label out of range; OptionError for an option out of range.

    >>> E = cross_entropy(Value([[0.0, 0.0]]), [1])
    >>> round(E.data.item(), 4)
    0.6931
    """
    name = "cross_entropy"
    smoothing = real(label_smoothing, f"{name}: label_smoothing", 0.0, 1.0)
    scores = value(scores, f"{name}: scores")
    axis = min(1, scores.ndim - 1)
    if not isinstance(labels, Value):
        labels = np.asarray(to_constant(labels, f"{name}: labels"))
    if scores.ndim and labels.shape == scores.shape and labels.dtype.kind == "f":
        return _of_probabilities(scores, labels, weight, reduction, smoothing)
    labels = _labels(name, scores, labels, ignore_index)
    y = log_softmax(scores, axis=axis)
    if not smoothing:
        return _picked(name, y, labels, weight, ignore_index, reduction)
    w = _class_weights(name, y, weight)
    every = -(y * w).sum(axis=axis) if weight is not None else -y.sum(axis=axis)
    uniform = np.where(labels == ignore_index, 0.0, every) * (smoothing / y.shape[axis])
    one_hot = _picked(name, y, labels, weight, ignore_index, "none") * (1.0 - smoothing)
    return _averaged(name, one_hot + uniform, _counts(w, labels, ignore_index), reduction)


def nll_loss(
    y: Any,
    labels: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Value:
    """Compute the mean of −y[label] over the batch, for log-probabilities y.

    E = −(1/n) Σ_i y_i,label(i)

    Labels, options and errors are those of cross_entropy.

    >>> nll_loss(Value([[-1.0, -2.0]]), [1]).item()
    2.0
    """
    y = value(y, "nll_loss: y")
    labels = _labels("nll_loss", y, labels, ignore_index)
    return _picked("nll_loss", y, labels, weight, ignore_index, reduction)


def check_reduction(name: str, reduction: Any, *more: str) -> Any:
    """Return a reduction. Raises OptionError if it is unknown."""
    return choice(reduction, (*get_args(Reduction), *more), f"{name}: reduction")


def _labels(name: str, scores: Value, labels: Any, ignore_index: Any) -> Any:
    """Read labels: one integer per example, below the number of classes."""
    if isinstance(labels, Value):  # its data are floats
        raise DataError(f"{name}: labels must be integers, not a Value: v.data.astype(int)")
    labels = np.asarray(to_constant(labels, f"{name}: labels"))
    axis, shape = min(1, scores.ndim - 1), scores.shape
    if not shape or labels.shape != (*shape[:axis], *shape[axis + 1 :]):
        raise ShapeError(
            f"{name}: needs scores (n, classes, ...) and labels (n, ...), "
            f"got {shape} and {labels.shape}; labels that are probabilities must be floats"
        )
    _check_not_empty(name, scores)
    if labels.dtype.kind not in "iu":
        wrong = next((c for c in labels.reshape(-1).tolist() if c % 1), labels.reshape(-1)[0])
        raise DataError(f"{name}: labels must be integers, got {wrong} in {labels.dtype}")
    count_of(ignore_index, f"{name}: ignore_index")
    out = (labels < 0) | (labels >= shape[axis])
    wrong = labels[out & (labels != ignore_index)]
    if wrong.size:
        raise SubscriptError(f"{name}: labels must be in 0 … {shape[axis] - 1}, got {wrong[0]}")
    if (labels == ignore_index).all():
        raise ShapeError(f"{name}: needs at least one example, all are ignore_index={ignore_index}")
    return labels


def _picked(
    name: str, y: Value, labels: Any, weight: Any, ignore_index: int, reduction: Reduction
) -> Value:
    """Reduce −y at the labels."""
    check_reduction(name, reduction)
    left_out = labels == ignore_index
    unweighted = weight is None and not left_out.any()
    places = [*np.ix_(*map(np.arange, labels.shape))]
    places.insert(min(1, y.ndim - 1), labels if unweighted else np.where(left_out, 0, labels))
    chosen = y[tuple(places)]
    if unweighted:
        return -chosen.mean() if reduction == "mean" else _reduced(name, -chosen, reduction)
    counts = _counts(_class_weights(name, y, weight), labels, ignore_index)
    losses = np.where(left_out, 0.0, -chosen) * counts
    return _averaged(name, losses, counts, reduction)


def _class_weights(name: str, y: Value, weight: Any) -> Any:
    """Return the weights of the classes, shaped to broadcast along their axis."""
    axis = min(1, y.ndim - 1)
    classes = y.shape[axis]
    w = np.ones(classes) if weight is None else np.asarray(to_data(weight, f"{name}: weight"))
    if w.shape != (classes,):
        raise ShapeError(
            f"{name}: weight needs {counted(classes, 'number')}, one per class, got shape {w.shape}"
        )
    return w.astype(y.dtype).reshape(-1, *(1,) * (y.ndim - 1 - axis))


def _counts(weights: Any, labels: Any, ignore_index: int) -> Any:
    """Return the weight of each example: that of its class, or 0 if it is left out."""
    left_out = labels == ignore_index
    return np.where(left_out, 0, weights.reshape(-1)[np.where(left_out, 0, labels)])


def _of_probabilities(
    scores: Value, target: Any, weight: Any, reduction: Reduction, smoothing: float
) -> Value:
    """Compute −Σ_c w_c t_c ln y_c for each example."""
    name, axis = "cross_entropy", min(1, scores.ndim - 1)
    _check_not_empty(name, scores)
    t = value(target, f"{name}: labels")
    if smoothing:
        t = t * (1.0 - smoothing) + smoothing / scores.shape[axis]
    w = _class_weights(name, scores, weight)
    y = log_softmax(scores, axis=axis) * t
    return _reduced(name, -(y if weight is None else y * w).sum(axis=axis), reduction)


def _averaged(name: str, losses: Value, counts: Any, reduction: Reduction) -> Value:
    """Reduce losses; their mean divides by the sum of the counts."""
    if reduction == "mean":
        return _divided(losses, float(widened(counts).sum()))
    return _reduced(name, losses, reduction)


def _divided(losses: Value, count: float) -> Value:
    """Divide the sum of the losses, computed in float32 for float16, where it may overflow."""
    y: Value = as_given(widened(losses).sum() / count, losses)
    return y


def _reduced(name: str, losses: Value, reduction: str) -> Value:
    check_reduction(name, reduction)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _pair(name: str, y: Any, target: Any) -> tuple[Value, Any]:
    """Read y and target, of the same shape; a target that is not a Value is a constant."""
    y, t = value(y, f"{name}: y"), value(target, f"{name}: target")
    if t.shape != y.shape:
        raise ShapeError(f"{name}: y and target need the same shape, got {y.shape} and {t.shape}")
    _check_not_empty(name, y)
    return y, t if isinstance(target, Value) else t.data


def _check_shares(name: str, x: Any, what: str) -> None:
    """Raise DataError unless all numbers are from 0 to 1."""
    shares = np.asarray(x._numbers if isinstance(x, Value) else x)
    out = (shares < 0) | (shares > 1)
    if out.any():
        wrong = shares[out][0]
        raise DataError(f"{name}: {what} must be in 0 … 1, got {wrong:g}")


def _difference(name: str, y: Any, target: Any) -> Value:
    a, b = _pair(name, y, target)
    difference: Value = a - b
    return difference


def _huber(difference: Value, delta: float) -> Value:
    near = clip(difference, -delta, delta)
    return near * (difference - 0.5 * near)


def _weighted(name: str, losses: Value, weight: Any, what: str = "weight") -> Value:
    """Multiply losses by a weight that broadcasts to them."""
    if weight is None:
        return losses
    w = np.asarray(to_constant(weight, f"{name}: {what}"), losses.dtype)
    if unbroadcast_axes(w.shape, losses.shape) is None:
        raise ShapeError(f"{name}: {what} needs a shape that fits {losses.shape}, got {w.shape}")
    return losses * w


def _check_not_empty(name: str, scores: Value) -> None:
    """Raise ShapeError if there are no elements."""
    if not scores.size:
        raise ShapeError(f"{name}: needs at least one example, got shape {scores.shape}")
