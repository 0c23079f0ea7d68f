"""The lines of an unrolled pass, and its parameters."""

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.codegen.writer import Writer, unpacked
from tinygrad_pool.engine.backward import topological_order


def written(loss, g=1.0):
    return Writer(topological_order(loss), g, {})


def test_contributions_are_unpacked():
    assert unpacked(["to_x"], "f(g)") == ["    (to_x,) = f(g)"]
    assert unpacked(["to_x", "_"], "f(g)") == ["    to_x, _ = f(g)"]
    long = unpacked([f"to_weight{i}" for i in range(20)], "f(g)")
    assert (long[0], long[-1]) == ("    (", "    ) = f(g)")


def test_an_operand_that_is_used_twice_gets_two_contributions():
    a = Value(3.0, label="a")
    assert written(a * a).backward_lines == [
        "    g_mul1 = 1.0",
        "    to_a, to_a_2 = mul1_backward(g_mul1)",
        "    g_a = to_a",
        "    g_a = g_a + to_a_2",
    ]


def test_contributions_to_broadcast_operands_are_summed():
    b, x = Value(np.array([[0.5]]), label="b"), Value([[1.0], [2.0]], label="x")
    writer = written((x + b).sum(), np.array(1.0))
    assert writer.forward_lines == [
        "    add1, add1_backward = add(x, b)",
        "    sum1, sum1_backward = sum(add1)",
    ]
    assert writer.backward_lines[3:] == [
        "    to_x, to_b = add1_backward(g_add1)",
        "    g_x = to_x",
        "    g_b = np.reshape(np.sum(to_b, axis=0), (1, 1))",
    ]


def test_gradients_without_axes_need_no_conversion():
    x = Value(np.float32(3.0), label="x")
    assert "    g_x = g_x + to_x_2" in written(x * x).backward_lines


def test_where_python_floats_fail_the_text_uses_numpy():
    x = Value(0.0, label="x")
    with np.errstate(all="ignore"):
        forward = written(x**-1).forward_lines
        backward = written(x**0.5).backward_lines
    assert forward == [
        "    power1, power1_backward = "
        "number(power(np.float64(x), np.float64(-1), wants=(True, False)))"
    ]
    assert backward[1] == (
        "    to_x, _ = power(np.float64(x), np.float64(0.5), wants=(True, False))[1]"
        "(np.float64(g_power1))"
    )


def test_a_leaf_without_gradient_gets_zeros():
    lines = written(tg.where(Value(1.0, label="c"), Value(3.0, label="x"), 0.5)).backward_lines
    assert lines[-1] == "    g_c = 0.0  # nothing is sent to it"
    off = Value([1.0, 0.0], label="off")
    lines = written(np.sum(tg.where(off, Value(3.0), 0.5)), np.array(1.0)).backward_lines
    assert lines[-1] == "    g_off = np.zeros_like(off)  # nothing is sent to it"


def test_only_large_arrays_become_parameters():
    small, large = np.arange(3.0), np.arange(30.0)
    E = np.sum(Value(small, label="x") * small) + np.sum(large * (large + Value(2.0, label="w")))
    writer = written(E, np.array(1.0))
    assert list(writer.given) == ["constant1"]
    assert np.array_equal(writer.given["constant1"], large)
    assert "    mul1, mul1_backward = mul(x, np.array([0.0, 1.0, 2.0]))" in writer.forward_lines
    g = np.ones(30)
    assert written(large + Value(2.0), g).given["g_add1"] is g


def test_only_used_names_are_imported():
    x = Value(np.arange(4.0))
    assert written(np.max(tg.max_pool1d(x, 2)), np.array(1.0)).imports == {
        "tinygrad_pool.rules.pooling": {"max_pool"},
        "tinygrad_pool.rules.reductions": {"max"},
        "tinygrad_pool.rules.windows": {"Windows"},
    }
