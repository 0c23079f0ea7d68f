"""Pooling layers."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.errors import OptionError

every_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])


def layer(family, ndim):
    return getattr(nn, f"{family}{ndim}d")


def call(family, ndim):
    return getattr(tg, f"{family}{ndim}d")


def example(ndim):
    return np.random.default_rng(0).standard_normal((2, *(7, 6, 8)[-ndim:]))


@every_ndim
def test_max_pool_layers_use_their_options(ndim):
    x = example(ndim)
    options = {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True, "ties": "last"}
    y = layer("MaxPool", ndim)(3, **options)(x)
    assert np.array_equal(y.data, call("max_pool", ndim)(x, 3, **options).data)
    assert y.options["ties"] == "last"
    y, winners = layer("MaxPool", ndim)(2, return_indices=True)(x)
    back = layer("MaxUnpool", ndim)(2)(y, winners, output_size=x.shape)
    assert np.array_equal(back.data, np.where(np.isin(x, y.data), x, 0))


@every_ndim
def test_average_layers_use_their_options(ndim):
    x = example(ndim)
    pool, mean = layer("AvgPool", ndim), call("avg_pool", ndim)
    y = pool(2, 2, 1, True, count_include_pad=False)(x)
    assert np.array_equal(y.data, mean(x, 2, 2, 1, True, count_include_pad=False).data)
    assert np.allclose(pool(2, divisor_override=1)(x).data, 2**ndim * pool(2)(x).data)


@every_ndim
def test_norm_layers_use_their_options(ndim):
    x = example(ndim)
    y = layer("LPPool", ndim)(3, 2, stride=3, ceil_mode=True)(x)
    assert np.array_equal(y.data, call("lp_pool", ndim)(x, 3, 2, 3, ceil_mode=True).data)


@every_ndim
def test_adaptive_layers_use_their_options(ndim):
    x = example(ndim)
    y = layer("AdaptiveAvgPool", ndim)(3)(x)
    assert np.array_equal(y.data, call("adaptive_avg_pool", ndim)(x, 3).data)
    y, winners = layer("AdaptiveMaxPool", ndim)(3, return_indices=True, ties="last")(x)
    expected, indices = call("adaptive_max_pool", ndim)(x, 3, return_indices=True)
    assert y.options["ties"] == "last"
    assert np.array_equal(y.data, expected.data)
    assert np.array_equal(winners, indices)


@every_ndim
@pytest.mark.parametrize("family", ["AdaptiveMaxPool", "AdaptiveAvgPool"])
def test_adaptive_layers_accept_one_size_per_axis_or_none(family, ndim):
    x = example(ndim)
    for sizes in ((3, 2, 4)[:ndim], (None, 2, 3)[:ndim], [2, None, None][:ndim]):
        expected = [size or n for size, n in zip(sizes, x.shape[1:], strict=True)]
        assert layer(family, ndim)(sizes)(x).shape == (2, *expected)


@every_ndim
def test_an_adaptive_max_layer_defaults_to_no_indices_and_the_first_winner(ndim):
    x = tg.Value(np.ones((2,) * ndim))
    y = layer("AdaptiveMaxPool", ndim)(1)(x)
    assert isinstance(y, tg.Value)
    y.sum().backward()
    assert x.grad.reshape(-1).tolist() == [1.0] + [0.0] * (2**ndim - 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MaxPool1d(0), "MaxPool1d: kernel_size must be at least 1, got 0"),
        (lambda: nn.MaxPool2d(2, ties="no"), "MaxPool2d: ties must be one of"),
        (lambda: nn.MaxPool3d(2, return_indices=1), "MaxPool3d: return_indices must be True or"),
        (lambda: nn.AvgPool3d((1, 2)), r"AvgPool3d: kernel_size needs one number or 3, got \(1, 2"),
        (lambda: nn.LPPool2d(0.5, 2), "LPPool2d: norm_type must be a finite number of at least 1"),
        (lambda: nn.LPPool1d(2, 2, stride=0), "LPPool1d: stride must be at least 1"),
        (lambda: nn.AdaptiveMaxPool1d(0), "AdaptiveMaxPool1d: output_size must be at least 1"),
        (lambda: nn.AdaptiveMaxPool1d(1, ties=1), "AdaptiveMaxPool1d: ties must be one of"),
        (lambda: nn.AdaptiveMaxPool2d(1, 2), "AdaptiveMaxPool2d: return_indices must be True or"),
        (lambda: nn.AdaptiveAvgPool2d((1,)), "AdaptiveAvgPool2d: output_size needs one number or"),
        (lambda: nn.MaxUnpool2d(2, padding=-1), "MaxUnpool2d: padding must be at least 0, got -1"),
    ],
)
def test_an_option_out_of_range_is_an_error_when_the_layer_is_made(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_layers_show_their_options():
    assert repr(nn.MaxPool2d(2, padding=(1, 0))) == (
        "MaxPool2d(kernel_size=2, stride=2, padding=(1, 0), dilation=1, ceil_mode=False)"
    )
    assert repr(nn.AvgPool1d((2,), stride=1)) == (
        "AvgPool1d(kernel_size=(2,), stride=1, padding=0)"
    )
    assert repr(nn.AvgPool2d(2, ceil_mode=True)) == (
        "AvgPool2d(kernel_size=2, stride=2, padding=0, ceil_mode=True)"
    )
    assert repr(nn.MaxPool1d(3, return_indices=True, ties="last")) == (
        "MaxPool1d(kernel_size=3, stride=3, padding=0, dilation=1, return_indices=True, "
        "ceil_mode=False, ties='last')"
    )

    class Halving(nn.MaxPool1d):
        def __init__(self, why):
            super().__init__(2)
            self.note = why

    assert repr(Halving("")).startswith("Halving(kernel_size=2, stride=2, padding=0, dilation=1, ")
    assert repr(nn.AdaptiveMaxPool2d((3, None))) == "AdaptiveMaxPool2d(output_size=(3, None))"
    assert repr(nn.LPPool2d(2, 3)) == "LPPool2d(norm_type=2.0, kernel_size=3, stride=3)"


@every_ndim
@pytest.mark.parametrize("family", ["MaxPool", "AvgPool", "MaxUnpool"])
def test_windows_need_as_many_axes_as_the_layer(family, ndim):
    layer(family, ndim)((2,) * ndim)
    with pytest.raises(OptionError, match=f"{family}{ndim}d: kernel_size"):
        layer(family, ndim)((2,) * (ndim + 1))
