"""What is followed in a function's source, and what is not."""

import ast
from functools import reduce

import numpy as np
import pytest

from tinygrad_pool.codegen.inlining import inlined
from tinygrad_pool.rules.primitive import primitive

SCALE = 3.0


def text_of(rule, *constants, **options):
    lines = inlined(rule, list(constants) or [None], options)
    if lines is None:
        return None
    parts = [*lines.forward.items(), ("y", lines.y), *lines.backward.items()]
    sent = [ast.unparse(x.symbol.tree) for x in lines.contributions if x is not None]
    return [*(f"{name} = {ast.unparse(x.symbol.tree)}" for name, x in parts), *sent]


def sends(x):
    """Make the rest of a rule: it sends the gradient on, times x."""

    def backward(g, x=x):
        return (g * x,)

    return backward


def assigned_twice(x):
    a = b = x * x
    a, b = b + 1.0, a
    y: float = a * b
    return y, sends(x)


def of_options(x, *, slope=0.5, name="leaky", double=False):
    if name != "leaky":
        raise ValueError(name)
    if double and slope > 0:
        slope = slope * 2
    y = x if x > 0 else slope * x
    return y, lambda g: (g if x > 0 else g * slope,)


def of_items(*xs, start=0):
    last, *_ = (xs[-1],) if len(xs) > 1 else (xs[0],)
    return last, lambda g: (g,) * len(xs)


def of_several(*xs):
    first, others = xs[0], xs[1:]
    y = reduce(lambda a, b: a + b, [others[0] * others[1]], first)
    return y, lambda g, scale=2.0: (g * scale, g * scale, None)


@primitive
def dispatched(x):
    return x + 1.0


def of_functions(x):
    one = dispatched(x)
    none = None
    assert_like = dispatched is not None and none is None
    y = one if assert_like else none
    return y + max(1, 2) + abs(x), sends(-x)


def of_logic(x):
    on = x > 0 and x < 2.0 and True
    none, sure = None, sends is not None
    sure = sure and (none or 3.0)
    either = x > 3.0 or True
    y = sure if on or x != 2.0 else 0.0
    return y, lambda g: (g if on and either else -0.0,)


def of_types(x):
    kind = type(x) is float and isinstance(x, float | int)
    y = float(x) if kind and not isinstance(x, np.ndarray) else np.inf
    return y * np.float64(2.0), lambda g: (g,)


def of_an_index(*xs):
    best = list(map(is_positive, xs)).index(True)

    def backward(g):
        def share(i):
            return g if i == best else 0.0

        return tuple(map(share, range(len(xs))))

    return xs[best], backward


def is_positive(x):
    return x > 0


def of_a_pole(x):
    slope = 1.0 / x
    y = slope if x > 0 else 0.0
    return y, lambda g: (g + y,)


def of_a_loop(x):
    y = 1.0
    for power in range(9):
        if power == 3:
            return y, sends(power)
        y = y * x
    raise ValueError(y)


def of_loops(x):
    y = x
    for _ in range(2):
        y = y + x
    return y, lambda g: (g * 3.0,)


def of_a_slope(x):
    slope = 1.0 / x
    return x, lambda g: (g * slope,)


def of_items_changed(*xs):
    k = list(map(is_positive, xs)).index(True)
    sent = same = [0.0] * len(xs)
    sent[1] = -1.0

    def backward(g):
        sent[k] = g * 2.0
        return tuple(same)

    return xs[k], backward


def of_a_choice_of_several(x):
    y, sign = (x, 1.0) if x > 0 else (-x, -1.0)
    return y, lambda g: (g * sign,)


