"""Layers on arrays, with PyTorch's argument names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.data import floating
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.functional.convolution import conv2d
from tinygrad_pool.functional.operations import Numbers, operand, relu, sigmoid, tanh
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules.arguments import numbers
from tinygrad_pool.rules.windows import Padding, windows_of

Rng: TypeAlias = np.random.Generator | int | None


class Linear(Module):
    """A dense layer: y = x Wᵀ + b, with W of shape (out_features, in_features).

    Weights and bias start uniform in ±1/√in_features. `rng` is a generator or a seed.

    Raises OptionError for sizes below 1; ShapeError when called on another number of features.

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
        self.weight = Value(draw(m, n), label="weight")
        self.bias = Value(draw(m), label="bias") if bias else None

    def forward(self, x: Any) -> Value:
        """Compute x Wᵀ + b for x of shape (..., in_features)."""
        x = operand(x, "Linear")
        features = self.weight.shape[1]
        if np.shape(x)[-1:] != (features,):
            raise ShapeError(
                f"Linear: needs {features} features on the last axis, got shape {np.shape(x)}"
            )
        y: Value = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Conv2d(Module):
    """A convolutional layer on (..., in_channels, h, w): tg.conv2d with weights of its own.

    Weights and bias start uniform in ±1/√(in_channels / groups · kernel cells). `rng` is a
    generator or a seed.

    Raises OptionError for an option out of range, or groups that do not divide the channels.

    >>> layer = Conv2d(1, 4, 3, padding=1, rng=0)
    >>> layer(np.ones((5, 1, 8, 8))).shape
    (5, 4, 8, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Padding = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        rng: Rng = None,
        dtype: Any = np.float32,
    ) -> None:
        (c,) = numbers("Conv2d", "in_channels", in_channels, 1, least=1)
        (f,) = numbers("Conv2d", "out_channels", out_channels, 1, least=1)
        (parts,) = numbers("Conv2d", "groups", groups, 1, least=1)
        numbers("Conv2d", "stride", stride, 2, least=1)
        kernel = windows_of("Conv2d", 2, kernel_size, stride, padding, dilation).kernel
        if c % parts or f % parts:
            raise OptionError(
                f"Conv2d: groups={parts} must divide both {c} input and {f} output channels"
            )
        draw = _uniform("Conv2d", c // parts * prod(kernel), rng, dtype)
        self.weight = Value(draw(f, c // parts, *kernel), label="weight")
        self.bias = Value(draw(f), label="bias") if bias else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x: Any) -> Value:
        """Slide the weights over x."""
        return conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class ReLU(Module):
    """max(0, x), elementwise."""

    def forward(self, x: Any) -> Value:
        """Compute max(0, x)."""
        return relu(x)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ), elementwise."""

    def forward(self, x: Any) -> Value:
        """Compute 1 / (1 + e⁻ˣ)."""
        return sigmoid(x)


class Tanh(Module):
    """tanh x, elementwise."""

    def forward(self, x: Any) -> Value:
        """Compute tanh x."""
        return tanh(x)


class Flatten(Module):
    """Merge all axes but the first. Raises ShapeError for a number.

    >>> Flatten()(np.ones((5, 4, 2, 2))).shape
    (5, 16)
    """

    def forward(self, x: Any) -> Value:
        """Reshape (n, ...) to (n, features)."""
        x = operand(x, "Flatten")
        if np.ndim(x) == 0:
            raise ShapeError("Flatten: needs at least one axis, the batch, got a number")
        return Value.reshape(x, len(x), prod(x.shape[1:]))


class Sequential(Module):
    """Modules in sequence: `Sequential(a, b)` or `Sequential(conv=a, act=b)`.

    >>> net = Sequential(first=Linear(3, 4, rng=0), act=ReLU(), last=Linear(4, 2, rng=1))
    >>> [name for name, _ in net.named_parameters()]
    ['first.weight', 'first.bias', 'last.weight', 'last.bias']
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        for name, module in (*((str(i), m) for i, m in enumerate(modules)), *named.items()):
            if name in dir(self) or "." in name:
                raise OptionError(f"Sequential: {name!r} cannot be the name of a module")
            if not isinstance(module, Module):
                raise OptionError(f"Sequential: needs modules, got {module!r} for {name}")
            setattr(self, name, module)

    def __iter__(self) -> Iterator[Module]:
        return (part for part in vars(self).values() if isinstance(part, Module))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, i: int) -> Module:
        return list(self)[i]

    def forward(self, x: Any) -> Any:
        """Pass x through the modules in order."""
        for module in self:
            x = module(x)
        return x


def _uniform(name: str, fan_in: int, rng: Rng, dtype: Any) -> Callable[..., NDArray[Any]]:
    """Return a function that draws weights of a given shape, uniform in ±1/√fan_in."""
    kind = floating(dtype, f"{name}: dtype")
    try:
        generator = np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise OptionError(f"{name}: rng must be a NumPy generator or a seed, got {rng!r}") from None
    bound = 1 / np.sqrt(fan_in)
    return lambda *shape: generator.uniform(-bound, bound, shape).astype(kind)
