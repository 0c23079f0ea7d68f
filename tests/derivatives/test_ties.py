"""Ties: where several units share a maximum, and whether the winner matters."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.derivatives.candidates import candidates_of
from tinygrad_pool.derivatives.ties import find_ties, tied_units
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import DataError, GraphError
from tinygrad_pool.pooling_as_weights import weight_layers
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.traits import traits_of

inf, nan = np.inf, np.nan


def found(node):
    ties = find_ties(node)
    return ties.harmless, [(t.window, t.places) for t in ties.others]


@pytest.fixture
def gradients_if(monkeypatch):
    """Compute the leaves' gradients if another candidate wins one window."""

    def force(y, leaves, gradient, candidates, i):
        usual = weight_layers.pooling_weights

        def forced(root, name):
            weights = usual(root, name)
            layers = weights[candidates.node]
            paid, cell = candidates.at(i)
            weights[candidates.node] = [
                _paying(W, candidates.unit[i], operand == paid, cell, len(layers) > 1)
                for operand, W in enumerate(layers)
            ]
            return weights

        with monkeypatch.context() as patch:
            patch.setattr(weight_layers, "pooling_weights", forced)
            return tg.grad(tg.as_weight_layer(y), leaves, gradient=gradient)

    return force


def _paying(W, unit, is_operand, cell, diagonal):
    here = W.unit == unit
    winner = here & (diagonal | (W.cell == cell)) & is_operand
    weight = np.where(here, winner, W.weight).astype(W.weight.dtype)
    return Weights(W.unit, W.cell, weight, W.y_shape, W.x_shape)


def differ(results):
    first, *others = results
    return any(
        not np.allclose(a, b, rtol=1e-9, atol=1e-11)
        for other in others
        for a, b in zip(first, other, strict=True)
    )


@pytest.mark.long
@pytest.mark.parametrize("number", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_a_tie_is_harmless_only_if_no_leafs_gradient_depends_on_the_winner(
    random_net, gradients_if, seed, number
):
    y, leaves = random_net(seed, "tied")
    rng = np.random.default_rng(seed)
    if number:  # half of the units get no gradient
        y = (y * (rng.standard_normal(y.shape) * rng.integers(0, 2, y.shape))).sum()
    gradient = rng.standard_normal(y.shape)
    ties = find_ties(y)
    mattering = {(t.node, t.window) for t in ties.others}
    count = 0
    for candidates in (
        c for n in topological_order(y) if traits_of(n.rule).paid and (c := candidates_of(n))
    ):
        units = np.flatnonzero(tied_units(candidates))
        count += len(units)
        for unit in rng.permutation(units)[:6]:
            tied = [i for i in candidates.within(unit) if candidates.tied[i]]
            results = [gradients_if(y, leaves, gradient, candidates, i) for i in tied]
            window = tuple(int(k) for k in np.unravel_index(unit, candidates.node.shape))
            assert differ(results) == ((candidates.node, window) in mattering)
    assert ties.harmless + len(ties.others) == count


def test_equal_zeros_after_a_relu_are_harmless():
    rng = np.random.default_rng(0)
    w = Value(rng.standard_normal((4, 1, 3, 3)))
    x = rng.integers(0, 2, (3, 1, 8, 8)).astype(float)
    gradients = []
    for settled in ("first", "last", "even"):
        z = tg.conv2d(x, w, padding=1).relu()
        y = tg.max_pool2d(z, 2, ties=settled)
        ties = find_ties((y * rng.permutation(y.size).reshape(y.shape)).sum())
        dead = (tg.max_pool2d(z, 2).data == 0).sum()
        assert ties.harmless >= dead > 20
        gradients += tg.grad(y, w, gradient=np.ones(y.shape))
    assert ties.others == []
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)
    np.testing.assert_allclose(gradients[2], gradients[0], rtol=1e-12)


def test_a_unit_that_ties_with_itself_is_harmless():
    x = Value([1.0, 2.0])
    assert found(np.concatenate([x, x]).max()) == (1, [])
    assert found(tg.maximum(x, x)) == (2, [])
    assert found(tg.maximum(x * 2.0, 2.0 * x, x + x)) == (2, [])
    assert found(tg.maximum(x, x * 1.0 + 0.0, x * x)) == (0, [((0,), [(0, 0), (1, 0), (2, 0)])])


def test_constants_tie_harmlessly_only_with_constants():
    x = Value([1.0, 2.0])
    assert found(tg.maximum(x, 2.0)) == (0, [((1,), [(0, 1), (1,)])])
    assert found(tg.maximum(2.0, x.detach(), [2.0, 1.0]) * x) == (2, [])
    assert found(tg.max_pool1d(np.array([3.0, 3.0]), 2) * x) == (1, [])
    with tg.no_grad():
        copy = x * 1.0
    assert found(tg.maximum(copy, copy * 1.0)) == (2, [])


@pytest.mark.parametrize("ties", ["first", "last", "even"])
@pytest.mark.parametrize("reduce", [Value.max, Value.min])
def test_it_does_not_depend_on_how_ties_are_broken(reduce, ties):
    x = Value([[3.0, 3.0, 3.0], [1.0, 2.0, 3.0], [-0.0, 0.0, 0.0]])
    assert found(reduce(x, axis=1, ties=ties)) == (
        0,
        [((0,), [(0, 0), (0, 1), (0, 2)]), ((2,), [(2, 0), (2, 1), (2, 2)])],
    )


