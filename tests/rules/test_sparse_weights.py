import builtins
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import ShapeError, ToolError
from tinygrad_pool.rules import sparse_weights
from tinygrad_pool.rules.sparse_weights import Weights, weigh

inf, nan = np.inf, np.nan

#     0  1  0          two units, three cells; unit 1 has only a link of weight 0
#     0  0  0
P = Weights(np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([0.0, 1.0, 0.0]), (2,), (3,))
#     2  1
#     0  1             cell 1 is shared
W = Weights(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([2.0, 1.0, 1.0]), (2,), (2,))


def test_dense_and_transposed_matrices():
    assert P.dense().tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    assert W.T.dense().tolist() == W.dense().T.tolist() == [[2.0, 0.0], [1.0, 1.0]]
    assert (P.shape, P.T.shape) == ((2, 3), (3, 2))


def test_a_link_of_weight_1_copies_and_one_of_weight_0_ignores_infinities():
    np.testing.assert_array_equal(P @ np.array([inf, nan, inf]), [nan, 0.0])
    np.testing.assert_array_equal(P.T @ np.array([-inf, nan]), [0.0, -inf, 0.0])


def test_links_add_up_in_their_order():
    many = Weights(np.zeros(3, int), np.arange(3), np.ones(3), (1,), (3,))
    assert many @ np.array([1e16, -1e16, 1.0]) == [1.0]
    assert many @ np.array([1.0, 1e16, -1e16]) == [0.0]


def test_it_multiplies_arrays_flat_vectors_and_columns():
    plane = Weights(np.array([0, 1]), np.array([3, 0]), np.ones(2), (1, 2), (2, 2))
    x = np.array([[5.0, 6.0], [7.0, 8.0]])
    assert (plane @ x).tolist() == [[8.0, 5.0]]
    assert (plane @ x.reshape(-1)).tolist() == [8.0, 5.0]
    assert (plane @ x.reshape(-1).tolist()).tolist() == [8.0, 5.0]
    columns = np.arange(12.0).reshape(4, 3)
    assert (plane @ columns).tolist() == (plane.dense() @ columns).tolist()


@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (1, 2)])
def test_invalid_operands_are_named(shape):
    message = f"weights: 2 × 2 weights need an operand of shape (2,), (2,) or (2, n), got {shape}"
    with pytest.raises(ShapeError, match=re.escape(message)):
        W @ np.ones(shape)


def test_the_product_of_layers_is_one_layer():
    x = Value(np.random.default_rng(0).integers(0, 9, (2, 7, 6)))
    z = tg.conv2d(x, np.random.default_rng(1).standard_normal((3, 2, 2, 2)))
    y = tg.max_pool2d(z, 3, stride=1)
    top = tg.avg_pool2d(tg.max_pool2d(y, 2, stride=1, ties="even"), 2)
    layers = [tg.weights_of(node) for node in (top, top.parents[0], y, z)]
    whole = layers[0] @ layers[1] @ layers[2] @ layers[3]
    assert (whole.y_shape, whole.x_shape) == (top.shape, x.shape)
    np.testing.assert_allclose(whole @ x.data, top.data)
    dense = np.linalg.multi_dot([layer.dense() for layer in layers])
    np.testing.assert_allclose(whole.dense(), dense)
    assert len(whole.links(zeros=True)) == np.count_nonzero(dense)
    pools = tg.weights_of(tg.max_pool2d(y, 2)) @ layers[2]
    assert set(pools.weight) == {1.0}
    assert pools.unit.tolist() == list(range(pools.shape[0]))
    none = Weights(*np.zeros((2, 0), int), np.zeros(0), (2,), (0,))
    assert (none.T @ none).shape == (0, 0)
    assert (W @ none).links() == []


def test_layers_that_do_not_match_are_named():
    with pytest.raises(ShapeError, match="2 × 3 weights need weights of 3 units before them"):
        P @ W


def test_asarray_returns_the_dense_matrix():
    assert np.asarray(W).tolist() == np.array(W, copy=True).tolist() == W.dense().tolist()
    assert np.asarray(W, np.float32).dtype == np.float32


def test_an_array_does_not_multiply_from_the_left():
    with pytest.raises(TypeError):
        np.ones(2) @ W


def test_weights_times_a_value_can_be_differentiated_twice():
    x = tg.Value([3.0, 5.0])
    y = W @ x
    assert (y.op, y.data.tolist()) == ("weight_layer", [11.0, 5.0])
    (slope,) = tg.grad((y * y).sum(), x, create_graph=True)
    np.testing.assert_array_equal(slope.data, 2 * W.dense().T @ y.data)
    (curve,) = tg.grad(slope.sum(), x)
    np.testing.assert_array_equal(curve, 2 * W.dense().T @ W.dense() @ np.ones(2))


def test_links_are_listed_in_order_with_and_without_zeros():
    assert P.links() == [(0, 1, 1.0)]
    assert P.links(zeros=True) == [(0, 0, 0.0), (0, 1, 1.0), (1, 2, 0.0)]


def test_column_sums_count_the_windows_that_a_unit_won():
    x = tg.Value([[1.0, 5.0, 2.0]])
    wins = tg.weights_of(tg.max_pool1d(x, 2, stride=1)).column_sums()
    assert wins.tolist() == [[0.0, 2.0, 0.0]]


def test_to_scipy_keeps_the_links_of_nonzero_weight():
    sparse = P.to_scipy()
    assert (sparse.nnz, sparse.toarray().tolist()) == (1, P.dense().tolist())


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **options):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ToolError, match=r"pip install 'tinygrad_pool\[sparse\]'"):
        P.to_scipy()


def test_repr_counts_the_links_of_each_weight():
    assert repr(W) == "Weights(2 units × 2 cells, links: 2 of weight 1, 1 of other weights)"
    assert repr(P) == "Weights(2 units × 3 cells, links: 1 of weight 1, 2 of weight 0)"
    none = Weights(*np.zeros((2, 0), int), np.zeros(0), (1,), (1,))
    assert repr(none) == "Weights(1 unit × 1 cell, links: none)"


def test_float16_is_kept():
    x = np.ones(3, np.float16)
    assert (P @ x).dtype == weigh(x, weights=(P,)).dtype == np.float16


def test_a_small_layer_prints_as_a_matrix_and_a_large_one_as_counts():
    x = Value([[1.0, 3.0, 2.0, 0.0], [0.0, 2.0, 5.0, 4.0]])
    assert str(tg.weights_of(tg.max_pool2d(x, 2))).splitlines()[1:] == [
        " · 1     · ·",
        "     · ·     1 ·",
    ]
    shares = str(tg.weights_of(tg.avg_pool1d(Value([1.0, 3.0, 5.0]), 3))).splitlines()
    assert shares[1:] == [" 0.333 0.333 0.333"]
    kernel = str(tg.weights_of(tg.conv1d(Value([[1.0, 2.0]]), [[[-0.5, 0.125]]])))
    assert kernel.splitlines()[1:] == ["  −0.5 0.125"]
    large = tg.weights_of(tg.relu(Value(np.ones(17))))
    assert str(large) == repr(large)


def test_scipy_is_imported_on_use():
    assert not hasattr(sparse_weights, "csr_array")
