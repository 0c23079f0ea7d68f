"""PyTorch's counterparts of convolutions and pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.bridges.translations import torch
from tinygrad_pool.rules import convolution, pooling
from tinygrad_pool.rules.cells import counts_of
from tinygrad_pool.rules.rule import Rule
from tinygrad_pool.rules.windows import AdaptiveWindows

Options: TypeAlias = Mapping[str, Any]
Counterpart: TypeAlias = Callable[..., Any]
"""Takes the options of a rule and tensors; returns a tensor."""


def _padded(x: Any, sides: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    flat = [n for pair in reversed(sides) for n in pair]
    return torch().nn.functional.pad(x, flat, value=value)


def _batched(x: Any, axes: int) -> Any:
    """Merge the leading axes into one, the batch of PyTorch's layers; the last axes remain."""
    lead = x.ndim - axes
    return x.reshape(math.prod(x.shape[:lead]), *x.shape[lead:])


def _conv(options: Options, x: Any, w: Any, *b: Any) -> Any:
    windows, ndim = options["windows"], len(options["windows"].kernel)
    lead = x.shape[: -ndim - 1]
    convolve = getattr(torch().nn.functional, f"conv{ndim}d")
    x = _batched(_padded(x, windows.padding), ndim + 1)
    y = convolve(
        x, w, *(b or (None,)), windows.stride, 0, windows.dilation, options.get("groups", 1)
    )
    return y.reshape(*lead, *y.shape[1:])


def _pool(kind: str, slide: Counterpart) -> Counterpart:
    """Return a pool, which slides or is adaptive. PyTorch pools a batch of planes."""

    def pool(options: Options, x: Any) -> Any:
        windows, ndim = options["windows"], len(options["windows"].kernel)
        if isinstance(windows, AdaptiveWindows):
            adaptive = getattr(torch().nn.functional, f"adaptive_{kind}_pool{ndim}d")
            y = adaptive(_batched(x, ndim)[None], windows.output_size)
        else:
            y = slide(options, x)
        return y.reshape(*x.shape[: x.ndim - ndim], *windows.over(tuple(x.shape)))

    return pool


def _over_windows(name: str, windows: Any, x: Any, fill: float, *operands: Any) -> Any:
    """Pad and pool planes, and drop the windows that start in the padding, as `ceil_mode` does.

    Padding first allows any: PyTorch's pools pad evenly, and by half a window at most.
    """
    shape, ndim = tuple(x.shape), len(windows.kernel)
    planes = _batched(_padded(x, windows.overhang(shape), fill), ndim)[:, None]
    pool = getattr(torch().nn.functional, f"{name}{ndim}d")
    y = pool(planes, *operands, windows.stride, 0, windows.dilation)[:, 0]
    return y[(..., *(slice(n) for n in windows.over(shape)))]


def _window_sums(windows: Any, x: Any) -> Any:
    """Sum each window: a convolution with ones, which supports dilation."""
    ones = torch().ones((1, 1, *windows.kernel), dtype=x.dtype)
    return _over_windows("conv", windows, x, 0.0, ones, None)


def _avg_pool(options: Options, x: Any) -> Any:
    windows, divisor = options["windows"], options.get("divisor_override")
    if divisor is None:
        space = tuple(x.shape[x.ndim - len(windows.kernel) :])
        counts = counts_of(windows, space, options.get("count_include_pad", True))
        divisor = torch().tensor(counts, dtype=x.dtype)
    return _window_sums(windows, x) / divisor


def _lp_pool(options: Options, x: Any) -> Any:
    p = float(options.get("norm_type", 2.0))
    return _window_sums(options["windows"], x.abs() ** p) ** (1 / p)


WINDOW_COUNTERPARTS: dict[Rule, Counterpart] = {
    convolution.conv: _conv,
    pooling.max_pool: _pool(
        "max", lambda o, x: _over_windows("max_pool", o["windows"], x, -np.inf, o["windows"].kernel)
    ),
    pooling.avg_pool: _pool("avg", _avg_pool),
    pooling.lp_pool: _pool("lp", _lp_pool),
}
