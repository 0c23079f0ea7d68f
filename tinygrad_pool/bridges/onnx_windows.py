"""Write convolutions and pools in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.bridges.onnx_writer import Writer, Written, refused
from tinygrad_pool.rules.windows import AdaptiveWindows, Windows


def _of_batches(write: Written) -> Written:
    """Give an input without a batch, (channels, …), a batch of one while it is pooled."""

    def written(op: Writer, node: Any, x: str, *others: str) -> str:
        lead = node.ndim - len(node.options["windows"].kernel)
        if lead == 2:
            return write(op, node, x, *others)
        if lead != 1:
            raise refused(node, f"ONNX takes (n, channels, …), got shape {node.parents[0].shape}")
        return op("Squeeze", write(op, node, op("Unsqueeze", x, [0]), *others), [0])

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
def conv(op: Writer, node: Any, x: str, *others: str) -> str:
    """Write a convolution."""
    groups = int(node.options.get("groups", 1))
    return op("Conv", x, *others, group=groups, **_attributes(node.options["windows"]))


def pool(kind: str) -> Written:
    """Return the function that writes a pool, sliding or adaptive."""

    @_of_batches
    def written(op: Writer, node: Any, x: str) -> str:
        windows, options = node.options["windows"], node.options
        if isinstance(windows, AdaptiveWindows):
            return op(kind, x, **_adaptive(node, windows))
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
        return op(kind, x, **attributes)

    return written


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
