"""PyTorch's layers on Values: products, convolutions, pools, activations, norms and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool import functional
from tinygrad_pool.bridges.aten_shapes import pad
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.functional import activations, layers, losses


@translates("aten.conv1d", "aten.conv2d", "aten.conv3d")
def conv(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Slide weights over the last axes; padding is numbers, "valid" or "same"."""
    options = (*map(_each, (stride, padding, dilation)), groups)
    return getattr(functional, f"conv{len(w.shape) - 2}d")(x, w, b, *options)


@translates("aten.convolution")
def convolution(
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    """Slide weights over the last axes, or spread each element to all that the weights reach.

    The transposed convolution is a convolution of x, with zeros between its elements, by the
    reversed weights.
    """
    if not transposed:
        return conv(x, w, b, stride, padding, dilation, groups)
    n = w.ndim - 2
    sides = [(0, 0)] * (x.ndim - n)
    options = (np.broadcast_to(o, n).tolist() for o in (stride, padding, dilation, output_padding))
    for k, s, p, d, more in zip(w.shape[2:], *options, strict=True):
        axis, reach = len(sides), d * (k - 1) - p
        between = np.repeat(np.arange(1, x.shape[axis]), s - 1)
        x = np.insert(x, between, 0.0, axis=axis) if between.size else x
        sides.append((reach, reach + more))
    parts = np.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    turned = np.transpose(parts, (0, 2, 1, *range(3, parts.ndim)))
    turned = np.reshape(turned, (groups * w.shape[1], -1, *w.shape[2:]))
    turned = np.flip(turned, tuple(range(2, turned.ndim)))
    return conv(pad(x, sides), turned, b, 1, 0, dilation, groups)


def _each(given: Any) -> Any:
    """Return a list of one number, which stands for all axes, as that number; of none, None."""
    if isinstance(given, list | tuple):
        return tuple(given) if len(given) > 1 else next(iter(given), None)
    return given


def _pool(name: str, **options: Any) -> Callable[..., Any]:
    pool = getattr(functional, name)
    return lambda x, *given: pool(x, *map(_each, given), **options)


for _n in (1, 2, 3):
    for _name in (f"max_pool{_n}d", f"avg_pool{_n}d", f"adaptive_avg_pool{_n}d"):
        TRANSLATIONS[f"aten.{_name}"] = _pool(_name)
    TRANSLATIONS[f"aten._adaptive_avg_pool{_n}d"] = _pool(f"adaptive_avg_pool{_n}d")
    for _name, _places in ((f"max_pool{_n}d", "_with_indices"), (f"adaptive_max_pool{_n}d", "")):
        TRANSLATIONS[f"aten.{_name}{_places}"] = _pool(_name, return_indices=True)


@translates("aten._native_batch_norm_legit_functional")
def batch_norm(x: Any, w: Any, b: Any, mean: Any, variance: Any, *options: Any) -> tuple[Any, ...]:
    """Normalize each channel over the batch; return also the new running mean and variance."""
    new = [None if statistic is None else np.array(statistic) for statistic in (mean, variance)]
    y = layers.batch_norm(x, new[0], new[1], w, b, *options)
    return y, None, None, *new


ACTIVATIONS = """
celu elu erf erfc gelu hardsigmoid hardswish hardtanh leaky_relu mish prelu relu6 selu silu softplus
softsign
"""
KEPT: dict[str, Callable[..., Any]] = {
    **{name: getattr(activations, name) for name in ACTIVATIONS.split()},
    "_prelu_kernel": lambda x, slope: np.where(data_of(x) > 0, x, x * slope),
    "log_sigmoid": activations.logsigmoid,
    "threshold": lambda x, least, value: np.where(data_of(x) > least, x, value),
    "linear": layers.linear,
    "layer_norm": lambda *given: layers.layer_norm(*given[:5]),  # the sixth is of cuDNN
    "group_norm": lambda *given: layers.group_norm(*given[:5]),
    "dropout": layers.dropout,
    "bernoulli": lambda x, p: (np.random.default_rng().random(x.shape) < p).astype(x.dtype),
    "_native_batch_norm_legit": lambda x, w, b, *more: batch_norm(x, w, b, None, None, *more),
    "_native_batch_norm_legit_no_training": lambda x, w, b, mean, variance, *more: batch_norm(
        x, w, b, mean, variance, False, *more
    ),
}
TRANSLATIONS.update({f"aten.{name}": f for name, f in KEPT.items()})


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
"""What each takes after the two that it compares, in PyTorch's order."""


def _loss(name: str, takes: list[str]) -> Callable[..., Any]:
    def loss(x: Any, y: Any, *given: Any) -> Any:
        options = dict(zip(takes, given, strict=False))
        options["reduction"] = REDUCTIONS[options.get("reduction", 1)]
        return getattr(losses, name)(x, y, **options)

    return loss


TRANSLATIONS.update({f"aten.{name}": _loss(name, LOSSES[name].split()) for name in LOSSES})
TRANSLATIONS["aten.cross_entropy_loss"] = TRANSLATIONS.pop("aten.cross_entropy")
for _name in ("nll_loss2d", "nll_loss_nd"):
    TRANSLATIONS[f"aten.{_name}"] = TRANSLATIONS["aten.nll_loss"]
