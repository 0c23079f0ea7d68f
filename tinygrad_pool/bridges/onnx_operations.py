"""ONNX's operations on Values: inputs in order, attributes by name.

An input that was an attribute in older versions of ONNX has one parameter here for both.

NumPy's functions are used where possible, since they accept Values and arrays alike: shapes,
indices and masks remain arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_pool import functional
from tinygrad_pool.bridges import aten, aten_layers, aten_shapes
from tinygrad_pool.bridges.onnx_shapes import integers
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import lift
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.functional import activations, layers, operations
from tinygrad_pool.rules import activations as rules

NAMED = """
abs ceil cos cosh equal exp floor greater less log round sign sin sinh sqrt tan tanh
"""
NUMPY = {
    **{name.title(): name for name in NAMED.split()},
    **{f"A{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{name.title(): f"logical_{name}" for name in ("and", "or", "not", "xor")},
    **{"GreaterOrEqual": "greater_equal", "LessOrEqual": "less_equal"},
    **{"IsNaN": "isnan", "Pow": "power"},
}
"""NumPy's functions by ONNX's names. `to_onnx` uses this table and the next ones, too."""

EXTREMES = {"Max": "maximum", "Min": "minimum"}
OPERATORS = {"Add": "add", "Sub": "sub", "Mul": "mul", "MatMul": "matmul", "Neg": "neg"}
SHARES = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}
POOLS = {"MaxPool": "max_pool", "AveragePool": "avg_pool", "LpPool": "lp_pool"}
REDUCTIONS = {f"Reduce{name.title()}": name for name in ("sum", "mean", "max", "min", "prod")}


@translates("onnx.Div")
def div(x: Any, y: Any) -> Any:
    """Divide; integers are rounded towards 0."""
    integer = np.result_type(data_of(x), data_of(y)).kind in "iu"
    return aten.div(x, y, "trunc" if integer else None)


@translates("onnx.Clip")
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Limit x to [min, max]."""
    return x if min is None and max is None else aten.clamp(x, min, max)


@translates("onnx.Gemm")
def gemm(a: Any, b: Any, c: Any = None, alpha: float = 1, beta: float = 1, **options: int) -> Any:
    """Compute alpha a b + beta c; transA and transB transpose a and b."""
    y = (a.T if options.get("transA") else a) @ (b.T if options.get("transB") else b)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)


