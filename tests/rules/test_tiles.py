"""Tiles: the cells of every window at every offset, and copying them back."""

import pickle
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.tiles import cut, is_whole, tiled, tiles, wide_of
from tinygrad_pool.rules.windows import adaptive_windows_of, windows_of


@pytest.mark.long
@settings(deadline=None)
@given(st.data())
def test_a_tap_contains_the_cells_that_all_windows_see_at_one_offset(at_random, data):
    x, windows, _ = data.draw(at_random.cases(adaptive=False, kinds=("random",)))
    space = x.shape[x.ndim - len(windows.kernel) :]
    planes = x.reshape(-1, *space).astype(float) if x.size else np.zeros((0, *space))
    cells = cells_of(windows, space)
    seen = np.where(cells < 0, -1.0, planes.reshape(len(planes), -1)[:, cells]) if x.size else None
    offsets = list(product(*map(range, windows.kernel)))
    with at_random.sized(*data.draw(at_random.sizes)):
        for key, tile in tiles(windows, space, len(planes)):
            flat = tile.lay_out(planes[key[0]], -1.0, planes.dtype)
            for offset, tap in zip(offsets, tile.all_taps, strict=True):
                np.testing.assert_array_equal(tile.units(flat[tap]), seen[key][(..., *offset)])
            back = np.full(planes.shape, -2.0)
            tile.put_back(flat, back[key[0]])
            tile_cells = cells[key[1:]]
            looked_at = np.unique(tile_cells[tile_cells >= 0])
            np.testing.assert_array_equal(
                back[key[0]].reshape(tile.counts[0], -1)[:, looked_at],
                planes[key[0]].reshape(tile.counts[0], -1)[:, looked_at],
            )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 40))
def test_cut_covers_every_element_once_in_order(shape, limit):
    numbers = np.arange(np.prod(shape)).reshape(shape)
    boxes = [numbers[tuple(slice(*pair) for pair in box)].ravel() for box in cut(shape, limit)]
    assert [i for box in boxes for i in box] == [*range(numbers.size)]
    assert all(0 < len(box) <= max(1, limit) for box in boxes)


@pytest.mark.parametrize(
    ("windows", "space", "whole"),
    [
        (windows_of("p", 2, (4, 5)), (4, 5), True),
        (windows_of("p", 2, (6, 5), padding=(1, 0)), (4, 5), True),
        (windows_of("p", 2, (3, 5)), (4, 5), False),
        (windows_of("p", 2, (4, 5)), (4, 10), False),
        (windows_of("p", 1, 3, dilation=2), (5,), False),
        (adaptive_windows_of("p", 2, 1, (4, 5)), (4, 5), True),
        (adaptive_windows_of("p", 2, (1, 2), (4, 5)), (4, 5), False),
    ],
    ids=str,
)
def test_is_whole_recognizes_a_window_over_the_whole_plane(windows, space, whole):
    assert is_whole(windows, space) is whole


def test_adaptive_windows_of_equal_length_without_overlap_equal_those_of_a_kernel():
    windows = tiled(adaptive_windows_of("adaptive_avg_pool2d", 2, (16, 32), (64, 64)), (64, 64))
    assert windows == windows_of("adaptive_avg_pool2d", 2, (4, 2))


def test_a_tile_has_about_the_size_of_a_cache_for_any_shape():
    for shape in [(1, 3000, 3000), (700, 64, 64), (1, 3, 2**20), (40, 2**18, 1), (3, 90, 90, 90)]:
        for kernel, stride in [(2, 2), (3, 1), (3, 2)]:
            windows = windows_of("p", len(shape) - 1, [min(kernel, n) for n in shape[1:]], stride)
            for _, tile in tiles(windows, shape[1:], shape[0]):
                assert np.prod(tile.grouped) <= 3 * 2**17 + 99  # three rows, for a window's height


def test_cells_between_distant_windows_are_not_laid_out():
    windows = windows_of("p", 2, 2, stride=9)
    [(_, tile)] = tiles(windows, (90, 90), 1)
    assert sum(np.zeros((1, 90, 90))[part.cells].size for part in tile.parts) == 4 * 100


def test_only_few_tiles_are_cached(at_random):
    windows = windows_of("p", 1, 2)
    with at_random.sized(cells=4, few=0):
        assert tiles(windows, (99,), 1) is tiles(windows, (99,), 1)
        many = tiles(windows, (999,), 1)
        assert many is not tiles(windows, (999,), 1)
        assert len([*many]) == 250


@pytest.mark.parametrize("kernel", [1, 2])
def test_cells_between_windows_are_initialized(monkeypatch, kernel):
    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda *a, **k: np.full_like(empty(*a, **k), np.nan))
    windows = windows_of("p", 2, kernel, stride=3)
    for _, tile in tiles(windows, (5, 5), 1):
        assert np.isfinite(tile.lay_out(np.ones((1, 5, 5)), 0.0, np.dtype(float))).all()


@pytest.mark.parametrize("name", ["f4", "f8", "g"])
def test_wide_of_returns_numpys_own_dtype_object(name):
    dtype = np.dtype(name)
    for equal in (
        dtype,
        dtype.newbyteorder("="),
        dtype.newbyteorder(),
        pickle.loads(pickle.dumps(dtype)),
    ):
        assert wide_of(equal) is dtype
