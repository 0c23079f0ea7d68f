"""Sparse Jacobians of nodes at their present value."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.derivatives.sparse_jacobian import SPARSITY, pooling_weights, sparse_jacobian
from tinygrad_pool.errors import DataError, GraphError, OptionError, ShapeError
from tinygrad_pool.rules.traits import traits_of

rng = np.random.default_rng(0)


def array(*shape):
    """Draw distinct numbers above 0.2, which every rule accepts."""
    return tg.Value(rng.permutation(np.prod(shape, dtype=int)).reshape(shape) / 7 + 0.2)


def negative(*shape):
    return tg.Value(rng.permutation(np.prod(shape, dtype=int)).reshape(shape) - 3.5)


def cube(x):
    def cube_backward(g):
        return (3 * g * x**2,)

    return x**3, cube_backward


def power_of_itself(x):
    return x**x


NODES = {
    "add": lambda: array(2, 1) + array(3),
    "sub": lambda: array(3) - array(2, 1),
    "mul": lambda: array(2, 3) * array(3),
    "div": lambda: array(2, 1, 2) / array(3, 1),
    "power": lambda: array(3) ** array(2, 1),
    "neg": lambda: -array(3),
    "a number": lambda: tg.Value(2.0) * tg.Value(3.0),
    "a square": lambda: power_of_itself(array(3)),
    "exp": lambda: array(2, 2).exp(),
    "relu": lambda: negative(3, 3).relu(),
    "clip": lambda: tg.clip(negative(5), -1, 1),
    "where": lambda: tg.where(np.array([True, False]), array(2), array(3, 1)),
    "maximum": lambda: tg.maximum(array(2, 1), array(3), 0.5),
    "maximum, even": lambda: tg.maximum(tg.Value([1.0, 2.0]), 1.0, ties="even"),
    "minimum": lambda: tg.minimum(array(4), array(4)),
    "weighted_sum": lambda: tg.weighted_sum([tg.Value(2.0), array(2)], [3.0, 4.0], tg.Value(1.0)),
    "astype": lambda: array(3).astype(np.float32),
    "sum": lambda: array(2, 3).sum(axis=0),
    "sum of all": lambda: array(2, 3).sum(),
    "mean": lambda: array(2, 3, 2).mean(axis=(0, 2), keepdims=True),
    "max": lambda: array(3, 4).max(axis=1),
    "max, even": lambda: tg.Value([[1.0, 1.0, 0.0]]).max(axis=1, ties="even"),
    "min": lambda: array(3, 4).min(),
    "logsumexp": lambda: tg.logsumexp(array(2, 3), axis=0),
    "softmax": lambda: tg.softmax(array(2, 3)),
    "log_softmax": lambda: tg.log_softmax(array(2, 3), axis=0),
    "reshape": lambda: array(2, 3).reshape(3, 2),
    "transpose": lambda: array(2, 3, 2).transpose(2, 0, 1),
    "squeeze": lambda: tg.squeeze(array(2, 1, 2)),
    "broadcast_to": lambda: tg.broadcast_to(array(2, 1), (3, 2, 2)),
    "concatenate": lambda: tg.concatenate([array(2, 2), array(1, 2)]),
    "stack": lambda: tg.stack([array(2), array(2), np.ones(2)], axis=1),
    "getitem": lambda: array(3, 4)[1:, ::2],
    "getitem, twice": lambda: array(4)[[1, 1, 3]],
    "matmul": lambda: array(2, 3) @ array(3, 4),
    "matmul of a row": lambda: array(3) @ array(3, 2),
    "matmul with a column": lambda: array(2, 3) @ array(3),
    "dot": lambda: array(3) @ array(3),
    "matmul, broadcast": lambda: array(2, 1, 2, 3) @ array(2, 3, 2),
    "conv1d": lambda: tg.conv1d(array(2, 2, 5), array(3, 2, 2), array(3), stride=2, padding=1),
    "conv2d, groups": lambda: tg.conv2d(
        array(4, 3, 4), array(2, 2, 2, 2), padding=((1, 0), (0, 1)), dilation=(1, 2), groups=2
    ),
    "max_pool": lambda: tg.max_pool2d(array(2, 4, 5), 2),
    "max_pool, overlap": lambda: tg.max_pool1d(array(2, 6), 3, 1, 1),
    "max_pool, even": lambda: tg.max_pool1d(tg.Value([1.0, 1.0, 0.0]), 2, 1, ties="even"),
    "avg_pool": lambda: tg.avg_pool2d(array(2, 3, 4), 2, 2, 1, ceil_mode=True),
    "avg_pool, units": lambda: tg.avg_pool1d(array(2, 5), 3, 2, 1, count_include_pad=False),
    "avg_pool, divisor": lambda: tg.avg_pool1d(array(5), 2, divisor_override=3),
    "lp_pool": lambda: tg.lp_pool2d(negative(1, 4, 4), 3, 3, stride=1),
    "adaptive_max_pool": lambda: tg.adaptive_max_pool2d(array(2, 5, 3), (3, 2)),
    "adaptive_avg_pool": lambda: tg.adaptive_avg_pool1d(array(2, 5), 3),
    "max_unpool": lambda: tg.max_unpool1d(array(2, 2), [[0, 3], [2, 2]], 2),
    "weight_layer": lambda: tg.weights_of(tg.max_pool1d(array(4), 2)) @ array(4),
    "your own": lambda: tg.lift(cube)(array(2, 2)),
}
every_node = pytest.mark.parametrize("make", NODES.values(), ids=NODES)


@every_node
def test_weights_are_the_local_jacobian_that_backward_goes_through(make):
    node = make()
    options = {k: v for k, v in node.options.items() if k != "wants"}
    for i, p in enumerate(node.parents):
        if isinstance(p, tg.Value):
            others = [getattr(q, "data", q) for q in node.parents]
            y = tg.lift(node.rule)(*others[:i], p, *others[i + 1 :], **options)
            ones = np.eye(node.size).reshape(-1, *node.shape)
            rows = [np.reshape(tg.grad(y, p, gradient=g)[0], -1) for g in ones]
            W = tg.weights_of(node, i)
            np.testing.assert_allclose(W.dense(), rows, rtol=1e-12, atol=1e-15)
            assert (np.diff(W.unit) >= 0).all()


def test_every_sparsity_occurs_in_a_node():
    rules = {make().rule for make in NODES.values()}
    assert {traits_of(rule).sparsity for rule in rules} - {""} == SPARSITY.keys()


@every_node
def test_the_links_of_some_units_are_those_among_all(make):
    node = make()
    units = np.arange(node.size)[:: 2 if node.size > 1 else 1]
    for i, p in enumerate(node.parents):
        if isinstance(p, tg.Value):
            some, every = sparse_jacobian(node, i, units), sparse_jacobian(node, i)
            chosen = np.isin(every.unit, units)
            for column in ("unit", "cell", "weight"):
                ours, theirs = getattr(some, column), getattr(every, column)
                np.testing.assert_array_equal(ours, theirs[chosen])


def test_pooling_is_a_layer_of_0_and_1_with_a_1_in_each_row():
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
    y = tg.max_pool2d(tg.Value(x), 3, 2, 1)
    P = tg.weights_of(y)
    assert set(P.weight.tolist()) == {0.0, 1.0}
    assert P.dense().sum(axis=1).tolist() == [1.0] * y.size
    np.testing.assert_array_equal(P @ x, y.data)


def test_cells_are_counted_where_an_index_has_32_bits(monkeypatch):
    counts = np.bincount

    def narrow(x, **options):
        assert np.can_cast(x.dtype, np.int32, "safe"), f"Cannot cast {x.dtype} to int32"
        return counts(x, **options)

    x = tg.Value(np.arange(16.0).reshape(4, 4) % 7, label="x")
    pooled = tg.max_pool2d(x, 2, stride=1)
    loss = (tg.maximum(pooled, 3.0) ** 2).sum()
    before = tg.compare_weight_layer(loss).layers
    texts = [text.get_text() for text in tg.draw_windows(pooled).axes[0].texts]
    monkeypatch.setattr(np, "intp", np.int32)  # as in WebAssembly
    monkeypatch.setattr(np, "bincount", narrow)
    assert tg.compare_weight_layer(loss).layers == before
    assert [text.get_text() for text in tg.draw_windows(pooled).axes[0].texts] == texts
    assert any(layer.overlap for layer in before)


def test_the_links_of_losers_are_there_with_weight_0():
    P = tg.weights_of(tg.max_pool1d(tg.Value([1.0, 3.0, 2.0, 0.0]), 2))
    assert P.links(zeros=True) == [(0, 0, 0.0), (0, 1, 1.0), (1, 2, 1.0), (1, 3, 0.0)]


def test_an_operand_is_selected_by_place_or_value():
    x, w = tg.Value([1.0, 2.0]), tg.Value([3.0, 4.0])
    y = x * w
    for parent, other in ((0, w), (x, w), (1, x), (w, x)):
        assert tg.weights_of(y, parent).dense().tolist() == np.diag(other.data).tolist()


def test_a_weight_has_the_dtype_of_the_node():
    assert tg.weights_of(tg.Value(np.ones(2, np.float32)) * 2.0).weight.dtype == np.float32


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: tg.weights_of(3.0), DataError, "^weights_of: needs a Value, got float; "),
        (lambda: tg.weights_of(tg.Value(1.0, "x")), GraphError, "the leaf 'x' has no graph"),
        (lambda: tg.weights_of(array(2) * 2.0, 1), OptionError, r"Values at \[0\]; parent"),
        (lambda: tg.weights_of(array(2) * 2.0, array(2)), OptionError, "Values, got the leaf$"),
        (
            lambda: tg.weights_of(tg.exp(array(2)), 1),
            OptionError,
            "exp node has 1 operand, with Values",
        ),
        (lambda: tg.weights_of(array(2) * 2.0, -1), OptionError, "got -1"),
        (lambda: tg.weights_of(array(2) * 2.0, True), OptionError, "got True"),
        (lambda: tg.weights_of(array(2) * 2.0) @ np.ones(3), ShapeError, "2 × 2 weights need an"),
    ],
)
def test_nodes_and_operands_without_weights_are_named(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


def test_weights_are_refused_after_data_changed():
    x = tg.Value([1.0, 2.0], label="x")
    y = x * x
    x.data = [5.0, 6.0]
    with pytest.raises(
        GraphError, match=r"^weights_of: the data of the leaf 'x' changed after the mul"
    ):
        tg.weights_of(y)


@pytest.mark.parametrize(
    ("f", "slope"), [(tg.Value.log, np.inf), (tg.sqrt, np.inf), (lambda x: x**-1, -np.inf)]
)
def test_the_slope_is_numpys_where_python_raises(f, slope):
    with np.errstate(divide="ignore"):
        assert tg.weights_of(f(tg.Value(0.0))).links() == [(0, 0, slope)]


def test_an_operand_without_gradient_has_no_links():
    def first(x, w):
        def first_backward(g):
            return g * 1.0, None

        return x * 1.0, first_backward

    y = tg.lift(first)(array(2), array(2))
    assert tg.weights_of(y, 0).links() == [(0, 0, 1.0), (1, 1, 1.0)]
    assert tg.weights_of(y, 1).links() == []


def test_pools_are_looked_for_behind_a_value():
    with pytest.raises(DataError, match="weights: needs a Value, got float"):
        pooling_weights(2.0, "weights")
