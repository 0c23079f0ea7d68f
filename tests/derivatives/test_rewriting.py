"""Rules expressed by simpler ones have the same results and slopes."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.rewriting import SIMPLER, rewritten
from tinygrad_pool.engine.backward import topological_order

A, B = np.array([[0.5, -1.5, 2.0], [3.0, 0.0, -1.0]]), np.arange(6.0).reshape(3, 2)
CALLS = [
    lambda x, w: np.prod(x),
    lambda x, w: np.prod(x, axis=1, keepdims=True),
    lambda x, w: np.prod(x[:0], axis=0),
    lambda x, w: np.cumprod(x),
    lambda x, w: np.cumprod(x[:0]).sum() + np.var(x),
    lambda x, w: np.cumprod(x, axis=0),
    lambda x, w: np.var(x, axis=0, ddof=0.5),
    lambda x, w: np.einsum("ij,jk->ki", x, w),
    lambda x, w: np.einsum("ij,jk,j->", x, w, w[:, 0]),
]


@pytest.mark.parametrize("call", CALLS)
def test_rewritten_expressions_are_equal(call):
    x, w = Value(A), Value(B)
    y = call(x, w).sum()
    twin = rewritten(y)[y]
    assert not {node.rule for node in topological_order(twin) if node.size} & SIMPLER.keys()
    assert twin.data == pytest.approx(y.data)
    for one, other in zip(tg.grad(twin, [x, w]), tg.grad(y, [x, w]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_simple_expressions_are_unchanged():
    y = (x := Value(A)).sum()
    assert rewritten(y) == {x: x, y: y}


def test_a_product_is_split_into_units_and_derived():
    x = Value([2.0, 3.0, 5.0], label="x")
    y = np.prod(x)
    assert [node.op for node in topological_order(tg.explode(y))].count("mul") == 2
    assert "= 15" in str(tg.derive(y, x, 0))
