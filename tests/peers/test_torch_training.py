"""Networks by hand train as PyTorch's do: 20 steps in float64 from the same start."""

import warnings

import numpy as np
import pytest

from tinygrad_pool import Value, nn, optim

pytestmark = pytest.mark.peer

STEPS = 20
RTOL, ATOL = 1e-12, 1e-14
F64 = {"dtype": np.float64}
LAYERS = {
    "Linear": [(4, 3), {"bias": False}],
    "Conv1d": [(4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}],
    "Conv2d": [(4, 6, (3, 2)), {"padding": 1, "dilation": 2, "bias": False}],
    "Conv3d": [(4, 2, 2), {"stride": (1, 2, 1)}],
}
"""Layers with weights, for x with 4 channels, or 4 features at the end."""

NORMS = [
    ("BatchNorm1d", (4,), {}),
    ("BatchNorm1d", (4,), {"momentum": None, "eps": 1e-3}),
    ("BatchNorm1d", (4,), {"affine": False, "momentum": 0.3}),
    ("BatchNorm1d", (4,), {"track_running_stats": False}),
    ("BatchNorm2d", (4,), {}),
    ("BatchNorm3d", (4,), {}),
    ("LayerNorm", (4,), {}),
    ("LayerNorm", ((4,),), {"elementwise_affine": False, "eps": 1e-2}),
    ("LayerNorm", (4,), {"bias": False}),
    ("GroupNorm", (2, 4), {}),
    ("GroupNorm", (1, 4), {"affine": False, "eps": 1e-3}),
    ("InstanceNorm1d", (4,), {}),
    ("InstanceNorm2d", (4,), {"affine": True, "eps": 1e-2}),
    ("InstanceNorm3d", (4,), {"affine": True}),
]
ACTIVATIONS = [
    *((name, {}) for name in ("ReLU", "Sigmoid", "Tanh", "ReLU6", "SELU", "SiLU", "Mish")),
    *((name, {}) for name in ("LogSigmoid", "Softsign", "Hardswish", "LeakyReLU", "ELU", "CELU")),
    *((name, {}) for name in ("GELU", "Softplus", "Hardtanh", "Identity", "Hardsigmoid")),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ELU", {"alpha": 0.5}),
    ("CELU", {"alpha": 0.5}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {"beta": 2.0, "threshold": 1.0}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 0.25}),
    ("Softmax", {"dim": 1}),
    ("LogSoftmax", {"dim": -1}),
    ("PReLU", {}),
    ("PReLU", {"num_parameters": 4, "init": 0.1}),
]
WEIGHTS = [0.5, 1.0, 2.0]
LOSSES = [
    *((name, {}, "numbers") for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss")),
    ("HuberLoss", {"delta": 0.3}, "numbers"),
    ("SmoothL1Loss", {"beta": 0.3}, "numbers"),
    ("SmoothL1Loss", {"beta": 0.0}, "numbers"),
    ("BCEWithLogitsLoss", {}, "shares"),
    ("BCEWithLogitsLoss", {"weight": WEIGHTS, "pos_weight": WEIGHTS[::-1]}, "shares"),
    ("CrossEntropyLoss", {}, "labels"),
    ("CrossEntropyLoss", {"weight": WEIGHTS}, "labels"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, "labels"),
    ("CrossEntropyLoss", {"ignore_index": 1}, "labels"),
    ("CrossEntropyLoss", {"weight": WEIGHTS, "label_smoothing": 0.2, "ignore_index": 2}, "labels"),
    ("CrossEntropyLoss", {}, "probabilities"),
    ("CrossEntropyLoss", {"weight": WEIGHTS, "label_smoothing": 0.2}, "probabilities"),
]
AFTER = {
    "BCELoss": ("Sigmoid", {}, "shares"),
    "NLLLoss": ("LogSoftmax", {"dim": 1}, "labels"),
    "KLDivLoss": ("LogSoftmax", {"dim": 1}, "probabilities"),
}
OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.2, "amsgrad": True}),
]
CLIPS = [
    ("clip_grad_norm_", (0.05,)),
    ("clip_grad_norm_", (0.05, 1.0)),
    ("clip_grad_norm_", (0.01, np.inf)),
    ("clip_grad_value_", (0.01,)),
]


@pytest.fixture
def torch(peer):
    return peer("torch")


def both(torch, name, arguments=(), options=None):
    """Make our layer and PyTorch's of the same name, in float64."""
    options = options or {}
    theirs = getattr(torch.nn, name)(*arguments, **options).double()
    learns = any(True for _ in theirs.parameters()) or any(True for _ in theirs.buffers())
    return getattr(nn, name)(*arguments, **options, **(F64 if learns else {})), theirs


def same_start(torch, ours, theirs):
    """Copy our parameters and buffers into PyTorch's module: it has the same names for them."""
    theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})


