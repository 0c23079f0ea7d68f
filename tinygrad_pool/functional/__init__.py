"""Every operation, under the name that NumPy or PyTorch has for it.

Pooling, convolution, layers, losses and rarer activations are loaded when they are first asked for;
and so is what else NumPy has, under its own names: `tg.functional.var`, `tg.functional.einsum`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_pool.functional.operations import (
    abs,
    broadcast_to,
    clip,
    concatenate,
    cos,
    exp,
    expand_dims,
    expm1,
    log,
    log1p,
    log_softmax,
    logsumexp,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    relu,
    sigmoid,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    stack,
    sum,
    tanh,
    weighted_sum,
    where,
)

if TYPE_CHECKING:
    from tinygrad_pool.functional.activations import (
        celu,
        elu,
        erf,
        erfc,
        gelu,
        hardsigmoid,
        hardswish,
        hardtanh,
        leaky_relu,
        logsigmoid,
        mish,
        prelu,
        relu6,
        selu,
        silu,
        softplus,
        softsign,
    )
    from tinygrad_pool.functional.adaptive_pooling import (
        adaptive_avg_pool1d,
        adaptive_avg_pool2d,
        adaptive_avg_pool3d,
        adaptive_max_pool1d,
        adaptive_max_pool2d,
        adaptive_max_pool3d,
    )
    from tinygrad_pool.functional.convolution import (
        conv1d,
        conv2d,
        conv3d,
    )
    from tinygrad_pool.functional.layers import (
        batch_norm,
        dropout,
        group_norm,
        instance_norm,
        layer_norm,
        linear,
    )
    from tinygrad_pool.functional.losses import (
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
        cross_entropy,
        huber_loss,
        kl_div,
        l1_loss,
        mse_loss,
        nll_loss,
        smooth_l1_loss,
    )
    from tinygrad_pool.functional.pooling import (
        avg_pool1d,
        avg_pool2d,
        avg_pool3d,
        lp_pool1d,
        lp_pool2d,
        lp_pool3d,
        max_pool1d,
        max_pool2d,
        max_pool3d,
        max_unpool1d,
        max_unpool2d,
        max_unpool3d,
    )
else:

    def __getattr__(name: str) -> Any:
        """Load what is used less often, or only NumPy has, when it is first asked for."""
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        kind = next(kind for kind, starts in _KINDS.items() if name.startswith(starts))
        kind = kind if name in __all__ else "numpy_functions"
        globals()[name] = found = getattr(import_module(f"{__name__}.{kind}"), name)
        return found


_KINDS = {
    "adaptive_pooling": ("adaptive",),
    "convolution": ("conv",),
    "pooling": ("avg", "lp", "max"),
    "layers": ("batch", "dropout", "group", "instance", "layer", "linear"),
    "losses": ("binary", "cross", "huber", "kl", "l1", "mse", "nll", "smooth"),
    "activations": ("",),
}
"""The module of what begins so."""

__all__ = [
    "abs",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "broadcast_to",
    "celu",
    "clip",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv3d",
    "cos",
    "cross_entropy",
    "dropout",
    "elu",
    "erf",
    "erfc",
    "exp",
    "expand_dims",
    "expm1",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "instance_norm",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log1p",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mish",
    "mse_loss",
    "nll_loss",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "sin",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "sum",
    "tanh",
    "weighted_sum",
    "where",
]
