"""Traced numbers record what is computed with them."""

import pickle

import numpy as np
import pytest

from tinygrad_pool.javascript.tracing import (
    Mask,
    NotTraced,
    Tape,
    Traced,
    as_json,
    bare,
    moved,
    tidied,
)


def traced(x, name="x"):
    return Traced(Tape(), name, x)


def test_a_traced_number_has_shape_dtype_and_text():
    x = traced(np.ones((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 3), 2, 6, np.float32)
    y = x * 2.0 + x
    assert y.tape.lines == {
        "t0": "each(6, (a, b) => Math.fround(a * b), x, 2)",
        "t1": "each(6, (a, b) => Math.fround(a + b), t0, x)",
    }


def test_a_mask_has_inverted_elements_as_a_plain_array():
    holds = traced([1.0, -1.0]) > 0
    assert isinstance(holds, Mask)
    assert holds.numbers.tolist() == [True, False]
    assert np.array(holds.view(np.ndarray)).tolist() == [False, True]
    assert bare(holds[0]).tolist() is True
    assert np.concatenate([holds, holds]).numbers.tolist() == [True, False, True, False]
    for use in (bool, float, iter, pickle.dumps):
        with pytest.raises(NotTraced):
            use(holds)


def test_branches_and_conversions_raise():
    for use in (bool, float, iter, len, np.asarray):
        with pytest.raises(NotTraced):
            use(traced([1.0]))


def test_moved_elements_are_listed_unless_nothing_moves():
    x = traced(np.arange(4.0))
    assert moved(x, [[0, 1], [2, 3]]).text == "x"
    y = moved(x, [3, -1])
    assert y.numbers.tolist() == [3.0, 0.0]
    assert (y.tape.lines, y.tape.constants) == ({"t0": "take(x, k[0])"}, [[3, -1]])
    assert moved(traced(2.0), [0, 0]).numbers.tolist() == [2.0, 2.0]
    assert moved(traced(2.0), [0, -1]).tape.lines == {"t0": "take([x], k[0])"}
    one = moved(traced([2.0]), [0, 0])
    assert one.tape.lines == {"t0": "Array(2).fill(x[0])"}
    (number,) = [moved(traced([2.0]), 0)]
    assert (number.shape, number.tape.lines) == ((), {"t0": "x[0]"})


def test_lines_that_are_used_once_are_inlined():
    lines = {"t0": "x + w", "t1": "t0 * t0", "t2": "f(t1)", "t3": "9", "t4": "seen(x < 0)"}
    assert tidied(lines, ["t2 - 1"]) == (
        {"t0": "x + w", "t4": "seen(x < 0)"},
        ["(f((t0 * t0))) - 1"],
    )


def test_numbers_for_json():
    assert [as_json(x) for x in (1.0, 0.1, -0.0, np.inf, -np.inf, np.nan, 1e300)] == [
        1, 0.1, -0.0, "Infinity", "-Infinity", "NaN", 1e300,
    ]  # fmt: skip
    assert str(as_json(-0.0)) == "-0.0"
    assert str([as_json(x) for x in (-2.0, 0.0)]) == "[-2, 0]"  # a page has many of them
