"""Losses."""

from functools import partial

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, OptionError, ShapeError, SubscriptError

SCORES = [[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]]


def test_cross_entropy_is_the_mean_negative_log_probability_of_the_labels():
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


@pytest.mark.parametrize(
    "options", [{"ignore_index": 1}, {"weight": [1.0, 3.0, 1.0]}, {"label_smoothing": 0.5}]
)
def test_the_mean_of_many_float16_losses_does_not_overflow(options):
    n = 70_000  # more than the largest float16
    scores, labels = np.zeros((n, 3), np.float16), np.zeros(n, int)
    labels[0] = 1
    x = Value(scores)
    E = nn.cross_entropy(x, labels, **options)
    E.backward()
    y = Value(scores.astype(np.float64))
    nn.cross_entropy(y, labels, **options).backward()
    assert E.dtype == np.float16
    assert E.item() == pytest.approx(np.log(3), rel=1e-3)
    np.testing.assert_allclose(x.grad, y.grad, 1e-2, 1e-7)


def test_a_sum_of_float16_losses_may_overflow_before_the_division():
    y, t = np.full((700, 100), -6.0, np.float16), np.full((700, 100), 0.25, np.float16)
    E = nn.kl_div(y, t, reduction="batchmean")
    assert E.dtype == np.float16
    assert E.item() == pytest.approx(100 * 0.25 * (np.log(0.25) + 6), rel=1e-3)


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
        (Value([0, 1]), DataError, r"labels must be integers, not a Value: v\.data\.astype"),
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


def test_losses_accept_plain_numbers():
    assert nn.cross_entropy([[0.0, 0.0]], [1]).item() == pytest.approx(np.log(2))
    assert nn.mse_loss([1.0, 2.0], [1.0, 4.0]).item() == 2.0
    assert nn.mse_loss(np.array([0], np.uint8), np.array([3], np.uint8)).item() == 9.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype(dtype):
    scores = Value(np.array(SCORES, dtype))
    assert nn.cross_entropy(scores, [0, 1]).dtype == dtype
    assert nn.mse_loss(scores, np.array(SCORES, dtype)).dtype == dtype


def test_arguments_that_are_not_numbers_are_named():
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
        ShapeError, match=r"mse_loss: y and target need the same shape, got \(2,\) and \(1,\)"
    ):
        nn.mse_loss(Value([1.0, 2.0]), [1.0])


@pytest.mark.parametrize("labels", [[], np.zeros(0), np.zeros(0, int)])
def test_an_empty_batch_is_an_error(labels):
    with pytest.raises(ShapeError, match="cross_entropy: needs at least one example, got shape "):
        nn.cross_entropy(Value(np.ones((0, 3))), labels)
    with pytest.raises(ShapeError, match="mse_loss: needs at least one example, got shape "):
        nn.mse_loss(np.ones((0, 3)), np.ones((0, 3)))


of = tg.functional
RNG = np.random.default_rng(0)
Y, T = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
SHARES = RNG.random((3, 4))
CALLS = {
    "mse": lambda y: of.mse_loss(y, T, "none"),
    "l1": lambda y: of.l1_loss(y, T, "sum"),
    "huber": lambda y: of.huber_loss(y, T, delta=0.5),
    "smooth l1": lambda y: of.smooth_l1_loss(y, T, beta=0.5),
    "smooth l1 of 0": lambda y: of.smooth_l1_loss(y, T, beta=0.0),
    "kl": lambda y: of.kl_div(y, np.where(SHARES > 0.5, SHARES, 0.0)),
    "kl of logs": lambda y: of.kl_div(y, T, "batchmean", log_target=True),
    "bce": lambda y: of.binary_cross_entropy(tg.sigmoid(y), SHARES, weight=[1, 2, 3, 4]),
    "bce of scores": lambda y: of.binary_cross_entropy_with_logits(y, SHARES),
    "bce weighted": lambda y: of.binary_cross_entropy_with_logits(
        y, SHARES, weight=np.ones((3, 1)), pos_weight=[1.0, 2.0, 3.0, 4.0]
    ),
    "ce": lambda y: of.cross_entropy(y, [0, 1, 3]),
    "ce of all": lambda y: of.cross_entropy(
        y, [0, 1, 3], weight=[1, 2, 3, 4], ignore_index=1, label_smoothing=0.1
    ),
    "ce of planes": lambda y: of.cross_entropy(y.reshape(1, 3, 4), [[0, 1, 2, -100]]),
    "ce of one": lambda y: of.cross_entropy(y[0], 2, label_smoothing=0.1),
    "ce of probabilities": lambda y: of.cross_entropy(
        y, SHARES, weight=[1, 2, 3, 4], label_smoothing=0.1
    ),
    "nll": lambda y: of.nll_loss(y, [0, 1, 3], weight=[1, 2, 3, 4], reduction="sum"),
}


