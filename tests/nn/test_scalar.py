"""micrograd's neurons on scalars."""

import random

import numpy as np
import pytest

from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError, ShapeError


def test_a_neuron_is_one_weighted_sum_and_a_relu():
    neuron = nn.Neuron(2)
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 2.0, -3.0, 1.0
    z = neuron([Value(5.0), 7.0])
    assert z.op == "relu"
    assert z.parents[0].op == "weighted_sum"
    assert z.parents[0].data == 1.0 + 10.0 - 21.0
    assert [p.label for p in neuron.parameters()] == ["w1", "w2", "b"]


def test_weights_start_uniform_between_minus_1_and_1_and_the_bias_at_0():
    random.seed(0)
    neuron = nn.Neuron(1000)
    weights = sorted(w.data for w in neuron.w)
    assert -1 <= weights[0] < -0.95
    assert 0.95 < weights[-1] <= 1
    assert all(200 < sum(q <= w < q + 0.5 for w in weights) < 300 for q in (-1, -0.5, 0, 0.5))
    assert neuron.b.data == 0


def test_a_layer_returns_one_value_or_a_list():
    assert isinstance(nn.Layer(2, 1)([1.0, 2.0]), Value)
    assert [z.op for z in nn.Layer(2, 3, nonlin=False)([1.0, 2.0])] == ["weighted_sum"] * 3


def test_an_mlp_has_no_relu_at_the_end():
    random.seed(0)
    net = nn.MLP(2, [3, 1])
    y = net([1.0, 2.0])
    assert y.op == "weighted_sum"
    assert len(net.parameters()) == 2 * 3 + 3 + 3 + 1


def test_reprs_are_short():
    assert repr(nn.Layer(2, 2)) == "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"
    assert repr(nn.Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert repr(nn.MLP(2, [16, 1])) == "MLP of [Layer(2 → 16), Layer(16 → 1)]"


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([1.0, 2.0, 3.0], ShapeError, "needs as many inputs as weights, got 3 and 2"),
        (5.0, DataError, "a sequence of weights and a sequence of inputs, got list and float"),
        (
            Value(5.0),
            DataError,
            "a sequence of weights and a sequence of inputs, got list and Value",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_named(x, error, message):
    with pytest.raises(error, match=message):
        nn.MLP(2, [1])(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Neuron(0), "Neuron: nin must be at least 1, got 0"),
        (lambda: nn.Neuron(2.5), "Neuron: nin must be an integer, got 2.5"),
        (lambda: nn.Layer(2, 0), "Layer: nout must be at least 1, got 0"),
        (lambda: nn.MLP(2, 3), "MLP: nouts needs one size for each layer, got 3"),
        (lambda: nn.MLP(2, []), r"MLP: nouts needs one size for each layer, got \[\]"),
        (lambda: nn.MLP("2", [1]), "Neuron: nin must be an integer, got '2'"),
    ],
)
def test_sizes_out_of_range_are_named(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_a_seed_or_a_generator_makes_the_same_weights_again():
    def weights(net):
        return [p.data for p in net.parameters()]

    random.seed(0)
    state = random.getstate()
    for make in (lambda r: nn.Neuron(3, rng=r), lambda r: nn.Layer(2, 3, rng=r), mlp):
        assert weights(make(1)) == weights(make(np.random.default_rng(1))) != weights(make(2))
        assert all(-1 <= w <= 1 for w in weights(make(1)))
    first, second = nn.Layer(2, 2, rng=0).neurons
    assert first.w[0].data != second.w[0].data
    assert random.getstate() == state
    with pytest.raises(OptionError, match="MLP: rng must be a NumPy generator or a seed, got 'a'"):
        mlp("a")


def mlp(rng):
    return nn.MLP(2, [3, 1], rng=rng)
