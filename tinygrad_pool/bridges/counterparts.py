"""What PyTorch has for each rule: a recorded graph can be run there, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.bridges.row_counterparts import METHODS, ROW_COUNTERPARTS, torch
from tinygrad_pool.engine.node import Node
from tinygrad_pool.rules import (
    activations,
    arithmetic,
    convolution,
    elementwise,
    entropies,
    linear,
    pooling,
    reductions,
    shaping,
)
from tinygrad_pool.rules.arguments import axes_of
from tinygrad_pool.rules.cells import counts_of
from tinygrad_pool.rules.primitive import PYTHON
from tinygrad_pool.rules.quantiles import quantile
from tinygrad_pool.rules.rule import Rule, is_ours
from tinygrad_pool.rules.sparse_weights import weight_layer
from tinygrad_pool.rules.traits import traits_of
from tinygrad_pool.rules.windows import AdaptiveWindows

Options: TypeAlias = Mapping[str, Any]
Counterpart: TypeAlias = Callable[..., Any]


class NoCounterpartError(Exception):
    """PyTorch has nothing for a rule with these options."""


def in_torch(node: Node, xs: Sequence[Any]) -> Any:
    """Compute with PyTorch's own operations what a node's rule makes of tensors.

    They are converted to one dtype beforehand, NumPy's: PyTorch refuses several, or lets an array's
    win over that of a number. Raises NoCounterpartError where PyTorch has none.
    """
    given = [p._numbers if isinstance(p, Node) else p for p in node.parents]
    dtypes = [x.dtype for p, x in zip(given, xs, strict=True) if type(p) not in PYTHON]
    if len(xs) > 1 and dtypes:
        dtype = reduce(torch().promote_types, dtypes)
        xs = [x.to(dtype) for x in xs]
    return counterpart_of(node)(node.options, *xs)


def counterpart_of(node: Node) -> Counterpart:
    """Return what PyTorch has for a node's rule: a function of its options and of tensors.

    A rule of this package that is elementwise is also known by its name.
    """
    rule: Any = node.rule
    if rule is quantile and node.options["method"] not in METHODS:
        raise NoCounterpartError(rule.__name__)
    if rule in COUNTERPARTS:
        return COUNTERPARTS[rule]
    ours = is_ours(rule)
    found = getattr(torch(), rule.__name__, None)
    if ours and found and not node.options and traits_of(rule).sparsity == "elementwise":
        return lambda _, *xs: found(*xs)
    if ours:
        raise NoCounterpartError(rule.__name__)
    return lambda options, *xs: rule(*xs, **options)[0]  # PyTorch may know its operators


def constant(x: Any, dtype: Any) -> Any:
    """Return a constant operand, a mask too, as a tensor of a dtype."""
    return torch().as_tensor(np.array(x, dtype))


def _plain(f: Callable[..., Any]) -> Counterpart:
    """Return the counterpart of a rule without options."""
    return lambda _, *xs: f(*xs)


def _gelu(options: Options, x: Any) -> Any:
    """Compute x Φ(x) by erfc: PyTorch's own sum of 1 and erf leaves nothing far below 0."""
    if options.get("approximate", "none") != "none":
        return torch().nn.functional.gelu(x, **options)
    return x / 2 * torch().erfc(x * -(0.5**0.5))


def _softplus(options: Options, x: Any) -> Any:
    """Compute softplus; without a threshold, PyTorch's own overflows."""
    functional = torch().nn.functional
    if options.get("threshold") != np.inf:
        return functional.softplus(x, **options)
    beta = options.get("beta", 1.0)
    return -functional.logsigmoid(-beta * x) / beta


def _fold_of_two(name: str) -> Counterpart:
    return lambda _, *xs: reduce(getattr(torch(), name), xs)


def _clip(options: Options, x: Any) -> Any:
    bounds = [options.get(name) for name in ("min", "max")]
    low, high = (b if b is None else torch().as_tensor(np.array(b), dtype=x.dtype) for b in bounds)
    return x.clone() if low is high is None else torch().clamp(x, low, high)


def _transpose(options: Options, x: Any) -> Any:
    axes = options.get("axes")
    return torch().permute(x, tuple(range(x.ndim)[::-1] if axes is None else axes))


def _shape(options: Options) -> tuple[int, ...]:
    shape = options.get("shape", -1)
    return tuple(map(int, shape)) if isinstance(shape, Sequence) else (int(shape),)


def _getitem(options: Options, x: Any) -> Any:
    """Select by the flat places of the cells: one index, whatever the key was."""
    places = np.arange(x.numel()).reshape(tuple(x.shape))[options.get("key", ())]
    return x.reshape(-1)[torch().as_tensor(np.array(places))]


def _weighted_sum(_: Options, *terms: Any) -> Any:
    n = (len(terms) - 1) // 2
    y = terms[-1]
    for w, x in zip(terms[:n], terms[n:-1], strict=True):
        y = y + w * x
    return y


