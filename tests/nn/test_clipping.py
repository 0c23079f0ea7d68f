"""Gradient clipping."""

import numpy as np
import pytest

from tinygrad_pool import Value, nn, optim
from tinygrad_pool.errors import DataError, GradientError, OptionError
from tinygrad_pool.nn.clipping import clip_grad_norm_, clip_grad_value_


def with_gradients(*gradients):
    leaves = [Value(np.zeros(np.shape(g)) if np.ndim(g) else 0.0) for g in gradients]
    for v, g in zip(leaves, gradients, strict=True):
        v.grad = g
    return leaves


def test_clipping_is_in_nn_utils_and_in_optim():
    assert nn.utils.clip_grad_norm_ is optim.clip_grad_norm_ is clip_grad_norm_
    assert nn.utils.clip_grad_value_ is optim.clip_grad_value_ is clip_grad_value_


@pytest.mark.parametrize(("p", "norm"), [(1, 19.0), (2, 13.0), (np.inf, 12.0)])
def test_the_norm_is_over_all_gradients(p, norm):
    leaves = with_gradients([3.0, -4.0], 12.0)
    assert clip_grad_norm_(leaves, 100.0, p) == norm
    assert leaves[0].grad.tolist() == [3.0, -4.0]
    assert clip_grad_norm_(leaves, norm / 2, p) == norm
    np.testing.assert_allclose(leaves[0].grad, [1.5, -2.0], rtol=1e-6)
    assert type(leaves[1].grad) is float


@pytest.mark.parametrize(
    ("p", "gradient", "norm"),
    [(1, [13.0, -13.0, -17.0, 14.0, -20.0, 1.0], 78.0), (2, [-10.0, -2.0, -11.0], 15.0)],
)
def test_integer_norms_are_exact(p, gradient, norm):
    assert clip_grad_norm_(with_gradients(gradient), 100.0, p) == norm


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_a_norm_neither_overflows_nor_rounds_to_zero(p, size):
    leaves = with_gradients([3 * size, -4 * size], 5 * size)
    norm = (3**p + 4**p + 5**p) ** (1 / p)
    assert clip_grad_norm_(leaves, 1.0, p) == pytest.approx(norm * size, rel=1e-12)
    if size > 1:
        np.testing.assert_allclose(leaves[0].grad, [3 / norm, -4 / norm])


def test_values_are_clipped_elementwise():
    leaves = with_gradients([3.0, -0.5], -2.0)
    clip_grad_value_(leaves, 1)
    assert [np.asarray(v.grad).tolist() for v in leaves] == [[1.0, -0.5], -1.0]


def test_a_parameter_without_a_gradient_is_skipped():
    w = Value(1.0)
    assert clip_grad_norm_(w, 1.0) == 0.0
    clip_grad_value_([w], 1.0)
    assert not w.has_grad


def test_a_norm_that_is_not_finite_propagates_or_is_an_error():
    leaves = with_gradients([np.nan, 1.0])
    with pytest.raises(GradientError, match="clip_grad_norm_: the norm of the gradients is nan"):
        clip_grad_norm_(leaves, 1.0, error_if_nonfinite=True)
    assert leaves[0].grad[1] == 1.0
    assert np.isnan(clip_grad_norm_(leaves, 1.0))
    assert np.isnan(leaves[0].grad).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: clip_grad_norm_([w], -1), OptionError, "max_norm must be a number of at least"),
        (lambda w: clip_grad_norm_([w], 1, 0), OptionError, "norm_type must be a number above 0"),
        (lambda w: clip_grad_norm_([w], 1, "2"), OptionError, "norm_type must be a number"),
        (lambda w: clip_grad_value_([w], None), OptionError, "clip_value must be a number"),
        (lambda w: clip_grad_value_(3, 1), OptionError, "needs parameters, .* got int"),
        (lambda w: clip_grad_norm_([w, 3], 1), DataError, "a parameter must be a Value, got 3"),
    ],
)
def test_arguments_that_do_not_fit_are_named(call, error, message):
    with pytest.raises(error, match=f"clip_grad_.*_: {message}"):
        call(Value(1.0))
