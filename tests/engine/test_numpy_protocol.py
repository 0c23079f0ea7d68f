"""NumPy's own names on Values."""

import operator

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.engine.numpy_protocol import QUESTIONS
from tinygrad_pool.errors import AxisError, DataError, OptionError, ShapeError, UnsupportedError
from tinygrad_pool.rules.rule import IMPLEMENTED

A = np.array([[0.5, 1.5, 2.5], [3.5, 0.25, 0.75]])
B = np.array([[1.0, 2.0, 0.5], [0.1, 0.2, 0.3]])
CALLS = {
    np.add: lambda f, a, b: f(a, b),
    np.subtract: lambda f, a, b: f(a, b),
    np.multiply: lambda f, a, b: f(a, b),
    np.divide: lambda f, a, b: f(a, b),
    np.power: lambda f, a, b: f(a, b),
    np.maximum: lambda f, a, b: f(a, b),
    np.minimum: lambda f, a, b: f(a, b),
    np.matmul: lambda f, a, b: f(a, b.T),
    np.where: lambda f, a, b: f(A > 1, a, b),
    np.concatenate: lambda f, a, b: f([a, b], 1),
    np.stack: lambda f, a, b: f((a, b), axis=1),
    np.sum: lambda f, a, b: f(a, 1),
    np.mean: lambda f, a, b: f(a, axis=0, keepdims=True),
    np.max: lambda f, a, b: f(a, axis=1),
    np.min: lambda f, a, b: f(a),
    np.clip: lambda f, a, b: f(a, 1, 2),
    np.reshape: lambda f, a, b: f(a, (3, 2)),
    np.transpose: lambda f, a, b: f(a),
    np.expand_dims: lambda f, a, b: f(a, 0),
    np.squeeze: lambda f, a, b: f(a[:1]),
    np.broadcast_to: lambda f, a, b: f(a, (4, 2, 3)),
}
OF_NUMPY = {f for f in IMPLEMENTED if getattr(np, f.__name__, None) is f}


@pytest.mark.parametrize("function", sorted(OF_NUMPY, key=lambda f: f.__name__))
def test_a_function_of_numpys_means_its_operation(function):
    call = CALLS.get(function, lambda f, a, b: f(a))
    y = call(function, Value(A), Value(B))
    assert isinstance(y, Value)
    np.testing.assert_allclose(y.data, call(function, A, B), rtol=1e-15)
    assert all(v.dtype == np.float64 for v in (y, *y.parents) if isinstance(v, Value))


def test_every_function_called_here_has_an_answer():
    assert set(CALLS) <= OF_NUMPY


@pytest.mark.parametrize("function", sorted(QUESTIONS, key=lambda f: f.__name__))
def test_a_question_is_answered_with_plain_numbers(function):
    operands = (A, B) if getattr(function, "nin", 1) == 2 else (A,)
    answer = function(*map(Value, operands))
    assert not isinstance(answer, Value)
    assert np.array_equal(answer, function(*operands))


@pytest.mark.parametrize("ours", [Value([3.0, 8.0]), Value(8.0), Value([1.0, 2.0]) * 2.0])
@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_a_masked_array_beside_a_value_gives_a_value(op, ours):
    masked = np.ma.array([1.0, 2.0])
    for x, w in ((masked, ours), (ours, masked)):
        y = op(x, w)
        assert isinstance(y, Value)
        assert any(p is ours for p in y.parents)
        np.testing.assert_allclose(y.data, op(np.asarray(x.data), np.asarray(w.data)))
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    for x, w in ((masked, ours), (ours, masked)):
        with pytest.raises(DataError, match=r"masked elements have no number; fill them first"):
            op(x, w)


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (operator.floordiv, r"np\.floor_divide of v\.data answers from its numbers"),
        (operator.mod, r"write a - b \* np\.floor_divide\(a\.data, b\.data\)"),
        (divmod, "np.divmod has no rule for Values; v.data holds"),
    ],
)
def test_an_operator_without_a_rule_is_refused_in_words_on_both_sides(op, said):
    for x, w in ((Value(7.0), 2), (7, Value(2.0)), (Value(A), Value(B)), (A, Value(B))):
        with pytest.raises(UnsupportedError, match=said):
            op(x, w)


def test_an_array_or_a_numpy_number_on_the_left_gives_a_value():
    v = Value(A)
    assert isinstance(A + v, Value)
    assert isinstance(A @ v.T, Value)
    assert isinstance(np.float64(2) * v, Value)
    assert isinstance(np.maximum(0, v), Value)
    (np.float32(2) * v).sum().backward()
    assert np.array_equal(v.grad, np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda v: np.ones(4) < v, ShapeError, r"np\.less: .*\(2,3\)"),
        (lambda v: np.less(v, np.ones(4)), ShapeError, r"np\.less: .*\(2,3\)"),
        (lambda v: np.argmax(v, axis=5), AxisError, r"np\.argmax: axis 5 is out of bounds"),
        (lambda v: np.greater(v, "text"), DataError, r"np\.greater: "),
        (lambda v: np.argmin(v[:0]), ShapeError, r"np\.argmin: .* empty sequence"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_our_words(ask, error, message):
    with pytest.raises(error, match=message):
        ask(Value(A))


def test_options_of_numpys_that_are_not_ours_are_named():
    with pytest.raises(OptionError, match=r"sum: no option 'out' .* results are new Values"):
        np.sum(Value(A), out=np.zeros(()))
    with pytest.raises(OptionError, match="add: no option 'where'"):
        np.add(Value(A), 1.0, where=True)
    total = np.zeros((2, 3))
    with pytest.raises(OptionError, match=r"add: no option 'out' .* results are new Values"):
        total += Value(A)
    assert not total.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: np.asarray(a),
        lambda a, b: np.array([a, b]),
        lambda a, b: np.max([a, b]),
        lambda a, b: np.array(a, dtype=object),
        lambda a, b: np.array([1.0, a]),
    ],
)
def test_no_array_is_made_of_values(call):
    with pytest.raises(UnsupportedError, match=r"would lose the graph: v\.data .* np\.stack"):
        call(Value(A), Value(2.0))


def test_a_rule_can_answer_for_a_function_of_numpys():
    from tinygrad_pool.rules.rule import implements

    @implements(np.sinh)
    def sinh(x):
        return np.sinh(x), lambda g: (g * np.cosh(x),)

    try:
        v = Value(0.5)
        np.sinh(v).backward()
        assert v.grad == pytest.approx(np.cosh(0.5))
    finally:
        del IMPLEMENTED[np.sinh]
