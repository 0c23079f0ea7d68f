"""The order of nodes, and how gradients add up."""

import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.errors import GraphError


def no_graph(v):
    with tg.no_grad():
        return v * 3.0


def test_topological_order_lists_each_node_once_oldest_first():
    a, b = Value(1.0), Value(2.0)
    c = b * a
    d = c + c
    assert topological_order(d) == [a, b, c, d]


def test_several_roots_share_one_list():
    a = Value(1.0)
    b, c = a.exp(), a.tanh()
    assert topological_order(c, b) == [a, b, c]
    assert topological_order(a) == [a]


def test_contributions_of_one_node_to_the_same_operand_are_added():
    w, x, b = Value(2.0), Value(3.0), Value(1.0)
    tg.weighted_sum([w, w], [x, x], b).backward()
    assert (w.grad, x.grad, b.grad) == (6.0, 4.0, 1.0)


@pytest.mark.parametrize("cut", [lambda v: v.detach(), no_graph], ids=["detach", "no_grad"])
def test_a_pass_from_a_value_that_was_cut_off_is_an_error(cut):
    with pytest.raises(GraphError, match="it has no graph to go back through"):
        cut(Value(2.0)).backward()
