"""What ONNX has for rules that take rows together: sums, norms, variances, orders, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.bridges.onnx_writer import Writer, Written, refused
from tinygrad_pool.bridges.translations import data_of
from tinygrad_pool.rules.arguments import Shape, axes_of

REDUCED = {"sum": "ReduceSum", "mean": "ReduceMean", "logsumexp": "ReduceLogSumExp"}
REDUCED |= {"max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd"}
NORMS = {1.0: "ReduceL1", 2.0: "ReduceL2"}


def _axes(node: Any) -> Shape:
    return axes_of(np.shape(data_of(node.parents[0])), node.options.get("axis"), "to_onnx")


def _over_axes(writer: Writer, node: Any, kind: str, x: str) -> str:
    over, keep = writer.constant(_axes(node), np.int64), int(node.options.get("keepdims", False))
    return writer.operation(kind, [x, over], keepdims=keep)


def _reduced(writer: Writer, node: Any, inputs: list[str]) -> str:
    if not _axes(node):
        return writer.operation("Identity", inputs)
    return _over_axes(writer, node, REDUCED[node.rule.__name__], *inputs)


def _norm(writer: Writer, node: Any, inputs: list[str]) -> str:
    p = float(node.options.get("ord", 2.0))
    if p not in NORMS:
        raise refused(node, f"ONNX has the norms of p = 1 and 2, not of {p:g}")
    if not _axes(node):
        return writer.operation("Abs", inputs)
    return _over_axes(writer, node, NORMS[p], *inputs)


def _var(writer: Writer, node: Any, inputs: list[str]) -> str:
    """Write the mean of squared distances; numbers are counted where it runs, for any batch."""
    over = writer.constant(_axes(node), np.int64)
    mean = writer.operation("ReduceMean", [*inputs, over], keepdims=1, noop_with_empty_axes=1)
    away = writer.operation("Sub", [*inputs, mean])
    square = writer.operation("Mul", [away, away])
    shape = writer.operation("Shape", inputs)
    lengths = writer.operation("Gather", [shape, over])
    count = writer.cast(writer.operation("ReduceProd", [lengths], keepdims=0), node.dtype)
    ddof = writer.constant(node.options.get("ddof", 0), node.dtype)
    freedom = writer.operation("Sub", [count, ddof])
    least = writer.operation("Max", [freedom, writer.constant(0.0, node.dtype)])
    keep = int(node.options.get("keepdims", False))
    total = writer.operation("ReduceSum", [square, over], keepdims=keep, noop_with_empty_axes=1)
    return writer.operation("Div", [total, least])


def _cumsum(writer: Writer, node: Any, inputs: list[str]) -> str:
    axis = node.options.get("axis")
    if axis is None:
        inputs = [writer.operation("Reshape", [*inputs, writer.constant([-1], np.int64)])]
    return writer.operation("CumSum", [*inputs, writer.constant(axis or 0, np.int64)])


def _sort(writer: Writer, node: Any, inputs: list[str]) -> str:
    if node.options.get("kth") is not None:
        raise refused(node, "ONNX sorts a whole axis; it has no kth")
    return _in_order(writer, inputs[0], int(node.options.get("axis", -1)) % node.ndim)


def _in_order(writer: Writer, x: str, axis: int) -> str:
    all_of_it = writer.operation("Shape", [x], start=axis, end=axis + 1)
    return writer.operation("TopK", [x, all_of_it], more=1, axis=axis, largest=0)


def _quantile(writer: Writer, node: Any, inputs: list[str]) -> str:
    """Mix the two cells, in order, that a quantile lies between."""
    of, method, q = (node.options[name] for name in ("of", "method", "q"))
    if of not in ("quantile", "percentile") or method != "linear" or np.ndim(q):
        raise refused(
            node, f"only linear quantiles can be written, not {of}({q}, method={method!r})"
        )
    (x,), last = inputs, node.parents[0].ndim - 1
    rows = _in_order(writer, x, last)
    n = writer.cast(writer.operation("Shape", [x], start=last), np.dtype(float))
    share = writer.constant([q / 100 if of == "percentile" else q], float)
    end = writer.operation("Sub", [n, writer.constant([1.0], float)])
    place = writer.operation("Mul", [end, share])
    low, high = (writer.operation(kind, [place]) for kind in ("Floor", "Ceil"))
    t = writer.cast(writer.operation("Sub", [place, low]), node.dtype)
    s = writer.operation("Sub", [writer.constant([1.0], node.dtype), t])
    ends = [
        writer.operation("Gather", [rows, writer.cast(end, np.dtype(np.int64))], axis=last)
        for end in (low, high)
    ]
    past = writer.operation("Greater", [t, writer.constant(0.0, node.dtype)])
    ends[1] = writer.operation("Where", [past, ends[1], writer.constant(0.0, node.dtype)])
    parts = [writer.operation("Mul", [*pair]) for pair in zip(ends, (s, t), strict=True)]
    y = writer.operation("Add", parts)
    return writer.operation("Squeeze", [y, writer.constant([last], np.int64)])


REDUCTIONS: dict[str, Written] = {
    **dict.fromkeys(REDUCED, _reduced),
    "vector_norm": _norm,
    "var": _var,
    "cumsum": _cumsum,
    "sort": _sort,
    "quantile": _quantile,
}
"""What writes each of these rules."""
