"""ONNX's operations on Values: inputs in order, attributes by name.

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
from tinygrad_pool.bridges import aten
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.functional import activations, layers, operations
from tinygrad_pool.rules import activations as rules

NUMPY = {
    **{"Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos", "Tanh": "tanh"},
    **{name.title(): name for name in ("tan", "sinh", "cosh")},
    **{f"A{n}": f"arc{n}" for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{"Abs": "abs", "Max": "maximum", "Min": "minimum", "Pow": "power"},
}
DATA = {"Floor": "floor", "Ceil": "ceil", "Round": "round", "Sign": "sign", "IsNaN": "isnan"}
OPERATORS = {"Add": "add", "Sub": "sub", "Mul": "mul", "MatMul": "matmul", "Neg": "neg"}
ASKED = {
    **{"Equal": "equal", "Less": "less", "LessOrEqual": "less_equal", "Greater": "greater"},
    "GreaterOrEqual": "greater_equal",
}
LOGIC = {"And": "logical_and", "Or": "logical_or", "Not": "logical_not", "Xor": "logical_xor"}


def _fold(name: str) -> Callable[..., Any]:
    """Return a maximum or minimum of any number of operands; the first wins a tie."""
    on_values, on_arrays = getattr(operations, name), getattr(np, name)

    def largest(*xs: Any) -> Any:
        if any(isinstance(x, Value) for x in xs):
            return on_values(*xs)
        return xs[0] if len(xs) == 1 else on_arrays.reduce(np.broadcast_arrays(*xs))

    return largest


SIMPLE: dict[str, Callable[..., Any]] = {
    **{onnx: getattr(np, name) for onnx, name in NUMPY.items() if name[-3:] != "mum"},
    **{onnx: getattr(np, name) for onnx, name in {**DATA, **ASKED, **LOGIC}.items()},
    **{onnx: getattr(operator, name) for onnx, name in OPERATORS.items()},
    **{onnx: _fold(NUMPY[onnx]) for onnx in ("Max", "Min")},
    "Relu": operations.relu,
    "Sigmoid": operations.sigmoid,
    "Erf": activations.erf,
    "Softsign": activations.softsign,
    "Softplus": lambda x: activations.softplus(x, threshold=np.inf),
    "Mish": activations.mish,
    "HardSwish": activations.hardswish,
    "PRelu": lift(rules.leaky_relu),
    "Identity": aten.same,
    "Reciprocal": lambda x: 1.0 / x,
    "Shape": lambda x, start=0, end=None: np.array(np.shape(x)[start:end], np.int64),
    "Size": lambda x: np.array(prod(np.shape(x)), np.int64),
    "Where": lambda holds, x, y: np.where(data_of(holds), x, y),
    "Sum": lambda *xs: sum(xs[1:], start=xs[0]),
    "Mean": lambda *xs: sum(xs[1:], start=xs[0]) / len(xs),
}
TRANSLATIONS.update({f"onnx.{name}": f for name, f in SIMPLE.items()})


@translates("onnx.Div")
def div(x: Any, y: Any) -> Any:
    """Divide; whole numbers are rounded towards 0."""
    if all(np.asarray(data_of(v)).dtype.kind in "iu" for v in (x, y)):
        return np.trunc(np.divide(x, y)).astype(np.int64)
    return x / y


@translates("onnx.LeakyRelu")
def leaky_relu(x: Any, alpha: float = 0.01) -> Any:
    """Scale what is not positive."""
    return activations.leaky_relu(x, alpha)


@translates("onnx.Elu")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Bend what is not positive towards −alpha."""
    return activations.elu(x, alpha=alpha)


