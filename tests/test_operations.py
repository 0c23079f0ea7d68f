import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, ShapeError, TieError

nan = np.nan
PLANE = np.array([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 5.0, 5.0]])
POOLS = {"max_pool2d": tg.max_pool2d, "avg_pool2d": tg.avg_pool2d}
CONVOLUTIONS = {"conv1d": tg.conv1d, "conv2d": tg.conv2d, "conv3d": tg.conv3d}


# -- pools


def test_the_indices_of_winners_are_flat_and_of_their_own_plane():
    x = np.stack([PLANE, PLANE[:, ::-1]])[:, None]
    y, winners = tg.max_pool2d(tg.Value(x), 2, return_indices=True)
    assert winners.tolist() == [[[[0, 6]]], [[[4, 2]]]]
    assert winners.dtype == np.int64
    np.testing.assert_array_equal(
        np.take_along_axis(x.reshape(2, 1, 8), winners.reshape(2, 1, 2), 2), y.data.reshape(2, 1, 2)
    )


@pytest.mark.parametrize(
    ("ties", "first"), [("first", [[0, 6]]), ("last", [[5, 7]]), ("even", [[0, 6]])]
)
def test_of_several_winners_the_index_is_that_of_the_first(ties, first):
    y, winners = tg.max_pool2d(PLANE, 2, ties=ties, return_indices=True)
    assert (y.data.tolist(), winners.tolist()) == ([[0.0, 5.0]], first)


@pytest.mark.parametrize(
    "x",
    [PLANE, PLANE.astype(int), PLANE.tolist(), PLANE.astype(np.uint8), PLANE > 0, tg.Value(PLANE)],
)
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_whatever_holds_numbers_can_be_pooled(x, pool):
    y = pool(x, 2)
    numbers = x.data if isinstance(x, tg.Value) else np.array(x, float)
    np.testing.assert_array_equal(y.data, pool(tg.Value(numbers), 2).data)
    assert y.dtype == np.float64


def test_an_empty_batch_has_no_indices():
    y, winners = tg.max_pool2d(np.zeros((0, 3, 4, 4)), 2, return_indices=True)
    assert y.shape == winners.shape == (0, 3, 2, 2)


def test_a_node_is_called_what_the_user_called():
    assert tg.max_pool2d(PLANE, 2).op == "max_pool2d"
    assert tg.avg_pool2d(PLANE, 2).op == "avg_pool2d"
    assert tg.conv1d(PLANE, np.ones((1, 2, 1))).op == "conv1d"


def test_ties_that_are_an_error_name_their_units():
    message = r"max_pool2d: units \(0, 0\), \(0, 1\), \(1, 0\), \(1, 1\) share the maximum 0,"
    with pytest.raises(TieError, match=message):
        tg.max_pool2d(tg.Value(PLANE), 2, ties="error")
    with pytest.raises(TieError, match=message):
        tg.max_pool2d(PLANE, 2, ties="error", return_indices=True)


BAD_OPTIONS = [
    ({"kernel_size": 0}, OptionError, "kernel_size must be at least 1, got 0"),
    (
        {"kernel_size": 3},
        ShapeError,
        "a window of 3 cells (kernel_size=(3, 3), dilation=(1, 1)) is",
    ),
    ({"stride": 0}, OptionError, "stride must be at least 1, got 0"),
    ({"stride": (1, -1)}, OptionError, "stride must be at least 1, got (1, -1)"),
    ({"stride": 1.5}, OptionError, "stride must be whole numbers, got 1.5"),
    ({"stride": nan}, OptionError, "stride must be whole numbers, got nan"),
    ({"padding": 2}, OptionError, "padding 2 needs a window longer than 2, got kernel_size=(2, 2)"),
    ({"padding": -1}, OptionError, "padding must be at least 0, got -1"),
    ({"dilation": 0}, OptionError, "dilation must be at least 1, got 0"),
    (
        {"padding": (1, 0), "dilation": (3, 1)},
        ShapeError,
        "window (0, 0) holds no unit of the input of shape (2, 4)",
    ),
    ({"ceil_mode": "no"}, OptionError, "ceil_mode must be True or False, got 'no'"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD_OPTIONS)
@pytest.mark.parametrize("name", POOLS)
def test_a_pool_names_itself_and_the_option_that_is_wrong(name, options, error, message):
    with pytest.raises(error, match="^" + re.escape(f"{name}: {message}")):
        POOLS[name](PLANE, **({"kernel_size": 2} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "frist"}, "ties must be one of 'first', 'last', 'even', 'error', got 'frist'"),
        ({"return_indices": 1}, "return_indices must be True or False, got 1"),
    ],
)
def test_max_pool_names_the_option_that_is_wrong(options, message):
    with pytest.raises(OptionError, match=re.escape(f"max_pool2d: {message}")):
        tg.max_pool2d(PLANE, 2, **options)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (3.0, ShapeError, "needs at least 2 axes, got shape ()"),
        ([1.0, 2.0], ShapeError, "needs at least 2 axes, got shape (2,)"),
        (
            [[1.0], [1.0, 2.0]],
            DataError,
            "needs numbers in a regular shape, got [[1.0], [1.0, 2.0]]",
        ),
        ("picture", DataError, "needs real numbers, got <U7 in 'picture'"),
        (np.ones((2, 2)) * 1j, DataError, "needs real numbers, got complex128"),
        ([[tg.Value(1.0)]], DataError, "needs numbers, got Values in a list"),
    ],
)
@pytest.mark.parametrize("name", POOLS)
def test_a_pool_names_itself_and_the_input_that_is_wrong(name, x, error, message):
    with pytest.raises(error, match="^" + re.escape(f"{name}: {message}")):
        POOLS[name](x, 1)


