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
    keep = int(node.options.get("keepdims", False))
    return writer.operation(kind, x, _axes(node), keepdims=keep)


def _reduced(writer: Writer, node: Any, x: str) -> str:
    return _over_axes(writer, node, REDUCED[node.rule.__name__], x) if _axes(node) else x


def _norm(writer: Writer, node: Any, x: str) -> str:
    p = float(node.options.get("ord", 2.0))
    if p not in NORMS:
        raise refused(node, f"ONNX has the norms of p = 1 and 2, not of {p:g}")
    return _over_axes(writer, node, NORMS[p], x) if _axes(node) else writer.operation("Abs", x)


def _var(writer: Writer, node: Any, x: str) -> str:
    """Write the mean of squared distances; numbers are counted where it runs, for any batch."""
    over, keep = _axes(node), int(node.options.get("keepdims", False))
    mean = writer.operation("ReduceMean", x, over, keepdims=1, noop_with_empty_axes=1)
    away = writer.operation("Sub", x, mean)
    square = writer.operation("Mul", away, away)
    lengths = writer.operation("Gather", writer.operation("Shape", x), over)
    count = writer.cast(writer.operation("ReduceProd", lengths, keepdims=0), node.dtype)
    freedom = writer.operation("Sub", count, float(node.options.get("ddof", 0)))
    least = writer.operation("Max", freedom, 0.0)
    total = writer.operation("ReduceSum", square, over, keepdims=keep, noop_with_empty_axes=1)
    return writer.operation("Div", total, least)


def _cumsum(writer: Writer, node: Any, x: str) -> str:
    axis = node.options.get("axis")
    row = x if axis is not None else writer.operation("Reshape", x, [-1])
    return writer.operation("CumSum", row, axis or 0)


def _sort(writer: Writer, node: Any, x: str) -> str:
    if node.options.get("kth") is not None:
        raise refused(node, "ONNX sorts a whole axis; it has no kth")
    return _in_order(writer, x, int(node.options.get("axis", -1)) % node.ndim)


def _in_order(writer: Writer, x: str, axis: int) -> str:
    all_of_it = writer.operation("Shape", x, start=axis, end=axis + 1)
    return writer.operation("TopK", x, all_of_it, more=1, axis=axis, largest=0)


def _quantile(writer: Writer, node: Any, x: str) -> str:
    """Mix the two cells, in order, that a quantile lies between."""
    of, method, q = (node.options[name] for name in ("of", "method", "q"))
    if of not in ("quantile", "percentile") or method != "linear" or np.ndim(q):
        raise refused(
            node, f"only linear quantiles can be written, not {of}({q}, method={method!r})"
        )
    last = node.parents[0].ndim - 1
    rows = _in_order(writer, x, last)
    n = writer.cast(writer.operation("Shape", x, start=last), np.dtype(float))
    share = writer.constant([q / 100 if of == "percentile" else q], float)
    end = writer.operation("Sub", n, writer.constant([1.0], float))
    place = writer.operation("Mul", end, share)
    low, high = (writer.operation(kind, place) for kind in ("Floor", "Ceil"))
    t = writer.cast(writer.operation("Sub", place, low), node.dtype)
    s = writer.operation("Sub", 1.0, t)
    ends = [
        writer.operation("Gather", rows, writer.cast(end, np.dtype(np.int64)), axis=last)
        for end in (low, high)
    ]
    ends[1] = writer.operation("Where", writer.operation("Greater", t, 0.0), ends[1], 0.0)
    parts = [writer.operation("Mul", *pair) for pair in zip(ends, (s, t), strict=True)]
    return writer.operation("Squeeze", writer.operation("Add", *parts), [last])


REDUCTIONS: dict[str, Written] = {
    **dict.fromkeys(REDUCED, _reduced),
    "vector_norm": _norm,
    "var": _var,
    "cumsum": _cumsum,
    "sort": _sort,
    "quantile": _quantile,
}
"""What writes each of these rules."""
