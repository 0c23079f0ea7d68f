"""What is written in ONNX for each rule, by the rule's name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.bridges.onnx_operations import (
    EXTREMES,
    NUMPY,
    OPERATORS,
    POOLS,
    REDUCTIONS,
    SHARES,
)
from tinygrad_pool.bridges.onnx_writer import Writer, refused
from tinygrad_pool.bridges.translations import data_of
from tinygrad_pool.rules.arguments import Shape, axes_of
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.windows import AdaptiveWindows, Windows

Written: TypeAlias = Callable[..., str]
"""Takes the writer, a node and the names of its operands; returns the name of its result."""

PLAIN = {rule: kind for kind, rule in (NUMPY | EXTREMES | OPERATORS).items()}
PLAIN |= {"div": "Div", "sigmoid": "Sigmoid", "relu": "Relu", "erf": "Erf", "det": "Det"}
PLAIN |= {"leaky_relu": "PRelu"}
"""Rules that are one operation with the same operands and no options."""

NORMS = {1.0: "ReduceL1", 2.0: "ReduceL2"}

LAST = 2**31 - 1
"""Past the end of any axis."""


def written(writer: Writer, node: Any, inputs: list[str]) -> str:
    """Write a node's rule in ONNX, and return the name of its result.

    Raises UnsupportedError for a rule that ONNX lacks, or an option that it cannot express.
    """
    rule = node.rule.__name__
    if not is_ours(node.rule) or rule not in PLAIN.keys() | WRITTEN.keys():
        raise refused(node, "ONNX has no operation for this rule")
    if node.options.get("ties", "first") != "first":
        raise refused(node, f"settles ties by {node.options['ties']!r}; ONNX cannot express that")
    if rule in PLAIN and not node.options.keys() - {"ties"}:
        return writer.operation(PLAIN[rule], *inputs)
    return WRITTEN[rule](writer, node, *inputs)


# -- elementwise


def _clip(writer: Writer, node: Any, y: str) -> str:
    for name, kind in (("min", "Max"), ("max", "Min")):
        bound = node.options.get(name)
        if bound is not None:
            y = writer.operation(kind, y, writer.constant(bound, node.dtype))
    return y


def _is_double(node: Any) -> bool:
    """Return whether an attribute, which is in single precision, would be too inexact."""
    return bool(node.dtype.itemsize > np.dtype(np.float32).itemsize)


def _elu(writer: Writer, node: Any, x: str) -> str:
    alpha = float(node.options.get("alpha", 1.0))
    if not _is_double(node) or float(np.float32(alpha)) == alpha:
        return writer.operation("Elu", x, alpha=alpha)
    below = writer.operation("Min", writer.operation("Elu", x), 0.0)
    scaled = writer.operation("Mul", below, alpha)
    return writer.operation("Add", writer.operation("Relu", x), scaled)


def _gelu(writer: Writer, node: Any, x: str) -> str:
    kind = node.options.get("approximate", "none")
    if kind == "none" or not _is_double(node):
        return writer.operation("Gelu", x, approximate=kind)
    times = partial(writer.operation, "Mul")
    cubic = writer.operation("Add", x, times(times(times(x, x), x), 0.044715))
    share = writer.operation("Tanh", times(cubic, np.sqrt(2 / np.pi)))
    return times(times(x, 0.5), writer.operation("Add", share, 1.0))


def _softplus(writer: Writer, node: Any, x: str) -> str:
    beta = float(node.options.get("beta", 1.0))
    y = writer.operation("Softplus", writer.operation("Mul", x, beta))
    return writer.operation("Div", y, beta)


def _log(base: float) -> Written:
    return lambda writer, _, x: writer.operation(
        "Mul", writer.operation("Log", x), 1 / np.log(base)
    )


def _weighted_sum(writer: Writer, _: Any, *inputs: str) -> str:
    n = len(inputs) // 2
    y = inputs[-1]
    for w, x in zip(inputs[:n], inputs[n:-1], strict=True):
        y = writer.operation("Add", y, writer.operation("Mul", w, x))
    return y


def _where(writer: Writer, _: Any, condition: str, *xs: str) -> str:
    return writer.operation("Where", writer.cast(condition, bool), *xs)


# -- shapes


def _reshape(writer: Writer, node: Any, x: str) -> str:
    shape = writer.shape_of(node)
    return writer.operation("Reshape", x, shape, allowzero=int(0 in node.shape))


def _broadcast(writer: Writer, node: Any, x: str) -> str:
    return writer.operation("Expand", x, [1 if n == -1 else n for n in writer.shape_of(node)])


def _transpose(writer: Writer, node: Any, x: str) -> str:
    axes = node.options.get("axes")
    order = range(node.ndim)[::-1] if axes is None else [i % node.ndim for i in axes]
    return writer.operation("Transpose", x, perm=[int(i) for i in order]) if node.ndim else x


def _expand_dims(writer: Writer, node: Any, x: str) -> str:
    axes = axes_of(node.shape, node.options.get("axis", 0), "to_onnx")
    return writer.operation("Unsqueeze", x, axes)


def _squeeze(writer: Writer, node: Any, x: str) -> str:
    axes = [i for i in _axes(node) if node.parents[0].shape[i] == 1]
    return writer.operation("Squeeze", x, axes) if axes else x


def _concatenate(writer: Writer, node: Any, *xs: str) -> str:
    return writer.operation("Concat", *xs, axis=int(node.options.get("axis", 0)) % node.ndim)


def _stack(writer: Writer, node: Any, *xs: str) -> str:
    axis = int(node.options.get("axis", 0)) % node.ndim
    return _concatenate(writer, node, *(writer.operation("Unsqueeze", x, [axis]) for x in xs))


def _getitem(writer: Writer, node: Any, x: str) -> str:
    """Write numbers and slices as Slice, one array of indices as Gather, others from flat cells."""
    key = node.options.get("key", ())
    parts = key if isinstance(key, tuple) else (key,)
    shape = np.shape(data_of(node.parents[0]))
    rest = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts = (*parts[:at], *(slice(None),) * rest, *parts[at + 1 :])
    basic = all(p is None or isinstance(p, slice | int | np.integer) for p in parts)
    if basic and not any(isinstance(p, bool) for p in parts):
        return _sliced(writer, parts, x)
    arrays = [i for i, p in enumerate(parts) if not _is_all(p)]
    if len(arrays) == 1 and np.asarray(parts[arrays[0]]).dtype.kind in "iu":
        return writer.operation("Gather", x, parts[arrays[0]], axis=arrays[0])
    cells = np.arange(int(np.prod(shape))).reshape(shape)[key]
    return writer.operation("Gather", writer.operation("Reshape", x, [-1]), cells, axis=0)


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _sliced(writer: Writer, parts: Any, x: str) -> str:
    """Slice along each axis, then drop the axes with a number, and insert those of None."""
    on_axes = [p for p in parts if p is not None]
    ranges = [_range(axis, p) for axis, p in enumerate(on_axes) if not _is_all(p)]
    dropped = [axis for axis, p in enumerate(on_axes) if not isinstance(p, slice)]
    remaining = [p for p in parts if p is None or isinstance(p, slice)]
    new = [axis for axis, p in enumerate(remaining) if p is None]
    if ranges:
        x = writer.operation("Slice", x, *zip(*ranges, strict=True))
    if dropped:
        x = writer.operation("Squeeze", x, dropped)
    return writer.operation("Unsqueeze", x, new) if new else x


def _range(axis: int, part: Any) -> tuple[int, int, int, int]:
    """Return a number or a slice as ONNX's start, end, axis and step."""
    if not isinstance(part, slice):
        return int(part), int(part) + 1 or LAST, axis, 1
    step = int(part.step or 1)
    first, last = (0, LAST) if step > 0 else (LAST, -LAST)
    first = first if part.start is None else int(part.start)
    return first, last if part.stop is None else int(part.stop), axis, step


