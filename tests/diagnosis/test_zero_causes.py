"""Gradients, factors and inputs of 0 are followed to what made them."""

import numpy as np
import pytest

import tinygrad_pool as tg


def zeros(loss, gradient=None, **options):
    findings = tg.diagnose(loss, gradient, **options).findings
    return [f for f in findings if f.kind == "zero gradient"]


def scalar(number=2.0, label="w"):
    return tg.Value(number, label=label)


X = np.arange(12.0).reshape(4, 3) - 4


def test_the_line_is_quoted_after_the_relu_that_made_a_factor_0():
    w, v = scalar(), scalar(-1.0, "v")
    with tg.traced():
        loss = (v - 5.0).relu() * w + v
    assert ": the other factor is 0, because relu#3 is off, at test_zero" in zeros(loss)[0].why


def test_weights_that_start_at_0_are_named():
    w1, w2 = tg.Value(np.ones((3, 3)), label="w1"), tg.Value(np.zeros((3, 1)), label="w2")
    E = (((X @ w1).tanh() @ w2 - 1.0) ** 2).sum()
    (finding,) = zeros(E)
    assert (finding.name, finding.severity) == ("w1", "suspicious")
    assert "the other factor, w2, is 0" in finding.why
    assert finding.why.endswith(" pass no gradient down until their own moves them")
    (of_both,) = zeros((((X * 0.0 @ w1).tanh() @ w2 - 1.0) ** 2).sum())  # w2 gets none, either
    assert of_both.why.endswith(". Weights of 0 pass nothing on: do not start w2 at 0")
    assert of_both.severity == "no gradient"
    none = tg.Value(np.ones((0, 3)), label="none")  # no examples
    (of_none,) = zeros((none @ w2).sum(), parameters=[none, w2])
    assert of_none.severity == "no gradient"
    assert of_none.why.endswith("it has no elements")


@pytest.mark.parametrize(
    ("loss", "cause"),
    [
        (lambda a, b: X @ a @ b, ", b, is 0"),  # as in a new low-rank update
        (lambda a, b: X @ a @ (b * 2.0), " is 0, because b is 0"),
        (lambda a, b: (X @ a) * b[[0, 1, 0, 1]], " is 0, because b is 0"),
        (lambda a, b: a[0, 0] * b[0, 0], " is 0"),
    ],
)
def test_parameters_below_weights_of_0_that_will_move_are_only_suspicious(loss, cause):
    a, b = tg.Value(np.ones((3, 2)), label="a"), tg.Value(np.zeros((2, 1)), label="b")
    (finding,) = zeros(((loss(a, b) - 1.0) ** 2).mean(), parameters=[a, b])
    assert (finding.name, finding.severity) == ("a", "suspicious")
    says = f"the other factor{cause}, and weights of 0 pass no gradient down until their own moves"
    assert finding.why.endswith(f"{says} them")
    x = tg.Value(0.0, label="x")  # may be an input
    assert "weights of 0" not in zeros(tg.Value(2.0, label="w") * x + 1.0)[0].why
    both = (loss(a, b) - 1.0) ** 2 + (a * 0.0).sum()  # 0 for another reason, too
    assert zeros(both.mean(), parameters=[a, b])[0].severity == "no gradient"


def test_a_norm_of_one_number_at_a_time_is_named():
    w, gain = tg.Value(np.ones((3, 1)), label="w"), tg.Value(np.ones(1), label="gain")
    y = X @ w
    same = y - y.mean(axis=1, keepdims=True)
    of_w, of_gain = zeros(((same * gain - X[:, :1]) ** 2).mean())
    alone = ", as each number minus the mean of itself alone is 0"
    fix = ". Take the mean over more than one number"
    assert of_w.why == f"the contributions to matmul#2 cancel{alone}{fix}"
    assert of_gain.why.endswith(f"the other factor is 0{alone}{fix}")
    y = X[:1] @ tg.Value(np.ones((3, 2)), label="w")
    (of_off,) = zeros(((y - y.mean(axis=0)).relu() @ np.ones((2, 1)) - 1.0).sum())
    assert f"with inputs of 0{alone}" in of_off.why
    (finding,) = zeros(((y - y.mean()) * 0.0).sum())
    assert alone not in finding.why
    y = X @ w
    (finding,) = zeros((y - y.mean(axis=1)[:, None]).sum(), parameters=w)
    assert finding.why.endswith(f"{alone}{fix}")
    (finding,) = zeros(((y - y.mean()) * 0.0).sum(), parameters=w)
    assert alone not in finding.why


