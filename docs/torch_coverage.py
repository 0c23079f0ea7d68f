"""Compare every layer, loss, function, optimizer and schedule with PyTorch's.

`python docs/torch_coverage.py` rewrites reference/nn.md; it needs PyTorch.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch

from tinygrad_pool import Value, functional, nn, optim

PAGE = Path(__file__).parent / "reference" / "nn.md"
RTOL, ATOL = 1e-12, 1e-13
STEPS = 20
RNG = np.random.default_rng(0)
X = {
    "row": RNG.normal(size=(6, 4)),
    "line": RNG.normal(size=(2, 4, 9)),
    "plane": RNG.normal(size=(2, 4, 6, 7)),
    "space": RNG.normal(size=(2, 4, 5, 4, 6)),
    "positive": RNG.uniform(0.5, 2.0, size=(2, 4, 9)),
}
SHARES = RNG.random((6, 4))
TARGETS = {
    "numbers": RNG.normal(size=(6, 4)),
    "shares": SHARES,
    "labels": np.array([0, 3, 1, 2, 2, 0]),
    "probabilities": SHARES / SHARES.sum(axis=1, keepdims=True),
}
W = np.array([0.5, 1.0, 2.0, 3.0])
M = RNG.normal(size=(3, 4))
NAMES = {"np": np, "W": W, "M": M, "inf": np.inf}
OF_NUMBERS = "Tanh Sigmoid ReLU ReLU6 SELU SiLU Mish LogSigmoid Softsign Hardswish Identity Flatten"
LAYERS = {
    **{f"{name}()": "row" for name in OF_NUMBERS.split()},
    "Hardsigmoid()": "row",
    "LeakyReLU(0.2)": "row",
    "ELU(alpha=0.5)": "row",
    "CELU(alpha=0.5)": "row",
    "GELU()": "row",
    "GELU(approximate='tanh')": "row",
    "Softplus(beta=2.0, threshold=1.0)": "row",
    "Hardtanh(-0.5, 0.25)": "row",
    "PReLU(4)": "row",
    "Softmax(dim=-1)": "row",
    "LogSoftmax(dim=-1)": "row",
    "Dropout(0.5).eval()": "row",
    "Linear(4, 3)": "row",
    "Conv1d(4, 6, 3, stride=2, padding=1, groups=2)": "line",
    "Conv1d(4, 6, 3, padding='same')": "line",
    "Conv2d(4, 6, (3, 2), dilation=(1, 2), bias=False)": "plane",
    "Conv3d(4, 2, 2)": "space",
    "BatchNorm1d(4)": "row",
    "BatchNorm1d(4).eval()": "line",
    "BatchNorm2d(4, momentum=None)": "plane",
    "BatchNorm3d(4, affine=False)": "space",
    "LayerNorm(4)": "row",
    "LayerNorm((6, 7), bias=False)": "plane",
    "GroupNorm(2, 4)": "plane",
    "InstanceNorm1d(4)": "line",
    "InstanceNorm2d(4, affine=True)": "plane",
    "InstanceNorm3d(4, affine=True)": "space",
    "MaxPool1d(3, stride=2, padding=1)": "line",
    "MaxPool2d((2, 3), dilation=2, ceil_mode=True)": "plane",
    "MaxPool3d(2)": "space",
    "AvgPool1d(3, stride=1, padding=1, count_include_pad=False)": "line",
    "AvgPool2d(2, ceil_mode=True)": "plane",
    "AvgPool3d(2, divisor_override=3)": "space",
    "LPPool1d(3, 2)": "positive",
    "LPPool2d(2, 2)": "plane",
    "LPPool3d(2, 2)": "space",
    "AdaptiveMaxPool1d(4)": "line",
    "AdaptiveMaxPool2d((3, None))": "plane",
    "AdaptiveMaxPool3d(2)": "space",
    "AdaptiveAvgPool1d(4)": "line",
    "AdaptiveAvgPool2d((3, None))": "plane",
    "AdaptiveAvgPool3d(2)": "space",
    **{f"MaxUnpool{n}d(2)": x for n, x in enumerate(("line", "plane", "space"), 1)},
    "Sequential(nn.Linear(4, 3), nn.Tanh())": "row",
    "ModuleList([nn.Linear(4, 3)])": "row",
}
"""A call that makes each layer, and the key of its input in X."""

LOSSES = {
    "MSELoss()": "numbers",
    "L1Loss(reduction='sum')": "numbers",
    "HuberLoss(delta=0.3)": "numbers",
    "SmoothL1Loss(beta=0.3)": "numbers",
    "BCEWithLogitsLoss(weight=W, pos_weight=W)": "shares",
    "BCELoss()": "shares",
    "KLDivLoss(reduction='batchmean')": "probabilities",
    "NLLLoss(weight=W)": "labels",
    "CrossEntropyLoss(weight=W, ignore_index=1, label_smoothing=0.1)": "labels",
    "CrossEntropyLoss(reduction='none')": "probabilities",
}
PLAIN = "relu sigmoid tanh relu6 selu silu mish logsigmoid softsign hardsigmoid hardswish gelu"
FUNCTIONS = {
    **dict.fromkeys((*PLAIN.split(), "softplus", "hardtanh", "elu", "celu"), "()"),
    "leaky_relu": "(0.2)",
    "prelu": "(W)",
    "linear": "(M)",
    "dropout": "(0.5, training=False)",
    "batch_norm": "(None, None, W, W, training=True)",
    "layer_norm": "((4,), W, W)",
    "group_norm": "(2, W)",
    "mse_loss": "(numbers)",
    "l1_loss": "(numbers)",
    "huber_loss": "(numbers, delta=0.3)",
    "smooth_l1_loss": "(numbers, beta=0.3)",
    "binary_cross_entropy_with_logits": "(shares)",
    "cross_entropy": "(labels, label_smoothing=0.1)",
    "nll_loss": "(labels, weight=W)",
    "kl_div": "(probabilities, reduction='batchmean')",
}
OPTIMIZERS = {
    "SGD(lr=0.1)": "",
    "SGD(lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01)": "",
    "SGD(lr=0.1, momentum=0.9, nesterov=True)": "",
    "Adam(lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)": "",
    "Adam(lr=0.1, amsgrad=True)": "",
    "AdamW(lr=0.1)": "",
    "AdamW(lr=0.1, weight_decay=0.2)": "clip_grad_norm_(0.5)",
    "SGD(lr=0.2)": "clip_grad_value_(0.1)",
}
"""Each takes 20 steps, after the clipping that is given with it."""

SCHEDULES = {
    "StepLR(step_size=3, gamma=0.5)": "",
    "ExponentialLR(gamma=0.9)": "",
    "CosineAnnealingLR(T_max=15, eta_min=0.01)": "",
    "LambdaLR(lr_lambda=lambda t: 1 / (1 + t))": "",
}
"""Each sets the learning rate of 20 epochs."""

KNOWN = {
    "Hardsigmoid": "equal to float32: PyTorch's backward computes 1/6 in float32",
    "hardsigmoid": "equal to float32: PyTorch's backward computes 1/6 in float32",
    "CELU": "equal to float32: PyTorch computes 1/α in float32",
    "LPPool1d": "equal for positive numbers; here magnitudes are summed, so any power is a norm",
    "LPPool2d": "equal; here magnitudes are summed, as in LPPool1d",
    "LPPool3d": "equal; here magnitudes are summed, as in LPPool1d",
    "Dropout": "equal in evaluation; in training the masks come from NumPy's generator, `rng=`",
}
"""Remarks on some of them."""

ONLY_FLOAT32 = {"Hardsigmoid", "hardsigmoid", "CELU"}


def name_of(call: str) -> str:
    """Return the name in a call."""
    return call.partition("(")[0]


def to_torch(x: Any) -> Any:
    """Convert an array to a tensor; return anything else unchanged."""
    return torch.tensor(x) if isinstance(x, np.ndarray) else x


def made(call: str) -> tuple[Any, Any]:
    """Make our layer and PyTorch's by the same call, in float64, with the same parameters."""
    ours = eval(f"nn.{call}", {"nn": nn, **NAMES})
    theirs = eval(f"nn.{call}", {"nn": torch.nn, **{n: to_torch(x) for n, x in NAMES.items()}})
    for module in ours.modules():
        for name, part in list(vars(module).items()):
            if isinstance(part, Value):
                setattr(module, name, Value(np.asarray(part.data, float), label=name))
            elif isinstance(part, np.ndarray) and part.dtype == np.float32:
                module.register_buffer(name, part.astype(float))
    theirs.double().load_state_dict({n: torch.tensor(a) for n, a in ours.state_dict().items()})
    return ours, theirs


