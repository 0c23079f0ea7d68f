"""Errors are also built-in exceptions."""

import inspect

import pytest

from tinygrad_pool import errors

KINDS = {
    "ShapeError": ValueError,
    "AxisError": (ValueError, IndexError),
    "SubscriptError": IndexError,
    "DataError": TypeError,
    "OptionError": (ValueError, TypeError),
    "TieError": ValueError,
    "GraphError": RuntimeError,
    "RuleError": TypeError,
    "UnsupportedError": TypeError,
    "ToolError": RuntimeError,
    "OutputError": OSError,
    "GradientError": AssertionError,
    "ScriptError": RuntimeError,
    "HabitError": AttributeError,
}


def test_every_error_is_listed_here():
    classes = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert classes == {*KINDS, "TinygradPoolError"}


@pytest.mark.parametrize("name", KINDS)
def test_each_error_is_one_of_ours_and_a_built_in_one(name):
    error = getattr(errors, name)
    kinds = KINDS[name] if isinstance(KINDS[name], tuple) else (KINDS[name],)
    assert all(issubclass(error, kind) for kind in (*kinds, errors.TinygradPoolError))
