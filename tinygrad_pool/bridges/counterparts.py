"""What PyTorch computes for each rule: a recorded graph can run there, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from tinygrad_pool.bridges.translations import torch
from tinygrad_pool.bridges.window_counterparts import WINDOW_COUNTERPARTS, Counterpart, Options
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.running import data_of
from tinygrad_pool.rules import (
    accumulations,
    activations,
    arithmetic,
    comparisons,
    contractions,
    decompositions,
    elementwise,
    entropies,
    inverses,
    linear,
    powers,
    quantiles,
    reductions,
    shaping,
    sorting,
)
from tinygrad_pool.rules.arguments import Shape, axes_of, kept
from tinygrad_pool.rules.primitive import PYTHON
from tinygrad_pool.rules.rule import Rule, is_ours
from tinygrad_pool.rules.sparse_weights import weight_layer
from tinygrad_pool.rules.traits import traits_of

METHODS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda t: t,
    "lower": lambda t: t * 0,
    "higher": lambda t: t.ceil(),
    "midpoint": lambda t: t.ceil() / 2,
}
"""The upper element's weight in a quantile at a distance t from the lower element."""


class NoCounterpartError(Exception):
    """PyTorch has no counterpart of a rule with these options."""


def in_torch(node: Node, xs: Sequence[Any], shape: Shape | None = None) -> Any:
    """Compute a node from tensors with PyTorch's own operations.

    A `shape` replaces that of a reshape or a broadcast, so that it follows the present batch.

    The tensors are first converted to the dtype that NumPy would choose: PyTorch rejects mixed
    dtypes, or prefers an array's to a number's. Raises NoCounterpartError if PyTorch has none.
    """
    operands = data_of(node.parents)
    dtypes = [x.dtype for p, x in zip(operands, xs, strict=True) if type(p) not in PYTHON]
    if len(xs) > 1 and dtypes:
        dtype = reduce(torch().promote_types, dtypes)
        xs = [x.to(dtype) for x in xs]
    return counterpart_of(node)(node.options if shape is None else {"shape": shape}, *xs)


def counterpart_of(node: Node) -> Counterpart:
    """Return PyTorch's counterpart of a node's rule: a function of its options and of tensors.

    An elementwise rule of this package without options is looked up in PyTorch by its name. A rule
    of the user's is called with tensors, since PyTorch may support its operators.
    """
    rule: Any = node.rule
    if rule is quantiles.quantile and node.options["method"] not in METHODS:
        raise NoCounterpartError(rule.__name__)
    if rule in COUNTERPARTS:
        return COUNTERPARTS[rule]
    if not is_ours(rule):
        return lambda options, *xs: rule(*xs, **options)[0]
    function = getattr(torch(), rule.__name__, None)
    if function is None or node.options or traits_of(rule).sparsity != "elementwise":
        raise NoCounterpartError(rule.__name__)
    return _plain(function)


def constant(x: Any, dtype: Any) -> Any:
    """Return a constant operand as a tensor."""
    return torch().as_tensor(np.array(x, dtype))


def _plain(f: Callable[..., Any]) -> Counterpart:
    return lambda _, *xs: f(*xs)


def _gelu(options: Options, x: Any) -> Any:
    """Compute x Φ(x) with erfc, since 1 + erf, as in PyTorch's gelu, rounds to 0 far below 0."""
    if options.get("approximate", "none") != "none":
        return torch().nn.functional.gelu(x, **options)
    return x / 2 * torch().erfc(x * -(0.5**0.5))


def _softplus(options: Options, x: Any) -> Any:
    """Compute softplus; without a threshold PyTorch's own overflows."""
    functional = torch().nn.functional
    if options.get("threshold") != np.inf:
        return functional.softplus(x, **options)
    beta = options.get("beta", 1.0)
    return -functional.logsigmoid(-beta * x) / beta


def _clip(options: Options, x: Any) -> Any:
    bounds = [options.get(name) for name in ("min", "max")]
    low, high = (b if b is None else torch().as_tensor(np.array(b), dtype=x.dtype) for b in bounds)
    return x.clone() if low is high is None else torch().clamp(x, low, high)


def _transpose(options: Options, x: Any) -> Any:
    axes = options.get("axes")
    return torch().permute(x, tuple(range(x.ndim)[::-1] if axes is None else axes))


def _shape(options: Options) -> tuple[int, ...]:
    return tuple(np.atleast_1d(options.get("shape", -1)).astype(int).tolist())


def _getitem(options: Options, x: Any) -> Any:
    """Select from the flat tensor: whatever the key is, it becomes one array of indices."""
    index = np.arange(x.numel()).reshape(tuple(x.shape))[options.get("key", ())]
    return x.reshape(-1)[torch().as_tensor(np.array(index))]


def _weighted_sum(_: Options, *terms: Any) -> Any:
    n = len(terms) // 2
    return sum((w * x for w, x in zip(terms[:n], terms[n:-1], strict=True)), start=terms[-1])


def _weight_layer(options: Options, *xs: Any) -> Any:
    y: Any = 0.0
    for x, W in zip(xs, options["weights"], strict=True):
        links = x.reshape(-1)[torch().as_tensor(W.cell)] * torch().as_tensor(W.weight)
        flat = torch().zeros(W.shape[0], dtype=x.dtype)
        y = y + flat.index_add(0, torch().as_tensor(W.unit), links).reshape(W.y_shape)
    return y


# -- rows and matrices