def same(name: str, ours: Any, theirs: Any) -> None:
    """Raise AssertionError unless our numbers equal those of a tensor."""
    rtol = 1e-6 if name in ONLY_FLOAT32 else RTOL
    got, expected = np.asarray(ours), theirs.detach().numpy()
    np.testing.assert_allclose(got, expected, rtol, rtol / 10, err_msg=name)


def compare(name: str, ours: Any, theirs: Any, x: Any, *more: Any) -> None:
    """Run both on x; compare results and the gradients of x and of the parameters."""
    v, t = Value(x), torch.tensor(x, requires_grad=True)
    y, z = ours(v, *more), theirs(t, *map(to_torch, more))
    same(name, y.data, z)
    g = np.random.default_rng(1).normal(size=y.shape)
    y.backward(gradient=g)
    z.backward(torch.tensor(g))
    same(name, v.grad, t.grad)
    if isinstance(ours, nn.Module):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            same(name, p.grad, q.grad)
        for key, array in ours.state_dict().items():
            same(name, array, theirs.state_dict()[key])


def unpooled(call: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return our function that pools and unpools, and PyTorch's."""
    pools = [eval(f"nn.{call.replace('Unp', 'P')[:-1]}, return_indices=True)", {"nn": part})
             for part in (nn, torch.nn)]  # fmt: skip
    ours, theirs = made(call)
    return (
        lambda x: ours(*pools[0](x), output_size=x.shape),
        lambda x: theirs(*pools[1](x), output_size=x.shape),
    )


def run_layer(call: str) -> None:
    """Compare a layer with PyTorch's."""
    x = X[LAYERS[call]]
    if call.startswith("ModuleList"):
        ours, theirs = made(call)
        compare("ModuleList", ours[0], theirs[0], x)
    else:
        compare(name_of(call), *(unpooled if "Unpool" in call else made)(call), x)


def run_loss(call: str) -> None:
    """Compare a loss with PyTorch's."""
    x = X["row"]
    if name_of(call) in ("BCELoss", "KLDivLoss", "NLLLoss"):
        x = 1 / (1 + np.exp(-x)) if call.startswith("BCE") else x - np.abs(x)
    compare(name_of(call), *made(call), x, TARGETS[LOSSES[call]])


def run_function(name: str) -> None:
    """Compare a function with PyTorch's."""
    names = {**NAMES, **TARGETS}
    given: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        eval(f"(lambda *a, **k: (a, k)){FUNCTIONS[name]}", {n: to(x) for n, x in names.items()})
        for to in (lambda x: x, to_torch)
    ]
    f, g = getattr(functional, name), getattr(torch.nn.functional, name)
    (ours, our_options), (theirs, their_options) = given
    compare(
        name,
        lambda x: f(x, *ours, **our_options),
        lambda x: g(x, *theirs, **their_options),
        X["row"],
    )


