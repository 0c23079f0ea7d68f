"""NumPy's own names on Values."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import (
    AxisError,
    DataError,
    OptionError,
    ShapeError,
    UnsupportedError,
)
from tinygrad_pool.numpy_names import ANSWERS, HINTS, QUESTIONS, refuse

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
        (
            np.arctan,
            r"np\.arctan has no rule for Values; v\.data holds its numbers, and tg\.lift makes",
        ),
        (np.nanmean, r"np\.nanmean has no rule for Values; the nearest is np\.mean$"),
        (np.sinc, r"np\.sinc .* nearest is np\.sin$"),
        (np.log2, r"np\.log2 .* nearest is np\.log$"),
        (np.sort, r"np\.sort has no rule .* nearest is v\[np\.argsort\(v\.data\)\]$"),
        (lambda v: np.dot(v, v), r"np\.dot has no rule .* the nearest is a @ b$"),
        (np.add.reduce, r"np\.add\.reduce has no rule .* the nearest is np\.add$"),
        (lambda v: np.multiply.outer(v, v), r"np\.multiply\.outer .* is np\.multiply$"),
        (np.linalg.norm, r"np\.linalg\.norm has no rule .* is np\.sqrt\(np\.sum\(v \* v\)\)$"),
        (lambda v: np.linalg.matmul(v, v.T), r"np\.linalg\.matmul .* is np\.matmul$"),
        (np.fft.fft, r"np\.fft\.fft has no rule for Values; v\.data"),
        (lambda v: np.equal(v, v), r"np\.equal .* \(== between Values is identity\)"),
        (lambda v: v.data == v, r"np\.equal .* v\.data"),
        (np.ravel, r"v\.reshape\(-1\)"),
    ],
)
def test_what_has_no_rule_is_named_with_the_nearest_that_has(call, message):
    with pytest.raises(UnsupportedError, match=message):
        call(Value(A))


@pytest.mark.parametrize("name", sorted(HINTS))
def test_a_hint_is_for_a_function_that_has_no_rule_and_says_what_to_write_instead(name):
    function = getattr(np, name, None) or getattr(np.linalg, name)
    assert function not in {*ANSWERS, *QUESTIONS}
    if "v.data" in HINTS[name] or "..." in HINTS[name] or "indices" in HINTS[name]:
        return
    a, b = A[0], B[1]
    two = "b" in HINTS[name].replace("abs", "")
    written = eval(HINTS[name], {"np": np, "tg": tg, "v": Value(a), "a": Value(a), "b": Value(b)})
    np.testing.assert_allclose(written.data, function(a, b) if two else function(a), rtol=1e-12)


def test_only_functions_of_numpys_are_offered():
    offered = set()
    for function in vars(np).values():
        if hasattr(function, "__name__") and function not in {*ANSWERS, *QUESTIONS}:
            with pytest.raises(UnsupportedError) as caught:
                refuse(function)
            offered |= set(re.findall(r"nearest is np\.(\w+)$", str(caught.value)))
    assert "mean" in offered
    assert all(hasattr(np, name) for name in offered)


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
