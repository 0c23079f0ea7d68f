"""Layers with weights and layers of shape, with PyTorch's argument names."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.functional.convolution import conv1d, conv2d, conv3d
from tinygrad_pool.functional.layers import affine
from tinygrad_pool.functional.operations import Numbers, operand
from tinygrad_pool.nn.module import CallsFunction, Module
from tinygrad_pool.rules.arguments import Rng, each, flag, floating, generator, numbers, whole
from tinygrad_pool.rules.windows import Padding, conv_windows_of


class Linear(Module):
    """A dense layer: y = x Wᵀ + b, with W of shape (out_features, in_features).

    Weights and bias are initialized uniformly in ±1/√in_features. `rng` is a generator or a seed.

    Raises OptionError for sizes below 1; when called, ShapeError for another number of features.

    >>> layer = Linear(3, 2, rng=0)
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        rng: Rng = None,
        dtype: Any = np.float32,
    ) -> None:
        (n,) = numbers("Linear", "in_features", in_features, 1, least=1)
        (m,) = numbers("Linear", "out_features", out_features, 1, least=1)
        draw = _uniform("Linear", n, rng, dtype)
        self.weight = Value(draw(m, n))
        self.bias = Value(draw(m)) if flag(bias, "Linear: bias") else None

    def forward(self, x: Any) -> Value:
        """Compute x Wᵀ + b for x of shape (..., in_features)."""
        return affine("Linear", x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes, as PyTorch does."""
        m, n = self.weight.shape
        return f"in_features={n}, out_features={m}, bias={self.bias is not None}"


class _Conv(CallsFunction):
    """A convolutional layer over `_ndim` axes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Padding | str = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        rng: Rng = None,
        dtype: Any = np.float32,
    ) -> None:
        name, ndim = type(self).__name__, self._ndim
        (c,) = numbers(name, "in_channels", in_channels, 1, least=1)
        (f,) = numbers(name, "out_channels", out_channels, 1, least=1)
        (parts,) = numbers(name, "groups", groups, 1, least=1)
        kernel = conv_windows_of(name, ndim, kernel_size, stride, padding, dilation).kernel
        if c % parts or f % parts:
            raise OptionError(
                f"{name}: groups={parts} must divide both {c} input and {f} output channels"
            )
        draw = _uniform(name, c // parts * prod(kernel), rng, dtype)
        self.weight = Value(draw(f, c // parts, *kernel))
        self.bias = Value(draw(f)) if flag(bias, f"{name}: bias") else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def extra_repr(self) -> str:
        """Return the channels, the kernel and the options, as PyTorch does."""
        f, c, *kernel = self.weight.shape
        options: dict[str, Any] = {"kernel_size": tuple(kernel)}
        for name, hidden in (("stride", None), ("padding", 0), ("dilation", 1)):
            option = getattr(self, name)
            if not isinstance(option, str):
                option = tuple(map(int, each(option, self._ndim)))
            if option != (hidden,) * self._ndim:
                options[name] = option
        if self.groups != 1:
            options["groups"] = self.groups
        if self.bias is None:
            options["bias"] = False
        parts = [f"{c * self.groups}, {f}", *(f"{n}={option}" for n, option in options.items())]
        return ", ".join(parts)


class Conv1d(_Conv, function=conv1d, ndim=1):
    """A convolutional layer on (..., in_channels, length): tg.conv1d with learned weights.

    Options are those of Conv2d.
    """


class Conv2d(_Conv, function=conv2d, ndim=2):
    """A convolutional layer on (..., in_channels, h, w): tg.conv2d with learned weights.

    Weights and bias are initialized uniformly in ±1/√fan_in, with fan_in = in_channels / groups ·
    kernel cells. `rng` is a generator or a seed.

    Raises OptionError if an option is out of range or groups do not divide the channels.

    >>> layer = Conv2d(1, 4, 3, padding=1, rng=0)
    >>> layer(np.ones((5, 1, 8, 8))).shape
    (5, 4, 8, 8)
    """


class Conv3d(_Conv, function=conv3d, ndim=3):
    """A convolutional layer on (..., in_channels, d, h, w): tg.conv3d with learned weights.

    Options are those of Conv2d.
    """


class Flatten(Module):
    """Merge the axes from `start_dim` to `end_dim`. Raises ShapeError if they do not exist.

    >>> Flatten()(np.ones((5, 4, 2, 2))).shape
    (5, 16)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = whole(start_dim, "Flatten: start_dim")
        self.end_dim = whole(end_dim, "Flatten: end_dim")

    def forward(self, x: Any) -> Value:
        """Merge the axes of x, by default (n, ...) to (n, features)."""
        x = operand(x, "Flatten")
        shape, ndim = np.shape(x), np.ndim(x)
        if ndim == 0:
            raise ShapeError("Flatten: needs at least one axis, the batch, got a number")
        start, end = (i + ndim if i < 0 else i for i in (self.start_dim, self.end_dim))
        if (start, end) == (1, 0):  # x has only the batch axis
            end = start
        if not (0 <= start <= end and (end < ndim or start == end == ndim == 1)):
            raise ShapeError(
                f"Flatten: start_dim={self.start_dim} and end_dim={self.end_dim} do not fit {shape}"
            )
        return Value.reshape(x, *shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])


class Identity(Module):
    """Return the input. Arguments are ignored, so that it can replace any layer.

    >>> Identity()(Value(2.0)).data
    2.0
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


def _uniform(name: str, fan_in: int, rng: Rng, dtype: Any) -> Callable[..., NDArray[Any]]:
    """Return a function that draws weights of a given shape, uniform in ±1/√fan_in."""
    kind, source = floating(dtype, f"{name}: dtype"), generator(rng, name)
    bound = 1 / np.sqrt(fan_in)
    return lambda *shape: source.uniform(-bound, bound, shape).astype(kind)
