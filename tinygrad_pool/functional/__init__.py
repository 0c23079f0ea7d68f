"""Every operation, under the name that NumPy or PyTorch has for it.

Pooling and convolution are loaded when they are first asked for; and so is what else NumPy has,
under its own names: `tg.functional.var`, `tg.functional.einsum`, `tg.functional.norm`.
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
        """Load a pool, a convolution or a function of NumPy's when it is first asked for."""
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        kind = next(kind for start, kind in _KINDS.items() if name.startswith(start))
        kind = kind if name in __all__ else "numpy_functions"
        globals()[name] = found = getattr(import_module(f"{__name__}.{kind}"), name)
        return found


_KINDS = {"adaptive": "adaptive_pooling", "conv": "convolution", "": "pooling"}

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
    "broadcast_to",
    "clip",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv3d",
    "cos",
    "exp",
    "expand_dims",
    "expm1",
    "log",
    "log1p",
    "log_softmax",
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
    "relu",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "sum",
    "tanh",
    "weighted_sum",
    "where",
]
