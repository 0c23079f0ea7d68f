"""Rules of activations on numbers; more tests are in tests/functional/test_activations.py."""

import math

import numpy as np
import pytest

from tinygrad_pool.rules import activations


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_the_error_functions_equal_those_of_pythons_math(name):
    rule, function = getattr(activations, name), getattr(math, name)
    x = np.linspace(-6.0, 6.0, 101).reshape(-1, 1)
    y, backward = rule(x)
    assert y.tolist() == [[function(v)] for [v] in x.tolist()]
    step = 1e-6
    slope = [(function(v + step) - function(v - step)) / (2 * step) for [v] in x.tolist()]
    np.testing.assert_allclose(backward(1.0)[0][:, 0], slope, rtol=1e-6, atol=1e-9)
    assert type(rule(1.0)[0]) is float
    assert rule(np.float32(1.0))[0].dtype == np.float32


def test_large_inputs_do_not_overflow_in_the_unused_branch():
    with np.errstate(all="raise", under="ignore"):
        for rule in (activations.elu, activations.softplus):
            y, backward = rule(np.array([1e300, 5.0]))
            assert y[0] == 1e300
            assert backward(np.ones(2))[0][0] == 1.0


def test_softplus_is_accurate_below_the_threshold_and_x_above_it():
    y, _ = activations.softplus(np.array([-30.0, 19.0, 21.0]))
    assert y[0] == pytest.approx(math.exp(-30), rel=1e-12)
    assert y[1] == 19.0 + math.log1p(math.exp(-19.0))
    assert y[2] == 21.0


def test_leaky_relu_sends_its_weight_the_scaled_inputs():
    _, backward = activations.leaky_relu(np.array([-2.0, 0.0, 3.0]), np.array([0.5, 0.5, 0.5]))
    to_x, to_w = backward(np.ones(3))
    assert to_x.tolist() == [0.5, 0.5, 1.0]
    assert to_w.tolist() == [-2.0, 0.0, 0.0]
