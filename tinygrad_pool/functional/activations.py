"""More activations, with PyTorch's names, defaults and slopes at kinks."""

from typing import Any

import numpy as np

from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.functional.operations import define, maximum, minimum, operand, value
from tinygrad_pool.rules import activations
from tinygrad_pool.rules.arguments import POSITIVE, real

erf = define(activations.erf, "erf(Value(0.0)).data", "0.0", __name__)
erfc = define(activations.erfc, "erfc(Value(0.0)).data", "1.0", __name__)
elu = define(activations.elu, "elu(Value(0.0)).data", "0.0", __name__)
gelu = define(activations.gelu, "gelu(Value(0.0)).data", "0.0", __name__)
softplus = define(activations.softplus, "round(softplus(Value(0.0)).data, 4)", "0.6931", __name__)

_leaky_relu = lift(activations.leaky_relu)

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
"""PyTorch's constants: with them, activations keep mean 0 and variance 1 in deep networks."""


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Value:
    """Return x where x > 0, and scale it by `negative_slope`, s, elsewhere.

    y = x where x > 0, else s x            ∂E/∂x = g where x > 0, else g s

    At the kink, x = 0, the slope is s. Raises OptionError if s is not a number.

    >>> leaky_relu([-2.0, 3.0], 0.5).data
    array([-1.,  3.])
    """
    slope = real(negative_slope, "leaky_relu: negative_slope")
    return _leaky_relu(operand(x, "leaky_relu"), slope)


def prelu(x: Any, weight: Any) -> Value:
    """Return x where x > 0, and multiply it by a weight elsewhere: one for all, or one per channel.

    y = x where x > 0, else w x            ∂E/∂w = Σ g x [x ≤ 0]

    Channels are axis 1 of x (n, channels, ...). Raises ShapeError for another number of weights.

    >>> prelu([[-2.0, 3.0]], [0.5, 0.1]).data
    array([[-1.,  3.]])
    """
    x, weight = operand(x, "prelu"), operand(weight, "prelu: weight")
    count, channels = np.size(weight), np.shape(x)[1] if np.ndim(x) > 1 else 1
    if np.ndim(weight) > 1 or count not in (1, channels):
        raise ShapeError(
            f"prelu: needs one weight, or {channels} for x of shape {np.shape(x)}, "
            f"got shape {np.shape(weight)}"
        )
    rest = (1,) * (np.ndim(x) - 2) if count > 1 else ()
    return _leaky_relu(x, np.reshape(weight, (count, *rest)) if np.ndim(x) else weight)


def celu(x: Any, alpha: float = 1.0) -> Value:
    """Return x where x > 0; below, saturate towards −α, with slope 1 at 0.

    y = x where x > 0, else α (exp(x / α) − 1)

    Raises OptionError unless α is a number above 0.

    >>> celu([-1000.0, 3.0], 0.5).data
    array([-0.5,  3. ])
    """
    alpha = real(alpha, "celu: alpha", least=POSITIVE)
    return elu(value(x, "celu") / alpha) * alpha


def selu(x: Any) -> Value:
    """Compute a scaled elu, whose activations keep mean 0 and variance 1 in deep networks.

    y = 1.0507… · elu(x, alpha=1.6732…)

    >>> selu([0.0, 1.0]).data.round(4)
    array([0.    , 1.0507])
    """
    return elu(x, alpha=SELU_ALPHA) * SELU_SCALE


def silu(x: Any) -> Value:
    """Multiply x by its sigmoid.

    y = x / (1 + e⁻ˣ)            ∂E/∂x = g (σ(x) + y (1 − σ(x)))

    >>> silu([0.0, 1000.0]).data
    array([   0., 1000.])
    """
    v = value(x, "silu")
    return v * v.sigmoid()


def mish(x: Any) -> Value:
    """Multiply x by the tanh of its softplus.

    y = x tanh(ln(1 + eˣ))

    >>> mish([0.0, 1000.0]).data
    array([   0., 1000.])
    """
    v = value(x, "mish")
    return v * softplus(v).tanh()


def logsigmoid(x: Any) -> Value:
    """Compute the logarithm of the sigmoid, without overflow.

    y = −ln(1 + e⁻ˣ)            ∂E/∂x = g σ(−x)

    >>> logsigmoid([-1000.0, 1000.0]).data
    array([-1000.,    -0.])
    """
    return -softplus(-value(x, "logsigmoid"), threshold=np.inf)


def softsign(x: Any) -> Value:
    """Map to (−1, 1); saturates more slowly than tanh.

    y = x / (1 + |x|)

    >>> softsign([-1.0, 3.0]).data
    array([-0.5 ,  0.75])
    """
    v = value(x, "softsign")
    return v / (1.0 + v.abs())


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Value:
    """Limit to an interval; the slope is 0 outside and at both ends.

    y = min(max_val, max(min_val, x))

    (The slope of `clip` is 1 at the ends.)

    Raises OptionError unless min_val < max_val.

    >>> hardtanh([-2.0, 0.5, 3.0]).data
    array([-1. ,  0.5,  1. ])
    """
    low, high = real(min_val, "hardtanh: min_val"), real(max_val, "hardtanh: max_val")
    if low >= high:
        raise OptionError(f"hardtanh: max_val must be above min_val, {low:g}, got {high:g}")
    return minimum(high, maximum(low, operand(x, "hardtanh")))


def relu6(x: Any) -> Value:
    """Limit to [0, 6]; at both ends the slope is 0.

    y = min(max(x, 0), 6)            ∂E/∂x = g inside, 0 outside

    >>> relu6([-2.0, 3.0, 8.0]).data
    array([0., 3., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Any) -> Value:
    """Approximate the sigmoid by straight lines; at −3 and 3 the slope is 0.

    y = min(max(x + 3, 0), 6) / 6            ∂E/∂x = g / 6 inside, 0 outside

    >>> hardsigmoid([-4.0, 0.0, 4.0]).data
    array([0. , 0.5, 1. ])
    """
    return relu6(value(x, "hardsigmoid") + 3.0) / 6.0


def hardswish(x: Any) -> Value:
    """Multiply x by its hardsigmoid; the slope is 0 at −3 and 1 at 3.

    y = x min(max(x + 3, 0), 6) / 6            ∂E/∂x = g (2 x + 3) / 6 inside, 0 below, g above

    >>> hardswish([-4.0, 0.0, 3.0]).data
    array([-0.,  0.,  3.])
    """
    v = value(x, "hardswish")
    return v * hardsigmoid(v)
