"""Parameters whose whole gradient is zero: which, and where that began."""

import numpy as np
import pytest

import tinygrad_pool as tg


def zeros(loss, gradient=None, **options):
    findings = tg.diagnose(loss, gradient, **options).findings
    return [f for f in findings if f.kind == "zero gradient"]


def scalar(number=2.0, label="w"):
    return tg.Value(number, label=label)


@pytest.mark.parametrize(
    ("f", "cause"),
    [
        (lambda w: w * tg.Value(0.0), "w gets nothing from mul#2: the other factor is 0"),
        (
            lambda w: (w * 3.0 - 9.0).relu(),
            "sub#2 gets nothing from relu#3: the relu is off, as its ",
        ),
        (
            lambda w: (w * 1e-200) * 1e-200,
            "w gets nothing from mul#1: it underflows, as 1e-200 × 1e-200",
        ),
        (
            lambda w: tg.clip(w, 3.0, 4.0),
            "w gets nothing from clip#1: it is clipped, as 2 is outside",
        ),
        (
            lambda w: tg.maximum(w, 3.0),
            "w gets nothing from maximum#1: it lost to a constant, by 1",
        ),
    ],
)
def test_the_zero_of_a_scalar_has_the_cause_that_why_gives(f, cause):
    w, loss = scalar(), None
    loss = f(w) + 1.0
    (finding,) = zeros(loss, parameters=[w])
    assert finding.why.startswith(cause)
    assert finding.why.split(". ")[0].startswith(tg.record(loss).why("w").causes[0])


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_a_nonzero_gradient_is_not_reported(slope):
    assert zeros((scalar() * slope + 9.0).relu()) == []


X = np.arange(12.0).reshape(4, 3) - 4


def test_some_zeros_of_an_array_are_not_reported():
    w = tg.Value(np.array([1.0, -1.0, 0.0]), label="w")
    assert zeros((w * 2.0).relu().sum()) == []


def test_a_line_of_source_is_quoted():
    w = tg.Value(np.ones(3), label="w")
    with tg.traced():
        loss = (w - 5.0).relu().sum()
    assert "at test_zero" in zeros(loss)[0].why
    assert ": loss = (w - 5.0).relu().sum()" in zeros(loss)[0].why


def test_a_pass_that_begins_with_0():
    (finding,) = zeros(scalar() * 3.0, 0.0)
    assert finding.why == "the pass began with the gradient 0. Pass another one"
    assert finding.severity == "no gradient"


def test_one_example_may_be_chance_and_many_are_not():
    def off(n, units=1):
        w, b = tg.Value(np.ones((2, units)), label="w"), tg.Value(-np.ones(units) * 9, label="b")
        return zeros((np.ones((n, 2)) @ w + b).relu().sum(), parameters=w)[0]

    assert (off(1).severity, off(15).severity) == ("suspicious", "suspicious")
    assert off(16).severity == "no gradient"
    assert off(1).says == "the whole gradient is 0, in the only example"
    assert "With so few examples this may be chance" in off(15).why
    assert "Smaller steps and weights" in off(16).why
    assert (off(5, 3).severity, off(6, 3).severity) == ("suspicious", "no gradient")
    assert "chance" not in off(1, 30).why
    assert off(1, 30).says == "the whole gradient is 0, in the only example"


def test_a_layer_of_scalars_that_is_off_as_a_whole_is_not_chance():
    """30 of 30 relus are off, although each unit has only 6 examples."""
    w = [tg.Value(-1.0, label=f"w{i}") for i in range(5)]
    loss = 0.0
    for x in range(1, 7):
        for i in range(5):
            with tg.scope(f"hidden/{i}"):
                loss = loss + (w[i] * float(x)).relu()
    (finding,) = zeros(loss, parameters=w)
    assert (finding.severity, len(finding.nodes)) == ("no gradient", 5)
    assert "chance" not in finding.why


