"""The links into an element: in blocks of any size, and along all axes of a softmax."""

import math

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.derivatives.sparse_jacobian import sparse_jacobian
from tinygrad_pool.recording import links


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_links_are_listed_in_blocks_of_any_size(monkeypatch, block):
    monkeypatch.setattr(links, "BLOCK", block)
    rng = np.random.default_rng(0)
    x, w = (tg.Value(rng.normal(size=(3, 3)), label=n) for n in "xw")
    loss = (tg.softmax(x @ w, axis=0) * rng.normal(size=(3, 3))).sum()
    passed = tg.record(loss)
    for node in (x, w, loss.parents[0], loss.parents[0].parents[0].parents[0]):
        why = passed.why(node, (1, 2))
        assert math.isclose(math.fsum(e.contribution for e in why.entries), why.grad, abs_tol=1e-14)
        assert len(why.entries) == 3 or node is not w


def test_a_softmax_over_several_axes_looks_at_all_of_them():
    x = tg.Value(np.random.default_rng(0).normal(size=(2, 3, 2)), label="x")
    loss = (tg.softmax(x, axis=(0, 2)) * np.arange(12.0).reshape(2, 3, 2)).sum()
    why = tg.record(loss).why("x", (1, 2, 0))
    assert {e.unit for e in why.entries} == {(0, 2, 0), (0, 2, 1), (1, 2, 0), (1, 2, 1)}
    assert math.isclose(math.fsum(e.contribution for e in why.entries), why.grad)


LARGE = {
    "rows": lambda rng: rng.normal(size=(2, 5, 4)) @ tg.Value(rng.normal(size=(4, 3))),
    "vector": lambda rng: tg.Value(rng.normal(size=(5, 4))) @ tg.Value(rng.normal(size=4)),
    "batches": lambda rng: tg.Value(rng.normal(size=(5, 4))) @ tg.Value(rng.normal(size=(2, 4, 3))),
    "convolution": lambda rng: tg.conv2d(
        tg.Value(rng.normal(size=(2, 4, 5, 5))),
        tg.Value(rng.normal(size=(6, 2, 3, 3))),
        tg.Value(rng.normal(size=6)),
        padding=1,
        groups=2,
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_of_a_large_product_only_the_units_that_see_a_cell_are_searched(kind, monkeypatch):
    node = LARGE[kind](np.random.default_rng(0))
    listed = []

    def counted(node, i, units):
        listed.append(len(units))
        return sparse_jacobian(node, i, units)

    monkeypatch.setattr(links, "sparse_jacobian", counted)
    for i, p in enumerate(node.parents):
        for cell in range(p.size if isinstance(p, tg.Value) else 0):
            monkeypatch.setattr(links, "KEPT", 10**6)
            units, weights = links.links_into(node, i, cell)
            monkeypatch.setattr(links, "KEPT", 0)
            listed.clear()
            few, same = links.links_into(node, i, cell)
            assert np.array_equal(few, units)
            assert np.array_equal(same, weights)
            assert sum(listed) == 1 + len(units)
