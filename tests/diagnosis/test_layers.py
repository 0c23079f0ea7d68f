"""The layers of a diagnosis: their quantiles, their trend, and the table."""

import numpy as np
import pytest

import tinygrad_pool as tg


def net(n, scale, squash=None, width=8):
    """Return the loss of n layers with weights of that scale, and the network."""
    parts = {f"l{i}": tg.nn.Linear(width, width, rng=i, dtype=np.float64) for i in range(n)}
    made = tg.nn.Sequential(**parts)
    x = np.random.default_rng(0).standard_normal((16, width))
    for layer in made:
        layer.weight.data = layer.weight.data * scale
        x = layer(x)
        x = x.sigmoid() if squash else x
    return (x**2).mean(), made


def trend(n, scale, squash=None):
    loss, made = net(n, scale, squash)
    findings = tg.diagnose(loss, parameters=made).findings
    return [f for f in findings if f.kind in ("vanishing", "exploding")]


def test_gradients_that_vanish_through_sigmoids():
    (finding,) = trend(6, 0.5, "sigmoid")
    assert (finding.kind, finding.severity, finding.name) == (
        "vanishing",
        "partly lost",
        "l0 … l5",
    )
    assert " times smaller in l0 than in l5: " in finding.says
    assert finding.why.startswith("from one of the 6 layers to the next a factor of ")


@pytest.mark.parametrize(("n", "scale", "squash"), [(2, 1e-4, None), (6, 2.4, None), (3, 1.0, 1)])
def test_small_differences_and_two_layers_are_no_trend(n, scale, squash):
    assert trend(n, scale, squash) == []


def test_gradients_that_explode_towards_the_first_layer():
    w = [tg.Value(np.ones((2, 2)), label=f"w{i}") for i in range(4)]
    x = np.full((3, 2), 1e-3)
    for v in w:
        x = (x @ v) * 30.0
        x = x * 1.0 - x.detach() + 1e-3  # as large as before, whatever its slope
    diagnosis = tg.diagnose(x.sum(), parameters=w)
    finding = next(f for f in diagnosis.findings if f.kind == "exploding")
    assert " times larger in w0 than in w3: " in finding.says


def test_gradients_beside_which_parameters_are_nothing():
    (finding,) = trend(6, 40.0)
    assert finding.kind == "exploding"
    assert " times as large as the parameters, and likewise in 5 other layers" in finding.says


def test_the_row_of_a_layer_with_parameters_counts_their_gradients():
    w = tg.Value(np.array([0.0, 1.0, -2.0, 3.0]), label="w")
    with tg.scope("a"):
        loss = (w**2).sum()
    (layer,) = tg.diagnose(loss).layers
    assert (layer.name, layer.of_parameters, layer.elements) == ("a", True, 4)
    assert (layer.median, layer.zeros) == (3.0, 0.25)
    assert (layer.low, layer.high) == tuple(np.quantile([0, 2, 4, 6], [0.05, 0.95]))
    assert layer.size == pytest.approx(np.sqrt((4 + 16 + 36) / 4))
    assert (layer.off, layer.idle, layer.flat, layer.dtypes) == (None, None, None, ("float64",))


def test_numbers_that_are_not_finite_are_left_out_of_quantiles():
    w = tg.Value(np.array([0.0, 1.0]), label="w")
    with tg.scope("a"), np.errstate(all="ignore"):
        loss = w.sqrt().sum()
    (layer,) = tg.diagnose(loss).layers
    assert (layer.median, layer.size) == (0.5, 0.5)
    nothing = tg.diagnose(tg.Value(np.nan, label="w") * 2.0).layers[0]
    assert (layer.zeros, nothing.zeros) == (0.0, 0.0)


def test_the_table_shows_dtypes_where_they_differ():
    w = tg.Value(np.ones(2, np.float32), label="w")
    with tg.scope("a"):
        y = w * 2.0
    alike, mixed = str(tg.diagnose(y.sum())), str(tg.diagnose((y * np.ones(2)).sum()))
    assert "dtype" not in alike
    assert [line.split()[-1] for line in mixed.splitlines()[-3:]] == [
        "float32",
        "float64",
        "float64",
    ]


def test_of_many_layers_those_with_parameters_are_shown():
    w, y = tg.Value(1.0, label="w"), tg.Value(2.0, label="x")
    for i in range(40):
        with tg.scope(f"s{i}"):
            y = y * w if i == 39 else y.exp() * 0.01
    shown = str(tg.diagnose(y, parameters=[w])).splitlines()
    assert "40 layers, 16 of them not shown:" in shown
    assert shown[-1].startswith(" s39 ")
    assert len(shown[shown.index("40 layers, 16 of them not shown:") :]) == 24 + 3


def test_gradients_that_their_parameters_dwarf_are_told_with_the_step_that_loses_them():
    w, u = tg.Value(np.ones((3, 4)), label="w"), tg.Value(np.ones((4, 2)), label="u")
    h = (np.ones((5, 3)) * 0.1 @ w).tanh() * 1e-20
    found = tg.diagnose(((h @ u - 1.0) ** 2).mean(), parameters=[w, u]).findings
    (finding,) = [f for f in found if f.kind == "vanishing"]
    assert " times smaller than the parameters, and likewise in 1 other" in finding.says
    assert ": no usual step changes them. |grad| shrinks from " in finding.why
    assert finding.why.endswith(": the other factor is no larger than 1e-20 there")


@pytest.mark.parametrize("square", [lambda d: d * d, lambda d: d**2])
def test_a_fit_that_is_nearly_exact_has_a_small_gradient_and_no_fault(square):
    w = tg.Value(np.ones((3, 4)), label="w")
    y = np.ones((5, 3)) @ w
    assert tg.diagnose(square(y - y.data - 1e-14).mean(), parameters=[w]).findings == []


def test_a_gradient_that_is_a_rounding_error_is_not_said_to_vanish():
    w = tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="w")
    scores = np.cos(np.arange(8.0)).reshape(4, 2) @ w
    found = tg.diagnose(tg.softmax(scores).sum() * 0.7, parameters=[w]).findings
    assert [f.kind for f in found] == ["cancels"]


def test_an_attention_that_is_sure_is_what_loses_the_gradient_of_its_scores():
    rng = np.random.default_rng(1)
    q, k, v = (tg.Value(rng.standard_normal((4, 4)), label=name) for name in "qkv")
    x = rng.standard_normal((5, 4))
    scores = (x @ q) @ (x @ k).T * 100.0
    E = ((tg.softmax(scores, axis=1) @ (x @ v) - 1.0) ** 2).mean()
    (finding,) = tg.diagnose(E, parameters=[q, k, v]).findings
    assert (finding.kind, finding.name) == ("vanishing", "q … v")
    assert finding.why.endswith(": the local derivative of softmax is nearly 0 there")
    assert "help" not in finding.why


def test_numbers_without_a_scope_are_named_and_not_their_operation():
    k, y = tg.Value(-50.0, label="k"), tg.Value(1.0)
    for _ in range(30):
        y = y + 0.1 * k * y
    found = [f for f in tg.diagnose(y * y, parameters=k).findings if f.kind == "exploding"]
    assert [f.name for f in found] == ["k"]
    u = tg.Value(1e20, label="u")
    (finding,) = tg.diagnose(tg.exp(-(u * 1e-18)), parameters=u).findings
    assert (finding.kind, finding.name) == ("vanishing", "u")
