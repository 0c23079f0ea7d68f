"""Pooling layers, with the arguments of PyTorch's, in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, ClassVar

from tinygrad_pool.engine.value import Value
from tinygrad_pool.functional import adaptive_pooling, pooling
from tinygrad_pool.functional.adaptive_pooling import Sizes
from tinygrad_pool.functional.operations import Numbers
from tinygrad_pool.nn.module import CallsFunction
from tinygrad_pool.rules.arguments import flag
from tinygrad_pool.rules.pool_checks import check_norm
from tinygrad_pool.rules.tie_breaking import Ties, check_ties
from tinygrad_pool.rules.windows import Padding, adaptive_windows_of, windows_of


class _Pool(CallsFunction):
    """A layer that calls a pooling function over `_ndim` axes."""

    _always: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding", "output_size")

    def extra_repr(self) -> str:
        """Return the options that PyTorch shows, and those that differ from their defaults."""
        parameters, options = signature(type(self).__init__).parameters, []
        for name, option in vars(self).items():
            differs = name in parameters and option != parameters[name].default
            if name in self._always or differs:
                kernel = name == "stride" and option is None
                options.append(f"{name}={vars(self)['kernel_size'] if kernel else option!r}")
        return ", ".join(options)


class _MaxPool(_Pool):
    """Keep the largest unit of each window."""

    _always = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        dilation: Numbers = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        ties: Ties = "first",
    ) -> None:
        name = type(self).__name__
        windows_of(name, self._ndim, kernel_size, stride, padding, dilation, ceil_mode)
        check_ties(ties, name)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation = dilation
        self.return_indices = flag(return_indices, f"{name}: return_indices")
        self.ceil_mode, self.ties = ceil_mode, ties


class _AvgPool(_Pool):
    """Average each window."""

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
    ) -> None:
        windows_of(type(self).__name__, self._ndim, kernel_size, stride, padding, 1, ceil_mode)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class _LPPool(_Pool):
    """Compute the p-norm of each window."""

    def __init__(
        self,
        norm_type: float,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        ceil_mode: bool = False,
    ) -> None:
        windows_of(type(self).__name__, self._ndim, kernel_size, stride, 0, 1, ceil_mode)
        self.norm_type = check_norm(norm_type, type(self).__name__)
        self.kernel_size, self.stride, self.ceil_mode = kernel_size, stride, ceil_mode


class _AdaptivePool(_Pool):
    """Reduce each of `output_size` windows to one unit."""

    def __init__(self, output_size: Sizes) -> None:
        adaptive_windows_of(type(self).__name__, self._ndim, output_size, (1,) * self._ndim)
        self.output_size = output_size


class _AdaptiveMaxPool(_AdaptivePool):
    """Keep the largest unit of each window."""

    def __init__(
        self, output_size: Sizes, return_indices: bool = False, ties: Ties = "first"
    ) -> None:
        super().__init__(output_size)
        name = type(self).__name__
        check_ties(ties, name)
        self.return_indices = flag(return_indices, f"{name}: return_indices")
        self.ties = ties


class _MaxUnpool(_Pool):
    """Place each unit at the index of its winner."""

    def __init__(
        self, kernel_size: Numbers, stride: Numbers | None = None, padding: Padding = 0
    ) -> None:
        windows_of(type(self).__name__, self._ndim, kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(  # type: ignore[override]  # indices are a second input
        self, x: Any, indices: Any, output_size: Sequence[int] | None = None
    ) -> Value:
        """Place the units of x at `indices`."""
        options = (self.kernel_size, self.stride, self.padding)
        return self._function(x, indices, *options, output_size)


class MaxPool1d(_MaxPool, function=pooling.max_pool1d, ndim=1):
    """A max-pooling layer over the last axis: tg.max_pool1d."""


class MaxPool2d(_MaxPool, function=pooling.max_pool2d, ndim=2):
    """A max-pooling layer over the last two axes: tg.max_pool2d."""


class MaxPool3d(_MaxPool, function=pooling.max_pool3d, ndim=3):
    """A max-pooling layer over the last three axes: tg.max_pool3d."""


class AvgPool1d(_AvgPool, function=pooling.avg_pool1d, ndim=1):
    """An average-pooling layer over the last axis: tg.avg_pool1d."""


class AvgPool2d(_AvgPool, function=pooling.avg_pool2d, ndim=2):
    """An average-pooling layer over the last two axes: tg.avg_pool2d."""


class AvgPool3d(_AvgPool, function=pooling.avg_pool3d, ndim=3):
    """An average-pooling layer over the last three axes: tg.avg_pool3d."""


class LPPool1d(_LPPool, function=pooling.lp_pool1d, ndim=1):
    """A layer that pools by the p-norm over the last axis: tg.lp_pool1d."""


class LPPool2d(_LPPool, function=pooling.lp_pool2d, ndim=2):
    """A layer that pools by the p-norm over the last two axes: tg.lp_pool2d."""


class LPPool3d(_LPPool, function=pooling.lp_pool3d, ndim=3):
    """A layer that pools by the p-norm over the last three axes: tg.lp_pool3d."""


class AdaptiveMaxPool1d(_AdaptiveMaxPool, function=adaptive_pooling.adaptive_max_pool1d, ndim=1):
    """A layer of `output_size` maxima over the last axis: tg.adaptive_max_pool1d."""


class AdaptiveMaxPool2d(_AdaptiveMaxPool, function=adaptive_pooling.adaptive_max_pool2d, ndim=2):
    """A layer of `output_size` maxima over the last two axes: tg.adaptive_max_pool2d."""


class AdaptiveMaxPool3d(_AdaptiveMaxPool, function=adaptive_pooling.adaptive_max_pool3d, ndim=3):
    """A layer of `output_size` maxima over the last three axes: tg.adaptive_max_pool3d."""


class AdaptiveAvgPool1d(_AdaptivePool, function=adaptive_pooling.adaptive_avg_pool1d, ndim=1):
    """A layer of `output_size` averages over the last axis: tg.adaptive_avg_pool1d."""


class AdaptiveAvgPool2d(_AdaptivePool, function=adaptive_pooling.adaptive_avg_pool2d, ndim=2):
    """A layer of `output_size` averages over the last two axes: tg.adaptive_avg_pool2d."""


class AdaptiveAvgPool3d(_AdaptivePool, function=adaptive_pooling.adaptive_avg_pool3d, ndim=3):
    """A layer of `output_size` averages over the last three axes: tg.adaptive_avg_pool3d."""


class MaxUnpool1d(_MaxUnpool, function=pooling.max_unpool1d, ndim=1):
    """A layer that undoes max pooling over the last axis: tg.max_unpool1d."""


class MaxUnpool2d(_MaxUnpool, function=pooling.max_unpool2d, ndim=2):
    """A layer that undoes max pooling over the last two axes: tg.max_unpool2d."""


class MaxUnpool3d(_MaxUnpool, function=pooling.max_unpool3d, ndim=3):
    """A layer that undoes max pooling over the last three axes: tg.max_unpool3d."""