def run_optimizer(call: str) -> None:
    """Compare 20 steps with PyTorch's."""
    options = eval(f"dict{call[len(name_of(call)) :]}")
    start = RNG.normal(size=(3, 2))
    w, t = Value(start), torch.tensor(start, requires_grad=True)
    ours = getattr(optim, name_of(call))([w], **options)
    theirs = getattr(torch.optim, name_of(call))([t], **options)
    clip, _, limit = OPTIMIZERS[call].rstrip(")").partition("(")
    for _ in range(STEPS):
        for p, step, tools in ((w, ours, nn.utils), (t, theirs, torch.nn.utils)):
            step.zero_grad()
            ((p - 1.0) ** 4).sum().backward()
            if clip:
                getattr(tools, clip)([p], float(limit))
            step.step()
        same(call, w.data, t)


def run_schedule(call: str) -> None:
    """Compare the rates of 20 epochs with PyTorch's."""
    options, name = eval(f"dict{call[len(name_of(call)) :]}"), name_of(call)
    ours, theirs = (
        getattr(part.lr_scheduler, name)(part.SGD([p], lr=0.1), **options)
        for part, p in ((optim, Value(1.0)), (torch.optim, torch.ones(1, requires_grad=True)))
    )
    for _ in range(STEPS):
        same(call, ours.get_last_lr(), torch.tensor(theirs.get_last_lr(), dtype=torch.float64))
        theirs.optimizer.step()
        ours.step()
        theirs.step()


