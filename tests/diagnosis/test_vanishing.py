"""Gradients that vanish or explode by degrees, and networks in which they do not."""

import numpy as np
import pytest

import tinygrad_pool as tg


def found(loss, **more):
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


def test_through_time_the_rules_the_turns_and_the_sharpest_step_are_named():
    (finding,) = found(rnn(50, 0.15, labels=True))
    assert (finding.kind, finding.severity) == ("vanishing", "partly lost")
    assert finding.name == "h48 … h0"
    assert finding.says.startswith("|grad| shrinks from ")
    assert finding.says.endswith(" in 144 steps")
    assert finding.why.startswith("matmul 48 times × 0.41, tanh 48 times × 0.66; ")
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
    assert [f.kind for f in found(loss())] == [kind]


@pytest.mark.covered
@pytest.mark.parametrize(
    "loss",
    [
        lambda: rnn(8, 0.5),
        lambda: mlp(10, 0.25, tg.tanh),
        lambda: mlp(4, 0.25, tg.tanh, batch=65536),  # each |grad| is small by the mean alone
        lambda: mlp(10, 0.35, tg.relu) * 1e-6,
        lambda: scalar_mlp(4, 0.6, tg.tanh),
        lambda: residual(30),
        lambda: lstm(50, 5.0),
        lambda: sigmoids(2),
    ],
)
def test_a_sound_network_has_no_finding(loss):
    assert found(loss()) == []


@pytest.mark.covered
def test_a_trained_network_whose_errors_are_small_has_no_finding():
    """The factor p − y of a small error is in every gradient alike."""
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
    assert found(loss, parameters=net) == found(loss) == []


def test_what_layers_show_is_explained_by_the_path_and_not_found_twice():
    (finding,) = found(mlp(8, 0.3, tg.sigmoid))
    assert finding.name == "W0 … W7"
    assert "shortcuts help. |grad| shrinks from " in finding.why
    assert ": sigmoid 7 times × 0.22" in finding.why


def test_one_large_weight_among_others_is_the_sharpest_step():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(4, 8))
    for i in range(8):
        W = tg.Value(np.linalg.qr(rng.normal(size=(8, 8)))[0], label=f"W{i}")
        W.data = W.data * (7100.0 if i == 4 else 2.0)
        h = h @ W
        h.label = f"h{i}"
    (finding,) = found(h.sum() * 1e-3)
    assert finding.kind == "exploding"
    assert "; sharpest at h4 → h3, × 7100, through W4. Smaller initial weights" in finding.why


def test_weights_that_are_computed_are_no_layers():
    """|grad| of a normalized weight is a sum over the batch: large, and nothing that explodes."""
    rng = np.random.default_rng(0)
    h = 300.0 * rng.normal(size=(5000, 8))
    for i in range(4):
        V = tg.Value(np.linalg.qr(rng.normal(size=(8, 8)))[0], label=f"V{i}")
        h = h @ (V / tg.sqrt((V**2).sum(axis=0)))
    assert [f for f in found(h.sum()) if "V" not in f.name] == []


def test_given_parameters_are_the_layers():
    loss = mlp(8, 0.3, tg.sigmoid)
    leaves = [v for v in tg.record(loss).nodes if v.label.startswith("W")]
    assert [f.kind for f in found(loss, parameters=leaves)] == ["vanishing"]
    assert found(loss, parameters=leaves[-2:]) == []