@pytest.mark.parametrize(
    ("rule", "constants", "text"),
    [
        (
            of_items_changed,
            (None, None),
            [
                "k = [x0 > 0, x1 > 0].index(True)",
                "y = (x0, x1)[k]",
                "item = g * 2.0",
                "item if k in (0, -2) else 0.0",
                "item if k in (1, -1) else -1.0",
            ],
        ),
        (
            of_a_choice_of_several,
            (None,),
            ["test = x0 > 0", "y = x0 if test else -x0", "g * (1.0 if test else -1.0)"],
        ),
        (of_a_loop, (None,), ["y = 1.0 * x0 * x0 * x0", "g * 3"]),
        (of_loops, (None,), ["y = x0 + x0 + x0", "g * 3.0"]),
        (  # what Python may refuse stays where it was computed
            of_a_slope,
            (None,),
            ["slope = 1.0 / x0", "y = x0", "g * slope"],
        ),
        (  # what Python may refuse is not put where it would not always run
            of_a_pole,
            (None,),
            ["slope = 1.0 / x0", "y = slope if x0 > 0 else 0.0", "y = y", "g + y"],
        ),
        (assigned_twice, (None,), ["a = x0 * x0", "y = (a + 1.0) * a", "g * x0"]),
        (
            of_options,
            (None,),
            ["y = x0 if x0 > 0 else 0.5 * x0", "g if x0 > 0 else g * 0.5"],
        ),
        (
            of_several,
            (None, None, 3.0),
            ["y = x0 + x1 * x2", "g * 2.0", "g * 2.0"],
        ),
        (
            of_functions,
            (None,),
            ["y = x0 + 1.0 + 2 + abs(x0)", "g * -x0"],
        ),
        (
            of_logic,
            (None,),
            [
                "on = x0 > 0 and x0 < 2.0 and True",
                "y = 3.0 if on or x0 != 2.0 else 0.0",
                "g if on and (x0 > 3.0 or True) else -0.0",
            ],
        ),
        (of_types, (None,), ["y = x0 * given", "g"]),
        (
            of_an_index,
            (None, None),
            [
                "best = [x0 > 0, x1 > 0].index(True)",
                "y = (x0, x1)[best]",
                "g if 0 == best else 0.0",
                "g if 1 == best else 0.0",
            ],
        ),
    ],
)
def test_plain_python_is_followed(rule, constants, text):
    assert text_of(rule, *constants) == text


def test_options_are_decided():
    assert text_of(of_options, double=True)[0] == "y = x0 if x0 > 0 else 1.0 * x0"
    assert text_of(of_options, name="other") is None


def with_another_loop(x):
    while not x:
        x = x + 1.0
    return x, sends(x)


def with_an_end_in_a_loop(x):
    for _ in range(2):
        break
    return x, sends(x)


def with_data_of_the_module(x):
    return x * SCALE, sends(x)


def with_a_decision(x):
    if x > 0:
        return x, sends(x)
    return -x, sends(x)


def with_an_item_of_an_object_assigned(x, *, kept={}):  # noqa: B006
    kept["x"] = x
    return x, sends(x)


def with_a_list_changed_in_a_branch(x):
    xs = [x, x]
    y = doubled(xs) if x > 0 else 0.0
    return y, sends(xs[0])


def doubled(xs):
    xs[0] = xs[0] * 2.0
    return xs[0]


def with_a_list_changed_by_a_function_that_is_not_followed(x):
    xs = [x, x]
    y = tripled(xs)
    return y, sends(x)


def tripled(xs):
    xs[0] = xs[0] * 3.0
    while False:
        pass
    return xs[0]


def with_a_number_unpacked(x):
    a, b = x
    return a, sends(b)


def with_identity(x, *, other=1.0):
    return x if x is other else 0.0, sends(x)


def with_an_attribute(x):
    return x.real, sends(x)


def with_a_text(x):
    return f"{x}", sends(x)


def with_options_in_a_dict(x):
    return dict(**{"x": x}), sends(x)


def with_unnamed_options(x, *, options={"ndigits": 1}):  # noqa: B006
    return round(x, **options), sends(x)


def with_nothing(_):
    """Return nothing."""


def with_a_tuple_for_a_number(x):
    return (x, x, x), sends(x)


def with_a_comparison_of_tuples(x):
    return 1.0 if (x, 1.0) == (2.0, x) else 0.0, sends(x)


def with_a_decorated_closure(x):
    @primitive
    def backward(g):
        return (g,)

    return x, backward


def with_options_of_a_closure(x):
    def backward(g, *, scale=2.0):
        return (g * scale,)

    return x, backward


def with_options_of_a_lambda(x):
    return x, lambda g, *, scale=2.0: (g * scale,)


def with_two_contributions(x):
    return x, lambda g: (g, g)


def with_a_refusal_in_a_branch(x):
    return pole(x) if x > 0 else 0.0, sends(x)


def pole(x):
    y = 1.0 / x
    return y * y


def with_a_thousand_lines(x):
    y = x
    for i in range(1000):
        y = y * i
    return y, sends(x)


def with_a_comprehension(x):
    return [x * i for i in range(3)][1], sends(x)


def with_a_number_that_is_no_object(x):
    return x if x is not None else 0.0, sends(x)


def with_itself(x):
    return with_itself(x * x), sends(x)


REFUSED = {name: f for name, f in globals().items() if name.startswith("with_")}


@pytest.mark.parametrize("rule", REFUSED.values(), ids=REFUSED)
def test_what_is_not_followed_is_refused(rule):
    assert text_of(rule) is None


def test_a_function_that_is_not_followed_is_called():
    def captured(x, _=None):
        return x * factor

    factor = 2.0

    assert text_of(of_call, None, f=captured) == ["y = captured(x0, 1)", "g * x0"]


def of_call(x, *, f):
    return f(x, 1), sends(x)