def subclasses_in(part: Any, kind: type) -> list[str]:
    """List the subclasses of a class in a module of PyTorch."""
    return [
        name
        for name, c in inspect.getmembers(part, inspect.isclass)
        if issubclass(c, kind) and c is not kind
    ]


def table(title: str, calls: dict[str, str], run: Callable[[str], None]) -> Iterator[str]:
    """Run each call, and yield the lines of a table of results."""
    yield f"| {title} | called as | numbers and gradients |"
    yield "| --- | --- | --- |"
    for call in calls:
        run(call)
        name = name_of(call)
        rest = FUNCTIONS.get(name, "")[1:]
        shown = call if call not in FUNCTIONS else f"{name}(x{', ' if rest != ')' else ''}{rest}"
        yield f"| `{name}` | `{shown}` | {KNOWN.get(name, 'equal')} |"


HEAD = """# Networks compared with PyTorch's

Layers, losses and functions with a name from PyTorch have PyTorch's defaults and formulas.
`python docs/torch_coverage.py` runs each of them in both libraries, in float64 and from the same
parameters, and compares results, gradients and running statistics to 1e−12. Optimizers and
schedules are compared after each of 20 steps. The script writes this page, and a test runs it
again.

A few arguments differ. `rng=` is a NumPy generator or a seed, and `dtype` is float32 by default.
Arguments that only concern devices, memory or older versions (`device`, `inplace`, `size_average`)
do not exist. At a tie, `ties=` chooses. Slopes at kinks are PyTorch's.
"""


def page() -> str:
    """Compare everything, and return the page."""
    here = {name_of(call) for call in (*LAYERS, *LOSSES)}
    layers = subclasses_in(torch.nn, torch.nn.Module)
    steps = subclasses_in(torch.optim, torch.optim.Optimizer)
    missing = [f"`{name}`" for name in layers if name not in here]
    later = [f"`{n}`" for n in steps if n not in {name_of(c) for c in OPTIMIZERS}]
    lines = [HEAD, "## Layers and losses\n"]
    lines += table("`torch.nn`", LAYERS, run_layer)
    lines += ["", *table("loss", LOSSES, run_loss), "", "## Functions\n"]
    lines += table("`torch.nn.functional`", dict.fromkeys(FUNCTIONS, ""), run_function)
    lines += ["", "## Optimizers\n", *table("`torch.optim`", OPTIMIZERS, run_optimizer)]
    lines += [
        "",
        "Two of them run after `nn.utils.clip_grad_norm_` or `clip_grad_value_`. The state of an",
        "optimizer or schedule is saved and loaded as a network's, under PyTorch's names.",
        "",
        *table("`torch.optim.lr_scheduler`", SCHEDULES, run_schedule),
        "",
        "## Not here\n",
        f"Of the {len(layers)} layers and losses of `torch.nn` {len(here & {*layers})} are here.",
        fill(f"These are not: {', '.join(missing)}.", 100) + "\n",
        fill(f"Nor are these of the {len(steps)} optimizers: {', '.join(later)}.", 100) + "\n",
        "Using one of these names raises an error that says what to write instead. A layer of your",
        "own is a `Module` with a `forward`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PAGE.write_text(page(), encoding="utf-8")