def test_losing_every_maximum_is_not_chance():
    x = np.random.default_rng(0).normal(size=(6, 5))
    a, b = (tg.Value(np.full((5, 5), n), label=label) for n, label in ((1.0, "a"), (0.1, "b")))
    (finding,) = zeros(tg.maximum(np.abs(x) @ a, np.abs(x) @ b).sum())
    assert (finding.name, finding.severity) == ("b", "no gradient")
    assert "it loses at all 30 units where a gradient arrives" in finding.why


def test_a_rule_of_the_user_with_slope_0():
    def step(x):
        return np.where(x > 0, 1.0, 0.0) * 1.0, lambda g: (0.0 * g,)

    for x in (2.0, [2.0, 3.0]):
        (finding,) = zeros((tg.lift(step)(tg.Value(x, label="x")) * 3.0).sum())
        assert "x gets nothing from step#1: the local derivative of step is 0" in finding.why


def test_an_empty_parameter_is_not_reported():
    empty, w = tg.Value(np.zeros((0, 3)), label="empty"), tg.Value(2.0, label="w")
    assert zeros(tg.tanh(empty * w).sum() + w, parameters=[empty, w]) == []


def test_without_examples_a_weight_gets_nothing():
    w, b = tg.Value(np.ones((3, 2)), label="w"), tg.Value(1.0, label="b")
    (finding,) = zeros((np.zeros((0, 3)) @ w).relu().sum() + b)
    assert finding.why == "w gets nothing from matmul#2: it has no elements"


def test_examples_are_counted_through_a_transpose():
    w = tg.Value(np.ones((3, 2)), label="w")
    (finding,) = zeros((np.ones((20, 2)) @ w.T - 9.0).relu().sum())
    assert finding.says.endswith("in all 20 examples")


def test_all_consequences_of_a_layer_that_is_off_are_one_finding():
    w1, w2, w3 = (tg.Value(np.ones((3, 3)), label=f"w{i}") for i in (1, 2, 3))
    h = (np.ones((20, 3)) @ w1 - 9.0).relu()
    E = (((h @ w2).relu() @ w3) ** 2).sum()
    (finding,) = tg.diagnose(E).findings
    assert finding.name == "w1, w2, w3"
    assert ". The first layer with all relus off is relu#" in finding.why
    assert finding.why.endswith(", with inputs of −6")


def test_unrelated_dead_units_are_another_finding():
    w, u = tg.Value(np.ones((3, 3)), label="w"), tg.Value(np.eye(3), label="u")
    x = np.ones((20, 3)) * [1, 1, -1]
    E = (x @ w - 9.0).relu().sum() + (x @ u).relu().sum()
    off, part = tg.diagnose(E).findings
    assert (off.kind, off.name, part.kind) == ("zero gradient", "w", "dead relus")
    assert part.says == "1 of 3 units (2) is off in all 20 examples"


def test_cancelling_in_a_parameter_is_only_suspicious_while_others_learn():
    w, b = tg.Value(np.ones((3, 1)), label="w"), tg.Value(np.zeros(1), label="b")
    y = X @ w + b
    (finding,) = zeros(((y[:2] - y[2:]) ** 2).mean(), parameters=[w, b])
    assert (finding.name, finding.severity) == ("b", "suspicious")
    assert finding.why.startswith(
        "the contributions to b cancel: either it is at a minimum, or it has"
    )
    (finding,) = zeros(((w - w) * 1.0).sum() + b.sum(), parameters=[w, b])
    assert (finding.name, finding.severity) == ("w", "suspicious")
    (finding,) = zeros(((b * 1e-200) * 1e-200).sum() + w.sum(), parameters=[w, b])
    assert (finding.name, finding.severity) == ("b", "no gradient")


def test_a_line_is_quoted_once():
    w = tg.Value(np.ones(3), label="w")
    with tg.traced():
        loss = tg.stack([w * 2.0, X[0]])[1].sum()
    assert zeros(loss, parameters=[w])[0].why.count(", at test_zero") == 1