def test_a_tie_without_gradient_is_harmless():
    y = tg.max_pool1d(Value([1.0, 1.0, 2.0, 2.0]), 2)
    assert found((y * [0.0, 5.0]).sum()) == (1, [((1,), [(2,), (3,)])])
    assert found(y * [0.0, 5.0]) == (1, [((1,), [(2,), (3,)])])
    assert found(tg.maximum(y, [3.0, 0.0])) == (1, [((1,), [(2,), (3,)])])
    assert len(found(y)[1]) == 2


@pytest.mark.parametrize(
    ("x", "value", "torch", "tensorflow"),
    [
        ([nan, 1.0, nan], nan, "the last NaN", "skips NaN"),
        ([-inf, -inf, -inf], -inf, "the first", "the first"),
        ([0.0, inf, inf], inf, "the first", "the first"),
    ],
)
def test_nan_and_infinities_tie_too(x, value, torch, tensorflow):
    (tie,) = find_ties(tg.max_pool1d(Value(x), 3)).others
    assert tie[3:] == pytest.approx((value, torch, "the first", tensorflow), nan_ok=True)
    assert len(tie.places) == (2 if value != -inf else 3)


def test_a_single_nan_is_not_a_tie():
    assert found(tg.max_pool1d(Value([nan, inf, inf]), 3)) == (0, [])


def test_infinite_slopes_are_not_equal():
    with np.errstate(all="ignore"):
        assert len(found(tg.max_pool1d(Value(np.zeros(12)).sqrt(), 2).sum())[1]) == 6


def test_half_precision_distinguishes_tangents():
    x = Value(np.ones(4000, np.float16))
    assert found(tg.max_pool1d(x * 1.0, 2))[0] == 0
    assert found(tg.max_pool1d(x * 40000.0, 2))[0] == 0


def test_a_minimum_shows_its_own_value():
    ties = find_ties(tg.minimum(Value([-2.0, 1.0]), Value([-2.0, 3.0])))
    assert [(t.value, t.torch, t.jax, t.tensorflow) for t in ties.others] == [
        (-2.0, "half each", "half each", "the first")
    ]


def test_a_leaf_and_a_graph_without_ties_have_none():
    assert found(Value(3.0)) == found(Value([1.0, 2.0]).relu().max()) == (0, [])


def test_it_finds_the_same_inside_no_grad():
    y = tg.max_pool1d(Value([1.0, 1.0]) * 1.0, 2).sum()
    with tg.no_grad():
        assert found(y) == (0, [((0,), [(0,), (1,)])])


def test_it_changes_no_gradient():
    x = Value([1.0, 1.0])
    y = (x * 1.0).max()
    y.backward()
    find_ties(y)
    assert (x.grad.tolist(), y.grad.item()) == ([1.0, 0.0], 1.0)


@pytest.mark.long
def test_thousands_of_scalars_are_as_much_work_each_as_hundreds(count_calls):
    def loss(width):
        net = nn.MLP(2, [width, width, 1])
        for p in net.parameters():
            p.data = 0.5
        y = net([1.0, 1.0])
        for _ in range(3):
            y = tg.maximum(y, net([1.0, 1.0]))
        return y

    work = [count_calls(find_ties, y) / len(topological_order(y)) for y in (loss(10), loss(40))]
    assert work[1] < 2 * work[0]
    ties = find_ties(loss(40))
    assert (ties.harmless, ties.others) == (3, [])


def test_the_first_are_shown_as_a_table():
    x = Value([[2.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 5.0]])
    y = x.max(axis=1)
    y.label = "<top>"
    ties = find_ties(y)
    title, head, _, *rows = repr(ties).splitlines()
    assert title == "2 ties that matter, 0 harmless:"
    assert re.split(r"\s{2,}", head.strip())[-3:] == ["PyTorch pays", "JAX", "TensorFlow"]
    assert [re.split(r"\s{2,}", row.strip())[:4] for row in rows] == [
        ["<top>", "(0,)", "(0, 0), (0, 1), (0, 2), (0, 3) …", "2"],
        ["<top>", "(1,)", "(1, 4), (1, 5)", "5"],
    ]
    below = str(find_ties(tg.min(Value([-1.5, -1.5, 2.0])))).splitlines()[-1]
    assert re.split(r"\s{2,}", below.strip())[3] == "−1.5"
    assert "&lt;top&gt;" in ties._repr_html_()
    assert "<top>" not in ties._repr_html_()


def test_the_table_is_cut_and_counts_in_singular_and_plural():
    many = str(find_ties(tg.max_pool1d(Value(np.ones(50)), 2)))
    assert many.startswith("25 ties that matter, 0 harmless; the first 20 that matter:\n")
    assert len(many.splitlines()) == 1 + 2 + 20
    assert str(find_ties(Value([1.0, 1.0]).max())).startswith("1 tie that matters, 0 harmless:\n")
    assert str(find_ties(Value(3.0))) == "0 ties that matter, 0 harmless"


def test_other_objects_and_changed_data_are_errors():
    with pytest.raises(DataError, match=r"find_ties: needs a Value, got ReLU; .* net\(x\)$"):
        find_ties(tg.nn.ReLU())
    x = Value([1.0, 3.0, 3.0])
    y = x.max()
    x.data = [1.0, 2.0, 3.0]  # there is no tie any more, but there was one
    with pytest.raises(GraphError, match=r"^find_ties: the data of the leaf changed"):
        find_ties(y)
