"""The vector-Jacobian product of a node."""

import math

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.vjp import vjp, vjp_by_operand
from tinygrad_pool.errors import GraphError, RuleError, UnsupportedError


def test_a_vjp_has_the_shapes_and_dtypes_of_operands_and_none_for_constants():
    x, c = Value(np.ones(3, np.float32)), np.arange(6.0).reshape(2, 3)
    y, g = x * c, np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    to_x, to_c = vjp_by_operand(y, g)
    assert (to_x.tolist(), to_x.dtype, to_c) == ([12.0, 22.0, 36.0], np.float32, None)
    np.testing.assert_array_equal(vjp(y, g)[0], g * c)
    assert not x.has_grad


@pytest.mark.parametrize("g", [2.0, np.float64(2.0), np.array(2.0)])
def test_a_vjp_uses_numpys_numbers_if_pythons_raise(g):
    with np.errstate(all="ignore"):
        assert vjp_by_operand(Value(0.0) ** -1, g)[0] == -np.inf
    assert vjp_by_operand(Value(3.0) * 5.0, g) == (10.0, None)
    assert type(vjp_by_operand(Value(3.0) * 5.0, g)[0]) is float


@pytest.mark.parametrize("given", [lambda g: g, lambda g: [g], lambda g: (g, g), lambda g: None])
def test_a_closure_that_returns_the_wrong_number_is_named(given):
    y = tg.lift(named_own := lambda x: (2 * x, given))(Value([1.0]))
    assert y.rule is named_own
    with pytest.raises(RuleError, match="must return a tuple of 1 contribution, one"):
        vjp_by_operand(y, np.ones(1))


def test_a_closure_runs_again_on_numpys_numbers_only_with_unchanged_data():
    x = Value(0.0)
    y = x**0.5
    x.data = 4.0
    with pytest.raises(GraphError, match="the data of the leaf changed after the power node"):
        vjp_by_operand(y, 2.0)


@pytest.mark.parametrize("x", [2.0, np.float64(2.0), np.array([1.0])])
def test_arithmetic_errors_name_the_node(x):
    def refusing(x):
        def refusing_backward(g):
            raise ZeroDivisionError

        return x * 1.0, refusing_backward

    y = tg.lift(refusing)(Value(x, label="x"))
    with pytest.raises(ZeroDivisionError) as raised:
        y.sum().backward()
    assert raised.value.__notes__ == ["in the backward closure of the refusing node"]


def by_math(x):
    def by_math_backward(g):
        to_x = g / (1 + math.exp(-x))
        return (to_x,)

    return np.log1p(np.exp(x)), by_math_backward


def by_item(x):
    return np.exp(x), lambda g: (g * np.exp(x.item()),)


def all_by_math(x):
    return math.exp(x), lambda g: (g * np.exp(x),)


@pytest.mark.parametrize("rule", [by_math, by_item, all_by_math])
def test_a_users_rule_that_converts_values_to_numbers_has_no_second_derivative(rule):
    x = Value(np.float64(2.0), label="x")
    y = tg.lift(rule)(x) * x
    with pytest.raises(
        UnsupportedError, match=rf"{rule.__name__}: .* np\.exp instead of math\.exp"
    ):
        tg.grad(y, x, create_graph=True)
    y.backward()
    assert float(x) == 2.0
    assert math.exp(x) == math.exp(2.0)


def equals(x):
    y = np.max(x)
    on = x == y
    return y, lambda g: (np.where(on, g, 0.0),)


def draws(x):
    k = np.random.default_rng().random(np.shape(x))
    return x * k, lambda g: (g * k,)


@pytest.mark.parametrize("rule", [equals, draws])
@pytest.mark.parametrize("data", [2.0, [2.0, 3.0]])
def test_a_users_rule_that_sends_other_numbers_on_values_is_named(rule, data):
    x = Value(data, label="x")
    y = tg.lift(rule)(x).sum() ** 2
    with pytest.raises(RuleError, match=f"{rule.__name__}: .* np.equal"):
        tg.grad(y, x, create_graph=True)
    tg.grad(y, x)
