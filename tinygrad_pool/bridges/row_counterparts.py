"""What PyTorch has for rules that take rows together: sums, norms, orders; and for matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_pool.extras import extra
from tinygrad_pool.rules import (
    accumulations,
    contractions,
    inverses,
    moves,
    powers,
    quantiles,
    reductions,
)
from tinygrad_pool.rules.arguments import axes_of, kept
from tinygrad_pool.rules.rule import Rule

METHODS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda t: t,
    "lower": lambda t: t * 0,
    "higher": lambda t: t.ceil(),
    "midpoint": lambda t: t.ceil() / 2,
}
"""What share the upper cell has in a quantile that lies the share t behind the lower one."""


def torch() -> Any:
    """Return the package torch. Raises ToolError without it."""
    return extra("torch", "crosscheck")


def _rows_of(x: Any, axes: Sequence[int]) -> Any:
    """Return an array whose last axis holds the given axes, one behind the other."""
    rest = [i for i in range(x.ndim) if i not in axes]
    rows = [x.shape[i] for i in rest]
    return x.permute([*rest, *axes]).reshape([*rows, math.prod(x.shape[i] for i in axes)])


def _of_rows(reduce: str | Callable[[Mapping[str, Any], Any], Any]) -> Callable[..., Any]:
    """Reduce the last axis of rows that hold the given axes: by a method, or by a function."""

    def reduced(options: Mapping[str, Any], x: Any) -> Any:
        shape = tuple(x.shape)
        axes = axes_of(shape, options.get("axis"), "crosscheck")
        rows = _rows_of(x, axes)
        y = getattr(rows, reduce)(-1) if isinstance(reduce, str) else reduce(options, rows)
        return y.reshape(kept(shape, axes)) if options.get("keepdims") else y

    return reduced


def _shares(name: str) -> Callable[..., Any]:
    """Return softmax or its logarithm over one axis, or over several as one."""

    def shares(options: Mapping[str, Any], x: Any) -> Any:
        axes = axes_of(tuple(x.shape), options.get("axis", -1), "crosscheck")
        order = [*(i for i in range(x.ndim) if i not in axes), *axes]
        y = getattr(torch(), name)(_rows_of(x, axes), -1).reshape([x.shape[i] for i in order])
        return y.permute(sorted(range(x.ndim), key=order.__getitem__))

    return shares


def _so_far(name: str) -> Callable[..., Any]:
    def so_far(options: Mapping[str, Any], x: Any) -> Any:
        axis = options.get("axis")
        return getattr(x.reshape(-1) if axis is None else x, name)(axis or 0)

    return so_far


def _sort(options: Mapping[str, Any], x: Any) -> Any:
    axis, kth = options.get("axis", -1), options.get("kth")
    if kth is None:
        return x.sort(dim=axis, stable=True)[0]
    order = moves.order_of(x.detach().numpy(), axis, kth)
    return torch().take_along_dim(x, torch().as_tensor(order), axis)


def _quantile(options: Mapping[str, Any], x: Any) -> Any:
    """Mix the cells, in order, that a quantile lies between; NaN comes last, and wins."""
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


def _linalg(name: str) -> Callable[..., Any]:
    return lambda _, *xs: getattr(torch().linalg, name)(*xs)


def _cbrt(_: Mapping[str, Any], x: Any) -> Any:
    """Take the root of each side of 0 by itself: at 0 it is steep, and not NaN."""
    below = x < 0
    sizes = (torch().where(side, size, 1.0) for side, size in ((~below, x), (below, -x)))
    up, down = (size ** (1 / 3) for size in sizes)
    return torch().where(below, -down, up)


ROW_COUNTERPARTS: dict[Rule, Callable[..., Any]] = {
    **{getattr(reductions, n): _of_rows(n) for n in ("sum", "mean", "logsumexp")},
    reductions.max: _of_rows("amax"),  # it pays all evenly at a tie
    reductions.min: _of_rows("amin"),
    **{getattr(reductions, n): _shares(n) for n in ("softmax", "log_softmax")},
    accumulations.prod: _of_rows("prod"),
    accumulations.var: _of_rows(lambda o, x: x.var(-1, correction=o.get("ddof", 0))),
    accumulations.vector_norm: _of_rows(
        lambda o, x: torch().linalg.vector_norm(x, o.get("ord", 2), -1)
    ),
    accumulations.cumsum: _so_far("cumsum"),
    accumulations.cumprod: _so_far("cumprod"),
    moves.sort: _sort,
    quantiles.quantile: _quantile,
    contractions.einsum: lambda options, *xs: torch().einsum(options["subscripts"], *xs),
    powers.cbrt: _cbrt,
    powers.copysign: lambda _, x, w: x * (x.sign() * torch().ones_like(w).copysign(w)).detach(),
    **{getattr(inverses, name): _linalg(name) for name in ("inv", "solve", "det")},
    inverses.cholesky: lambda _, x: torch().linalg.cholesky(x.tril() + x.tril(-1).mT),
    inverses.logabsdet: lambda _, x: torch().linalg.slogdet(x)[1],
}
"""What PyTorch's own operations make of a rule's options and operands."""
