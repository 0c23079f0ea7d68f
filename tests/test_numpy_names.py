"""NumPy's own names on Values."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, UnsupportedError
from tinygrad_pool.numpy_names import ANSWERS, HINTS, QUESTIONS

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
OF_NUMPY = {f for f in ANSWERS if getattr(np, f.__name__, None) is f}


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


def test_an_array_or_a_numpy_number_on_the_left_gives_a_value():
    v = Value(A)
    assert isinstance(A + v, Value)
    assert isinstance(A @ v.T, Value)
    assert isinstance(np.float64(2) * v, Value)
    assert isinstance(np.maximum(0, v), Value)
    (np.float32(2) * v).sum().backward()
    assert np.array_equal(v.grad, np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (np.sinh, r"np\.sinh has no rule for Values; the nearest is np\.sin"),
        (lambda v: np.dot(v, v), r"np\.dot has no rule .* the nearest is a @ b"),
        (np.var, r"np\.var .* np\.mean\(\(v - np\.mean\(v\)\) \*\* 2\)"),
        (np.add.reduce, r"np\.add\.reduce has no rule .* the nearest is np\.add"),
        (np.linalg.norm, r"np\.norm has no rule"),
        (lambda v: np.equal(v, v), r"np\.equal .* \(== between Values is identity\)"),
        (lambda v: v.data == v, r"np\.equal .* v\.data"),
        (np.ravel, r"v\.reshape\(-1\)"),
        (np.median, r"np\.median has no rule for Values; the nearest is np\.me?an"),
    ],
)
def test_what_has_no_rule_is_named_with_the_nearest_that_has(call, message):
    with pytest.raises(UnsupportedError, match=message):
        call(Value(A))


def test_hints_name_functions_that_have_no_rule():
    supported = {f.__name__ for f in (*ANSWERS, *QUESTIONS)}
    assert not supported & set(HINTS)


def test_options_of_numpys_that_are_not_ours_are_named():
    with pytest.raises(OptionError, match=r"sum: no option 'out' .* results are new Values"):
        np.sum(Value(A), out=np.zeros(()))
    with pytest.raises(OptionError, match="add: no option 'where'"):
        np.add(Value(A), 1.0, where=True)


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


def test_a_lifted_rule_can_answer_for_a_function_of_numpys():
    from tinygrad_pool.rules.rule import answers

    @answers(np.sinh)
    def sinh(x):
        return np.sinh(x), lambda g: (g * np.cosh(x),)

    tg.lift(sinh)
    try:
        v = Value(0.5)
        np.sinh(v).backward()
        assert v.grad == pytest.approx(np.cosh(0.5))
    finally:
        del ANSWERS[np.sinh]