@translates("onnx.Selu")
def selu(x: Any, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Any:
    """Scale an elu."""
    return activations.elu(x, alpha=alpha) * gamma


@translates("onnx.Gelu")
def gelu(x: Any, approximate: str = "none") -> Any:
    """Compute x Φ(x)."""
    return activations.gelu(x, approximate=approximate)


@translates("onnx.HardSigmoid")
def hard_sigmoid(x: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """Limit alpha x + beta to 0 … 1."""
    return np.clip(x * alpha + beta, 0.0, 1.0)


@translates("onnx.Clip")
def clip(x: Any, low: Any = None, high: Any = None, min: Any = None, max: Any = None) -> Any:
    """Limit x."""
    low, high = (data_of(b) if b is not None else c for b, c in ((low, min), (high, max)))
    return x if low is None and high is None else np.clip(x, low, high)


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


@translates("onnx.Conv")
def conv(
    x: Any,
    w: Any,
    b: Any = None,
    kernel_shape: Any = None,  # noqa: ARG001  # the weights have it
    strides: Any = None,
    pads: Any = None,
    dilations: Any = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Any:
    """Slide weights over the last axes."""
    kernel = w.shape[2:]
    n = len(kernel)
    stride, dilation = strides or [1] * n, dilations or [1] * n
    sides = _pads(n, pads, auto_pad, x, (kernel, stride, dilation))
    slide = getattr(functional, f"conv{n}d", None)
    if slide is None:
        raise UnsupportedError(f"onnx.Conv: over 1 to 3 axes, got {n}")
    return slide(x, w, b, tuple(stride), sides, tuple(dilation), group)


def _pool(kind: str) -> Callable[..., Any]:
    def pool(
        x: Any,
        kernel_shape: Sequence[int],
        strides: Any = None,
        pads: Any = None,
        dilations: Any = None,
        ceil_mode: int = 0,
        count_include_pad: int = 0,
        auto_pad: str = "NOTSET",
        storage_order: int = 0,  # noqa: ARG001  # of the places, which are not read
        p: int = 2,
    ) -> Any:
        n = len(kernel_shape)
        stride, dilation = strides or [1] * n, dilations or [1] * n
        sides = _pads(n, pads, auto_pad, x, (kernel_shape, stride, dilation))
        f = getattr(functional, f"{kind}{n}d", None)
        if f is None:
            raise UnsupportedError(f"onnx: pools are over 1 to 3 axes, got {n}")
        windows: dict[str, Any] = {
            "stride": tuple(stride),
            "padding": sides,
            "dilation": tuple(dilation),
        }
        windows["ceil_mode"] = bool(ceil_mode)
        if kind == "lp_pool":
            return f(x, float(p), tuple(kernel_shape), **windows)
        if kind == "avg_pool":
            windows["count_include_pad"] = bool(count_include_pad)
        return f(x, tuple(kernel_shape), **windows)

    return pool


for _onnx, _ours in (("MaxPool", "max_pool"), ("AveragePool", "avg_pool"), ("LpPool", "lp_pool")):
    TRANSLATIONS[f"onnx.{_onnx}"] = _pool(_ours)


@translates("onnx.GlobalAveragePool")
def global_average(x: Any) -> Any:
    """Average each plane."""
    return np.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True)


@translates("onnx.GlobalMaxPool")
def global_max(x: Any) -> Any:
    """Keep the largest of each plane."""
    return np.max(x, axis=tuple(range(2, x.ndim)), keepdims=True)


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


@translates("onnx.InstanceNormalization")
def instance_norm(x: Any, scale: Any, b: Any, epsilon: float = 1e-5) -> Any:
    """Normalize each channel of each example."""
    return layers.instance_norm(x, None, None, scale, b, eps=epsilon)


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


TRANSLATIONS["onnx.Softmax"] = _shares(operations.softmax)
TRANSLATIONS["onnx.LogSoftmax"] = _shares(operations.log_softmax)


@translates("onnx.Dropout")
def dropout(x: Any, ratio: Any = None, training: Any = None, **_: Any) -> Any:
    """Return x, as in evaluation."""
    if training is not None and bool(training) and (ratio is None or float(ratio)):
        raise UnsupportedError("onnx.Dropout: in training mode is random, and not translated")
    return x


@translates("onnx.Einsum")
def einsum(*xs: Any, equation: str) -> Any:
    """Multiply, and sum over letters."""
    return np.einsum(equation, *xs)


@translates("onnx.Det")
def det(x: Any) -> Any:
    """Compute determinants."""
    return np.linalg.det(x)


@translates("onnx.Mod")
def mod(x: Any, y: Any, fmod: int = 0) -> Any:
    """Take what division leaves, with the sign of x, or of y."""
    return np.fmod(x, y) if fmod else np.remainder(x, y)
