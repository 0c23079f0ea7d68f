"""The pooling functions."""

import inspect
import re
from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, ShapeError, TieError

nan, inf = np.nan, np.inf
PLANE = np.array([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 5.0, 5.0]])
MAX = {1: tg.max_pool1d, 2: tg.max_pool2d, 3: tg.max_pool3d}
AVG = {1: tg.avg_pool1d, 2: tg.avg_pool2d, 3: tg.avg_pool3d}
LP = {
    d: lambda x, *options, _pool=pool, **more: _pool(x, 2, *options, **more)
    for d, pool in {1: tg.lp_pool1d, 2: tg.lp_pool2d, 3: tg.lp_pool3d}.items()
}
UNPOOL = {1: tg.max_unpool1d, 2: tg.max_unpool2d, 3: tg.max_unpool3d}
FAMILIES = {"max": MAX, "avg": AVG, "lp": LP}

every_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])
every_family = pytest.mark.parametrize("pools", FAMILIES.values(), ids=FAMILIES)


def line(ndim, *numbers):
    """Return an array with numbers along the last of `ndim` axes."""
    return np.array(numbers, float).reshape((1,) * (ndim - 1) + (-1,))


def along(ndim, size):
    """Return `size` for the last axis, and 1 for the others."""
    return (1,) * (ndim - 1) + (size,)


def rim(ndim, before, after=None):
    """Return padding for the last axis only."""
    return ((0, 0),) * (ndim - 1) + ((before, before if after is None else after),)


# -- the table of semantics: ties, NaN, infinities, padding, sizes, averages


@pytest.mark.parametrize(
    ("ties", "to_x"),
    [("first", [0, 6, 0, 0]), ("last", [0, 0, 0, 6]), ("even", [0, 3, 0, 3])],
)
@every_ndim
def test_a_tie_goes_to_the_first_unit_unless_asked_otherwise(ndim, ties, to_x):
    x = tg.Value(line(ndim, 1, 5, 2, 5))
    y = MAX[ndim](x, along(ndim, 4), ties=ties)
    y.backward(np.full(y.shape, 6.0))
    assert (y.data.ravel().tolist(), x.grad.ravel().tolist()) == ([5.0], to_x)


@every_ndim
def test_a_tie_can_be_an_error(ndim):
    with pytest.raises(TieError, match=f"max_pool{ndim}d: units .* share the maximum 5"):
        MAX[ndim](line(ndim, 1, 5, 2, 5), along(ndim, 4), ties="error")


@every_ndim
def test_nan_propagates_and_the_first_one_is_the_winner(ndim):
    x = tg.Value(line(ndim, 9, nan, nan, 9))
    y, winners = MAX[ndim](x, along(ndim, 4), return_indices=True)
    y.backward(np.ones(y.shape))
    assert np.isnan(y.data).all()
    assert (winners.ravel().tolist(), x.grad.ravel().tolist()) == ([1], [0, 1, 0, 0])


@pytest.mark.parametrize("ties", ["first", "last", "even"])
@every_ndim
def test_a_unit_of_minus_infinity_wins_over_padding(ndim, ties):
    x = tg.Value(line(ndim, -inf, -inf))
    y = MAX[ndim](x, along(ndim, 3), 1, rim(ndim, 1), ties=ties)
    y.backward(np.ones(y.shape))
    assert y.data.ravel().tolist() == [-inf, -inf]
    expected = {"first": [2, 0], "last": [0, 2], "even": [1, 1]}[ties]
    assert x.grad.ravel().tolist() == expected


@every_ndim
def test_padding_can_fill_most_of_a_window_but_not_all_of_it(ndim):
    x = line(ndim, -1, -2, -3)
    y = MAX[ndim](x, along(ndim, 4), 1, rim(ndim, 3, 0))
    assert y.data.ravel().tolist() == [-1, -1, -1]
    with pytest.raises(OptionError, match="padding 4 needs a window longer than 4"):
        MAX[ndim](x, along(ndim, 4), 1, rim(ndim, 4, 0))


