"""PyTorch's layers on Values: products, convolutions, pools, activations, norms and losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Any

import numpy as np

from tinygrad_pool import functional
from tinygrad_pool.bridges.aten import same, var
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.functional import operations


@translates("aten.linear")
def linear(x: Any, w: Any, b: Any = None) -> Any:
    """Compute x Wᵀ + b."""
    y = x @ w.T
    return y if b is None else y + b


@translates("aten.addmm", "aten.baddbmm", "aten.addmv")
def addmm(b: Any, x: Any, w: Any, beta: float = 1, alpha: float = 1) -> Any:
    """Compute beta b + alpha x w."""
    y = x @ w if alpha == 1 else (x @ w) * alpha
    return y + (b if beta == 1 else b * beta)


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
    ndim = len(w.shape) - 2
    if padding == "valid":
        padding = 0
    elif padding == "same":
        spread = np.broadcast_to(dilation, ndim) * (np.array(w.shape[2:]) - 1)
        padding = [(n // 2, n - n // 2) for n in spread.tolist()]
    else:
        padding = _each(padding)
    options = (_each(stride), padding, _each(dilation), groups)
    return getattr(functional, f"conv{ndim}d")(x, w, b, *options)


@translates("aten.convolution")
def convolution(
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,  # noqa: ARG001  # of a transposed one
    groups: int,
) -> Any:
    """Slide weights over the last axes, as the general operation says it."""
    if transposed:
        raise UnsupportedError("aten.convolution: a transposed convolution is not translated")
    return conv(x, w, b, stride, padding, dilation, groups)


def _each(given: Any) -> Any:
    """Return a list of one number, which stands for all axes, as that number."""
    if isinstance(given, list | tuple):
        return given[0] if len(given) == 1 else tuple(given)
    return given


def _max_pool(ndim: int, indices: bool) -> Callable[..., Any]:
    pool = getattr(functional, f"max_pool{ndim}d")

    def max_pool(
        x: Any, k: Any, s: Any = (), p: Any = 0, d: Any = 1, ceil_mode: bool = False
    ) -> Any:
        options = (_each(k), _each(s) if s else None, _each(p), _each(d), ceil_mode)
        return pool(x, *options, return_indices=indices)

    return max_pool


def _avg_pool(ndim: int) -> Callable[..., Any]:
    pool = getattr(functional, f"avg_pool{ndim}d")

    def avg_pool(
        x: Any,
        k: Any,
        s: Any = (),
        p: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor: float | None = None,
    ) -> Any:
        options = (_each(k), _each(s) if s else None, _each(p), ceil_mode)
        return pool(x, *options, count_include_pad, divisor)

    return avg_pool


def _adaptive(name: str, **options: Any) -> Callable[..., Any]:
    pool = getattr(functional, name)
    return lambda x, size: pool(x, _each(size), **options)


for _n in (1, 2, 3):
    TRANSLATIONS[f"aten.max_pool{_n}d"] = _max_pool(_n, indices=False)
    TRANSLATIONS[f"aten.max_pool{_n}d_with_indices"] = _max_pool(_n, indices=True)
    TRANSLATIONS[f"aten.avg_pool{_n}d"] = _avg_pool(_n)
    for _name in (f"adaptive_avg_pool{_n}d", f"_adaptive_avg_pool{_n}d"):
        TRANSLATIONS[f"aten.{_name}"] = _adaptive(_name.lstrip("_"))
    TRANSLATIONS[f"aten.adaptive_max_pool{_n}d"] = _adaptive(
        f"adaptive_max_pool{_n}d", return_indices=True
    )


@translates("aten.leaky_relu")
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """Multiply what is not positive by a slope."""
    return np.where(data_of(x) > 0, x, x * slope)


@translates("aten.prelu", "aten._prelu_kernel")
def prelu(x: Any, slope: Any) -> Any:
    """Multiply what is not positive by a slope that is learned, one for each channel."""
    if np.ndim(x) > 1 and np.ndim(slope) == 1 and np.size(data_of(slope)) > 1:
        slope = np.reshape(slope, (-1,) + (1,) * (x.ndim - 2))
    return np.where(data_of(x) > 0, x, x * slope)


@translates("aten.elu")
def elu(x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """Bend what is not positive towards −alpha."""
    bent = np.expm1(np.minimum(x, 0.0) * input_scale) * (alpha * scale)
    return np.where(data_of(x) > 0, x * scale, bent)


TRANSLATIONS["aten.celu"] = lambda x, alpha=1.0: elu(x, alpha, 1.0, 1.0 / alpha)
TRANSLATIONS["aten.selu"] = lambda x: elu(x, 1.6732632423543772, 1.0507009873554805)


@translates("aten.silu")
def silu(x: Any) -> Any:
    """Compute x σ(x)."""
    return x * operations.sigmoid(x)


@translates("aten.softplus")
def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    """Compute ln(1 + exp(beta x)) / beta; x itself above the threshold."""
    scaled = x * beta
    bent = np.log1p(np.exp(np.minimum(scaled, threshold))) * (1 / beta)
    return np.where(data_of(scaled) > threshold, x, bent)


@translates("aten.mish")
def mish(x: Any) -> Any:
    """Compute x tanh(ln(1 + eˣ))."""
    return x * np.tanh(softplus(x))


@translates("aten.log_sigmoid")
def log_sigmoid(x: Any) -> Any:
    """Compute ln σ(x) without overflow."""
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))


@translates("aten.hardsigmoid")
def hardsigmoid(x: Any) -> Any:
    """Limit x + 3 to 0 … 6, over 6."""
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


@translates("aten.hardswish")
def hardswish(x: Any) -> Any:
    """Compute x hardsigmoid(x)."""
    return x * np.clip(x + 3.0, 0.0, 6.0) / 6.0


@translates("aten.gelu")
def gelu(x: Any, approximate: str = "none") -> Any:
    """Compute x Φ(x), Φ of the normal distribution, or its approximation by a tanh."""
    if approximate == "tanh":
        return x * 0.5 * (1.0 + np.tanh((x + x**3 * 0.044715) * sqrt(2 / np.pi)))
    return x * 0.5 * (1.0 + erf(x * sqrt(0.5)))


@translates("aten.threshold")
def threshold(x: Any, least: float, value: float) -> Any:
    """Keep what is above, and put a number for the rest."""
    return np.where(data_of(x) > least, x, value)


@translates("aten.dropout", "aten.native_dropout")
def dropout(x: Any, p: float, train: bool = True) -> Any:
    """Return x, in evaluation. Raises UnsupportedError in training: its numbers are random."""
    if train and p:
        raise UnsupportedError(
            "dropout: in training it is random, and so is not the same here and in PyTorch; "
            "module.eval() before from_torch, or p=0, leaves it out"
        )
    return x


TRANSLATIONS["aten.feature_dropout"] = TRANSLATIONS["aten.alpha_dropout"] = dropout
TRANSLATIONS["aten.rrelu"] = same


def _column(v: Any, ndim: int) -> Any:
    """Give a vector of channels the axes of (n, channels, …)."""
    return np.reshape(v, (-1,) + (1,) * (ndim - 2)) if ndim > 2 else v


def _scaled(x: Any, w: Any, b: Any) -> Any:
    y = x if w is None else x * w
    return y if b is None else y + b


def _normed(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    """Move to mean 0 and scale to variance 1 over axes; return also the mean and 1 / σ."""
    centre = np.mean(x, axis=axes, keepdims=True)
    rstd = 1.0 / np.sqrt(var(x, axes, 0, keepdim=True) + eps)
    return (x - centre) * rstd, centre, rstd


@translates("aten._native_batch_norm_legit_no_training")
def batch_norm_of_running(
    x: Any, w: Any, b: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> Any:
    """Normalize each channel by its running mean and variance: a batch norm in evaluation."""
    del momentum
    rstd = _column(1.0 / np.sqrt(variance + eps), x.ndim)
    y = (x - _column(mean, x.ndim)) * rstd
    return _scaled(y, *(v if v is None else _column(v, x.ndim) for v in (w, b))), mean, rstd


@translates("aten._native_batch_norm_legit_functional")
def batch_norm(
    x: Any, w: Any, b: Any, mean: Any, variance: Any, training: bool, momentum: float, eps: float
) -> Any:
    """Normalize each channel over the batch, and move the running mean and variance."""
    if not training:
        y, centre, rstd = batch_norm_of_running(x, w, b, mean, variance, momentum, eps)
        return y, centre, rstd, mean, variance
    axes = (0, *range(2, x.ndim))
    y, centre, rstd = _normed(x, axes, eps)
    numbers = data_of(x)
    n = numbers.size // x.shape[1]
    moved = numbers.var(axes) * (n / max(n - 1, 1))
    new_mean = (1 - momentum) * mean + momentum * numbers.mean(axes)
    new_variance = (1 - momentum) * variance + momentum * moved
    y = _scaled(y, *(v if v is None else _column(v, x.ndim) for v in (w, b)))
    return y, centre, rstd, new_mean, new_variance


@translates("aten._native_batch_norm_legit")
def batch_norm_without_running(
    x: Any, w: Any, b: Any, training: bool, momentum: float, eps: float
) -> Any:
    """Normalize each channel over the batch, which nobody remembers."""
    del training, momentum
    y, centre, rstd = _normed(x, (0, *range(2, x.ndim)), eps)
    return _scaled(y, *(v if v is None else _column(v, x.ndim) for v in (w, b))), centre, rstd


@translates("aten.layer_norm")
def layer_norm(
    x: Any, shape: Sequence[int], w: Any = None, b: Any = None, eps: float = 1e-5, *_: Any
) -> Any:
    """Normalize over the last axes."""
    return _scaled(_normed(x, tuple(range(-len(shape), 0)), eps)[0], w, b)


@translates("aten.native_layer_norm")
def native_layer_norm(x: Any, shape: Sequence[int], w: Any, b: Any, eps: float) -> Any:
    """Normalize over the last axes; return also the mean and 1 / σ."""
    y, centre, rstd = _normed(x, tuple(range(-len(shape), 0)), eps)
    return _scaled(y, w, b), centre, rstd


@translates("aten.group_norm")
def group_norm(
    x: Any, groups: int, w: Any = None, b: Any = None, eps: float = 1e-5, *_: Any
) -> Any:
    """Normalize over groups of channels."""
    rows = np.reshape(x, (x.shape[0], groups, prod(x.shape[1:]) // groups))
    y = np.reshape(_normed(rows, (2,), eps)[0], x.shape)
    return _scaled(y, *(v if v is None else _column(v, x.ndim) for v in (w, b)))


REDUCTIONS: list[Callable[[Any], Any]] = [same, np.mean, np.sum]


@translates("aten.mse_loss")
def mse_loss(x: Any, y: Any, reduction: int = 1) -> Any:
    """Square the difference."""
    return REDUCTIONS[reduction](np.square(x - y))


@translates("aten.l1_loss")
def l1_loss(x: Any, y: Any, reduction: int = 1) -> Any:
    """Take the size of the difference."""
    return REDUCTIONS[reduction](np.abs(x - y))


@translates("aten.huber_loss")
def huber_loss(x: Any, y: Any, reduction: int = 1, delta: float = 1.0) -> Any:
    """Square small differences, and take the size of large ones."""
    far = np.abs(x - y)
    loss = np.where(data_of(far) < delta, np.square(far) * 0.5, (far - 0.5 * delta) * delta)
    return REDUCTIONS[reduction](loss)


@translates("aten.smooth_l1_loss")
def smooth_l1_loss(x: Any, y: Any, reduction: int = 1, beta: float = 1.0) -> Any:
    """Square small differences, over beta, and take the size of large ones."""
    if beta == 0:
        return l1_loss(x, y, reduction)
    return huber_loss(x, y, reduction, beta) / beta


@translates("aten.binary_cross_entropy")
def binary_cross_entropy(x: Any, y: Any, weight: Any = None, reduction: int = 1) -> Any:
    """Take −y ln x − (1 − y) ln(1 − x), with logarithms of at least −100."""
    logs = (np.maximum(np.log(x), -100.0), np.maximum(np.log1p(-x), -100.0))
    loss = (y - 1.0) * logs[1] - logs[0] * y
    return REDUCTIONS[reduction](loss if weight is None else loss * weight)


@translates("aten.binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    x: Any, y: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1
) -> Any:
    """Take the binary cross entropy of σ(x), without overflow."""
    if pos_weight is None:
        loss = x * (1.0 - y) - log_sigmoid(x)
    else:
        loss = x * (1.0 - y) - log_sigmoid(x) * ((pos_weight - 1.0) * y + 1.0)
    return REDUCTIONS[reduction](loss if weight is None else loss * weight)


@translates("aten.nll_loss_forward", "aten.nll_loss2d_forward")
def nll_loss(x: Any, labels: Any, weight: Any, reduction: int, ignored: int) -> Any:
    """Take −x[label], weighted, and average over the weights; also return their sum."""
    labels = data_of(labels)
    counted = labels != ignored
    safe = np.where(counted, labels, 0)
    key = list(np.indices(safe.shape, sparse=True))
    key.insert(1 if x.ndim > 1 else 0, safe)
    each = np.ones(x.shape[1 if x.ndim > 1 else 0], x.dtype) if weight is None else weight
    share = data_of(each)[safe] * counted
    loss = -x[tuple(key)] * share
    whole = np.sum(share)
    if reduction == 1:
        return np.sum(loss) / whole, whole
    return REDUCTIONS[reduction](loss), whole