# -- windows


def _of_batches(write: Written) -> Written:
    """Give an input without a batch, (channels, …), one of length 1 while it is pooled."""

    def written(writer: Writer, node: Any, x: str, *others: str) -> str:
        lead = node.ndim - len(node.options["windows"].kernel)
        if lead == 2:
            return write(writer, node, x, *others)
        if lead != 1:
            raise refused(node, f"ONNX takes (n, channels, …), got shape {node.parents[0].shape}")
        y = write(writer, node, writer.operation("Unsqueeze", x, [0]), *others)
        return writer.operation("Squeeze", y, [0])

    return written


def _window_attributes(windows: Windows) -> dict[str, Any]:
    before, after = zip(*windows.padding, strict=True)
    return {
        "kernel_shape": list(windows.kernel),
        "strides": list(windows.stride),
        "pads": [*before, *after],
        "dilations": list(windows.dilation),
    }


@_of_batches
def _conv(writer: Writer, node: Any, x: str, *others: str) -> str:
    attributes = _window_attributes(node.options["windows"])
    groups = int(node.options.get("groups", 1))
    return writer.operation("Conv", x, *others, group=groups, **attributes)


def _pool(kind: str) -> Written:
    @_of_batches
    def pool(writer: Writer, node: Any, x: str) -> str:
        windows = node.options["windows"]
        if isinstance(windows, AdaptiveWindows):
            return _adaptive(writer, node, kind, x)
        attributes = _window_attributes(windows) | {"ceil_mode": int(windows.ceil_mode)}
        if kind == "AveragePool":
            attributes["count_include_pad"] = int(node.options.get("count_include_pad", True))
            if node.options.get("divisor_override") is not None:
                raise refused(node, "ONNX has no divisor_override")
        if kind == "LpPool":
            p = float(node.options.get("norm_type", 2.0))
            if not p.is_integer():
                raise refused(node, f"ONNX takes whole numbers for norm_type, got {p}")
            attributes["p"] = int(p)
        return writer.operation(kind, x, **attributes)

    return pool


