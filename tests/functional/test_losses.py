"""Losses."""

import numpy as np
import pytest

from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, ShapeError, SubscriptError

SCORES = [[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]]


def test_cross_entropy_is_minus_the_mean_log_share_of_the_labels():
    shares = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    scores = Value(SCORES)
    E = nn.cross_entropy(scores, [2, 0])
    E.backward()
    assert E.item() == pytest.approx(-(np.log(shares[0, 2]) + np.log(shares[1, 0])) / 2)
    assert scores.grad == pytest.approx((shares - [[0, 0, 1], [1, 0, 0]]) / 2)


def test_cross_entropy_does_not_overflow():
    E = nn.cross_entropy(Value([[1e4, -1e4]]), [1])
    E.backward()
    assert E.item() == 2e4


def test_mse_is_the_mean_square():
    y = Value([1.0, 2.0])
    E = nn.mse_loss(y, [1.0, 4.0])
    E.backward()
    assert E.item() == 2.0
    assert np.array_equal(y.grad, [0.0, -2.0])
    target = Value([1.0, 4.0])
    nn.mse_loss(Value([1.0, 2.0]), target).backward()
    assert np.array_equal(target.grad, [0.0, 2.0])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0.0, 1.0], DataError, "labels must be integers, got 0.0 in float64"),
        ([0, np.nan], DataError, "labels must be integers, got nan in float64"),
        ([1.0, 0.5], DataError, "labels must be integers, got 0.5 in float64"),
        ([True, False], DataError, "labels must be integers, got True in bool"),
        (["a", "b"], DataError, "labels: needs real numbers, got <U1"),
        ([[0], [1, 2]], DataError, "labels: needs numbers in a regular shape"),
        (Value([0, 1]), DataError, "labels: needs numbers, got Values"),
        ([0, 3], SubscriptError, "labels must be in 0 … 2, got 3"),
        ([0, -1], SubscriptError, "labels must be in 0 … 2, got -1"),
        ([], ShapeError, r"got \(2, 3\) and \(0,\)"),
        (0, ShapeError, r"got \(2, 3\) and \(\)"),
        ([0], ShapeError, r"got \(2, 3\) and \(1,\)"),
        ([[0, 1]], ShapeError, r"got \(2, 3\) and \(1, 2\)"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, error, message):
    with pytest.raises(error, match=f"cross_entropy: .*{message}"):
        nn.cross_entropy(Value(SCORES), labels)


def test_losses_take_plain_numbers_too():
    assert nn.cross_entropy([[0.0, 0.0]], [1]).item() == pytest.approx(np.log(2))
    assert nn.mse_loss([1.0, 2.0], [1.0, 4.0]).item() == 2.0
    assert nn.mse_loss(np.array([0], np.uint8), np.array([3], np.uint8)).item() == 9.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype(dtype):
    scores = Value(np.array(SCORES, dtype))
    assert nn.cross_entropy(scores, [0, 1]).dtype == dtype
    assert nn.mse_loss(scores, np.array(SCORES, dtype)).dtype == dtype


def test_numbers_that_are_none_are_named():
    with pytest.raises(DataError, match="mse_loss: target: needs numbers in a regular shape"):
        nn.mse_loss(Value([1.0, 2.0]), [[1.0], [1.0, 2.0]])
    with pytest.raises(DataError, match="mse_loss: y: needs real numbers, got <U1"):
        nn.mse_loss("a", 1.0)
    with pytest.raises(DataError, match="cross_entropy: scores: needs real numbers"):
        nn.cross_entropy([["a"]], [0])


def test_scores_need_two_axes_and_targets_the_shape_of_y():
    with pytest.raises(ShapeError, match=r"got \(3,\) and \(3,\)"):
        nn.cross_entropy(Value([1.0, 2.0, 3.0]), [0, 1, 2])
    with pytest.raises(
        ShapeError, match=r"mse_loss: y and target need one shape, got \(2,\) and \(1,\)"
    ):
        nn.mse_loss(Value([1.0, 2.0]), [1.0])


@pytest.mark.parametrize("labels", [[], np.zeros(0), np.zeros(0, int)])
def test_no_examples_have_no_loss(labels):
    with pytest.raises(ShapeError, match="cross_entropy: needs at least one example, got shape "):
        nn.cross_entropy(Value(np.ones((0, 3))), labels)
    with pytest.raises(ShapeError, match="mse_loss: needs at least one example, got shape "):
        nn.mse_loss(np.ones((0, 3)), np.ones((0, 3)))