def chain(torch, *parts):
    """Put pairs of layers into a pair of networks with the same start."""
    ours, theirs = (nn.Sequential(*(p[i] for p in parts)) if i == 0 else
                    torch.nn.Sequential(*(p[i] for p in parts)) for i in (0, 1))  # fmt: skip
    rng = np.random.default_rng(7)
    for p in ours.parameters():
        p.data = rng.uniform(-0.7, 0.7, p.shape)
    same_start(torch, ours, theirs)
    return ours, theirs


def target_of(kind, rng, n=8):
    if kind == "labels":
        return np.array([0, 1, 2, 0, 1, 2, 2, 0])
    if kind == "numbers":
        return rng.normal(size=(n, 3))
    shares = rng.random((n, 3))
    return shares if kind == "shares" else shares / shares.sum(axis=1, keepdims=True)


def train(torch, pair, losses, x, target, rule=("SGD", {}), clip=None, lr=0.05):
    """Train both for 20 steps on new batches, and compare every loss and all that they hold."""
    (ours, theirs), (our_loss, their_loss) = pair, losses
    name, options = rule
    step = getattr(optim, name)(ours.parameters(), lr=lr, **options)
    their_step = getattr(torch.optim, name)(theirs.parameters(), lr=lr, **options)
    batch = np.random.default_rng(5)
    for _ in range(STEPS):
        given = x + batch.normal(size=x.shape) * 0.1
        loss, their = our_loss(ours(given), target), their_loss(
            theirs(torch.tensor(given)), torch.tensor(target)
        )  # fmt: skip
        step.zero_grad()
        their_step.zero_grad()
        loss.backward()
        their.backward()
        if clip:
            norm = getattr(nn.utils, clip[0])(ours.parameters(), *clip[1])
            expected = getattr(torch.nn.utils, clip[0])(theirs.parameters(), *clip[1])
            assert expected is None is norm or norm == pytest.approx(expected.item(), rel=RTOL)
        step.step()
        their_step.step()
        assert loss.item() == pytest.approx(their.item(), rel=RTOL, abs=ATOL)
    same_state(ours, theirs)


def same_state(ours, theirs):
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, state[name].numpy(), RTOL, ATOL, err_msg=name)


def squares(torch):
    return nn.MSELoss(), torch.nn.MSELoss()


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_weights(torch, name):
    arguments, options = LAYERS[name]
    ndim = "LinearConv1dConv2dConv3d".index(name) // 6
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, *(7, 6, 5)[:ndim]))
    layer = both(torch, name, arguments, options)
    pair = chain(torch, layer, both(torch, "Tanh"))
    train(torch, pair, squares(torch), x, rng.normal(size=pair[0](x).shape))


@pytest.mark.covered
@pytest.mark.parametrize(("name", "arguments", "options"), NORMS)
def test_norms_in_training_and_after_it(torch, name, arguments, options):
    rng = np.random.default_rng(0)
    shape = {"2": (6, 4, 3, 2), "3": (6, 4, 2, 3, 2)}.get(name[-2], (6, 4))
    shape = (6, 4, 5) if name == "InstanceNorm1d" else shape
    x = rng.normal(2.0, 3.0, size=shape)
    before, after = (
        both(torch, "Linear", (shape[-1], shape[-1]), {"bias": False}),  # a norm takes it away
        both(torch, "Linear", (shape[-1], 2)),
    )
    pair = chain(torch, before, both(torch, name, arguments, options), both(torch, "ReLU"), after)
    train(torch, pair, squares(torch), x, rng.normal(size=(*shape[:-1], 2)))
    train(torch, [part.eval() for part in pair], squares(torch), x, np.zeros((*shape[:-1], 2)))
    assert not pair[0][1].training


def test_a_batch_norm_takes_a_sequence_and_a_plane_of_many_channels(torch):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    pair = chain(torch, both(torch, "BatchNorm1d", (4,)))
    train(torch, pair, squares(torch), x, np.ones((3, 4, 5)))


@pytest.mark.covered
@pytest.mark.parametrize(("name", "options"), ACTIVATIONS)
def test_activations(torch, name, options):
    rng = np.random.default_rng(1)
    x, first, last = rng.normal(0, 2, (8, 5)), (5, 4), (4, 3)
    pair = chain(
        torch, both(torch, "Linear", first), both(torch, name, (), options),
        both(torch, "Linear", last),
    )  # fmt: skip
    if name in ("Hardsigmoid", "CELU"):  # PyTorch holds their 1/6 and 1/α in float32
        options = {"rtol": 1e-6}
        y, z = pair[0](x), pair[1](torch.tensor(x))
        np.testing.assert_allclose(y.data, z.detach().numpy(), **options)
        y.sum().backward()
        z.sum().backward()
        for p, q in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), **options)
    else:
        train(torch, pair, squares(torch), x, rng.normal(size=(8, 3)))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("name", "options", "kind"), LOSSES)
