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
    assert finding.why.startswith("per layer they get ")


@pytest.mark.parametrize(("n", "scale", "squash"), [(2, 1e-4, None), (6, 2.4, None), (3, 1.0, 1)])
def test_small_differences_and_two_layers_are_not_a_trend(n, scale, squash):
    assert trend(n, scale, squash) == []


def test_gradients_that_explode_towards_the_first_layer():
    w = [tg.Value(np.ones((2, 2)), label=f"w{i}") for i in range(4)]
    x = np.full((3, 2), 1e-3)
    for v in w:
        x = (x @ v) * 30.0
        x = x * 1.0 - x.detach() + 1e-3  # keeps its size, whatever its slope
    diagnosis = tg.diagnose(x.sum(), parameters=w)
    finding = next(f for f in diagnosis.findings if f.kind == "exploding")
    assert " times larger in w0 than in w3: " in finding.says


def test_gradients_much_larger_than_parameters():
    (finding,) = trend(6, 40.0)
    assert finding.kind == "exploding"
    assert " times as large as the parameters" in finding.says
    assert " (also in 5 other layers). " in finding.why


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


def test_quantiles_are_of_finite_numbers():
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


def test_a_long_table_prefers_layers_with_parameters():
    w, y = tg.Value(1.0, label="w"), tg.Value(2.0, label="x")
    for i in range(40):
        with tg.scope(f"s{i}"):
            y = y * w if i == 39 else y.exp() * 0.01
    shown = str(tg.diagnose(y, parameters=[w])).splitlines()
    assert "40 layers, 16 of them not shown:" in shown
    assert shown[-1].startswith(" s39 ")
    assert len(shown[shown.index("40 layers, 16 of them not shown:") :]) == 24 + 3


def test_gradients_much_smaller_than_parameters_are_explained_by_a_step():
    w, u = tg.Value(np.ones((3, 4)), label="w"), tg.Value(np.ones((4, 2)), label="u")
    h = (np.ones((5, 3)) * 0.1 @ w).tanh() * 1e-20
    findings = tg.diagnose(((h @ u - 1.0) ** 2).mean(), parameters=[w, u]).findings
    (finding,) = [f for f in findings if f.kind == "vanishing"]
    assert " times smaller than the parameters" in finding.says
    assert " (also in 1 other layer). |grad| shrinks from " in finding.why
    assert finding.why.endswith(
        ": the other factor is no larger than 1e-20 there. Scale that factor up"
    )


def test_a_layer_of_numbers_is_explained_by_its_largest_gradient_and_not_by_a_zero():
    w0, w1, u = (tg.Value(0.5, label=name) for name in ("w0", "w1", "u"))
    with tg.scope("unit"):
        h = tg.weighted_sum([w0, w1], [0.0, 1.0]).tanh()
    findings = tg.diagnose((h * 1e-20 * u - 1.0) ** 2, parameters=[w0, w1, u]).findings
    (finding,) = [f for f in findings if f.kind == "vanishing"]
    assert "|grad| shrinks from 1 at mul" in finding.why
    assert "w0 gets nothing" not in finding.why


def test_small_weights_are_to_be_larger_and_not_the_inputs_of_activations_smaller():
    W = [tg.Value(np.eye(8) * 0.1, label=f"W{i}") for i in range(20)]
    h = np.ones((3, 8))
    for w in W:
        h = tg.tanh(h @ w)
    (finding,) = find((h**2).mean(), parameters=W)
    assert " times smaller than the parameters" in finding.says
    assert "matmul × 0.1 (19 times)" in finding.why
    assert finding.why.endswith(
        ". Use steeper activations, larger initial weights, shortcuts or gates"
    )


@pytest.mark.parametrize("square", [lambda d: d * d, lambda d: d**2])
def test_the_small_gradient_of_a_nearly_exact_fit_is_not_reported(square):
    w = tg.Value(np.ones((3, 4)), label="w")
    y = np.ones((5, 3)) @ w
    assert tg.diagnose(square(y - y.data - 1e-14).mean(), parameters=[w]).findings == []


def test_a_rounding_error_is_not_a_vanishing_gradient():
    w = tg.Value(np.sin(np.arange(6.0)).reshape(2, 3), label="w")
    scores = np.cos(np.arange(8.0)).reshape(4, 2) @ w
    findings = tg.diagnose(tg.softmax(scores).sum() * 0.7, parameters=[w]).findings
    assert [f.kind for f in findings] == ["cancels"]


