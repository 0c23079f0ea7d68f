"""What a Value may hold."""

from array import array
from collections import UserList, deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.engine.data import (
    cast_like,
    dtype_of,
    same_dtype,
    to_constant,
    to_data,
    to_result,
    unbroadcast_axes,
    zeros,
)
from tinygrad_pool.errors import DataError, ShapeError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "needs real numbers, got <U4 in 'text'"),
        (None, "needs real numbers, got object in None"),
        ([1.0, [2.0, 3.0]], r"needs numbers in a regular shape, got \[1.0, \[2.0, 3.0\]\]"),
        ([1.0, "a"], "needs real numbers"),
        (2j, "needs real numbers, got complex128"),
        (np.array(["2020-01-01"], "datetime64[D]"), "needs real numbers, got datetime64"),
        (10**400, "too large for a float"),
    ],
)
def test_data_that_is_not_real_numbers_is_an_error(given, message):
    with pytest.raises(DataError, match=f"Value: .*{message}"):
        Value(given)


def test_data_that_cannot_become_an_array_is_an_error():
    class Stubborn:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("it requires grad: use x.detach()")

    for meet in (Value, lambda x: Value(2.0) * x, lambda x: x + Value(2.0)):
        with pytest.raises(DataError, match=r"numbers, got a Stubborn: .* use x.detach\(\)"):
            meet(Stubborn())


@pytest.mark.parametrize("given", [[10**400], [1, Fraction(10**400, 3)], Fraction(10**400)])
def test_a_number_too_large_for_a_float_is_an_error_in_any_container(given):
    with pytest.raises(DataError, match=r"mul: .*too large .*float in"):
        Value(1.0) * given


@pytest.mark.parametrize("given", [Decimal("sNaN"), [1.0, Decimal("sNaN")]])
def test_a_signaling_nan_is_an_error(given):
    with pytest.raises(DataError, match=r"Value: cannot convert signaling NaN to float in .*sNaN"):
        Value(given)


def test_values_in_a_list_get_a_hint():
    with pytest.raises(DataError, match=r"got Values in a list; np.stack\(\[...\]\) combines"):
        Value([Value(1.0), Value(2.0)])
    with pytest.raises(DataError, match=r"got a Value; .* v.data has the numbers of one"):
        Value(Value(1.0))


def test_to_data_makes_floats_and_new_arrays():
    assert type(to_data(True, "")) is float
    array = np.ones(2)
    assert to_data(array, "") is not array
    assert to_data(np.float32(2), "").dtype == np.float32


def test_to_constant_keeps_dtypes():
    assert type(to_constant(3, "")) is int
    array = np.array([1, 2])
    assert to_constant(array, "") is array


def test_to_result_makes_a_float_if_all_operands_are_python_numbers():
    assert type(to_result(np.float64(2), [1.0, 2], "")) is float
    assert type(to_result(np.array(2.0), [1.0], "")) is float
    assert type(to_result(3, [1.0], "")) is float
    assert to_result(np.ones(2), [1.0, 2.0], "").shape == (2,)
    assert to_result(np.float32(2), [np.ones(2, np.float32)], "").dtype == np.float32
    assert to_result(np.array([1, 2]), [np.ones(2)], "").dtype == np.float64


def test_cast_like_keeps_shape_and_dtype():
    assert type(cast_like(1.0, np.float64(2), "")) is float
    assert cast_like(np.zeros(2, np.float32), [1, 2], "").dtype == np.float32
    assert np.array_equal(cast_like(np.zeros(2), 3, ""), [3.0, 3.0])
    with pytest.raises(ShapeError, match=r"x: needs shape \(\), got \(1,\)"):
        cast_like(1.0, [2.0], "x")


def test_dtypes_compare_and_python_floats_are_their_own_kind():
    assert dtype_of(1.0) is float
    assert dtype_of(np.ones(1, np.float32)) == np.float32
    assert same_dtype(1.0, 2.0)
    assert same_dtype(np.ones(1), np.ones(3))
    assert not same_dtype(1.0, np.array(1.0))
    assert not same_dtype(np.ones(1), np.ones(1, np.float32))
    assert zeros(2.0) == 0.0
    assert zeros(np.ones((2, 1), np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "wide", "axes"),
    [
        ((3,), (3,), ()),
        ((3,), (2, 3), (0,)),
        ((1, 3), (2, 3), (0,)),
        ((), (2, 3), (0, 1)),
        ((3,), (2,), None),
        ((2, 3), (3,), None),
        ((1,), (1,), ()),
    ],
)
def test_axes_along_which_a_shape_was_repeated(shape, wide, axes):
    assert unbroadcast_axes(shape, wide) == axes


def arrays(x):
    return array("q", x)


KINDS = [list, deque, UserList, bytearray, arrays, lambda x: memoryview(arrays(x))]


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_may_change_after_its_use_in_any_sequence(kind):
    v, key = Value([1.0, 2.0, 3.0]), kind([0, 0, 2])
    y = v[key].sum()
    key[0] = 1
    y.backward()
    assert v.grad.tolist() == [2.0, 0.0, 1.0]


def test_an_index_may_be_a_memoryview_of_rows():
    v = Value([1.0, 2.0, 3.0])
    assert v[memoryview(np.array([[0, 1], [2, 2]]))].data.tolist() == [[1.0, 2.0], [3.0, 3.0]]
