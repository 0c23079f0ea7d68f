"""The order of nodes."""

from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order


def test_ancestors_come_oldest_first_each_once():
    a, b = Value(1.0), Value(2.0)
    c = b * a
    d = c + c
    assert topological_order(d) == [a, b, c, d]


def test_several_roots_share_one_list():
    a = Value(1.0)
    b, c = a.exp(), a.tanh()
    assert topological_order(c, b) == [a, b, c]
    assert topological_order(a) == [a]
