"""Cross entropy of probabilities on numbers; more tests are in tests/functional/test_losses.py."""

import numpy as np
import pytest

from tinygrad_pool.rules.entropies import binary_cross_entropy


def test_it_equals_the_formula_for_probabilities_inside_0_and_1():
    p, t = np.array([0.2, 0.9]), np.array([0.3, 1.0])
    y, backward = binary_cross_entropy(p, t)
    assert y == pytest.approx(-t * np.log(p) - (1 - t) * np.log(1 - p))
    to_p, to_t = backward(np.ones(2))
    assert to_p == pytest.approx((p - t) / (p * (1 - p)))
    assert to_t == pytest.approx(np.log(1 - p) - np.log(p))


@pytest.mark.parametrize(("p", "t", "cost", "slope"), [(0.0, 1.0, 100.0, -1e12), (1.0, 1.0, 0, 0)])
def test_logarithms_and_divisors_are_limited(p, t, cost, slope):
    for kind in (float, np.array):
        y, backward = binary_cross_entropy(kind(p), kind(t))
        assert float(y) == cost
        assert float(backward(1.0)[0]) == slope


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_nan_is_not_limited(t):
    for kind in (float, np.array):
        y, backward = binary_cross_entropy(kind(np.nan), kind(t))
        assert np.isnan(y)
        assert np.isnan(backward(1.0)[0])
