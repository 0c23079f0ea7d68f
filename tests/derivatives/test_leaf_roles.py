"""Weights and inputs: how they are told from each other."""

from types import SimpleNamespace

from tinygrad_pool import Value
from tinygrad_pool.derivatives.leaf_roles import weights_in


def test_a_weight_in_an_object_is_recognised_by_the_end_of_its_name():
    net = SimpleNamespace(w=[Value(2.0)], x=[Value(3.0)])
    named = {id(net.w[0]): "x.layers[1].w[0]", id(net.x[0]): "w.x[0]"}
    assert weights_in([*net.w, *net.x], named) == {*net.w}
