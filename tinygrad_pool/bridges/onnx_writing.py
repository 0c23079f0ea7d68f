"""Write a recorded graph as an ONNX file: what each rule is in ONNX, by the rule's name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_pool.bridges import onnx_operations as reading
from tinygrad_pool.bridges.graph import graph_of
from tinygrad_pool.bridges.onnx_keys import cells_of, getitem
from tinygrad_pool.bridges.onnx_windows import conv, pool
from tinygrad_pool.bridges.onnx_writer import Writer, Written, refused
from tinygrad_pool.bridges.translations import data_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import check_folder, write_whole
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules.arguments import Shape, axes_of
from tinygrad_pool.rules.rule import is_ours

READ = reading.NUMPY | reading.EXTREMES | reading.OPERATORS
PLAIN = {rule: kind for kind, rule in READ.items()} | {"div": "Div", "leaky_relu": "PRelu"}
PLAIN |= {"sigmoid": "Sigmoid", "relu": "Relu", "erf": "Erf", "det": "Det"}
"""Rules that are one operation with the same operands and no options, except for ties."""

NORMS = {1.0: "ReduceL1", 2.0: "ReduceL2"}


def to_onnx(network: Module | Value, path: str | os.PathLike[str], *inputs: Any) -> Path:
    """Write a network, or the graph of a Value, as an ONNX file, and return its path.

    A network is recorded on `inputs`, an example; the batch size, the first axis, is free if no
    operation depends on it. For a Value, `inputs` are the leaves that become inputs; the other
    leaves become parameters. Parameters keep their names. ONNX checks the model, and the file is
    written completely or not at all.

    Raises ToolError without the package onnx; UnsupportedError, with the line of source, for a rule
    that ONNX lacks, or ties other than "first"; GraphError for a mask or an index that was
    computed from the inputs' numbers, or an array of integers as an input; OutputError if the file
    cannot be written.
    """
    onnx = extra("onnx", "to_onnx")
    check_folder(path)
    graph = graph_of("to_onnx", network, inputs)
    if any(cells_of(node) is not None for node in graph.nodes):
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
    if rule in PLAIN:
        return op(PLAIN[rule], *inputs)
    return WRITTEN[rule](op, node, *inputs)


# -- elementwise


def _clip(op: Writer, node: Any, y: str) -> str:
    for name, kind in (("min", "Max"), ("max", "Min")):
        bound = node.options.get(name)
        if bound is not None:
            y = op(kind, y, op.constant(bound, node.dtype))
    return y


def _is_double(node: Any) -> bool:
    """Return whether an attribute, which is in single precision, would be too inexact."""
    return bool(node.dtype.itemsize > np.dtype(np.float32).itemsize)


def _elu(op: Writer, node: Any, x: str) -> str:
    alpha = float(node.options.get("alpha", 1.0))
    if not _is_double(node) or float(np.float32(alpha)) == alpha:
        return op("Elu", x, alpha=alpha)
    return op("Add", op("Relu", x), op("Mul", op("Min", op("Elu", x), 0.0), alpha))


def _gelu(op: Writer, node: Any, x: str) -> str:
    kind = node.options.get("approximate", "none")
    if kind == "none" or not _is_double(node):
        return op("Gelu", x, approximate=kind)
    cubic = op("Add", x, op("Mul", op("Mul", op("Mul", x, x), x), 0.044715))
    share = op("Add", op("Tanh", op("Mul", cubic, np.sqrt(2 / np.pi))), 1.0)
    return op("Mul", op("Mul", x, 0.5), share)


def _softplus(op: Writer, node: Any, x: str) -> str:
    options = {"beta": 1.0, "threshold": 20.0, **node.options}
    beta, threshold = float(options["beta"]), float(options["threshold"])
    bent = op("Mul", x, beta)
    y = op("Div", op("Softplus", bent), beta)
    is_exact = threshold > 0 and np.exp(-threshold) < np.finfo(node.dtype).eps * threshold / 4
    return y if is_exact else op("Where", op("Greater", bent, threshold), x, y)


def _weighted_sum(op: Writer, _: Any, *inputs: str) -> str:
    n = len(inputs) // 2
    y = inputs[-1]
    for w, x in zip(inputs[:n], inputs[n:-1], strict=True):
        y = op("Add", y, op("Mul", w, x))
    return y


# -- shapes


def _transpose(op: Writer, node: Any, x: str) -> str:
    axes = node.options.get("axes")
    order = range(node.ndim)[::-1] if axes is None else [i % node.ndim for i in axes]
    return op("Transpose", x, perm=[int(i) for i in order]) if node.ndim else x


def _expand_dims(op: Writer, node: Any, x: str) -> str:
    return op("Unsqueeze", x, axes_of(node.shape, node.options.get("axis", 0), "to_onnx"))


def _squeeze(op: Writer, node: Any, x: str) -> str:
    axes = [i for i in _axes(node) if node.parents[0].shape[i] == 1]
    return op("Squeeze", x, axes) if axes else x


def _concatenate(op: Writer, node: Any, *xs: str) -> str:
    return op("Concat", *xs, axis=int(node.options.get("axis", 0)) % node.ndim)


def _stack(op: Writer, node: Any, *xs: str) -> str:
    return _concatenate(op, node, *(_expand_dims(op, node, x) for x in xs))


# -- reductions and orders


def _axes(node: Any) -> Shape:
    return axes_of(np.shape(data_of(node.parents[0])), node.options.get("axis"), "to_onnx")


def _reduction(kind: str) -> Written:
    def reduction(op: Writer, node: Any, x: str) -> str:
        axes, keep = _axes(node), int(node.options.get("keepdims", False))
        return op(kind, x, axes, keepdims=keep) if axes else x

    return reduction


def _norm(op: Writer, node: Any, x: str) -> str:
    p = float(node.options.get("ord", 2.0))
    if p not in NORMS:
        raise refused(node, f"ONNX has the norms of p = 1 and 2, not of {p:g}")
    return _reduction(NORMS[p])(op, node, x if _axes(node) else op("Abs", x))


def _var(op: Writer, node: Any, x: str) -> str:
    """Write the mean of squared distances; the model counts the numbers, for any batch size."""
    over, keep = _axes(node), int(node.options.get("keepdims", False))
    distance = op("Sub", x, op("ReduceMean", x, over, keepdims=1, noop_with_empty_axes=1))
    square = op("Mul", distance, distance)
    count = op.cast(op("ReduceProd", op("Gather", op("Shape", x), over), keepdims=0), node.dtype)
    divisor = op("Max", op("Sub", count, float(node.options.get("ddof", 0))), 0.0)
    return op("Div", op("ReduceSum", square, over, keepdims=keep, noop_with_empty_axes=1), divisor)


def _softmax(kind: str) -> Written:
    def softmax(op: Writer, node: Any, x: str) -> str:
        axes = axes_of(node.shape, node.options.get("axis", -1), "to_onnx")
        if len(axes) != 1:
            raise refused(node, f"ONNX has {kind} over one axis, not over {axes}")
        return op(kind, x, axis=axes[0])

    return softmax


def _cumsum(op: Writer, node: Any, x: str) -> str:
    axis = node.options.get("axis")
    return op("CumSum", op("Reshape", x, [-1]) if axis is None else x, axis or 0)


def _sort(op: Writer, node: Any, x: str) -> str:
    if node.options.get("kth") is not None:
        raise refused(node, "ONNX sorts a whole axis; it has no kth")
    return _sorted(op, x, int(node.options.get("axis", -1)) % node.ndim)


def _sorted(op: Writer, x: str, axis: int) -> str:
    return op("TopK", x, op("Shape", x, start=axis, end=axis + 1), more=1, axis=axis, largest=0)


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
    end = op("Sub", op.cast(op("Shape", x, start=last), float), op.constant([1.0], float))
    position = op("Mul", end, share)
    low, high = op("Floor", position), op("Ceil", position)
    t = op.cast(op("Sub", position, low), node.dtype)
    below, above = (op("Gather", rows, op.cast(i, np.int64), axis=last) for i in (low, high))
    above = op("Where", op("Greater", t, 0.0), above, 0.0)  # 0 * inf would be NaN
    y = op("Add", op("Mul", below, op("Sub", 1.0, t)), op("Mul", above, t))
    return op("Squeeze", y, [last])


def _expm1(op: Writer, _: Any, x: str) -> str:
    """Write tanh(x / 2) (exp x + 1): exp x − 1 would lose the digits of a small x."""
    return op("Mul", op("Tanh", op("Mul", x, 0.5)), op("Add", op("Exp", x), 1.0))


def _log1p(op: Writer, _: Any, x: str) -> str:
    """Write log u, where u = 1 + x, less what rounding added to u: the digits of a small x."""
    u = op("Add", x, 1.0)
    added = op("Div", op("Sub", op("Sub", u, 1.0), x), u)
    return op("Sub", op("Log", u), op("Where", op("IsNaN", added), 0.0, added))


WRITTEN: dict[str, Written] = {
    "square": lambda op, _, x: op("Pow", x, 2.0),
    "expm1": _expm1,
    "log1p": _log1p,
    "log2": lambda op, _, x: op("Mul", op("Log", x), 1 / np.log(2.0)),
    "log10": lambda op, _, x: op("Mul", op("Log", x), 1 / np.log(10.0)),
    "fmod": lambda op, _, x, y: op("Mod", x, y, fmod=1),
    "clip": _clip,
    "elu": _elu,
    "gelu": _gelu,
    "softplus": _softplus,
    "weighted_sum": _weighted_sum,
    "where": lambda op, _, condition, x, y: op("Where", op.cast(condition, bool), x, y),
    "astype": lambda op, node, x: op.cast(x, node.dtype),
    "reshape": lambda op, node, x: op(
        "Reshape", x, op.graph.shapes[node], allowzero=int(0 in node.shape)
    ),
    "broadcast_to": lambda op, node, x: op(
        "Expand", x, [1 if n == -1 else n for n in op.graph.shapes[node]]
    ),
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concatenate": _concatenate,
    "stack": _stack,
    "getitem": getitem,
    "conv": conv,
    **{rule: pool(kind) for kind, rule in reading.POOLS.items()},
    **{rule: _reduction(kind) for kind, rule in reading.REDUCTIONS.items()},
    "logsumexp": _reduction("ReduceLogSumExp"),
    "vector_norm": _norm,
    "var": _var,
    **{rule: _softmax(kind) for kind, rule in reading.SHARES.items()},
    "cumsum": _cumsum,
    "sort": _sort,
    "quantile": _quantile,
    "einsum": lambda op, node, *xs: op("Einsum", *xs, equation=node.options["subscripts"]),
}
