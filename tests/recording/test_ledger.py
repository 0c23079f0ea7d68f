"""The contribution of each link, in its own dtype."""

import math

import numpy as np
import pytest

import tinygrad_pool as tg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

TINY = {np.float16: 1e-4, np.float32: 1e-30, np.float64: 1e-200}


def values(dtype, shape, **numbers):
    return [tg.Value(np.full(shape, n, dtype), label=label) for label, n in numbers.items()]


@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("dtype", TINY)
def test_a_product_too_small_for_its_dtype_is_an_underflow_not_a_cancellation(dtype, shape):
    x, y, z = values(dtype, shape, x=3.0, y=TINY[dtype], z=TINY[dtype])
    why = tg.record(((x * y) * z).sum()).why("x")
    assert [e.contribution for e in why.entries] == [0.0]
    (cause,) = why.causes
    assert "it underflows, as " in cause
    assert cause.endswith(f"is too small for {np.dtype(dtype)}")


def test_a_cast_to_a_narrower_dtype_underflows():
    x = tg.Value(np.float32(3.0), label="x")
    why = tg.record(x.astype(np.float64) * 1e-60).why("x")
    assert why.causes[0].endswith("it underflows, as 1e-60 × 1 is too small for float32")


def test_an_underflow_has_the_digits_and_signs_of_other_numbers():
    v, w = tg.Value(1e-200, label="v"), tg.Value(-1.0004e-200, label="w")
    why = tg.record(v * w * v).why("v")
    assert "underflows, as 1e-200 × −1.00e-200 is too small for float64" in why.causes[-1]


def test_many_underflowing_links_of_a_step_are_not_a_cancellation():
    x, w = values(np.float32, (4, 4), x=1e-30, w=1.0)
    why = tg.record((x @ w * np.float32(1e-30)).sum()).why("w", (0, 0))
    assert why.grad == 0
    assert all("underflow" in cause for cause in why.causes)


def test_cancelling_contributions_are_named():
    x = tg.Value(np.float32(3.0), label="x")
    why = tg.record(x * np.float32(2.0) - x * np.float32(2.0)).why("x")
    assert why.causes == ["the contributions cancel"]
    assert [e.contribution for e in why.entries] == [-2.0, 2.0]


def test_one_link_sends_what_the_step_sent_whatever_slope_is_shown():
    x, w = tg.Value(1e300, label="x"), tg.Value(1e200, label="w")
    (entry,) = tg.record((x / w) * 1e300).why("w").entries  # x / w² is 1e300 / inf
    assert entry.contribution == entry.node.parents[1].grad * 0 + -1e300 * (1e300 / 1e200) / 1e200


def test_infinity_times_a_slope_of_0_is_as_the_rule_computes_it():
    x, off = tg.Value([1.0, 2.0], label="x"), tg.Value([1.0, -1.0], label="off")
    g = np.array([1.0, np.inf])
    why = tg.record(off.relu(), g).why("off", 1)
    assert (why.grad, why.entries[0].reason) == (0.0, "the relu is off, as its input is −1")
    product = tg.record(x * tg.Value(0.0, label="w"), g).why("w")
    assert product.grad == math.inf
    zero = tg.record(x * np.array([3.0, 0.0]), g).why("x", 1)
    assert math.isnan(zero.grad)


def test_a_nan_without_other_origin_is_infinity_times_0():
    w = tg.Value(2.0, label="w")
    why = tg.record(w * np.array([2.0, 0.0]), np.array([1.0, np.inf])).why("w")
    assert math.isnan(why.grad)
    of_2, of_0 = (e.contribution for e in why.entries)
    assert of_2 == 2.0
    assert math.isnan(of_0)


def test_in_a_sum_only_masked_terms_send_nothing():
    w = tg.Value(2.0, label="w")
    E = tg.where(np.array([True, False]), w, 1.0) * np.array([1.0, np.inf])
    why = tg.record(E.sum()).why("w")
    assert (why.grad, [e.contribution for e in why.entries]) == (1.0, [1.0, 0.0])


def test_operands_without_a_contribution_have_no_entry():
    def half_deaf(x, w):
        return x * w, lambda g: (g * w, None)

    x, w = tg.Value(2.0, label="x"), tg.Value(3.0, label="w")
    passed = tg.record(tg.lift(half_deaf)(x, w) + w * 0.0)
    assert [e.node.op for e in passed.why("w").entries] == ["mul"]


def test_an_infinity_through_a_slope_of_0_is_shown_where_it_made_the_nan():
    u = tg.Value(np.ones((1, 1)), label="u")
    why = tg.record((np.array([[1.0], [0.0]]) @ u).sum(), np.inf).why("u")
    assert np.isnan(why.grad)
    assert np.isnan(sum(entry.contribution for entry in why.entries))
