import re

import numpy as np
import pytest

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.cells import cells_of, counts_of
from tinygrad_pool.rules.windows import AdaptiveWindows, adaptive_windows_of, windows_of

ONE_AXIS = [
    (n, k, s, p, q, d, ceil)
    for n in (1, 2, 3, 5, 8)
    for k in (1, 2, 3)
    for s in (1, 2, 3, 5)
    for p in (0, 1, 2, 4)
    for q in (0, 1, 3)
    for d in (1, 2)
    for ceil in (False, True)
    if n + p + q > d * (k - 1) and (q <= d * (k - 1) or not ceil)  # as every pool requires
]


def test_windows_on_one_axis_equal_those_of_a_loop(windows_by_hand):
    assert len(ONE_AXIS) > 900
    for n, k, s, p, q, d, ceil in ONE_AXIS:
        windows = windows_of("pool", 1, k, s, ((p, q),), d, ceil)
        count, places = windows_by_hand((n,), (k,), (s,), ((p, q),), (d,), ceil)
        assert windows.over((n,)) == count, (n, windows)
        cells = [[i if 0 <= i < n else -1 for (i,) in window] for window in places]
        units = [sum(i >= 0 for i in row) for row in cells]
        padded = [sum(-p <= i < n + q for (i,) in window) for window in places]
        assert cells_of(windows, (n,)).tolist() == cells
        assert counts_of(windows, (n,), padding=False).tolist() == units
        assert counts_of(windows, (n,), padding=True).tolist() == padded


def test_windows_over_a_plane_equal_those_of_a_loop(
    plane, windows_by_hand, adaptive_windows_by_hand
):
    windows, space = plane
    if isinstance(windows, AdaptiveWindows):
        count, places = adaptive_windows_by_hand(space, windows.output_size)
    else:
        count, places = windows_by_hand(space, *windows[1:])
    flat = np.arange(np.prod(space)).reshape(space)
    looks = [
        [flat[p] for p in window if all(0 <= i < n for i, n in zip(p, space, strict=True))]
        for window in places
    ]
    cells = cells_of(windows, space)
    assert cells.shape == (*count, *windows.kernel)
    rows = cells.reshape(len(places), -1)
    assert [row[row >= 0].tolist() for row in rows] == looks


def test_counts_over_a_plane_equal_the_number_of_units(plane):
    windows, space = plane
    kernel_axes = tuple(range(len(space), 2 * len(space)))
    units = (cells_of(windows, space) >= 0).sum(axis=kernel_axes)
    np.testing.assert_array_equal(counts_of(windows, space, padding=False), units)
    if isinstance(windows, AdaptiveWindows):
        np.testing.assert_array_equal(counts_of(windows, space, padding=True), units)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
        ({"kernel_size": (2, -1)}, r"kernel_size must be at least 1, got \(2, -1\)"),
        ({"kernel_size": 1.5}, "kernel_size must be integers, got 1.5"),
        ({"kernel_size": (1, 2, 3)}, r"kernel_size needs one number or 2, got \(1, 2, 3\)"),
        ({"kernel_size": ()}, r"kernel_size needs one number or 2, got \(\)"),
        ({"kernel_size": None}, "kernel_size must be integers, got None"),
        ({"kernel_size": True}, "kernel_size must be integers, got True"),
        ({"kernel_size": "22"}, "kernel_size must be integers, got '22'"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"stride": (1, -2)}, r"stride must be at least 1, got \(1, -2\)"),
        ({"stride": float("nan")}, "stride must be integers, got nan"),
        ({"stride": (1,)}, r"stride needs one number or 2, got \(1,\)"),
        ({"padding": -1}, "padding must be at least 0, got -1"),
        ({"padding": (0, 0.5)}, "padding must be integers, got 0.5"),
        ({"padding": ((0, 1), (1, -1))}, r"padding must be at least 0, got \(1, -1\)"),
        ({"padding": ((0, 1, 2), 0)}, r"padding needs one number or 2, got \(0, 1, 2\)"),
        ({"padding": (1, 1, 1)}, r"padding needs one number or 2, got \(1, 1, 1\)"),
        ({"padding": "same"}, "padding must be integers, got 'same'"),
        ({"padding": float("inf")}, "padding must be integers, got inf"),
        ({"dilation": 0}, "dilation must be at least 1, got 0"),
        ({"dilation": 1j}, "dilation must be integers, got 1j"),
        ({"ceil_mode": "yes"}, "ceil_mode must be True or False, got 'yes'"),
        (
            {"ceil_mode": np.array([1, 0])},
            r"ceil_mode must be True or False, got array\(\[1, 0\]\)",
        ),
    ],
)
def test_an_option_out_of_its_range_is_named(options, message):
    with pytest.raises(OptionError, match=f"max_pool2d: {message}"):
        windows_of("max_pool2d", 2, **({"kernel_size": 2} | options))


