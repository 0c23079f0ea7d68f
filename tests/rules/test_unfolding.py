import numpy as np
import pytest

from tinygrad_pool.rules.cells import cells_of
from tinygrad_pool.rules.unfolding import fold, unfold
from tinygrad_pool.rules.windows import windows_of


@pytest.mark.parametrize("lead", [(), (2,), (2, 3), (0,)])
def test_unfold_lays_out_the_cells_of_each_window(plane, lead):
    windows, space = plane
    x = np.random.default_rng(0).standard_normal((*lead, *space))
    cells = cells_of(windows, space)
    seen = x.reshape(*lead, int(np.prod(space)))[..., cells]
    np.testing.assert_array_equal(unfold(x, windows=windows), np.where(cells < 0, 0.0, seen))


def test_fold_is_the_adjoint_of_unfold(plane):
    windows, space = plane
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (2, *space)).astype(float)
    seen = unfold(x, windows=windows)
    g = rng.integers(-9, 9, seen.shape).astype(float)
    assert (seen * g).sum() == (x * fold(g, windows=windows, shape=x.shape)).sum()


def test_overlapping_windows_add_up_in_row_major_order(plane):
    windows, space = plane
    cells = cells_of(windows, space)
    g = np.random.default_rng(0).standard_normal(cells.shape)
    in_order = np.zeros(int(np.prod(space)))
    np.add.at(in_order, cells[cells >= 0], g[cells >= 0])
    np.testing.assert_array_equal(
        fold(g, windows=windows, shape=space), in_order.reshape(space), strict=True
    )


def test_the_order_of_summation_changes_the_last_bits():
    windows = windows_of("pool", 1, 3, stride=1)
    g = np.zeros((3, 3))
    g[0, 2], g[1, 1], g[2, 0] = 1e16, -1e16, 1.0  # all for cell 2, in order of the windows
    assert fold(g, windows=windows, shape=(5,))[2] == (1e16 - 1e16) + 1.0
    assert (1.0 + -1e16) + 1e16 == 0.0  # the sum in the other order