@pytest.mark.parametrize(
    ("n", "k", "s", "p", "ceil_mode", "count"),
    [
        (7, 3, 2, 0, False, 3),
        (8, 3, 2, 0, False, 3),
        (8, 3, 2, 0, True, 4),
        (6, 3, 2, 1, False, 3),
        (6, 3, 2, 1, True, 4),  # the last window starts at cell 5, before n + p
        (5, 2, 3, 1, True, 2),  # a third window would start at cell 5 + p, and is dropped
        (2, 3, 2, 0, True, 1),  # the window is longer than the axis
    ],
)
@every_family
@every_ndim
def test_the_number_of_windows_is_rounded_down_or_up_with_ceil_mode(
    ndim, pools, n, k, s, p, ceil_mode, count
):
    assert (count if ceil_mode else (n + 2 * p - k) // s + 1) == count
    options = {"stride": s, "padding": rim(ndim, p), "ceil_mode": ceil_mode}
    y = pools[ndim](np.ones((2, *along(ndim, n))), along(ndim, k), **options)
    assert y.shape == (2, *along(ndim, count))


@every_ndim
def test_an_average_counts_padding_by_default_and_overhang_never(ndim):
    x = line(ndim, 6, 6, 6, 6)
    options = {"kernel_size": along(ndim, 3), "padding": rim(ndim, 1), "ceil_mode": True}
    counted = AVG[ndim](x, **options)
    assert counted.data.ravel().tolist() == [4.0, 4.0]
    padded = AVG[ndim](line(ndim, 6, 6, 6, 6, 6, 6), **options)  # the last window: 6, pad, overhang
    assert padded.data.ravel().tolist() == [4.0, 6.0, 3.0]
    units = AVG[ndim](line(ndim, 6, 6, 6, 6, 6, 6), **options, count_include_pad=False)
    assert units.data.ravel().tolist() == [6.0, 6.0, 6.0]
    own = AVG[ndim](x, **options, divisor_override=1)
    assert own.data.ravel().tolist() == [12.0, 12.0]


# -- one rule for the family


def example(ndim, lead=(2,), seed=0):
    """Return units that are all different, with large distances."""
    space = (3, 4, 5)[-ndim:]
    rng = np.random.default_rng(seed)
    return (rng.permutation(np.prod((*lead, *space))).reshape(*lead, *space) - 20.5) / 7


OPTIONS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True, "padding": 1},
    {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2},
]


@pytest.mark.long
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_family
@every_ndim
def test_every_pool_passes_gradcheck(ndim, pools, options):
    tg.gradcheck(lambda x: pools[ndim](x, **options), [example(ndim)])


@pytest.mark.covered
@pytest.mark.parametrize("ties", ["first", "last", "even"])
@every_ndim
def test_max_pooling_passes_gradcheck_on_ties(ndim, ties):
    x = np.round(example(ndim))
    tg.gradcheck(lambda x: MAX[ndim](x, 2, stride=1, ties=ties), [x])


@pytest.mark.long
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_family
@every_ndim
def test_second_derivatives_of_every_pool_equal_finite_differences(
    ndim, pools, options, check_second_derivative
):
    check_second_derivative(lambda x: pools[ndim](x, **options) ** 2, example(ndim, lead=()))


@pytest.mark.parametrize("options", OPTIONS[:2], ids=str)
@every_family
@every_ndim
def test_leading_axes_are_pooled_separately(ndim, pools, options):
    x = example(ndim, lead=(2, 3))
    whole = pools[ndim](x, **options).data
    for plane in product(range(2), range(3)):
        np.testing.assert_array_equal(whole[plane], pools[ndim](x[plane], **options).data)


@every_family
@every_ndim
def test_a_pool_over_more_axes_with_kernels_of_1_is_a_pool_over_fewer(ndim, pools):
    x = example(ndim)
    np.testing.assert_array_equal(
        pools[ndim](x, 2, 1).data,
        pools[3](x.reshape(2, *(1,) * (3 - ndim), *x.shape[1:]), along3(ndim), 1).data.reshape(
            pools[ndim](x, 2, 1).shape
        ),
    )