@pytest.mark.parametrize("two", [np.int64(2), [2, 2], (np.int8(2), 2), np.array(2)])
def test_numpy_integers_are_accepted(two):
    assert windows_of("max_pool2d", 2, two) == windows_of("max_pool2d", 2, 2)
    assert hash(windows_of("max_pool2d", 2, two)) == hash(windows_of("max_pool2d", 2, (2, 2)))


def test_a_window_longer_than_the_padded_input_is_named():
    windows = windows_of("max_pool2d", 2, (2, 3), padding=(0, 1), dilation=(1, 4))
    message = (
        r"max_pool2d: a window of 9 cells \(kernel_size=\(2, 3\), dilation=\(1, 4\)\) is longer "
        r"than an axis of 6 with padding 1 \+ 1; the input has shape \(5, 2, 6\)"
    )
    with pytest.raises(ShapeError, match=message):
        windows.over((5, 2, 6))


def test_an_input_with_too_few_axes_is_named():
    windows = windows_of("max_pool2d", 2, 2)
    with pytest.raises(ShapeError, match=r"max_pool2d: needs at least 2 axes, got shape \(4,\)"):
        windows.over((4,))


@pytest.mark.parametrize(
    ("output_size", "message"),
    [
        (0, "output_size must be at least 1, got (0, 0)"),
        ((2, -1), "output_size must be at least 1, got (2, -1)"),
        (1.5, "output_size must be integers, got (1.5, 1.5)"),
        ((1, 2, 3), "output_size needs one number or 2, got (1, 2, 3)"),
        ("22", "output_size must be integers, got ('22', '22')"),
    ],
)
def test_an_output_size_out_of_its_range_is_named(output_size, message):
    with pytest.raises(OptionError, match=re.escape(f"adaptive_max_pool2d: {message}")):
        adaptive_windows_of("adaptive_max_pool2d", 2, output_size, (4, 4))


def test_one_axis_needs_one_number():
    with pytest.raises(OptionError, match=r"padding needs one number, got \(1, 2\)"):
        windows_of("max_pool1d", 1, 4, padding=(1, 2))
    with pytest.raises(OptionError, match=r"output_size needs one number, got \(1, 2\)"):
        adaptive_windows_of("adaptive_max_pool1d", 1, (1, 2), (4,))


def test_adaptive_windows_need_enough_axes():
    message = r"adaptive_max_pool2d: needs at least 2 axes, got shape \(4,\)"
    with pytest.raises(ShapeError, match=message):
        adaptive_windows_of("adaptive_max_pool2d", 2, 1, (4,))
    with pytest.raises(ShapeError, match=message):
        adaptive_windows_of("adaptive_max_pool2d", 2, 1, (4, 4)).over((4,))


def test_cached_options_are_not_returned_for_equal_but_invalid_ones():
    windows_of("max_pool2d", 2, 1, (1, 1), ceil_mode=True)
    for invalid in [{"kernel_size": True}, {"kernel_size": 1, "stride": (1, True)}]:
        with pytest.raises(OptionError, match="must be integers"):
            windows_of("max_pool2d", 2, **invalid)
    with pytest.raises(OptionError, match="ceil_mode must be True or False, got 1"):
        windows_of("max_pool2d", 2, 1, (1, 1), ceil_mode=1)
    assert windows_of("max_pool2d", 2, [1, 1]) == windows_of("max_pool2d", 2, (1, 1))
    adaptive_windows_of("adaptive_max_pool2d", 2, (1, None), (3, 4))
    with pytest.raises(OptionError, match="must be integers"):
        adaptive_windows_of("adaptive_max_pool2d", 2, (True, 4), (3, 4))


def test_the_longest_of_adaptive_windows_is_found_without_listing_them():
    for n in range(12):
        for m in range(1, 15):
            windows = AdaptiveWindows("pool", (n,), (m,))
            start, stop = windows.bounds(0, np.arange(m))
            assert windows.kernel == ((stop - start).max(),)
            assert (
                windows.counts(0, n, np.arange(m), padding=True).tolist() == (stop - start).tolist()
            )
