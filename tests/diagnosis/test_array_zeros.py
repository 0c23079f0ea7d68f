"""Why a step on arrays sends only zeros to an operand."""

import numpy as np
import pytest

import tinygrad_pool as tg

X = np.arange(12.0).reshape(4, 3) - 4


def scalar(number=2.0, label="w"):
    return tg.Value(number, label=label)


def zeros(loss, gradient=None, **options):
    findings = tg.diagnose(loss, gradient, **options).findings
    return [f for f in findings if f.kind == "zero gradient"]


@pytest.mark.parametrize(
    ("f", "cause"),
    [
        (
            lambda w: (X * w - 99.0).relu().sum(),
            "sub#2 gets nothing from relu#3: the relu is off at all 12 units where a gradient "
            "arrives, with inputs of −103 … −92",
        ),
        (
            lambda w: tg.maximum(X * w, 99.0).sum(),
            "mul#1 gets nothing from maximum#2: it loses to a constant at all 12 units "
            "where a gradient arrives",
        ),
        (
            lambda w: tg.maximum(X * w, X + 99.0 + w[0] * 0.0).sum(),
            "mul#1 gets nothing from maximum#5: it loses at all 12 units where a gradient arrives",
        ),
        (
            lambda w: (X * w @ tg.Value(np.zeros((3, 2)), label="U")).sum(),
            "mul#1 gets nothing from matmul#3: the other factor, U, is 0",
        ),
        (
            lambda w: (X * 0.0 * w).sum(),
            "w gets nothing from mul#1: the other factor, a constant, is 0",
        ),
        (
            lambda w: (w * np.array([[1.0], [-1.0]])).sum(),
            "w gets nothing from mul#1: the contributions of its units cancel",
        ),
        (
            lambda w: ((w * 1e-200) * 1e-200).sum(),
            "w gets nothing from mul#1: it underflows, as products with gradients of up to 1e-200",
        ),
        (
            lambda w: np.where(X > 99, w, 0.0).sum(),
            "w gets nothing from where#1: it was not chosen at all 12 units where a gradient ",
        ),
        (
            lambda w: (w * (X < 0))[3].sum(),
            "w gets nothing from mul#1: the other factor is 0 at all 3 units where a gradient "
            "arrives",
        ),
        (
            lambda w: tg.stack([w * X, X], axis=1)[:, 1].sum(),
            "mul#1 gets nothing from stack#2: no gradient arrives at its part; stack#2[0, 0, 0] "
            "is not used by getitem#3",
        ),
        (lambda w: (w - w).sum(), "the contributions to w cancel: either it is at"),
        (
            lambda w: ((w - 1.0).abs()).sum(),
            "sub#1 gets nothing from abs#2: the local derivative of abs is 0 at all 3 units",
        ),
    ],
)
def test_a_zero_of_an_array_is_explained_for_all_its_units(f, cause):
    w = tg.Value(np.ones(3), label="w")
    (finding,) = zeros(f(w), parameters=[w])
    assert finding.why.startswith(cause)
    assert finding.says.startswith("the whole gradient is 0")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_underflow_is_reported(dtype):
    tiny = dtype(np.finfo(dtype).tiny)
    for shape in ((), (2, 3)):
        x, y, z = (
            tg.Value(np.full(shape, n, dtype), label=label)
            for n, label in ((3.0, "x"), (tiny, "y"), (tiny, "z"))
        )
        (finding,) = zeros(((x * y) * z).sum(), parameters=x)
        assert finding.name == "x"
        assert "underflow" in finding.why


def test_cancelling_contributions_are_reported():
    w, u = scalar(), scalar(3.0, "u")
    (finding,) = zeros(w * u - w * u)
    assert finding.name == "w, u"
    assert finding.why.startswith("the contributions to w cancel: either it is at a minimum, or")


def test_exact_cancelling_in_float32_is_not_underflow():
    g = np.array([6.6, -4.8, -7.8, -4.0, 10.0], np.float32)
    b = tg.Value(np.ones(1, np.float32), label="b")
    (finding,) = zeros(((np.zeros((5, 1), np.float32) + b)[:, 0] * g).sum())
    assert finding.why == "b gets nothing from add#1: the contributions of its units cancel"


def test_relus_that_are_off_because_weights_start_at_0():
    W = [tg.Value(np.zeros((2, 2)), label=f"W{i}") for i in range(3)]
    y = np.ones((20, 2))
    for w in W:
        y = (y @ w).relu()
    (finding,) = zeros(((y - 1.0) ** 2).mean(), parameters=W)
    assert ". Weights of 0 pass nothing on: do not start W0, W1, W2 at 0." in finding.why
    gain = tg.Value(np.zeros((2, 1)), label="gain")
    y = (np.ones((20, 2)) * gain.reshape(2) + tg.Value(np.zeros(2), label="b")).relu()
    (finding,) = zeros(((y - 1.0) ** 2).mean())
    assert finding.why.endswith(". Weights of 0 pass nothing on: do not start gain at 0")
    w, b = scalar(-9.0), scalar(0.0, "b")
    (finding,) = zeros(sum(tg.weighted_sum([w], [1.0], b).relu() for _ in range(20)))
    assert finding.why.endswith(". Smaller steps and weights, or biases above 0, keep relus on")