def neurons(biases, n, loss=lambda z: z * 1.0):
    """Return the loss of n examples, and a layer of neurons with two inputs, one for each bias."""
    layer = tg.nn.Layer(2, len(biases))
    for neuron, b in zip(layer.neurons, biases, strict=True):
        neuron.w[0].data, neuron.w[1].data, neuron.b.data = 0.5, -0.5, b
    points = np.random.default_rng(0).uniform(-1, 1, (n, 2)).tolist()
    with tg.scope("hidden"):
        E = sum(loss(sum(layer(p))) for p in points)
    return E, layer


def test_a_neuron_that_is_off_is_one_finding():
    E, layer = neurons([2.0, -2.0, 2.0], 20)
    (finding,) = tg.diagnose(E, parameters=layer).findings
    assert finding.kind == "dead relus"
    assert finding.says == "1 of 3 units (neurons.1) is off in all 20 examples"


def test_scalars_of_a_layer_without_scopes_are_one_finding():
    w = [scalar(1.0, f"w{i}") for i in range(6)]
    E = sum((w[i] * (-1.0 if i < 2 else 1.0)).relu() for i in range(6) for _ in range(20))
    (finding,) = zeros(E)
    assert (finding.name, finding.severity) == ("w0, w1", "lost for the whole batch")
    assert finding.says == "the whole gradient is 0 in 2 of 6 parameters, in all 20 examples"


def test_a_constant_factor_of_0_is_not_chance():
    w = [scalar(1.0, f"w{i}") for i in range(3)]
    E = w[0] * 0.0 + w[1] * 2.0 + w[2]
    (finding,) = zeros(E)
    assert (finding.name, finding.severity) == ("w0", "lost for the whole batch")


def test_a_hinge_without_error_is_only_suspicious():
    w = [scalar(0.1, f"w{i}") for i in range(3)]
    examples = [w[0] if k < 20 else w[1] + w[2] for k in range(40)]
    E = sum((1.0 - z * (1.0 if k < 20 else 20.0)).relu() for k, z in enumerate(examples))
    (finding,) = zeros(E)
    assert (finding.name, finding.severity) == ("w1, w2", "suspicious")
    assert "; no error comes from 20 such relus in the loss" in finding.why


@pytest.mark.parametrize(
    "loss",
    [
        *(tg.functional.mse_loss, tg.functional.l1_loss, tg.functional.huber_loss),
        lambda y, t: np.square(y - t).sum(),
        lambda y, t: sum(d * d for d in [y - t]).mean(),
        lambda y, t: np.hypot(y - t, 0.0).max(),
    ],
)
def test_an_exact_fit_is_only_suspicious(loss):
    x = np.array([1.0, 2.0, 3.0])
    (finding,) = zeros(loss(scalar() * x, 2.0 * x))
    assert finding.severity == "suspicious"
    assert finding.why.endswith(
        "; the error is 0 there: the fit is exact, unless the target is a copy of the prediction"
    )
    (finding,) = zeros(loss(scalar() * x, 2.0 * x) * (scalar(3.0, "u") * 0.0))
    assert finding.severity != "suspicious"  # it is not an error


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "loss",
    [
        lambda y: tg.nn.cross_entropy(y, [0, 1, 1]),
        lambda y: tg.nn.binary_cross_entropy_with_logits(y[:, :1], [[1.0], [0.0], [0.0]]),
        lambda y: tg.nn.binary_cross_entropy(tg.sigmoid(y[:, :2]).abs(), np.eye(2)[[0, 1, 1]]),
    ],
)
def test_right_and_certain_answers_are_only_suspicious(loss, sign):
    y = np.array([[1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0]]) @ tg.Value(np.eye(2) * 2e3, label="w")
    (finding,) = zeros(loss(y) * sign)
    assert finding.severity == ("suspicious" if sign > 0 else "no gradient")
    assert finding.why.endswith(
        "; the error is 0 there: the fit is exact, unless the target is a copy of the prediction"
    ) == (sign > 0)
    (finding,) = zeros(loss(y) + 1.0)  # an error plus a constant may not be one
    assert finding.severity == "no gradient"
    (finding,) = zeros(tg.nn.cross_entropy(y[:, :1], [0, 0, 0]))
    assert finding.severity == "no gradient"


