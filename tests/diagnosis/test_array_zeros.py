"""Why a step on arrays sends only zeros to an operand."""

import numpy as np
import pytest

import tinygrad_pool as tg

X = np.arange(12.0).reshape(4, 3) - 4


def scalar(number=2.0, label="w"):
    return tg.Value(number, label=label)


def zeros(loss, gradient=None, **options):
    found = tg.diagnose(loss, gradient, **options).findings
    return [f for f in found if f.kind == "zero gradient"]


@pytest.mark.parametrize(
    ("f", "cause"),
    [
        (
            lambda w: (X * w - 99.0).relu().sum(),
            "sub#2 gets nothing from relu#3: the relu is off wherever a gradient arrives, at 12 "
            "units: inputs −103 … −92",
        ),
        (
            lambda w: tg.maximum(X * w, 99.0).sum(),
            "mul#1 gets nothing from maximum#2: it loses to a constant wherever a gradient "
            "arrives, at 12 units",
        ),
        (
            lambda w: tg.maximum(X * w, X + 99.0 + w[0] * 0.0).sum(),
            "mul#1 gets nothing from maximum#5: it loses wherever a gradient arrives, at 12 units",
        ),
        (
            lambda w: (X * w @ tg.Value(np.zeros((3, 2)), label="U")).sum(),
            "mul#1 gets nothing from matmul#3: the other factor, U, is 0",
        ),
        (lambda w: (X * 0.0 * w).sum(), "w gets nothing from mul#1: the other factor is 0"),
        (
            lambda w: (w * np.array([[1.0], [-1.0]])).sum(),
            "w gets nothing from mul#1: what arrives at its units cancels",
        ),
        (
            lambda w: ((w * 1e-200) * 1e-200).sum(),
            "w gets nothing from mul#1: underflow: gradients of up to 1e-200 are too small",
        ),
        (
            lambda w: np.where(X > 99, w, 0.0).sum(),
            "w gets nothing from where#1: it was not chosen wherever a gradient arrives",
        ),
        (
            lambda w: (w * (X < 0))[3].sum(),
            "w gets nothing from mul#1: the other factor is 0 wherever a gradient arrives, at 3 "
            "units",
        ),
        (
            lambda w: tg.stack([w * X, X], axis=1)[:, 1].sum(),
            "mul#1 gets nothing from stack#2: nothing arrives at its part, for stack#2[0, 0, 0] "
            "is not used by getitem#3",
        ),
        (lambda w: (w - w).sum(), "what reaches w cancels"),
        (
            lambda w: ((w - 1.0).abs()).sum(),
            "sub#1 gets nothing from abs#2: the local derivative of abs is 0 wherever",
        ),
    ],
)
def test_an_array_s_zero_is_told_for_all_its_units(f, cause):
    w = tg.Value(np.ones(3), label="w")
    (finding,) = zeros(f(w), parameters=[w])
    assert finding.why.startswith(cause)
    assert finding.says.startswith("a gradient of 0 throughout")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_gradient_that_underflows_is_said_to(dtype):
    tiny = dtype(np.finfo(dtype).tiny)
    for shape in ((), (2, 3)):
        x, y, z = (
            tg.Value(np.full(shape, n, dtype), label=label)
            for n, label in ((3.0, "x"), (tiny, "y"), (tiny, "z"))
        )
        (finding,) = zeros(((x * y) * z).sum(), parameters=x)
        assert finding.name == "x"
        assert "underflow" in finding.why


def test_what_cancels_is_said_to():
    w, u = scalar(), scalar(3.0, "u")
    (finding,) = zeros(w * u - w * u)
    assert (finding.name, finding.why) == ("w, u", "what reaches w cancels")


def test_what_cancels_exactly_in_single_precision_does_not_underflow():
    g = np.array([6.6, -4.8, -7.8, -4.0, 10.0], np.float32)
    b = tg.Value(np.ones(1, np.float32), label="b")
    (finding,) = zeros(((np.zeros((5, 1), np.float32) + b)[:, 0] * g).sum())
    assert finding.why == "b gets nothing from add#1: what arrives at its units cancels"


def test_relus_that_are_off_since_weights_start_at_0():
    W = [tg.Value(np.zeros((2, 2)), label=f"W{i}") for i in range(3)]
    y = np.ones((20, 2))
    for w in W:
        y = (y @ w).relu()
    (finding,) = zeros(((y - 1.0) ** 2).mean(), parameters=W)
    assert ". Weights that start at 0 pass nothing on: W0, W1, W2." in finding.why
    gain = tg.Value(np.zeros((2, 1)), label="gain")
    y = (np.ones((20, 2)) * gain.reshape(2) + tg.Value(np.zeros(2), label="b")).relu()
    (finding,) = zeros(((y - 1.0) ** 2).mean())
    assert finding.why.endswith(". Weights that start at 0 pass nothing on: gain")
    w, b = scalar(-9.0), scalar(0.0, "b")
    (finding,) = zeros(sum(tg.weighted_sum([w], [1.0], b).relu() for _ in range(20)))
    assert finding.why.endswith(". Smaller steps and weights, or biases above 0, keep relus on")
