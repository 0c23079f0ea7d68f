import numpy as np
import pytest

from tinygrad_pool.errors import ShapeError
from tinygrad_pool.rules.cells import cells_of, counts_of
from tinygrad_pool.rules.pool_checks import check_pool, divisors
from tinygrad_pool.rules.windows import windows_of


@pytest.mark.parametrize("padding", [True, False])
def test_divisors_are_one_number_if_all_windows_count_their_whole_kernel(plane, padding):
    windows, space = plane
    counts = counts_of(windows, space, padding)
    K = divisors(windows, space, padding, float)
    np.testing.assert_array_equal(np.broadcast_to(K, counts.shape), counts)
    assert (type(K) is int) == (counts == np.prod(windows.kernel)).all()


@pytest.mark.parametrize(
    ("space", "options"),
    [
        ((5,), {"kernel_size": 2, "stride": 1, "padding": 2, "dilation": 3}),
        ((1, 5), {"kernel_size": 2, "stride": 1, "padding": (1, 0), "dilation": (2, 1)}),
        ((5, 1), {"kernel_size": 2, "stride": 1, "padding": (0, 1), "dilation": (1, 2)}),
        ((2, 3, 2), {"kernel_size": 2, "stride": 1, "padding": 3, "dilation": 4}),
        ((0, 3), {"kernel_size": 2, "padding": 1}),
    ],
    ids=str,
)
def test_the_first_window_without_a_unit_is_named(space, options):
    windows = windows_of("pool", len(space), **options)
    units = (cells_of(windows, space) >= 0).reshape(*windows.over(space), -1).any(axis=-1)
    empty = [tuple(map(int, window)) for window in np.argwhere(~units)]
    if not empty:
        assert check_pool(space, windows) == windows.over(space)
        return
    with pytest.raises(ShapeError) as raised:
        check_pool(space, windows)
    assert f"pool: window {empty[0]} holds no unit" in str(raised.value)
    assert check_pool(space, windows, units=False) == windows.over(space)