@pytest.mark.parametrize("f", CALLS.values(), ids=CALLS)
def test_derivatives_and_instruments(f, works_everywhere):
    works_everywhere(f, Y)


def test_targets_and_probabilities_are_differentiated_too(check_gradient):
    check_gradient(of.mse_loss, Y, T)
    check_gradient(of.huber_loss, Y, T)
    check_gradient(of.cross_entropy, Y, SHARES)
    check_gradient(of.binary_cross_entropy, 0.1 + 0.8 * SHARES, SHARES)
    check_gradient(of.binary_cross_entropy_with_logits, Y, SHARES)
    check_gradient(lambda y, t: of.kl_div(y, t, log_target=True), Y, T)
    check_gradient(of.kl_div, Y, SHARES)


@pytest.mark.parametrize(
    ("loss", "curvature"),
    [
        (of.huber_loss, 1.0),
        (lambda y, t: of.huber_loss(y, t, delta=0.1), 1.0),
        (lambda y, t: of.smooth_l1_loss(y, t, beta=4.0), 0.25),
    ],
)
def test_a_smoothed_loss_is_curved_where_the_fit_is_exact(loss, curvature):
    assert tg.hessian(lambda y: loss(y, 3.0))(3.0) == curvature


def test_batchmean_of_a_single_number_divides_by_one():
    assert of.kl_div(-1.0, 1.0, reduction="batchmean").data == 1.0


def test_scores_of_a_thousand_do_not_overflow():
    x = Value([-1000.0, 1000.0, -1000.0, 1000.0])
    with np.errstate(all="raise", under="ignore"):
        E = of.binary_cross_entropy_with_logits(x, [0.0, 1.0, 1.0, 0.0], reduction="none")
        E.sum().backward()
    assert E.data.tolist() == [0.0, 0.0, 1000.0, 1000.0]
    assert x.grad.tolist() == [0.0, 0.0, -1.0, 1.0]


@pytest.mark.parametrize(("x", "t"), [(-20.0, 0.0), (20.0, 1.0)])
def test_a_certain_and_right_probability_still_has_a_gradient(x, t):
    v = Value(np.float32([x]))
    E = of.binary_cross_entropy_with_logits(v, np.float32([t]))
    E.backward()
    small = np.exp(-20.0)
    assert E.data == pytest.approx(small, rel=1e-6)
    assert v.grad[0] == pytest.approx(-np.sign(x) * small, rel=1e-6)


def test_a_certain_mistake_costs_100_as_in_pytorch():
    p = Value([0.0, 1.0, 0.0])
    with np.errstate(all="raise"):
        E = of.binary_cross_entropy(p, [1.0, 0.0, 0.0], reduction="none")
        E.sum().backward()
    assert E.data.tolist() == [100.0, 100.0, 0.0]
    assert p.grad.tolist() == [-1e12, 1e12, 0.0]
    assert of.binary_cross_entropy(0.5, 1.0).data == pytest.approx(np.log(2))


