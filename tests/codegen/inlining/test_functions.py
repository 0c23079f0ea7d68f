"""Functions take what Python's take, and see the names that Python's would."""

import ast
from collections import ChainMap

import pytest

from tinygrad_pool.codegen.inlining.functions import Function
from tinygrad_pool.codegen.inlining.symbols import Draft, InliningError, Symbol, combined


def function(parameters, *defaults, follow=dict, **around):
    takes = ast.parse(f"lambda {parameters}: 0", mode="eval").body.args
    return Function(Draft([]), follow, takes, defaults, ChainMap(around))


@pytest.mark.parametrize(
    ("parameters", "defaults", "operands", "options", "taken"),
    [
        ("x", (), (1,), {}, {"x": 1}),
        ("x, w=0", (5,), (1,), {}, {"x": 1, "w": 5}),
        ("x, w=0", (5,), (1,), {"w": 2}, {"x": 1, "w": 2}),
        ("x, *ws", (), (1, 2, 3), {}, {"x": 1, "ws": (2, 3)}),
        ("x, /, **options", (), (1,), {"w": 2}, {"x": 1, "options": {"w": 2}}),
    ],
)
def test_what_is_passed_is_taken_as_python_takes_it(parameters, defaults, operands, options, taken):
    assert function(parameters, *defaults)(*operands, **options) == taken


@pytest.mark.parametrize(("operands", "options"), [((), {}), ((1, 2), {}), ((), {"w": 1})])
def test_what_does_not_fit_is_refused(operands, options):
    with pytest.raises(TypeError):
        function("x")(*operands, **options)


def test_options_have_defaults_of_their_own():
    made = function("*, x=a_name_that_is_not_looked_up")
    made.take.__kwdefaults__ = {"x": 7}
    assert made() == {"x": 7}


def test_a_name_is_looked_up_when_it_is_called():
    made = function("x", follow=lambda scope: (scope["x"], scope["w"]), w=1)
    made.scope["w"] = 2
    assert made(0) == (0, 2)


def test_an_operand_that_is_more_than_a_name_is_named_once():
    made = function("x")
    x = Symbol(ast.Name("a"), float)
    taken = made(combined(ast.UnaryOp(ast.USub(), x.tree), [x]))
    assert ast.unparse(made.draft.bound["x"].tree) == "-a"
    assert taken["x"].tree.id == "x"


def test_a_function_without_a_result_is_refused():
    with pytest.raises(InliningError, match="without a result"):
        function("x", follow=lambda _: NotImplemented)(1)
