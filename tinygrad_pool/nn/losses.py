"""Losses: what a network is asked to make small."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.engine import Value
from tinygrad_pool.errors import DataError, ShapeError, SubscriptError
from tinygrad_pool.operations import log_softmax


def cross_entropy(scores: Value, labels: Any) -> Value:
    """Average −ln softmax(scores)[label] over the batch, without overflow.

    E = −(1/n) Σ_i ln y_i,label(i),  y = softmax(scores)            ∂E/∂scores = (y − onehot) / n

    Shapes: scores (n, classes), labels (n,), whole numbers from 0 to classes − 1.

    Raises ShapeError, DataError for labels that are no whole numbers, SubscriptError for one that
    is out of range.

    >>> E = cross_entropy(Value([[0.0, 0.0]]), [1])
    >>> round(E.data.item(), 4)
    0.6931
    """
    classes = np.asarray(labels)
    if classes.dtype.kind not in "iu":
        raise DataError(f"cross_entropy: labels must be whole numbers, got {labels!r:.80}")
    if len(scores.shape) != 2 or classes.shape != scores.shape[:1]:
        raise ShapeError(
            "cross_entropy: needs scores (n, classes) and labels (n,), "
            f"got {scores.shape} and {classes.shape}"
        )
    wrong = classes[(classes < 0) | (classes >= scores.shape[1])]
    if wrong.size:
        raise SubscriptError(
            f"cross_entropy: label {wrong[0]} is not among the {scores.shape[1]} classes, from 0"
        )
    return -log_softmax(scores)[np.arange(len(classes)), classes].mean()


def mse_loss(y: Value, target: Any) -> Value:
    """Average the squared difference.

    E = (1/n) Σ (y_i − t_i)²            ∂E/∂y_i = 2 (y_i − t_i) / n

    Raises ShapeError unless both have one shape.

    >>> mse_loss(Value([1.0, 2.0]), [1.0, 4.0]).item()
    2.0
    """
    if np.shape(target) != y.shape:
        raise ShapeError(f"mse_loss: y has shape {y.shape}, and the target {np.shape(target)}")
    difference: Value = y - target
    return (difference**2).mean()
