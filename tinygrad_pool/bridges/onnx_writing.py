"""Write a recorded graph as an ONNX file: what each rule is in ONNX, by the rule's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.bridges.graph import graph_of
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
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import check_folder, write_whole
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules import shaping
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


def to_onnx(network: Module | Value, path: str | os.PathLike[str], *inputs: Any) -> Path:
    """Write a network, or the graph of a Value, as an ONNX file, and return its path.

    A network is recorded on `inputs`, an example; the batch size, the first axis, is free if no
    operation depends on it. Of a Value, `inputs` are the leaves that become inputs, and the other
    leaves are parameters. Parameters keep their names. ONNX checks the model, and the file is
    written completely or not at all.

    Raises ToolError without the package onnx; UnsupportedError, with the line of source, for a rule
    that ONNX lacks, or ties other than "first"; GraphError for a mask or an index that was
    computed from the inputs' numbers; OutputError if the file cannot be written.
    """
    onnx = extra("onnx", "to_onnx")
    check_folder(path)
    graph = graph_of("to_onnx", network, inputs)
    if any(_cells(node) is not None for node in graph.nodes):
        graph = graph._replace(batch={}, shapes={node: node.shape for node in graph.shapes})
    model = Writer(onnx, graph).model(_written)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ToolError(f"to_onnx: ONNX rejects the model: {error}") from error
    return write_whole(path, model.SerializeToString())


def _written(op: Writer, node: Any, inputs: list[str]) -> str:
    """Write a node's rule in ONNX, and return the name of its result.

    Raises UnsupportedError for a rule that ONNX lacks, or an option that it cannot express.
    """
    rule = node.rule.__name__
    if not is_ours(node.rule) or rule not in PLAIN.keys() | WRITTEN.keys():
        raise refused(node, "ONNX has no operation for this rule")
    if node.options.get("ties", "first") != "first":
        raise refused(node, f"resolves ties by {node.options['ties']!r}; ONNX cannot express that")
    if rule in PLAIN and not node.options.keys() - {"ties"}:
        return op.operation(PLAIN[rule], *inputs)
    return WRITTEN[rule](op, node, *inputs)


# -- elementwise


def _clip(op: Writer, node: Any, y: str) -> str:
    for name, kind in (("min", "Max"), ("max", "Min")):
        bound = node.options.get(name)
        if bound is not None:
            y = op.operation(kind, y, op.constant(bound, node.dtype))
    return y


def _is_double(node: Any) -> bool:
    """Return whether an attribute, which is in single precision, would be too inexact."""
    return bool(node.dtype.itemsize > np.dtype(np.float32).itemsize)


def _elu(op: Writer, node: Any, x: str) -> str:
    alpha = float(node.options.get("alpha", 1.0))
    if not _is_double(node) or float(np.float32(alpha)) == alpha:
        return op.Elu(x, alpha=alpha)
    return op.Add(op.Relu(x), op.Mul(op.Min(op.Elu(x), 0.0), alpha))


def _gelu(op: Writer, node: Any, x: str) -> str:
    kind = node.options.get("approximate", "none")
    if kind == "none" or not _is_double(node):
        return op.Gelu(x, approximate=kind)
    cubic = op.Add(x, op.Mul(op.Mul(op.Mul(x, x), x), 0.044715))
    share = op.Add(op.Tanh(op.Mul(cubic, np.sqrt(2 / np.pi))), 1.0)
    return op.Mul(op.Mul(x, 0.5), share)


def _softplus(op: Writer, node: Any, x: str) -> str:
    options = {"beta": 1.0, "threshold": 20.0, **node.options}
    beta, threshold = float(options["beta"]), float(options["threshold"])
    bent = op.Mul(x, beta)
    y = op.Div(op.Softplus(bent), beta)
    is_exact = threshold > 0 and np.exp(-threshold) < np.finfo(node.dtype).eps * threshold / 4
    return y if is_exact else op.Where(op.Greater(bent, threshold), x, y)


def _weighted_sum(op: Writer, _: Any, *inputs: str) -> str:
    n = len(inputs) // 2
    y = inputs[-1]
    for w, x in zip(inputs[:n], inputs[n:-1], strict=True):
        y = op.Add(y, op.Mul(w, x))
    return y


# -- shapes


def _transpose(op: Writer, node: Any, x: str) -> str:
    axes = node.options.get("axes")
    order = range(node.ndim)[::-1] if axes is None else [i % node.ndim for i in axes]
    return op.Transpose(x, perm=[int(i) for i in order]) if node.ndim else x


def _expand_dims(op: Writer, node: Any, x: str) -> str:
    return op.Unsqueeze(x, axes_of(node.shape, node.options.get("axis", 0), "to_onnx"))


def _squeeze(op: Writer, node: Any, x: str) -> str:
    axes = [i for i in _axes(node) if node.parents[0].shape[i] == 1]
    return op.Squeeze(x, axes) if axes else x


def _concatenate(op: Writer, node: Any, *xs: str) -> str:
    return op.Concat(*xs, axis=int(node.options.get("axis", 0)) % node.ndim)


def _stack(op: Writer, node: Any, *xs: str) -> str:
    return _concatenate(op, node, *(_expand_dims(op, node, x) for x in xs))


def _getitem(op: Writer, node: Any, x: str) -> str:
    """Write numbers and slices as Slice, one array of indices as Gather, others from flat cells."""
    parts, cells = _parts(node), _cells(node)
    if cells is not None:
        return op.Gather(op.Reshape(x, [-1]), cells, axis=0)
    arrays = [(i, np.asarray(p)) for i, p in enumerate(parts) if isinstance(p, list | np.ndarray)]
    if not arrays:
        return _sliced(op, parts, x)
    ((axis, at),) = arrays
    return op.Gather(x, np.flatnonzero(at) if at.dtype == bool else at, axis=axis)


def _parts(node: Any) -> tuple[Any, ...]:
    """Return the parts of a key, with whole slices for an ellipsis and for the other axes."""
    key = node.options.get("key", ())
    parts = key if isinstance(key, tuple) else (key,)
    rest = node.parents[0].ndim - sum(p is not None and p is not Ellipsis for p in parts)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    return (*parts[:at], *(slice(None),) * rest, *parts[at + 1 :])


def _cells(node: Any) -> Any:
    """Return the flat cells that a key with more than one array selects; None for any other key.

    They are those of one batch size.
    """
    if node.rule is not shaping.getitem:
        return None
    special = [p for p in _parts(node) if not _is_all(p)]
    arrays = [np.asarray(p) for p in special if isinstance(p, list | np.ndarray | bool | np.bool_)]
    if not arrays or len(special) == 1 == (arrays[0].ndim if arrays[0].dtype == bool else 1):
        return None
    shape = node.parents[0].shape
    return np.arange(node.parents[0].size).reshape(shape)[node.options["key"]]


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _sliced(op: Writer, parts: Any, x: str) -> str:
    """Slice along each axis, then drop the axes with a number, and insert those of None."""
    on_axes = [p for p in parts if p is not None]
    ranges = [_range(axis, p) for axis, p in enumerate(on_axes) if not _is_all(p)]
    dropped = [axis for axis, p in enumerate(on_axes) if not isinstance(p, slice)]
    remaining = [p for p in parts if p is None or isinstance(p, slice)]
    new = [axis for axis, p in enumerate(remaining) if p is None]
    x = op.Slice(x, *zip(*ranges, strict=True)) if ranges else x
    x = op.Squeeze(x, dropped) if dropped else x
    return op.Unsqueeze(x, new) if new else x


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
    """Give an input without a batch, (channels, …), a batch of one while it is pooled."""

    def written(op: Writer, node: Any, x: str, *others: str) -> str:
        lead = node.ndim - len(node.options["windows"].kernel)
        if lead == 2:
            return write(op, node, x, *others)
        if lead != 1:
            raise refused(node, f"ONNX takes (n, channels, …), got shape {node.parents[0].shape}")
        return op.Squeeze(write(op, node, op.Unsqueeze(x, [0]), *others), [0])

    return written


def _attributes(windows: Windows) -> dict[str, Any]:
    before, after = zip(*windows.padding, strict=True)
    return {
        "kernel_shape": list(windows.kernel),
        "strides": list(windows.stride),
        "pads": [*before, *after],
        "dilations": list(windows.dilation),
    }


@_of_batches
def _conv(op: Writer, node: Any, x: str, *others: str) -> str:
    groups = int(node.options.get("groups", 1))
    return op.Conv(x, *others, group=groups, **_attributes(node.options["windows"]))


def _pool(kind: str) -> Written:
    @_of_batches
    def pool(op: Writer, node: Any, x: str) -> str:
        windows, options = node.options["windows"], node.options
        if isinstance(windows, AdaptiveWindows):
            return op.operation(kind, x, **_adaptive(node, windows))
        attributes = _attributes(windows) | {"ceil_mode": int(windows.ceil_mode)}
        if kind == "AveragePool":
            attributes["count_include_pad"] = int(options.get("count_include_pad", True))
            if options.get("divisor_override") is not None:
                raise refused(node, "ONNX has no divisor_override")
        if kind == "LpPool":
            p = float(options.get("norm_type", 2.0))
            if not p.is_integer():
                raise refused(node, f"ONNX takes integers for norm_type, got {p}")
            attributes["p"] = int(p)
        return op.operation(kind, x, **attributes)

    return pool


def _adaptive(node: Any, windows: AdaptiveWindows) -> dict[str, Any]:
    """Return the attributes of an adaptive pool whose windows have one length and one stride."""
    strides: list[int] = []
    for axis, (k, m) in enumerate(zip(windows.kernel, windows.output_size, strict=True)):
        start, stop = windows.bounds(axis, np.arange(m))
        steps = {*np.diff(start).tolist()} or {k}
        if (stop - start < k).any() or len(steps) > 1 or 0 in steps:
            how = f"{windows.space} cells into {windows.output_size}"
            raise refused(node, f"ONNX needs windows of equal length and distance: {how}")
        strides += steps
    return {"kernel_shape": [*windows.kernel], "strides": strides}


# -- reductions and orders


def _axes(node: Any) -> Shape:
    return axes_of(np.shape(data_of(node.parents[0])), node.options.get("axis"), "to_onnx")


def _reduction(kind: str) -> Written:
    def reduction(op: Writer, node: Any, x: str) -> str:
        axes, keep = _axes(node), int(node.options.get("keepdims", False))
        return op.operation(kind, x, axes, keepdims=keep) if axes else x

    return reduction


def _norm(op: Writer, node: Any, x: str) -> str:
    p = float(node.options.get("ord", 2.0))
    if p not in NORMS:
        raise refused(node, f"ONNX has the norms of p = 1 and 2, not of {p:g}")
    return _reduction(NORMS[p])(op, node, x if _axes(node) else op.Abs(x))


def _var(op: Writer, node: Any, x: str) -> str:
    """Write the mean of squared distances; the model counts the numbers, for any batch size."""
    over, keep = _axes(node), int(node.options.get("keepdims", False))
    distance = op.Sub(x, op.ReduceMean(x, over, keepdims=1, noop_with_empty_axes=1))
    square = op.Mul(distance, distance)
    count = op.cast(op.ReduceProd(op.Gather(op.Shape(x), over), keepdims=0), node.dtype)
    divisor = op.Max(op.Sub(count, float(node.options.get("ddof", 0))), 0.0)
    return op.Div(op.ReduceSum(square, over, keepdims=keep, noop_with_empty_axes=1), divisor)


def _softmax(kind: str) -> Written:
    def softmax(op: Writer, node: Any, x: str) -> str:
        axes = axes_of(node.shape, node.options.get("axis", -1), "to_onnx")
        if len(axes) != 1:
            raise refused(node, f"ONNX has {kind} over one axis, not over {axes}")
        return op.operation(kind, x, axis=axes[0])

    return softmax


def _cumsum(op: Writer, node: Any, x: str) -> str:
    axis = node.options.get("axis")
    return op.CumSum(op.Reshape(x, [-1]) if axis is None else x, axis or 0)


def _sort(op: Writer, node: Any, x: str) -> str:
    if node.options.get("kth") is not None:
        raise refused(node, "ONNX sorts a whole axis; it has no kth")
    return _sorted(op, x, int(node.options.get("axis", -1)) % node.ndim)


def _sorted(op: Writer, x: str, axis: int) -> str:
    return op.TopK(x, op.Shape(x, start=axis, end=axis + 1), more=1, axis=axis, largest=0)


def _quantile(op: Writer, node: Any, x: str) -> str:
    """Write the weighted mean of the two sorted elements that a quantile lies between."""
    of, method, q = (node.options[name] for name in ("of", "method", "q"))
    if of not in ("quantile", "percentile") or method != "linear" or np.ndim(q):
        raise refused(
            node, f"only linear quantiles can be written, not {of}({q}, method={method!r})"
        )
    last = node.parents[0].ndim - 1
    rows = _sorted(op, x, last)
    share = op.constant([q / 100 if of == "percentile" else q], float)
    end = op.Sub(op.cast(op.Shape(x, start=last), float), op.constant([1.0], float))
    position = op.Mul(end, share)
    low, high = op.Floor(position), op.Ceil(position)
    t = op.cast(op.Sub(position, low), node.dtype)
    below, above = (op.Gather(rows, op.cast(i, np.int64), axis=last) for i in (low, high))
    above = op.Where(op.Greater(t, 0.0), above, 0.0)  # 0 * inf would be NaN
    y = op.Add(op.Mul(below, op.Sub(1.0, t)), op.Mul(above, t))
    return op.Squeeze(y, [last])


WRITTEN: dict[str, Written] = {
    "square": lambda op, _, x: op.Pow(x, 2.0),
    "expm1": lambda op, _, x: op.Sub(op.Exp(x), 1.0),
    "log1p": lambda op, _, x: op.Log(op.Add(x, 1.0)),
    "log2": lambda op, _, x: op.Mul(op.Log(x), 1 / np.log(2.0)),
    "log10": lambda op, _, x: op.Mul(op.Log(x), 1 / np.log(10.0)),
    "fmod": lambda op, _, x, y: op.Mod(x, y, fmod=1),
    "clip": _clip,
    "elu": _elu,
    "gelu": _gelu,
    "softplus": _softplus,
    "weighted_sum": _weighted_sum,
    "where": lambda op, _, condition, x, y: op.Where(op.cast(condition, bool), x, y),
    "astype": lambda op, node, x: op.cast(x, node.dtype),
    "reshape": lambda op, node, x: op.Reshape(
        x, op.graph.shapes[node], allowzero=int(0 in node.shape)
    ),
    "broadcast_to": lambda op, node, x: op.Expand(
        x, [1 if n == -1 else n for n in op.graph.shapes[node]]
    ),
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
    "einsum": lambda op, node, *xs: op.Einsum(*xs, equation=node.options["subscripts"]),
}