def test_an_exact_fit_is_recognized_after_a_norm_by_hand():
    x, w = tg.Value([1.0, 2.0, 3.0]), scalar()
    apart = x - x.mean()
    y = w * (apart / np.sqrt((apart**2).mean()))
    (finding,) = zeros(((y - y.data) ** 2).mean(), parameters=w)
    assert finding.why.endswith(
        "; the error is 0 there: the fit is exact, unless the target is a copy of the prediction"
    )


def test_many_exact_fits_need_no_pass_each_although_data_changed(monkeypatch):
    monkeypatch.setattr("tinygrad_pool.diagnosis.survey.gradients", None)
    w = tg.Value([2.0, 3.0], label="w")
    y = w * 2.0
    loss = sum((y[k % 2] - y.data[k % 2]) ** 2 for k in range(50))
    for parameters in (w, y):
        (finding,) = zeros(loss, parameters=parameters)
        assert finding.severity == "suspicious"
    w.data = [1.0, 1.0]  # an update, and no new forward pass
    assert zeros(loss, parameters=w)[0].severity == "suspicious"


def test_an_exact_fit_after_a_rule_for_arrays_only_takes_no_time():
    calls = []

    def twice(x):
        return np.array(x.tolist()) * 2.0, lambda g: calls.append(0) or (g * 2.0,)

    w = tg.Value(np.ones(5000), label="w")
    y = tg.lift(twice)(w)
    assert zeros(((y - y.data) ** 2).mean())[0].severity == "suspicious"
    assert len(calls) < 50


@pytest.mark.parametrize(
    ("y", "cause"),
    [
        (lambda w: w * 1e-200 * 1e-200, "mul#2 is too small for float64. Use larger weights or"),
        (lambda w: tg.exp(w * -400.0), "exp#2 is too small for float64. Use larger weights"),
        (lambda w: w * tg.Value(0.0, label="x"), "x is 0"),
        (lambda w: w * 0.0, "mul#1 multiplies by a constant 0"),
        (lambda w: np.where(w > 9.0, w, 0.0), ""),
    ],
)
@pytest.mark.parametrize("loss", [np.square, np.abs, lambda y: (y - 0.0) ** 2])
def test_an_error_of_0_that_no_parameter_can_change_is_not_an_exact_fit(y, cause, loss):
    w = scalar()
    (finding,) = zeros(loss(y(w)), parameters=[w])
    assert finding.severity == "no gradient"
    assert (f"is 0 at 0, because {cause}" if cause else "is 0 at 0") in finding.why
    assert "fit" not in finding.why


@pytest.mark.parametrize(
    "y",
    [
        lambda w, b: tg.weighted_sum([w, 1.0], [3.0, 1.0], b),
        lambda w, b: tg.conv1d([[[4.0, 0.0]]], w * np.ones((1, 1, 2)), b.reshape(1)),
    ],
)
def test_terms_and_a_bias_that_add_up_to_0_do_not_underflow(y):
    w, b = tg.Value(1.0, label="w"), tg.Value(-4.0, label="b")
    (finding,) = zeros((y(w, b) ** 2).sum(), parameters=[w, b])
    assert "; the error is 0 there: the fit is exact" in finding.why


def test_activations_that_underflow_are_named_where_they_do():
    h = tg.Value(np.ones((3, 2), np.float16))
    weights = [tg.Value(np.full((2, 2), 2e-3, np.float16), label=f"W{i}") for i in range(5)]
    for w in weights:
        h = tg.tanh(h @ w)
    (finding,) = zeros((h**2).mean(), parameters=weights)
    assert ", because matmul#" in finding.why
    assert " is too small for float16. Use larger weights or inputs, or a wider" in finding.why


def test_logits_that_are_leaves_can_be_right_and_certain():
    y = tg.Value([[0.0, 2000.0, 0.0]], label="y")
    (finding,) = tg.diagnose(tg.nn.cross_entropy(y, [1])).findings
    assert finding.why.endswith("unless the target is a copy of the prediction")


