"""Numbers that are not known yet, and what operators make of them."""

import ast
import math

import numpy as np
import pytest

from tinygrad_pool.codegen.inlining.symbols import (
    Constant,
    Draft,
    InliningError,
    Symbol,
    combined,
    is_open,
    kind_of,
    number,
    written,
)
from tinygrad_pool.codegen.spelling import Names


def symbol(kind=float):
    return Symbol(ast.Name("x"), kind)


def applied(text, *parts):
    return combined(ast.parse(text, mode="eval").body, list(parts))


SAMPLES = {float: 1.5, int: 3, bool: True}


@pytest.mark.parametrize(
    "text", ["x + w", "x - w", "x * w", "x / w", "x < w", "x == w", "-x", "not x"]
)
@pytest.mark.parametrize("x", SAMPLES)
@pytest.mark.parametrize("w", SAMPLES)
def test_the_type_of_a_result_is_what_python_makes_of_the_types(text, x, w):
    parts = [symbol(x), symbol(w)] if "w" in text else [symbol(x)]
    result = eval(text, {}, {"x": SAMPLES[x], "w": SAMPLES[w]})
    assert applied(text, *parts).kind is type(result)


@pytest.mark.parametrize(
    ("text", "parts", "kind"),
    [
        ("x ** w", (symbol(), 2), float),
        ("x ** w", (symbol(), -2.0), float),
        ("x ** w", (symbol(), 0.5), None),  # a negative number has no real root
        ("x ** w", (symbol(), math.inf), None),
        ("x ** w", (symbol(), symbol()), None),
        ("x ** w", (symbol(int), 2), None),
        ("x & w", (symbol(bool), symbol(bool)), bool),
        ("x | w", (symbol(bool), symbol(int)), None),
        ("x and w", (symbol(bool), symbol(bool)), bool),
        ("x if c else w", (symbol(bool), symbol(), symbol()), float),
        ("x if c else w", (symbol(bool), symbol(), symbol(int)), None),
        ("x + w", (symbol(None), symbol()), None),
        ("x + w", (symbol(np.float64), symbol()), None),
        ("x + w", (symbol(), np.float64(2.0)), None),
        ("x % w", (symbol(), symbol()), None),
    ],
)
def test_a_type_is_named_only_where_it_is_certain(text, parts, kind):
    assert applied(text, *parts).kind is kind


def test_what_python_may_refuse_is_not_free():
    x = symbol()
    assert applied("x * w", x, x).free
    assert applied("x if c else w", symbol(bool), x, x).free
    for text in ("x / w", "x ** w", "x % w"):
        assert not applied(text, x, x).free
    assert not applied("x + w", applied("x / w", x, x), x).free
    assert not applied("x + w", symbol(None), x).free
    assert applied("x + w", applied("x / w", x, x), x).size == 2


def test_a_number_that_is_not_known_decides_nothing():
    x = symbol()
    for decision in (lambda: bool(x), lambda: x == 1.0, lambda: x in [1.0], lambda: {x}):
        with pytest.raises((InliningError, TypeError)):
            decision()
    assert is_open(x)
    assert not is_open(Constant("x1", 2.0))
    assert not is_open(2.0)


def test_kinds_are_those_of_pythons_numbers():
    assert [kind_of(x) for x in (1, 1.0, True, np.float64(1.0), "1", symbol())] == [
        int,
        float,
        bool,
        None,
        None,
        float,
    ]
    assert number(2.0) == 2.0
    with pytest.raises(InliningError, match=r"\(1, 2\) is no number"):
        number((1, 2))


@pytest.mark.parametrize("x", [0.0, -0.0, 1.5, -2, 0, True, 5e-324, -1e300])
def test_a_literal_says_its_number(x):
    found = eval(ast.unparse(written(x)))
    assert (type(found), repr(found)) == (type(x), repr(x))


def test_a_negative_literal_keeps_its_sign_to_itself():
    tree = ast.BinOp(written(-2.0), ast.Pow(), written(2))
    assert eval(ast.unparse(tree)) == 4.0


@pytest.mark.parametrize("x", [math.inf, math.nan, np.float64(1.0), "1", None])
def test_what_no_literal_says_is_given_by_name(x):
    draft = Draft(["x0"])
    first, again = draft.symbol(x), draft.symbol(x)
    assert first.tree.id == again.tree.id
    assert draft.given == {first.tree.id: x}


def test_an_object_of_ours_is_no_number():
    with pytest.raises(InliningError, match="a Names as a number"):
        Draft([]).symbol(Names([]))


def test_a_draft_names_what_is_more_than_a_name():
    draft = Draft(["y"])
    x, sum_of_two = symbol(), applied("x + w", symbol(), symbol())
    assert draft.named(x, "y") is x
    named, twice = draft.named((sum_of_two, 2.0), "y")
    assert (named.tree.id, named.kind, twice) == ("y_2", float, 2.0)
    assert draft.bound == {"y_2": draft.bound["y_2"]}
    assert draft.bound["y_2"] is sum_of_two
    with pytest.raises(InliningError, match="too many lines"):
        draft.named([sum_of_two] * 1000, "y")


def test_a_branch_that_may_not_be_taken_names_only_what_is_never_refused():
    draft = Draft([])
    quotient, product = applied("x / w", symbol(), symbol()), applied("x * w", symbol(), symbol())
    assert draft.apart(lambda: quotient) is quotient
    assert draft.apart(lambda: draft.named(product, "y")).tree.id == "y"
    with pytest.raises(InliningError, match="in one branch that may be refused"):
        draft.apart(lambda: draft.named(quotient, "y"))


def test_a_constant_that_is_looked_at_decides():
    draft = Draft([])
    assert draft.known(3.0) == 3.0
    assert not draft.decided
    assert draft.known(Constant("x1", 2)) == 2
    assert draft.decided