def along3(ndim):
    return (1,) * (3 - ndim) + (2,) * ndim


@every_family
@every_ndim
def test_the_memory_layout_does_not_change_the_result(ndim, pools):
    x = example(ndim)
    expected = pools[ndim](x, 2, 1)
    strided = np.repeat(x, 2, axis=-1)[..., ::2]
    turned = np.asfortranarray(x)
    mirrored = x[..., ::-1].copy()[..., ::-1]
    for other in (strided, turned, mirrored):
        v = tg.Value(x)
        v._numbers = other  # a Value would copy it, but an interior node may have this layout
        y = pools[ndim](v, 2, 1)
        np.testing.assert_allclose(y.data, expected.data, rtol=1e-14)
        y.backward(np.ones(y.shape))
        plain = tg.Value(x)
        pools[ndim](plain, 2, 1).backward(np.ones(y.shape))
        np.testing.assert_allclose(v.grad, plain.grad, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@every_family
@every_ndim
def test_a_pool_keeps_its_dtype(ndim, pools, dtype):
    x = tg.Value(example(ndim).astype(dtype))
    y = pools[ndim](x, 2)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype


@every_family
def test_float16_is_summed_in_float32(pools):
    x = tg.Value(np.full(4096, 30.0, np.float16))  # their squares and their sum exceed 65504
    y = pools[1](x, 4096)
    expected = {"max": 30, "avg": 30, "lp": 30 * 64}[
        next(k for k, v in FAMILIES.items() if v is pools)
    ]
    assert y.data.tolist() == [expected]


@every_family
@every_ndim
def test_an_empty_batch_pools_to_an_empty_batch(ndim, pools):
    x = tg.Value(np.zeros((0, 3, *(4,) * ndim)))
    y = pools[ndim](x, 2)
    y.backward(np.zeros(y.shape))
    assert (y.shape, x.grad.shape) == ((0, 3, *(2,) * ndim), x.shape)


@pytest.mark.parametrize(
    "x",
    [PLANE, PLANE.astype(int), PLANE.tolist(), PLANE.astype(np.uint8), PLANE > 0, tg.Value(PLANE)],
)
@every_family
def test_anything_that_holds_numbers_can_be_pooled(x, pools):
    y = pools[2](x, 2)
    numbers = x.data if isinstance(x, tg.Value) else np.array(x, float)
    np.testing.assert_array_equal(y.data, pools[2](tg.Value(numbers), 2).data)
    assert y.dtype == np.float64


def test_a_node_has_the_name_of_the_function_called():
    for ndim in (1, 2, 3):
        x = line(ndim, 1, 2)
        assert MAX[ndim](x, 1).op == f"max_pool{ndim}d"
        assert AVG[ndim](x, 1).op == f"avg_pool{ndim}d"
        assert LP[ndim](x, 1).op == f"lp_pool{ndim}d"
        assert UNPOOL[ndim](x, np.array(x, int) - 1, 1).op == f"max_unpool{ndim}d"


def test_help_shows_the_name_and_the_arguments_of_a_pool():
    assert tg.avg_pool3d.__name__ == tg.avg_pool3d.__qualname__ == "avg_pool3d"
    assert list(inspect.signature(tg.max_pool1d).parameters) == [
        "x",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "ceil_mode",
        "return_indices",
        "ties",
    ]
    with pytest.raises(TypeError, match="lp_pool1d"):
        tg.lp_pool1d([1.0])


# -- indices of winners, and unpooling


@every_ndim
def test_the_indices_of_winners_are_flat_within_their_plane(ndim):
    x = example(ndim, lead=(2, 3))
    y, winners = MAX[ndim](tg.Value(x), 2, 1, return_indices=True)
    assert winners.dtype == np.int64
    planes, flat = x.reshape(2, 3, -1), winners.reshape(2, 3, -1)
    np.testing.assert_array_equal(np.take_along_axis(planes, flat, 2), y.data.reshape(2, 3, -1))


@pytest.mark.parametrize(
    ("ties", "first"), [("first", [[0, 6]]), ("last", [[5, 7]]), ("even", [[0, 6]])]
)
def test_the_index_of_tied_winners_is_the_first(ties, first):
    y, winners = tg.max_pool2d(PLANE, 2, ties=ties, return_indices=True)
    assert (y.data.tolist(), winners.tolist()) == ([[0.0, 5.0]], first)


def test_an_empty_batch_has_no_indices():
    y, winners = tg.max_pool2d(np.zeros((0, 3, 4, 4)), 2, return_indices=True)
    assert y.shape == winners.shape == (0, 3, 2, 2)


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
@every_ndim
def test_pooling_an_unpooled_plane_restores_it(ndim, options):
    x = 10 + example(ndim)
    y, winners = MAX[ndim](x, **options, return_indices=True)
    where = {k: v for k, v in options.items() if k != "ceil_mode"}
    for size in (x.shape, x.shape[1:], list(x.shape[1:])):
        back = UNPOOL[ndim](y, winners, **where, output_size=size)
        kept = np.isin(x, y.data)
        np.testing.assert_array_equal(back.data, np.where(kept, x, 0.0))
        np.testing.assert_array_equal(MAX[ndim](back, **options).data, y.data)


@every_ndim
def test_unpooling_passes_gradcheck(ndim):
    x = example(ndim)
    y, winners = MAX[ndim](x, 2, return_indices=True)
    tg.gradcheck(lambda y: UNPOOL[ndim](y, winners, 2, output_size=x.shape) ** 2, [y.data])


def test_without_output_size_the_plane_is_the_smallest():
    y = tg.max_unpool2d(np.ones((2, 4, 2)), np.zeros((2, 4, 2), int), (3, 2), (1, 2), (1, 0))
    assert y.shape == (2, 4, 4)


def test_the_last_of_two_units_with_one_index_is_kept_and_gets_the_gradient():
    x = tg.Value([[3.0, 2.0, 1.0]])
    y = tg.max_unpool1d(x, [[4, 4, 0]], 2)
    assert y.data.tolist() == [[1.0, 0.0, 0.0, 0.0, 2.0, 0.0]]
    y.backward(np.arange(10.0, 16.0).reshape(1, 6))
    assert x.grad.tolist() == [[0.0, 14.0, 10.0]]


@pytest.mark.parametrize(
    ("indices", "options", "error", "message"),
    [
        (
            [0, 6],
            {},
            OptionError,
            "indices must be in 0 … 3, the cells of a plane of shape (4,), got 6 at (1,)",
        ),
        (
            [-1, 2],
            {},
            OptionError,
            "indices must be in 0 … 3, the cells of a plane of shape (4,), got -1 at (0,)",
        ),
        ([0.0, 2.0], {}, OptionError, "indices must be integers, got float64"),
        ([True, False], {}, OptionError, "indices must be integers, got bool"),
        (
            [[0, 2]],
            {},
            ShapeError,
            "needs one index for each unit, got indices of shape (1, 2) for an input of shape (2,)",
        ),
        ([0], {}, ShapeError, "needs one index for each unit, got indices of shape (1,)"),
        ([[0], [1, 2]], {}, DataError, "indices: needs numbers in a regular shape"),
        ("ab", {}, DataError, "indices: needs real numbers"),
        (
            [0, 2],
            {"output_size": (6,)},
            ShapeError,
            "windows with kernel_size=(2,), stride=(2,), padding=((0, 0),) "
            "do not pool a plane of shape (6,) to (2,); "
            "the smallest plane that fits, without ceil_mode, is (4,)",
        ),
        (
            [0, 2],
            {"output_size": (2,)},
            ShapeError,
            "windows with kernel_size=(2,), stride=(2,), padding=((0, 0),) "
            "do not pool a plane of shape (2,) to (2,)",
        ),
        (
            [0, 2],
            {"output_size": (3, 3)},
            OptionError,
            "output_size needs one number, got (3, 3)",
        ),
        (
            [0, 2],
            {"output_size": (2.5,)},
            OptionError,
            "output_size must be an integer, got (2.5,)",
        ),
        ([0, 2], {"output_size": (-4,)}, OptionError, "output_size must be at least 0, got (-4,)"),
        (
            [0, 2],
            {"padding": 2},
            ShapeError,
            "windows with kernel_size=(2,), stride=(2,), padding=((2, 2),) "
            "do not pool a plane of shape (0,) to (2,)",
        ),
        ([0, 2], {"kernel_size": 0}, OptionError, "kernel_size must be at least 1, got 0"),
    ],
)
def test_errors_of_unpooling_name_the_mistake(indices, options, error, message):
    with pytest.raises(error, match="^" + re.escape(f"max_unpool1d: {message}")):
        tg.max_unpool1d([5.0, 7.0], indices, **({"kernel_size": 2} | options))


def test_unpooling_names_the_leading_axes_that_differ():
    message = "max_unpool1d: output_size=(3, 4) must begin with (2,), like the shape of x, (2, 1)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        tg.max_unpool1d([[5.0], [7.0]], [[0], [1]], 4, output_size=(3, 4))


def test_unpooling_needs_enough_axes():
    with pytest.raises(ShapeError, match=r"max_unpool2d: needs at least 2 axes, got shape \(1,\)"):
        tg.max_unpool2d([5.0], [0], 2)


# -- bad input

BAD_OPTIONS = [
    ({"kernel_size": 0}, OptionError, "kernel_size must be at least 1, got 0"),
    (
        {"kernel_size": 3},
        ShapeError,
        "a window of 3 cells (kernel_size=(3, 3), dilation=(1, 1)) is",
    ),
    ({"stride": 0}, OptionError, "stride must be at least 1, got 0"),
    ({"stride": (1, -1)}, OptionError, "stride must be at least 1, got (1, -1)"),
    ({"stride": 1.5}, OptionError, "stride must be integers, got 1.5"),
    ({"stride": nan}, OptionError, "stride must be integers, got nan"),
    ({"padding": 2}, OptionError, "padding 2 needs a window longer than 2, got kernel_size=(2, 2)"),
    ({"padding": -1}, OptionError, "padding must be at least 0, got -1"),
    ({"dilation": 0}, OptionError, "dilation must be at least 1, got 0"),
    (
        {"padding": (1, 0), "dilation": (3, 1)},
        ShapeError,
        "window (0, 0) holds no unit of the input of shape (2, 4)",
    ),
    ({"kernel_size": 4, "ceil_mode": True, "stride": 2}, ShapeError, "a window of 4 cells"),
    ({"ceil_mode": "no"}, OptionError, "ceil_mode must be True or False, got 'no'"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD_OPTIONS)
@every_family
def test_errors_name_the_pool_and_the_option(pools, options, error, message):
    name = next(k for k, v in FAMILIES.items() if v is pools)
    with pytest.raises(error, match="^" + re.escape(f"{name}_pool2d: {message}")):
        pools[2](PLANE, **({"kernel_size": 2} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "frist"}, "ties must be one of 'first', 'last', 'even', 'error', got 'frist'"),
        ({"return_indices": 1}, "return_indices must be True or False, got 1"),
    ],
)
def test_errors_of_max_pool_name_the_option(options, message):
    with pytest.raises(OptionError, match=re.escape(f"max_pool2d: {message}")):
        tg.max_pool2d(PLANE, 2, **options)


