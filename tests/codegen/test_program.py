"""The program that an unrolled graph runs, with its rules inlined."""

import math

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.codegen.program import Program
from tinygrad_pool.codegen.writer import Writer
from tinygrad_pool.engine.backward import topological_order


def program(loss, g=1.0):
    return Program(Writer(topological_order(loss), g, {}))


def lines(loss, g=1.0):
    short = program(loss, g)
    return [line.strip() for line in (*short.forward_lines, *short.backward_lines)]


def named(**numbers):
    return [Value(x, name) for name, x in numbers.items()]


def test_a_unit_reads_as_its_formula():
    w1, w2, x1, x2, b = named(w1=1.0, w2=2.0, x1=3.0, x2=4.0, b=5.0)
    z = (w1 * x1 + w2 * x2 + b).relu()
    z.label = "z"
    short = program(z)
    assert short.forward_lines == [
        "    add2 = w1 * x1 + w2 * x2 + b",
        "    z_t1 = not add2 <= 0.0",
        "    z = add2 if z_t1 else 0.0",
    ]
    assert short.backward_lines == [
        "    g_z = 1.0",
        "    g_add2 = g_z if z_t1 else 0.0",
        "    g_w1 = g_add2 * x1",
        "    g_w2 = g_add2 * x2",
        "    g_x1 = g_add2 * w1",
        "    g_x2 = g_add2 * w2",
    ]
    gradients = {name: f"g_{name}" for name in ("w1", "w2", "x1", "x2")}
    assert short.gradients == {**gradients, "b": "g_add2"}  # add passes its gradient on


def test_contributions_are_added_up_in_one_line_in_the_order_of_the_pass():
    (x,) = named(x=3.0)
    assert lines(x * x * 2.0 + x * 4.0) == [
        "add1 = x * x * 2.0 + x * 4.0",
        "g_add1 = 1.0",
        "g_mul1 = g_add1 * 2.0",
        "g_x = g_add1 * 4.0 + g_mul1 * x + g_mul1 * x",
    ]


def test_a_long_line_is_split():
    (x,) = named(x=0.5)
    total = x * 1.0
    for i in range(80):
        total = total + x * float(i)
    assert all(line.count(" * ") + line.count(" + ") <= 33 for line in lines(total))
    assert [line.split(" = ")[0] for line in lines(total)][-5:] == ["g_x"] * 5


def test_a_number_that_is_used_twice_has_a_name():
    a, b = named(a=3.0, b=4.0)
    c = a * b
    assert lines(c * c + b)[0] == "mul1 = a * b"
    assert lines(tg.exp(c))[0] == "exp1 = float(np.exp(a * b))"


def test_a_division_may_move_into_a_branch():
    (x,) = named(x=4.0)
    assert lines(x.relu().sqrt())[-1] == "g_x = g_sqrt1 / (2.0 * sqrt1) if relu1_t1 else 0.0"


def test_an_intermediate_result_that_is_used_twice_has_a_name():
    a, b = named(a=3.0, b=4.0)
    assert lines(np.hypot(a, b)) == [
        "hypot1 = float(np.hypot(a, b))",
        "g_hypot1 = 1.0",
        "hypot1_t2 = np.inf if hypot1 == 0.0 else hypot1",
        "g_a = g_hypot1 * (a / hypot1_t2)",
        "g_b = g_hypot1 * (b / hypot1_t2)",
    ]


def test_brackets_keep_the_order_of_operations():
    a, b = named(a=3.0, b=4.0)
    assert lines(a - (b - a) + -(a + b))[0] == "add2 = a - (b - a) + -(a + b)"
    assert lines((a + b) * 2.0 - (a * b + b))[0] == "sub1 = (a + b) * 2.0 - (a * b + b)"
    assert lines(-2.0 * a + b * -2.0)[0] == "add1 = -2.0 * a + b * (-2.0)"
    assert lines((-2.0) ** a)[0] == "power1 = float((-2.0) ** a)"


def test_expressions_depend_on_constants_where_their_value_matters():
    (x,) = named(x=3.0)
    assert lines(x**2 + x**3)[0] == "add1 = x ** 2.0 + x ** 3.0"
    assert lines(x**2 + (x + 1.0) ** 2)[:2] == ["add1 = x + 1.0", "add2 = x ** 2.0 + add1 ** 2.0"]
    assert "np.inf" in lines(x * math.inf)[0]
    assert lines(x * 10**30)[0] == "mul1 = x * 1e+30"
    assert lines(x * (2**53 - 1))[0] == "mul1 = x * 9007199254740991.0"
    assert "9007199254740993)" in lines(x * (2**53 + 1))[0]  # which is not a float


