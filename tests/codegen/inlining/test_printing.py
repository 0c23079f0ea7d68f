"""Text that means what the tree means, whatever is filled in."""

import ast
import itertools

import pytest

from tinygrad_pool.codegen.inlining.printing import ATOM, PRODUCT, SUM, Text, form_of, literal
from tinygrad_pool.codegen.inlining.symbols import Symbol

FORMS = [
    "a + b",
    "a - b",
    "a * b",
    "a / b",
    "a ** b",
    "-a * b",
    "not a < b",
    "a if a < b else b",
    "max(a, b)",
    "[a, b][0]",
    "a < b or a != b",
    "a",
]


def filled(text, a, b):
    return form(text).filled({"a": a, "b": b, "max": Text("max")})


def evaluated(text, names=None):
    try:
        return eval(text, {}, names)
    except (ZeroDivisionError, OverflowError, TypeError):
        return "refused"


def form(text):
    return form_of(Symbol(ast.parse(text, mode="eval").body, float, size=1))


@pytest.mark.long
@pytest.mark.parametrize("outer", FORMS)
def test_an_expression_in_an_expression_means_what_both_mean(outer):
    for forms in itertools.product(FORMS, FORMS):
        a, b = (filled(text, Text("2.0"), Text("3.0")) for text in forms)
        expected = evaluated(outer, {"a": evaluated(a.text), "b": evaluated(b.text)})
        assert evaluated(filled(outer, a, b).text) == expected


def test_only_what_needs_brackets_gets_them():
    total = Text("x + w", SUM, 1)
    assert filled("a + b", total, Text("x * w", PRODUCT, 1)).text == "x + w + x * w"
    assert filled("a + b", Text("c"), total).text == "c + (x + w)"
    assert filled("max(a, b)", total, total) == ("max(x + w, x + w)", ATOM, 3)
    assert filled("a", total, total) == total
    assert total.plus(total) == ("x + w + (x + w)", SUM, 3)
    assert literal("-2.0") == ("-2.0", PRODUCT, 0)
    assert filled("a ** b", literal("-2.0"), literal("2")).text == "(-2.0) ** 2"


def test_a_number_of_another_type_becomes_a_float():
    yes = form_of(Symbol(ast.parse("a < b", mode="eval").body, bool, size=1))
    assert yes.number({"a": Text("x"), "b": Text("w")}) == ("float(x < w)", ATOM, 2)
    assert form("a").number({"a": Text("x")}) == ("x", ATOM, 0)


def test_names_are_listed_as_often_as_they_are_there():
    assert form("a * a + b").names == ["a", "a", "b"]
