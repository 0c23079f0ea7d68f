"""Closures of a pass compared with finite differences of their rules."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value

X = [1.5, -0.5, 2.0, 0.0]
W = [1.5, 3.0, -1.0, 0.0]


def wrong_factor(x):
    return x**3, lambda g: (2.0 * g * x**2,)


def wrong_sign(x, w):
    return x - w, lambda g: (g, g)


def swapped(x, w):
    return x * w, lambda g: (g * x, g * w)


def pays_every_tie(x, w):
    return np.maximum(x, w), lambda g: (g * (x >= w), g * (w >= x))


def forgets_a_cell(x):
    def to_all_but_the_first(g):
        to_x = np.full(np.shape(x), g)
        to_x[0] = 0.0
        return (to_x,)

    return np.sum(x), to_all_but_the_first


@pytest.mark.parametrize("rule", [wrong_factor, wrong_sign, swapped, pays_every_tie])
@pytest.mark.parametrize("arrays", [True, False])
def test_a_wrong_closure_is_found_among_correct_ones(rule, arrays):
    place = slice(None) if arrays else int(rule is swapped)  # 0 is a tie
    x, w = Value(X[place], label="x"), Value(W[place], label="w")
    y = tg.lift(rule)(*(x, w)[: rule.__code__.co_argcount])
    found = tg.record((tg.relu(y) + x * w + y).sum()).check()
    assert not found.holds
    assert {wrong.node for wrong in found.wrong} == {y}
    assert f"finite differences of {rule.__name__} give " in str(found)


def test_a_single_operand_is_named():
    x, w = Value(X, label="x"), Value(W, label="w")
    (wrong,) = tg.record(tg.lift(wrong_sign)(x, w).sum()).check().wrong
    assert wrong.operands == (1,)
    (wrong,) = tg.record(tg.lift(pays_every_tie)(x, w).sum()).check().wrong
    assert wrong.operands == (0, 1)


@pytest.mark.parametrize("factor", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("data", [2.0, [1.0, 2.0]])
def test_contributions_that_are_not_finite_are_wrong_where_slopes_are_finite(factor, data):
    def scaled(x):
        return 2.0 * x, lambda g: (g * factor,)

    with np.errstate(all="ignore"):
        assert not tg.record(tg.lift(scaled)(Value(data)), np.ones(np.shape(data))).check().holds


def test_an_operand_without_gradient_is_not_checked():
    x = Value(2.0)
    assert tg.record(tg.lift(lambda x: (x**3, lambda g: (None,)))(x)).check().holds


def test_a_closure_wrong_for_two_operands_names_both():
    def swap(x, w):
        return x - w, lambda g: (-g, g)

    found = tg.record(tg.lift(swap)(Value(2.0, label="p"), Value(5.0, label="q"))).check()
    assert str(found).splitlines()[1::2] == [
        "  swap#2: its closure sends −1 to p, but finite differences of swap give 1",
        "  swap#2: its closure sends 1 to q, but finite differences of swap give −1",
    ]
    assert str(found).splitlines()[2].startswith("    swap is defined at test_closures.py:")


def test_a_cell_without_gradient_is_found():
    assert not tg.record(tg.lift(forgets_a_cell)(Value(X))).check().holds


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_correct_closures_pass_at_ties_kinks_and_poles_in_every_dtype(dtype):
    x, w = Value(np.array(X, dtype), label="x"), Value(np.array(W, dtype), label="w")
    with np.errstate(all="ignore"):
        y = tg.maximum(x, w) + tg.relu(x) + abs(x) + x.clip(0.0, 2.0) + tg.sqrt(abs(x)) + 1 / w
        E = y.sum() + tg.maximum(x, x).max() + tg.softmax(x).max() + tg.log(abs(w)).sum()
        assert tg.record(E).check().holds


def test_a_pool_with_ties_is_right():
    x = Value(np.array([[1.0, 1.0, 2.0], [1.0, 2.0, 2.0], [0.0, 0.0, -0.0]]))
    pooled = [tg.max_pool2d(x, 2, 1), tg.max_pool2d(x, 2, 1, ties="last"), tg.avg_pool2d(x, 2, 1)]
    assert tg.record(sum((y * y).sum() for y in pooled)).check().holds


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.cbrt, 0.0),
        (lambda v: -np.cbrt(v), [0.0, 1.0]),
        (lambda v: np.linalg.svd(v).U, np.eye(2)),
    ],
)
def test_a_slope_that_is_infinite_is_not_wrong(f, x):
    with np.errstate(all="ignore"):
        y = f(Value(x))
        assert tg.record((y * np.arange(1.0, 1 + y.size).reshape(y.shape)).sum()).check().holds


def test_numbers_outside_a_rules_domain_are_left_alone():
    with np.errstate(all="ignore"):
        found = tg.record(Value(0.0) ** 0.5).check()
    assert (found.holds, found.unchecked) == (True, [])


def test_a_random_or_failing_rule_is_not_checked():
    rng = np.random.default_rng(0)

    def noise(x):
        return x + rng.normal(), lambda g: (g,)

    def once(x):
        if x != 3.0:
            raise ValueError(x)
        return x, lambda g: (g,)

    found = tg.record(tg.lift(noise)(Value(1.0)) + tg.lift(once)(Value(3.0))).check()
    assert (found.holds, len(found.unchecked)) == (True, 2)
    assert "not checked, as the rule now fails or computes other numbers: " in str(found)


def test_many_wrong_closures_are_counted_with_their_lines():
    with tg.traced():
        y = sum(tg.lift(wrong_factor)(Value(float(i))) for i in range(1, 15))
    said = str(tg.record(y).check()).splitlines()
    assert said[0] == "28 closures compared with finite differences: 14 wrong"
    assert said[-1] == "… and 2 more, in .wrong"
    assert "y = sum(tg.lift(wrong_factor)" in said[2]


def test_stale_leaves_are_listed():
    w, x, b = (Value(n, label=name) for n, name in ((2.0, "w"), ([1.0, 2.0], "x"), (0.5, "b")))
    recording = tg.record((w * x + b).sum())
    assert recording.stale() == []
    w.data, x.data[1] = 3.0, 7.0
    assert recording.stale() == [w, x]
    recorded = tg.record(w * 2.0)
    w.data = 2.5
    assert recorded.stale() == [w]


def test_a_rule_without_a_location_is_named_alone():
    def cube(x):
        return x**3, lambda g: (g,)

    cube.__module__ = "tinygrad_pool.rules.elementwise"  # as if it were the package's own
    found = tg.record(tg.lift(cube)(Value(2.0, label="x"))).check()
    assert str(found).splitlines()[1:] == [
        "  cube#1: its closure sends 1 to x, but finite differences of cube give 12.00"
    ]


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (tg.exp, np.float32(-110)),
        (tg.sigmoid, np.float16(-20)),
        (lambda v: v**3, np.full(5, 1e-4, np.float16)),
        (lambda v: (v * np.float32(1e25)) * np.float32(1e30), np.float32(1e-30)),
    ],
)
def test_a_correct_closure_that_under_or_overflows_a_narrow_dtype_is_not_wrong(f, x):
    with np.errstate(all="ignore"):
        assert str(tg.record(f(Value(x)).sum()).check()).endswith(": none wrong")
        wrong = tg.lift(wrong_factor)(Value(np.float32(3.0)))
        assert not tg.record(wrong).check().holds


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_blame_no_closure_that_leaves_them_out(bad):
    x = Value(2.0) * np.array([bad, 1.0])
    with np.errstate(all="ignore"):
        kept = np.where([False, True], x, 0.0).sum() + x[1]
        scalars = np.where(False, Value(2.0) * bad, 1.0)
        assert tg.record(kept + scalars).check().holds
