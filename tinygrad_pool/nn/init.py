"""Initializers, with PyTorch's names: each fills a parameter in place and returns it.

`rng` is a NumPy generator or a seed. fan_in and fan_out are for weights `(out, in, *kernel)`.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, Literal, TypeAlias

import numpy as np

from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.rules.arguments import Rng, choice, generator, real

Mode: TypeAlias = Literal["fan_in", "fan_out"]

GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
    "tanh": 5 / 3,
    "relu": sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which to scale weights before an activation to keep the variance.

    `param` is the negative slope of "leaky_relu", by default 0.01. Raises OptionError for an
    unknown activation.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    name = choice(nonlinearity, ["leaky_relu", *GAINS], "calculate_gain: nonlinearity")
    if name in GAINS:
        return GAINS[name]
    slope = 0.01 if param is None else real(param, "calculate_gain: param")
    return sqrt(2 / (1 + slope**2))


def constant_(w: Value, val: float) -> Value:
    """Fill with a number.

    >>> constant_(Value([1.0, 2.0]), 3.0).data
    array([3., 3.])
    """
    return _filled(w, np.full(_shape("constant_", w), real(val, "constant_: val")))


def zeros_(w: Value) -> Value:
    """Fill with 0."""
    return constant_(w, 0.0)


def ones_(w: Value) -> Value:
    """Fill with 1."""
    return constant_(w, 1.0)


def uniform_(w: Value, a: float = 0.0, b: float = 1.0, rng: Rng = None) -> Value:
    """Draw from the uniform distribution on a … b."""
    a, b = real(a, "uniform_: a"), real(b, "uniform_: b", least=a)
    real(b - a, "uniform_: b - a", most=np.finfo(float).max)
    return _filled(w, generator(rng, "uniform_").uniform(a, b, _shape("uniform_", w)))


def normal_(w: Value, mean: float = 0.0, std: float = 1.0, rng: Rng = None) -> Value:
    """Draw from a normal distribution with the given mean and standard deviation."""
    mean, std = real(mean, "normal_: mean"), real(std, "normal_: std", 0.0)
    return _filled(w, generator(rng, "normal_").normal(mean, std, _shape("normal_", w)))


def xavier_uniform_(w: Value, gain: float = 1.0, rng: Rng = None) -> Value:
    """Draw from the uniform distribution on ±gain √(6 / (fan_in + fan_out))."""
    bound = sqrt(3.0) * _xavier("xavier_uniform_", w, gain)
    return uniform_(w, -bound, bound, rng)


def xavier_normal_(w: Value, gain: float = 1.0, rng: Rng = None) -> Value:
    """Draw from a normal distribution with standard deviation gain √(2 / (fan_in + fan_out))."""
    return normal_(w, 0.0, _xavier("xavier_normal_", w, gain), rng)


def kaiming_uniform_(
    w: Value,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Rng = None,
) -> Value:
    """Draw from the uniform distribution on ±gain √(3 / fan).

    `mode` chooses fan_in or fan_out; `a` is the negative slope of "leaky_relu". Raises OptionError
    for another mode or nonlinearity; ShapeError for fewer than 2 axes.

    >>> w = kaiming_uniform_(Value(np.zeros((50, 6))), nonlinearity="relu", rng=0)
    >>> bool(np.abs(w.data).max() <= 1.0)
    True
    """
    bound = sqrt(3.0) * _kaiming("kaiming_uniform_", w, a, mode, nonlinearity)
    return uniform_(w, -bound, bound, rng)


def kaiming_normal_(
    w: Value,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Rng = None,
) -> Value:
    """Draw from a normal distribution with standard deviation gain / √fan."""
    return normal_(w, 0.0, _kaiming("kaiming_normal_", w, a, mode, nonlinearity), rng)


def _xavier(name: str, w: Value, gain: float) -> float:
    return real(gain, f"{name}: gain", 0.0) * sqrt(2.0 / sum(_fans(name, w)))


def _kaiming(name: str, w: Value, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(name, w), strict=True))
    return calculate_gain(nonlinearity, a) / sqrt(fans[choice(mode, fans, f"{name}: mode")])


def _fans(name: str, w: Value) -> tuple[int, int]:
    """Return fan_in, the number of inputs of a unit, and fan_out, of units that use an input."""
    shape = _shape(name, w)
    if len(shape) < 2 or 0 in shape:
        raise ShapeError(f"{name}: needs weights (out, in, ...), got shape {shape}")
    cells = prod(shape[2:])
    return shape[1] * cells, shape[0] * cells


def _shape(name: str, w: Any) -> tuple[int, ...]:
    if not isinstance(w, Value):
        raise DataError(f"{name}: needs a parameter, a Value, got {type(w).__name__}")
    if w.parents:
        raise DataError(f"{name}: {name_of(w)} was computed; only a leaf can be filled")
    return w.shape


def _filled(w: Value, numbers: Any) -> Value:
    w.data = numbers
    return w
