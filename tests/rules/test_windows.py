import numpy as np
import pytest

from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.rules.windows import cells_of, counts_of, fold, unfold, windows_of

ONE_AXIS = [
    (n, k, s, p, q, d, ceil)
    for n in (1, 2, 3, 5, 8)
    for k in (1, 2, 3)
    for s in (1, 2, 3, 5)
    for p in (0, 1, 2, 4)
    for q in (0, 1, 3)
    for d in (1, 2)
    for ceil in (False, True)
    if n + p + q > d * (k - 1) and (q <= d * (k - 1) or not ceil)  # as every pool asks
]
PLANES = [
    # space, kernel, stride, padding, dilation, ceil_mode
    ((5,), 3, 2, 1, 1, False),
    ((7,), 2, 1, ((0, 2),), 3, False),
    ((4, 5), 2, None, 0, 1, False),
    ((5, 4), (3, 2), (2, 1), (1, 0), 1, True),
    ((6, 5), 2, (1, 3), ((0, 1), (1, 0)), (2, 1), False),
    ((5, 5), 2, 3, 0, 1, False),  # cells between windows that no window sees
    ((3, 4, 5), (1, 2, 3), 1, (0, 1, 1), 1, False),
    ((3, 3, 4), 2, 2, 1, 1, True),
    ((2, 2), (1, 1), 1, 1, 1, False),  # windows in the padding alone
]


def plane(space, kernel, stride, padding, dilation, ceil_mode):
    return windows_of("pool", len(space), kernel, stride, padding, dilation, ceil_mode), space


def test_one_axis_is_cut_into_the_windows_that_a_loop_finds(windows_by_hand):
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


@pytest.mark.parametrize("options", PLANES)
def test_a_plane_is_cut_into_the_windows_that_a_loop_finds(options, windows_by_hand):
    windows, space = plane(*options)
    count, places = windows_by_hand(space, *windows[1:])
    flat = np.arange(np.prod(space)).reshape(space)
    cells = [
        [flat[p] if all(0 <= i < n for i, n in zip(p, space, strict=True)) else -1 for p in window]
        for window in places
    ]
    assert cells_of(windows, space).shape == (*count, *windows.kernel)
    assert cells_of(windows, space).ravel().tolist() == np.ravel(cells).tolist()


@pytest.mark.parametrize("options", PLANES)
def test_counts_over_a_plane_are_the_cells_that_are_units(options):
    windows, space = plane(*options)
    kernel_axes = tuple(range(len(space), 2 * len(space)))
    units = (cells_of(windows, space) >= 0).sum(axis=kernel_axes)
    np.testing.assert_array_equal(counts_of(windows, space, padding=False), units)


def test_what_is_remembered_between_calls_cannot_be_written_to():
    windows = windows_of("pool", 1, 2)
    assert cells_of(windows, (4,)) is cells_of(windows, (4,))
    for remembered in (cells_of(windows, (4,)), counts_of(windows, (4,), padding=True)):
        with pytest.raises(ValueError, match="read-only"):
            remembered[0] = 7


@pytest.mark.parametrize("lead", [(), (2,), (2, 3), (0,)])
@pytest.mark.parametrize("options", PLANES)
def test_unfold_lays_out_what_the_windows_see(options, lead):
    windows, space = plane(*options)
    x = np.random.default_rng(0).standard_normal((*lead, *space))
    cells = cells_of(windows, space)
    seen = x.reshape(*lead, int(np.prod(space)))[..., cells]
    np.testing.assert_array_equal(unfold(x, windows=windows), np.where(cells < 0, 0.0, seen))


@pytest.mark.parametrize("options", PLANES)
def test_fold_is_the_adjoint_of_unfold(options):
    windows, space = plane(*options)
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (2, *space)).astype(float)
    seen = unfold(x, windows=windows)
    g = rng.integers(-9, 9, seen.shape).astype(float)
    assert (seen * g).sum() == (x * fold(g, windows=windows, shape=x.shape)).sum()


@pytest.mark.parametrize("options", PLANES)
def test_overlapping_windows_add_up_in_row_major_order(options):
    windows, space = plane(*options)
    cells = cells_of(windows, space)
    g = np.random.default_rng(0).standard_normal(cells.shape)
    in_order = np.zeros(int(np.prod(space)))
    np.add.at(in_order, cells[cells >= 0], g[cells >= 0])
    np.testing.assert_array_equal(
        fold(g, windows=windows, shape=space), in_order.reshape(space), strict=True
    )


def test_the_order_of_adding_is_seen_in_the_last_bit():
    windows = windows_of("pool", 1, 3, stride=1)
    g = np.zeros((3, 3))
    g[0, 2], g[1, 1], g[2, 0] = 1e16, -1e16, 1.0  # all for cell 2, in the order of the windows
    assert fold(g, windows=windows, shape=(5,))[2] == (1e16 - 1e16) + 1.0
    assert (1.0 + -1e16) + 1e16 == 0.0  # what the other order adds up to


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
        ({"kernel_size": (2, -1)}, r"kernel_size must be at least 1, got \(2, -1\)"),
        ({"kernel_size": 1.5}, "kernel_size must be whole numbers, got 1.5"),
        ({"kernel_size": (1, 2, 3)}, r"kernel_size needs one number or 2, got \(1, 2, 3\)"),
        ({"kernel_size": ()}, r"kernel_size needs one number or 2, got \(\)"),
        ({"kernel_size": None}, "kernel_size must be whole numbers, got None"),
        ({"kernel_size": True}, "kernel_size must be whole numbers, got True"),
        ({"kernel_size": "22"}, "kernel_size must be whole numbers, got '22'"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"stride": (1, -2)}, r"stride must be at least 1, got \(1, -2\)"),
        ({"stride": float("nan")}, "stride must be whole numbers, got nan"),
        ({"stride": (1,)}, r"stride needs one number or 2, got \(1,\)"),
        ({"padding": -1}, "padding must be at least 0, got -1"),
        ({"padding": (0, 0.5)}, "padding must be whole numbers, got 0.5"),
        ({"padding": ((0, 1), (1, -1))}, r"padding must be at least 0, got \(1, -1\)"),
        ({"padding": ((0, 1, 2), 0)}, r"padding needs one number or 2, got \(0, 1, 2\)"),
        ({"padding": (1, 1, 1)}, r"padding needs one number or 2, got \(1, 1, 1\)"),
        ({"padding": "same"}, "padding needs one number or 2, got 'same'"),
        ({"padding": float("inf")}, "padding must be whole numbers, got inf"),
        ({"dilation": 0}, "dilation must be at least 1, got 0"),
        ({"dilation": 1j}, "dilation must be whole numbers, got 1j"),
        ({"ceil_mode": "yes"}, "ceil_mode must be True or False, got 'yes'"),
        (
            {"ceil_mode": np.array([1, 0])},
            r"ceil_mode must be True or False, got array\(\[1, 0\]\)",
        ),
    ],
)
def test_an_option_out_of_its_range_is_named(given, message):
    with pytest.raises(OptionError, match=f"max_pool2d: {message}"):
        windows_of("max_pool2d", 2, **({"kernel_size": 2} | given))


@pytest.mark.parametrize("two", [np.int64(2), [2, 2], (np.int8(2), 2), np.array(2)])
def test_numpys_whole_numbers_are_whole_numbers(two):
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
