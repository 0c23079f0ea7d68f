"""Layers as functions of their weights, with PyTorch's arguments: linear, norms and dropout."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.formatting import counted
from tinygrad_pool.functional.operations import operand, value
from tinygrad_pool.rules.arguments import Rng, Shape, each, flag, generator, numbers, real
from tinygrad_pool.rules.half_precision import as_given, widened

Statistics = NDArray[np.floating[Any]]


def linear(x: Any, weight: Any, bias: Any = None) -> Value:
    """Multiply x (..., in_features) by a weight W (out_features, in_features), and add a bias.

    y = x Wᵀ + b            ∂E/∂x = g W,  ∂E/∂W = gᵀ x,  ∂E/∂b = Σ g

    Raises ShapeError if the features do not fit.

    >>> linear([1.0, 2.0], [[3.0, 4.0]], [0.5]).data
    array([11.5])
    """
    return affine("linear", x, weight, bias)


def affine(name: str, x: Any, weight: Any, bias: Any) -> Value:
    """Compute x Wᵀ + b; `name` is used in errors."""
    x, weight = operand(x, name), value(weight, f"{name}: weight")
    if weight.ndim not in (1, 2) or np.shape(x)[-1:] != weight.shape[-1:]:
        features = counted(weight.shape[-1], "feature") if weight.ndim else "features"
        raise ShapeError(f"{name}: needs {features} on the last axis, got shape {np.shape(x)}")
    y: Value = x @ weight.T
    return y if bias is None else y + operand(bias, f"{name}: bias")


def dropout(x: Any, p: float = 0.5, training: bool = True, rng: Rng = None) -> Value:
    """Set each element to 0 with probability p, and scale the others by 1 / (1 − p).

    y = x m / (1 − p)            ∂E/∂x = g m / (1 − p),  m = 0 or 1 at random

    The mask is a constant of the graph: running the graph again uses the same mask. If `training`
    is False, y is x. Raises OptionError unless 0 ≤ p ≤ 1.

    >>> dropout(np.ones(6), 0.5, rng=0).data
    array([2., 0., 0., 0., 2., 2.])
    """
    p, v = real(p, "dropout: p", 0.0, 1.0), value(x, "dropout")
    if not flag(training, "dropout: training") or p == 0:
        return v
    on = generator(rng, "dropout").random(v.shape) >= p
    mask = np.asarray(on / (1.0 - p) if p < 1 else np.zeros(v.shape), v.dtype)
    return v * (mask if v.shape else float(mask))


def batch_norm(
    x: Any,
    running_mean: Statistics | None,
    running_var: Statistics | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """Normalize each channel of x (n, channels, ...) over all other axes.

    y = w (x − μ) / √(σ² + ε) + b,  μ and σ² of the batch in training, otherwise the running ones

    In training the running statistics, if any, are updated in place with those of the batch, s, and
    its unbiased variance: r ← (1 − momentum) r + momentum s. They are constants of the graph.

    Raises ShapeError for fewer than 2 axes, a single value per channel in training, or statistics
    of another length; DataError if running statistics are needed but missing.

    >>> batch_norm([[1.0], [3.0]], None, None, training=True, eps=0.0).data.tolist()
    [[-1.0], [1.0]]
    """
    x, name = value(x, "batch_norm"), "batch_norm"
    momentum, eps = real(momentum, f"{name}: momentum"), real(eps, f"{name}: eps", 0.0)
    if x.ndim < 2:
        raise ShapeError(f"{name}: needs x (n, channels, ...), got shape {x.shape}")
    axes, channels = (0, *range(2, x.ndim)), x.shape[1]
    kept = (channels, *(1,) * (x.ndim - 2))
    running = (running_mean, running_var)
    flag(training, f"{name}: training")
    for r in running:
        _check_statistics(name, r, channels, training)
    if training:
        _update(x, axes, running, momentum)
        y = _standardized(x, axes, eps)
    elif running_mean is None or running_var is None:
        raise DataError(f"{name}: needs running_mean and running_var if training is False")
    else:
        wide = widened(x)  # a variance may overflow in float16
        mean, var = (np.reshape(r, kept).astype(wide.dtype) for r in (running_mean, running_var))
        y = as_given((wide - mean) / np.sqrt(var + np.asarray(eps, wide.dtype)), x)
    return _scaled(name, y, weight, bias, (channels,), kept)


def instance_norm(
    x: Any,
    running_mean: Statistics | None = None,
    running_var: Statistics | None = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """Normalize each channel of each example separately; x is (n, channels, ...).

    y = w (x − μ) / √(σ² + ε) + b,  μ and σ² of each channel

    Raises ShapeError for fewer than 3 axes, or a plane with one value; DataError for running
    statistics, which are not supported.

    >>> instance_norm([[[1.0, 3.0]]], eps=0.0).data.tolist()
    [[[-1.0, 1.0]]]
    """
    x, name = value(x, "instance_norm"), "instance_norm"
    real(momentum, f"{name}: momentum")
    flag(use_input_stats, f"{name}: use_input_stats")
    if not (running_mean is None is running_var and use_input_stats):
        raise DataError(f"{name}: does not support running statistics; batch_norm does")
    if x.ndim < 3 or prod(x.shape[2:]) == 1:
        raise ShapeError(f"{name}: needs x (n, channels, ...) of several values, got {x.shape}")
    y = _standardized(x, tuple(range(2, x.ndim)), real(eps, f"{name}: eps", 0.0))
    return _scaled(name, y, weight, bias, x.shape[1:2], (x.shape[1], *(1,) * (x.ndim - 2)))


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Value:
    """Normalize over the last axes, whose lengths are `normalized_shape`.

    y = w (x − μ) / √(σ² + ε) + b,  μ and σ² over the last axes

    Raises ShapeError unless the shape of x ends with `normalized_shape`, and weight and bias have
    that shape.

    >>> layer_norm([1.0, 3.0], 2, eps=0.0).data
    array([-1.,  1.])
    """
    x, shape = value(x, "layer_norm"), sizes("layer_norm", normalized_shape)
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        last = ", ".join(map(str, shape))
        raise ShapeError(f"layer_norm: needs x of shape (..., {last}), got {x.shape}")
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    y = _standardized(x, axes, real(eps, "layer_norm: eps", 0.0))
    return _scaled("layer_norm", y, weight, bias, shape, shape)


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Value:
    """Normalize each example over groups of channels; x is (n, channels, ...).

    y = w (x − μ) / √(σ² + ε) + b,  μ and σ² of each group

    Raises ShapeError if the groups do not divide the channels.

    >>> group_norm([[1.0, 3.0, 5.0, 5.0]], 2, eps=1e-9).data.round(3).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """
    x = value(x, "group_norm")
    (groups,) = numbers("group_norm", "num_groups", num_groups, 1, least=1)
    if x.ndim < 2 or x.shape[1] % groups:
        raise ShapeError(
            f"group_norm: needs x (n, channels, ...) with channels in "
            f"{counted(groups, 'group')}, got shape {x.shape}"
        )
    parts = Value.reshape(x, x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    axes = tuple(range(2, parts.ndim))
    y = _standardized(parts, axes, real(eps, "group_norm: eps", 0.0)).reshape(x.shape)
    return _scaled("group_norm", y, weight, bias, x.shape[1:2], (-1, *(1,) * (x.ndim - 2)))


def sizes(name: str, normalized_shape: Any) -> Shape:
    """Read the `normalized_shape` of a layer norm."""
    return numbers(
        name, "normalized_shape", normalized_shape, len(each(normalized_shape, 1)), least=1
    )


def _standardized(x: Value, axes: Shape, eps: float) -> Value:
    """Compute (x − μ) / √(σ² + ε) over axes, in float32 for float16; an empty x is unchanged."""
    if not x.size:
        return x
    wide = widened(x)
    z = wide - wide.mean(axis=axes, keepdims=True)
    y: Value = as_given(z / np.sqrt(np.square(z).mean(axis=axes, keepdims=True) + eps), x)
    return y


def _scaled(name: str, y: Value, weight: Any, bias: Any, shape: Shape, kept: Shape) -> Value:
    """Multiply by a weight and add a bias of shape `shape`, reshaped to `kept` to broadcast."""
    for w, what in ((weight, "weight"), (bias, "bias")):
        if w is not None and np.shape(operand(w, f"{name}: {what}")) != shape:
            raise ShapeError(f"{name}: {what} needs shape {shape}, got {np.shape(w)}")
    if weight is not None:
        y = y * np.reshape(operand(weight, name), kept)
    return y if bias is None else y + np.reshape(operand(bias, name), kept)


def _check_statistics(name: str, running: Any, channels: int, training: bool) -> None:
    if running is None:
        return
    if not isinstance(running, np.ndarray) or running.dtype.kind != "f":
        raise DataError(f"{name}: running statistics must be arrays of floats, got {running!r:.80}")
    if running.shape != (channels,):
        raise ShapeError(
            f"{name}: running statistics need shape {(channels,)}, got {running.shape}"
        )
    if training and not running.flags.writeable:
        raise DataError(f"{name}: running statistics are updated in place, got a read-only array")


def _update(x: Value, axes: Shape, running: tuple[Statistics | None, ...], momentum: float) -> None:
    """Update running statistics in place with those of a batch."""
    data = widened(x._numbers)  # x.data would lend the array
    n = prod(x.shape[i] for i in axes)
    if n == 1:
        raise ShapeError(
            f"batch_norm: needs more than one value per channel in training, got shape {x.shape}"
        )
    if n:
        batch = np.mean(data, axis=axes), np.var(data, axis=axes, ddof=1)
        for r, s in zip(running, batch, strict=True):
            if r is not None:
                r[...] = (1 - momentum) * r + momentum * s
