"""Arrays as bytes: the cells shown, and the value of each byte."""

from base64 import b64decode

import numpy as np
import pytest

from tinygrad_pool.recording.player.thumbnails import cells_of, format_of, largest_in


@pytest.mark.parametrize(
    ("shape", "planes", "rows", "columns", "every"),
    [
        ((5,), 1, 1, 5, 1),
        ((100,), 1, 1, 25, 4),
        ((3, 4), 1, 3, 4, 1),
        ((8, 12, 4, 4), 6, 4, 4, 1),
        ((2, 33, 10), 2, 17, 5, 2),
        ((9, 28, 28), 1, 28, 28, 1),
    ],
)
def test_a_few_planes_of_at_most_32_cells_are_shown(shape, planes, rows, columns, every):
    shown = format_of(shape)
    assert shown[:4] == (planes, rows, columns, every)
    cells = np.frombuffer(b64decode(cells_of(np.ones(shape), shown, 1.0)), np.int8)
    assert cells.size == planes * rows * columns <= 1024
    assert (cells == 127).all()
    assert max(shown.size) <= 300


def test_numbers_and_empty_arrays_have_none():
    assert format_of(()) is None
    assert format_of((3, 0)) is None


def test_each_byte_is_relative_to_the_largest():
    data = np.array([[-2.0, 0.0, 1.0, 9.0], [np.nan, np.inf, -np.inf, 0.5]])
    cells = np.frombuffer(b64decode(cells_of(data, format_of(data.shape), 2.0)), np.int8)
    assert cells.tolist() == [-127, 0, 64, 127, -128, 127, -127, 32]
    zeros = cells_of(np.zeros(5), format_of((5,)), 0.0)
    assert set(b64decode(zeros)) == {0}


def test_cells_of_large_planes_are_sampled():
    data = np.arange(64.0)
    cells = np.frombuffer(b64decode(cells_of(data, format_of((64,)), 127.0)), np.int8)
    assert cells.tolist() == [*range(0, 64, 2)]


def test_the_largest_magnitude_is_finite():
    assert largest_in(np.array([1.0, -3.0, np.inf, np.nan])) == 3.0
    assert largest_in(np.array([np.nan])) == 0.0
    assert largest_in(2.0) == 2.0
