"""Rules as expressions: their text, which rules are traced, and that results are bit-equal."""

import inspect
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.codegen.inlining import (
    GIVEN,
    OPERATORS,
    PRODUCT,
    SUM,
    Expressions,
    Text,
    inlined,
    literal,
)
from tinygrad_pool.javascript.tracing import NotTraced, Traced
from tinygrad_pool.rules import (
    activations,
    arithmetic,
    comparisons,
    elementwise,
    powers,
    trigonometry,
)
from tinygrad_pool.rules.entropies import binary_cross_entropy
from tinygrad_pool.rules.linear import weighted_sum
from tinygrad_pool.rules.reductions import maximum, minimum
from tinygrad_pool.rules.shaping import reshape
from tinygrad_pool.rules.tie_breaking import winners_among

CALLED = {"nan_to_num", "sinc", "ask"}
"""Rules of numbers that use functions which are not ufuncs, or that have no slope."""

RULES = {
    name: rule
    for module in (arithmetic, elementwise, activations, powers, trigonometry)
    for name, rule in inspect.getmembers(module, inspect.isfunction)
    if rule.__module__ == module.__name__ and name not in CALLED
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
    "binary cross entropy": (binary_cross_entropy, 2, {}),
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
    "gelu by tanh": (activations.gelu, 1, {"approximate": "tanh"}),
}


def written(rule, *constants, **options):
    """Write a rule as text, with its names in place."""
    lines = inlined(rule, list(constants), options)
    names = {name: Text(name) for name in lines.uses}
    parts = [*lines.forward.items(), ("y", lines.y), *lines.backward.items()]
    return [
        *(f"{name} = {form.filled(names).text}" for name, form in parts),
        *(form and form.filled(names).text for form in lines.contributions),
    ]


def evaluated(lines, xs, g):
    """Evaluate expressions: the result, and the contributions to operands."""
    names = {"np": np, "g": g, **GIVEN, **{f"x{i}": x for i, x in enumerate(xs)}}
    texts = {name: Text(name) for name in lines.uses}
    for name, form in (lines.forward | lines.backward).items():
        names[name] = eval(form.filled(texts).text, {}, names)
    forms = [form for form in (lines.y, *lines.contributions) if form]
    return [eval(form.filled(texts).text, {}, names) for form in forms]


def computed(rule, xs, g, options):
    """Run a rule and its closure as the engine does: on NumPy's numbers where Python's fail."""
    try:
        y, closure = rule(*xs, **options)
        if type(y) is not complex:
            return [y, *closure(g)]
    except ArithmeticError:
        pass
    y, closure = rule(*map(np.float64, xs), **options)
    return [y, *closure(np.float64(g))]


def bits(xs):
    return [np.float64(math.nan if math.isnan(x) else x).tobytes() for x in map(float, xs)]


@pytest.mark.parametrize(("rule", "arity", "options"), CASES.values(), ids=CASES)
def test_every_rule_of_numbers_is_traced(rule, arity, options):
    assert inlined(rule, [None] * arity, options) is not None


