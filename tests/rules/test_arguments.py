import re

import numpy as np
import pytest

from tinygrad_pool.errors import AxisError, OptionError
from tinygrad_pool.rules.arguments import (
    axes_of,
    choice,
    flag,
    floating,
    kept,
    listed,
    place_of,
    real,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("axis", "axes"),
    [
        (None, (0, 1, 2)),
        (1, (1,)),
        (-1, (2,)),
        (np.int64(-3), (0,)),
        ((2, 0), (0, 2)),
        ([-1, 0], (0, 2)),
        ((), ()),
    ],
)
def test_an_axis_counts_from_either_end(axis, axes):
    assert axes_of((2, 3, 4), axis, "sum") == axes


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (3, r"sum: axis 3 is out of range for shape \(2, 3, 4\)"),
        (-4, r"sum: axis -4 is out of range for shape \(2, 3, 4\)"),
        ((0, -3), r"sum: axis \(0, -3\) names an axis of shape \(2, 3, 4\) twice"),
        (1.0, "sum: axis must be an integer, got 1.0"),
        (float("nan"), "sum: axis must be an integer, got nan"),
        (True, "sum: axis must be an integer, got True"),
        ("0", "sum: axis must be an integer, got '0'"),
        ((0, None), "sum: axis must be an integer, got None"),
    ],
)
def test_an_axis_that_does_not_exist_is_named(axis, message):
    with pytest.raises(AxisError, match=message):
        axes_of((2, 3, 4), axis, "sum")


def test_a_kept_axis_has_length_1():
    assert kept((2, 3, 4), (1,)) == (2, 1, 4)
    assert kept((), ()) == ()


@pytest.mark.parametrize("number", [3, np.int8(3), np.array(3)])
def test_an_integer_becomes_a_python_int(number):
    assert type(whole(number, "n")) is int
    assert whole(number, "n") == 3


@pytest.mark.parametrize("value", [True, np.True_])
def test_a_flag_is_true_or_false(value):
    assert flag(value, "keepdims") is True


@pytest.mark.parametrize("value", [1, 0.0, None, "no", np.float32, np.array([True, False])])
def test_other_values_are_not_flags(value):
    with pytest.raises(OptionError, match="sum: keepdims must be True or False, got"):
        flag(value, "sum: keepdims")


@pytest.mark.parametrize(
    ("index", "shape", "place"),
    [
        (1, (3,), (1,)),
        ([-1, 0], (2, 3), (1, 0)),
        ((), (), ()),
        (-3, (3,), (0,)),
        ((-2, -3), (2, 3), (0, 0)),
        (3, (3,), None),
        (-4, (3,), None),
        ((0, 0), (3,), None),
        ((), (3,), None),
        (0, (), None),
    ],
)
def test_place_of_reads_the_index_of_one_element(index, shape, place):
    assert place_of(index, shape, "index") == place


def test_place_of_needs_integers():
    with pytest.raises(AxisError, match=r"why: index must be an integer, got 0\.5"):
        place_of((0, 0.5), (2, 2), "why: index")


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((), "f: p must be a number, got 'x'"),
        ((0.0,), "f: p must be a number of at least 0, got 'x'"),
        ((0.0, 1.0), "f: p must be a number from 0 to 1, got 'x'"),
    ],
)
def test_real_names_its_bounds(bounds, message):
    with pytest.raises(OptionError, match=rf"^{message}$"):
        real("x", "f: p", *bounds)
    assert real(1, "f: p", *bounds) == 1.0


@pytest.mark.parametrize("value", ["c", None, 1, np.array(["a", "b"]), ["a"]])
def test_choice_needs_one_of_its_words(value):
    assert choice("b", ("a", "b"), "f: way") == "b"
    with pytest.raises(OptionError, match=r"^f: way must be one of 'a', 'b', got "):
        choice(value, ("a", "b"), "f: way")


def test_text_rejects_other_types():
    assert text("", "f: title") == ""
    with pytest.raises(OptionError, match="f: title must be text, got 3"):
        text(3, "f: title")


def test_listed_turns_iterables_into_lists():
    assert listed(iter([1, 2])) == [1, 2]
    assert listed(np.array(3.0)) == [3.0]


@pytest.mark.parametrize("dtype", [float, "float32", np.float16, np.dtype(np.float64)])
def test_floating_reads_every_spelling_of_a_dtype(dtype):
    assert floating(dtype, "here") == np.dtype(dtype)


@pytest.mark.parametrize("dtype", [int, "uint8", complex, object, "no dtype", 3.5])
def test_floating_rejects_other_dtypes(dtype):
    with pytest.raises(
        OptionError, match=re.escape(f"here must be a floating-point type, got {dtype!r}")
    ):
        floating(dtype, "here")
