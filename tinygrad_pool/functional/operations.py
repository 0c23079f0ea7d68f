"""Elementwise operations, reductions, shapes and products under their public names."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from tinygrad_pool.engine.data import to_constant
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.rules import elementwise, linear, reductions, shaping

exp = lift(elementwise.exp)
expm1 = lift(elementwise.expm1)
log = lift(elementwise.log)
log1p = lift(elementwise.log1p)
sqrt = lift(elementwise.sqrt)
square = lift(elementwise.square)
sin = lift(elementwise.sin)
cos = lift(elementwise.cos)
tanh = lift(elementwise.tanh)
sigmoid = lift(elementwise.sigmoid)
relu = lift(elementwise.relu)
abs = lift(elementwise.abs)
clip = lift(elementwise.clip)
where = lift(elementwise.where)
sum = lift(reductions.sum)
mean = lift(reductions.mean)
max = lift(reductions.max)
min = lift(reductions.min)
maximum = lift(reductions.maximum)
minimum = lift(reductions.minimum)
logsumexp = lift(reductions.logsumexp)
softmax = lift(reductions.softmax)
log_softmax = lift(reductions.log_softmax)
concatenate = lift(shaping.concatenate)
stack = lift(shaping.stack)
expand_dims = lift(shaping.expand_dims)
squeeze = lift(shaping.squeeze)
broadcast_to = lift(shaping.broadcast_to)
matmul = lift(linear.matmul)

Numbers: TypeAlias = int | Sequence[int]
"""One integer, or one per axis."""

_weighted_sum = lift(linear.weighted_sum)


for _operation, _call, _result in (
    (exp, "exp(Value(0.0)).data", "1.0"),
    (expm1, "expm1(Value(0.0)).data", "0.0"),
    (log, "log(Value(1.0)).data", "0.0"),
    (log1p, "log1p(Value(0.0)).data", "0.0"),
    (sqrt, "sqrt(Value(4.0)).data", "2.0"),
    (square, "square(Value(-3.0)).data", "9.0"),
    (sin, "sin(Value(0.0)).data", "0.0"),
    (cos, "cos(Value(0.0)).data", "1.0"),
    (tanh, "tanh(Value(0.0)).data", "0.0"),
    (sigmoid, "sigmoid(Value(0.0)).data", "0.5"),
    (relu, "relu(Value([-2.0, 3.0])).data", "array([0., 3.])"),
    (abs, "abs(Value([-2.0, 3.0])).data", "array([2., 3.])"),
    (clip, "clip(Value([-2.0, 3.0]), 0.0, 1.0).data", "array([0., 1.])"),
    (where, "where([True, False], Value([1.0, 2.0]), 0.0).data", "array([1., 0.])"),
    (sum, "sum(Value([1.0, 2.0])).item()", "3.0"),
    (mean, "mean(Value([[1.0, 3.0]]), axis=1).data", "array([2.])"),
    (max, "max(Value([1.0, 3.0])).item()", "3.0"),
    (min, "min(Value([1.0, 3.0])).item()", "1.0"),
    (maximum, "maximum(Value(1.0), Value(3.0), 2.0).data", "3.0"),
    (minimum, "minimum(Value(1.0), Value(3.0), 2.0).data", "1.0"),
    (logsumexp, "round(logsumexp(Value([1000.0, 1000.0])).item(), 4)", "1000.6931"),
    (softmax, "softmax(Value([0.0, 0.0])).data", "array([0.5, 0.5])"),
    (log_softmax, "log_softmax(Value([0.0, -1000.0])).data", "array([    0., -1000.])"),
    (concatenate, "concatenate([Value([1.0]), Value([2.0, 3.0])]).data", "array([1., 2., 3.])"),
    (stack, "stack([Value(1.0), Value(2.0)]).data", "array([1., 2.])"),
    (expand_dims, "expand_dims(Value([1.0, 2.0]), 0).shape", "(1, 2)"),
    (squeeze, "squeeze(Value([[1.0, 2.0]])).shape", "(2,)"),
    (broadcast_to, "broadcast_to(Value([1.0, 2.0]), (3, 2)).shape", "(3, 2)"),
    (matmul, "matmul(Value([[1.0, 2.0]]), Value([3.0, 4.0])).data", "array([11.])"),
):
    _operation.__doc__ = f"{_operation.__doc__}\n    >>> {_call}\n    {_result}\n"
    _operation.__module__ = __name__


def weighted_sum(weights: Iterable[Any], inputs: Iterable[Any], bias: Any = 0.0) -> Value:
    """Compute a unit's weighted sum, a = Σ_i w_i x_i + b, as a single node.

    ∂E/∂w_i = g x_i            ∂E/∂x_i = g w_i            ∂E/∂b = g

    Raises ShapeError unless there are as many weights as inputs; DataError if either is not a
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
    except TypeError:
        got = f"a {type(weights).__name__} and a {type(inputs).__name__}"
        raise DataError(
            f"weighted_sum: needs a sequence of weights and one of inputs, got {got}"
        ) from None
    if len(weights) != len(inputs):
        raise ShapeError(
            f"weighted_sum: {len(weights)} weights need as many inputs, got {len(inputs)}"
        )
    return _weighted_sum(*weights, *inputs, bias)


def operand(x: Any, name: str) -> Any:
    """Return a Value as it is, and anything else as a constant."""
    return x if isinstance(x, Value) else to_constant(x, name)
