"""Equations from the docstrings of rules, and symbols of local derivatives."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.recording.symbols import equations_of


@pytest.mark.parametrize(
    ("make", "stated"),
    [
        (lambda v: v.relu(), ["y = max(0, x)", "∂E/∂x = g [x > 0]"]),
        (
            lambda v: tg.weighted_sum([v], [2.0]),
            ["a = Σ_i w_i x_i + b", "∂E/∂w_i = g x_i", "∂E/∂x_i = g w_i", "∂E/∂b = g"],
        ),
        (lambda v: tg.stack([v, v])[0], ["y = x[key]", "∂E/∂x[key] += g"]),
    ],
)
def test_equations_are_forward_and_one_per_operand(make, stated):
    assert equations_of(make(Value(2.0))) == stated


def test_the_equations_of_a_convolution_state_what_it_sums():
    y = tg.conv2d(Value([[[1.0, 2.0]]]), Value([[[[3.0]]]]))
    assert equations_of(y)[:2] == [
        "y_f(o) = Σ_c Σ_i w_fc(i) x_c(o s − p + i d) + b_f",
        "∂E/∂w_fc(i) = Σ_o g_f(o) x_c(o s − p + i d)",
    ]


@pytest.mark.parametrize(
    ("f", "share"),
    [
        (lambda x: tg.max(x, ties="even"), "∂E/∂x_l = g [x_l == y] / n"),
        (lambda x: tg.minimum(x, 1.0, ties="even"), "∂E/∂x_i = g [x_i == y] / n"),
        (
            lambda x: tg.max_pool1d(x, 2, ties="even"),
            "∂E/∂x_l = Σ_k g_k [x_l == y_k] / n_k",
        ),
    ],
)
def test_winners_that_share_have_an_equation_of_their_own(f, share):
    y = f(Value([1.0, 1.0]))
    assert equations_of(y)[1] == share
    y.backward(np.ones(y.shape))
    assert y.parents[0].grad.tolist() == [0.5, 0.5]


def test_a_users_rule_has_the_equations_of_its_docstring():
    def cube(x):
        """Raise to the third power.

        y = x³            ∂E/∂x = 3 g x²
        """
        return x**3, lambda g: (3 * g * x**2,)

    def silent(x):
        return x, lambda g: (g,)

    assert equations_of(tg.lift(cube)(Value(2.0))) == ["y = x³", "∂E/∂x = 3 g x²"]
    assert equations_of(tg.lift(silent)(Value(2.0))) == []
    assert equations_of(Value(2.0)) == []


@pytest.mark.parametrize("pool", [tg.max_pool1d, tg.avg_pool1d, lambda x, n: tg.lp_pool1d(x, 2, n)])
def test_equations_of_pools_can_be_typeset(pool):
    stated = " ".join(equations_of(pool(Value([1.0, 2.0]), 2)))
    assert "window k" in stated
    assert not set("{}") & set(stated)