def _windows(x: Any, kernel: Sequence[int], **attributes: Any) -> dict[str, Any]:
    """Read stride, padding and dilation; auto_pad chooses the padding that keeps the lengths."""
    n = len(kernel)
    stride, dilation = (attributes.get(o) or [1] * n for o in ("strides", "dilations"))
    pads = attributes.get("pads") or [0] * 2 * n
    padding = [*zip(pads[:n], pads[n:], strict=True)]
    auto_pad = attributes.get("auto_pad", "NOTSET")
    if auto_pad.startswith("SAME"):
        added = [
            max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            for size, k, s, d in zip(np.shape(x)[-n:], kernel, stride, dilation, strict=True)
        ]
        padding = [(m // 2, m - m // 2)[:: 1 if auto_pad == "SAME_UPPER" else -1] for m in added]
    return {"stride": tuple(stride), "padding": padding, "dilation": tuple(dilation)}


def _over_axes(name: str, kernel: Sequence[int]) -> Callable[..., Any]:
    """Return the convolution or pool for the number of axes of a kernel."""
    function: Callable[..., Any] | None = getattr(functional, f"{name}{len(kernel)}d", None)
    if function is None:
        raise UnsupportedError(f"onnx: {name} needs 1 to 3 axes, got {len(kernel)}")
    return function


@translates("onnx.Conv")
def conv(
    x: Any, w: Any, b: Any = None, kernel_shape: Any = None, group: int = 1, **windows: Any
) -> Any:
    """Slide weights over the last axes."""
    kernel = kernel_shape or w.shape[2:]
    return _over_axes("conv", kernel)(x, w, b, groups=group, **_windows(x, kernel, **windows))


@translates("onnx.ConvTranspose")
def conv_transpose(
    x: Any, w: Any, b: Any = None, group: int = 1, output_padding: Any = 0, **windows: Any
) -> Any:
    """Spread each element to all that the weights reach; a longer end is output padding."""
    if windows.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in windows:
        raise UnsupportedError("onnx.ConvTranspose: needs pads, got auto_pad or output_shape")
    stride, padding, dilation = _windows(x, w.shape[2:], **windows).values()
    before, after = np.transpose(padding)
    longer = (before - after + output_padding).tolist()
    options = stride, before.tolist(), dilation, True, longer, group
    return aten_layers.convolution(x, w, b, *options)


def _pool(name: str) -> Callable[..., Any]:
    def pool(
        x: Any,
        kernel_shape: Sequence[int],
        ceil_mode: int = 0,
        count_include_pad: int = 0,
        p: int = 2,
        **windows: Any,
    ) -> Any:
        f, kernel = _over_axes(name, kernel_shape), tuple(kernel_shape)
        options = _windows(x, kernel, **windows) | {"ceil_mode": bool(ceil_mode)}
        if name == "lp_pool":
            return f(x, float(p), kernel, **options)
        if name == "avg_pool":
            options["count_include_pad"] = bool(count_include_pad)
        return f(x, kernel, **options)

    return pool


@translates("onnx.BatchNormalization")
def batch_norm(
    x: Any, w: Any, b: Any, mean: Any, variance: Any, epsilon: float = 1e-5, **options: Any
) -> Any:
    """Normalize each channel by its running mean and variance."""
    if options.get("training_mode"):
        raise UnsupportedError("onnx.BatchNormalization: training_mode=1 is not supported")
    running = np.array(data_of(mean)), np.array(data_of(variance))
    return layers.batch_norm(x, *running, w, b, eps=epsilon)


def _shares(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return softmax or its logarithm: over one axis, or before opset 13 over all from it on."""

    def shares(x: Any, axis: int = -1, opset: int = 13) -> Any:
        axes = axis if opset >= 13 else tuple(range(axis % np.ndim(x), np.ndim(x)))
        return f(x, axis=axes)

    return shares


@translates("onnx.Dropout")
def dropout(x: Any, ratio: Any = None, training: Any = None, **_: Any) -> Any:
    """Return x, as in evaluation."""
    if training is not None and bool(training) and (ratio is None or float(ratio)):
        raise UnsupportedError("onnx.Dropout: training mode, which is random, is not supported")
    return x


def _reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction whose axes are an attribute or, in later versions, an input."""

    def reduction(
        x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Any:
        over = integers(axes)
        if not over and noop_with_empty_axes:
            return x
        return f(x, axis=over or None, keepdims=bool(keepdims))

    return reduction


def _arg(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return argmax or argmin, which selects the first of equal elements, or the last."""

    def arg(x: Any, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        numbers = np.flip(data_of(x), axis) if select_last_index else data_of(x)
        index = f(numbers, axis=axis, keepdims=bool(keepdims))
        return numbers.shape[axis] - 1 - index if select_last_index else index

    return arg


@translates("onnx.CumSum")
def cumsum(x: Any, axis: Any, exclusive: int = 0, reverse: int = 0) -> Any:
    """Sum up to each element, or from it on if `reverse`; `exclusive` leaves the element out."""
    at = int(data_of(axis)) % np.ndim(x)
    y = np.cumsum(np.flip(x, at) if reverse else x, axis=at)
    if exclusive:
        y = aten_shapes.pad(y, [(int(i == at), -int(i == at)) for i in range(np.ndim(x))])
    return np.flip(y, at) if reverse else y


SIMPLE: dict[str, Callable[..., Any]] = {
    **{onnx: getattr(np, name) for onnx, name in NUMPY.items()},
    **{onnx: getattr(operator, name) for onnx, name in OPERATORS.items()},
    **{onnx: aten.folded(name) for onnx, name in EXTREMES.items()},
    **{onnx: _pool(ours) for onnx, ours in POOLS.items()},
    **{onnx: _reduction(getattr(np, name)) for onnx, name in REDUCTIONS.items()},
    "ReduceLogSumExp": _reduction(operations.logsumexp),
    "ReduceSumSquare": _reduction(lambda x, **o: np.sum(np.square(x), **o)),
    "ReduceL1": _reduction(lambda x, **o: np.linalg.vector_norm(x, ord=1, **o)),
    "ReduceL2": _reduction(np.linalg.vector_norm),
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
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
    **{onnx: _shares(getattr(operations, name)) for onnx, name in SHARES.items()},
    "GlobalAveragePool": lambda x: np.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True),
    "GlobalMaxPool": lambda x: np.max(x, axis=tuple(range(2, x.ndim)), keepdims=True),
    "LayerNormalization": lambda x, w, b=None, axis=-1, epsilon=1e-5, **_: layers.layer_norm(
        x, x.shape[axis % x.ndim :], w, b, epsilon
    ),
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
