"""Trigonometric functions: the origin, the ends of domains, and sinc around 0."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def test_the_slopes_of_arctan2_at_the_origin_are_0():
    x, w = Value(0.0), Value(0.0)
    assert tg.grad(np.arctan2(x, w), [x, w]) == (0.0, 0.0)


@pytest.mark.parametrize("x", [1e-200, 1e200])
def test_angles_of_tiny_and_huge_points_do_not_overflow(x):
    slopes = tg.grad(np.arctan2(v := Value(x), w := Value(x)), [v, w])
    assert slopes == pytest.approx((0.5 / x, -0.5 / x))


@pytest.mark.parametrize("f", [np.arcsin, np.arccosh, np.arctanh])
def test_slopes_at_the_end_of_a_domain_are_infinite(f):
    with np.errstate(all="ignore"):
        assert tg.grad(f(v := Value(1.0)), v) == (np.inf,)
        assert np.isnan(f(Value(-2.0)).data)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.1591, 0.1592, 0.5, 1.0, 3.7])
def test_sinc_has_derivatives_of_three_orders_around_0(x):
    f = np.sinc
    for _ in range(3):
        g = tg.grad(f)
        h = 1e-4
        expected = (float(f(x + h)) - float(f(x - h))) / (2 * h)
        assert g(x) == pytest.approx(expected, rel=1e-5, abs=1e-5)
        f = g
    assert tg.grad(tg.grad(np.sinc))(0.0) == pytest.approx(-(np.pi**2) / 3)


def test_degrees_and_radians():
    assert np.rad2deg(Value(np.pi)).data == 180.0
    assert tg.grad(np.radians)(90.0) == np.pi / 180
