"""Deep graphs: nothing recurses."""

import gc
import weakref

import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order

pytestmark = pytest.mark.huge


def test_a_chain_of_a_million_nodes_is_walked_stepped_through_drawn_and_freed():
    w, b, x = Value(0.999999), Value(1e-6), Value(1.0)
    y = x
    for _ in range(500_000):
        y = y * w + b
    y.backward()
    slope = x.grad
    assert slope == pytest.approx(0.999999**500_000)
    assert len(topological_order(y)) == 1_000_003
    x.zero_grad()
    assert sum(1 for _ in tg.backward_steps(y)) == 1_000_000
    assert x.grad == slope
    drawn = tg.draw(y).source
    assert "500,000" in drawn
    assert len(drawn) < 10_000
    assert len(str(tg.tree(y)).splitlines()) < 250
    gone = weakref.ref(y.parents[0])
    gc.disable()  # reference counting alone frees a graph, and does not recurse either
    try:
        del y
        assert gone() is None
    finally:
        gc.enable()