def test_losses(torch, name, options, kind, reduction):
    rng = np.random.default_rng(2)
    pair = chain(torch, both(torch, "Linear", (5, 3)))
    kept = {n: np.array(o) if isinstance(o, list) else o for n, o in options.items()}
    theirs = {n: torch.tensor(o) if isinstance(o, np.ndarray) else o for n, o in kept.items()}
    losses = (
        getattr(nn, name)(reduction=reduction, **kept),
        getattr(torch.nn, name)(reduction=reduction, **theirs),
    )
    train(torch, pair, losses, rng.normal(size=(8, 5)), target_of(kind, rng), lr=0.01)
    single = (getattr(nn, name)(reduction="none", **kept),
              getattr(torch.nn, name)(reduction="none", **theirs))  # fmt: skip
    x, target = rng.normal(size=(8, 3)), target_of(kind, rng)
    each = single[1](torch.tensor(x), torch.tensor(target)).numpy()
    np.testing.assert_allclose(single[0](Value(x), target).data, each, RTOL, ATOL)


@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
@pytest.mark.parametrize("name", AFTER)
def test_losses_of_probabilities(torch, name, reduction):
    layer, options, kind = AFTER[name]
    if reduction == "batchmean" and name != "KLDivLoss":
        return
    rng = np.random.default_rng(2)
    pair = chain(torch, both(torch, "Linear", (5, 3)), both(torch, layer, (), options))
    losses = (getattr(part, name)(reduction=reduction) for part in (nn, torch.nn))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's "mean" of a divergence is not the mathematics'
        train(torch, pair, tuple(losses), rng.normal(size=(8, 5)), target_of(kind, rng), lr=0.01)


@pytest.mark.parametrize(
    ("rule", "clip"),
    [
        *((rule, None) for rule in OPTIMIZERS),
        *((rule, clip) for clip in CLIPS for rule in OPTIMIZERS[1::6]),
    ],
)
def test_optimizers(torch, rule, clip):
    rng = np.random.default_rng(3)
    layers = (("Linear", (5, 6)), ("GELU", ()), ("Linear", (6, 3)))
    pair = chain(torch, *(both(torch, *layer) for layer in layers))
    losses = nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    x = rng.normal(size=(8, 5))
    train(torch, pair, losses, x, target_of("labels", rng), rule, clip)


def test_dropout_with_the_same_masks(torch):
    rng = np.random.default_rng(4)
    masks = np.random.default_rng(9).random((STEPS, 8, 6)) >= 0.3

    class Dropped(torch.nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * torch.tensor(masks[self.calls - 1] / (1 - 0.3))

    dropout = nn.Dropout(0.3, rng=9)
    pair = chain(
        torch, both(torch, "Linear", (5, 6)), (dropout, Dropped()), both(torch, "Linear", (6, 3))
    )
    train(torch, pair, squares(torch), rng.normal(size=(8, 5)), rng.normal(size=(8, 3)))


def test_a_convolutional_net_of_all_of_it(torch):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(8, 1, 6, 6))
    pair = chain(
        torch,
        both(torch, "Conv2d", (1, 4, 3), {"padding": 1, "bias": False}),
        both(torch, "BatchNorm2d", (4,)),
        both(torch, "LeakyReLU"),
        (nn.MaxPool2d(2), torch.nn.MaxPool2d(2)),
        both(torch, "Flatten"),
        both(torch, "Linear", (36, 8)),
        both(torch, "LayerNorm", (8,)),
        both(torch, "GELU"),
        both(torch, "Linear", (8, 3)),
    )
    losses = [part.CrossEntropyLoss(label_smoothing=0.1) for part in (nn, torch.nn)]
    clip = ("clip_grad_norm_", (0.5,))
    train(torch, pair, losses, x, target_of("labels", rng), ("AdamW", {}), clip, lr=0.01)


def test_reprs(torch):
    for name, arguments, options in [
        *((name, *LAYERS[name]) for name in LAYERS),
        *NORMS,
        *((name, (), options) for name, options in ACTIVATIONS),
        ("Flatten", (), {}),
        ("MaxPool1d", (3,), {"stride": 2, "padding": 1}),
        ("MaxPool2d", ((2, 3),), {"ceil_mode": True}),
        ("AvgPool2d", (2,), {}),
        ("AdaptiveAvgPool2d", (3,), {}),
        *((name, (), {}) for name in ("MSELoss", "CrossEntropyLoss", "BCEWithLogitsLoss")),
    ]:
        ours, theirs = both(torch, name, arguments, options)
        assert repr(nn.Sequential(ours)) == repr(torch.nn.Sequential(theirs))
