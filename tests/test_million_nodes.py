"""Graphs that are deep: nothing recurses."""

import pytest

from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order

pytestmark = pytest.mark.huge


def test_a_chain_of_a_million_nodes():
    w, b, x = Value(0.999999), Value(1e-6), Value(1.0)
    y = x
    for _ in range(500_000):
        y = y * w + b
    y.backward()
    assert x.grad == pytest.approx(0.999999**500_000)
    assert len(topological_order(y)) == 1_000_003
    del y
