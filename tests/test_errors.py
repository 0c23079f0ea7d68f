"""Errors are also built-in exceptions."""

import inspect

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import datasets, errors, nn

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
    "HabitImportError": ImportError,
}


def test_every_error_is_listed_here():
    classes = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert classes == {*KINDS, "TinygradPoolError"}


@pytest.mark.parametrize("name", KINDS)
def test_each_error_is_one_of_ours_and_a_built_in_one(name):
    error = getattr(errors, name)
    kinds = KINDS[name] if isinstance(KINDS[name], tuple) else (KINDS[name],)
    assert all(issubclass(error, kind) for kind in (*kinds, errors.TinygradPoolError))


V = tg.Value(np.ones((1, 2, 3)))


@tg.lift
def forgetful(x):
    return x * 1.0, lambda g: g


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: V.sum(0, True, 1), "sum: needs 1 operand and at most 2 options, got 4 argu"),
        (lambda: tg.where(V), "where: needs 3 operands and at most 0 options, got 1 argument$"),
        (lambda: tg.grad(lambda x: x, argnums=2)(1.0), "but the call has 1 positional argument$"),
        (lambda: forgetful(V).sum().backward(), "a tuple of 1 contribution, one per operand"),
        (lambda: V[0, 0, 0].reshape(2), r"reshape: 1 element of shape \(\) cannot fill shape"),
        (lambda: np.einsum("ij,j", V), "'ij,j' has 2 terms for 1 operand$"),
        (lambda: np.einsum("i", V, V), "'i' has 1 term for 2 operands"),
        (lambda: np.tensordot(V[0, 0, 0], V, 1), "np.tensordot: needs 1 axis, got operands with"),
        (lambda: tg.weighted_sum([V], [V, V], 0.0), "as many inputs as weights, got 2 and 1"),
        (
            lambda: [*datasets.batches(np.ones(1), np.ones(2), 1)],
            "as many targets as examples, got 2 and 1",
        ),
        (lambda: nn.Linear(1, 1)(V), "needs 1 feature on the last axis"),
        (lambda: nn.InstanceNorm1d(1)(V), "needs 1 channel, got shape"),
        (lambda: tg.conv1d(V[..., :0], np.ones((1, 2, 1))), r"a window of 1 cell \("),
        (lambda: nn.GroupNorm(1, 1)(V[0, 0]), "with channels in 1 group, got shape"),
        (lambda: tg.conv1d(V, np.ones((1, 1, 1))), r"needs 1 channel, got 2 in an input"),
        (
            lambda: tg.conv1d(V[:, :1], np.ones((1, 1, 1)), groups=2),
            "1 input channel and 1 filter$",
        ),
        (lambda: tg.max_pool1d(V[0, 0, 0], 1), r"needs at least 1 axis, got shape \(\)"),
        (lambda: nn.cross_entropy(V[0, :, :1], [0, 0], weight=[1.0, 2.0]), "needs 1 number, one"),
    ],
)
def test_a_count_of_one_has_a_singular(wrong, says):
    with pytest.raises(errors.TinygradPoolError, match=says):
        wrong()
