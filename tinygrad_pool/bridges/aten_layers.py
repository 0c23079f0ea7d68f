"""PyTorch's layers on Values: convolutions, pools, activations, norms and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool import functional
from tinygrad_pool.bridges.aten_shapes import pad
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.functional import activations, layers, losses
from tinygrad_pool.rules.moves import pick_cells


@translates("aten.conv1d", "aten.conv2d", "aten.conv3d")
def conv(x: Any, w: Any, b: Any = None, *windows: Any) -> Any:
    """Slide weights over the last axes; then come stride, padding, dilation and groups."""
    return getattr(functional, f"conv{len(w.shape) - 2}d")(x, w, b, *map(_per_axis, windows))


@translates("aten.convolution")
def convolution(x: Any, w: Any, b: Any, *options: Any) -> Any:
    """Slide weights over the last axes, or spread each element to all that the weights reach.

    The options are stride, padding, dilation, transposed, output_padding and groups. A transposed
    convolution is one of x, with zeros between its elements, by the reversed weights.
    """
    stride, padding, dilation, transposed, output_padding, groups = options
    if not transposed:
        return conv(x, w, b, stride, padding, dilation, groups)
    n = w.ndim - 2
    cells, sides = np.arange(1, x.size + 1).reshape(x.shape), [(0, 0)] * (x.ndim - n)
    per_axis = (np.broadcast_to(o, n).tolist() for o in (stride, padding, dilation, output_padding))
    for k, s, p, d, more in zip(w.shape[2:], *per_axis, strict=True):
        axis, reach = len(sides), d * (k - 1) - p
        between = np.repeat(np.arange(1, x.shape[axis]), s - 1)
        cells = np.insert(cells, between, 0, axis=axis)
        sides.append((reach, reach + more))
    parts = np.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    swapped = np.swapaxes(parts, 1, 2).reshape(groups * w.shape[1], -1, *w.shape[2:])
    reversed_weights = np.flip(swapped, tuple(range(2, w.ndim)))
    return conv(pick_cells(x, pad(cells, sides)), reversed_weights, b, 1, 0, dilation, groups)


def _per_axis(option: Any) -> Any:
    """Return a list of one number, meant for all axes, as that number, and an empty one as None."""
    if isinstance(option, list | tuple):
        return tuple(option) if len(option) > 1 else next(iter(option), None)
    return option


def _pool(name: str, **options: Any) -> Callable[..., Any]:
    pool = getattr(functional, name)
    return lambda x, *windows: pool(x, *map(_per_axis, windows), **options)


for _n in ("1d", "2d", "3d"):
    for _name in (f"max_pool{_n}", f"avg_pool{_n}", f"adaptive_avg_pool{_n}"):
        TRANSLATIONS[f"aten.{_name}"] = _pool(_name)
    for _name, _suffix in ((f"max_pool{_n}", "_with_indices"), (f"adaptive_max_pool{_n}", "")):
        TRANSLATIONS[f"aten.{_name}{_suffix}"] = _pool(_name, return_indices=True)


@translates("aten._native_batch_norm_legit_functional")
def batch_norm(x: Any, w: Any, b: Any, mean: Any, variance: Any, *options: Any) -> tuple[Any, ...]:
    """Normalize each channel over the batch; also return the new running mean and variance."""
    mean, variance = (None if old is None else np.array(old) for old in (mean, variance))
    y = layers.batch_norm(x, mean, variance, w, b, *options)
    return y, None, None, mean, variance


@translates("aten.instance_norm")
def instance_norm(x: Any, w: Any, b: Any, mean: Any, variance: Any, *options: Any) -> Any:
    """Normalize each channel of each example, and update running statistics if there are any.

    In evaluation, the running statistics are used.
    """
    training, momentum, eps, _ = options  # the last is for cuDNN
    if not training:
        return layers.batch_norm(x, mean, variance, w, b, False, eps=eps)
    if mean is not None:
        planes = np.reshape(data_of(x), (*x.shape[:2], -1))
        mean += momentum * (planes.mean((0, 2)) - mean)
        variance += momentum * (planes.var(2, ddof=1).mean(0) - variance)
    return layers.instance_norm(x, None, None, w, b, eps=eps)


ACTIVATIONS = """
celu elu erf erfc gelu hardsigmoid hardswish hardtanh leaky_relu mish prelu relu6 selu silu softplus
"""
SIMPLE: dict[str, Callable[..., Any]] = {
    **{name: getattr(activations, name) for name in ACTIVATIONS.split()},
    "log_sigmoid": activations.logsigmoid,
    "threshold": lambda x, least, value: np.where(data_of(x) > least, x, value),
    "linear": layers.linear,
    "layer_norm": lambda *operands: layers.layer_norm(*operands[:5]),  # the sixth is for cuDNN
    "group_norm": lambda *operands: layers.group_norm(*operands[:5]),
    "bernoulli": lambda x, p: (np.random.default_rng().random(x.shape) < p).astype(x.dtype),
    "_native_batch_norm_legit": lambda x, w, b, *more: batch_norm(x, w, b, None, None, *more),
    "_native_batch_norm_legit_no_training": lambda x, w, b, mean, variance, *more: batch_norm(
        x, w, b, mean, variance, False, *more
    ),
}
TRANSLATIONS.update({f"aten.{name}": f for name, f in SIMPLE.items()})

REDUCTIONS = ("none", "mean", "sum")
"""PyTorch's graphs number them."""

LOSSES = {
    **dict.fromkeys(("mse_loss", "l1_loss"), "reduction"),
    "huber_loss": "reduction delta",
    "smooth_l1_loss": "reduction beta",
    "binary_cross_entropy": "weight reduction",
    "binary_cross_entropy_with_logits": "weight pos_weight reduction",
    "cross_entropy": "weight reduction ignore_index label_smoothing",
    "nll_loss": "weight reduction ignore_index",
}
"""The options of each loss in PyTorch's order, after the two arrays that it compares."""


def _loss(name: str) -> Callable[..., Any]:
    def loss(x: Any, y: Any, *given: Any) -> Any:
        options = dict(zip(LOSSES[name].split(), given, strict=False))
        options["reduction"] = REDUCTIONS[options.get("reduction", 1)]
        return getattr(losses, name)(x, y, **options)

    return loss


RENAMED = {"cross_entropy": "cross_entropy_loss", "nll_loss": "nll_loss_nd"}
TRANSLATIONS.update({f"aten.{RENAMED.get(name, name)}": _loss(name) for name in LOSSES})