def _adaptive(writer: Writer, node: Any, kind: str, x: str) -> str:
    """Write an adaptive pool whose windows have one length and one stride."""
    windows = node.options["windows"]
    strides: list[int] = []
    for axis, (k, m) in enumerate(zip(windows.kernel, windows.wanted, strict=True)):
        start, stop = windows.bounds(axis, np.arange(m))
        steps = {*np.diff(start).tolist()} or {k}
        if (stop - start < k).any() or len(steps) > 1 or 0 in steps:
            how = f"{windows.space} cells into {windows.wanted}"
            raise refused(node, f"ONNX needs windows of equal length and distance: {how}")
        strides += steps
    return writer.operation(kind, x, kernel_shape=[*windows.kernel], strides=strides)


# -- reductions and orders


def _axes(node: Any) -> Shape:
    return axes_of(np.shape(data_of(node.parents[0])), node.options.get("axis"), "to_onnx")


def _reduction(kind: str) -> Written:
    def reduction(writer: Writer, node: Any, x: str) -> str:
        keep = int(node.options.get("keepdims", False))
        return writer.operation(kind, x, _axes(node), keepdims=keep) if _axes(node) else x

    return reduction


def _norm(writer: Writer, node: Any, x: str) -> str:
    p = float(node.options.get("ord", 2.0))
    if p not in NORMS:
        raise refused(node, f"ONNX has the norms of p = 1 and 2, not of {p:g}")
    x = x if _axes(node) else writer.operation("Abs", x)
    return _reduction(NORMS[p])(writer, node, x)


def _var(writer: Writer, node: Any, x: str) -> str:
    """Write the mean of squared distances; the model counts the numbers, for any batch size."""
    over, keep = _axes(node), int(node.options.get("keepdims", False))
    mean = writer.operation("ReduceMean", x, over, keepdims=1, noop_with_empty_axes=1)
    distance = writer.operation("Sub", x, mean)
    square = writer.operation("Mul", distance, distance)
    lengths = writer.operation("Gather", writer.operation("Shape", x), over)
    count = writer.cast(writer.operation("ReduceProd", lengths, keepdims=0), node.dtype)
    freedom = writer.operation("Sub", count, float(node.options.get("ddof", 0)))
    divisor = writer.operation("Max", freedom, 0.0)
    total = writer.operation("ReduceSum", square, over, keepdims=keep, noop_with_empty_axes=1)
    return writer.operation("Div", total, divisor)


