"""Elementwise operations, reductions, shapes and products under their public names."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from tinygrad_pool.engine.data import to_constant, to_data
from tinygrad_pool.engine.value import P, Value, lift
from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.rules import elementwise, linear, reductions, shaping
from tinygrad_pool.rules.rule import Backward

Numbers: TypeAlias = int | Sequence[int]
"""One integer, or one per axis."""


def define(
    rule: Callable[P, tuple[Any, Backward]], call: str, result: str, module: str = __name__
) -> Callable[P, Value]:
    """Turn a rule into an operation, with the rule's docstring and an example."""
    operation = lift(rule)
    operation.__doc__ = f"{operation.__doc__}\n    >>> {call}\n    {result}\n"
    operation.__module__ = module
    return operation


exp = define(elementwise.exp, "exp(Value(0.0)).data", "1.0")
expm1 = define(elementwise.expm1, "expm1(Value(0.0)).data", "0.0")
log = define(elementwise.log, "log(Value(1.0)).data", "0.0")
log1p = define(elementwise.log1p, "log1p(Value(0.0)).data", "0.0")
sqrt = define(elementwise.sqrt, "sqrt(Value(4.0)).data", "2.0")
square = define(elementwise.square, "square(Value(-3.0)).data", "9.0")
sin = define(elementwise.sin, "sin(Value(0.0)).data", "0.0")
cos = define(elementwise.cos, "cos(Value(0.0)).data", "1.0")
tanh = define(elementwise.tanh, "tanh(Value(0.0)).data", "0.0")
sigmoid = define(elementwise.sigmoid, "sigmoid(Value(0.0)).data", "0.5")
relu = define(elementwise.relu, "relu(Value([-2.0, 3.0])).data", "array([0., 3.])")
abs = define(elementwise.abs, "abs(Value([-2.0, 3.0])).data", "array([2., 3.])")
clip = define(elementwise.clip, "clip(Value([-2.0, 3.0]), 0.0, 1.0).data", "array([0., 1.])")
where = define(
    elementwise.where, "where([True, False], Value([1.0, 2.0]), 0.0).data", "array([1., 0.])"
)
sum = define(reductions.sum, "sum(Value([1.0, 2.0])).item()", "3.0")
mean = define(reductions.mean, "mean(Value([[1.0, 3.0]]), axis=1).data", "array([2.])")
max = define(reductions.max, "max(Value([1.0, 3.0])).item()", "3.0")
min = define(reductions.min, "min(Value([1.0, 3.0])).item()", "1.0")
maximum = define(reductions.maximum, "maximum(Value(1.0), Value(3.0), 2.0).data", "3.0")
minimum = define(reductions.minimum, "minimum(Value(1.0), Value(3.0), 2.0).data", "1.0")
logsumexp = define(
    reductions.logsumexp, "round(logsumexp(Value([1000.0, 1000.0])).item(), 4)", "1000.6931"
)
softmax = define(reductions.softmax, "softmax(Value([0.0, 0.0])).data", "array([0.5, 0.5])")
log_softmax = define(
    reductions.log_softmax, "log_softmax(Value([0.0, -1000.0])).data", "array([    0., -1000.])"
)
concatenate = define(
    shaping.concatenate,
    "concatenate([Value([1.0]), Value([2.0, 3.0])]).data",
    "array([1., 2., 3.])",
)
stack = define(shaping.stack, "stack([Value(1.0), Value(2.0)]).data", "array([1., 2.])")
expand_dims = define(shaping.expand_dims, "expand_dims(Value([1.0, 2.0]), 0).shape", "(1, 2)")
squeeze = define(shaping.squeeze, "squeeze(Value([[1.0, 2.0]])).shape", "(2,)")
broadcast_to = define(
    shaping.broadcast_to, "broadcast_to(Value([1.0, 2.0]), (3, 2)).shape", "(3, 2)"
)
matmul = define(
    linear.matmul, "matmul(Value([[1.0, 2.0]]), Value([3.0, 4.0])).data", "array([11.])"
)

_weighted_sum = lift(linear.weighted_sum)


def weighted_sum(weights: Iterable[Any], inputs: Iterable[Any], bias: Any = 0.0) -> Value:
    """Compute the weighted sum of a unit, a = Σ_i w_i x_i + b, as a single node.

    ∂E/∂w_i = g x_i            ∂E/∂x_i = g w_i            ∂E/∂b = g

    Raises ShapeError if the numbers of weights and inputs differ; DataError if either is not a
    sequence.

    >>> from tinygrad_pool import Value
    >>> w, x = [Value(2.0), Value(3.0)], [5.0, 7.0]
    >>> a = weighted_sum(w, x, bias=1.0)
    >>> a.backward()
    >>> a.data, w[0].grad, w[1].grad
    (32.0, 5.0, 7.0)
    """
    try:
        weights, inputs = tuple(weights), tuple(inputs)
    except (TypeError, ShapeError):  # a number, plain or a Value
        got = f"{type(weights).__name__} and {type(inputs).__name__}"
        raise DataError(
            f"weighted_sum: needs a sequence of weights and a sequence of inputs, got {got}"
        ) from None
    if len(weights) != len(inputs):
        raise ShapeError(
            f"weighted_sum: needs as many inputs as weights, got {len(inputs)} and {len(weights)}"
        )
    return _weighted_sum(*weights, *inputs, bias)


def operand(x: Any, name: str) -> Any:
    """Return a Value unchanged, and anything else as a constant."""
    return x if isinstance(x, Value) else to_constant(x, name)


def value(x: Any, name: str) -> Value:
    """Return a Value unchanged, and convert anything else to a Value."""
    return x if isinstance(x, Value) else Value(to_data(x, name))
