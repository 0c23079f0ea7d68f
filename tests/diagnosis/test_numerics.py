"""Numbers that are wrong, rounded away, or paid to one of several equals."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.rules.traits import TRAITS, Traits

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def found(kind, loss, gradient=None, **options):
    findings = tg.diagnose(loss, gradient, **options).findings
    return [f for f in findings if f.kind == kind]


class TestWrongRule:
    def test_a_rule_of_ones_own_is_compared_with_its_slopes_each_once(self):
        def cube(x):
            return x**3, lambda g: (2.0 * g * x**2,)

        def square(x):
            return x * x, lambda g: (2.0 * g * x,)

        x = tg.Value(2.0, label="x")
        (finding,) = found(
            "wrong rule", tg.lift(cube)(x) + tg.lift(square)(x) + tg.lift(cube)(x * 3.0)
        )
        assert "its closure sends " in finding.says
        assert finding.says.endswith("; 1 other node of this rule too")
        assert [node.op for node in finding.nodes] == ["cube", "cube"]
        begun = r"the rule, defined at test_numerics.py:\d+, is wrong, or differs on purpose"
        assert re.match(begun, finding.why)
        (finding,) = found("wrong rule", tg.lift(cube)(x))
        assert finding.says == "its closure sends 8 where the slope of cube is 12"


class TestNotFinite:
    @pytest.mark.parametrize(
        ("f", "name", "why"),
        [
            (
                lambda w: (w * 0.0).log() + w,
                "log#2",
                "log#2 made −inf in the forward pass: log of mul#1 = 0; keep its operand above 0",
            ),
            (
                lambda w: (w * 0.0).sqrt() + w,
                "sqrt#2",
                "sqrt#2 made inf in the backward pass: sqrt of mul#1 = 0; add a small number under",
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
    def test_the_first_is_named_with_its_operands(self, f, name, why):
        (finding,) = found("not finite", f(tg.Value(2.0, label="w")))
        assert (finding.severity, finding.name) == ("wrong numbers", name)
        assert finding.why.startswith(why)
        assert "of 1 parameters are not finite" in finding.says or "of 2 para" in finding.says

    @pytest.mark.parametrize(
        ("f", "helps"),
        [
            (lambda w: w**-1, "; keep its operand above 0"),
            (lambda w: w**0.5, "; keep its operand above 0"),
            (lambda w: (w - 2.0) ** 0.5, "; keep its operand above 0"),
            (lambda w: (w - 2.0).sqrt(), "; keep its operand above 0"),
            (lambda w: w.sqrt(), "; add a small number under the root"),
            (lambda w: (w + 300.0) ** 200, ", 200 overflows float64"),
            (lambda w: (w - 300.0) ** 200, ", 200 overflows float64"),
            (
                lambda w: tg.softmax(w - np.inf),
                "; keep at least one number above −inf in each row, and none at inf",
            ),
            (lambda w: 1.0 / w, "; keep the divisor away from 0"),
            (lambda w: (w + 1e300) / 1e-300, "; keep the divisor away from 0"),
            (lambda w: (w + np.inf) / (w + np.inf), "[0] = inf"),
        ],
    )
    def test_what_helps_is_said_where_it_does(self, f, helps):
        loss = f(tg.Value(np.zeros(2), label="w")).sum()
        assert found("not finite", loss)[0].why.endswith(helps)

    def test_finite_numbers_are_none(self):
        w = tg.Value(2.0, label="w")
        assert found("not finite", (w * 3.0).log() + w.sqrt()) == []

    def test_infinities_that_do_no_harm(self):
        w = tg.Value(np.array([1.0, 2.0]), label="w")
        masked = np.where(np.array([True, False]), w, -np.inf)
        assert found("not finite", tg.softmax(masked)[0] * 2.0) == []

    def test_a_row_that_is_masked_as_a_whole_makes_the_first_nan(self):
        w = tg.Value(np.array([1.0, 2.0]), label="w")
        masked = np.where(np.array([False, False]), w, -np.inf)
        (finding,) = found("not finite", tg.softmax(masked)[0] * 2.0)
        assert finding.name == "softmax#2"

    def test_one_that_is_made_but_reaches_nothing_does_no_harm_either(self):
        w = tg.Value(2.0, label="w")
        assert found("not finite", w + tg.minimum(w * 1e200 * 1e200, 5.0)) == []

    def test_one_that_was_computed_under_no_grad(self):
        with tg.no_grad():
            root = tg.Value(-1.0).sqrt()
        (finding,) = found("not finite", tg.Value(2.0, label="w") * root)
        assert finding.why == "sqrt#0 is nan"

    def test_one_that_was_given(self):
        (finding,) = found("not finite", tg.Value(2.0, label="w") * 3.0, np.nan)
        assert (finding.name, finding.nodes) == ("the gradient that was given", ())

    def test_nothing_warns(self):
        w = tg.Value(2.0, label="w")
        with np.errstate(all="ignore"):
            loss = (w * 0.0).log() * w
        with np.errstate(all="raise"):
            assert found("not finite", loss)


class TestUnderflow:
    def test_gradients_without_all_their_digits(self):
        w = tg.Value(1.0, label="w")
        (finding,) = found("underflow", w * 1e-200 * 1e-115)
        assert finding.says == "gradients are 1e-315 at most, in 1 parameter"
        assert found("underflow", w * 1e-200 * 1e-100) == []

    def test_float32_ends_earlier(self):
        w = tg.Value(np.ones(2, np.float32), label="w")
        assert found("underflow", (w * np.float32(1e-40)).sum())
        assert found("underflow", (tg.Value(np.ones(2), label="w") * 1e-40).sum()) == []


class TestCancelling:
    def test_contributions_that_leave_a_rounding_error(self):
        w = tg.Value(1.0, label="w")
        loss = w * 0.1 + w * 0.2 - w * 0.3
        (finding,) = found("cancels", loss)
        assert finding.says == "3 contributions to w cancel to 2.8e-17, a rounding error"
        assert finding.why.startswith("they sum to 0.6 without their signs: ")
        assert found("cancels", w * 0.1 + w * 0.2 - w * 0.2999) == []

    def test_all_elements_have_to(self):
        w = tg.Value(np.ones(2), label="w")
        assert found("cancels", (w * 0.1 + w * 0.2 - w * 0.3).sum())
        assert found("cancels", (w * 0.1 + w * 0.2 - w * np.array([0.3, 0.0])).sum()) == []

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_bias_before_a_norm(self, dtype):
        rng = np.random.default_rng(0)
        net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=0), tg.nn.BatchNorm1d(4))
        loss = (net(rng.random((8, 3)).astype(dtype)) ** 4).mean()
        (finding,) = found("cancels", loss, parameters=net)
        assert finding.name == "0.bias"
        assert finding.says.startswith("8 contributions to 0.bias[")

    def test_above_the_parameter(self):
        W = tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="W")
        scores = np.cos(np.arange(8.0)).reshape(4, 2) @ W
        scores.label = "scores"
        (finding,) = found("cancels", tg.softmax(scores).sum() * 0.7)
        assert (finding.name, finding.nodes) == ("W", (W,))
        assert finding.says.startswith("3 contributions to scores[")


class TestTies:
    def test_a_tie_that_matters(self):
        w = tg.Value(np.ones((1, 4, 4)), label="w")
        g = np.arange(4.0).reshape(1, 2, 2)
        (finding,) = found("ties", (tg.max_pool2d(w, 2) * g).sum())
        assert (finding.severity, finding.name) == ("suspicious", "max_pool2d#1")
        assert finding.says == "3 ties in 4 windows of max_pool2d, where it matters who wins"
        assert (
            "(0, 0, 2), (0, 0, 3), (0, 1, 2) and 1 more all hold 1: here, as in PyTorch"
            in finding.why
        )

    @pytest.mark.parametrize(
        ("settled", "said"),
        [
            ({}, "here the first gets the whole gradient, in PyTorch half each"),
            ({"ties": "last"}, "here the last gets the whole gradient, in PyTorch half each"),
            ({"ties": "even"}, "here, as in PyTorch, all get an even share of the gradient"),
        ],
    )
    def test_who_gets_the_gradient_is_as_it_was_settled(self, settled, said):
        a, b = tg.Value(1.0), tg.Value(1.0)
        (finding,) = found("ties", tg.maximum(a, b, **settled) * 3.0)
        assert f"all hold 1: {said}. Equal" in finding.why

    def test_a_rule_of_ones_own_decides(self, monkeypatch):
        def later(x, y):
            return np.maximum(x, y), lambda g: (g * (x > y), g * (x <= y))

        monkeypatch.setitem(TRAITS, later, Traits("elementwise", "largest"))
        (finding,) = found("ties", tg.lift(later)(tg.Value(1.0), tg.Value(1.0)))
        assert "all hold 1: the rule decides who gets the gradient. Equal" in finding.why

    def test_equal_zeros_after_a_relu_are_harmless(self):
        w = tg.Value(np.full((1, 4, 4), -1.0), label="w")
        assert found("ties", tg.max_pool2d(w.relu(), 2).sum()) == []

    def test_ties_of_scalars_are_told_together(self):
        w = [tg.Value(1.0, label=f"w{i}") for i in range(4)]
        with tg.scope("pool"):
            z = tg.maximum(w[0], w[1]) + tg.maximum(w[2], w[3])
        (finding,) = found("ties", z)
        assert (finding.name, len(finding.nodes)) == ("pool", 2)
        assert finding.says == "2 ties in 2 windows of maximum, where it matters who wins"

    def test_numbers_that_were_assigned_since_cannot_be_asked(self):
        w = tg.Value(np.ones((1, 2, 2)), label="w")
        loss = tg.max_pool2d(w, 2).sum()
        assert found("ties", loss)
        w.data = np.zeros((1, 2, 2))
        assert found("ties", loss) == []
