import numpy as np
import pytest

from tinygrad_pool.rules.cells import all_units, cells_of, counts_of
from tinygrad_pool.rules.windows import windows_of


def test_cells_and_counts_of_selected_windows_are_slices_of_those_of_all(plane):
    windows, space = plane
    units = tuple((count // 3, count) for _, count in all_units(windows, space))
    key = tuple(slice(*pair) for pair in units)
    np.testing.assert_array_equal(
        cells_of(windows, space, units), cells_of(windows, space)[key], strict=True
    )
    for padding in (True, False):
        np.testing.assert_array_equal(
            counts_of(windows, space, padding, units), counts_of(windows, space, padding)[key]
        )


def test_cached_arrays_are_read_only():
    windows = windows_of("pool", 1, 2)
    assert cells_of(windows, (4,)) is cells_of(windows, (4,))
    for cached in (cells_of(windows, (4,)), counts_of(windows, (4,), padding=True)):
        with pytest.raises(ValueError, match="read-only"):
            cached[0] = 7


def test_large_arrays_are_not_cached():
    windows = windows_of("pool", 1, 2)
    assert cells_of(windows, (99999,)) is not cells_of(windows, (99999,))
    assert counts_of(windows, (99999,), padding=True) is not counts_of(
        windows, (99999,), padding=True
    )
