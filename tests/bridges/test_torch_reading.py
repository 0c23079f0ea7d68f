"""Translated modules have PyTorch's numbers, gradients, names and places."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.bridges.translations import TRANSLATIONS, translates
from tinygrad_pool.errors import DataError, OptionError, ShapeError, UnsupportedError

pytestmark = [pytest.mark.peer, pytest.mark.slow]


def cases(given, alone):
    """List cases; those that cover no line of their own are marked as long."""
    return [pytest.param(case, marks=() if case in alone else pytest.mark.long) for case in given]


@pytest.mark.long
@pytest.mark.parametrize("name", ["lenet", "residual", "two heads"])
@pytest.mark.parametrize("training", [True, False])
def test_a_network_equals_its_module_for_any_batch(torch, nets, same, name, training):
    module, x = nets[name]
    module.train(training)
    network = tg.from_torch(module, x[:1] if not training else x)
    for n in (1, 2, 3):
        if n > 1 or not training:
            same(network, module, x[:n])


ACTIVATIONS = [
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "PReLU",
    "ELU",
    "SELU",
    "CELU",
    "GELU",
    "SiLU",
    "Mish",
    "Softplus",
    "Softsign",
    "Sigmoid",
    "Tanh",
    "Hardtanh",
    "Hardswish",
    "LogSigmoid",
    "Tanhshrink",
    "Softshrink",
    "Hardshrink",
    "GLU",
]


@pytest.mark.long
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_equals_pytorchs(torch, same, name):
    torch.manual_seed(1)
    nn = torch.nn
    last = nn.Linear(4 if name == "GLU" else 8, 3)
    net = nn.Sequential(nn.Linear(6, 8), getattr(nn, name)(), last).double()
    x = torch.randn(4, 6).double() * 3
    same(tg.from_torch(net, x[:2]), net, x)


LAYERS = {
    "Linear(6, 2, bias=False)": (3, 6),
    "Conv1d(2, 4, 3, padding='same', groups=2)": (3, 2, 7),
    "Conv2d(2, 3, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2))": (2, 2, 7, 6),
    "Conv2d(1, 2, 3, padding=1, padding_mode='reflect')": (2, 1, 4, 4),
    "Conv3d(1, 2, 2, stride=2)": (2, 1, 4, 4, 4),
    "ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)": (2, 2, 4, 4),
    "LayerNorm(6)": (3, 6),
    "GroupNorm(2, 6)": (3, 6, 4),
    "InstanceNorm1d(6, affine=True)": (3, 6, 4),
    "InstanceNorm1d(6, track_running_stats=True).eval()": (3, 6, 4),
    "BatchNorm1d(6)": (3, 6),
    "BatchNorm3d(2, affine=False)": (3, 2, 2, 2, 2),
    "BatchNorm2d(2, track_running_stats=False)": (3, 2, 2, 2),
    "RMSNorm(6)": (3, 6),
    "RNN(3, 4, batch_first=True)": (2, 5, 3),
    "LSTM(3, 4, num_layers=2)": (5, 2, 3),
    "GRU(3, 4, bidirectional=True)": (5, 2, 3),
    "GRUCell(3, 4)": (2, 3),
    "LSTMCell(3, 4)": (2, 3),
    "TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)": (2, 5, 8),
    "AdaptiveMaxPool2d(2)": (1, 2, 5, 4),
    "AvgPool3d(2, padding=1, count_include_pad=False)": (2, 1, 4, 4, 4),
    "MaxPool1d(3, 2, 1, ceil_mode=True)": (2, 1, 8),
    "LPPool2d(2, 2)": (1, 2, 4, 4),
    "ConstantPad2d((1, 2, 0, 1), 3.0)": (2, 1, 4, 4),
    "ReflectionPad1d(1)": (2, 1, 4),
    "ReplicationPad2d((0, 3, 1, 0))": (2, 1, 4, 3),
    "CircularPad1d((-1, 2))": (2, 1, 4),
    "Conv1d(2, 2, 3, padding=1, padding_mode='circular')": (2, 2, 4),
    "Upsample(scale_factor=2)": (1, 2, 3, 3),
    "PixelShuffle(2)": (2, 4, 3, 3),
    "Dropout(0.5).eval()": (3, 6),
    "Softmax(1)": (3, 6),
    "Flatten()": (3, 2, 3),
}


ALONE = {
    "BatchNorm2d(2, track_running_stats=False)",
    "InstanceNorm1d(6, track_running_stats=True).eval()",
    "MaxPool1d(3, 2, 1, ceil_mode=True)",
    "ReflectionPad1d(1)",
}


@pytest.mark.parametrize("layer", cases(LAYERS, ALONE))
def test_every_kind_of_layer_equals_pytorchs(torch, same, layer):
    torch.manual_seed(2)
    module = eval(f"nn.{layer}", {"nn": torch.nn}).double()
    x = torch.randn(*LAYERS[layer]).double()
    same(tg.from_torch(module, x), module, x)


@pytest.fixture
def of_function(torch):
    """Make a module that applies a function to its weighted input."""

    class Scaled(torch.nn.Module):
        def __init__(self, f):
            super().__init__()
            self.f = f
            self.w = torch.nn.Parameter(torch.randn(6).double())

        def forward(self, x, *more):
            return self.f(x * self.w, *more)

    torch.manual_seed(3)
    return Scaled


FUNCTIONS = {
    "maxima": "x.max(1)[0], x.max(), x.amax(0), x.min(0)[0], torch.maximum(x, x * 0.5)",
    "places": "x[:, [0, 2]], x[1], x[..., -1], x[:, ::2], x[torch.tensor([0, 0, 1])], x[:, None]",
    "moves": "x.flip(0), x.roll(1, 0), x.roll(2), x.T, x.repeat(2, 2), x.tile(2)",
    "triangles": "x.tril(), x.triu(1), x.tril(-1)",
    "sums": "x.std(1), x.var(), x.norm(dim=1), x.sum(0, keepdim=True), x.logsumexp(1), x.mean()",
    "constants": "x * torch.ones(6), torch.zeros_like(x) + x, torch.ones_like(x) / x, "
    "torch.empty_like(x).fill_(2.0) * x, torch.rsub(x, y, alpha=3)",
    "arithmetic": "x ** 2, 2 ** x, x / (1 + x * x), 1 - x, (x * x + 1).rsqrt(), x.abs(), x.exp()",
    "bounds": "torch.clamp(y, x), torch.clamp(y, max=x[0, 0]), torch.clamp(x, y, x * x + y)",
    "masked": "F.scaled_dot_product_attention(x[None], x[None], x[None], y[:, :3].tril(-1) != 0)",
    "indices": "x.argsort(1) * x, x.sort(stable=True, dim=0)[1] * x, x.topk(2)[1] * 1.5",
    "running sums": "x.cumsum(1), x.cumsum(0).cumprod(1), torch.copysign(x, y)",
    "replaced cells": "x.index_put((torch.tensor([0, 2]), torch.tensor([1, 0])), y[0, :2]), "
    "torch.zeros_like(x).scatter(1, k[:, None], x[:, 3:4]), x.scatter(0, k[None, :1], 2.0)",
    "norms": "x.norm(), (x * 0).norm(), x.norm(p=3, dim=0), x.norm(p=0, dim=1).abs(), x.norm(1, 1)",
    "infinite norms": "x.norm(p=float('inf'), dim=1), x.norm(p=-float('inf')), "
    "(x > 0).double().norm(dim=0)",
    "kinks": "torch.clamp(x, -0.5, 0.5), torch.where(x > 0, x, -x), x.masked_fill(x > 0, 0.0)",
    "trigonometry": "x.sin(), x.cos(), x.erf(), (x * x + 1).log(), x.expm1(), x.sigmoid()",
    "shapes": "x.reshape(-1, 2), x.flatten(), x.unsqueeze(1).expand(-1, 4, -1), x.split([2, 4], 1)",
    "more shapes": "x.unflatten(1, (2, -1)), x.t(), x[0].t(), x / x.numel(), x.type_as(y.float())",
    "joins": "torch.cat([x, x], 1), torch.stack([x, x]), x.chunk(4, 1), x.unbind(1)[2]",
    "products with a term": "torch.addmm(x[:, :3], x, x.T, beta=2), torch.addmv(y[:, 0], x, x[0])",
    "products": "torch.einsum('ij,kj->ik', x, x), torch.outer(x[0], x[1]), x @ x.T",
    "attention": "F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True)",
    "losses": "F.mse_loss(x, y), F.l1_loss(x, y, reduction='none'), F.huber_loss(x, y, delta=0.7)",
    "more losses": "F.smooth_l1_loss(x, y), F.binary_cross_entropy(x.sigmoid(), y.sigmoid())",
    "scores": "F.binary_cross_entropy_with_logits(x, y.sigmoid())",
    "divergence": "F.kl_div(x, y.softmax(1), reduction='sum')",
    "classes": "F.cross_entropy(x, k), F.cross_entropy(x, k, label_smoothing=0.1, reduction='sum')",
    "more classes": "F.nll_loss(F.log_softmax(x, 1), k), F.cross_entropy(x, k, ignore_index=2)",
    "orders": "x.sort(1)[0], x.sort(dim=0, descending=True, stable=True)[0], x.topk(2)[0], "
    "x.topk(1, 0, False)[0]",
    "factors": "x.prod(), x.prod(1, keepdim=True), x.cumprod(0), torch.atan2(x, y)",
    "hypotenuses and remainders": "torch.hypot(x, y), torch.fmod(x, 0.7), "
    "torch.remainder(x, -0.7), torch.remainder(x, y)",
    "rows": "F.embedding(k, x.T), F.one_hot(k, 6) * x, x.gather(1, k[:, None])",
}


FUNCTIONS_ALONE = {
    "infinite norms",
    "losses",
    "masked",
    "norms",
    "orders",
    "places",
    "replaced cells",
    "rows",
}


@pytest.mark.parametrize("name", cases(FUNCTIONS, FUNCTIONS_ALONE))
def test_functions_of_tensors_equal_pytorchs(torch, same, of_function, name):
    f = eval(f"lambda x, y, k: ({FUNCTIONS[name]})", {"torch": torch, "F": torch.nn.functional})
    inputs = [torch.randn(3, 6).double(), torch.randn(3, 6).double(), torch.tensor([0, 2, 5])]
    module = of_function(f)
    same(tg.from_torch(module, *inputs), module, *inputs)


@pytest.mark.long
def test_names_labels_scopes_and_lines_are_the_modules(torch, nets):
    module, x = nets["residual"]
    network = tg.from_torch(module, x)
    own = dict(network.named_parameters())
    assert list(own) == [n for n, _ in module.named_parameters()]
    assert all(v.label == n for n, v in own.items())
    y = network(x)
    places = {node.about.scope for node in tg.record(y.sum()).nodes if node.op == "conv2d"}
    assert places == {"0", "2/conv1", "2/conv2", "4/conv1", "4/conv2"}
    sums = [n for n in tg.record(y.sum()).nodes if n.op == "add" and n.about.scope == "2"]
    assert sums[0].about.line.file == __file__.replace("test_torch_reading", "conftest")


KILLED = {"lenet": "conv2", "residual": "2.conv1", "two heads": "body.0"}


@pytest.mark.parametrize("name", cases(KILLED, {"residual"}))
def test_diagnose_finds_a_layer_killed_on_purpose(torch, nets, name):
    module, x = nets[name]
    module.eval().get_submodule(KILLED[name]).bias.data[:] = -50.0
    network = tg.from_torch(module, x)
    y = network(x)
    E = (y["kind"] ** 2).sum() + y["size"][0].sum() if name == "two heads" else -y[:, 0].mean()
    findings = str(tg.diagnose(E, parameters=network.parameters()))
    group = "body" if name == "two heads" else KILLED[name]
    assert f"no gradient: {group}.*" in findings.replace("conv1.*, conv2", "conv2")
    off_everywhere = r"the relu is off at all [\d,]+ units where a gradient arrives"
    assert re.search(off_everywhere, " ".join(findings.split()))
    why = str(tg.record(E).why(dict(network.named_parameters())[f"{KILLED[name]}.weight"]))
    assert "relu is off" in why


@pytest.mark.long
def test_record_draw_and_unroll_work_on_a_translated_network(torch, nets, tmp_path):
    module, x = nets["lenet"]
    network = tg.from_torch(module, x[:1])
    E = -network(tg.Value(x[:1].numpy(), label="x"))[:, 0].sum()
    passed = tg.record(E)
    assert passed.check().holds
    assert passed.to_html(tmp_path / "pass.html").stat().st_size > 10_000
    assert "cluster" in tg.draw(E).source
    pool = next(n for n in passed.nodes if n.op == "max_pool2d")
    assert set(tg.weights_of(pool).carrying().weight) == {1.0}
    assert tg.compare_weight_layer(E).holds
    assert "conv2d" in tg.unroll(E).source


@pytest.mark.parametrize("kind", ["BatchNorm1d", "InstanceNorm1d"])
def test_running_statistics_are_updated_as_in_the_module(torch, kind):
    module = getattr(torch.nn, kind)(3, track_running_stats=True).double()
    x = torch.randn(5, 3, 2).double()
    network = tg.from_torch(module, x)
    assert network.num_batches_tracked == module.num_batches_tracked == 0
    for _ in range(2):
        network(x), module(x)
    np.testing.assert_allclose(network.running_mean, module.running_mean, 1e-12)
    np.testing.assert_allclose(network.running_var, module.running_var, 1e-12)
    assert network.num_batches_tracked == module.num_batches_tracked
    assert set(network.state_dict()) == set(module.state_dict())


def test_buffers_are_updated_after_the_pass(torch):
    class Swap(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("a", torch.zeros(2))
            self.register_buffer("b", torch.ones(2))

        def forward(self, x):
            old = self.a.clone()
            self.a.copy_(self.b)
            self.b.copy_(old)
            return x + self.a, old

    module, x = Swap(), torch.ones(2)
    network = tg.from_torch(module, x)
    for _ in range(3):
        for y, t in zip(network(x), module(x), strict=True):
            assert y.data.tolist() == t.tolist()
        assert network.a.tolist() == module.a.tolist()
        assert network.b.tolist() == module.b.tolist()


def test_shared_parameters_remain_shared(torch, same):
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = self.again = torch.nn.Linear(3, 3)
            self.unused = torch.nn.Linear(2, 2)

        def forward(self, x):
            return self.again(torch.tanh(self.layer(x)))

    module, x = Twice().double(), torch.randn(2, 3).double()
    network = tg.from_torch(module, x)
    same(network, module, x)
    assert [n for n, _ in network.named_parameters()] == [n for n, _ in module.named_parameters()]


def test_inputs_in_lists_and_dicts_and_plain_options(torch):
    class Mixed(torch.nn.Module):
        def forward(self, pair, named, times=2):
            return pair[0] * times + pair[1] * named["z"]

    one, two = torch.ones(2).double(), torch.full((2,), 2.0).double()
    network = tg.from_torch(Mixed(), (one, two), {"z": two}, 3)
    assert network((one, two), {"z": tg.Value([5.0, 6.0])}, 3).data.tolist() == [13.0, 15.0]
    with pytest.raises(OptionError, match="made for 3, got 4"):
        network((one, two), {"z": two}, 4)
    with pytest.raises(OptionError, match="needs the names z, got y"):
        network((one, two), {"y": two}, 3)
    with pytest.raises(OptionError, match="takes 3, got 1"):
        network((one, two))


def test_lengths_that_the_code_fixes_are_checked(torch):
    class Fixed(torch.nn.Module):
        def forward(self, x, y):
            return x.reshape(2, 3, -1), y * torch.ones(4) + x.sum()

    network = tg.from_torch(Fixed(), torch.ones(6, 2), torch.ones(4))
    x, y = np.ones((6, 2), np.float32), np.ones(4, np.float32)
    assert [v.shape for v in network(x, y)] == [(2, 3, 2), (4,)]
    with pytest.raises(
        ShapeError, match=r"input y: the network was made for shape \(4\), got \(3,\)"
    ):
        network(x, y[:3])
    with pytest.raises(ShapeError, match=r"view: cannot be computed .*: cannot reshape array"):
        network(x[:5], y)
    with pytest.raises(ShapeError, match=r"reshape: 10 elements"):
        network(tg.Value(x[:5]), y)


@pytest.mark.parametrize("rows", [1, 2])
def test_code_that_branches_on_the_batch_size_fixes_it(torch, rows):
    class Asks(torch.nn.Module):
        def forward(self, x):
            return x.reshape(-1) if x.shape[0] == 1 else x * torch.ones(2, 1)

    x = torch.ones(rows, 3)
    network = tg.from_torch(Asks(), x.numpy())
    assert network(x).shape == tuple(Asks()(x).shape)
    with pytest.raises(ShapeError, match="input x: the network was made for"):
        network(torch.ones(5, 3))


def test_it_can_be_pickled_and_loaded(torch, same):
    module, x = (
        torch.nn.Sequential(torch.nn.Linear(6, 2), torch.nn.ReLU()).double(),
        torch.ones(3, 6),
    )
    network = pickle.loads(pickle.dumps(tg.from_torch(module, x.double())))
    for p in module.parameters():
        p.data += 0.5
    network.load_state_dict({k: v.numpy() for k, v in module.state_dict().items()})
    same(network, module, x.double())


def test_dropout_in_training_is_random(torch):
    network = tg.from_torch(torch.nn.Dropout(0.5), torch.ones(100))
    first, second = (network(np.ones(100, np.float32)).data for _ in range(2))
    assert set(first) == {0.0, 2.0}
    assert not np.array_equal(first, second)
    with pytest.raises(UnsupportedError, match="translated for training, which cannot be changed"):
        network.eval()
    assert network.train() is network


def test_dropout_of_whole_channels_in_training(torch):
    network = tg.from_torch(torch.nn.Dropout2d(0.5), torch.ones(20, 3, 2, 2))
    dropped = network(np.ones((20, 3, 2, 2), np.float32)).data
    assert set(dropped.reshape(-1).tolist()) == {0.0, 2.0}
    assert (dropped == dropped[..., :1, :1]).all()


def test_an_unknown_operation_has_its_place_and_can_be_added(torch):
    class Tail(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.eigvalsh(x)

    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tail = Tail()

        def forward(self, x):
            return self.tail(x + 1.0)

    x = torch.ones(2, 2).double()
    place = r"no translation of aten\.\w+ in tail, at test_torch_reading\.py:\d+; add one: @tg"
    with pytest.raises(UnsupportedError, match=place):
        tg.from_torch(Odd(), x)
    try:
        translates("aten.linalg_eigvalsh", "aten._linalg_eigh")(lambda x, *_: (x.sum(axis=1), x))
        y = tg.from_torch(Odd(), x)(x)
    finally:
        for name in ("aten.linalg_eigvalsh", "aten._linalg_eigh"):
            TRANSLATIONS.pop(name, None)
    assert np.asarray(y[0].data if isinstance(y, tuple) else y.data).size


def test_a_branch_on_numbers_cannot_be_traced(torch, capfd):
    class Branch(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedError, match=r"cannot trace this Branch, at test_torch_reading"):
        tg.from_torch(Branch(), torch.ones(3))
    assert capfd.readouterr() == ("", "")


def test_a_function_and_a_dtype_that_numpy_lacks_raise(torch):
    with pytest.raises(DataError, match=r"needs a torch.nn.Module, got builtin"):
        tg.from_torch(torch.relu, torch.ones(2))
    with pytest.raises(DataError, match=r"no numbers of torch.bfloat16; module.float"):
        tg.from_torch(torch.nn.Linear(2, 2).bfloat16(), torch.ones(1, 2).bfloat16())


@pytest.mark.parametrize("given", [[], [np.ones((3, 5), np.float32)], ["x"]])
def test_a_module_that_fails_on_the_example_raises(torch, given):
    message = "from_torch: Linear fails on these example inputs: .*; pass the inputs that it needs"
    with pytest.raises(OptionError, match=message) as caught:
        tg.from_torch(torch.nn.Linear(2, 3), *given)
    assert caught.value.__cause__ is not None


def test_a_name_of_a_networks_method_raises(torch):
    module = torch.nn.Sequential()
    module.add_module("save", torch.nn.Linear(2, 2))
    with pytest.raises(OptionError, match=r"'save.weight' cannot be the name of a parameter"):
        tg.from_torch(module, torch.ones(1, 2))


def test_torch_is_imported_on_first_use():
    program = (
        "import sys, tinygrad_pool as tg\n"
        "tg.from_torch, tg.crosscheck, tg.to_onnx, tg.from_onnx\n"
        "assert not {'torch', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def block(torch, f):
    with torch.no_grad():
        return f() * 2.0, f()


def decorated(torch, f):
    return torch.no_grad()(f)(), f().detach()


def nested(torch, f):
    with torch.no_grad():
        y = f()
        with torch.enable_grad():
            z = f()
    return y, z


@pytest.mark.parametrize("way", cases([block, decorated, nested], {nested}))
def test_a_block_under_no_grad_sends_no_gradient(torch, same, way):
    class Gated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

        def forward(self, x):
            one, other = way(torch, lambda: self.a(x))
            return self.b(x) * one + other, one

    module, x = Gated().double(), torch.randn(4, 3).double()
    same(tg.from_torch(module, x), module, x)


def rows(torch, x, y, k):
    x[:, 0] = 0
    x[1] = y[2]
    x[:, 2:4] = y[:, :2] * x[:, 1:2]
    return x


def masks(torch, x, y, k):
    x[y > 0] = 0.25
    x[k < 3] = y[0]
    x[:, k] = y[:, :3]
    return x


def columns(torch, x, y, k):
    z = torch.empty(3, 4).double()
    for t in range(4):
        z[:, t] = x[:, t] + y.sum(1)
    x.clamp_(max=1).mul_(2)[0].add_(3)
    return z, x


@pytest.mark.parametrize("change", [rows, masks, columns])
def test_changes_in_place_are_translated(torch, same, of_function, change):
    module = of_function(lambda *inputs: change(torch, *inputs))
    inputs = [torch.randn(3, 6).double(), torch.randn(3, 6).double(), torch.tensor([0, 2, 5])]
    same(tg.from_torch(module, *inputs), module, *inputs)


def test_accumulating_index_put_raises(torch, of_function):
    module = of_function(lambda x: x.index_put((torch.tensor([0]),), x[1], accumulate=True))
    with pytest.raises(UnsupportedError, match="accumulate=True is not supported"):
        tg.from_torch(module, torch.randn(3, 6).double())


def of_own_backward(torch):
    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return torch.round(x)

        @staticmethod
        def backward(_, g):
            return g

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(3, 3)

        def forward(self, x):
            return Rounded.apply(self.a(x)) + self.dropped(x)

        def dropped(self, x):
            return torch.nn.functional.dropout(x, 0.5, self.training)

    return Net()


def test_a_gradient_that_differs_from_pytorchs_warns(torch):
    module, x = of_own_backward(torch).eval(), torch.randn(4, 3)
    with pytest.warns(UserWarning, match=r"gradient of a.weight.* is -?0 here and .* in PyTorch"):
        tg.from_torch(module, x)


def test_no_warning_if_outputs_are_random_or_pytorch_has_no_gradient(torch, of_function):
    x = torch.randn(4, 6)
    tg.from_torch(of_own_backward(torch), x[:, :3])
    tg.from_torch(of_function(lambda x: torch.floor_divide(x, 2.0) + x), x)
    tg.from_torch(of_function(lambda x: x.norm()), torch.zeros(4, 6))


@pytest.mark.parametrize("seed", range(3))
def test_no_warning_at_a_kink_that_rounding_decides(torch, seed):
    torch.manual_seed(seed)
    nn = torch.nn
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 2))
    tg.from_torch(module, torch.zeros(2, 3, 8, 8))


def test_a_module_that_changes_its_parameters_raises(torch, of_function):
    module = of_function(lambda x: x)

    def clamped(x):
        with torch.no_grad():
            module.w.clamp_(-0.1, 0.1)
        return x

    module.f = clamped
    with pytest.raises(UnsupportedError, match=r"changes its parameters in place in forward.*: w$"):
        tg.from_torch(module, torch.randn(4, 6))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_module_with_computed_weights_is_translated(torch, same):
    module = torch.nn.utils.weight_norm(torch.nn.Linear(3, 4).double())
    x = torch.randn(2, 3).double()
    network = tg.from_torch(module, x)
    assert [n for n, _ in network.named_parameters()] == ["bias", "weight_g", "weight_v"]
    module(x).sum().backward()
    with torch.no_grad():
        module(x)  # replaces computed weights, so the module can be copied
    same(network, module, x)


@pytest.mark.parametrize("option", ["max_norm", "scale_grad_by_freq"])
def test_unsupported_options_of_an_embedding_raise(torch, option):
    module = torch.nn.Embedding(3, 2, **{option: True})
    with pytest.raises(UnsupportedError, match=r"weight|scale_grad_by_freq=True"):
        tg.from_torch(module, torch.tensor([0, 1, 1]))(np.array([0, 1, 1]))


def test_single_precision_is_kept(torch, of_function):
    def logarithms(x):
        where = torch.where(x > 0, 1.0, 0.0) * x
        return (x * x).log2(), (x * x).log10(), where, x * torch.zeros(6), x + torch.ones(2, 1)

    module, x = of_function(logarithms).float(), torch.rand(2, 6) + 0.5
    assert {str(y.dtype) for y in tg.from_torch(module, x)(x)} == {"float32"}
