"""Loss functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.engine.data import to_constant, to_data
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, ShapeError, SubscriptError
from tinygrad_pool.functional.operations import log_softmax


def cross_entropy(scores: Any, labels: Any) -> Value:
    """Average −ln softmax(scores)[label] over the batch, without overflow.

    E = −(1/n) Σ_i ln y_i,label(i),  y = softmax(scores)            ∂E/∂scores = (y − onehot) / n

    Shapes: scores (n, classes), labels (n,), whole numbers from 0 to classes − 1.

    Raises ShapeError; DataError for labels that are not integers; SubscriptError for a label out of
    range.

    >>> E = cross_entropy(Value([[0.0, 0.0]]), [1])
    >>> round(E.data.item(), 4)
    0.6931
    """
    scores = _value(scores, "cross_entropy: scores")
    classes = np.asarray(to_constant(labels, "cross_entropy: labels"))
    if len(scores.shape) != 2 or classes.shape != scores.shape[:1]:
        raise ShapeError(
            "cross_entropy: needs scores (n, classes) and labels (n,), "
            f"got {scores.shape} and {classes.shape}"
        )
    _check_some("cross_entropy", scores)
    if classes.dtype.kind not in "iu":
        odd = next((c for c in classes.tolist() if c % 1), classes[0])
        raise DataError(f"cross_entropy: labels must be integers, got {odd} in {classes.dtype}")
    wrong = classes[(classes < 0) | (classes >= scores.shape[1])]
    if wrong.size:
        raise SubscriptError(
            f"cross_entropy: labels must be in 0 … {scores.shape[1] - 1}, got {wrong[0]}"
        )
    return -log_softmax(scores)[np.arange(len(classes)), classes].mean()


def mse_loss(y: Any, target: Any) -> Value:
    """Average the squared difference.

    E = (1/n) Σ (y_i − t_i)²            ∂E/∂y_i = 2 (y_i − t_i) / n

    Raises ShapeError unless both have the same shape; DataError if they are not numbers.

    >>> mse_loss(Value([1.0, 2.0]), [1.0, 4.0]).item()
    2.0
    """
    y, target = _value(y, "mse_loss: y"), _value(target, "mse_loss: target")
    if target.shape != y.shape:
        raise ShapeError(f"mse_loss: y and target need one shape, got {y.shape} and {target.shape}")
    _check_some("mse_loss", y)
    difference: Value = y - target
    return (difference**2).mean()


def _check_some(name: str, scores: Value) -> None:
    """Raise ShapeError if there is nothing to average."""
    if not scores.size:
        raise ShapeError(f"{name}: needs at least one example, got shape {scores.shape}")


def _value(x: Any, what: str) -> Value:
    return x if isinstance(x, Value) else Value(to_data(x, what))
