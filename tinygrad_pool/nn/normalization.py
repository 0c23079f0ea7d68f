"""Dropout and norms as modules; some differ between training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.formatting import counted
from tinygrad_pool.functional import layers
from tinygrad_pool.functional.operations import value
from tinygrad_pool.nn.activations import not_in_place
from tinygrad_pool.nn.module import Buffer, CallsFunction, Module
from tinygrad_pool.rules.arguments import Rng, Shape, flag, floating, generator, numbers, real


class Dropout(Module):
    """In training, set elements to 0 with probability p and scale the others by 1 / (1 − p).

    After `eval()`, return the input. `rng` is a generator or a seed; each call draws a new mask.

    Raises OptionError unless 0 ≤ p ≤ 1.

    >>> layer = Dropout(0.5, rng=0)
    >>> layer(np.ones(4)).data, layer.eval()(np.ones(4)).data
    (array([2., 0., 0., 0.]), array([1., 1., 1., 1.]))
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, rng: Rng = None) -> None:
        not_in_place("Dropout", inplace)
        self.p, self._rng = real(p, "Dropout: p", 0.0, 1.0), generator(rng, "Dropout")

    def forward(self, x: Any) -> Value:
        """Apply dropout in training."""
        return layers.dropout(x, self.p, self.training, self._rng)


class _BatchNorm(Module):
    """Normalize each channel over the batch."""

    _axes: ClassVar[tuple[int, ...]] = ()
    running_mean: Buffer | None
    running_var: Buffer | None
    num_batches_tracked: Buffer | None

    def __init_subclass__(cls, axes: tuple[int, ...] = ()) -> None:
        super().__init_subclass__()
        cls._axes = axes or cls._axes

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        name = type(self).__name__
        (self.num_features,) = numbers(name, "num_features", num_features, 1, least=1)
        self.eps = real(eps, f"{name}: eps", 0.0)
        self.momentum = None if momentum is None else real(momentum, f"{name}: momentum")
        self.affine = flag(affine, f"{name}: affine")
        self.track_running_stats = flag(track_running_stats, f"{name}: track_running_stats")
        self.weight, self.bias = _weights(name, (self.num_features,), dtype, self.affine, bias)
        kind = floating(dtype, f"{name}: dtype")
        buffers = {
            "running_mean": np.zeros(self.num_features, kind),
            "running_var": np.ones(self.num_features, kind),
            "num_batches_tracked": np.zeros((), np.int64),
        }
        for buffer, start in buffers.items():
            self.register_buffer(buffer, start if self.track_running_stats else None)

    def forward(self, x: Any) -> Value:
        """Normalize; in training, also update the running statistics."""
        x = self._checked(x)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            if momentum is None:  # the mean over all batches
                momentum = 1.0 / float(self.num_batches_tracked)
        return layers.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            momentum or 0.0,
            self.eps,
        )

    def _checked(self, inputs: Any) -> Value:
        name = type(self).__name__
        x = value(inputs, name)
        if x.ndim not in self._axes:
            axes = " or ".join(map(str, self._axes))
            raise ShapeError(f"{name}: needs {axes} axes, got shape {x.shape}")
        return x

    def extra_repr(self) -> str:
        """Return the options, as PyTorch does."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm, axes=(2, 3)):
    """Normalize each channel over the batch: x is (n, channels) or (n, channels, length).

    In training, use the mean and variance of the batch, s, and update the running statistics:
    r ← (1 − momentum) r + momentum · s; with momentum=None they are the mean over all batches.
    After `eval()`, use the running statistics; with track_running_stats=False, always use those of
    the batch. Running statistics are buffers: they are saved, but not learned.

    Raises OptionError if an option is out of range; when called, ShapeError for another number of
    axes or channels, or a single value per channel in training.

    >>> layer = BatchNorm1d(1)
    >>> layer([[1.0], [3.0]]).data.round(2).tolist(), layer.running_mean
    ([[-1.0], [1.0]], array([0.2], dtype=float32))
    """


class BatchNorm2d(_BatchNorm, axes=(4,)):
    """Normalize each channel over the batch: x is (n, channels, h, w). See BatchNorm1d."""


class BatchNorm3d(_BatchNorm, axes=(5,)):
    """Normalize each channel over the batch: x is (n, channels, d, h, w). See BatchNorm1d."""


class _InstanceNorm(_BatchNorm):
    """Normalize each channel of each example separately."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias=bias)
        if track_running_stats:
            raise OptionError(
                f"{type(self).__name__}: does not support running statistics; a BatchNorm does"
            )

    def forward(self, x: Any) -> Value:
        """Normalize."""
        x = self._checked(x)
        if x.shape[1] != self.num_features:
            needed = counted(self.num_features, "channel")
            raise ShapeError(f"{type(self).__name__}: needs {needed}, got shape {x.shape}")
        return layers.instance_norm(x, None, None, self.weight, self.bias, eps=self.eps)


