"""The text converts results and contributions to what a Value holds."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.codegen.conversions import KEEPERS, fitted, keeper_of

FLOAT, ROW = Value(1.0), Value([[1.0, 2.0]])
SINGLE, POINT = Value(np.float32([1.0, 2.0])), Value(np.array(1.0))
HALF = Value(np.float16([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("c", "p", "text"),
    [
        (2.0, FLOAT, "c"),
        (np.float64(2.0), FLOAT, "float(c)"),
        (np.array(2.0), FLOAT, "float(c)"),
        (np.ones((2, 3)), FLOAT, "float(np.sum(c, axis=(0, 1)))"),
        (np.ones(3), FLOAT, "float(np.sum(c, axis=0))"),
        (np.ones((1, 2)), ROW, "c"),
        (np.ones((3, 2)), ROW, "np.reshape(np.sum(c, axis=0), (1, 2))"),
        (np.ones((4, 1, 2)), ROW, "np.sum(c, axis=0)"),
        (np.ones((4, 3, 2)), ROW, "np.reshape(np.sum(c, axis=(0, 1)), (1, 2))"),
        (np.ones((3, 2), np.float32), SINGLE, "np.sum(c, axis=0)"),
        (np.ones((3, 2)), SINGLE, "np.asarray(np.sum(c, axis=0), np.float32)"),
        (np.ones(2, int), SINGLE, "np.asarray(c, np.float32)"),
        ([1.0, 2.0], SINGLE, "np.asarray(c, np.float32)"),
        (1.0, POINT, "np.float64(c)"),
        (1, POINT, "np.float64(c)"),
        (np.float64(1.0), POINT, "c"),
        (np.float32(1.0), POINT, "np.float64(c)"),
        (np.array(1.0), POINT, "np.float64(c)"),
        (np.ones(3), POINT, "np.sum(c, axis=0)"),
        (
            np.ones((4, 3), np.float16),
            HALF,
            "np.sum(c, axis=0, dtype=np.float32).astype(np.float16)",
        ),
    ],
)
def test_a_contribution_is_converted_to_shape_and_dtype(c, p, text):
    assert fitted("c", c, p) == text
    converted = eval(text, {"np": np, "c": c})
    assert np.shape(converted) == p.shape
    assert type(converted) is type(p.data)
    assert np.asarray(converted).dtype == p.dtype


def of_integers(x):
    return np.asarray(x).astype(int), lambda g: (g,)


@pytest.mark.parametrize(
    ("node", "y", "keeper"),
    [
        (FLOAT * 2.0, 2.0, ""),
        (FLOAT.tanh(), np.float64(0.5), "number"),
        (FLOAT**2, 1.0, ""),
        (FLOAT**0.5, 1.0, "number"),  # of a negative number it is complex
        (FLOAT ** Value(2.0), 1.0, "number"),
        (tg.lift(of_integers)(FLOAT), 1.0, "number"),
        (ROW * 2.0, np.ones((1, 2)), ""),
        (ROW.sum(), np.float64(3.0), ""),
        (ROW.sum(), np.array(3.0), "scalar"),
        (tg.lift(of_integers)(ROW), np.array([[1, 2]]), "floats"),
    ],
)
def test_a_result_is_converted_to_what_a_value_holds(node, y, keeper):
    assert keeper_of(node, y, node.data) == keeper
    names = {"np": np}
    exec(KEEPERS.get(keeper, ""), names)
    converted, _ = names.get(keeper, lambda result: result)((y, None))
    assert type(converted) is type(node.data)
