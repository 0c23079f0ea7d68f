"""An array graph as the scalar graph it stands for: the same number, the same gradients."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.errors import DataError, GraphError, ShapeError, UnsupportedError
from tinygrad_pool.graph import ancestors

rng = np.random.default_rng(0)


def leaf(label, *shape):
    return tg.Value(
        rng.permutation(np.prod(shape, dtype=int)).reshape(shape) / 7 - 1.1, label=label
    )


def total(y):
    """Add up y with weights that differ, so that no gradient looks like another."""
    return (y * (np.arange(y.size).reshape(y.shape) + 1.0)).sum()


NETS = {
    "conv": lambda x: total(tg.conv2d(x, leaf("w", 2, 1, 3, 3), leaf("b", 2), padding=1)),
    "conv in groups": lambda x: total(tg.conv1d(x[0], leaf("w", 4, 2, 2), groups=2)),
    "max pool": lambda x: total(tg.max_pool2d(x, 2)),
    "overlapping max pool": lambda x: total(tg.max_pool2d(x, 3, 1, 1, ties="last")),
    "even ties": lambda x: total(tg.max_pool2d(tg.clip(x, -9, 0.1), 2, ties="even")),
    "average pool": lambda x: total(tg.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    "norm pool": lambda x: total(tg.lp_pool2d(x, 3, 2)),
    "adaptive pool": lambda x: total(tg.adaptive_max_pool2d(x, 3)),
    "unpool": lambda x: total(tg.max_unpool1d(x[0, :, 0], [0, 3, 5, 5], 2)),
    "product": lambda x: total(x[0] @ leaf("w", 4, 3) + leaf("b", 3)),
    "softmax": lambda x: total(tg.softmax(x[0], axis=0)),
    "cross entropy": lambda x: nn.cross_entropy(x[0], [0, 2, 1, 3]),
    "logsumexp": lambda x: total(tg.logsumexp(x, axis=(0, 2))),
    "reductions": lambda x: total(x.max(axis=2)) + total(x.min(axis=1)) + x.mean(),
    "shapes": lambda x: total(tg.concatenate([x.reshape(2, 8), x[0].T.reshape(2, 8)])),
    "elementwise": lambda x: total(tg.where(np.eye(4) > 0, x.sigmoid(), tg.maximum(x, 0.3) ** 2)),
    "single precision": lambda x: total((x.astype(np.float32) * 2.0).tanh()),
    "a layer of weights": lambda x: total(tg.weights_of(tg.max_pool2d(x, 2)) @ x),
    "a layer without links": lambda x: (tg.weights_of(x[0] * 0.0) @ x[0]).sum() + x.sum(),
    "a value used twice": lambda x: total(x * x) + total(x),
}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_the_number_and_every_gradient_are_the_same(net):
    x = leaf("x", 1, 4, 4)
    E = net(x)
    E.backward()
    e = tg.explode(E)
    assert all(node.shape == () for node in ancestors(e))
    assert e.data == pytest.approx(float(E.data), rel=1e-6)
    e.backward()
    units = {node.label: node.grad for node in ancestors(e) if not node.parents}
    for v in ancestors(E):
        if not v.parents and v.label:
            for place in np.ndindex(v.shape):
                name = f"{v.label}[{', '.join(map(str, place))}]"
                assert units.get(name, 0.0) == pytest.approx(v.grad[place], rel=1e-5, abs=1e-12)


def test_units_are_called_by_their_place_and_keep_their_scope():
    with tg.scope("layer"):
        y = tg.relu(tg.Value([1.0, 2.0], label="x"))
        y.label = "z"
    e = tg.explode(y.sum())
    names = {(node.label, node.about.scope) for node in ancestors(e)}
    assert {("x[0]", "layer"), ("z[1]", "layer")} <= names or {
        ("x[0]", ""),
        ("z[1]", "layer"),
    } <= names


def test_only_units_that_the_number_depends_on_are_there():
    x = leaf("x", 1, 6, 6)
    y = tg.max_pool2d(tg.conv2d(x, leaf("w", 1, 1, 3, 3)), 2)
    e = tg.explode(y[0, 0, 1])
    inputs = {node.label for node in ancestors(e) if node.label.startswith("x")}
    assert inputs == {f"x[0, {i}, {j}]" for i in range(4) for j in range(2, 6)}
    assert e.op == "maximum"
    assert tg.draw_units(e, zero_one=True).source.count("dashed") == 3


def test_a_scalar_graph_stays_and_what_is_cut_is_a_leaf():
    a = tg.Value(2.0, label="a")
    assert [n.op for n in ancestors(tg.explode(a.exp() * 3.0))] == ["", "exp", "mul"]
    with tg.no_grad():
        cut = a.exp()
    assert [n.op for n in ancestors(tg.explode(cut * a))] == ["", "", "mul"]
    assert tg.explode(tg.Value([5.0])).data == 5.0
    nothing = tg.max_unpool1d(tg.Value([1.0]), [1], 2)[0]
    assert tg.explode(nothing).data == 0.0


def own(x):
    def own_backward(g):
        return (g * 2,)

    return x * 2, own_backward


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: tg.explode(3.0), DataError, "explode: needs a Value, got float"),
        (lambda: tg.explode(leaf("x", 2)), ShapeError, r"got the leaf 'x' of shape \(2,\); reduce"),
        (
            lambda: tg.explode(leaf("x", 60, 60).sum()),
            ShapeError,
            "depends on 3,601 units, more th",
        ),
        (lambda: tg.explode(tg.lift(own)(leaf("x", 2)).sum()), UnsupportedError, "own node has no"),
    ],
)
def test_what_cannot_be_taken_apart_is_named(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


def test_changed_data_is_refused():
    x = leaf("x", 2)
    E = (x * x).sum()
    x.data = [1.0, 1.0]
    with pytest.raises(GraphError, match="changed"):
        tg.explode(E)
