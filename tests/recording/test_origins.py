"""NaN, infinity and rounding errors, traced to their origin."""

import numpy as np
import pytest

import tinygrad_pool as tg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def cause(loss, node, index=None, gradient=None):
    """Return the cause of a gradient that is not finite."""
    why = tg.record(loss, gradient).why(node, index)
    assert not np.isfinite(why.grad)
    (said,) = why.causes
    return said


@pytest.fixture
def x():
    return tg.Value(2.0, label="x")


@pytest.fixture
def z():
    return tg.Value(0.0, label="z")


def masks():
    given = np.array([[0, 0, -np.inf], [0, 0, 0]])
    yield tg.Value(given)
    yield tg.log(tg.Value(np.exp(given)))
    yield given
    yield tg.Value(1.0) * given


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_harmless_mask_is_not_blamed(k, dtype):
    mask = [*masks()][k]
    mask = mask.astype(dtype)
    q = tg.Value(np.ones((2, 3), dtype), label="q")
    w = tg.Value(np.array([0.3, -2.0, 0.5], dtype), label="w")
    d = w - w
    r = d / d
    r.label = "r"
    loss = (tg.softmax(q + mask, axis=1) * r).sum()
    for node in (q, w):
        assert cause(loss, node).startswith("r[0] made nan in the forward pass: div of sub")
    (finding,) = tg.diagnose(loss).findings
    assert (finding.name, finding.severity) == ("r", "wrong numbers")
    sound = (tg.softmax(q + mask, axis=1) * np.arange(3.0, dtype=dtype)).sum()
    assert tg.diagnose(sound).findings == []
    assert tg.record(sound).why("q", (0, 2)).grad == 0


def test_nodes_on_no_path_are_not_blamed(x, z):
    bad = tg.log(tg.Value(0.0))
    loss = x * 3.0 + tg.where(np.array(True), x, bad) * tg.sqrt(z)
    assert tg.record(loss).why("x").grad == 3.0
    assert cause(loss, "z").startswith("sqrt#")


def test_an_operand_not_chosen_still_makes_a_nan(x, z):
    assert cause(tg.where(np.array(True), x, tg.log(z)), "z").startswith("log#2 made −inf in the")


def test_each_element_has_its_own_cause(x):
    a = tg.Value(np.array([[1.0, 0.0], [4.0, 1.0]]), label="a")
    b = tg.Value(np.array([[1.0, np.nan], [1.0, 1.0]]), label="b")
    loss = (tg.log(a) * b).sum()
    passed = tg.record(loss)
    assert (passed.why("a", (1, 0)).grad, passed.why("b", (1, 1)).grad) == (0.25, 0.0)
    assert passed.why("b", (0, 1)).causes == [
        "log#2[0, 1] made −inf in the forward pass: log of a[0, 1] = 0"
    ]
    assert passed.why("a", (0, 1)).causes == ["b[0, 1] was set to nan"]
    assert passed.why("a").name == "a[0, 1]"


def test_in_a_matrix_product_only_the_row_with_a_nan_is_followed(x):
    b = tg.Value(np.array([[1.0, 2.0], [np.nan, 1.0]]), label="b")
    w = tg.Value(np.eye(2), label="w")
    assert cause((b @ w).sum(), "w") == "b[1, 0] was set to nan"
    kept = tg.record((b @ w)[0].sum())
    assert np.isnan(kept.why("w").grad)  # 0 × NaN, in the product
    assert np.isfinite(kept.why("b", (0, 0)).grad)


def test_a_computed_infinity_is_named_with_the_node_that_made_nan_from_it(x, z):
    loss = (x * 999.0).exp() * z
    assert (
        cause(loss, "x")
        == "exp#3 made inf in the forward pass: exp of mul#2 = 1998 overflows float64"
    )
    why = tg.record(loss).why(loss)
    assert why.causes[1].startswith("its data is nan: exp#3 made inf in the forward pass")
    assert why.causes[1].endswith("; mul#4 made nan from it")


def test_a_constant_infinity_is_blamed_on_the_node_that_made_nan_from_it():
    q, mask = tg.Value(np.ones((2, 2)), label="q"), np.array([[0, -np.inf], [-np.inf, -np.inf]])
    for given in (mask, tg.Value(mask, label="mask")):
        s = tg.softmax(q + given, axis=1)
        s.label = "s"
        assert tg.record(s.sum()).why("q", (0, 0)).grad == 0
        said = cause(s.sum(), "q", (1, 0))
        assert said.startswith("s[1, 0] made nan in the forward pass: softmax of add")


