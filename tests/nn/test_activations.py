"""Activations as modules."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import OptionError

X = np.array([[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]])
CALLS = [
    *((name, {}) for name in ("ReLU", "Sigmoid", "Tanh", "ReLU6", "SELU", "SiLU", "Mish")),
    *((name, {}) for name in ("LogSigmoid", "Softsign", "Hardsigmoid", "Hardswish")),
    ("ELU", {"alpha": 0.5}),
    ("CELU", {"alpha": 0.5}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {"beta": 2.0, "threshold": 1.0}),
    ("Hardtanh", {"min_val": -0.25, "max_val": 2.0}),
]


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_a_layer_calls_its_function_with_its_options(name, options):
    layer, f = getattr(nn, name)(**options), getattr(tg, name.lower())
    np.testing.assert_array_equal(layer(Value(X)).data, f(X, **options).data)
    shown = ", ".join(f"{option}={value!r}" for option, value in options.items())
    assert repr(layer) == f"{name}({shown})"
    assert tg.nn.Sequential(act=layer)(Value(X)).about.scope == "act"


def test_leaky_relu_and_prelu_have_slopes():
    expected = tg.leaky_relu(X, 0.25).data
    np.testing.assert_array_equal(nn.LeakyReLU(0.25)(X).data, expected)
    layer = nn.PReLU()
    np.testing.assert_array_equal(layer(X).data, expected)
    assert list(layer.state_dict()) == ["weight"]
    assert nn.PReLU(3, init=0.5, dtype=np.float64).weight.data.tolist() == [0.5] * 3
    assert repr(nn.PReLU(3)) == "PReLU(num_parameters=3)"


def test_softmax_is_along_an_axis():
    np.testing.assert_array_equal(nn.Softmax(dim=0)(X).data, tg.softmax(X, axis=0).data)
    np.testing.assert_array_equal(nn.LogSoftmax()(X).data, tg.log_softmax(X).data)
    assert repr(nn.Softmax(1)) == "Softmax(dim=1)"


@pytest.mark.parametrize(
    "kind", ["ReLU", "LeakyReLU", "ELU", "CELU", "Hardtanh", "SiLU", "Mish", "Hardswish"]
)
def test_inplace_is_an_error(kind):
    with pytest.raises(OptionError, match=f"{kind}: no option 'inplace'"):
        getattr(nn, kind)(inplace=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.ReLU(inplace=True), "ReLU: no option 'inplace': results are new Values"),
        (lambda: nn.Tanh(Value(1.0)), "Tanh: inputs go into the call of a layer, as in nn.Tanh()"),
        (lambda: nn.LeakyReLU("a"), "LeakyReLU: negative_slope must be a number, got 'a'"),
        (lambda: nn.ELU(None), "ELU: alpha must be a number, got None"),
        (lambda: nn.CELU(0), "CELU: alpha must be a number above 0"),
        (lambda: nn.GELU("erf"), "gelu: approximate must be"),
        (lambda: nn.Softplus(0), "softplus: beta must not be 0"),
        (lambda: nn.Hardtanh(2), "hardtanh: max_val must be above min_val, 2"),
        (lambda: nn.PReLU(0), "PReLU: num_parameters must be at least 1, got 0"),
        (lambda: nn.PReLU(init="a"), "PReLU: init must be a number, got 'a'"),
    ],
)
def test_options_out_of_range_are_errors_when_the_layer_is_made(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_an_axis_must_be_an_integer():
    with pytest.raises(tg.errors.AxisError, match=r"Softmax: dim must be an integer, got 1\.5"):
        nn.Softmax(1.5)