def test_an_attention_that_is_nearly_one_hot_loses_the_gradient_of_its_scores():
    rng = np.random.default_rng(1)
    q, k, v = (tg.Value(rng.standard_normal((4, 4)), label=name) for name in "qkv")
    x = rng.standard_normal((5, 4))
    scores = (x @ q) @ (x @ k).T * 100.0
    E = ((tg.softmax(scores, axis=1) @ (x @ v) - 1.0) ** 2).mean()
    (finding,) = tg.diagnose(E, parameters=[q, k, v]).findings
    assert (finding.kind, finding.name) == ("vanishing", "q … v")
    fix = "Inputs nearer to 0 make it steeper"
    assert finding.why.endswith(f": the local derivative of softmax is nearly 0 there. {fix}")


def test_scalars_without_a_scope_are_named_themselves():
    k, y = tg.Value(-50.0, label="k"), tg.Value(1.0)
    for _ in range(30):
        y = y + 0.1 * k * y
    findings = [f for f in tg.diagnose(y * y, parameters=k).findings if f.kind == "exploding"]
    assert [f.name for f in findings] == ["k"]
    u = tg.Value(1e20, label="u")
    (finding,) = tg.diagnose(tg.exp(-(u * 1e-18)), parameters=u).findings
    assert (finding.kind, finding.name) == ("vanishing", "u")


# -- by degrees


def find(loss, **more):
    kinds = ("vanishing", "exploding")
    return [f for f in tg.diagnose(loss, **more).findings if f.kind in kinds]


def rnn(turns, scale, squash=tg.tanh, dtype=float, labels=False):
    rng = np.random.default_rng(4)
    U = tg.Value((rng.normal(size=(8, 8)) * scale).astype(dtype), label="U")
    W = tg.Value((rng.normal(size=(3, 8)) * 0.5).astype(dtype), label="W")
    xs = rng.normal(size=(turns, 2, 3)).astype(dtype)
    h = tg.Value(np.zeros((2, 8), dtype), label="h_init")
    for t in range(turns):
        h = squash(h @ U + xs[t] @ W)
        if labels:
            h.label = f"h{t}"
    return (h**2).mean()


def mlp(layers, scale, squash, batch=32, dtype=float):
    rng = np.random.default_rng(0)
    h = rng.normal(size=(batch, 16)).astype(dtype)
    for i in range(layers):
        W = tg.Value((rng.normal(size=(16, 16)) * scale).astype(dtype), label=f"W{i}")
        h = squash(h @ W + tg.Value(np.zeros(16, dtype), label=f"b{i}"))
    return (h**2).mean()


def scalar_mlp(layers, scale, squash):
    rng = np.random.default_rng(0)
    W = [[[tg.Value(rng.normal() * scale) for _ in "abc"] for _ in "abc"] for _ in range(layers)]
    losses = []
    for _ in range(5):
        h = [float(x) for x in rng.normal(size=3)]
        for of in W:
            b = tg.Value(0.0)
            h = [squash(sum((w * x for w, x in zip(ws, h, strict=True)), b)) for ws in of]
        losses.append(sum(v**2 for v in h))
    return sum(losses) * (1 / len(losses))


def lstm(turns, bias):
    rng = np.random.default_rng(4)
    Wf = tg.Value(rng.normal(size=(8, 8)) * 0.1, label="Wf")
    Wi = tg.Value(rng.normal(size=(3, 8)) * 0.5, label="Wi")
    b = tg.Value(np.full(8, bias), label="b")
    c = h = np.zeros((4, 8))
    for t in range(turns):
        x = rng.normal(size=(4, 3))
        keep, new = tg.sigmoid(h @ Wf + x @ Wi + b), tg.tanh(x @ Wi)
        c = keep * c + (1 - keep) * new
        c.label = f"c{t}"
        h = tg.tanh(c)
    return (h**2).mean()


def residual(layers):
    rng = np.random.default_rng(0)
    h = tg.tanh(rng.normal(size=(32, 16)) @ tg.Value(np.eye(16), label="R"))
    for i in range(layers):
        h = h + tg.tanh(h @ tg.Value(rng.normal(size=(16, 16)) * 0.02, label=f"R{i}"))
    return (h**2).mean()


def sigmoids(n):
    v = tg.Value(0.5, label="v")
    for _ in range(n):
        v = v.sigmoid()
    return v


