"""Lifting a rule: operands and options, and errors."""

import functools
import math
from functools import partial

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import (
    DataError,
    OptionError,
    RuleError,
    ShapeError,
)
from tinygrad_pool.rules import elementwise


class TestLift:
    def test_an_operation_on_constants_returns_a_value(self):
        y = tg.exp(0.0)
        assert (y.data, y.parents) == (1.0, (0.0,))
        assert tg.maximum(1, 2).data == 2.0

    def test_an_option_of_a_users_rule_may_be_named_x_or_w(self):
        def tilt(v, x=2.0):
            return v * x, lambda g: (g * x,)

        def blend(a, b, w=0.5):
            return w * a + (1 - w) * b, lambda g: (w * g, (1 - w) * g)

        assert tg.grad(tg.lift(tilt)(v := Value(3.0), x=5.0), [v]) == (5.0,)
        assert tg.grad(tg.lift(blend)(v, 2.0, w=0.25), [v]) == (0.25,)

    def test_it_has_the_name_and_the_docstring_of_its_rule(self):
        assert tg.exp.__name__ == "exp"
        assert tg.exp.__doc__.startswith("Compute e to the power x.")

    def test_an_integer_too_large_for_numpy_is_accepted(self):
        assert (Value([1.0]) * 10**30).data == [1e30]
        with pytest.warns(RuntimeWarning, match="overflow"):
            assert (Value(2.0) ** 10**30).data == np.inf
        assert np.array_equal(tg.maximum(Value([1.0, 2.0]), 10**30).data, [1e30, 1e30])
        unit = tg.weighted_sum([Value([1.0, 2.0]), np.array([1, 2])], [1.0, 2**63])
        assert np.array_equal(unit.data, [1.0 + 2.0**63, 2.0 + 2.0**64])
        with pytest.raises(DataError, match="is too large for a float"):
            Value(1.0) * 10**400

    def test_contributions_may_be_none_or_integers(self):
        def steps(x, w):
            def steps_backward(g):
                return None, np.array([1, 2])

            return x + w, steps_backward

        x, w = Value([1.0, 2.0]), Value([3.0, 4.0])
        tg.lift(steps)(x, w).sum().backward()
        assert not x.has_grad
        assert np.array_equal(w.grad, [1.0, 2.0])
        assert w.grad.dtype == np.float64

    def test_keyword_only_parameters_and_defaults_are_options(self):
        def scaled(x, *, by, plus=0.0):
            return by * x + plus, lambda g: (by * g,)

        operation = tg.lift(scaled)
        y = operation(Value(2.0), by=3.0)
        y.backward()
        assert (y.data, y.options, y.parents[0].grad) == (6.0, {"by": 3.0}, 3.0)
        assert operation(Value(2.0), 3.0, 1.0).data == 7.0
        with pytest.raises(OptionError, match=r"scaled: no option 'times' \(options: by, plus\)"):
            operation(Value(2.0), times=3.0)

    @pytest.mark.parametrize("join", [tg.stack, np.stack, tg.concatenate, np.concatenate])
    def test_operands_may_be_passed_in_a_list(self, join):
        a, b = Value([1.0, 2.0]), Value([3.0, 4.0])
        joined = join([a, b])
        assert joined.parents == (a, b)
        assert join([a, b], 0).shape == joined.shape

    def test_a_list_of_values_is_several_operands_but_a_list_of_numbers_is_one(self):
        a, b = Value(1.0), Value(2.0)
        assert tg.maximum([a, b]).parents == (a, b)
        assert tg.maximum((a, b), ties="last").data == 2.0
        assert tg.maximum([1, 2, 3]).data == 3.0
        assert np.array_equal(tg.maximum([1.0, 3.0], b).data, [2.0, 3.0])
        assert np.array_equal(np.maximum([1.0, 3.0], b).data, [2.0, 3.0])

    def test_an_option_without_a_default_is_required(self):
        def scaled(x, *, by):
            return by * x, lambda g: (by * g,)

        assert tg.lift(scaled)(Value(2.0), 3.0).data == 6.0
        with pytest.raises(OptionError, match="scaled: missing the option 'by'"):
            tg.lift(scaled)(Value(2.0))

    @pytest.mark.parametrize("rule", [3, None, "exp", partial(pow, 2), max, Value(1.0)])
    def test_only_a_function_can_be_lifted(self, rule):
        with pytest.raises(RuleError, match=r"lift: needs .* got .*; .*: def rule.x.: return f"):
            tg.lift(rule)

    @pytest.mark.parametrize("masked", ["result", "contribution"])
    def test_masked_operands_of_a_users_rule_are_an_error(self, masked):
        def hidden(x):
            y = np.ma.masked_less(x, 2.0) if masked == "result" else x * 2.0
            return y, lambda g: (np.ma.masked_less(g, 2.0),)

        with pytest.raises(DataError, match=r"hidden.*: masked elements have no number; fill them"):
            tg.lift(hidden)(Value([1.0, 2.0])).sum().backward()

    def test_a_contribution_that_is_a_matrix_becomes_an_array(self):
        class Matrix(np.ndarray):
            __mul__ = __rmul__ = np.ndarray.__matmul__

        def matrices(x):
            return x * 2.0, lambda g: ((g * 2.0).view(Matrix),)

        x = Value(np.eye(2) + 1.0)
        tg.lift(matrices)(x * x).sum().backward()
        assert x.grad.tolist() == [[8.0, 4.0], [4.0, 8.0]]

    def test_an_operation_cannot_be_lifted(self):
        with pytest.raises(RuleError, match="lift: exp is already an operation"):
            tg.lift(tg.exp)

    def test_a_subclass_is_a_value(self):
        class Mine(Value):
            __slots__ = ()

        x = Mine(3.0)
        (x * x).backward()
        assert x.grad == 6.0


@pytest.mark.parametrize(
    ("f", "needed"), [(tg.relu, 1), (Value(1.0).__mul__, 2), (tg.matmul, 2), (tg.where, 3)]
)
def test_a_wrong_number_of_operands_is_an_error(f, needed):
    with pytest.raises(
        OptionError, match=f"needs {needed} operands? and at most .* got . argument"
    ):
        f()


def test_a_rule_has_one_operation_and_a_wrapper_has_another():
    def half(x):
        return x / 2, lambda g: (g / 2,)

    operation = tg.lift(half)
    assert tg.lift(half) is operation

    @functools.wraps(half)
    def quarter(x):
        return x / 4, lambda g: (g / 4,)

    assert (operation(8.0).data, tg.lift(quarter)(8.0).data) == (4.0, 2.0)
    assert tg.lift(elementwise.exp) is tg.exp


def test_errors_of_rules_with_many_operands_are_named():
    with pytest.raises(ShapeError, match=r"maximum: shapes \(2,\) and \(3,\)"):
        tg.maximum(Value([1.0, 2.0]), Value([1.0, 2.0, 3.0]), Value(1.0))

    def power(*xs):
        return xs[0] ** -xs[1], lambda g: (g,) * len(xs)

    with np.errstate(divide="ignore"):
        assert tg.lift(power)(Value(0.0), Value(1.0), Value(1.0)).data == math.inf


def test_a_rule_that_runs_again_on_numpys_numbers_keeps_its_options():
    def inverse(x, *, n=1.0):
        return n / x, lambda g: (-g * n / x**2,)

    with np.errstate(all="ignore"):
        assert tg.lift(inverse)(Value(0.0), n=-2.0).data == -np.inf
