"""What is known of a call with numbers that are not, and how the rest is left to the program."""

import ast
import math
import operator

import numpy as np
import pytest

from tinygrad_pool.codegen.inlining.calls import answered, later, undispatched
from tinygrad_pool.codegen.inlining.symbols import Constant, Draft, InliningError, Symbol
from tinygrad_pool.rules.elementwise import logistic
from tinygrad_pool.rules.tie_breaking import first_wins


def x(kind=float):
    return Symbol(ast.Name("x"), kind)


def counted(_):
    raise AssertionError("called")


@pytest.mark.parametrize(
    ("function", "operands", "answer"),
    [
        (type, [x()], float),
        (type, ["text"], str),
        (isinstance, [x(), float | int], True),
        (isinstance, [x(), np.ndarray], False),
        (isinstance, [Constant("x1", 2), int], True),
        (max, [1, 2], 2),
        (math.sqrt, [Constant("x1", 4.0)], 2.0),
        (np.add, [1, 2], 3),
        (first_wins, [1.0, 2.0], False),
        (frozenset({1, 2}).issuperset, [[1]], True),
        (max, [1, x()], NotImplemented),
        (max, [(1, x())], NotImplemented),
        (max, [(1, Constant("x1", 2.0))], NotImplemented),
        ((x(), 1).count, [1], NotImplemented),
        ([1].append, [1], NotImplemented),
        (print, ["not printed"], NotImplemented),
        (counted, [1], NotImplemented),
        (np.random.default_rng(0).random, [], NotImplemented),
    ],
)
def test_a_call_is_answered_where_all_is_known_and_the_function_does_nothing_else(
    function, operands, answer
):
    assert answered(Draft([]), function, operands, {}) is answer or answer not in (
        True,
        False,
        NotImplemented,
        float,
    )
    if answer is not NotImplemented:
        assert answered(Draft([]), function, operands, {}) == answer


def test_floats_of_floats_are_themselves():
    number = x()
    assert answered(Draft([]), float, [number], {}) is number
    assert answered(Draft([]), float, [x(int)], {}) is NotImplemented


@pytest.mark.parametrize(
    ("function", "text"),
    [(operator.add, "x + 2.0"), (operator.mul, "x * 2.0"), (operator.truediv, "x / 2.0")],
)
def test_an_operator_that_is_called_is_an_operator(function, text):
    found = answered(Draft([]), function, [x(), 2.0], {})
    assert (ast.unparse(found.tree), found.kind) == (text, float)
    assert answered(Draft([]), function, [3.0, 2.0], {}) == function(3.0, 2.0)


def test_an_attribute_is_asked_for_where_the_type_decides():
    assert answered(Draft([]), getattr, [x(), "dtype", None], {}) is None
    assert answered(Draft([]), getattr, [x(), "real", None], {}) is NotImplemented
    assert answered(Draft([]), getattr, [1.5, "real", None], {}) == 1.5


def test_a_type_that_is_not_certain_is_no_answer():
    with pytest.raises(InliningError, match="the type of a number"):
        answered(Draft([]), type, [x(None)], {})


def test_numbers_answer_for_no_function():
    assert undispatched(logistic) is logistic.__wrapped__
    assert undispatched(np.exp) is np.exp


def whole(_) -> int:
    return 0


@pytest.mark.parametrize(
    ("function", "operands", "text", "kind"),
    [
        (np.tanh, [x()], "tanh(x)", np.float64),
        (np.less, [x(), 2], "less(x, 2)", np.bool_),
        (math.exp, [x()], "exp(x)", float),
        (float, [x(np.float64)], "float(x)", float),
        (abs, [x(int)], "abs(x)", int),
        (np.tanh, [x(None)], "tanh(x)", None),
        (np.where, [x(bool), 1.0, 2.0], "where(x, 1.0, 2.0)", None),
        (first_wins, [x(), 1.0], "first_wins(x, 1.0)", None),
        (whole, [x()], "whole(x)", None),  # what a user's function says of itself may be wrong
        (max, [[x(), (x(), 1)]], "max([x, (x, 1)])", None),
        ([x(bool), True].index, [True], "[x, True].index(True)", None),
    ],
)
def test_a_call_is_left_to_the_program(function, operands, text, kind):
    draft = Draft([])
    found = later(draft, function, operands, {})
    assert (ast.unparse(found.tree), found.kind, found.free) == (text, kind, False)
    assert list(draft.given.values()) == ([] if text.startswith("[") else [function])


def test_options_are_passed_by_name():
    draft = Draft([])
    assert ast.unparse(later(draft, round, [x()], {"ndigits": 2}).tree) == "round(x, ndigits=2)"
