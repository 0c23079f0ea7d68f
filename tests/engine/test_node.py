"""What a node records."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.node import name_of
from tinygrad_pool.errors import DataError, GraphError, OptionError, ShapeError


def test_a_node_knows_its_rule_options_and_operands():
    x = Value([[1.0, 2.0]])
    y = x.sum(axis=1, keepdims=True)
    assert y.rule.__name__ == "sum"
    assert y.options == {"axis": 1, "keepdims": True}
    assert y.parents == (x,)
    assert (x.rule, x.options, x.parents, x.op) == (None, {}, (), "")


def test_gradients_end_at_leaves_and_flow_through_interior_nodes():
    x = Value(2.0)
    y = x.exp()
    with tg.no_grad():
        z = y * 3.0
    assert [v.is_leaf for v in (x, y, z, y.detach())] == [True, False, True, True]
    assert [v.is_interior for v in (x, y, z, y.detach())] == [False, True, False, False]


def test_a_pooling_node_has_the_name_of_its_operation():
    assert tg.max_pool2d(np.ones((2, 2)), 2).op == "max_pool2d"
    assert tg.conv1d([[1.0]], [[[1.0]]]).op == "conv1d"


def test_labels_and_scopes_are_separate():
    with tg.scope("layer"):
        a, b = Value(1.0).exp(), Value(1.0).tanh()
    a.label = "a"
    assert (a.label, a.about.scope) == ("a", "layer")
    assert (b.label, b.about.scope) == ("", "layer")


@pytest.mark.parametrize("label", [3, None, ("a", "b")])
def test_a_label_must_be_text(label):
    v = Value(1.0)
    with pytest.raises(OptionError, match="Value: label must be text, got"):
        Value(1.0, label)
    with pytest.raises(OptionError, match="label must be text, got"):
        v.label = label
    with pytest.raises(OptionError, match="scope: its name must be text, got"), tg.scope(label):
        pass
    assert v.label == ""


def test_name_of_gives_the_operation_and_the_label():
    x = Value(1.0, label="x")
    assert [name_of(v) for v in (x, Value(1.0), x.exp())] == [
        "the leaf 'x'",
        "the leaf",
        "the exp node",
    ]


def test_data_keeps_its_shape_and_dtype_when_it_is_set():
    v = Value(np.ones(2, np.float32))
    v.data = [3, 4]
    assert (v.data.dtype, list(v.data)) == (np.float32, [3.0, 4.0])
    s = Value(1.0)
    s.data = np.float64(2)
    assert type(s.data) is float
    with pytest.raises(ShapeError, match=r"data of the leaf: needs shape \(2,\), got \(3,\)"):
        v.data = np.ones(3)
    with pytest.raises(DataError, match="data of the leaf: needs real numbers"):
        v.data = "text"


def test_a_change_in_place_keeps_the_array():
    v = Value([1.0, 2.0])
    array = v.data
    v.data -= 1.0
    assert v.data is array
    v.grad = [1.0, 1.0]
    gradient = v.grad
    v.grad *= 0.5
    assert v.grad is gradient


def test_assigned_data_is_a_copy():
    v, array = Value([1.0, 2.0]), np.array([5.0, 6.0])
    v.data = array
    array[0] = 9.0
    assert v.data[0] == 5.0


def test_a_gradient_of_another_shape_is_an_error():
    v = Value([1.0, 2.0], label="v")
    with pytest.raises(ShapeError, match=r"grad of the leaf 'v': needs shape \(2,\), got \(3,\)"):
        v.grad = np.ones(3)


def test_computed_data_cannot_be_set():
    y = Value(2.0) * 3.0
    with pytest.raises(GraphError, match="data: the mul node was computed by its rule and cannot"):
        y.data = 7.0
    assert y.data == 6.0


@pytest.mark.peer
def test_numbers_of_sympy_keep_the_graph_on_either_side(peer):
    sympy = peer("sympy")
    for half in (sympy.Rational(1, 2), sympy.Float(0.5)):
        x = Value(3.0)
        y = half * x + half - half / x
        y.backward()
        assert (y.data, x.grad) == (1.5 + 0.5 - 0.5 / 3.0, 0.5 + 0.5 / 9.0)
    with pytest.raises(DataError, match="needs real numbers, got object in a"):
        sympy.Symbol("a") * Value(3.0)
