"""Graphs with weights wherever a winner was chosen."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.derivatives.sparse_jacobian import pooling_weights
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.rerun import replaced
from tinygrad_pool.errors import DataError, GraphError
from tinygrad_pool.pooling_as_weights.weight_layers import operations_of
from tinygrad_pool.rules.rule import IMPLEMENTED
from tinygrad_pool.rules.traits import traits_of

KINDS = ("random", "tied", "infinite", "nan")
ULPS = 32


def gradients_of_both(y):
    """Pair data and gradients of every node with its twin's, for a random gradient."""
    twins = replaced(y, operations_of(pooling_weights(y, "test")))
    g = np.random.default_rng(5).standard_normal(y.shape)
    arrive = tg.grad(y, twins, gradient=g)
    at_twins = tg.grad(twins[y], twins.values(), gradient=g)
    data = [(node.data, twin.data) for node, twin in twins.items()]
    return [*data, *zip(arrive, at_twins, strict=True)]


def assert_same_kind(a, b):
    assert type(a) is type(b)
    assert np.shape(a) == np.shape(b)
    assert np.asarray(a).dtype == np.asarray(b).dtype


def assert_twin_is_equal(y):
    with np.errstate(all="ignore"):
        for a, b in gradients_of_both(y):
            assert_same_kind(a, b)
            np.testing.assert_array_equal(a, b)


def assert_twin_is_close(y, dtype):
    with np.errstate(all="ignore"):
        for a, b in gradients_of_both(y):
            assert_same_kind(a, b)
            np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
            known = np.isfinite(a)
            largest = np.max(np.abs(a), where=known, initial=0.0)
            apart = np.abs(np.subtract(a, b, dtype=float), where=known, out=np.zeros(np.shape(a)))
            assert apart.max(initial=0.0) <= ULPS * np.finfo(dtype).eps * largest


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("ties", ["first", "last"])
def test_all_data_and_gradients_are_equal_bit_for_bit(random_net, kind, dtype, ties):
    replaced = 0
    for seed in range(20):
        with np.errstate(all="ignore"):
            y, _ = random_net(seed, kind, dtype, ties=ties)
        assert y.dtype == dtype
        assert_twin_is_equal(y)
        replaced += sum(traits_of(node.rule).pools for node in topological_order(y))
    assert replaced > 20