def test_a_recurrent_network_names_rules_turns_and_the_sharpest_step():
    (finding,) = find(rnn(50, 0.15, labels=True))
    assert (finding.kind, finding.severity) == ("vanishing", "partly lost")
    assert finding.name == "h48 … h0"
    assert finding.says.startswith("|grad| shrinks from ")
    assert finding.says.endswith(" in 144 steps")
    assert finding.why.startswith("matmul × 0.41 (48 times), tanh × 0.66 (48 times); ")
    assert "; sharpest at h34 → h33, × 0.11, through U, in turn 34 of 48. " in finding.why
    assert [node.label for node in finding.nodes] == ["h48", "h0"]


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (lambda: rnn(50, 0.15, dtype=np.float32), "vanishing"),
        (lambda: rnn(50, 0.15, tg.relu), "vanishing"),
        (lambda: rnn(50, 0.7, lambda v: v), "exploding"),
        (lambda: mlp(8, 0.3, tg.sigmoid), "vanishing"),
        (lambda: mlp(10, 0.05, tg.tanh, dtype=np.float32), "vanishing"),
        (lambda: mlp(8, 2.0, tg.relu), "exploding"),
        (lambda: scalar_mlp(8, 0.7, tg.sigmoid), "vanishing"),
        (lambda: scalar_mlp(8, 3.0, lambda v: v), "exploding"),
        (lambda: lstm(50, 0.0), "vanishing"),
        (lambda: sigmoids(30), "vanishing"),
    ],
)
def test_each_kind_is_found_once(loss, kind):
    assert [f.kind for f in find(loss())] == [kind]


@pytest.mark.covered
@pytest.mark.parametrize(
    "loss",
    [
        lambda: rnn(8, 0.5),
        lambda: mlp(10, 0.25, tg.tanh),
        lambda: mlp(4, 0.25, tg.tanh, batch=65536),  # every |grad| is small because of the mean
        lambda: mlp(10, 0.35, tg.relu) * 1e-6,
        lambda: scalar_mlp(4, 0.6, tg.tanh),
        lambda: residual(30),
        lambda: lstm(50, 5.0),
        lambda: sigmoids(2),
    ],
)
def test_a_sound_network_has_no_finding(loss):
    assert find(loss()) == []


@pytest.mark.covered
def test_a_trained_network_whose_errors_are_small_has_no_finding():
    """A small error p − y is a factor of every gradient."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 2))
    Y = (X[:, 0] * X[:, 1] > 0).astype(float)
    net = tg.nn.Sequential(*(tg.nn.Linear(n, m, rng=n) for n, m in ((2, 16), (16, 17), (17, 1))))
    optimizer = tg.optim.Adam(net.parameters(), lr=0.03)

    def forward():
        h = X
        for layer in net:
            h = layer(tg.tanh(h) if h is not X else X)
        p = tg.sigmoid(h[:, 0])
        return -(Y * tg.log(p + 1e-12) + (1 - Y) * tg.log(1 - p + 1e-12)).mean()

    for _ in range(300):
        optimizer.zero_grad()
        forward().backward()
        optimizer.step()
    optimizer.zero_grad()
    loss = forward()
    assert loss.data < 0.01
    assert find(loss, parameters=net) == find(loss) == []


def test_a_trend_of_layers_is_explained_by_its_path_in_one_finding():
    (finding,) = find(mlp(8, 0.3, tg.sigmoid))
    assert finding.name == "W0 … W7"
    assert "shortcuts or gates. |grad| shrinks from " in finding.why
    assert ": sigmoid × 0.22 (7 times)" in finding.why


def test_one_large_weight_among_others_is_the_sharpest_step():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(4, 8))
    for i in range(8):
        W = tg.Value(np.linalg.qr(rng.normal(size=(8, 8)))[0], label=f"W{i}")
        W.data = W.data * (7100.0 if i == 4 else 2.0)
        h = h @ W
        h.label = f"h{i}"
    (finding,) = find(h.sum() * 1e-3)
    assert finding.kind == "exploding"
    assert "; sharpest at h4 → h3, × 7100, through W4. Use smaller initial weights" in finding.why


def test_computed_weights_are_not_layers():
    """|grad| of a normalized weight is a sum over the batch: large, but not exploding."""
    rng = np.random.default_rng(0)
    h = 300.0 * rng.normal(size=(5000, 8))
    for i in range(4):
        V = tg.Value(np.linalg.qr(rng.normal(size=(8, 8)))[0], label=f"V{i}")
        h = h @ (V / tg.sqrt((V**2).sum(axis=0)))
    assert [f for f in find(h.sum()) if "V" not in f.name] == []


def test_given_parameters_are_the_layers():
    loss = mlp(8, 0.3, tg.sigmoid)
    leaves = [v for v in tg.record(loss).nodes if v.label.startswith("W")]
    assert [f.kind for f in find(loss, parameters=leaves)] == ["vanishing"]
    assert find(loss, parameters=leaves[-2:]) == []
