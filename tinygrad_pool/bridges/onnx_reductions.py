"""ONNX's reductions, running sums and orders on Values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool.bridges.onnx_shapes import places_of
from tinygrad_pool.bridges.translations import TRANSLATIONS, data_of, translates
from tinygrad_pool.engine.value import Value
from tinygrad_pool.functional import operations


def _reduced(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction whose axes are an attribute, or in later versions an input."""

    def reduced(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        over = places_of(axes)
        if not over and noop_with_empty_axes:
            return x
        return reduce(x, axis=over or None, keepdims=bool(keepdims))

    return reduced


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "Sum": np.sum,
    "Mean": np.mean,
    "Max": np.max,
    "Min": np.min,
    "LogSumExp": operations.logsumexp,
    "SumSquare": lambda x, **o: np.sum(np.square(x), **o),
    "L1": lambda x, **o: np.linalg.vector_norm(x, ord=1, **o),
    "L2": np.linalg.vector_norm,
    "Prod": np.prod,
}
TRANSLATIONS.update({f"onnx.Reduce{name}": _reduced(f) for name, f in REDUCTIONS.items()})


def _arg(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return argmax or argmin: the place of the first, or of the last, that is the largest."""

    def arg(x: Any, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        numbers = np.flip(data_of(x), axis) if select_last_index else data_of(x)
        places = f(numbers, axis=axis, keepdims=bool(keepdims))
        return numbers.shape[axis] - 1 - places if select_last_index else places

    return arg


TRANSLATIONS["onnx.ArgMax"], TRANSLATIONS["onnx.ArgMin"] = _arg(np.argmax), _arg(np.argmin)


@translates("onnx.CumSum")
def cumsum(x: Any, axis: Any, exclusive: int = 0, reverse: int = 0) -> Any:
    """Add up what came so far, or comes from here on; with or without the number itself."""
    at = int(data_of(axis)) % np.ndim(x)
    y = np.cumsum(np.flip(x, at) if reverse else x, axis=at)
    if exclusive:
        first = np.zeros([n if i != at else 1 for i, n in enumerate(np.shape(x))], y.dtype)
        y = np.concatenate([first, y[(slice(None),) * at + (slice(-1),)]], axis=at)
    return np.flip(y, at) if reverse else y


@translates("onnx.TopK")
def top_k(x: Any, k: Any, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:  # noqa: ARG001
    """Keep the k largest or smallest along an axis, in order, and return their places, too."""
    n, at = int(np.asarray(k).reshape(())), axis % np.ndim(x)
    length, numbers = np.shape(x)[at], data_of(x)
    if largest:  # of equal ones, the first comes first
        ascending = np.argsort(np.flip(numbers, at), axis=at, kind="stable")
        places = length - 1 - np.flip(ascending, at)
    else:
        places = np.argsort(numbers, axis=at, kind="stable")
    if not isinstance(x, Value):
        y = np.take_along_axis(x, places, axis=at)
    else:
        y = -np.sort(-x, axis=at) if largest else np.sort(x, axis=at)
    first = (slice(None),) * at + (slice(n),)
    return (y, places) if n == length else (y[first], places[first])
