"""Convolution along one, two or three axes: one rule under three names."""

from typing import Any

import numpy as np

from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.functional.operations import Numbers, operand
from tinygrad_pool.functional.pooling import over_axes
from tinygrad_pool.rules import convolution
from tinygrad_pool.rules.windows import Padding, conv_windows_of

_slide = lift(convolution.conv)


def _conv(
    name: str,
    ndim: int,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Numbers = 1,
    padding: Padding | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Value:
    """Convolve x `(..., C, *space)` with weights `(F, C / groups, *kernel)` over the last axes.

    y_f(o) = Σ_c Σ_i w_fc(i) x_c(o s − p + i d) + b_f; o and i have one index per axis.

    `padding` is one number, one per axis, "valid" for no padding, or "same" to keep the lengths.
    See `rules.convolution.conv` for the gradients.

    Raises ShapeError if channels or bias do not fit or the kernel is longer than the padded input;
    OptionError if an option is out of range.

    >>> conv1d([[1.0, 2.0, 4.0]], [[[-1.0, 1.0]]]).data
    array([[1., 2.]])
    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))).data
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    x, weight = operand(x, name), operand(weight, name)
    biases = () if bias is None else (operand(bias, name),)
    kernel = np.shape(weight)[2:]
    if len(kernel) != ndim:
        raise ShapeError(f"{name}: weight needs {ndim + 2} axes, got shape {np.shape(weight)}")
    windows = conv_windows_of(name, ndim, kernel, stride, padding, dilation)
    return _slide(x, weight, *biases, windows=windows, groups=groups)


conv1d, conv2d, conv3d = over_axes(_conv)