@pytest.mark.parametrize("norm", [0, 0.5, -2, nan, inf, "2", None, True, 1j])
@every_ndim
def test_norm_type_must_be_finite_and_at_least_1(ndim, norm):
    pool = getattr(tg, f"lp_pool{ndim}d")
    with pytest.raises(OptionError, match=f"lp_pool{ndim}d: norm_type must be a finite number of"):
        pool(line(ndim, 1, 2), norm, 1)


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
@every_family
def test_errors_name_the_pool_and_the_input(pools, x, error, message):
    name = next(k for k, v in FAMILIES.items() if v is pools)
    with pytest.raises(error, match="^" + re.escape(f"{name}_pool2d: {message}")):
        pools[2](x, 1)


# -- norms


def test_sums_of_integer_magnitudes_are_exact():
    x = np.random.default_rng(0).integers(-50, 50, (9, 40)).astype(float)
    y = tg.lp_pool1d(x, 1, 4)
    assert np.array_equal(y.data, np.abs(x).reshape(9, 10, 4).sum(axis=-1))
    long = tg.lp_pool1d(np.tile(x, 20), 1, 400)  # computed with explicit windows
    assert np.array_equal(long.data, np.abs(np.tile(x, 20)).reshape(9, 2, 400).sum(axis=-1))


