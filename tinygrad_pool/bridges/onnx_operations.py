"""ONNX's operations on Values: inputs in order, attributes by name.

A parameter that was an attribute in older versions has the name that it has as an input today, too.

NumPy's functions are used where they can be, since they work on Values and on arrays alike: shapes,
places and masks stay arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool import functional
from tinygrad_pool.bridges import aten, aten_layers
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import lift
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.functional import activations, layers, operations
from tinygrad_pool.rules import activations as rules

NUMPY = {
    **{"Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos", "Tanh": "tanh"},
    **{name.title(): name for name in ("tan", "sinh", "cosh")},
    **{f"A{n}": f"arc{n}" for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{"Abs": "abs", "Pow": "power"},
}
EXTREMES = {"Max": "maximum", "Min": "minimum"}
DATA = {"Floor": "floor", "Ceil": "ceil", "Round": "round", "Sign": "sign", "IsNaN": "isnan"}
OPERATORS = {"Add": "add", "Sub": "sub", "Mul": "mul", "MatMul": "matmul", "Neg": "neg"}
ASKED = {
    **{"Equal": "equal", "Less": "less", "LessOrEqual": "less_equal", "Greater": "greater"},
    "GreaterOrEqual": "greater_equal",
}
LOGIC = {"And": "logical_and", "Or": "logical_or", "Not": "logical_not", "Xor": "logical_xor"}
POOLS = {"MaxPool": "max_pool", "AveragePool": "avg_pool", "LpPool": "lp_pool"}


@translates("onnx.Div")
def div(x: Any, y: Any) -> Any:
    """Divide; whole numbers are rounded towards 0."""
    whole = np.result_type(data_of(x), data_of(y)).kind in "iu"
    return aten.div(x, y, "trunc" if whole else None)


@translates("onnx.Clip")
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit x."""
    return x if min is None and max is None else aten.clamp(x, min, max)


@translates("onnx.Gemm")
def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # ONNX's names
    transB: int = 0,
) -> Any:
    """Compute alpha a b + beta c."""
    y = (a.T if transA else a) @ (b.T if transB else b)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)


def _pads(
    n: int, pads: Sequence[int] | None, auto_pad: str, x: Any, windows: tuple[Any, Any, Any]
) -> list[tuple[int, int]]:
    """Read padding: before and after each axis, or what keeps the number of windows."""
    if auto_pad in ("NOTSET", "VALID", ""):
        given = list(pads or [0] * 2 * n)
        return [*zip(given[:n], given[n:], strict=True)]
    sides = []
    for size, k, s, d in zip(np.shape(x)[-n:], *windows, strict=True):
        whole = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        half = whole // 2 if auto_pad == "SAME_UPPER" else whole - whole // 2
        sides.append((half, whole - half))
    return sides


