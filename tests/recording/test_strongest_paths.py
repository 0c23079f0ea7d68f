"""The strongest path to each node, its depth in layers, and the size of a gradient."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.recording.strongest_paths import Depth, StrongestPaths, length


def paths_of(loss):
    passed = tg.record(loss)
    return StrongestPaths(passed.steps, passed.gradients), passed


def test_the_path_with_the_larger_contribution_is_strongest():
    x = tg.Value(1.0, label="x")
    weak, strong = x * 0.1, x * -3.0
    strongest, passed = paths_of(weak + strong)
    path = strongest.gains(passed.loss, x, passed.call)
    assert [n for n in path.nodes if n is strong or n is weak] == [strong]


def test_no_path_follows_a_nan():
    x = tg.Value(1.0, label="x")
    with np.errstate(all="ignore"):
        strongest, _ = paths_of(x * float("nan") + x * 2.0)
        assert strongest.above[x].parents[1] == 2.0


@given(st.lists(st.floats(-1e100, 1e100), max_size=8))
def test_length_is_the_root_of_the_sum_of_squares(numbers):
    expected = float(np.linalg.norm(np.array(numbers, np.longdouble)))
    assert length(np.array(numbers)) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("g", "expected"),
    [
        (np.array([3e-30, 4e-30], np.float32), 5e-30),
        (np.array([3e300, 4e300]), 5e300),
        (np.float32(-2.0), 2.0),
        (np.zeros((0, 2)), 0.0),
        (np.array([1.0, -np.inf]), np.inf),
        (np.array([200.0, 60000.0, 60000.0], np.float16), np.sqrt(7.2e9 + 4e4)),
    ],
)
def test_length_neither_underflows_nor_overflows(g, expected):
    assert length(g) == pytest.approx(expected, rel=1e-3)


def test_a_bias_belongs_to_the_layer_of_its_product():
    w = [tg.Value(np.eye(2), label=f"w{i}") for i in range(3)]
    b = [tg.Value(np.zeros(2), label=f"b{i}") for i in range(3)]
    h = np.ones((4, 2))
    for i in range(3):
        h = h @ w[i] + b[i]
    strongest, passed = paths_of(h.sum())
    depths = strongest.layers({*w, *b})
    assert [d.layers for d in depths.values()] == [0, 1, 1, 2, 2, 3, 3]
    assert {d.top for d in depths.values()} == {None, passed.nodes[-2]}


def test_transposed_weights_are_weights():
    w = [tg.Value(np.eye(2), label=f"w{i}") for i in range(3)]
    h = np.ones((4, 2))
    for each in w:
        h = h @ each.T
    strongest, _ = paths_of(h.sum())
    depths = strongest.layers({*w})
    assert [d.layers for n, d in depths.items() if n.op == "matmul"] == [1, 2, 3]
    assert not [n for n in depths if n.op == "transpose"]


def test_a_gate_is_a_layer_but_nodes_without_leaves_are_not():
    w, x = tg.Value(0.5, label="w"), tg.Value(2.0, label="x")
    c = x * 1e-6
    for _ in range(3):
        c = tg.sigmoid(w * 1.0) * tg.tanh(c * w)
    strongest, passed = paths_of(c * 1.0)
    depths = strongest.layers({w})
    assert max(d.layers for d in depths.values()) == 6
    assert not [n for n in depths if x in n.parents]
    assert depths[passed.loss] == Depth(0, None)


def test_without_layers_sigmoids_are_counted():
    v = leaf = tg.Value(0.5, label="v")
    for _ in range(3):
        v = v.tanh().sigmoid()
    strongest, _ = paths_of(v * 2.0)
    assert [d.layers for d in strongest.layers({leaf}).values()] == [0, 1, 2, 3, 4, 5, 6]
    assert strongest.layers(set()) == {}


def test_a_product_of_weights_is_a_layer():
    a, b = tg.Value(np.eye(2), label="a"), tg.Value(np.eye(2), label="b")
    for _ in range(3):
        b = b @ a
    strongest, passed = paths_of(b.sum())
    leaves = {v for v in passed.nodes if not v.parents}
    assert [d.layers for d in strongest.layers(leaves).values()] == [0, 1, 2, 3]
