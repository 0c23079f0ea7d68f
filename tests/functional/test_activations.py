"""Activations besides relu, sigmoid, tanh and softmax."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ShapeError

NAMES = [
    *("celu", "elu", "erf", "erfc", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu"),
    *("logsigmoid", "mish", "relu6", "selu", "silu", "softplus", "softsign"),
]
X = np.array([[-7.0, -2.0, -0.3], [0.4, 2.5, 30.0]])
SETTINGS = [
    *((name, {}) for name in NAMES),
    ("celu", {"alpha": 0.5}),
    ("elu", {"alpha": 0.5}),
    ("gelu", {"approximate": "tanh"}),
    ("hardtanh", {"min_val": -3.0, "max_val": 0.5}),
    ("leaky_relu", {"negative_slope": 1.5}),
    ("softplus", {"beta": 3.0, "threshold": 2.0}),
    ("softplus", {"threshold": np.inf}),
]


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_derivatives_and_instruments(name, options, works_everywhere):
    works_everywhere(lambda x: getattr(tg, name)(x, **options), X)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_arrays_and_float16_give_the_same(name):
    f = getattr(tg, name)
    y = f(Value(X))
    for place in np.ndindex(X.shape):
        one = f(Value(float(X[place])))
        assert type(one.data) is float
        assert one.data == pytest.approx(y.data[place], rel=1e-14)
    for dtype in (np.float16, np.float32):
        small = f(Value(X.astype(dtype)))
        assert small.dtype == dtype
        digits = np.finfo(dtype).eps * 8
        np.testing.assert_allclose(small.data, y.data, rtol=digits, atol=digits)
    assert f(X.tolist()).data.tolist() == y.data.tolist()
    assert f(Value(np.zeros((0, 3)))).shape == (0, 3)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("erf", "erfc", "gelu")])
def test_inputs_of_a_thousand_do_not_overflow(name):
    x = Value([-1000.0, 1000.0])
    with np.errstate(all="raise", under="ignore"):
        y = getattr(tg, name)(x)
        y.sum().backward()
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad).all()
    assert np.isnan(getattr(tg, name)(Value([np.nan])).data).all()


@pytest.mark.parametrize(("dtype", "far"), [(np.float16, 3000.0), (np.float32, 1e20)])
def test_gelu_by_tanh_is_linear_where_squares_overflow(dtype, far):
    x = Value(np.array([far, -far], dtype))
    with np.errstate(over="ignore"):
        tg.gelu(x, approximate="tanh").sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


KINKS = {
    "leaky_relu": {0.0: 0.01},
    "elu": {0.0: 1.0},
    "celu": {0.0: 1.0},
    "hardtanh": {-1.0: 0.0, 1.0: 0.0},
    "relu6": {0.0: 0.0, 6.0: 0.0},
    "hardsigmoid": {-3.0: 0.0, 3.0: 0.0},
    "hardswish": {-3.0: 0.0, 3.0: 1.0},
}


@pytest.mark.parametrize("name", KINKS)
def test_the_slope_at_a_kink(name):
    for place, slope in KINKS[name].items():
        x = Value(place)
        getattr(tg, name)(x).backward()
        assert x.grad == slope


@pytest.mark.peer
@pytest.mark.parametrize("name", KINKS)
def test_the_slope_at_a_kink_is_pytorchs(name, peer):
    torch = peer("torch")
    x = torch.tensor(list(KINKS[name]), dtype=torch.float64, requires_grad=True)
    getattr(torch.nn.functional, name)(x).sum().backward()
    assert x.grad.tolist() == list(KINKS[name].values())


@pytest.mark.peer
def test_the_error_function_and_gelu_are_right_to_the_last_digits(peer):
    torch = peer("torch")
    x = np.linspace(-8.0, 8.0, 4001)
    t = torch.tensor(x)
    np.testing.assert_allclose(tg.erf(x).data, torch.erf(t).numpy(), rtol=1e-14)
    np.testing.assert_allclose(tg.erfc(x).data, torch.erfc(t).numpy(), rtol=1e-12)
    for approximate in ("none", "tanh"):
        expected = torch.nn.functional.gelu(t, approximate=approximate).numpy()
        got = tg.gelu(x, approximate=approximate).data
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    exact = x * torch.special.erfc(-t * 0.5**0.5).numpy() / 2
    np.testing.assert_allclose(tg.gelu(x).data, exact, rtol=1e-12)


def test_prelu_has_one_weight_or_one_per_channel(works_everywhere, check_gradient):
    x = np.random.default_rng(0).normal(size=(2, 3, 2))
    for w in ([0.25], [0.1, 0.2, 0.3]):
        works_everywhere(lambda v, w=w: tg.prelu(v, w), x)
        check_gradient(tg.prelu, x, np.array(w))
        scaled = x * np.reshape(w, (-1, 1) if len(w) > 1 else -1)
        np.testing.assert_array_equal(tg.prelu(x, w).data, np.where(x > 0, x, scaled))
    assert tg.prelu(-2.0, 0.5).data == tg.prelu(Value(-2.0), [0.5]).data == -1.0
    with pytest.raises(ShapeError, match=r"prelu: needs one weight, or 3 for x of shape \(2, 3, 2"):
        tg.prelu(x, [0.1, 0.2])
    with pytest.raises(ShapeError, match=r"got shape \(1, 1\)"):
        tg.prelu(x, [[0.1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tg.elu(x, alpha="1"), "elu: alpha must be a number, got '1'"),
        (lambda x: tg.elu(x, alpha=np.nan), "elu: alpha must be a number, got nan"),
        (lambda x: tg.elu(x, alpha=10**400), "elu: alpha must be a number, got 1000"),
        (lambda x: tg.celu(x, alpha=0.0), "celu: alpha must be a number above 0, got 0"),
        (lambda x: tg.leaky_relu(x, True), "leaky_relu: negative_slope must be a number, got True"),
        (lambda x: tg.gelu(x, approximate="no"), "gelu: approximate must be one of 'none', 'tanh'"),
        (lambda x: tg.softplus(x, beta=0.0), "softplus: beta must not be 0"),
        (lambda x: tg.softplus(x, threshold=None), "softplus: threshold must be a number"),
        (lambda x: tg.hardtanh(x, 1.0, 1.0), "hardtanh: max_val must be above min_val, 1"),
        (lambda x: tg.hardtanh(x, max_val=1j), "hardtanh: max_val must be a number, got 1j"),
    ],
)
def test_options_out_of_range_are_named(call, message):
    with pytest.raises(OptionError, match=message):
        call(Value([1.0]))