def test_negative_zero_and_zero_are_different_options():
    (x,) = named(x=3.0)
    bounds = [line for line in lines(x.clip(0.0) + x.clip(-0.0)) if "if x <" in line]
    assert [line.split(" if ")[0] for line in bounds] == ["clip1_t4 = 0.0", "clip2_t4 = -0.0"]
    assert "np.inf if clip1_t4 > np.inf else clip1_t4" in lines(x.clip(0.0))[1]


def test_names_do_not_collide_with_those_of_nodes():
    a, b = named(_erf=0.5, np=0.25)
    short = program(tg.functional.erf(a) * tg.exp(b))
    assert short.forward_lines == [
        "    erf1 = _erf(erf_2)",
        "    exp1 = float(np.exp(np_2))",
        "    mul1 = erf1 * exp1",
    ]


def doubled(x):
    def doubled_backward(g):
        return (g * 2.0,)

    return x * 2.0, doubled_backward


def test_a_user_rule_is_called():
    (x,) = named(x=4.0)
    assert lines(tg.lift(doubled)(x * 3.0)) == [
        "mul1 = x * 3.0",
        "doubled1, doubled1_backward = number(doubled(mul1))",
        "g_doubled1 = 1.0",
        "(to_mul1,) = doubled1_backward(g_doubled1)",
        "g_mul1 = to_mul1",
        "g_x = g_mul1 * 3.0",
    ]


def test_other_rules_are_called_as_in_the_text():
    x, row = Value(2.0, "x"), Value([1.0, 2.0], "row")
    short = program((row * (x * x + 1.0)).sum(), np.float64(1.0))
    assert short.forward_lines == [
        "    add1 = x * x + 1.0",
        "    mul2, mul2_backward = mul(row, add1)",
        "    sum1, sum1_backward = sum(mul2)",
    ]
    assert short.backward_lines[-3:] == [
        "    g_row = to_row",
        "    g_add1 = float(np.sum(to_add1, axis=0))",
        "    g_x = g_add1 * x + g_add1 * x",
    ]
    even = lines(tg.maximum(x * 3.0, x, ties="even") * x)
    assert even[0] == "mul1 = x * 3.0"
    assert even[1].startswith("maximum1, maximum1_backward = ")
    assert "g_x = g_mul2 * maximum1" in even


def test_a_rule_that_needs_numpy_numbers_is_called():
    (x,) = named(x=0.0)
    with np.errstate(all="ignore"):
        assert "power(np.float64(x), np.float64(-1)" in lines(x**-1)[0]
        assert "[1](np.float64(g_power1))" in lines(x**0.5)[2]


def test_a_rule_with_an_option_that_has_no_literal_is_called():
    def scaled(x, *, by=None):
        return x * by[0], lambda g: (g * by[0],)

    (x,) = named(x=2.0)
    assert lines(tg.lift(scaled)(x, by={0: 3.0}))[0] == (
        "scaled1, scaled1_backward = number(scaled(x, by=by1))"
    )


def test_a_leaf_without_gradient_has_zeros():
    c, x = Value([1.0, 0.0], "c"), Value(3.0, "x")
    short = program(np.sum(tg.where(c, x, 0.5)), np.float64(1.0))
    assert short.gradients == {"c": "np.zeros_like(c)", "x": "g_x"}
    assert not any("nothing" in line for line in short.backward_lines)


@pytest.mark.parametrize("g", [-2.0, math.inf])
def test_the_backward_pass_starts_with_the_given_gradient(g):
    (x,) = named(x=3.0)
    short = program(-x, g)
    assert short.backward_lines[0] == f"    g_neg1 = {'np.inf' if g > 0 else '-2.0'}"
    assert short.backward_lines[1:] == ["    g_x = -g_neg1"]


def test_a_loss_that_is_a_leaf_is_its_own_gradient():
    (x,) = named(x=3.0)
    short = program(x)
    assert (short.forward_lines, short.backward_lines) == ([], ["    g_x = 1.0"])
    assert short.gradients == {"x": "g_x"}
