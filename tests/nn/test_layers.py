"""Layers on arrays."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError, ShapeError


def test_linear_is_x_times_w_transposed_plus_b():
    layer = nn.Linear(3, 2, rng=0)
    x = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    expected = x @ layer.weight.data.T + layer.bias.data
    assert np.allclose(layer(x).data, expected)
    layer.bias = None
    assert np.allclose(layer(x).data, x @ layer.weight.data.T)


def test_conv2d_uses_its_options():
    layer = nn.Conv2d(2, 4, (3, 2), stride=2, padding=1, dilation=2, groups=2, rng=0)
    x = np.random.default_rng(1).standard_normal((2, 2, 9, 8)).astype(np.float32)
    expected = tg.conv2d(x, layer.weight, layer.bias, stride=2, padding=1, dilation=2, groups=2)
    assert np.array_equal(layer(x).data, expected.data)
    assert nn.Conv2d(1, 1, 3, bias=False).bias is None


def test_conv2d_defaults_to_stride_1_without_padding():
    layer = nn.Conv2d(2, 4, 3, rng=0)
    x = np.random.default_rng(1).standard_normal((2, 2, 6, 5)).astype(np.float32)
    y = layer(x)
    assert y.shape == (2, 4, 4, 3)
    assert np.array_equal(y.data, tg.conv2d(x, layer.weight, layer.bias).data)


def test_weights_start_uniform_within_their_bound_and_follow_the_seed():
    weights = nn.Linear(100, 50, rng=7).weight.data
    assert np.abs(weights).max() <= 0.1
    assert np.abs(weights).max() > 0.09
    assert np.array_equal(weights, nn.Linear(100, 50, rng=np.random.default_rng(7)).weight.data)
    assert not np.array_equal(weights, nn.Linear(100, 50, rng=8).weight.data)
    assert np.abs(nn.Conv2d(4, 8, 5, rng=0).weight.data).max() <= 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_have_the_dtype_asked_for(dtype):
    assert nn.Linear(2, 2, dtype=dtype).weight.dtype == dtype
    assert nn.Conv2d(2, 2, 1, dtype=dtype).bias.dtype == dtype


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.ReLU(), [0.0, 0.0, 2.0]),
        (nn.Sigmoid(), 1 / (1 + np.exp([1.0, 0.0, -2.0]))),
        (nn.Tanh(), np.tanh([-1.0, 0.0, 2.0])),
    ],
)
def test_activations(layer, expected):
    assert layer(Value([-1.0, 0.0, 2.0])).data == pytest.approx(expected)


def test_flatten_keeps_the_batch():
    assert nn.Flatten()(Value(np.ones((0, 3, 2)))).shape == (0, 6)
    assert nn.Flatten()([[[1, 2], [3, 4]]]).data.tolist() == [[1.0, 2.0, 3.0, 4.0]]


@pytest.mark.parametrize(
    ("layer", "x", "error", "message"),
    [
        (nn.Linear(3, 2, rng=0), np.ones((5, 4)), ShapeError, "3 features on the last axis, got s"),
        (nn.Linear(3, 2, rng=0), 1.0, ShapeError, r"3 features on the last axis, got shape \(\)"),
        (nn.Linear(3, 2, rng=0), [[1], [1, 2]], DataError, "needs numbers in a regular shape"),
        (nn.Flatten(), 1.0, ShapeError, "needs at least one axis, the batch, got a number"),
    ],
)
def test_an_input_that_does_not_fit_is_named(layer, x, error, message):
    with pytest.raises(error, match=f"{type(layer).__name__}: .*{message}"):
        layer(x)


def test_string_padding_is_shown_as_in_pytorch():
    layer = nn.Conv2d(1, 2, 3, padding="same", rng=0)
    assert repr(layer) == "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=same)"
    assert layer(np.ones((1, 5, 4))).shape == (2, 5, 4)


def test_numpy_integers_are_shown_like_others():
    layer, one = nn.Conv2d(1, 2, 3, np.int64(2), np.int64(0), np.int64(1), rng=0), [1, 1]
    assert repr(layer) == repr(nn.Conv2d(1, 2, 3, 2, rng=0))
    assert repr(nn.Conv2d(1, 2, 3, one, [0, 0], one)) == repr(nn.Conv2d(1, 2, 3))


def test_flatten_merges_the_given_axes():
    x = np.ones((2, 3, 4, 5))
    assert nn.Flatten(0)(x).shape == (120,)
    assert nn.Flatten(2)(x).shape == (2, 3, 20)
    assert nn.Flatten(1, -2)(x).shape == (2, 12, 5)
    assert nn.Flatten(-2, -1)(x).shape == (2, 3, 20)
    assert nn.Flatten()(np.ones(3)).shape == (3, 1)
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"


@pytest.mark.parametrize("dims", [(2, 1), (4, 5), (-5, 1), (0, 9)])
def test_axes_that_do_not_exist_cannot_be_merged(dims):
    with pytest.raises(ShapeError, match=r"Flatten: start_dim=.* do not fit \(2, 3, 4\)"):
        nn.Flatten(*dims)(np.ones((2, 3, 4)))


def test_identity_ignores_its_arguments():
    x = Value([1.0])
    assert nn.Identity(54, unused=True)(x) is x
    assert repr(nn.Identity()) == "Identity()"


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_convolutions_over_one_and_three_axes_agree_with_conv2d(ndim):
    layer = getattr(nn, f"Conv{ndim}d")(2, 4, 3, stride=2, padding=1, groups=2, rng=0)
    x = np.random.default_rng(1).standard_normal((2, 2, *(7, 6, 5)[:ndim])).astype(np.float32)
    conv = getattr(tg, f"conv{ndim}d")
    expected = conv(x, layer.weight, layer.bias, stride=2, padding=1, groups=2)
    np.testing.assert_array_equal(layer(x).data, expected.data)
    assert layer.weight.shape == (4, 1, *(3,) * ndim)
    assert np.abs(layer.weight.data).max() <= 3 ** (-ndim / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(0, 2), "Linear: in_features must be at least 1, got 0"),
        (lambda: nn.Linear(2, 2.5), "Linear: out_features must be an integer, got 2.5"),
        (lambda: nn.Linear(True, 2), "Linear: in_features must be an integer, got True"),
        (
            lambda: nn.Linear(2, 2, dtype=int),
            "Linear: dtype must be a floating-point type, got <class 'i",
        ),
        (
            lambda: nn.Linear(2, 2, dtype="no"),
            "Linear: dtype must be a floating-point type, got 'no'",
        ),
        (
            lambda: nn.Linear(2, 2, rng=-1),
            "Linear: rng must be a NumPy generator or a seed, got -1",
        ),
        (
            lambda: nn.Conv2d(1, 2, 3, rng="a"),
            "Conv2d: rng must be a NumPy generator or a seed, got 'a'",
        ),
        (lambda: nn.Conv2d(1, 2, 0), "Conv2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.Conv2d(1, 2, (3,)), r"Conv2d: kernel_size needs one number or 2, got \(3,\)"),
        (lambda: nn.Conv2d(1, 2, 3, stride=None), "Conv2d: stride must be integers, got None"),
        (lambda: nn.Conv2d(1, 2, 3, 2, "same"), "Conv2d: padding='same' needs stride 1, got"),
        (lambda: nn.Conv2d(1, 2, 3, padding=-1), "Conv2d: padding must be at least 0, got -1"),
        (
            lambda: nn.Conv2d(3, 2, 1, groups=2),
            "Conv2d: groups=2 must divide both 3 input and 2 output channels",
        ),
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size must be at least 1, got 0"),
        (lambda: nn.MaxPool2d(2, ties="all"), "MaxPool2d: ties must be one of 'first'"),
        (lambda: nn.AvgPool2d(2, stride=0), "AvgPool2d: stride must be at least 1, got 0"),
    ],
)
def test_sizes_out_of_range_are_named(make, message):
    with pytest.raises(OptionError, match=message):
        make()


@pytest.mark.peer
def test_a_network_has_pytorchs_scores_and_gradients(peer):
    torch = peer("torch")
    net = nn.Sequential(
        conv=nn.Conv2d(1, 4, 3, padding=1, rng=0, dtype=np.float64),
        act=nn.Tanh(),
        pool=nn.MaxPool2d(2),
        mean=nn.AvgPool2d(3, stride=1, padding=1),
        flat=nn.Flatten(),
        last=nn.Linear(64, 3, rng=1, dtype=np.float64),
    )
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.Tanh(),
        torch.nn.MaxPool2d(2),
        torch.nn.AvgPool2d(3, stride=1, padding=1),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    ).double()
    for p, q in zip(theirs.parameters(), net.parameters(), strict=True):
        p.data = torch.tensor(q.data)
    x = np.random.default_rng(2).standard_normal((5, 1, 8, 8))
    labels = np.array([0, 1, 2, 1, 0])
    loss = nn.cross_entropy(net(x), labels)
    loss.backward()
    expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(theirs.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(q.grad, p.grad.numpy(), rtol=1e-9, atol=1e-12)
