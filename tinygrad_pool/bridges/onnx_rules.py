"""What ONNX has for each rule, by the rule's name."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.bridges.onnx_reduced import REDUCTIONS
from tinygrad_pool.bridges.onnx_writer import Writer, Written, refused
from tinygrad_pool.bridges.translations import data_of
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.windows import AdaptiveWindows, Windows

PLAIN = {
    **{"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "power": "Pow", "neg": "Neg"},
    **{"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan"},
    **{"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "abs": "Abs", "erf": "Erf"},
    **{"arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh"},
    **{"arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "matmul": "MatMul"},
    **{"leaky_relu": "PRelu", "det": "Det"},
}
"""Rules that are one operation with the same operands and no options."""


def written(writer: Writer, node: Any, inputs: list[str]) -> str:
    """Write what a node's rule is in ONNX, and return the name of its result.

    Raises UnsupportedError for a rule that ONNX lacks, or an option that it cannot express.
    """
    rule = node.rule.__name__
    ours = is_ours(node.rule)
    if ours and node.options.get("ties", "first") != "first":
        raise refused(node, f"settles ties by {node.options['ties']!r}; ONNX cannot express that")
    if ours and rule in PLAIN and not node.options:
        return writer.operation(PLAIN[rule], inputs)
    if not ours or rule not in WRITTEN:
        raise refused(node, "ONNX has no operation for this rule")
    return WRITTEN[rule](writer, node, inputs)


def _shares(kind: str) -> Written:
    def shares(writer: Writer, node: Any, inputs: list[str]) -> str:
        axes = axes_of(node.shape, node.options.get("axis", -1), "to_onnx")
        if len(axes) != 1:
            raise refused(node, f"ONNX knows {kind} over one axis, not over {axes}")
        return writer.operation(kind, inputs, axis=axes[0])

    return shares


def _folded(kind: str) -> Written:
    return lambda writer, _, inputs: writer.operation(kind, inputs)


def _square(writer: Writer, node: Any, inputs: list[str]) -> str:
    return writer.operation("Pow", [*inputs, writer.constant(2.0, node.dtype)])


def _expm1(writer: Writer, node: Any, inputs: list[str]) -> str:
    one = writer.constant(1.0, node.dtype)
    return writer.operation("Sub", [writer.operation("Exp", inputs), one])


def _log1p(writer: Writer, node: Any, inputs: list[str]) -> str:
    one = writer.constant(1.0, node.dtype)
    return writer.operation("Log", [writer.operation("Add", [*inputs, one])])


def _clip(writer: Writer, node: Any, inputs: list[str]) -> str:
    (y,) = inputs
    for name, kind in (("min", "Max"), ("max", "Min")):
        bound = node.options.get(name)
        if bound is not None:
            y = writer.operation(kind, [y, writer.constant(bound, node.dtype)])
    return y


def _is_double(node: Any) -> bool:
    """Return whether an attribute, a number in single precision, would be too rough."""
    return bool(node.dtype.itemsize > np.dtype(np.float32).itemsize)


def _elu(writer: Writer, node: Any, inputs: list[str]) -> str:
    alpha = float(node.options.get("alpha", 1.0))
    if not _is_double(node) or float(np.float32(alpha)) == alpha:
        return writer.operation("Elu", inputs, alpha=alpha)
    zero, scale = (writer.constant(c, node.dtype) for c in (0.0, alpha))
    below = writer.operation("Min", [writer.operation("Elu", inputs), zero])
    above = writer.operation("Relu", inputs)
    return writer.operation("Add", [above, writer.operation("Mul", [below, scale])])


def _gelu(writer: Writer, node: Any, inputs: list[str]) -> str:
    kind = node.options.get("approximate", "none")
    if kind == "none" or not _is_double(node):
        return writer.operation("Gelu", inputs, approximate=kind)
    (x,) = inputs

    def times(a: str, b: str | float) -> str:
        return writer.operation("Mul", [a, b if isinstance(b, str) else number(b)])

    def number(c: float) -> str:
        return writer.constant(c, node.dtype)

    bent = writer.operation("Add", [x, times(times(times(x, x), x), 0.044715)])
    share = writer.operation("Tanh", [times(bent, np.sqrt(2 / np.pi))])
    return times(times(x, 0.5), writer.operation("Add", [share, number(1.0)]))


def _softplus(writer: Writer, node: Any, inputs: list[str]) -> str:
    beta = writer.constant(float(node.options.get("beta", 1.0)), node.dtype)
    y = writer.operation("Softplus", [writer.operation("Mul", [*inputs, beta])])
    return writer.operation("Div", [y, beta])


def _weighted_sum(writer: Writer, _: Any, inputs: list[str]) -> str:
    n = (len(inputs) - 1) // 2
    y = inputs[-1]
    for w, x in zip(inputs[:n], inputs[n:-1], strict=True):
        y = writer.operation("Add", [y, writer.operation("Mul", [w, x])])
    return y


def _reshape(writer: Writer, node: Any, inputs: list[str]) -> str:
    shape = writer.constant(writer.shape_of(node), np.int64)
    return writer.operation("Reshape", [*inputs, shape], allowzero=int(0 in node.shape))


def _broadcast(writer: Writer, node: Any, inputs: list[str]) -> str:
    shape = [1 if n == -1 else n for n in writer.shape_of(node)]
    return writer.operation("Expand", [*inputs, writer.constant(shape, np.int64)])


def _transpose(writer: Writer, node: Any, inputs: list[str]) -> str:
    if not node.ndim:
        return writer.operation("Identity", inputs)
    axes = node.options.get("axes")
    order = range(node.ndim)[::-1] if axes is None else [i % node.ndim for i in axes]
    return writer.operation("Transpose", inputs, perm=[int(i) for i in order])


def _expand_dims(writer: Writer, node: Any, inputs: list[str]) -> str:
    axes = axes_of(node.shape, _several(node.options.get("axis", 0)), "to_onnx")
    return writer.operation("Unsqueeze", [*inputs, writer.constant(axes, np.int64)])


def _squeeze(writer: Writer, node: Any, inputs: list[str]) -> str:
    shape, axis = node.parents[0].shape, node.options.get("axis")
    axes = axes_of(shape, axis, "to_onnx")
    axes = tuple(i for i in axes if shape[i] == 1)
    if not axes:
        return writer.operation("Identity", inputs)
    return writer.operation("Squeeze", [*inputs, writer.constant(axes, np.int64)])


def _several(axis: Any) -> Any:
    return axis if isinstance(axis, list | tuple) else (axis,)


def _concatenate(writer: Writer, node: Any, inputs: list[str]) -> str:
    return writer.operation("Concat", inputs, axis=int(node.options.get("axis", 0)) % node.ndim)


def _stack(writer: Writer, node: Any, inputs: list[str]) -> str:
    axis = int(node.options.get("axis", 0)) % node.ndim
    at = writer.constant([axis], np.int64)
    return writer.operation(
        "Concat", [writer.operation("Unsqueeze", [x, at]) for x in inputs], axis=axis
    )


def _where(writer: Writer, node: Any, inputs: list[str]) -> str:
    condition = node.parents[0]
    if isinstance(condition, Node):
        holds = writer.cast(inputs[0], np.dtype(bool))
    else:
        holds = writer.constant(np.asarray(condition) != 0, np.bool_)
    return writer.operation("Where", [holds, *inputs[1:]])


def _getitem(writer: Writer, node: Any, inputs: list[str]) -> str:
    """Write numbers and slices as Slice, an array of places as Gather; else from the flat cells."""
    key = node.options.get("key", ())
    parts = key if isinstance(key, tuple) else (key,)
    shape = np.shape(data_of(node.parents[0]))
    taken = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
    around = [p is Ellipsis for p in parts]
    at = around.index(True) if any(around) else len(parts)
    rest = parts[at + 1 :]
    parts = (*parts[:at], *(slice(None),) * taken, *rest)
    basic = all(p is None or isinstance(p, slice | int | np.integer) for p in parts)
    if basic and not any(isinstance(p, bool) for p in parts):
        return _sliced(writer, parts, inputs[0])
    arrays = [i for i, p in enumerate(parts) if not _is_all(p)]
    if len(arrays) == 1 and np.asarray(parts[arrays[0]]).dtype.kind in "iu":
        places = writer.constant(parts[arrays[0]], np.int64)
        return writer.operation("Gather", [*inputs, places], axis=arrays[0])
    flat = writer.operation("Reshape", [*inputs, writer.constant([-1], np.int64)])
    cells = np.arange(int(np.prod(shape))).reshape(shape)[key]
    return writer.operation("Gather", [flat, writer.constant(cells, np.int64)], axis=0)


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _sliced(writer: Writer, parts: Any, x: str) -> str:
    """Slice along each axis, drop those of a number, and insert those of None."""
    ranges, dropped, new, axis, out = [], [], [], 0, 0
    for part in parts:
        if part is None:
            new.append(out)
            out += 1
            continue
        if not isinstance(part, slice):
            place = int(part)
            ranges.append((place, place + 1 if place != -1 else LAST, axis, 1))
            dropped.append(axis)
        else:
            out += 1
            if not _is_all(part):
                step = int(part.step or 1)
                ends = (0, LAST) if step > 0 else (LAST, -LAST)
                first = ends[0] if part.start is None else int(part.start)
                last = ends[1] if part.stop is None else int(part.stop)
                ranges.append((first, last, axis, step))
        axis += 1
    if ranges:
        x = writer.operation(
            "Slice", [x, *(writer.constant(c, np.int64) for c in zip(*ranges, strict=True))]
        )
    if dropped:
        x = writer.operation("Squeeze", [x, writer.constant(dropped, np.int64)])
    if new:
        x = writer.operation("Unsqueeze", [x, writer.constant(new, np.int64)])
    return x if ranges or new else writer.operation("Identity", [x])


LAST = 2**31 - 1
"""Past the end of any axis."""


def _layout(writer: Writer, node: Any, inputs: list[str], leading: int) -> tuple[str, bool]:
    """Bring an input to (n, channels, …); return whether an axis was added."""
    lead = node.ndim - len(node.options["windows"].kernel)
    if lead == leading:
        return inputs[0], False
    if lead == leading - 1:
        return writer.operation("Unsqueeze", [inputs[0], writer.constant([0], np.int64)]), True
    raise refused(node, f"ONNX takes (n, channels, …), got shape {node.parents[0].shape}")


def _back(writer: Writer, y: str, added: bool) -> str:
    return writer.operation("Squeeze", [y, writer.constant([0], np.int64)]) if added else y


def _window_attributes(windows: Windows) -> dict[str, Any]:
    before, after = zip(*windows.padding, strict=True)
    return {
        "kernel_shape": list(windows.kernel),
        "strides": list(windows.stride),
        "pads": [*before, *after],
        "dilations": list(windows.dilation),
    }


def _conv(writer: Writer, node: Any, inputs: list[str]) -> str:
    attributes = _window_attributes(node.options["windows"])
    x, added = _layout(writer, node, inputs, 2)
    groups = int(node.options.get("groups", 1))
    return _back(
        writer, writer.operation("Conv", [x, *inputs[1:]], group=groups, **attributes), added
    )


def _pool(kind: str) -> Written:
    def pool(writer: Writer, node: Any, inputs: list[str]) -> str:
        windows = node.options["windows"]
        x, added = _layout(writer, node, inputs, 2)
        if isinstance(windows, AdaptiveWindows):
            return _back(writer, _adaptive(writer, node, kind, x), added)
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
        return _back(writer, writer.operation(kind, [x], **attributes), added)

    return pool


def _adaptive(writer: Writer, node: Any, kind: str, x: str) -> str:
    """Write an adaptive pool whose windows are all of one length, and as far apart."""
    windows = node.options["windows"]
    strides: list[int] = []
    for axis, (k, m) in enumerate(zip(windows.kernel, windows.wanted, strict=True)):
        start, stop = windows.bounds(axis, np.arange(m))
        steps = {*np.diff(start).tolist()} or {k}
        if (stop - start < k).any() or len(steps) > 1 or 0 in steps:
            how = f"{windows.space} cells into {windows.wanted}"
            raise refused(node, f"windows of several lengths, or unevenly apart: {how}")
        strides += steps
    return writer.operation(kind, [x], kernel_shape=[*windows.kernel], strides=strides)


WRITTEN: dict[str, Written] = {
    **REDUCTIONS,
    "einsum": lambda writer, node, inputs: writer.operation(
        "Einsum", inputs, equation=node.options["subscripts"]
    ),
    "fmod": lambda writer, _, inputs: writer.operation("Mod", inputs, fmod=1),
    "maximum": _folded("Max"),
    "minimum": _folded("Min"),
    "softmax": _shares("Softmax"),
    "log_softmax": _shares("LogSoftmax"),
    "square": _square,
    "expm1": _expm1,
    "log1p": _log1p,
    "clip": _clip,
    "elu": _elu,
    "gelu": _gelu,
    "softplus": _softplus,
    "weighted_sum": _weighted_sum,
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concatenate": _concatenate,
    "stack": _stack,
    "where": _where,
    "astype": lambda writer, node, inputs: writer.cast(inputs[0], node.dtype),
    "getitem": _getitem,
    "conv": _conv,
    "max_pool": _pool("MaxPool"),
    "avg_pool": _pool("AveragePool"),
    "lp_pool": _pool("LpPool"),
}