@pytest.mark.parametrize("kind", ["random", "tied"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_even_shares_are_equal_to_a_few_units_in_the_last_place(random_net, kind, dtype):
    choices = ["conv", "pool", "relu", "adaptive", "oppose", "reduce"]
    for seed in range(10):
        assert_twin_is_close(random_net(seed, kind, dtype, choices, 3, "even")[0], dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_averages_are_equal_to_a_few_units_in_the_last_place(random_net, kind, dtype):
    for seed in range(10):
        with np.errstate(all="ignore"):
            y, _ = random_net(seed, kind, dtype, ["conv", "relu", "average", "adaptive average"], 3)
        assert_twin_is_close(y, dtype)


def test_a_large_average_in_half_precision_does_not_get_stuck():
    x = Value(np.ones((64, 64), np.float16))
    assert tg.as_weight_layer(tg.avg_pool2d(x, 64)).data.tolist() == [[1.0]]
    assert_twin_is_close(tg.avg_pool2d(x, 64), np.float16)
    rising = Value(np.linspace(0, 1, 99, dtype=np.float16))
    assert_twin_is_close(tg.avg_pool1d(rising, 33, 1), np.float16)


def test_nodes_that_choose_become_weights_and_lp_pooling_is_kept():
    x = Value(np.arange(8.0))
    y = tg.lp_pool1d(tg.max_pool1d(x.relu(), 2), 2.0, 2).max() + tg.avg_pool1d(x, 8).min()
    ops = [node.op for node in topological_order(tg.as_weight_layer(y))]
    assert ops.count("weight_layer") == 5
    assert {op for op in ops if op and op != "weight_layer"} == {"lp_pool1d", "add"}
    assert_twin_is_close(y, float)


def test_leaves_are_shared_labels_and_scopes_are_kept():
    x = Value([1.0, 2.0], label="x")
    with tg.scope("top"):
        y = tg.maximum(x, 1.5)
    y.label = "y"
    twin = tg.as_weight_layer(y)
    assert twin.parents[0] is x
    assert twin.about == y.about
    assert (y.label, y.about.scope) == ("y", "top")
    assert tg.as_weight_layer(x) is x


def test_other_nodes_keep_their_label_and_scope():
    x = Value([1.0, 2.0], label="x")
    with tg.scope("top"):
        y = tg.maximum(x, 1.5) * x
    y.label = "y"
    twin = tg.as_weight_layer(y)
    assert (twin.op, twin.label, twin.about.scope) == ("mul", "y", "top")


def test_no_gradient_of_the_graph_changes():
    x = Value([[1.0, 5.0, 2.0]])
    y = x.max(axis=1).sum()
    y.backward()
    before = {node: node.grad for node in topological_order(y)}
    gradients_of_both(y)
    assert all(node.grad is g or np.array_equal(node.grad, g) for node, g in before.items())
    unseen = x.max()
    gradients_of_both(unseen)
    assert not unseen.has_grad


@pytest.mark.parametrize(
    "make",
    [
        lambda: tg.maximum(v := Value([1.0, 2.0]), v, v * 1.0),
        lambda: tg.max_pool1d(np.array([1.0, 3.0, 2.0, 0.0]), 2) * Value(2.0),
        lambda: tg.avg_pool1d([1, 3, 2, 0], 2) * Value(2.0),
        lambda: tg.relu(np.array([1.0, -3.0])) * Value(2.0),
        lambda: np.max(Value(np.float32([[1, 2], [4, 3]])) * 2, axis=0, keepdims=True),
        lambda: tg.maximum(Value(2.0), Value(np.float32([1, 3])), 2),
        lambda: tg.minimum(Value(np.float32(2.0)), np.arange(4)),
        lambda: tg.maximum(Value(2.0), 10**30, True),
        lambda: tg.max_pool2d(Value(np.zeros((0, 4, 4))), 2),
        lambda: tg.max_pool2d(Value(np.arange(24.0).reshape(4, 6)).T, 3, 1, 1),
        lambda: tg.max_pool1d(Value(np.arange(300.0) % 7), 299, 1),
        lambda: tg.minimum(Value(1.0).relu() * 3.0, 2.0).max() + Value(-1.0).relu(),
        lambda: tg.max_pool1d(Value([1.0, 3.0]).exp().detach() * Value(2.0), 2),
        lambda: (Value([1.0, 3.0]) * 1.0).max(ties="error"),
        lambda: tg.as_weight_layer(Value([1.0, 3.0]).max() * 2.0),
    ],
)
def test_odd_graphs_have_an_equal_twin(make):
    assert_twin_is_equal(make())


def test_a_detached_value_is_a_leaf_of_both():
    x = Value([1.0, 3.0, 2.0])
    with tg.no_grad():
        top = x.max()
    y = (x - top).relu().max()
    assert top in topological_order(tg.as_weight_layer(y))
    assert_twin_is_equal(y)


def test_a_twin_made_under_no_grad_has_a_graph():
    x = Value([1.0, 3.0, 2.0])
    y = x.max() * 2.0
    with tg.no_grad():
        twin = tg.as_weight_layer(y)
    twin.backward()
    assert x.grad.tolist() == [0.0, 2.0, 0.0]


def test_a_network_of_scalars_has_an_equal_twin():
    net = nn.MLP(3, [8, 8, 2])
    for i, p in enumerate(net.parameters()):
        p.data = ((i * 7919) % 201 - 100) / 70
    loss = tg.maximum(*net([1.0, -2.0, 0.5]))
    assert_twin_is_equal(loss)
    assert isinstance(tg.as_weight_layer(loss).data, float)


def test_second_order_goes_through_the_twin_too():
    x = Value([[1.0, 5.0, 2.0], [3.0, -1.0, 2.0]])
    y = (tg.max_pool1d(x.relu(), 2, 1) ** 3).sum()
    seconds = []
    for root in (y, tg.as_weight_layer(y)):
        (slope,) = tg.grad(root, x, create_graph=True)
        seconds += tg.grad((slope * [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).sum(), x)
    np.testing.assert_array_equal(*seconds)
    assert seconds[0].any()


def test_the_twin_is_linear_where_the_graph_would_choose_again():
    x = Value([1.0, 5.0, 2.0])
    twin = tg.as_weight_layer(x.max())
    moved = Value([9.0, 4.0, 2.0])
    assert tg.weights_of(twin).links() == [(0, 1, 1.0)]
    assert (tg.weights_of(twin) @ moved.data).item() == 4.0


def test_other_objects_and_changed_data_are_refused():
    with pytest.raises(DataError, match=re.escape("as_weight_layer: needs a Value, got int")):
        tg.as_weight_layer(3)
    x = Value([1.0, 3.0])
    y = x.max()
    x.data = [3.0, 1.0]
    with pytest.raises(GraphError, match=r"^as_weight_layer: the data of the leaf"):
        tg.as_weight_layer(y)


def test_a_rule_that_implements_a_numpy_function_is_kept():
    def exp(x):
        def exp_backward(g):
            return (0.0 * g,)

        return x * 7.0, exp_backward

    x = Value([1.0, 2.0])
    y = tg.relu(tg.exp(x))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(IMPLEMENTED, np.exp, exp)
        for looks in (tg.as_weight_layer, tg.explode, tg.unroll, tg.record):
            looks(y.sum())
            assert np.exp(x).data.tolist() == [7.0, 14.0]
        assert tg.gradcheck(lambda v: tg.exp(v).sum(), x)
        assert np.exp(x).data.tolist() == [7.0, 14.0]