@pytest.mark.parametrize(
    ("rule", "constants", "options", "text"),
    [
        (arithmetic.add, (None, None), {}, ["y = x0 + x1", "g", "g"]),
        (arithmetic.sub, (None, 2.0), {}, ["y = x0 - x1", "g", None]),
        (arithmetic.mul, (None, None), {}, ["y = x0 * x1", "g * x1", "g * x0"]),
        (
            arithmetic.div,
            (3.0, None),
            {},
            ["t0 = x0 / x1", "y = t0", None, "-g * t0 / x1"],
        ),
        (
            arithmetic.power,
            (None, 2),
            {"wants": (True, False)},
            ["y = x0 ** 2.0", "g * x1 * x0 ** 1.0", None],
        ),
        (
            arithmetic.power,
            (None, 0),
            {"wants": (True, False)},
            ["t0 = x0 ** 0.0", "y = t0", "g * x1 * t0", None],
        ),
        (
            arithmetic.power,
            (None, 0.5),
            {"wants": (True, False)},
            ["y = float(x0 ** 0.5)", "g * x1 * float(x0 ** (-0.5))", None],
        ),
        (
            elementwise.tanh,
            (None,),
            {},
            ["t0 = float(np.tanh(x0))", "y = t0", "g * (1.0 - t0 * t0)"],
        ),
        (elementwise.sin, (None,), {}, ["y = float(np.sin(x0))", "g * float(np.cos(x0))"]),
        (
            elementwise.sigmoid,
            (None,),
            {},
            [
                "t0 = x0 < 0.0",
                "t3 = float(np.exp(x0 if t0 else -x0))",
                "t6 = (t3 if t0 else 1.0) / (1.0 + t3)",
                "y = t6",
                "g * t6 * (1.0 - t6)",
            ],
        ),
        (
            elementwise.relu,
            (None,),
            {},
            ["t1 = not x0 <= 0.0", "y = x0 if t1 else 0.0", "g if t1 else 0.0"],
        ),
        (
            elementwise.where,
            (None, None, None),
            {},
            [
                "t0 = x0 != 0.0",
                "y = x1 if t0 else x2",
                None,
                "g if t0 else 0.0",
                "g if not t0 else 0.0",
            ],
        ),
        (
            minimum,
            (None, None),
            {},
            [
                "t2 = x0 <= x1 or x0 != x0",
                "y = x0 if t2 else x1",
                "g if t2 else 0.0",
                "g if not t2 else 0.0",
            ],
        ),
        (
            activations.leaky_relu,
            (None, 0.5),
            {},
            ["t0 = x0 > 0.0", "y = x0 if t0 else x0 * x1", "g if t0 else g * x1", None],
        ),
        (
            binary_cross_entropy,
            (None, 0.9),
            {},
            [
                "t0 = x0 <= 3.720075976020836e-44",
                "t4 = 1.0 - x0",
                "t5 = t4 <= 3.720075976020836e-44",
                "t9 = x0 * t4",
                "y = -x1 * (-100.0 if t0 else float(np.log(1.0 if t0 else x0)))"
                " - (1.0 - x1) * (-100.0 if t5 else float(np.log(1.0 if t5 else t4)))",
                "g * (x0 - x1) / (t9 if t9 > 1e-12 else 1e-12)",
                None,
            ],
        ),
        (
            weighted_sum,
            (None, None, None, 4.0, 0.5),
            {},
            ["y = x4 + x0 * x2 + x1 * x3", "g * x2", "g * x3", "g * x0", None, None],
        ),
    ],
)
def test_an_expression_reads_as_the_rule(rule, constants, options, text):
    assert written(rule, *constants, **options) == text


def test_a_constant_decides_only_if_its_value_matters():
    assert inlined(arithmetic.power, [None, 2], {}).decided
    assert inlined(maximum, [None, 2.0, 3.0], {}).decided is False
    assert inlined(maximum, [2.0, 3.0, None], {}).decided
    assert inlined(of_an_exponent, [None, 2.0], {}).decided
    assert not inlined(arithmetic.mul, [None, 2], {}).decided
    assert not inlined(binary_cross_entropy, [None, 0.9], {}).decided
    assert written(elementwise.where, 0.0, None, None)[0] == "y = x2"


def test_a_long_expression_is_split():
    long = inlined(weighted_sum, [None] * 61, {})
    assert [x.size for x in long.forward.values()] == [32]
    assert long.y.size == 28
    assert inlined(maximum, [None] * 64, {}) is not None
    assert inlined(maximum, [None] * 65, {}) is None


def of_a_user(x):
    return x * 2.0, lambda g: (g * 2.0,)


def of_an_exponent(x, n):
    return x**n, lambda g: (g, None)


def of_a_function_without_name(x):
    return np.frompyfunc(math.erf, 1, 1)(x), lambda g: (g,)


for _rule in (of_an_exponent, of_a_function_without_name):
    _rule.__module__ = arithmetic.__name__  # as if it were one of ours