def test_ignored_examples_are_left_out_of_the_mean():
    whole = of.cross_entropy(Value(Y[:2]), [0, 1])
    some = of.cross_entropy(Value(Y), [0, 1, -100])
    assert some.item() == pytest.approx(whole.item())
    each = of.cross_entropy(Value(Y), [0, 1, -100], reduction="none")
    assert each.data[2] == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: of.mse_loss(Y, T, "avg"),
            OptionError,
            "mse_loss: reduction must be one of",
        ),
        (lambda: of.kl_div(Y, T, None), OptionError, "kl_div: reduction must be one of"),
        (
            lambda: of.huber_loss(Y, T, delta=0),
            OptionError,
            "huber_loss: delta must be a number above 0, got 0",
        ),
        (
            lambda: of.smooth_l1_loss(Y, T, beta=-1),
            OptionError,
            "beta must be a number of at",
        ),
        (lambda: of.l1_loss(Y, T[0]), ShapeError, "l1_loss: y and target need the same shape"),
        (
            lambda: of.binary_cross_entropy(Y, SHARES),
            DataError,
            "binary_cross_entropy: probabilities must be in 0 … 1, got -",
        ),
        (
            lambda: of.binary_cross_entropy_with_logits([2.0, -3.0], [1, -1]),
            DataError,
            "binary_cross_entropy_with_logits: targets must be in 0 … 1, got -1",
        ),
        (lambda: of.binary_cross_entropy(SHARES, T), DataError, "targets must be in 0 … 1"),
        (
            lambda: of.binary_cross_entropy(SHARES, SHARES, weight=[1.0, 2.0]),
            ShapeError,
            r"weight needs a shape that fits \(3, 4\), got \(2,\)",
        ),
        (
            lambda: of.binary_cross_entropy_with_logits(Y[0], SHARES[0], weight=np.ones((3, 1))),
            ShapeError,
            r"weight needs a shape that fits \(4,\), got \(3, 1\)",
        ),
        (
            lambda: of.cross_entropy(Y, [0, 1, 2], weight=[1.0]),
            ShapeError,
            r"weight needs 4 numbers, one per class, got shape \(1,\)",
        ),
        (
            lambda: of.cross_entropy(Y, [0, 1, 2], label_smoothing=2),
            OptionError,
            "label_smoothing must be a number from 0 to 1, got 2",
        ),
        (
            lambda: of.cross_entropy(Y, [0, 1, 2], ignore_index=None),
            OptionError,
            "ignore_index must be an integer, got None",
        ),
        (
            lambda: of.nll_loss(Y, [-100] * 3),
            ShapeError,
            "nll_loss: needs at least one example, all are ignore_index=-100",
        ),
        (lambda: of.cross_entropy(Y, np.eye(3, 4, dtype=int)), ShapeError, "must be floats"),
        (lambda: of.cross_entropy(Value(1.0), 0), ShapeError, r"got \(\) and \(\)"),
        (lambda: of.cross_entropy(np.ones((0, 2)), np.ones((0, 2))), ShapeError, "at least one ex"),
    ],
)
def test_arguments_that_do_not_fit_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "loss",
    [
        nn.mse_loss,
        nn.l1_loss,
        nn.huber_loss,
        nn.smooth_l1_loss,
        nn.kl_div,
        partial(nn.kl_div, log_target=True),
        nn.binary_cross_entropy,
        nn.binary_cross_entropy_with_logits,
    ],
)
def test_a_target_that_is_not_a_value_is_a_constant(loss):
    y, t = Value([0.25, 0.5], label="y"), np.array([1.0, 0.5])
    (leaf,) = [node for node in topological_order(loss(y, t)) if node.is_leaf]
    assert leaf is y
    target = Value(t)
    both = loss(y, target)
    assert target in topological_order(both)
    assert both.item() == loss(y, t).item()
    assert tg.grad(both, [y])[0].tolist() == tg.grad(loss(y, t), [y])[0].tolist()


@pytest.mark.parametrize("y", [np.float16(-1.0), np.float32(-1.0), -1.0])
@pytest.mark.parametrize(("t", "log_target"), [(0.5, False), (-0.5, True)])
def test_a_number_for_a_target_does_not_change_the_dtype(y, t, log_target):
    assert type(nn.kl_div(Value(y), t, log_target=log_target).data) is type(y)