def test_a_constant_that_is_not_finite_is_named(x, z):
    assert cause(x * np.inf, "x") == "mul#1 got inf from a constant in the forward pass: " + (
        "mul of x = 2, inf"
    )
    assert cause(z * np.inf, "z").startswith(
        "mul#1 made nan in the forward pass: mul of z = 0, inf"
    )
    assert cause(x * tg.Value(np.nan), "x") == "leaf#1 was set to nan"


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x, z: tg.sqrt(z) * x, "sqrt#2 made inf in the backward pass: sqrt of z = 0"),
        (lambda x, z: z**0.5, "power#1 made inf in the backward pass: power of z = 0, 0.5"),
        (lambda x, z: tg.sqrt(z) - tg.sqrt(z * 2.0), "sqrt#"),
        (lambda x, z: x / z, "div#2 made inf in the forward pass: div of x = 2, z = 0"),
        (
            lambda x, z: (z * 1e200 + x * 0.0) * 1e200,
            "mul#2 made inf in the backward pass: mul of z = 0, 1e+200: "
            "1e+200 × 1e+200 overflows float64",
        ),
        (
            lambda x, z: z * 1e308 + z * 1e308,
            "the gradient of z is inf: the sum of its contributions overflows float64",
        ),
        (lambda x, z: tg.maximum(tg.Value(np.nan, label="bad"), z) * z, "bad was set to nan"),
    ],
)
def test_each_way_to_make_a_nan_or_infinity(f, said, x, z):
    x.data = 2.0
    assert cause(f(x, z), "z").startswith(said)


def test_a_nan_in_the_initial_gradient(x):
    assert cause(x * 2.0, "x", gradient=np.nan) == "the backward pass started with this gradient"


def test_a_narrow_dtype_overflows_early():
    y = tg.Value(np.array([60000.0], np.float16), label="y")
    assert cause((y * np.float16(100) * np.float16(1000)).sum(), "y").endswith(
        "1000 × 100 overflows float16"
    )


def test_users_rules_are_followed_too(x, z):
    def scaled(x, w):
        return x * w, lambda g: (g * w, g * x)

    loss = tg.lift(scaled)(x, tg.log(z)).sum()
    assert cause(loss, "x").startswith("log#2 made −inf in the forward pass: log of z = 0")

    def broken(x):
        return x * 1.0, lambda g: (g * np.inf,)

    assert cause(tg.lift(broken)(x), "x").startswith("broken#1 made inf in the backward pass")


def test_a_nan_is_traced_through_a_saturated_softmax(z):
    """All its slopes are 0, and 0 × NaN is NaN."""
    q = tg.Value(np.array([[1000.0, 0.0]]), label="q")
    p = tg.softmax(q + np.array([[0.0, -np.inf]]), axis=1)
    for loss in ((p * (z / z)).sum(), (tg.log(p) * np.array([0.0, 1.0])).sum()):
        said = cause(loss, "q")
        assert said.startswith(("div#", "log#"))
        assert " in the forward pass: " in said


def test_a_nan_is_traced_through_a_softmax_beside_units_with_slopes():
    scores = tg.Value([[500.0, -500.0, 0.0]], label="scores")
    with np.errstate(all="ignore"):
        E = -(np.array([[1.0, 0.0, 0.0]]) * tg.log(tg.softmax(scores))).sum()
        for k in range(3):
            assert cause(E, "scores", (0, k)) == (
                "log#2[0, 1] made −inf in the forward pass: log of softmax#1[0, 1] = 0"
            )


def test_a_nan_is_traced_through_a_users_rule_with_slope_0(z):
    def step(x):
        return x * 0.0, lambda g: (g * 0.0,)

    x = tg.Value([1.0, 2.0], label="x")
    assert cause((tg.lift(step)(x) * (z / z)).sum(), "x").startswith(
        "div#3 made nan in the forward"
    )


def test_two_origins_are_two_causes(x, z):
    y = tg.Value(0.0, label="y")
    found = tg.diagnose(tg.sqrt(z) + tg.sqrt(y), parameters=[z, y]).findings
    assert [f.name for f in found] == ["sqrt#2", "sqrt#3"]
    assert all("the gradients of 1 of 2 parameters are not finite" in f.says for f in found)


