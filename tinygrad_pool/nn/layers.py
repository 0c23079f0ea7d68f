"""Layers on tensors, with PyTorch's argument names."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.engine import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.module import Module
from tinygrad_pool.operations import Numbers, avg_pool2d, conv2d, max_pool2d, relu, sigmoid, tanh
from tinygrad_pool.rules.ties import Ties
from tinygrad_pool.rules.windows import Padding

Rng: TypeAlias = np.random.Generator | int | None


class Linear(Module):
    """A dense layer: y = x Wᵀ + b, with W of shape (out_features, in_features).

    Weights and bias start uniform in ±1/√in_features. `rng` is a generator or a seed.

    Raises OptionError for sizes below 1.

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
        _check_sizes("Linear", in_features=in_features, out_features=out_features)
        draw = _uniform(in_features, rng, dtype)
        self.weight = Value(draw(out_features, in_features), label="weight")
        self.bias = Value(draw(out_features), label="bias") if bias else None

    def forward(self, x: Any) -> Value:
        """Compute x Wᵀ + b for x of shape (..., in_features)."""
        y: Value = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Conv2d(Module):
    """A convolutional layer on (..., in_channels, h, w): tg.conv2d with weights of its own.

    Weights and bias start uniform in ±1/√(in_channels / groups · kernel cells). `rng` is a
    generator or a seed.

    Raises OptionError for sizes below 1, or groups that do not divide the channels.

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
        kernel = tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size,) * 2
        if len(kernel) != 2:
            raise OptionError(f"Conv2d: kernel_size needs one number or 2, got {kernel_size!r}")
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "groups": groups}
        _check_sizes("Conv2d", **sizes, kernel_height=kernel[0], kernel_width=kernel[1])
        if in_channels % groups or out_channels % groups:
            raise OptionError(f"Conv2d: groups={groups} must divide both {sizes}")
        draw = _uniform(in_channels // groups * prod(kernel), rng, dtype)
        self.weight = Value(draw(out_channels, in_channels // groups, *kernel), label="weight")
        self.bias = Value(draw(out_channels), label="bias") if bias else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x: Any) -> Value:
        """Slide the weights over x."""
        return conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class MaxPool2d(Module):
    """A max-pooling layer: tg.max_pool2d.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(4, 4)).data
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        dilation: Numbers = 1,
        ceil_mode: bool = False,
        ties: Ties = "first",
    ) -> None:
        self.options = (kernel_size, stride, padding, dilation, ceil_mode)
        self.ties = ties

    def forward(self, x: Any) -> Value:
        """Keep the largest unit of each window."""
        return max_pool2d(x, *self.options, ties=self.ties)


class AvgPool2d(Module):
    """An average-pooling layer: tg.avg_pool2d.

    >>> AvgPool2d(2)(np.arange(16.0).reshape(4, 4)).data
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
    ) -> None:
        self.windows = (kernel_size, stride, padding, 1, ceil_mode)
        self.divisor = (count_include_pad, divisor_override)

    def forward(self, x: Any) -> Value:
        """Average each window."""
        return avg_pool2d(x, *self.windows, *self.divisor)


class ReLU(Module):
    """max(0, x), elementwise."""

    def forward(self, x: Any) -> Value:
        """Keep what is positive."""
        return relu(x)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ), elementwise."""

    def forward(self, x: Any) -> Value:
        """Squash into (0, 1)."""
        return sigmoid(x)


class Tanh(Module):
    """tanh x, elementwise."""

    def forward(self, x: Any) -> Value:
        """Squash into (−1, 1)."""
        return tanh(x)


class Flatten(Module):
    """All axes but the first as one.

    >>> Flatten()(Value(np.ones((5, 4, 2, 2)))).shape
    (5, 16)
    """

    def forward(self, x: Value) -> Value:
        """Reshape (n, ...) to (n, features)."""
        return x.reshape(len(x), prod(x.shape[1:]))


class Sequential(Module):
    """Modules that run one after the other: `Sequential(a, b)` or `Sequential(conv=a, act=b)`.

    >>> net = Sequential(first=Linear(3, 4, rng=0), act=ReLU(), last=Linear(4, 2, rng=1))
    >>> [name for name, _ in net.named_parameters()]
    ['first.weight', 'first.bias', 'last.weight', 'last.bias']
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        for name, module in {**{str(i): m for i, m in enumerate(modules)}, **named}.items():
            if name in dir(Module):
                raise OptionError(f"Sequential: a module cannot be called {name!r}")
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


def _check_sizes(name: str, **sizes: int) -> None:
    for size, given in sizes.items():
        try:
            ok = operator.index(given) > 0
        except TypeError:
            ok = False
        if not ok:
            raise OptionError(f"{name}: {size} must be a whole number, 1 or more, got {given!r}")


def _uniform(fan_in: int, rng: Rng, dtype: Any) -> Any:
    generator = np.random.default_rng(rng)
    bound = 1 / np.sqrt(fan_in)
    return lambda *shape: generator.uniform(-bound, bound, shape).astype(dtype)