def _softmax(kind: str) -> Written:
    def softmax(writer: Writer, node: Any, x: str) -> str:
        axes = axes_of(node.shape, node.options.get("axis", -1), "to_onnx")
        if len(axes) != 1:
            raise refused(node, f"ONNX has {kind} over one axis, not over {axes}")
        return writer.operation(kind, x, axis=axes[0])

    return softmax


def _cumsum(writer: Writer, node: Any, x: str) -> str:
    axis = node.options.get("axis")
    row = x if axis is not None else writer.operation("Reshape", x, [-1])
    return writer.operation("CumSum", row, axis or 0)


def _sort(writer: Writer, node: Any, x: str) -> str:
    if node.options.get("kth") is not None:
        raise refused(node, "ONNX sorts a whole axis; it has no kth")
    return _sorted(writer, x, int(node.options.get("axis", -1)) % node.ndim)


def _sorted(writer: Writer, x: str, axis: int) -> str:
    length = writer.operation("Shape", x, start=axis, end=axis + 1)
    return writer.operation("TopK", x, length, more=1, axis=axis, largest=0)


def _quantile(writer: Writer, node: Any, x: str) -> str:
    """Write the weighted mean of the two sorted elements that a quantile lies between."""
    of, method, q = (node.options[name] for name in ("of", "method", "q"))
    if of not in ("quantile", "percentile") or method != "linear" or np.ndim(q):
        raise refused(
            node, f"only linear quantiles can be written, not {of}({q}, method={method!r})"
        )
    last = node.parents[0].ndim - 1
    rows = _sorted(writer, x, last)
    n = writer.cast(writer.operation("Shape", x, start=last), float)
    share = writer.constant([q / 100 if of == "percentile" else q], float)
    end = writer.operation("Sub", n, writer.constant([1.0], float))
    position = writer.operation("Mul", end, share)
    low, high = (writer.operation(kind, position) for kind in ("Floor", "Ceil"))
    t = writer.cast(writer.operation("Sub", position, low), node.dtype)
    s = writer.operation("Sub", 1.0, t)
    below, above = (
        writer.operation("Gather", rows, writer.cast(index, np.int64), axis=last)
        for index in (low, high)
    )
    above = writer.operation("Where", writer.operation("Greater", t, 0.0), above, 0.0)
    parts = (writer.operation("Mul", *pair) for pair in ((below, s), (above, t)))
    return writer.operation("Squeeze", writer.operation("Add", *parts), [last])


WRITTEN: dict[str, Written] = {
    "square": lambda writer, _, x: writer.operation("Pow", x, 2.0),
    "expm1": lambda writer, _, x: writer.operation("Sub", writer.operation("Exp", x), 1.0),
    "log1p": lambda writer, _, x: writer.operation("Log", writer.operation("Add", x, 1.0)),
    "log2": _log(2.0),
    "log10": _log(10.0),
    "fmod": lambda writer, _, *xs: writer.operation("Mod", *xs, fmod=1),
    "clip": _clip,
    "elu": _elu,
    "gelu": _gelu,
    "softplus": _softplus,
    "weighted_sum": _weighted_sum,
    "where": _where,
    "astype": lambda writer, node, x: writer.cast(x, node.dtype),
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concatenate": _concatenate,
    "stack": _stack,
    "getitem": _getitem,
    "conv": _conv,
    **{rule: _pool(kind) for kind, rule in POOLS.items()},
    **{rule: _reduction(kind) for kind, rule in REDUCTIONS.items()},
    "logsumexp": _reduction("ReduceLogSumExp"),
    "vector_norm": _norm,
    "var": _var,
    **{rule: _softmax(kind) for kind, rule in SHARES.items()},
    "cumsum": _cumsum,
    "sort": _sort,
    "quantile": _quantile,
    "einsum": lambda writer, node, *xs: writer.operation(
        "Einsum", *xs, equation=node.options["subscripts"]
    ),
}
