"""Clip gradients before an optimizer's step, with PyTorch's names; also available as `nn.utils`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, GradientError, OptionError
from tinygrad_pool.rules.arguments import POSITIVE, flag, real


def clip_grad_norm_(
    parameters: Value | Iterable[Value],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients, seen as one vector g, so that their norm is at most `max_norm`.

    g ← g · min(1, max_norm / (‖g‖ + 1e−6)). Returns ‖g‖ before scaling. norm_type may be inf.

    Raises OptionError unless max_norm ≥ 0 and norm_type > 0; with error_if_nonfinite, GradientError
    if the norm is inf or NaN.

    >>> w = Value([0.0, 0.0])
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> clip_grad_norm_([w], 1.0), w.grad.round(3)
    (5.0, array([0.6, 0.8]))
    """
    name = "clip_grad_norm_"
    limit = real(max_norm, f"{name}: max_norm", 0.0)
    p = real(norm_type, f"{name}: norm_type", POSITIVE)
    clipped = _with_gradient(name, parameters)
    norms = [_norm(np.reshape(v.grad, -1).astype(float), p) for v in clipped]
    total = _norm(np.array(norms), p) if norms else 0.0
    if flag(error_if_nonfinite, f"{name}: error_if_nonfinite") and not np.isfinite(total):
        raise GradientError(f"{name}: the norm of the gradients is {total}")
    scale = limit / (total + 1e-6)
    if not scale >= 1:  # NaN propagates, as in PyTorch
        for v in clipped:
            v.grad = v.grad * scale
    return total


def clip_grad_value_(parameters: Value | Iterable[Value], clip_value: float) -> None:
    """Clip each element of every gradient to −clip_value … clip_value.

    Raises OptionError unless clip_value ≥ 0.

    >>> w = Value([0.0, 0.0])
    >>> (w * [3.0, -0.5]).sum().backward()
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    array([ 1. , -0.5])
    """
    limit = real(clip_value, "clip_grad_value_: clip_value", 0.0)
    for v in _with_gradient("clip_grad_value_", parameters):
        v.grad = np.clip(v.grad, -limit, limit)


def _norm(x: NDArray[np.float64], p: float) -> float:
    """Compute the p-norm of a vector, also if powers overflow or underflow."""
    with np.errstate(over="ignore", under="ignore"):
        norm = float(np.linalg.norm(x, p))
        largest = float(np.abs(x).max(initial=0.0))
        if norm in (0, np.inf) and 0 < largest < np.inf:
            norm = largest * float(np.linalg.norm(x / largest, p))
    return norm


def _with_gradient(name: str, parameters: Any) -> list[Value]:
    """List the parameters that have a gradient."""
    if isinstance(parameters, Value):
        parameters = [parameters]
    if not isinstance(parameters, Iterable):
        got = type(parameters).__name__
        raise OptionError(f"{name}: needs parameters, such as net.parameters(), got {got}")
    values = list(parameters)
    for v in values:
        if not isinstance(v, Value):
            raise DataError(f"{name}: a parameter must be a Value, got {v!r:.80}")
    return [v for v in values if v.has_grad]