@pytest.mark.parametrize(
    ("rule", "constants", "options"),
    [
        (of_a_user, [None], {}),
        (of_a_function_without_name, [None], {}),
        (reshape, [None], {"shape": (1,)}),
        (maximum, [None, None], {"ties": "even"}),
        (comparisons.ask, [None], {"test": "isnan"}),
        (comparisons.nan_to_num, [None], {}),
    ],
)
def test_other_rules_are_called(rule, constants, options):
    assert inlined(rule, constants, options) is None


def test_only_the_first_winner_of_a_tie_is_traced():
    x = Traced(Expressions(), "x0", 0.5)
    with pytest.raises(NotTraced, match="maximum with ties='last'"):
        winners_among(x, x, ties="last", name="maximum")


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan, 5e-324])
NUMBERS |= st.floats()


@pytest.mark.long
@pytest.mark.parametrize(("rule", "arity", "options"), CASES.values(), ids=CASES)
@settings(max_examples=15)
@given(st.data())
def test_expressions_give_the_numbers_of_the_rule_to_the_last_bit(rule, arity, options, data):
    constants = data.draw(st.lists(st.none() | NUMBERS, min_size=arity, max_size=arity))
    constants[data.draw(st.integers(0, arity - 1))] = None
    xs = [data.draw(NUMBERS) if x is None else x for x in constants]
    g = data.draw(NUMBERS)
    lines = inlined(rule, constants, options)
    with np.errstate(all="ignore"):
        y, *sent = computed(rule, xs, g, options)
        try:
            results = evaluated(lines, xs, g)
        except (ArithmeticError, TypeError):  # the graph runs on NumPy's numbers
            return
    kept = [c for c, form in zip(sent, lines.contributions, strict=True) if form]
    assert bits(results) == bits([y, *kept])
    assert [type(x) for x in results] == [float] * len(results)


def combined(operator, *operands):
    pattern, level = operator
    return Text(pattern.format(*operands), level)


def meaning(text):
    try:
        return eval(text)
    except (ArithmeticError, TypeError):
        return "refused"


@pytest.mark.long
@pytest.mark.parametrize("outer", OPERATORS.values(), ids=[f.__name__ for f in OPERATORS])
def test_nested_expressions_keep_their_meaning(outer):
    numbers = Text("2.0"), literal(-3.0), Text("0.0")
    for operators in itertools.product(OPERATORS.values(), repeat=2):
        a, b = (combined(operator, *numbers) for operator in operators)
        inner, in_brackets = (a, b, a), [Text(f"({x.text})") for x in (a, b, a)]
        expected = meaning(combined(outer, *in_brackets).text)
        assert repr(meaning(combined(outer, *inner).text)) == repr(expected)


def test_brackets_are_written_only_where_needed():
    total, product = Text("x + w", SUM, 1), Text("x * w", PRODUCT, 1)
    assert combined(OPERATORS[np.add], total, product).text == "x + w + x * w"
    assert combined(OPERATORS[np.add], Text("c"), total).text == "c + (x + w)"
    assert combined(OPERATORS[np.less], total, total).text == "x + w < x + w"
    assert combined(OPERATORS[np.power], literal(-2), literal(2)).text == "(-2.0) ** 2.0"
    assert total.plus(total) == ("x + w + (x + w)", SUM, 3, ())


def test_a_hole_alone_is_replaced_by_the_text():
    total = Text("x + w", SUM, 1)
    assert Text("{a:5}", names=("a",)).filled({"a": total}) is total
    assert Text("f({a:0}, {a:0})", size=1, names=("a", "a")).filled({"a": total}).size == 3


def test_numbers_are_floats_or_bools():
    numbers = [-2, np.float64(0.5), np.asarray(3), True, np.bool_(False), math.inf, math.nan]
    assert [literal(x).text for x in numbers] == [
        *("-2.0", "0.5", "3.0", "True", "False", "np.inf", "np.nan"),
    ]
    assert literal(-0.0) == ("-0.0", PRODUCT, 0, ())