def _rows_of(x: Any, axes: Sequence[int]) -> Any:
    """Return a tensor whose last axis is the given axes, flattened."""
    rest = [i for i in range(x.ndim) if i not in axes]
    length = math.prod(x.shape[i] for i in axes)
    return x.permute([*rest, *axes]).reshape([*(x.shape[i] for i in rest), length])


def _reduction(reduce: str | Callable[[Options, Any], Any]) -> Counterpart:
    """Reduce the last axis of rows, by a tensor's method or by a function of options and rows."""

    def reduced(options: Options, x: Any) -> Any:
        shape = tuple(x.shape)
        axes = axes_of(shape, options.get("axis"), "crosscheck")
        rows = _rows_of(x, axes)
        y = getattr(rows, reduce)(-1) if isinstance(reduce, str) else reduce(options, rows)
        return y.reshape(kept(shape, axes)) if options.get("keepdims") else y

    return reduced


def _softmax(name: str) -> Counterpart:
    """Return softmax or its logarithm over one axis, or over several together."""

    def softmax(options: Options, x: Any) -> Any:
        axes = axes_of(tuple(x.shape), options.get("axis", -1), "crosscheck")
        order = [*(i for i in range(x.ndim) if i not in axes), *axes]
        moved = x.permute(order)
        y = getattr(torch(), name)(_rows_of(x, axes), -1).reshape(moved.shape)
        return y.permute(np.argsort(order).tolist())

    return softmax


def _running(name: str) -> Counterpart:
    """Return a running sum or product along an axis, or of the flat tensor."""

    def running(options: Options, x: Any) -> Any:
        axis = options.get("axis")
        return getattr(x.reshape(-1) if axis is None else x, name)(axis or 0)

    return running


def _sort(options: Options, x: Any) -> Any:
    axis, kth = options.get("axis", -1), options.get("kth")
    if kth is None:
        return x.sort(dim=axis, stable=True)[0]
    order = sorting.order_of(x.detach().numpy(), axis, kth)
    return torch().take_along_dim(x, torch().as_tensor(order), axis)


def _quantile(options: Options, x: Any) -> Any:
    """Mix the two sorted elements that a quantile lies between; NaN is last, and wins.

    PyTorch's own quantile may choose another of equal elements, since its sort is not stable.
    """
    of, n = options["of"], x.shape[-1]
    q = torch().as_tensor(np.array(options["q"], float))
    share = (q / 100 if of.endswith("percentile") else q).reshape([*q.shape, *[1] * (x.ndim - 1)])
    known = (~x.isnan()).sum(-1)
    places = share * (known - 1).clamp(min=0)
    if not of.startswith("nan"):
        places = torch().where(known < n, n - 1, places)
    t = METHODS[options["method"]](places - places.floor())
    rows = x.sort(dim=-1, stable=True)[0].expand(*places.shape, n)
    low, high = (
        torch().take_along_dim(rows, end.long()[..., None], -1)[..., 0]
        for end in (places.floor(), places.ceil())
    )
    y = low * (1 - t) + torch().where(t > 0, high, 0.0) * t
    return y if q.ndim else y.to(x.dtype)


def _cbrt(_: Options, x: Any) -> Any:
    """Take the root on each side of 0 separately: its slope at 0 is inf, and not NaN."""
    below = x < 0
    sizes = (torch().where(side, size, 1.0) for side, size in ((~below, x), (below, -x)))
    up, down = (size ** (1 / 3) for size in sizes)
    return torch().where(below, -down, up)


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
    reductions.maximum: lambda _, *xs: reduce(torch().maximum, xs),
    reductions.minimum: lambda _, *xs: reduce(torch().minimum, xs),
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
    **WINDOW_COUNTERPARTS,
    weight_layer: _weight_layer,
    **{getattr(reductions, name): _reduction(name) for name in ("sum", "mean", "logsumexp")},
    reductions.max: _reduction("amax"),  # which divides the gradient evenly among ties
    reductions.min: _reduction("amin"),
    **{getattr(reductions, name): _softmax(name) for name in ("softmax", "log_softmax")},
    accumulations.prod: _reduction("prod"),
    accumulations.var: _reduction(lambda o, x: x.var(-1, correction=o.get("ddof", 0))),
    accumulations.vector_norm: _reduction(
        lambda o, x: torch().linalg.vector_norm(x, o.get("ord", 2), -1)
    ),
    accumulations.cumsum: _running("cumsum"),
    accumulations.cumprod: _running("cumprod"),
    sorting.sort: _sort,
    quantiles.quantile: _quantile,
    contractions.einsum: lambda options, *xs: torch().einsum(options["subscripts"], *xs),
    powers.cbrt: _cbrt,
    comparisons.copysign: _plain(
        lambda x, w: x * (x.sign() * torch().ones_like(w).copysign(w)).detach()
    ),
    inverses.inv: lambda _, x: torch().linalg.inv(x),
    inverses.solve: lambda _, x, w: torch().linalg.solve(x, w),
    inverses.det: lambda _, x: torch().linalg.det(x),
    inverses.cholesky: _plain(lambda x: torch().linalg.cholesky(x.tril() + x.tril(-1).mT)),
    decompositions.svdvals: lambda _, x: torch().linalg.svdvals(x),
    decompositions.pinv: lambda options, x: torch().linalg.pinv(
        x, rtol=1e-15 if (least := options.get("rcond")) is None else least
    ),
    inverses.logabsdet: _plain(lambda x: torch().linalg.slogdet(x)[1]),
}
"""PyTorch's counterpart of each rule: a function of the rule's options and of tensors."""