@pytest.mark.parametrize(
    ("loss", "cause"),
    [
        (lambda d: (np.zeros(3) * d**2).sum(), "power#3 gets nothing from mul#4: the other factor"),
        (
            lambda d: ((d - d.data) * 0.0).sum(),
            "sub#3 gets nothing from mul#4: the other factor, a constant, is 0",
        ),
        (
            lambda d: -(np.zeros(3) * d).mean(),
            "sub#2 gets nothing from mul#3: the other factor, a c",
        ),
        (
            lambda d: (1.0 - (d - d.data) ** 2).relu().sum(),
            "sub#3 gets nothing from power#4: the local derivative of power is 0",
        ),
        (
            lambda d: ((d - d.data) ** 2).sum() - ((d - d.data) ** 2).mean(),
            "sub#6 gets nothing from power#7: the local derivative of power is 0",
        ),
    ],
)
def test_a_mask_of_zeros_and_a_rewarded_distance_are_not_an_exact_fit(loss, cause):
    (finding,) = zeros(loss(scalar() * np.array([1.0, 2.0, 3.0]) - 1.0))
    assert finding.severity == "no gradient"
    assert finding.why.startswith(cause)


def test_of_several_places_where_zeros_began_two_are_explained():
    w = [scalar(1.0, f"w{i}") for i in range(3)]
    lost = [tg.maximum(w[0] * k, 9.0) for k in (1.0, 2.0)] + [w[0].clip(3.0, 4.0), w[0] * 0.0]
    lost += [(w[0] * -1.0).relu() * w[1]]
    E = sum(lost) + w[1] * 2.0 + w[2]
    (finding,) = zeros(E, parameters=w)
    assert finding.severity == "lost for the whole batch"
    assert finding.why.count(" gets nothing from ") == 2
    assert finding.why.endswith("; zeros began at 2 more places. Widen its bounds")


def test_each_place_has_its_own_cause():
    w = scalar(1.0)
    (finding,) = zeros(w * 0.0 + w.clip(3.0, 4.0) + 1.0)
    assert finding.why == (
        "w gets nothing from mul#1: the other factor is 0; "
        "w gets nothing from clip#2: it is clipped, as 1 is outside the bounds. Widen its bounds"
    )


def test_a_maximum_that_loses_in_many_examples_has_its_own_fix():
    w = [scalar(1.0, f"w{i}") for i in range(3)]
    E = sum(tg.maximum(w[0], w[1] + 1.0, w[2] + 0.5) for _ in range(20)) + w[2]
    (finding,) = zeros(E, parameters=w)
    assert finding.says == "the whole gradient is 0, in all 20 examples"
    assert "by 1. Find out why it loses: its bias" in finding.why


def test_margins_that_all_examples_keep_are_only_suspicious():
    w = tg.Value(np.ones((2, 1)), label="w")
    (finding,) = zeros((1.0 - np.ones((20, 2)) @ w).relu().sum())
    assert finding.severity == "suspicious"
    assert finding.why.endswith("; no error comes from 20 such relus in the loss")


@pytest.mark.parametrize("hinge", [lambda m: tg.maximum(0.0, m), lambda m: tg.maximum(m, 0.0)])
def test_margins_by_a_maximum_are_only_suspicious_too(hinge):
    w = tg.Value(np.ones((2, 1)), label="w")
    (finding,) = zeros(hinge(1.0 - np.ones((20, 2)) @ w).mean())
    assert finding.severity == "suspicious"
    assert finding.why.endswith("; no error comes from 20 such maximums in the loss")
    (finding,) = zeros(tg.maximum(1.0 - np.ones((20, 2)) @ w, 5.0).mean())
    assert finding.severity == "no gradient"


def test_a_softmax_of_one_number_is_explained():
    (finding,) = zeros(tg.nn.cross_entropy(X @ tg.Value(np.ones((3, 1)), label="w"), [0] * 4))
    assert "log_softmax of one number is always 0, so its local derivative is 0 at" in finding.why
    assert finding.why.endswith(". Check its axis, or use a sigmoid")


