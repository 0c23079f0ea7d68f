"""Initializers: bounds and moments, compared with PyTorch."""

import numpy as np
import pytest

from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError, ShapeError
from tinygrad_pool.nn import init


def weights(shape=(60, 50), dtype=np.float64):
    return Value(np.zeros(shape, dtype))


SPREADS = [
    (lambda w: init.uniform_(w, -2.0, 4.0, rng=0), 1.0, 6 / 12**0.5),
    (lambda w: init.normal_(w, 3.0, 0.5, rng=0), 3.0, 0.5),
    (lambda w: init.xavier_uniform_(w, 2.0, rng=0), 0.0, 2 * (2 / 110) ** 0.5),
    (lambda w: init.xavier_normal_(w, rng=0), 0.0, (2 / 110) ** 0.5),
    (lambda w: init.kaiming_uniform_(w, nonlinearity="relu", rng=0), 0.0, (2 / 50) ** 0.5),
    (lambda w: init.kaiming_normal_(w, mode="fan_out", rng=0), 0.0, (2 / 60) ** 0.5),
    (lambda w: init.kaiming_normal_(w, a=5**0.5, rng=0), 0.0, (1 / 150) ** 0.5),
]


@pytest.mark.parametrize(("fill", "mean", "std"), SPREADS)
def test_mean_and_standard_deviation(fill, mean, std):
    w = weights()
    assert fill(w) is w
    assert w.data.mean() == pytest.approx(mean, abs=4 * std / 3000**0.5)
    assert w.data.std() == pytest.approx(std, rel=0.05)
    np.testing.assert_array_equal(fill(weights()).data, w.data)
    assert fill(weights(dtype=np.float32)).dtype == np.float32


def test_fans_include_the_cells_of_a_kernel():
    w = init.kaiming_uniform_(weights((8, 4, 3, 3)), nonlinearity="relu", rng=0)
    bound = (6 / 36) ** 0.5
    assert 0.95 * bound < np.abs(w.data).max() <= bound


def test_constants():
    w = weights((2, 2))
    assert init.constant_(w, 3.0).data.tolist() == [[3.0, 3.0]] * 2
    assert init.ones_(w).data.tolist() == [[1.0, 1.0]] * 2
    assert init.zeros_(w).data.tolist() == [[0.0, 0.0]] * 2
    assert init.normal_(Value(1.0), 5.0, 0.0).data == 5.0


def test_a_network_is_filled_by_apply():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(20, 10, rng=1), nn.ReLU(), nn.Linear(10, 5, rng=2))

    def fill(module):
        if isinstance(module, nn.Linear):
            init.kaiming_normal_(module.weight, nonlinearity="relu", rng=rng)
            init.zeros_(module.bias)

    net.apply(fill)
    assert net[0].weight.data.std() == pytest.approx((2 / 20) ** 0.5, rel=0.15)
    assert not net[2].bias.data.any()


@pytest.mark.peer
def test_bounds_and_gains_are_pytorchs(peer):
    torch = peer("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
    for name, options in (
        ("xavier_uniform_", {"gain": 2.0}),
        ("kaiming_uniform_", {"a": 0.3}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "tanh"}),
    ):
        ours = getattr(init, name)(weights((300, 200)), rng=0, **options)
        theirs = getattr(torch.nn.init, name)(torch.zeros(300, 200), **options)
        largest = theirs.abs().max().item()
        assert np.abs(ours.data).max() == pytest.approx(largest, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.zeros_(np.ones(2)), DataError, "constant_: needs a parameter, a Value, got"),
        (lambda: init.normal_(weights() * 2.0), DataError, "normal_: .* was computed; only a leaf"),
        (
            lambda: init.uniform_(weights(), 2.0, 1.0),
            OptionError,
            "uniform_: b must be a number",
        ),
        (
            lambda: init.normal_(weights(), std=-1.0),
            OptionError,
            "normal_: std must be a number",
        ),
        (
            lambda: init.xavier_normal_(weights(), gain="a"),
            OptionError,
            "xavier_normal_: gain m",
        ),
        (lambda: init.constant_(weights(), None), OptionError, "constant_: val must be a number"),
        (lambda: init.uniform_(weights(), rng="a"), OptionError, "uniform_: rng must be a NumPy"),
        (
            lambda: init.kaiming_normal_(weights(), mode="fan"),
            OptionError,
            "kaiming_normal_: mode must be one of 'fan_in', 'fan_out', got 'fan'",
        ),
        (
            lambda: init.kaiming_normal_(weights(), nonlinearity="gelu"),
            OptionError,
            "calculate_gain: nonlinearity must be one of 'leaky_relu', 'linear', .*, got 'gelu'",
        ),
        (
            lambda: init.xavier_uniform_(weights((3,))),
            ShapeError,
            r"xavier_uniform_: needs weights \(out, in, ...\), got shape \(3,\)",
        ),
        (lambda: init.kaiming_uniform_(weights((0, 2))), ShapeError, r"got shape \(0, 2\)"),
        (
            lambda: init.uniform_(weights(), 0.0, np.inf),
            OptionError,
            "uniform_: b - a must be",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
