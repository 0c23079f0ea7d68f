"""Layers as functions: linear, norms, dropout."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, OptionError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, (3, 4))
PLANES = RNG.normal(1.0, 2.0, (2, 4, 3))
W, B = RNG.normal(size=4), RNG.normal(size=4)


def standardized(x, axes):
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5)


NORMS = {
    "batch_norm": (X, (None, None, W, B, True), lambda: standardized(X, 0) * W + B),
    "layer_norm": (X, (4, W, B), lambda: standardized(X, 1) * W + B),
    "group_norm": (
        PLANES,
        (2,),
        lambda: standardized(PLANES.reshape(2, 2, 6), 2).reshape(PLANES.shape),
    ),
    "instance_norm": (
        PLANES,
        (None, None, W, B),
        lambda: standardized(PLANES, 2) * W[:, None] + B[:, None],
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_follow_their_formulas(name, works_everywhere):
    x, options, expected = NORMS[name]
    f = getattr(tg, name)
    np.testing.assert_allclose(f(x, *options).data, expected(), rtol=1e-12)
    works_everywhere(lambda v: f(v, *options), x, rtol=1e-4, atol=1e-6)
    small = [o.astype(np.float32) if isinstance(o, np.ndarray) else o for o in options]
    assert f(Value(x.astype(np.float32)), *small).dtype == np.float32
    empty = f(np.zeros((0, *x.shape[1:])), *options)
    assert empty.shape == (0, *x.shape[1:])


def test_batch_norm_uses_running_statistics_after_training(works_everywhere):
    mean, var = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    y = tg.batch_norm(X, mean, var, W, B)
    np.testing.assert_allclose(y.data, (X - mean) / np.sqrt(var + 1e-5) * W + B, rtol=1e-12)
    works_everywhere(lambda v: tg.batch_norm(v, mean, var, W, B), X)
    assert mean.tolist() == [0.0, 1.0, 2.0, 3.0]
    E, before = y.sum(), y.data.copy()
    mean[:] = 9.0
    np.testing.assert_array_equal(E.parents[0].data, before)


def test_running_statistics_are_updated_in_place():
    mean, var = np.zeros(4), np.ones(4)
    tg.batch_norm(PLANES, mean, var, training=True, momentum=0.25)
    np.testing.assert_allclose(mean, 0.25 * PLANES.mean(axis=(0, 2)))
    np.testing.assert_allclose(var, 0.75 + 0.25 * PLANES.var(axis=(0, 2), ddof=1))
    tg.batch_norm(PLANES, mean, None, training=True, momentum=1.0)
    np.testing.assert_allclose(mean, PLANES.mean(axis=(0, 2)))
    before = mean.copy()
    tg.batch_norm(np.zeros((0, 4)), mean, var, training=True)
    np.testing.assert_array_equal(mean, before)


def norms_of(x, dtype):
    ones = np.ones(4, dtype)
    return {
        "batch": tg.batch_norm(x, None, None, ones, 0 * ones, training=True),
        "batch, after training": tg.batch_norm(x, 900 * ones, 60_000 * ones, ones),
        "instance": tg.instance_norm(x),
        "layer": tg.layer_norm(x, 5),
        "group": tg.group_norm(x, 2),
    }


def test_float16_is_normalized_in_float32():
    # the squares of their distances from the mean exceed 65504, the largest float16
    halves = np.float16(1000 + 400 * np.random.default_rng(0).normal(size=(6, 4, 5)))
    doubles = norms_of(halves.astype(np.float64), np.float64)
    for name, y in norms_of(halves, np.float16).items():
        assert y.dtype == np.float16
        np.testing.assert_allclose(y.data, doubles[name].data, 2e-3, 2e-3, err_msg=name)


def test_a_variance_too_large_for_float16_does_not_overflow():
    halves = np.float16([[-3000.0], [3000.0]])
    assert tg.batch_norm(halves, np.zeros(1), np.full(1, 9e6)).data.tolist() == [[-1.0], [1.0]]
    var = np.zeros(1)
    tg.batch_norm(halves, None, var, training=True, momentum=1.0)
    assert var == 1.8e7


def test_running_statistics_are_checked_before_any_is_updated():
    mean, var = np.zeros(4), np.broadcast_to(1.0, 4)
    with pytest.raises(DataError, match="batch_norm: running statistics are updated in place"):
        tg.batch_norm(PLANES, mean, var, training=True)
    assert not mean.any()
    tg.batch_norm(PLANES, mean, var)


class TestDropout:
    def test_the_remaining_elements_are_scaled_to_keep_the_mean(self, works_everywhere):
        x = Value(np.ones(10_000))
        y = tg.dropout(x, 0.2, rng=0)
        y.sum().backward()
        assert set(y.data.tolist()) == {0.0, 1.25}
        assert y.data.mean() == pytest.approx(1.0, abs=0.02)
        np.testing.assert_array_equal(x.grad, y.data)
        works_everywhere(lambda v: tg.dropout(v, 0.4, rng=1), X)

    def test_running_a_graph_again_keeps_the_mask(self):
        x = Value(X, label="x")
        E = tg.dropout(x).sum()
        assert tg.unroll(E)(x=X).loss == E.data

    def test_extreme_probabilities_and_plain_numbers_work(self):
        x = Value(X)
        assert tg.dropout(x, training=False) is x
        assert tg.dropout(x, 0.0) is x
        np.testing.assert_array_equal(tg.dropout(x, 1.0).data, np.zeros(X.shape))
        assert tg.dropout(Value(3.0), 0.5, rng=0).data in (0.0, 6.0)
        assert tg.dropout(np.ones(3, np.float32), 0.5, rng=0).dtype == np.float32
        assert tg.dropout([1, 2], training=False).data.tolist() == [1.0, 2.0]

    def test_a_generator_continues_and_a_seed_restarts(self):
        rng = np.random.default_rng(0)
        first, second, again = (tg.dropout(np.ones(50), rng=r).data for r in (rng, rng, 0))
        assert (first != second).any()
        np.testing.assert_array_equal(first, again)


def test_linear_is_x_times_w_transposed(works_everywhere, check_gradient):
    w, b = RNG.normal(size=(2, 4)), RNG.normal(size=2)
    np.testing.assert_allclose(tg.linear(X, w, b).data, X @ w.T + b)
    check_gradient(tg.linear, X, w, b)
    assert tg.linear(X, W).shape == (3,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.linear(X, np.ones((2, 3))), ShapeError, "linear: needs 3 features on the last"),
        (lambda: tg.linear(X, 1.0), ShapeError, r"linear: needs features .* shape \(3, 4\)"),
        (lambda: tg.dropout(X, 1.5), OptionError, "dropout: p must be a number from 0 to 1, got"),
        (lambda: tg.dropout(X, training=1), OptionError, "dropout: training must be True or"),
        (lambda: tg.dropout(X, rng="a"), OptionError, "dropout: rng must be a NumPy generator"),
        (lambda: tg.dropout("a"), DataError, "dropout: needs real numbers"),
        (
            lambda: tg.batch_norm(W, None, None),
            ShapeError,
            r"batch_norm: needs x \(n, channels, ...\), got shape \(4,\)",
        ),
        (
            lambda: tg.batch_norm(X[:1], None, None, training=True),
            ShapeError,
            "more than one value per channel in training",
        ),
        (lambda: tg.batch_norm(X, None, None), DataError, "needs running_mean and running_var"),
        (
            lambda: tg.batch_norm(X, np.ones(3), None),
            ShapeError,
            r"running statistics need shape \(4,\), got \(3,\)",
        ),
        (
            lambda: tg.batch_norm(X, Value(W), None),
            DataError,
            "running statistics must be arrays of floats, got",
        ),
        (
            lambda: tg.batch_norm(X, None, None, W[:2], training=True),
            ShapeError,
            r"weight needs shape \(4,\), got \(2,\)",
        ),
        (lambda: tg.batch_norm(X, W, B, eps=-1.0), OptionError, "eps must be a number of at lea"),
        (lambda: tg.layer_norm(X, 3), ShapeError, r"layer_norm: needs x of shape \(\.\.\., 3\)"),
        (lambda: tg.layer_norm(W, (3, 4)), ShapeError, r"layer_norm: needs x of shape"),
        (lambda: tg.layer_norm(X, 4, bias=W[:1]), ShapeError, r"bias needs shape \(4,\)"),
        (lambda: tg.layer_norm(X, 1.5), OptionError, "normalized_shape must be an integer"),
        (lambda: tg.group_norm(X, 3), ShapeError, "group_norm: needs .* with channels in 3 groups"),
        (lambda: tg.group_norm(W, 2), ShapeError, r"got shape \(4,\)"),
        (lambda: tg.instance_norm(X), ShapeError, "instance_norm: needs .* of several values"),
        (
            lambda: tg.instance_norm(PLANES, use_input_stats=1),
            OptionError,
            "use_input_stats must be",
        ),
        (lambda: tg.instance_norm(PLANES, W, B), DataError, "does not support running statistics"),
    ],
)
def test_arguments_that_do_not_fit_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
