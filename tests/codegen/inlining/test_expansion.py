"""Rules written out: what they come to, which of them, and that they give the same numbers."""

import ast
import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.codegen.inlining import inlined
from tinygrad_pool.rules import arithmetic, elementwise
from tinygrad_pool.rules.linear import weighted_sum
from tinygrad_pool.rules.reductions import maximum, minimum

RULES = {
    name: rule
    for module in (arithmetic, elementwise)
    for name, rule in inspect.getmembers(module, inspect.isfunction)
    if rule.__annotations__.get("return") == "tuple[Array, Backward]"
}
CASES = {
    name: (
        rule,
        len([p for p in inspect.signature(rule).parameters.values() if p.default is p.empty]),
        {},
    )
    for name, rule in RULES.items()
} | {
    "maximum of one": (maximum, 1, {}),
    "maximum": (maximum, 2, {}),
    "maximum of three": (maximum, 3, {}),
    "maximum of eight": (maximum, 8, {}),
    "minimum": (minimum, 2, {}),
    "minimum of three": (minimum, 3, {}),
    "unit of one link": (weighted_sum, 3, {}),
    "unit of nine links": (weighted_sum, 19, {}),
    "clip from below": (elementwise.clip, 1, {"min": 0.0}),
    "clip to nothing": (elementwise.clip, 1, {"min": 2, "max": -2}),
    "half of a power": (arithmetic.power, 2, {"wants": (False, True)}),
}
CALLS = {  # what is written out with calls in it, of more than NumPy's functions of numbers
    "power": {"where"},
    "half of a power": {"where"},
    "maximum of one": {"first_winner"},
    "maximum of three": {"first_winner"},
    "maximum of eight": {"first_winner"},
    "minimum of three": {"first_winner"},
}


def written(rule, *constants, **options):
    """Write a rule out as text."""
    lines = inlined(rule, list(constants), options)
    forward = [f"{name} = {ast.unparse(x.symbol.tree)}" for name, x in lines.forward.items()]
    backward = [f"{name} = {ast.unparse(x.symbol.tree)}" for name, x in lines.backward.items()]
    sent = [None if x is None else ast.unparse(x.symbol.tree) for x in lines.contributions]
    return [*forward, ast.unparse(lines.y.symbol.tree), *backward, *sent]


def compiled(lines):
    """Make Python of a rule that is written out: operands and g in, y and contributions out."""

    def run(xs, g):
        names = {**lines.given, **{f"x{i}": x for i, x in enumerate(xs)}, "g": g}
        for name, x in (lines.forward | lines.backward).items():
            names[name] = evaluated(x, names)
        return [evaluated(x, names) for x in (lines.y, *lines.contributions) if x is not None]

    return run


def evaluated(x, names):
    return eval(ast.unparse(x.symbol.tree), {}, names)


def bits(xs):
    return [np.float64(math.nan if math.isnan(x) else x).tobytes() for x in map(float, xs)]


@pytest.mark.parametrize(("rule", "arity", "options"), CASES.values(), ids=CASES)
def test_every_rule_of_numbers_is_written_out(request, rule, arity, options):
    lines = inlined(rule, [None] * arity, options)
    assert lines is not None
    functions = {f for f in lines.given.values() if callable(f)} - {float, bool}
    others = {f.__name__ for f in functions if not isinstance(f, np.ufunc)}
    assert others == CALLS.get(request.node.callspec.id, set())


@pytest.mark.parametrize(
    ("rule", "constants", "options", "text"),
    [
        (arithmetic.add, (None, None), {}, ["x0 + x1", "g", "g"]),
        (arithmetic.sub, (None, 2.0), {}, ["x0 - x1", "g", None]),
        (arithmetic.mul, (None, None), {}, ["x0 * x1", "g * x1", "g * x0"]),
        (  # what may be refused is computed even if nobody asks for it, as the closure does
            arithmetic.div,
            (3.0, None),
            {},
            ["y = x0 / x1", "y", "to_x = g / x1", None, "-g * y / x1"],
        ),
        (
            arithmetic.power,
            (None, 2),
            {"wants": (True, False)},
            ["x0 ** 2", "g * x1 * x0 ** 1", None],
        ),
        (
            arithmetic.power,
            (None, 0),
            {"wants": (True, False)},
            ["x0 ** 0", "g * x1 * x0 ** 0", None],
        ),
        (elementwise.tanh, (None,), {}, ["y = float(tanh(x0))", "y", "g * (1.0 - y * y)"]),
        (elementwise.sin, (None,), {}, ["float(sin(x0))", "g * float(cos(x0))"]),
        (
            elementwise.sigmoid,
            (None,),
            {},
            [
                "e = float(exp(x0 if x0 < 0 else -x0))",
                "y = (e if x0 < 0 else 1.0) / (1.0 + e)",
                "y",
                "g * y * (1.0 - y)",
            ],
        ),
        (
            elementwise.relu,
            (None,),
            {},
            ["on = not x0 <= 0", "x0 if on else 0.0", "g if on else 0.0"],
        ),
        (
            minimum,
            (None, None),
            {},
            [
                "x_wins = x0 <= x1 or x0 != x0",
                "x0 if x_wins else x1",
                "g if x_wins else 0.0",
                "0.0 if x_wins else g",
            ],
        ),
        (
            weighted_sum,
            (None, None, None, 4.0, 0.5),
            {},
            ["x4 + x0 * x2 + x1 * x3", "g * x2", "g * x3", "g * x0", None, None],
        ),
    ],
)
def test_a_rule_that_is_written_out_says_what_the_rule_says(rule, constants, options, text):
    assert written(rule, *constants, **options) == text


def test_a_constant_decides_only_where_its_value_matters():
    assert inlined(arithmetic.power, [None, 2], {}).decided
    assert not inlined(arithmetic.mul, [None, 2], {}).decided


def test_a_long_expression_is_cut():
    long = inlined(weighted_sum, [None] * 61, {})
    assert [x.symbol.size for x in long.forward.values()] == [32]
    assert long.y.symbol.size == 28
    assert inlined(weighted_sum, [None] * 65, {}) is None


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan, 5e-324])
NUMBERS |= st.floats()


@pytest.mark.long
@pytest.mark.parametrize(("rule", "arity", "options"), CASES.values(), ids=CASES)
@settings(max_examples=15)
@given(st.data())
def test_a_rule_that_is_written_out_gives_the_same_numbers(rule, arity, options, data):
    constants = data.draw(st.lists(st.none() | NUMBERS, min_size=arity, max_size=arity))
    constants[data.draw(st.integers(0, arity - 1))] = None
    lines = inlined(rule, constants, options)
    xs = [data.draw(NUMBERS) if x is None else x for x in constants]
    g = data.draw(NUMBERS)
    with np.errstate(all="ignore"):
        try:
            y, closure = rule(*xs, **options)
            sent = closure(g)
        except ArithmeticError as error:
            with pytest.raises(type(error)):
                compiled(lines)(xs, g)
            return
        if type(y) is complex:
            return
        found = compiled(lines)(xs, g)
    kept = [c for c, x in zip(sent, constants, strict=True) if c is not None and x is None]
    assert bits(found) == bits([y, *kept])