def test_norms_lie_between_the_sum_and_the_maximum_of_magnitudes():
    x = tg.Value([3.0, -4.0, 0.0])
    assert tg.lp_pool1d(x, 1, 3).data.tolist() == [7.0]
    assert tg.lp_pool1d(x, 2, 3).data.tolist() == [5.0]
    assert tg.lp_pool1d(x, 1000, 3).data.tolist() == pytest.approx([4.0])
    y = tg.lp_pool1d(x, 3, 3)
    y.backward([1.0])
    assert x.grad.tolist() == pytest.approx([9 / 91 ** (2 / 3), -16 / 91 ** (2 / 3), 0.0])


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_a_window_of_zeros_has_norm_0_and_gradient_0(p):
    x = tg.Value(np.zeros((2, 2)))
    y = tg.lp_pool2d(x, p, 2)
    (slope,) = tg.grad(y, x, gradient=np.ones((1, 1)), create_graph=True)
    assert (y.data.tolist(), slope.data.tolist()) == ([[0.0]], [[0.0, 0.0], [0.0, 0.0]])
    assert tg.grad(slope.sum(), x)[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_second_derivative_of_a_norm_holds_at_a_unit_of_0():
    x = np.array([0.0, 3.0, 0.0, 0.0])
    curvature = tg.hessian(lambda x: tg.lp_pool1d(x, 2, 2).sum())(x)
    assert np.array_equal(curvature, np.diag([1 / 3, 0.0, 0.0, 0.0]))


def test_a_norm_neither_overflows_nor_underflows():
    for size in (1e200, 1e-200):
        x = tg.Value([3 * size, 4 * size])
        y = tg.lp_pool1d(x, 2, 2)
        y.backward([1.0])
        assert y.data.tolist() == pytest.approx([5 * size])
        assert x.grad.tolist() == pytest.approx([0.6, 0.8])


def test_a_norm_of_infinity_is_infinite_and_of_nan_is_nan():
    assert tg.lp_pool1d([-inf, 1.0], 2, 2).data.tolist() == [inf]
    assert np.isnan(tg.lp_pool1d([nan, 1.0], 2, 2).data).all()


def test_indices_with_ties_error_are_those_of_the_only_winner():
    x = tg.Value([[1.0, 3.0], [2.0, 0.0]])
    y, indices = tg.max_pool1d(x, 2, return_indices=True, ties="error")
    assert (y.data.tolist(), indices.tolist()) == ([[3.0], [2.0]], [[1], [0]])
    with pytest.raises(TieError, match="max_pool1d: units"):
        tg.max_pool1d(tg.Value([1.0, 1.0]), 2, return_indices=True, ties="error")


def test_computing_indices_does_not_lend_the_data():
    for x, ties in [(np.array([[1, 3, 2, 5]]), "first"), ([[1.0, 3.0, 2.0, 5.0]], "error")]:
        _, indices = tg.max_pool1d(x, 2, ties=ties, return_indices=True)
        assert indices.tolist() == [[1, 3]]
    v = tg.Value(np.ones((2, 8, 8)))
    tg.max_pool2d(v, 2, return_indices=True)
    tg.adaptive_avg_pool2d(v, 3)
    assert not v._lent  # otherwise its bytes would be copied and compared from now on
