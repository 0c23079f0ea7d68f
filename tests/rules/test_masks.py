"""Kept and dropped elements, also where masks multiply bits."""

import numpy as np
import pytest

from tinygrad_pool.rules.masks import FEW, choose, keep, opposite, plain, split, truth

SPECIAL = np.array([1.5, -2.0, 0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324])
LAYOUTS = {
    "in rows": lambda x: x,
    "in columns": lambda x: x.T,
    "every other": lambda x: x[::2, 1::2],
    "backwards": lambda x: x[::-1],
    "empty": lambda x: x[:0],
    "one": lambda x: x[0, 0],
}


def assert_same(actual, expected):
    np.testing.assert_array_equal(actual, expected, strict=True)
    np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("rows", [4, 2 * FEW])
def test_keep_and_split_equal_where_for_special_numbers_too(layout, dtype, rows):
    rng = np.random.default_rng(0)
    with np.errstate(under="ignore"):
        x = layout(rng.choice(SPECIAL, (rows, 8)).astype(dtype))
    mask = layout(rng.random((rows, 8)) < 0.5)
    zeros = np.zeros_like(x)
    kept, dropped = np.where(mask, x, zeros), np.where(mask, zeros, x)
    assert_same(keep(x, mask), kept)
    for actual, expected in zip(split(x, mask), (kept, dropped), strict=True):
        assert_same(actual, expected)


@pytest.mark.parametrize("x", [3.0, np.inf, np.nan])
def test_python_floats_remain_python_floats(x):
    assert_same(keep(x, True), x)
    assert keep(x, False) == 0.0
    assert split(x, False)[0] == 0.0
    assert {type(y) for y in (*split(x, True), keep(x, False), plain(np.exp(x), x))} == {float}


def test_a_mask_broadcasts():
    x = np.arange(6.0).reshape(2, 3)
    assert keep(x, np.array([True, False, True])).tolist() == [[0.0, 0.0, 2.0], [3.0, 0.0, 5.0]]
    kept, dropped = split(x, np.array([[True], [False]]))
    assert (kept + dropped).tolist() == x.tolist()
    assert kept.tolist() == [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]


def test_masks_are_bools_for_numbers_and_arrays_for_arrays():
    condition = np.array([2.0, 0.0, np.nan])
    assert (truth(2.0), truth(0), opposite(True)) == (True, False, False)
    assert truth(condition).tolist() == [True, False, True]
    assert opposite(truth(condition)).tolist() == [False, True, False]
    assert (choose(False, 2.0, 3.0), choose(True, 2.0, 3.0)) == (3.0, 2.0)
    assert choose(np.array([True, False]), 2.0, np.array([3.0, 4.0])).tolist() == [2.0, 4.0]
