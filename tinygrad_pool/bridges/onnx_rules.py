"""What ONNX has for each rule, by the rule's name."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tinygrad_pool.bridges.onnx_operations import EXTREMES, NUMPY, OPERATORS
from tinygrad_pool.bridges.onnx_reduced import REDUCTIONS
from tinygrad_pool.bridges.onnx_writer import Writer, Written, refused
from tinygrad_pool.bridges.translations import data_of
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.windows import AdaptiveWindows, Windows

PLAIN = {ours: kind for kind, ours in (NUMPY | EXTREMES | OPERATORS).items()}
PLAIN |= {"div": "Div", "sigmoid": "Sigmoid", "relu": "Relu", "erf": "Erf", "det": "Det"}
PLAIN |= {"leaky_relu": "PRelu"}
"""Rules that are one operation with the same operands and no options."""


def written(writer: Writer, node: Any, inputs: list[str]) -> str:
    """Write what a node's rule is in ONNX, and return the name of its result.

    Raises UnsupportedError for a rule that ONNX lacks, or an option that it cannot express.
    """
    rule = node.rule.__name__
    ours = is_ours(node.rule)
    if ours and node.options.get("ties", "first") != "first":
        raise refused(node, f"settles ties by {node.options['ties']!r}; ONNX cannot express that")
    if ours and rule in PLAIN and not node.options.keys() - {"ties"}:
        return writer.operation(PLAIN[rule], *inputs)
    if not ours or rule not in WRITTEN:
        raise refused(node, "ONNX has no operation for this rule")
    return WRITTEN[rule](writer, node, *inputs)


def _shares(kind: str) -> Written:
    def shares(writer: Writer, node: Any, x: str) -> str:
        axes = axes_of(node.shape, node.options.get("axis", -1), "to_onnx")
        if len(axes) != 1:
            raise refused(node, f"ONNX knows {kind} over one axis, not over {axes}")
        return writer.operation(kind, x, axis=axes[0])

    return shares


def _clip(writer: Writer, node: Any, y: str) -> str:
    for name, kind in (("min", "Max"), ("max", "Min")):
        bound = node.options.get(name)
        if bound is not None:
            y = writer.operation(kind, y, writer.constant(bound, node.dtype))
    return y


def _is_double(node: Any) -> bool:
    """Return whether an attribute, a number in single precision, would be too rough."""
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
    bent = writer.operation("Add", x, times(times(times(x, x), x), 0.044715))
    share = writer.operation("Tanh", times(bent, np.sqrt(2 / np.pi)))
    return times(times(x, 0.5), writer.operation("Add", share, 1.0))


def _softplus(writer: Writer, node: Any, x: str) -> str:
    beta = float(node.options.get("beta", 1.0))
    y = writer.operation("Softplus", writer.operation("Mul", x, beta))
    return writer.operation("Div", y, beta)


def _weighted_sum(writer: Writer, _: Any, *inputs: str) -> str:
    n = len(inputs) // 2
    y = inputs[-1]
    for w, x in zip(inputs[:n], inputs[n:-1], strict=True):
        y = writer.operation("Add", y, writer.operation("Mul", w, x))
    return y


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
    shape = node.parents[0].shape
    axes = axes_of(shape, node.options.get("axis"), "to_onnx")
    axes = tuple(i for i in axes if shape[i] == 1)
    return writer.operation("Squeeze", x, axes) if axes else x


def _concatenate(writer: Writer, node: Any, *xs: str) -> str:
    return writer.operation("Concat", *xs, axis=int(node.options.get("axis", 0)) % node.ndim)


def _stack(writer: Writer, node: Any, *xs: str) -> str:
    axis = int(node.options.get("axis", 0)) % node.ndim
    rows = [writer.operation("Unsqueeze", x, [axis]) for x in xs]
    return writer.operation("Concat", *rows, axis=axis)


def _where(writer: Writer, _: Any, holds: str, *xs: str) -> str:
    return writer.operation("Where", writer.cast(holds, np.dtype(bool)), *xs)


def _getitem(writer: Writer, node: Any, x: str) -> str:
    """Write numbers and slices as Slice, an array of places as Gather; else from the flat cells."""
    key = node.options.get("key", ())
    parts = key if isinstance(key, tuple) else (key,)
    shape = np.shape(data_of(node.parents[0]))
    taken = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    parts = (*parts[:at], *(slice(None),) * taken, *parts[at + 1 :])
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
    """Slice along each axis, drop those of a number, and insert those of None."""
    looked_at = [p for p in parts if p is not None]
    ranges = [_range(axis, p) for axis, p in enumerate(looked_at) if not _is_all(p)]
    dropped = [axis for axis, p in enumerate(looked_at) if not isinstance(p, slice)]
    left = [p for p in parts if p is None or isinstance(p, slice)]
    new = [axis for axis, p in enumerate(left) if p is None]
    if ranges:
        x = writer.operation("Slice", x, *zip(*ranges, strict=True))
    if dropped:
        x = writer.operation("Squeeze", x, dropped)
    return writer.operation("Unsqueeze", x, new) if new else x


def _range(axis: int, part: Any) -> tuple[int, int, int, int]:
    """Write a number or a slice as ONNX does: start, end, axis and step."""
    if not isinstance(part, slice):
        return int(part), int(part) + 1 or LAST, axis, 1
    step = int(part.step or 1)
    first, last = (0, LAST) if step > 0 else (LAST, -LAST)
    first = first if part.start is None else int(part.start)
    return first, last if part.stop is None else int(part.stop), axis, step


LAST = 2**31 - 1
"""Past the end of any axis."""


def _of_batches(write: Written) -> Written:
    """Bring an input to (n, channels, …), and take an axis that was added away again."""

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
    """Write an adaptive pool whose windows are all of one length, and as far apart."""
    windows = node.options["windows"]
    strides: list[int] = []
    for axis, (k, m) in enumerate(zip(windows.kernel, windows.output_size, strict=True)):
        start, stop = windows.bounds(axis, np.arange(m))
        steps = {*np.diff(start).tolist()} or {k}
        if (stop - start < k).any() or len(steps) > 1 or 0 in steps:
            how = f"{windows.space} cells into {windows.output_size}"
            raise refused(node, f"windows of several lengths, or unevenly apart: {how}")
        strides += steps
    return writer.operation(kind, x, kernel_shape=[*windows.kernel], strides=strides)


WRITTEN: dict[str, Written] = {
    **REDUCTIONS,
    "einsum": lambda writer, node, *xs: writer.operation(
        "Einsum", *xs, equation=node.options["subscripts"]
    ),
    "fmod": lambda writer, _, *xs: writer.operation("Mod", *xs, fmod=1),
    "softmax": _shares("Softmax"),
    "log_softmax": _shares("LogSoftmax"),
    "square": lambda writer, _, x: writer.operation("Pow", x, 2.0),
    "expm1": lambda writer, _, x: writer.operation("Sub", writer.operation("Exp", x), 1.0),
    "log1p": lambda writer, _, x: writer.operation("Log", writer.operation("Add", x, 1.0)),
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
    "astype": lambda writer, node, x: writer.cast(x, node.dtype),
    "getitem": _getitem,
    "conv": _conv,
    "max_pool": _pool("MaxPool"),
    "avg_pool": _pool("AveragePool"),
    "lp_pool": _pool("LpPool"),
}