@pytest.mark.parametrize("loss", [tg.functional.mse_loss, lambda y, t: (y - t).sum()])
def test_a_number_minus_itself_is_named(loss):
    y = X @ tg.Value(np.ones((3, 1)), label="w")
    (finding,) = zeros(loss(y, y))
    assert finding.severity == "no gradient"
    assert finding.why.endswith(", as a number minus itself is 0. Pass two different operands")


def test_a_factor_or_an_input_of_0_is_followed_to_what_made_it_0():
    w, v = tg.Value(np.ones((3, 2)), label="w"), tg.Value(np.ones((2, 1)), label="v")
    masked = (np.ones((20, 3)) @ w) * np.zeros((20, 1))
    of_w, of_v = zeros(((masked + 0.0) @ v - 1.0).sum(), parameters=[w, v])
    assert of_w.why.endswith("matmul#2 gets nothing from mul#3: the other factor, a constant, is 0")
    assert of_v.why.endswith(": the other factor is 0, because mul#3 multiplies by a constant 0")
    (of_both,) = zeros(((masked.relu() @ v - 1.0) ** 2).sum(), parameters=[w, v])
    assert of_both.why.endswith(", with inputs of 0, because mul#3 multiplies by a constant 0")
    y = np.ones((20, 3)) @ w
    (of_v,) = zeros(((y - y.data) @ v).sum(), parameters=[w, v])
    assert of_v.why.endswith(": the other factor is 0")


def test_a_constant_factor_is_not_given_the_name_of_the_product():
    product = scalar() * np.zeros((2, 2))
    product.label = "scores"
    (finding,) = zeros((product**2 + product).sum())
    assert finding.why == "w gets nothing from scores: the other factor, a constant, is 0"


@pytest.mark.parametrize("relu", [tg.relu, lambda x: tg.maximum(x, 0.0)])
def test_zeros_are_followed_through_a_pool_to_the_relu(relu):
    w, u = tg.Value(-np.ones((20, 4)), label="w"), tg.Value(np.ones((2, 1)), label="u")
    (finding,) = zeros((tg.max_pool1d(relu(w * 1.0), 2) @ u).sum(), parameters=[u])
    assert ", because " + ("relu#" if relu is tg.relu else "maximum#") in finding.why


def test_a_maximum_that_happens_to_be_0_is_not_off():
    w, u, v = scalar(0.0), scalar(-1.0, "u"), scalar(2.0, "v")
    (finding,) = zeros(tg.maximum(w, u) * v + u, parameters=[v])
    assert finding.why.endswith("the other factor is 0")


def test_a_relu_far_below_is_not_searched_for():
    w, u = scalar(1.0), scalar(2.0, "u")
    h = (w * -1.0).relu()
    near, far = h * u, h
    for _ in range(20):
        far = far * 1.0
    of_near, of_far = (zeros(z * 3.0 + w, parameters=[u])[0].why for z in (near, far * u))
    assert ", because relu#" in of_near
    assert of_far.endswith("the other factor is 0")


def test_a_weight_of_a_unit_that_is_off_is_explained_by_that_unit():
    w = [scalar(1.0, "w"), scalar(1.0, "u"), scalar(3.0, "b")]
    off = (w[0] * -1.0).relu()
    E = tg.weighted_sum([w[1]], [off], w[2])
    (finding,) = zeros(E, parameters=w)
    assert finding.name == "w, u"
    of_u = zeros(E, parameters=[w[1], w[2]])[0].why
    assert of_u.startswith(
        "u gets nothing from weighted_sum#5: the other factor is 0, because relu#"
    )


def test_scalars_below_others_that_will_move_are_only_suspicious():
    w = [scalar(2.0, "w"), scalar(0.0, "gain"), scalar(3.0, "u")]
    (finding,) = zeros(w[0] * w[1] + w[2] * 2.0, parameters=w)
    assert (finding.name, finding.severity) == ("w", "suspicious")


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
        (lambda w: (w - 1.0 * w).sum(), "the contributions to w cancel: either it is at"),
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
    cancel = "b gets nothing from add#1: the contributions of its units cancel: either it is at a "
    assert finding.why.startswith(cancel)


def test_outputs_of_a_softmax_that_are_summed_are_not_called_flat():
    (finding,) = zeros(tg.softmax(tg.Value(np.zeros((2, 4)), label="w"), axis=1).sum())
    assert finding.why.endswith("or an input of a softmax or a norm whose outputs are summed")


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
