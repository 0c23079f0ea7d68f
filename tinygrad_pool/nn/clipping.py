"""Limit gradients before a step, with PyTorch's names; `nn.utils` is this module, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, GradientError, OptionError
from tinygrad_pool.rules.arguments import flag, real


def clip_grad_norm_(
    parameters: Value | Iterable[Value],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients so that their norm, as of one long vector, is at most `max_norm`.

    g ← g · min(1, max_norm / (‖g‖ + 1e−6)). Returns ‖g‖ as it was; inf is a norm_type, too.

    Raises OptionError for a norm out of range; with error_if_nonfinite, GradientError if the norm
    is inf or NaN.

    >>> w = Value([0.0, 0.0])
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> clip_grad_norm_([w], 1.0), w.grad.round(3)
    (5.0, array([0.6, 0.8]))
    """
    name = "clip_grad_norm_"
    limit, p = real(max_norm, f"{name}: max_norm", 0.0), real(norm_type, f"{name}: norm_type", 0.0)
    if p == 0:
        raise OptionError(f"{name}: norm_type must be above 0, got {norm_type!r}")
    learnt = _with_gradient(name, parameters)
    norms = [_norm(np.reshape(v.grad, -1).astype(float), p) for v in learnt]
    total = _norm(np.array(norms), p) if norms else 0.0
    if flag(error_if_nonfinite, f"{name}: error_if_nonfinite") and not np.isfinite(total):
        raise GradientError(f"{name}: the norm of the gradients is {total}")
    scale = limit / (total + 1e-6)
    if not scale >= 1:  # a NaN spreads, as in PyTorch
        for v in learnt:
            v.grad = v.grad * scale
    return total


def clip_grad_value_(parameters: Value | Iterable[Value], clip_value: float) -> None:
    """Limit each number of every gradient to −clip_value … clip_value.

    Raises OptionError unless clip_value is 0 or more.

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
    """Compute the p-norm of a vector; powers that are too large or too small do no harm."""
    with np.errstate(over="ignore", under="ignore"):
        norm = float(np.linalg.norm(x, p))
        largest = float(np.abs(x).max(initial=0.0))
        if norm in (0, np.inf) and 0 < largest < np.inf:
            norm = largest * float(np.linalg.norm(x / largest, p))
    return norm


def _with_gradient(name: str, parameters: Any) -> list[Value]:
    """List the parameters that have a gradient."""
    given = [parameters] if isinstance(parameters, Value) else parameters
    if not isinstance(given, Iterable):
        got = type(given).__name__
        raise OptionError(f"{name}: needs parameters, such as net.parameters(), got {got}")
    listed = list(given)
    for v in listed:
        if not isinstance(v, Value):
            raise DataError(f"{name}: a parameter must be a Value, got {v!r:.80}")
    return [v for v in listed if v.has_grad]
