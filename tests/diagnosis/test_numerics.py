"""Wrong rules, NaN and infinities, underflow, cancelling and ties."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.rules.traits import TRAITS, Traits

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def find(kind, loss, gradient=None, **options):
    findings = tg.diagnose(loss, gradient, **options).findings
    return [f for f in findings if f.kind == kind]


class TestWrongRule:
    def test_each_rule_of_the_user_is_compared_with_finite_differences(self):
        def cube(x):
            return x**3, lambda g: (2.0 * g * x**2,)

        def square(x):
            return x * x, lambda g: (2.0 * g * x,)

        x = tg.Value(2.0, label="x")
        (finding,) = find(
            "wrong rule", tg.lift(cube)(x) + tg.lift(square)(x) + tg.lift(cube)(x * 3.0)
        )
        assert finding.says.endswith("; 1 other node of this rule too")
        assert [node.op for node in finding.nodes] == ["cube", "cube"]
        assert re.match(r"the closure of cube, defined at test_numerics.py:\d+, is n", finding.why)
        (finding,) = find("wrong rule", tg.lift(cube)(x))
        assert finding.says == "its closure sends 8, but finite differences give 12.00"


class TestNotFinite:
    @pytest.mark.parametrize(
        ("f", "name", "why"),
        [
            (
                lambda w: (w * 0.0).log() + w,
                "log#2",
                "log#2 made −inf in the forward pass: log of mul#1 = 0. Keep its operand above 0",
            ),
            (
                lambda w: (w * 0.0).sqrt() + w,
                "sqrt#2",
                "sqrt#2 made inf in the backward pass: sqrt of mul#1 = 0. Add a small number under",
            ),
            (
                lambda w: w / (w - w),
                "div#2",
                "div#2 made inf in the forward pass: div of w = 2, sub",
            ),
            (
                lambda w: (w * 999.0).exp() * w,
                "exp#2",
                "exp#2 made inf in the forward pass: exp of",
            ),
            (lambda w: w * tg.Value(np.inf, label="x"), "x", "x was set to inf"),
        ],
    )
    def test_the_node_that_made_it_is_named_with_its_operands(self, f, name, why):
        (finding,) = find("not finite", f(tg.Value(2.0, label="w")))
        assert (finding.severity, finding.name) == ("wrong numbers", name)
        assert finding.why.startswith(why)
        assert "of 1 parameters are not finite" in finding.says or "of 2 para" in finding.says

    @pytest.mark.parametrize(
        ("f", "helps"),
        [
            (lambda w: w**-1, ". Keep its operand above 0"),
            (lambda w: w**0.5, ". Keep its operand above 0"),
            (lambda w: (w - 2.0) ** 0.5, ". Keep its operand above 0"),
            (lambda w: (w - 2.0).sqrt(), ". Keep its operand above 0"),
            (lambda w: w.sqrt(), ". Add a small number under the root"),
            (lambda w: (w + 300.0) ** 200, "overflows float64. Keep its numbers smaller"),
            (lambda w: (w - 300.0) ** 200, "overflows float64. Keep its numbers smaller"),
            (
                lambda w: tg.softmax(w - np.inf),
                ". Keep at least one number of each row above −inf, and all below inf",
            ),
            (lambda w: 1.0 / w, ". Keep the divisor away from 0"),
            (lambda w: (w + 1e300) / 1e-300, ". Keep the divisor away from 0"),
            (
                lambda w: (np.full((2, 2), 1e200) @ (w + 1e200).reshape(2, 1))[:, 0],
                "overflows float64. Keep its numbers smaller",
            ),
            (lambda w: (w + np.inf) / (w + np.inf), "[0] = inf. Keep its operands finite"),
            (lambda w: (w - np.inf) * [0.0, 1.0], ", 0. Keep its operands finite"),
            (np.log2, ". Keep its operand above 0"),
            (lambda w: np.log10(w - 1.0), ". Keep its operand above 0"),
            (lambda w: np.log1p(w - 1.0), ". Keep its operand above −1"),
            (np.arccosh, ". Keep its operand above 1"),
            (np.cbrt, ". Keep its operand away from 0"),
            (lambda w: np.linalg.eigh(np.diag(w)).eigenvectors, ". Keep its eigenvalues apart"),
            (lambda w: np.linalg.svd(np.diag(w)).U, " values apart, and away from 0"),
            (lambda w: np.mod(1.0, w), ". Keep the divisor away from 0"),
            (lambda w: np.fmod(1.0, w), ". Keep the divisor away from 0"),
            (
                lambda w: np.var(w[:1], ddof=1),
                ". Keep its numbers smaller, and take more of them than ddof",
            ),
            (lambda w: w + np.nan, "nan. Make its constant finite, such as the input data"),
        ],
    )
    def test_a_fix_is_given(self, f, helps):
        loss = f(tg.Value(np.zeros(2), label="w")).sum()
        assert find("not finite", loss)[0].why.endswith(helps)

    def test_the_rule_of_a_user_is_to_be_checked(self):
        def odd(x):
            return x * 2, lambda g: (g / (x - x),)

        with np.errstate(all="ignore"):
            (finding,) = find("not finite", tg.lift(odd)(tg.Value(np.ones(2), label="w")).sum())
        assert finding.why.endswith(". Check what this rule computes, and what its closure does")

    def test_a_sum_that_overflows_needs_smaller_numbers(self):
        w = tg.Value(np.full(2, 1e-3, np.float16), label="w")
        (finding,) = find("not finite", (w * np.float16(4e4) + w * np.float16(4e4)).sum())
        assert finding.why.endswith("contributions overflows float16. Keep its numbers smaller")

    def test_finite_numbers_are_not_reported(self):
        w = tg.Value(2.0, label="w")
        assert find("not finite", (w * 3.0).log() + w.sqrt()) == []

    def test_a_harmless_mask_is_not_reported(self):
        w = tg.Value(np.array([1.0, 2.0]), label="w")
        masked = np.where(np.array([True, False]), w, -np.inf)
        assert find("not finite", tg.softmax(masked)[0] * 2.0) == []

    def test_a_softmax_of_a_fully_masked_row_makes_nan(self):
        w = tg.Value(np.array([1.0, 2.0]), label="w")
        masked = np.where(np.array([False, False]), w, -np.inf)
        (finding,) = find("not finite", tg.softmax(masked)[0] * 2.0)
        assert finding.name == "softmax#2"

    def test_an_infinity_that_reaches_nothing_is_not_reported(self):
        w = tg.Value(2.0, label="w")
        assert find("not finite", w + tg.minimum(w * 1e200 * 1e200, 5.0)) == []

    def test_a_nan_computed_under_no_grad(self):
        with tg.no_grad():
            root = tg.Value(-1.0).sqrt()
        (finding,) = find("not finite", tg.Value(2.0, label="w") * root)
        assert finding.why.startswith("sqrt#0 is nan. Make its numbers finite; ")

    def test_a_second_origin_does_not_contrast_with_a_loss_that_is_not_finite_either(self):
        a, b, w = (
            tg.Value(np.nan, label="a"),
            tg.Value(-np.inf, label="b"),
            tg.Value(0.0, label="w"),
        )
        first, second = find("not finite", a + b * w)
        assert first.says.endswith("is nan")
        assert second.says.endswith("is nan, and the gradients of 1 of 3 parameters are not finite")

    def test_a_nan_in_the_gradient_that_was_given(self):
        (finding,) = find("not finite", tg.Value(2.0, label="w") * 3.0, np.nan)
        assert (finding.name, finding.nodes) == ("the gradient that was given", ())

    def test_nothing_warns(self):
        w = tg.Value(2.0, label="w")
        with np.errstate(all="ignore"):
            loss = (w * 0.0).log() * w
        with np.errstate(all="raise"):
            assert find("not finite", loss)


class TestUnderflow:
    def test_subnormal_gradients(self):
        w = tg.Value(1.0, label="w")
        (finding,) = find("underflow", w * 1e-200 * 1e-115)
        assert finding.says == "gradients are 1e-315 at most, in 1 parameter"
        assert find("underflow", w * 1e-200 * 1e-100) == []

    def test_float32_underflows_earlier(self):
        w = tg.Value(np.ones(2, np.float32), label="w")
        assert find("underflow", (w * np.float32(1e-40)).sum())
        assert find("underflow", (tg.Value(np.ones(2), label="w") * 1e-40).sum()) == []


class TestCancelling:
    def test_contributions_that_leave_a_rounding_error(self):
        w = tg.Value(1.0, label="w")
        loss = w * 0.1 + w * 0.2 - w * 0.3
        (finding,) = find("cancels", loss)
        assert finding.says == "3 contributions to w cancel to 2.8e-17, a rounding error"
        assert finding.why.startswith(
            "without their signs they sum to 0.6, so the true gradient is 0: "
        )
        assert find("cancels", w * 0.1 + w * 0.2 - w * 0.2999) == []

    def test_all_elements_must_cancel(self):
        w = tg.Value(np.ones(2), label="w")
        assert find("cancels", (w * 0.1 + w * 0.2 - w * 0.3).sum())
        assert find("cancels", (w * 0.1 + w * 0.2 - w * np.array([0.3, 0.0])).sum()) == []

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_bias_before_a_norm(self, dtype):
        rng = np.random.default_rng(0)
        net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=0), tg.nn.BatchNorm1d(4))
        loss = (net(rng.random((8, 3)).astype(dtype)) ** 4).mean()
        (finding,) = find("cancels", loss, parameters=net)
        assert finding.name == "0.bias"
        assert finding.says.startswith("8 contributions to 0.bias[")

    def test_above_the_parameter(self):
        W = tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="W")
        scores = np.cos(np.arange(8.0)).reshape(4, 2) @ W
        scores.label = "scores"
        (finding,) = find("cancels", tg.softmax(scores).sum() * 0.7)
        assert (finding.name, finding.nodes) == ("W", (W,))
        assert finding.says.startswith("3 contributions to scores[")


class TestTies:
    def test_a_tie_that_matters(self):
        w = tg.Value(np.ones((1, 4, 4)), label="w")
        g = np.arange(4.0).reshape(1, 2, 2)
        (finding,) = find("ties", (tg.max_pool2d(w, 2) * g).sum())
        assert (finding.severity, finding.name) == ("suspicious", "max_pool2d#1")
        assert finding.says == (
            "3 ties in 4 windows of max_pool2d, where the winner changes a parameter's gradient"
        )
        assert (
            "w[0, 0, 2], w[0, 0, 3], w[0, 1, 2] and 1 more are equal, 1: here, as in PyTorch"
            in finding.why
        )

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({}, "here the first gets the whole gradient, in PyTorch half each"),
            ({"ties": "last"}, "here the last gets the whole gradient, in PyTorch half each"),
            ({"ties": "even"}, "here, as in PyTorch, all get an even share of the gradient"),
        ],
    )
    def test_the_option_ties_says_who_gets_the_gradient(self, options, text):
        a, b = tg.Value(1.0, label="a"), tg.Value(1.0, label="b")
        (finding,) = find("ties", tg.maximum(a, b, **options) * 3.0)
        assert f"a, b are equal, 1: {text}. Equal" in finding.why

    def test_a_rule_of_the_user_decides(self, monkeypatch):
        def later(x, y):
            return np.maximum(x, y), lambda g: (g * (x > y), g * (x <= y))

        monkeypatch.setitem(TRAITS, later, Traits("elementwise", "largest"))
        (finding,) = find("ties", tg.lift(later)(tg.Value(1.0), tg.Value(1.0)))
        assert " are equal, 1: the rule decides who gets the gradient. Equal" in finding.why

    def test_equal_zeros_after_a_relu_are_harmless(self):
        w = tg.Value(np.full((1, 4, 4), -1.0), label="w")
        assert find("ties", tg.max_pool2d(w.relu(), 2).sum()) == []

    def test_ties_of_scalars_are_one_finding(self):
        w = [tg.Value(1.0, label=f"w{i}") for i in range(4)]
        with tg.scope("pool"):
            z = tg.maximum(w[0], w[1]) + tg.maximum(w[2], w[3])
        (finding,) = find("ties", z)
        assert (finding.name, len(finding.nodes)) == ("pool", 2)
        assert finding.says == (
            "2 ties in 2 windows of maximum, where the winner changes a parameter's gradient"
        )

    def test_ties_are_not_looked_for_after_data_was_set(self):
        w = tg.Value(np.ones((1, 2, 2)), label="w")
        loss = tg.max_pool2d(w, 2).sum()
        assert find("ties", loss)
        w.data = np.zeros((1, 2, 2))
        assert find("ties", loss) == []


def test_a_parameter_that_an_update_made_nan():
    w = tg.Value([1.0, 2.0], label="w")
    w.data = w.data * np.nan
    (finding,) = tg.diagnose((w * 2.0).sum()).findings
    assert finding.why == (
        "w[0] was set to nan. Make its numbers finite; if an update made them, tg.watch finds the "
        "first bad step"
    )