# -- convolutions and units


@pytest.mark.parametrize(("name", "ndim"), [("conv1d", 1), ("conv2d", 2), ("conv3d", 3)])
def test_a_convolution_names_itself_and_what_is_wrong(name, ndim):
    conv = CONVOLUTIONS[name]
    x, w = np.ones((2, *(4,) * ndim)), np.ones((3, 2, *(2,) * ndim))
    for error, message, arguments in [
        (ShapeError, f"weight needs {ndim + 2} axes, got shape (3, 2)", (x, np.ones((3, 2)))),
        (ShapeError, f"weight needs {ndim + 2} axes, got shape ()", (x, 1.0)),
        (ShapeError, "needs an input (..., channels, *space), got shape ()", (1.0, w)),
        (DataError, "needs numbers in a regular shape", (x, [[1.0], [1.0, 2.0]])),
        (DataError, "needs numbers in a regular shape", ([[1.0], [1.0, 2.0]], w)),
        (DataError, "needs real numbers", (x, w, "bias")),
        (ShapeError, "a bias for 3 filters has shape (3,), got ()", (x, w, 1.0)),
        (OptionError, "kernel_size must be at least 1", (x, np.ones((3, 2, *(0,) * ndim)))),
        (OptionError, "stride must be at least 1, got 0", (x, w, None, 0)),
        (OptionError, "stride must be whole numbers, got None", (x, w, None, None)),
        (OptionError, "padding needs one number or", (x, w, None, 1, "same")),
        (OptionError, "dilation must be whole numbers, got 1.5", (x, w, None, 1, 0, 1.5)),
        (OptionError, "groups=2 must divide 2 input channels", (x, w, None, 1, 0, 1, 2)),
        (ShapeError, "a window of 10 cells", (x, w, None, 1, 0, 9)),
    ]:
        with pytest.raises(error, match="^" + re.escape(f"{name}: {message}")):
            conv(*arguments)


def test_a_pixel_wide_kernel_sees_the_padding_on_both_sides():
    y = tg.conv2d(np.ones((1, 2, 3)), np.full((1, 1, 1, 1), 2.0), padding=1)
    assert y.data[0].tolist() == np.pad(np.full((2, 3), 2.0), 1).tolist()


def test_a_unit_needs_as_many_weights_as_inputs():
    with pytest.raises(ShapeError, match="weighted_sum: 2 weights need as many inputs, got 1"):
        tg.weighted_sum([1.0, 2.0], [3.0])
    with pytest.raises(DataError, match=r"weighted_sum: .* got a float and a list"):
        tg.weighted_sum(1.0, [3.0])


def test_a_unit_takes_its_weights_from_anything_that_can_be_walked():
    w = tg.Value([1.0, 2.0])
    a = tg.weighted_sum(w, (x for x in (3.0, 4.0)), bias=0.5)
    assert a.data == 11.5
    assert tg.grad(a, w)[0].tolist() == [3.0, 4.0]


# -- constants


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64, bool])
@pytest.mark.parametrize(
    "f", [tg.exp, tg.sigmoid, tg.square, tg.relu, tg.Value.__neg__, tg.Value.mean]
)
def test_integers_alone_are_computed_with_as_floats(f, dtype):
    numbers = np.array([1, 20, 100]).astype(dtype)
    y = f(numbers)
    np.testing.assert_array_equal(y.data, f(numbers.astype(float)).data)
    assert y.dtype == np.float64


def test_a_mask_leaves_the_dtype_of_what_it_masks():
    x = tg.Value(np.ones(2, np.float32))
    assert (x * np.array([True, False])).dtype == np.float32
    assert tg.where(np.array([True, False]), x, 0).dtype == np.float32


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: x * w,
        lambda x, w: x**w,
        lambda x, w: x @ w.T,
        tg.maximum,
        lambda x, w: tg.where(np.eye(2) > 0, x, w),
        tg.concatenate,
        lambda x, w: tg.conv1d(x, w[:, :, None]),
    ],
)
@pytest.mark.parametrize("dtypes", [(np.float16, np.float32), (np.float64, np.float32)])
def test_of_two_dtypes_the_wider_wins_and_each_gradient_keeps_its_own(f, dtypes):
    x, w = (tg.Value(np.full((2, 2), 1.5, dtype)) for dtype in dtypes)
    y = f(x, w)
    assert y.dtype == np.result_type(*dtypes)
    assert [g.dtype for g in tg.grad(y.sum(), [x, w])] == list(dtypes)


def test_an_integer_too_large_for_numpy_is_a_float():
    assert tg.maximum(tg.Value(1.0), 10**30).data == 1e30
    assert tg.log(10**300).data == np.log(1e300)


@pytest.mark.parametrize("x", [1.0, np.ones(2)])
def test_an_integer_too_large_for_a_float_is_refused(x):
    with pytest.raises(DataError, match="mul: an integer of 1329 bits is too large for a float"):
        tg.Value(x) * 10**400
