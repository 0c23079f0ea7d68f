"""Automatic differentiation to look at: build small networks, draw them, step through backward.

>>> import tinygrad_pool as tg
>>> x1, x2 = tg.Value(1.0, label="x1"), tg.Value(3.0, label="x2")
>>> z = tg.maximum(x1, x2)
>>> z.backward()
>>> x1.grad, x2.grad
(0.0, 1.0)
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_pool.adaptive_pools import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from tinygrad_pool.engine import Value, lift
from tinygrad_pool.gradients import backward_steps, grad
from tinygrad_pool.graph import Step
from tinygrad_pool.operations import (
    abs,
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
from tinygrad_pool.pools import (
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
from tinygrad_pool.setting import checked, no_grad, scope, traced

if TYPE_CHECKING:
    from tinygrad_pool import datasets, nn, optim
    from tinygrad_pool.debugger import debug, derive, diagnose, diff, record
    from tinygrad_pool.drawing import draw, draw_units, draw_windows, frames, render, tree
    from tinygrad_pool.equivalence import compare_weight_layer
    from tinygrad_pool.fields import receptive_field
    from tinygrad_pool.gradient_check import gradcheck
    from tinygrad_pool.links import weights_of
    from tinygrad_pool.scalars import explode
    from tinygrad_pool.ties import find_ties
    from tinygrad_pool.unrolling import unroll
    from tinygrad_pool.weight_layers import as_weight_layer

__version__ = "0.1.0"

__all__ = [
    "Step",
    "Value",
    "abs",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "as_weight_layer",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "backward_steps",
    "broadcast_to",
    "checked",
    "clip",
    "compare_weight_layer",
    "concatenate",
    "conv1d",
    "conv2d",
    "conv3d",
    "cos",
    "datasets",
    "debug",
    "derive",
    "diagnose",
    "diff",
    "draw",
    "draw_units",
    "draw_windows",
    "exp",
    "expand_dims",
    "explode",
    "expm1",
    "find_ties",
    "frames",
    "grad",
    "gradcheck",
    "lift",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "matmul",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "maximum",
    "minimum",
    "nn",
    "no_grad",
    "optim",
    "receptive_field",
    "record",
    "relu",
    "render",
    "scope",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "tanh",
    "traced",
    "tree",
    "unroll",
    "weighted_sum",
    "weights_of",
    "where",
]

_MODULES = ("datasets", "nn", "optim")
_INSTRUMENTS = {
    "as_weight_layer": "weight_layers",
    "compare_weight_layer": "equivalence",
    "explode": "scalars",
    "find_ties": "ties",
    "debug": "debugger",
    "derive": "debugger",
    "diagnose": "debugger",
    "diff": "debugger",
    "draw": "drawing",
    "draw_units": "drawing",
    "draw_windows": "drawing",
    "frames": "drawing",
    "gradcheck": "gradient_check",
    "load_ipython_extension": "notebook",
    "receptive_field": "fields",
    "record": "debugger",
    "render": "drawing",
    "tree": "drawing",
    "unload_ipython_extension": "notebook",
    "unroll": "unrolling",
    "weights_of": "links",
}

if not TYPE_CHECKING:  # a type checker reads the names above, and shall miss any other

    def __getattr__(name: str) -> Any:
        """Load what is not needed to compute, such as drawing, when it is first asked for."""
        if name in _MODULES:
            return import_module(f"tinygrad_pool.{name}")
        if name in _INSTRUMENTS:
            return getattr(import_module(f"tinygrad_pool.{_INSTRUMENTS[name]}"), name)
        from tinygrad_pool.habits import missing_from

        raise missing_from(__name__, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if _shell := "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
    _shell.extension_manager.load_extension("tinygrad_pool")
