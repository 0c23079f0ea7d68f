"""Layers whose units are all alike are reported, and no others."""

import random

import numpy as np
import pytest

import tinygrad_pool as tg

X = np.cos(np.arange(24.0)).reshape(8, 3)
LABELS = np.arange(8) % 2


def alike(loss, **options):
    return [f for f in tg.diagnose(loss, **options).findings if f.kind == "alike"]


def net(*layers):
    made = tg.nn.Sequential(*layers)
    for p in made.parameters():
        p.data = np.full(p.shape, 0.5, p.dtype)
    return made


def loss_of(net, x=X):
    return ((net(x) - np.arange(8.0).reshape(8, 1)) ** 2).mean()


def perceptron():
    nn = tg.nn
    return net(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))


def test_layers_of_equal_weights_are_named_except_the_last():
    (finding,) = alike(loss_of(made := perceptron()), parameters=made)
    assert (finding.name, finding.severity) == ("0.weight, 2.weight", "partly lost")
    assert (
        finding.says
        == "the units of a layer are all alike: they have the same weights and gradients"
    )
    assert finding.why.endswith(". Draw the initial weights at random")


def test_training_keeps_them_alike_but_not_random_ones():
    made = perceptron()
    optimizer = tg.optim.Adam(made.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        loss_of(made).backward()
        optimizer.step()
    rows = made[0].weight.data
    assert np.allclose(rows, rows[0], rtol=1e-4)
    assert alike(loss_of(made), parameters=made)
    made[2].weight.data = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    assert alike(loss_of(made), parameters=made) == []  # the first layer's gradients differ


@pytest.mark.parametrize(
    "loss",
    [
        lambda w, u: ((X @ w).tanh() @ u - 1.0) ** 2,
        lambda w, u: (u.T @ (w.T @ X.T).tanh() - 1.0) ** 2,
    ],
)
def test_weights_may_be_left_or_right_of_their_input(loss):
    w, u = tg.Value(np.full((3, 2), 0.5), label="w"), tg.Value(np.ones((2, 1)), label="u")
    (finding,) = alike(loss(w, u).mean())
    assert finding.name == "w"


def test_kernels_and_scalar_neurons():
    conv = net(tg.nn.Conv1d(1, 2, 2), tg.nn.Tanh(), tg.nn.Flatten(), tg.nn.Linear(4, 1))
    (finding,) = alike(loss_of(conv, X[:, None]), parameters=conv)
    assert finding.name == "0.weight"
    random.seed(0)
    made = tg.nn.MLP(2, [3, 1])
    assert alike(sum((made(p) - 1.0) ** 2 for p in X[:, :2].tolist()), parameters=made) == []
    for p in made.parameters():
        p.data = 0.5
    (finding,) = alike(sum((made(p) - 1.0) ** 2 for p in X[:, :2].tolist()), parameters=made)
    assert finding.name == "layers.0.*"


@pytest.mark.parametrize(
    "loss",
    [
        lambda w, u: tg.nn.cross_entropy(X @ w * u[0, 0], LABELS),  # zeros, as they should be
        lambda w, u: (X @ w).sum(),  # the last layer
        lambda w, u: w.T.sum() * u[0, 0],
        lambda w, u: (X @ w.tanh() @ u).sum(),  # weights that are computed
        lambda w, u: ((X @ w[:, :1]).tanh() @ u[:1]).mean() + (X @ w[:, 1:]).mean() * u[1, 0],
        lambda w, u: (w * 2.0).sum() + u.sum(),
    ],
)
def test_different_units_and_other_products_are_not_reported(loss):
    w, u = tg.Value(np.zeros((3, 2)), label="w"), tg.Value(np.ones((2, 1)), label="u")
    assert alike(loss(w, u)) == []


def test_parameters_without_a_gradient_are_left_out():
    steep = tg.lift(lambda x, t: (x * t, lambda g: (g * t, None)))
    units = []
    for i in range(2):
        with tg.scope("layer"), tg.scope(f"n{i}"):
            w, b, t = (tg.Value(1.0, label=name) for name in "wbt")
            units.append(steep(w * 2.0 + b, t))
    with tg.scope("out"):
        loss = (units[0] + units[1]) * tg.Value(2.0, label="v")
    (finding,) = alike(loss)
    assert finding.name == "layer.n0.w, layer.n0.b, layer.n1.w, layer.n1.b"


def test_networks_without_parameters_or_units_are_not_reported():
    assert alike(tg.Value(2.0) * 3.0, parameters=[]) == []
    loss = tg.Value(2.0) * 3.0
    assert alike(loss, parameters=[loss]) == []
    w = [tg.Value(1.0, label=f"w{i}") for i in range(3)]
    with tg.scope("a"):
        y = w[0] * 2.0 + w[1]
    with tg.scope("b"):
        assert alike(y * w[2]) == []
