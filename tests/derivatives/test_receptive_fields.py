"""Receptive fields: R_l through stacked layers, in the input's coordinates."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.errors import AxisError, DataError, GraphError, OptionError, ShapeError
from tinygrad_pool.pooling_as_weights import derivation


def moved_cells(f, x, unit):
    """Find, by changing each cell of x, those that a unit depends on."""
    base, found = f(x).data[unit], []
    for place in np.ndindex(x.shape):
        for step in (1e6, -1e6):
            other = x.copy()
            other[place] += step
            if f(other).data[unit] != base:
                found.append(place)
                break
    return found


NETS = {
    "one convolution": lambda x: tg.conv2d(x, np.ones((2, 2, 3, 3))),
    "strides": lambda x: tg.avg_pool2d(tg.conv2d(x, np.ones((2, 2, 2, 2)), stride=2), 2, 1),
    "padding and dilation": lambda x: tg.conv2d(x, np.ones((1, 2, 2, 2)), padding=2, dilation=3),
    "groups": lambda x: tg.conv2d(x, np.ones((2, 1, 3, 3)), groups=2),
    "pool of a convolution": lambda x: tg.avg_pool2d(tg.conv2d(x, np.ones((1, 2, 3, 3))), 2),
    "overlapping pools": lambda x: tg.avg_pool2d(tg.avg_pool2d(x, 3, 1, 1), 2, 1),
    "adaptive": lambda x: tg.adaptive_avg_pool2d(x, (3, 2)),
    "an index and a transpose": lambda x: (x * 1.0)[:, 1:, ::2].transpose(1, 0, 2) * 2,
    "a mean": lambda x: tg.Value.mean(x * 1.0, axis=1),
    "a product": lambda x: (x * 1.0) @ np.ones((8, 3)),
}


@pytest.mark.long
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_unit_sees_the_cells_that_move_it(net):
    x = np.random.default_rng(0).standard_normal((2, 7, 8))
    v = tg.Value(x)
    y = net(v)
    rng = np.random.default_rng(1)
    for _ in range(3):
        unit = tuple(int(rng.integers(n)) for n in y.shape)
        field = tg.receptive_field(y, unit, of=v)
        assert [tuple(map(int, p)) for p in np.argwhere(field.mask)] == moved_cells(
            lambda a: net(tg.Value(a)), x, unit
        )


def test_losers_and_dead_units_are_in_the_field():
    x = tg.Value(-np.arange(16.0).reshape(4, 4))
    field = tg.receptive_field(tg.max_pool2d(x.relu(), 2), (1, 1))
    assert field.region == (slice(2, 4), slice(2, 4))
    assert field.mask.sum() == 4


def test_through_the_digits_net_the_field_grows_layer_by_layer():
    conv = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, rng=0),
        nn.MaxPool2d(2),
    )
    h = np.zeros((2, 1, 16, 16))  # a constant, so that the data alone is an input
    sides = []
    for layer in conv:
        h = layer(h)
        place = (1, 2, *(n // 2 - 1 for n in h.shape[2:]))
        rows, columns = tg.receptive_field(h, place).region[2:]
        sides.append((rows.stop - rows.start, columns.stop - columns.start))
    assert sides == [(3, 3), (3, 3), (4, 4), (8, 8), (10, 10)]
    assert tg.receptive_field(h, (1, 0, 0, 0)).region[0] == slice(1, 2)
    assert tg.receptive_field(h).unit == (1, 2, 2, 2)


def test_the_derivations_network_has_the_fields_it_was_built_with():
    net = derivation.example()
    for unit, weights in zip(net.units, net.weights, strict=True):
        fields = tg.receptive_field(unit).fields
        assert {f.operand.label for f in fields} == {f"x{i}" for i in weights if i}
    seen = str(tg.receptive_field(net.units[0]))
    assert seen == "the sigmoid node 'z1(1)' sees x1; x2"


def test_weights_are_not_inputs_unless_requested():
    layer = nn.Linear(3, 2, rng=0)
    x = tg.Value(np.ones((4, 3)), label="x")
    y = layer(x)
    assert (
        str(tg.receptive_field(y, (1, 0)))
        == "unit (1, 0) of the add node sees x[1:2, 0:3], 3 cells"
    )
    assert tg.receptive_field(y, (1, 0), of=layer.weight).region == (slice(0, 1), slice(0, 3))
    assert tg.receptive_field(y, (1, 0), of=layer.bias).mask.tolist() == [True, False]


def test_an_intermediate_map_can_be_the_input():
    x = tg.Value(np.ones((1, 6, 6)), label="x")
    z = tg.relu(tg.conv2d(x, np.ones((2, 1, 3, 3))))
    y = tg.max_pool2d(z, 2)
    of_map = tg.receptive_field(y, (1, 0, 1), of=z)
    assert str(of_map) == (
        "unit (1, 0, 1) of the max_pool2d node sees the relu node[1:2, 0:2, 2:4], 4 cells"
    )
    z.label = "z"
    assert "sees z[1:2" in str(of_map)
    assert tg.receptive_field(y, (1, 0, 1), of=y).mask.sum() == 1
    with pytest.raises(OptionError, match="does not depend on the max_pool2d node"):
        tg.receptive_field(z, (0, 0, 0), of=y)


def test_a_leaf_sees_itself_and_a_constant_graph_nothing():
    x = tg.Value([1.0, 2.0], label="x")
    assert str(tg.receptive_field(x, 1)) == "unit (1,) of the leaf 'x' sees x[1:2], 1 cell"
    lone = tg.weighted_sum([tg.Value(1.0)], [2.0])
    assert str(tg.receptive_field(lone)) == "the weighted_sum node sees no input"


def test_several_inputs_are_listed():
    a, b = tg.Value([1.0, 2.0], label="a"), tg.Value([3.0, 4.0], label="b")
    field = tg.receptive_field(a * b, (0,))
    assert [f.operand for f in field.fields] == [a, b]
    with pytest.raises(ShapeError, match="the unit sees 2 inputs, not one"):
        _ = field.mask


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda x: tg.receptive_field(3.0), DataError, "needs a Value, got float"),
        (lambda x: tg.receptive_field(x, of=3.0), DataError, "needs a Value, got float"),
        (lambda x: tg.receptive_field(x, 5), OptionError, r"an index into shape \(2,\), got 5"),
        (lambda x: tg.receptive_field(x, -9), OptionError, "got -9"),
        (lambda x: tg.receptive_field(x, (0, 0)), OptionError, r"got \(0, 0\)"),
        (lambda x: tg.receptive_field(x, 0.5), AxisError, "unit"),
        (lambda x: tg.receptive_field(x, 0, of=tg.Value(1.0, "w")), OptionError, "depend on the l"),
        (lambda x: tg.receptive_field(x[:0]), OptionError, r"of shape \(0,\) has no units"),
    ],
)
def test_unsupported_units_are_named(ask, error, message):
    with pytest.raises(error, match=message):
        ask(tg.Value([1.0, 2.0]))


def test_a_field_is_refused_after_data_changed():
    x = tg.Value([1.0, 2.0], label="x")
    y = x * x
    x.data = [5.0, 6.0]
    with pytest.raises(GraphError, match=r"^receptive_field: the data of the leaf 'x' changed"):
        tg.receptive_field(y)
