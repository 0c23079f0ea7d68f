from functools import partial

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError, ShapeError, TieError
from tinygrad_pool.rules.pooling import avg_pool, max_pool, winning_links
from tinygrad_pool.rules.windows import windows_of

nan, inf = np.nan, np.inf
GRID = {
    "apart": ((4, 6), {"kernel_size": 2}),
    "overlapping": ((5, 4), {"kernel_size": (3, 2), "stride": 1}),
    "gaps": ((7, 5), {"kernel_size": 2, "stride": 3}),
    "padded": ((5, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "padded unevenly": ((4, 5), {"kernel_size": 3, "stride": 1, "padding": ((2, 0), (0, 1))}),
    "padded by more than half": ((3, 3), {"kernel_size": 3, "stride": 2, "padding": (2, 1)}),
    "dilated": ((6, 6), {"kernel_size": 2, "stride": 1, "dilation": (2, 3)}),
    "ceil": ((5, 6), {"kernel_size": 2, "stride": (2, 3), "ceil_mode": True}),
    "ceil, padded": ((6, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    "one axis": ((9,), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "three axes": ((3, 4, 5), {"kernel_size": 2, "stride": (1, 2, 1), "padding": (0, 1, 1)}),
    "whole plane": ((3, 4), {"kernel_size": (3, 4)}),
}
every_grid = pytest.mark.parametrize(("space", "options"), GRID.values(), ids=GRID)


def read(space, options):
    return windows_of(f"pool{len(space)}d", len(space), **options)


@pytest.mark.parametrize("ties", ["first", "last", "even"])
@every_grid
def test_max_pooling_equals_loops_to_the_last_bit(space, options, ties, max_pool_by_hand):
    windows = read(space, options)
    rng = np.random.default_rng(0)
    x = rng.choice([-3.0, 0.0, 1.0, 2.0, -inf, nan], space, p=[0.2, 0.2, 0.3, 0.1, 0.1, 0.1])
    y, closure = max_pool(x, windows=windows, ties=ties)
    g = rng.standard_normal(y.shape)
    expected, to_x, winners = max_pool_by_hand(x, g, ties, *windows[1:])
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(closure(g)[0], to_x)
    first = winning_links(x, windows=windows, ties=ties).first
    assert first.tolist() == winners.ravel().tolist()


@every_grid
def test_planes_are_pooled_one_by_one(space, options):
    windows = read(space, options)
    x = np.random.default_rng(0).integers(0, 4, (2, 3, *space)).astype(float)
    for rule in (max_pool, avg_pool):
        y, closure = rule(x, windows=windows)
        g = np.random.default_rng(1).standard_normal(y.shape)
        (to_x,) = closure(g)
        for plane in np.ndindex(2, 3):
            one_y, one_closure = rule(x[plane], windows=windows)
            np.testing.assert_array_equal(y[plane], one_y)
            np.testing.assert_array_equal(to_x[plane], one_closure(g[plane])[0])


@pytest.mark.long
@pytest.mark.parametrize(
    ("rule", "more"),
    [
        (max_pool, {}),
        (max_pool, {"ties": "even"}),
        (avg_pool, {}),
        (avg_pool, {"count_include_pad": False}),
    ],
)
@every_grid
def test_pools_have_the_first_and_second_derivatives_of_finite_differences(
    space, options, rule, more, check_gradient, check_second_derivative
):
    pool = partial(tg.lift(rule), windows=read(space, options), **more)
    x = np.random.default_rng(0).permutation(2 * np.prod(space)).reshape(2, *space) / 7.0
    check_gradient(pool, x)
    check_second_derivative(lambda v: pool(v) ** 2, x)


@pytest.mark.parametrize("padding", [True, False])
@every_grid
def test_average_pooling_equals_loops(space, options, padding, windows_by_hand):
    windows = read(space, options)
    x = np.random.default_rng(0).standard_normal(space)
    y, closure = avg_pool(x, windows=windows, count_include_pad=padding)
    g = np.random.default_rng(1).standard_normal(y.shape)
    expected, to_x = np.zeros(y.shape), np.zeros(space)
    _, places = windows_by_hand(space, *windows[1:])
    for o, window in zip(np.ndindex(y.shape), places, strict=True):
        rim = windows.padding if padding else ((0, 0),) * len(space)
        counted = [
            all(-p <= i < n + q for i, n, (p, q) in zip(at, space, rim, strict=True))
            for at in window
        ]
        units = [a for a in window if all(0 <= i < n for i, n in zip(a, space, strict=True))]
        expected[o] = sum(x[at] for at in units) / sum(counted)
        for at in units:
            to_x[at] += g[o] / sum(counted)
    for actual, by_hand in ((y, expected), (closure(g)[0], to_x)):
        np.testing.assert_allclose(actual, by_hand, rtol=1e-13, atol=1e-15)


def test_a_unit_that_wins_two_windows_gets_the_sum_and_losers_get_zero():
    windows = windows_of("max_pool1d", 1, 2, stride=1)
    y, closure = max_pool(np.array([1.0, 5.0, 2.0, 0.0]), windows=windows)
    assert y.tolist() == [5.0, 5.0, 2.0]
    assert closure(np.array([10.0, 20.0, 40.0]))[0].tolist() == [0.0, 30.0, 40.0, 0.0]


@pytest.mark.parametrize(
    ("ties", "to_x"),
    [
        ("first", [[0, 6, 0], [0, 0, 0], [0, 0, 0]]),
        ("last", [[0, 0, 0], [0, 0, 0], [0, 6, 0]]),
        ("even", [[0, 2, 0], [2, 0, 0], [0, 2, 0]]),
    ],
)
def test_ties_in_a_window_are_broken_in_row_major_order(ties, to_x):
    x = np.array([[0.0, 3.0, 1.0], [3.0, 0.0, 0.0], [0.0, 3.0, 2.0]])
    y, closure = max_pool(x, windows=windows_of("max_pool2d", 2, 3), ties=ties)
    assert closure(np.full_like(y, 6.0))[0].tolist() == to_x


def test_padding_never_wins_even_against_minus_infinity():
    windows = windows_of("max_pool2d", 2, 2, padding=1)
    for x in (np.full((2, 2), -inf), np.full((2, 2), -5.0)):
        y, closure = max_pool(x, windows=windows)
        np.testing.assert_array_equal(y, x)
        assert closure(np.ones((2, 2)))[0].tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("ties", ["first", "last", "even"])
def test_padding_gets_no_share_of_a_tie(ties):
    windows = windows_of("max_pool1d", 1, 3, stride=1, padding=1)
    _, closure = max_pool(np.full(2, -inf), windows=windows, ties=ties)
    (to_x,) = closure(np.array([6.0, 12.0]))
    assert to_x.tolist() == {"first": [18.0, 0.0], "last": [0.0, 18.0], "even": [9.0, 9.0]}[ties]


def test_nan_propagates_and_the_first_nan_wins():
    x = np.array([9.0, nan, nan, 9.0])
    y, closure = max_pool(x, windows=windows_of("max_pool1d", 1, 4))
    assert np.isnan(y).all()
    assert closure(np.array([5.0]))[0].tolist() == [0.0, 5.0, 0.0, 0.0]


def test_losers_get_zero_for_any_gradient():
    _, closure = max_pool(np.array([1.0, 2.0]), windows=windows_of("max_pool1d", 1, 2))
    np.testing.assert_array_equal(closure(np.array([nan]))[0], [0.0, nan])


def test_a_tie_error_names_the_units_by_their_indices_in_the_input():
    x = np.arange(32.0).reshape(2, 1, 4, 4)
    x[1, 0, :2, 2:] = [[7.0, 9.0], [9.0, 0.0]]
    message = r"max_pool2d: units \(1, 0, 0, 3\), \(1, 0, 1, 2\) share the maximum 9, and ties='err"
    with pytest.raises(TieError, match=message):
        max_pool(x, windows=windows_of("max_pool2d", 2, 2), ties="error")


def test_without_ties_there_is_no_error():
    x = np.arange(16.0).reshape(4, 4)
    for padding in (0, 1):
        windows = windows_of("max_pool2d", 2, 3, stride=1, padding=padding)
        y, _ = max_pool(x, windows=windows, ties="error")
        np.testing.assert_array_equal(y, max_pool(x, windows=windows)[0])


@pytest.mark.parametrize("ties", ["first", "last", "even", "error"])
@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4, 4)])
def test_an_empty_batch_pools_to_an_empty_batch(shape, ties):
    windows = windows_of("max_pool2d", 2, 2)
    for y, closure in (
        max_pool(np.zeros(shape), windows=windows, ties=ties),
        avg_pool(np.zeros(shape), windows=windows),
    ):
        assert y.shape == (*shape[:-2], 2, 2)
        assert closure(y)[0].shape == shape


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("more", [{}, {"count_include_pad": False}, {"divisor_override": 3}])
def test_an_average_keeps_its_dtype(dtype, more):
    windows = windows_of("avg_pool2d", 2, 2, padding=1, ceil_mode=True)
    y, closure = avg_pool(np.ones((3, 3), dtype), windows=windows, **more)
    assert y.dtype == dtype
    assert closure(y)[0].dtype == dtype


def test_divisor_override_sets_the_divisor():
    windows = windows_of("avg_pool1d", 1, 2)
    y, closure = avg_pool(np.array([1.0, 3.0]), windows=windows, divisor_override=0.5)
    assert (y.tolist(), closure(y)[0].tolist()) == ([8.0], [16.0, 16.0])
    float32 = np.ones(2, np.float32)
    y, _ = avg_pool(float32, windows=windows, divisor_override=np.float64(2))
    assert y.dtype == np.float32


@pytest.mark.parametrize("divisor", [0, 0.0, nan, inf, "2", True, 1j, [2.0]])
def test_a_divisor_must_be_finite_and_not_0(divisor):
    windows = windows_of("avg_pool2d", 2, 1)
    message = "avg_pool2d: divisor_override must be a finite number other than 0, got"
    with pytest.raises(OptionError, match=message):
        avg_pool(np.ones((1, 1)), windows=windows, divisor_override=divisor)


@pytest.mark.parametrize("rule", [max_pool, avg_pool])
@pytest.mark.parametrize(
    ("options", "padding"),
    [
        ({"kernel_size": 2, "padding": 2}, 2),
        ({"kernel_size": (5, 1), "padding": 1}, 1),
        ({"kernel_size": 2, "padding": ((0, 3), (0, 0))}, 3),
        ({"kernel_size": 2, "dilation": 2, "padding": 3}, 3),
    ],
)
def test_padding_must_be_smaller_than_the_window(rule, options, padding):
    message = rf"pool2d: padding {padding} needs a window longer than {padding}, got kernel_size="
    with pytest.raises(OptionError, match=message):
        rule(np.ones((9, 9)), windows=windows_of("pool2d", 2, **options))


@pytest.mark.parametrize("rule", [max_pool, avg_pool])
@pytest.mark.parametrize(
    ("shape", "options", "window"),
    [
        ((1, 5), {"kernel_size": 2, "stride": 1, "padding": (1, 0), "dilation": (2, 1)}, "(0, 0)"),
        ((0, 2), {"kernel_size": 2, "padding": 1}, "(0, 0)"),
        ((4, 1), {"kernel_size": 2, "padding": (0, 2), "dilation": (1, 4)}, "(0, 0)"),
    ],
)
def test_a_window_without_a_unit_is_named(rule, shape, options, window):
    windows = windows_of("pool2d", 2, **options)
    with pytest.raises(ShapeError, match="holds no unit") as raised:
        rule(np.ones(shape), windows=windows)
    assert f"pool2d: window {window} holds no unit of the input of shape {shape}" in str(
        raised.value
    )
    assert f"kernel_size={windows.kernel}, stride={windows.stride}" in str(raised.value)


def test_with_divisor_override_a_window_may_contain_no_unit():
    windows = windows_of("avg_pool1d", 1, 2, stride=1, padding=1, dilation=2)
    y, closure = avg_pool(np.array([4.0]), windows=windows, divisor_override=2)
    assert (y.tolist(), closure(y)[0].tolist()) == ([0.0], [0.0])


def test_count_include_pad_must_be_a_bool():
    with pytest.raises(OptionError, match="count_include_pad must be True or False, got 0"):
        avg_pool(np.ones(2), windows=windows_of("avg_pool1d", 1, 2), count_include_pad=0)
