"""Activations as modules: each stores the options of the function that it calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.functional import activations, operations
from tinygrad_pool.nn.module import CallsFunction
from tinygrad_pool.rules.arguments import POSITIVE, floating, numbers, real, whole


class _Activation(CallsFunction):
    """An activation layer."""

    def __init__(self, inplace: bool = False) -> None:
        not_in_place(type(self).__name__, inplace)


def not_an_input(name: str, option: object, inputs: str) -> None:
    """Raise OptionError for an input among the options, as in nn.ReLU(x)."""
    if isinstance(option, Value):
        raise OptionError(
            f"{name}: inputs go into the call of a layer, as in nn.{name}()({inputs})"
        )


def not_in_place(name: str, inplace: object) -> None:
    """Raise OptionError for the option `inplace`, or for an input in its place."""
    not_an_input(name, inplace, "v")
    if inplace is not False:
        raise OptionError(f"{name}: no option 'inplace': results are new Values")


class ReLU(_Activation, function=operations.relu):
    """max(0, x), elementwise: tg.relu."""


class Sigmoid(_Activation, function=operations.sigmoid):
    """1 / (1 + e⁻ˣ), elementwise: tg.sigmoid."""


class Tanh(_Activation, function=operations.tanh):
    """tanh x, elementwise: tg.tanh."""


class ReLU6(_Activation, function=activations.relu6):
    """x limited to [0, 6], elementwise: tg.relu6."""


class SELU(_Activation, function=activations.selu):
    """A scaled elu that keeps mean 0 and variance 1, elementwise: tg.selu."""


class SiLU(_Activation, function=activations.silu):
    """x / (1 + e⁻ˣ), elementwise: tg.silu."""


class Mish(_Activation, function=activations.mish):
    """x tanh(softplus(x)), elementwise: tg.mish."""


class LogSigmoid(_Activation, function=activations.logsigmoid):
    """ln(1 / (1 + e⁻ˣ)), elementwise: tg.logsigmoid."""


class Softsign(_Activation, function=activations.softsign):
    """`x / (1 + |x|)`, elementwise: tg.softsign."""


class Hardsigmoid(_Activation, function=activations.hardsigmoid):
    """A piecewise linear sigmoid, elementwise: tg.hardsigmoid."""


class Hardswish(_Activation, function=activations.hardswish):
    """x hardsigmoid(x), elementwise: tg.hardswish."""


class LeakyReLU(_Activation, function=activations.leaky_relu):
    """x where x > 0, else x · negative_slope, elementwise: tg.leaky_relu."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = real(negative_slope, "LeakyReLU: negative_slope")


class ELU(_Activation, function=activations.elu):
    """x where x > 0, else α (eˣ − 1), elementwise: tg.elu."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = real(alpha, "ELU: alpha")


class CELU(_Activation, function=activations.celu):
    """x where x > 0, else α (exp(x / α) − 1), elementwise: tg.celu."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = real(alpha, "CELU: alpha", least=POSITIVE)


class GELU(_Activation, function=activations.gelu):
    """x Φ(x), elementwise: tg.gelu."""

    def __init__(self, approximate: str = "none") -> None:
        self._function(0.0, approximate)
        self.approximate = approximate


class Softplus(_Activation, function=activations.softplus):
    """ln(1 + exp β x) / β, elementwise: tg.softplus."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self._function(0.0, beta, threshold)
        self.beta, self.threshold = beta, threshold


class Hardtanh(_Activation, function=activations.hardtanh):
    """x limited to an interval, elementwise: tg.hardtanh."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self._function(0.0, min_val, max_val)
        self.min_val, self.max_val = min_val, max_val


class PReLU(_Activation, function=activations.prelu):
    """x where x > 0, else w x with learned weights w: tg.prelu.

    Raises OptionError unless num_parameters is at least 1 and init a number.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, dtype: Any = np.float32
    ) -> None:
        (n,) = numbers("PReLU", "num_parameters", num_parameters, 1, least=1)
        start, kind = real(init, "PReLU: init"), floating(dtype, "PReLU: dtype")
        self.weight = Value(np.full(n, start, kind))

    def extra_repr(self) -> str:
        """Return the number of weights, as PyTorch does."""
        return f"num_parameters={self.weight.size}"


class Softmax(_Activation, function=operations.softmax):
    """Probabilities that sum to 1 along an axis, by default the last: tg.softmax."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = whole(dim, f"{type(self).__name__}: dim")

    def forward(self, x: Any) -> Value:
        """Call the function along the axis."""
        return self._function(x, self.dim)


class LogSoftmax(Softmax, function=operations.log_softmax):
    """The logarithm of a softmax along an axis: tg.log_softmax."""