class InstanceNorm1d(_InstanceNorm, axes=(3,)):
    """Normalize each channel of each example separately: x is (n, channels, length).

    `eval()` makes no difference and `momentum` is ignored, since there are no running statistics.
    Raises OptionError if an option is out of range; when called, ShapeError for another number of
    axes or channels, or planes with one value.

    >>> InstanceNorm1d(1)([[[1.0, 3.0]]]).data.round(2).tolist()
    [[[-1.0, 1.0]]]
    """


class InstanceNorm2d(_InstanceNorm, axes=(4,)):
    """Normalize each channel of each example: x is (n, channels, h, w). See InstanceNorm1d."""


class InstanceNorm3d(_InstanceNorm, axes=(5,)):
    """Normalize each channel of each example: x is (n, channels, d, h, w). See InstanceNorm1d."""


class LayerNorm(CallsFunction, function=layers.layer_norm):
    """Normalize over the last axes, whose lengths are `normalized_shape`: tg.layer_norm.

    Raises OptionError for sizes below 1; when called, ShapeError unless the shape of x ends with
    `normalized_shape`.

    >>> LayerNorm(2)([[1.0, 3.0]]).data.round(2).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = layers.sizes("LayerNorm", normalized_shape)
        self.eps = real(eps, "LayerNorm: eps", 0.0)
        self.elementwise_affine = flag(elementwise_affine, "LayerNorm: elementwise_affine")
        self.weight, self.bias = _weights(
            "LayerNorm", self.normalized_shape, dtype, self.elementwise_affine, bias
        )

    def extra_repr(self) -> str:
        """Return the options, as PyTorch does."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(CallsFunction, function=layers.group_norm):
    """Normalize each example over groups of its channels: tg.group_norm.

    Raises OptionError if the groups do not divide the channels.

    >>> GroupNorm(1, 2)([[1.0, 3.0]]).data.round(2).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        (self.num_groups,) = numbers("GroupNorm", "num_groups", num_groups, 1, least=1)
        (self.num_channels,) = numbers("GroupNorm", "num_channels", num_channels, 1, least=1)
        if self.num_channels % self.num_groups:
            raise OptionError(
                f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}"
            )
        self.eps, self.affine = real(eps, "GroupNorm: eps", 0.0), flag(affine, "GroupNorm: affine")
        shape = (self.num_channels,)
        self.weight, self.bias = _weights("GroupNorm", shape, dtype, self.affine, bias)

    def extra_repr(self) -> str:
        """Return the options, as PyTorch does."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


def _weights(
    name: str, shape: Shape, dtype: Any, affine: bool, bias: bool
) -> tuple[Value | None, Value | None]:
    """Make weights of 1 and biases of 0, or None."""
    kind = floating(dtype, f"{name}: dtype")
    if not affine:
        return None, None
    biased = flag(bias, f"{name}: bias")
    return Value(np.ones(shape, kind)), Value(np.zeros(shape, kind)) if biased else None
