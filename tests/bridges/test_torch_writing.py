"""Networks, also translated ones, as PyTorch modules."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.errors import DataError, GraphError, OptionError, UnsupportedError

pytestmark = pytest.mark.peer

D = {"dtype": np.float64}
LAYERS = {
    "Linear": (lambda: nn.Linear(4, 3, rng=0, **D), (5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False, rng=0, **D), (5, 4)),
    "Conv1d": (lambda: nn.Conv1d(2, 4, 3, padding=1, groups=2, rng=0, **D), (5, 2, 6)),
    "Conv1d with a word": (lambda: nn.Conv1d(2, 4, 3, padding="same", rng=0, **D), (5, 2, 6)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (2, 3), 2, (1, 0), rng=0, **D), (5, 2, 6, 6)),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2, dilation=2, rng=0, **D), (2, 1, 4, 4, 4)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4, **D), (5, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2, **D).eval(), (5, 2, 3, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(4, **D), (5, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4, **D), (5, 4)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, affine=True, **D), (5, 4, 3)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4), (5, 4, 3, 2)),
    "PReLU": (lambda: nn.PReLU(4, **D), (5, 4)),
    "Dropout": (lambda: nn.Dropout(0.5).eval(), (5, 4)),
    "Softmax": (lambda: nn.Softmax(1), (5, 4)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.3), (5, 4)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 1, 6, 6)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2, padding=1, count_include_pad=False), (2, 1, 6)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 1, 6, 5)),
    "LPPool1d": (lambda: nn.LPPool1d(2, 2), (2, 1, 6)),
    "Flatten": (nn.Flatten, (5, 2, 2)),
    "Sequential": (
        lambda: nn.Sequential(a=nn.Linear(4, 3, rng=0, **D), b=nn.Sequential(nn.GELU())),
        (5, 4),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_becomes_torchs_layer(torch, same, name):
    make, shape = LAYERS[name]
    layer, x = make(), torch.randn(*shape).double()
    module = layer.to_torch()
    assert type(module).__module__.startswith("torch.nn.")
    same(layer, module, x)
    same(layer, module, x[:1] if module.training is False else x)


def test_shared_layers_and_parameters_remain_shared(torch, same):
    act, layer, twin = nn.Tanh(), nn.Linear(3, 3, rng=0, **D), nn.Linear(3, 3, rng=1, **D)
    twin.weight = layer.weight
    inner = nn.Sequential()
    net = nn.Sequential(layer, act, inner, layer, act, inner, twin)
    module = net.to_torch()
    same(net, module, torch.randn(2, 3).double())
    assert [*module.state_dict()] == [
        f"{i}.{name}" for i in (0, 3, 6) for name in ("weight", "bias")
    ]
    assert [n for n, _ in module.named_parameters()] == [n for n, _ in net.named_parameters()]
    assert module[0] is module[3]
    assert module[2] is module[5]


class Residual(nn.Module):
    def __init__(self):
        self.body = [nn.Linear(4, 4, rng=0, **D), nn.Linear(4, 4, rng=1, **D)]
        self.scale = tg.Value(0.5)

    def forward(self, x):
        for layer in self.body:
            x = x + tg.tanh(layer(x)) * self.scale * 0.5
        flat = np.broadcast_to(x.reshape(len(x), 2, 2), (len(x), 2, 2))
        return {"sum": flat.sum(axis=(1, 2)), "all": (x, [x.mean(axis=0), 7])}


def test_a_network_with_its_own_forward_is_converted_node_by_node(torch, same):
    net, x = Residual(), torch.randn(3, 4).double()
    with pytest.raises(
        OptionError, match=r"Residual has a forward of its own and needs example inputs: net"
    ):
        net.to_torch()
    module = net.to_torch(x)
    same(net, module, x)
    same(net, module, torch.randn(7, 4).double())
    assert module(x)["all"][0].shape == (3, 4)
    assert module(x)["all"][1][1] == 7
    assert tg.crosscheck(net, None, x).ok
    with pytest.raises(TypeError, match="takes 1, got 2"):
        module(x, x)


def test_sorting_and_statistics_are_recomputed_for_new_inputs(torch, same):
    class Spread(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(4, 4, rng=0, **D)

        def forward(self, x):
            y = self.layer(x)
            middle = np.median(y, axis=1, keepdims=True) / np.std(y, axis=1, keepdims=True)
            return np.sort(y) + np.partition(y, 2) * middle + np.cumsum(y, axis=1)

    net = Spread()
    module = net.to_torch(torch.randn(3, 4).double())
    same(net, module, torch.randn(7, 4).double())


@pytest.mark.parametrize("pool", [nn.MaxPool1d, nn.AvgPool1d])
def test_one_sided_padding_of_a_pool_needs_an_example(torch, same, pool):
    layer = pool(2, padding=[(1, 0)])
    with pytest.raises(
        UnsupportedError, match=r"pads both sides equally, got padding=\[\(1, 0\)\]"
    ):
        layer.to_torch()
    x = torch.randn(2, 1, 5).double()
    same(layer, layer.to_torch(x), x)


def test_a_p_norm_pool_with_ceil_mode_needs_an_example(torch, same):
    layer, x = nn.LPPool1d(2, 2, ceil_mode=True), torch.randn(2, 1, 5).double()
    with pytest.raises(UnsupportedError, match="LPPool1d scales up windows that end outside"):
        layer.to_torch()
    same(layer, layer.to_torch(x), x)


def test_one_sided_padding_needs_an_example(torch, same):
    layer = nn.Conv1d(1, 2, 2, padding=[(1, 0)], rng=0, **D)
    with pytest.raises(
        UnsupportedError, match=r"pads both sides equally, got padding=\[\(1, 0\)\]"
    ):
        layer.to_torch()
    x = torch.randn(3, 1, 5).double()
    same(layer, layer.to_torch(x), x)


def test_squeezing_a_batch_of_one_fixes_its_size(torch, same):
    class Alone(nn.Module):
        def forward(self, x):
            return np.squeeze(x) * 2.0

    x = torch.randn(1, 2, 3).double()
    same(Alone(), Alone().to_torch(x), x)


def test_a_batch_size_that_the_nodes_depend_on_is_fixed(torch):
    class Reversed(nn.Module):
        def forward(self, x):
            return x[np.arange(len(x))[::-1]]

    module = Reversed().to_torch(np.ones((2, 3)))
    with pytest.raises(
        ValueError, match=r"input x: the batch size is fixed, .*\(2, 3\), got \(4, 3\)"
    ):
        module(torch.ones(4, 3))


@pytest.mark.parametrize("p", [1, 3, 1.5])
def test_a_p_norm_pool_that_differs_below_0_needs_an_example(torch, same, p):
    layer = nn.LPPool1d(p, 2)
    with pytest.raises(UnsupportedError, match=f"differs below 0 for norm_type={float(p)};"):
        layer.to_torch()
    x = torch.randn(3, 1, 6).double()
    same(layer, layer.to_torch(x), x)


@pytest.mark.usefixtures("torch")
def test_what_torch_lacks_raises():
    with pytest.raises(UnsupportedError, match=r"MaxPool2d resolves ties by 'even', PyTorch by"):
        nn.MaxPool2d(2, ties="even").to_torch()
    with pytest.raises(UnsupportedError, match=r"max_pool2d resolves ties by 'even'"):
        nn.MaxPool2d(2, ties="even").to_torch(np.ones((1, 4, 4)))
    long = np.dtype(np.longdouble)
    for make in (
        lambda: nn.Linear(2, 3, rng=0, dtype=long).to_torch(),
        lambda: nn.PReLU(dtype=long).to_torch(np.ones(3)),
        lambda: Residual().to_torch(np.ones((2, 4), long)),
    ):
        with pytest.raises(UnsupportedError, match=f"to_torch: PyTorch has no {long}; .astype"):
            make()
    with pytest.raises(DataError, match="to_torch: needs a network, got float"):
        tg.bridges.to_torch(2.0)

    class Own(nn.Module):
        def forward(self, x):
            return tg.functional.max_unpool1d(x, [[0, 3]], 2)

    with pytest.raises(UnsupportedError, match="PyTorch has no counterpart of max_unpool1d"):
        Own().to_torch(np.ones((1, 2)))
    with pytest.raises(GraphError, match=r"to_torch: .* a constant that was computed"):
        nn.Sequential(nn.Dropout(0.5, rng=0), Residual()).to_torch(np.ones((50, 4)))


@pytest.mark.slow
def test_a_translated_network_becomes_its_module_with_the_present_parameters(torch, nets, same):
    module, x = nets["residual"]
    network = tg.from_torch(module, x)
    network(x)  # updates the running mean
    for parameter in network.parameters():
        parameter.data = parameter.data + 0.01
    again = network.to_torch()
    assert type(again) is type(module)
    mean = dict(network.named_buffers())["2.norm.running_mean"]
    assert np.array_equal(again[2].norm.running_mean.numpy(), mean)
    same(network, again, x)
    inside = nn.Sequential(a=network, b=nn.Tanh())
    same(inside, inside.to_torch(), x)


def test_a_wider_constant_widens_the_result_as_in_numpy(torch):
    class Scaled(nn.Module):
        def forward(self, x, c):
            return tg.weighted_sum([c, x], [x, 2.0]) + x * c + x * np.ones(2) + x * np.float64(0.1)

    x, c = np.float32([0.1, 0.7]), np.array(0.3)
    module = tg.bridges.to_torch(Scaled(), x, c)
    theirs = module(torch.tensor(x), torch.tensor(c))
    ours = Scaled()(x, c)
    assert ours.dtype == np.float64
    assert str(theirs.dtype) == "torch.float64"
    np.testing.assert_allclose(theirs.numpy(), ours.data, rtol=1e-15)


def test_a_name_that_pytorch_reserves_raises(torch):
    class Typed(nn.Module):
        def __init__(self, name):
            setattr(self, name, tg.Value(np.ones(3)))

        def forward(self, x):
            return x * self.parameters()[0]

    x = np.ones(3)
    assert torch.equal(Typed("held").to_torch(x)(torch.ones(3)), torch.ones(3).double())
    with pytest.raises(UnsupportedError, match=r"'type' cannot be a parameter: .* already exists"):
        Typed("type").to_torch(x)


@pytest.mark.usefixtures("torch")
def test_a_converted_network_keeps_its_mode():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.ReLU())
    assert not net.eval().to_torch().training
    assert net.train().to_torch().training