def _sliding(
    kind: str,
    x: Any,
    kernel: Sequence[int],
    strides: Any = None,
    pads: Any = None,
    dilations: Any = None,
    auto_pad: str = "NOTSET",
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return what slides over so many axes, and where its windows look."""
    n = len(kernel)
    function = getattr(functional, f"{kind}{n}d", None)
    if function is None:
        raise UnsupportedError(f"onnx: {kind} goes over 1 to 3 axes, got {n}")
    stride, dilation = strides or [1] * n, dilations or [1] * n
    sides = _pads(n, pads, auto_pad, x, (kernel, stride, dilation))
    return function, {"stride": tuple(stride), "padding": sides, "dilation": tuple(dilation)}


@translates("onnx.Conv")
def conv(
    x: Any, w: Any, b: Any = None, kernel_shape: Any = None, group: int = 1, **windows: Any
) -> Any:
    """Slide weights over the last axes."""
    del kernel_shape  # the weights have it
    slide, options = _sliding("conv", x, w.shape[2:], **windows)
    return slide(x, w, b, groups=group, **options)


@translates("onnx.ConvTranspose")
def conv_transpose(
    x: Any,
    w: Any,
    b: Any = None,
    strides: Any = None,
    pads: Any = None,
    dilations: Any = None,
    group: int = 1,
    output_padding: Any = None,
    **asked: Any,
) -> Any:
    """Send each cell to all that the weights reach; a longer end is output padding."""
    if asked.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in asked:
        raise UnsupportedError(
            "onnx.ConvTranspose: needs pads; auto_pad and output_shape are not translated"
        )
    n = len(w.shape) - 2
    sides = np.reshape(pads or [0] * 2 * n, (2, n))
    added = sides[0] - sides[1] + (output_padding or 0)
    windows = strides or [1] * n, sides[0].tolist(), dilations or [1] * n
    return aten_layers.convolution(x, w, b, *windows, True, added.tolist(), group)


def _pool(kind: str) -> Callable[..., Any]:
    def pool(
        x: Any,
        kernel_shape: Sequence[int],
        ceil_mode: int = 0,
        count_include_pad: int = 0,
        storage_order: int = 0,  # noqa: ARG001  # of the places, which are not read
        p: int = 2,
        **windows: Any,
    ) -> Any:
        f, options = _sliding(kind, x, kernel_shape, **windows)
        options["ceil_mode"] = bool(ceil_mode)
        if kind == "lp_pool":
            return f(x, float(p), tuple(kernel_shape), **options)
        if kind == "avg_pool":
            options["count_include_pad"] = bool(count_include_pad)
        return f(x, tuple(kernel_shape), **options)

    return pool


@translates("onnx.BatchNormalization")
def batch_norm(
    x: Any,
    scale: Any,
    b: Any,
    mean: Any,
    variance: Any,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,  # noqa: ARG001  # older models have it
) -> Any:
    """Normalize each channel by its running mean and variance."""
    if training_mode:
        raise UnsupportedError("onnx.BatchNormalization: in training_mode is not translated")
    running = np.array(data_of(mean)), np.array(data_of(variance))
    return layers.batch_norm(x, *running, scale, b, False, 1 - momentum, epsilon)


@translates("onnx.LayerNormalization")
def layer_norm(
    x: Any, w: Any, b: Any = None, axis: int = -1, epsilon: float = 1e-5, **_: Any
) -> Any:
    """Normalize over the last axes."""
    return layers.layer_norm(x, x.shape[axis % x.ndim :], w, b, epsilon)


def _shares(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return softmax or its logarithm: along one axis, or before opset 13 from one axis on."""

    def shares(x: Any, axis: int = -1, opset: int = 13) -> Any:
        from_here = axis if opset >= 13 else tuple(range(axis % np.ndim(x), np.ndim(x)))
        return f(x, axis=from_here)

    return shares


@translates("onnx.Dropout")
def dropout(x: Any, ratio: Any = None, training: Any = None, **_: Any) -> Any:
    """Return x, as in evaluation."""
    if training is not None and bool(training) and (ratio is None or float(ratio)):
        raise UnsupportedError("onnx.Dropout: in training mode is random, and not translated")
    return x


SIMPLE: dict[str, Callable[..., Any]] = {
    **{onnx: getattr(np, name) for onnx, name in (NUMPY | DATA | ASKED | LOGIC).items()},
    **{onnx: getattr(operator, name) for onnx, name in OPERATORS.items()},
    **{onnx: aten.folded(name) for onnx, name in EXTREMES.items()},
    **{onnx: _pool(ours) for onnx, ours in POOLS.items()},
    "Relu": operations.relu,
    "Sigmoid": operations.sigmoid,
    "Erf": activations.erf,
    "LeakyRelu": lambda x, alpha=0.01: activations.leaky_relu(x, alpha),
    "Elu": activations.elu,
    "Selu": lambda x, alpha=activations.SELU_ALPHA, gamma=activations.SELU_SCALE: (
        activations.elu(x, alpha=alpha) * gamma
    ),
    "Gelu": activations.gelu,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(x * alpha + beta, 0.0, 1.0),
    "Softsign": activations.softsign,
    "Softplus": lambda x: activations.softplus(x, threshold=np.inf),
    "Mish": activations.mish,
    "HardSwish": activations.hardswish,
    "PRelu": lift(rules.leaky_relu),
    "Softmax": _shares(operations.softmax),
    "LogSoftmax": _shares(operations.log_softmax),
    "GlobalAveragePool": lambda x: np.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True),
    "GlobalMaxPool": lambda x: np.max(x, axis=tuple(range(2, x.ndim)), keepdims=True),
    "InstanceNormalization": lambda x, w, b, epsilon=1e-5: layers.instance_norm(
        x, None, None, w, b, eps=epsilon
    ),
    "Einsum": lambda *xs, equation: np.einsum(equation, *xs),
    "Det": np.linalg.det,
    "Mod": lambda x, y, fmod=0: (np.fmod if fmod else np.remainder)(x, y),
    "Identity": aten.same,
    "Reciprocal": lambda x: np.divide(1.0, x),
    "Shape": lambda x, start=0, end=None: np.array(np.shape(x)[start:end], np.int64),
    "Size": lambda x: np.array(prod(np.shape(x)), np.int64),
    "Where": lambda holds, x, y: np.where(data_of(holds), x, y),
    "Sum": lambda *xs: sum(xs[1:], start=xs[0]),
    "Mean": lambda *xs: sum(xs[1:], start=xs[0]) / len(xs),
}
TRANSLATIONS.update({f"onnx.{name}": f for name, f in SIMPLE.items()})