def test_one_origin_is_one_finding(x, z):
    y = tg.Value(1.0, label="y")
    (finding,) = tg.diagnose(tg.log(z) * x * y, parameters=[x, y, z]).findings
    assert finding.name == "log#3"
    assert finding.says == "mul#5 is −inf, and the gradients of 3 of 3 parameters are not finite"


def test_a_deep_chain_is_followed():
    v = z = tg.Value(0.0, label="z")
    v = v.log()
    for _ in range(3000):
        v = v * 1.0
    assert "log#1 made −inf in the forward pass" in cause(v, z)


def test_a_leaf_computed_under_no_grad_was_not_set():
    x = tg.Value([1.0, 0.0], label="x")
    with tg.no_grad(), np.errstate(all="ignore"):
        y = x.log()
    assert cause((x * y).sum(), "x") == "log#1[1] is −inf"


@pytest.mark.parametrize("numbers", ["infinite", "nan"])
@pytest.mark.parametrize("seed", range(25))
def test_in_any_network_the_culprit_made_it_from_finite_numbers_or_a_constant(
    random_net, seed, numbers
):
    v, leaves = random_net(seed, numbers)
    passed = tg.record(v, np.ones(v.shape))
    for node in passed.nodes:
        g = passed.gradients.get(node)
        if g is None or node is v or np.isfinite(g).all():
            continue
        (said,) = passed.why(node).causes
        if " was set to " in said:
            leaf = passed.find(said.split("[")[0].split(" ")[0])
            assert leaf in leaves
            assert not np.isfinite(leaf.data).all()
        elif "in the forward pass" in said:
            maker = passed.find(said.split("[")[0].split(" ")[0])
            assert not np.isfinite(maker.data).all()
        else:
            assert "in the backward pass" in said or "overflows float64" in said


@pytest.mark.parametrize(
    ("f", "large"),
    [
        (lambda x: x * x, True),
        (lambda x: (x + x).sum(), True),
        (lambda x: x**2, True),
        (lambda x: (x - x) ** -1, False),
        (lambda x: 1.0 / (x - x), False),
        (lambda x: (x - x).log(), False),
        (lambda x: x - np.float16(np.inf), False),
        (lambda x: x * 0.0 * np.inf, False),
        (lambda x: (x - x) / (x - x), False),
        (lambda x: (x - x) * (1.0 / (x - x)), False),
    ],
)
def test_overflows_are_named(f, large):
    x = tg.Value(np.full(2, 6e4, np.float16), label="x")
    with np.errstate(all="ignore"):
        loss = f(x).sum()
    assert ("overflows float16" in tg.record(loss).why(loss).causes[1]) == large


def test_a_nan_of_finite_terms_that_overflow_both_ways_is_named():
    with np.errstate(all="ignore"):
        loss = tg.Value([1e308, 1e308]) @ np.array([20.0, -20.0])
    assert np.isnan(loss.data)
    assert tg.record(loss).why(loss).causes[1].endswith(" overflows float64")


# -- rounding errors


def softmax_that_is_added_up():
    """Return a loss whose gradient by its scores is a rounding error."""
    W = tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="W")
    scores = np.cos(np.arange(8.0)).reshape(4, 2) @ W
    scores.label = "scores"
    return tg.softmax(scores).sum() * 0.7


def test_an_element_whose_contributions_cancel():
    w = tg.Value(1.0, label="w")
    why = tg.record(w * 0.1 + w * 0.2 - w * 0.3).why("w")
    assert why.causes == [
        "3 contributions to w cancel to 2.8e-17, a rounding error; their magnitudes add up to 0.6"
    ]
    assert tg.record(w * 0.1 + w * 0.2 - w * 0.2999).why("w").causes == []


def test_a_cancellation_above_is_named():
    passed = tg.record(softmax_that_is_added_up())
    (of_scores,) = passed.why("scores").causes
    (of_weight,) = passed.why("W").causes
    assert of_scores.startswith("3 contributions to scores[")
    assert of_weight.startswith("3 contributions to scores[")


def test_a_small_slope_is_not_called_zero():
    w = tg.Value(np.ones(3), label="w")
    assert tg.record((w * 1e-20 * np.arange(3.0)).sum()).why("w").causes == []


def test_overflowing_terms_are_not_a_rounding_error():
    w = tg.Value(1.0, label="w")
    assert tg.record(w * 1e308 - w * 1e308 + w * 1e308).why("w").causes == []