def test_a_mask_that_leaves_one_number_to_a_softmax_is_named():
    w, mask = tg.Value(np.ones((3, 2)), label="w"), np.array([0.0, -np.inf])
    (finding,) = zeros((tg.softmax(X @ w + mask) * [1.0, 2.0]).sum())
    assert "softmax of one number that is not −inf is always 1, so its local" in finding.why
    assert finding.why.endswith(". Check its mask")


def test_a_fix_belongs_to_a_cause_that_is_named():
    w = tg.Value(0.5, label="w")
    (finding,) = zeros((w + 5.0).clip(0.0, 1.0) + tg.maximum(w, 9.0) + w * 0.0)
    assert "clip" not in finding.why
    assert finding.why.endswith("; zeros began at 1 more place")
    (finding,) = zeros((w + 5.0).clip(0.0, 1.0) + w * 0.0)
    assert "it is clipped, as 5.5 is outside the bounds" in finding.why
    assert finding.why.endswith(". Widen its bounds")


def test_inputs_of_a_tanh_that_are_too_large_have_a_fix():
    (finding,) = zeros((X * tg.Value(np.ones(3), label="w") + 99.0).tanh().sum())
    assert "the local derivative of tanh rounds to 0 at all 12 units" in finding.why
    assert finding.why.endswith(". Inputs nearer to 0 make it steeper")


def test_weights_of_0_below_a_relu_are_named_though_others_have_the_zero_gradient():
    w, u = (tg.Value(np.zeros(shape), label=n) for n, shape in (("w", (2, 3)), ("u", (3, 1))))
    relus = (np.ones((20, 2)) @ w).relu()
    of_w, of_u = zeros(((relus @ u - 1.0) ** 2).mean(), parameters=[w, u])
    assert (of_w.name, of_u.name) == ("w", "u")
    assert of_w.why.endswith(", u, is 0. Weights of 0 pass nothing on: do not start w, u at 0")
    assert of_u.why.endswith("is off. Weights of 0 pass nothing on: do not start w, u at 0")


def test_zeros_by_weights_of_0_are_not_called_chance():
    w, u = (tg.Value(np.zeros(shape), label=n) for n, shape in (("w", (2, 3)), ("u", (3, 1))))
    relus = (np.ones((5, 2)) @ w).relu()
    _, of_u = zeros(((relus @ u - 1.0) ** 2).mean(), parameters=[w, u])
    assert of_u.why.endswith("is off. Weights of 0 pass nothing on: do not start w, u at 0")


def test_losers_in_a_stack_of_one_example_may_be_chance():
    x = [tg.Value(n, label=f"x{i}") for i, n in enumerate((3.0, 1.0, 2.0))]
    (finding,) = zeros(tg.max(np.stack(x)), parameters=x)
    assert (finding.severity, finding.name) == ("suspicious", "x1, x2")
    assert "stack#3[1] gets nothing from max#4: it lost to stack#3[0], by 2. With" in finding.why
    (finding,) = zeros(np.stack(x), np.eye(3)[0], parameters=x)
    assert finding.severity == "lost for the whole batch"


def test_weight_decay_is_not_a_cause():
    w = scalar(0.0)
    (finding,) = zeros((w * -1.0).relu() + w * w)
    assert finding.why.startswith(
        "mul#1 gets nothing from relu#2: the relu is off, as its input is 0"
    )
    assert "the other factor" not in finding.why
    (finding,) = zeros((w * -1.0).relu() + w**2)
    assert "the relu is off" in finding.why
    (finding,) = zeros(w * w + 1.0)
    assert finding.why.startswith("w gets nothing from mul#1: the other factor is 0. Weights of 0")


def test_losers_of_maxima_and_of_minima_have_a_fix():
    x = tg.Value(np.ones((20, 2)), label="x")
    up, down = (f(x * 1.0, tg.Value(x.data * k)) for f, k in ((np.maximum, 9.0), (np.minimum, -9)))
    for loss in (up, down, up + down):
        (finding,) = zeros(loss.sum(), parameters=x)
        assert ". Find out why it loses: its bias" in finding.why
