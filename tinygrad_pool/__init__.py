"""Automatic differentiation to look at: build small networks, draw them, step through backward.

>>> import tinygrad_pool as tg
>>> x1, x2 = tg.Value(1.0, label="x1"), tg.Value(3.0, label="x2")
>>> z = tg.maximum(x1, x2)
>>> z.backward()
>>> x1.grad, x2.grad
(0.0, 1.0)
"""

from tinygrad_pool.engine import Value, backward_steps, grad, lift
from tinygrad_pool.graph import Step
from tinygrad_pool.operations import (
    abs,
    avg_pool2d,
    broadcast_to,
    clip,
    concatenate,
    conv1d,
    conv2d,
    conv3d,
    cos,
    exp,
    expand_dims,
    expm1,
    log,
    log1p,
    log_softmax,
    logsumexp,
    matmul,
    max_pool2d,
    maximum,
    minimum,
    relu,
    sigmoid,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    stack,
    tanh,
    weighted_sum,
    where,
)
from tinygrad_pool.setting import checked, no_grad, scope

__version__ = "0.1.0"

__all__ = [
    "Step",
    "Value",
    "abs",
    "avg_pool2d",
    "backward_steps",
    "broadcast_to",
    "checked",
    "clip",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv3d",
    "cos",
    "exp",
    "expand_dims",
    "expm1",
    "grad",
    "lift",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max_pool2d",
    "maximum",
    "minimum",
    "no_grad",
    "relu",
    "scope",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "tanh",
    "weighted_sum",
    "where",
]