def _padded(x: Any, sides: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    flat = [n for pair in reversed(sides) for n in pair]
    return torch().nn.functional.pad(x, flat, value=value)


def _batched(x: Any, axes: int) -> Any:
    """Merge the leading axes into one: layers of PyTorch take a batch of planes."""
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
    """Return a pool of planes, which are merged into a batch; it slides, or is adaptive."""

    def pool(options: Options, x: Any) -> Any:
        windows, ndim = options["windows"], len(options["windows"].kernel)
        if isinstance(windows, AdaptiveWindows):
            adaptive = getattr(torch().nn.functional, f"adaptive_{kind}_pool{ndim}d")
            y = adaptive(_batched(x, ndim)[None], windows.output_size)
        else:
            y = slide(options, x)
        return y.reshape(*x.shape[: x.ndim - ndim], *windows.over(tuple(x.shape)))

    return pool


def _max_pool(options: Options, x: Any) -> Any:
    """Pad with −∞ beforehand: what PyTorch pads itself is at most half a window, and even."""
    windows, ndim = options["windows"], len(options["windows"].kernel)
    wide = _batched(_padded(x, windows.overhang(tuple(x.shape)), -np.inf), ndim)[None]
    pool = getattr(torch().nn.functional, f"max_pool{ndim}d")
    return _first_windows(
        pool(wide, windows.kernel, windows.stride, 0, windows.dilation), windows, x
    )


def _avg_pool(options: Options, x: Any) -> Any:
    windows, K = options["windows"], options.get("divisor_override")
    if K is None:
        K = _counts(windows, x, options.get("count_include_pad", True))
    return _window_sums(windows, x) / K


def _window_sums(windows: Any, x: Any) -> Any:
    """Add up each window: a convolution with ones, which knows dilation and uneven padding."""
    ndim = len(windows.kernel)
    wide = _batched(_padded(x, windows.overhang(tuple(x.shape))), ndim)[:, None]
    ones = torch().ones((1, 1, *windows.kernel), dtype=x.dtype)
    convolve = getattr(torch().nn.functional, f"conv{ndim}d")
    y = convolve(wide, ones, None, windows.stride, 0, windows.dilation)[:, 0]
    return _first_windows(y, windows, x)


def _first_windows(y: Any, windows: Any, x: Any) -> Any:
    """Drop windows that `ceil_mode` leaves out, since they would begin in the padding."""
    return y[(..., *(slice(n) for n in windows.over(tuple(x.shape))))]


def _counts(windows: Any, x: Any, padding: bool) -> Any:
    space = tuple(x.shape[x.ndim - len(windows.kernel) :])
    return torch().tensor(counts_of(windows, space, padding), dtype=x.dtype)


def _lp_pool(options: Options, x: Any) -> Any:
    p = float(options.get("norm_type", 2.0))
    return _window_sums(options["windows"], x.abs() ** p) ** (1 / p)


def _weight_layer(options: Options, *xs: Any) -> Any:
    y: Any = 0.0
    for x, W in zip(xs, options["weights"], strict=True):
        links = x.reshape(-1)[torch().as_tensor(W.cell)] * torch().as_tensor(W.weight)
        flat = torch().zeros(W.shape[0], dtype=x.dtype)
        y = y + flat.index_add(0, torch().as_tensor(W.unit), links).reshape(W.y_shape)
    return y


COUNTERPARTS: dict[Rule, Counterpart] = {
    arithmetic.power: _plain(lambda x, n: x**n),
    arithmetic.nudge: _plain(lambda x, old, new: x - old + new),
    activations.leaky_relu: _plain(lambda x, w: torch().where(x > 0, x, x * w)),
    activations.elu: lambda options, x: torch().nn.functional.elu(x, **options),
    activations.gelu: _gelu,
    activations.softplus: _softplus,
    entropies.binary_cross_entropy: _plain(
        lambda p, t: torch().nn.functional.binary_cross_entropy(p, t, reduction="none")
    ),
    elementwise.clip: _clip,
    elementwise.where: _plain(lambda holds, x, w: torch().where(holds != 0, x, w)),
    linear.weighted_sum: _weighted_sum,
    linear.matmul: _plain(lambda x, w: x @ w),
    convolution.conv: _conv,
    **{getattr(reductions, n): _fold_of_two(n) for n in ("maximum", "minimum")},
    shaping.reshape: lambda options, x: x.reshape(_shape(options)),
    shaping.broadcast_to: lambda options, x: x.expand(_shape(options)),
    shaping.transpose: _transpose,
    shaping.expand_dims: lambda options, x: x.reshape(
        np.expand_dims(np.empty(tuple(x.shape), bool), options.get("axis", 0)).shape
    ),
    shaping.squeeze: lambda options, x: x.squeeze(
        axes_of(tuple(x.shape), options.get("axis"), "crosscheck")
    ),
    shaping.concatenate: lambda options, *xs: torch().cat(xs, options.get("axis", 0)),
    shaping.stack: lambda options, *xs: torch().stack(xs, options.get("axis", 0)),
    shaping.getitem: _getitem,
    shaping.astype: lambda options, x: x.to(
        getattr(torch(), np.dtype(options.get("dtype", np.float64)).name)
    ),
    shaping.detach: _plain(lambda x: x.detach()),
    pooling.max_pool: _pool("max", _max_pool),
    pooling.avg_pool: _pool("avg", _avg_pool),
    pooling.lp_pool: _pool("lp", _lp_pool),
    weight_layer: _weight_layer,
    **ROW_COUNTERPARTS,
}
"""What PyTorch's own operations make of a rule's options and operands."""
