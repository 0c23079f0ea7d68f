import numpy as np
import pytest

from tinygrad_pool.rules.unpooling import max_unpool
from tinygrad_pool.rules.windows import windows_of


def test_each_plane_has_its_own_indices():
    x, indices = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3, 0], [1, 2]])
    y, closure = max_unpool(x, windows=windows_of("max_unpool1d", 1, 2), indices=indices)
    assert y.tolist() == [[2.0, 0.0, 0.0, 1.0], [0.0, 3.0, 4.0, 0.0]]
    assert closure(np.arange(8.0).reshape(2, 4))[0].tolist() == [[3.0, 0.0], [5.0, 6.0]]


@pytest.mark.parametrize("lead", [(3,), (3, 1), (2, 2)])
def test_several_planes_are_unpooled_separately(lead):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((*lead, 2, 2))
    indices = rng.permuted(np.tile(np.arange(16), (*lead, 1)), axis=-1)[..., :4].reshape(x.shape)
    g = rng.standard_normal((*lead, 4, 4))
    y, closure = max_unpool(x, windows=windows_of("max_unpool2d", 2, 2), indices=indices)
    (to_x,) = closure(g)
    assert y.shape == g.shape
    assert np.count_nonzero(y) == x.size
    for unit in np.ndindex(x.shape):
        plane = unit[:-2]
        assert y[plane].flat[indices[unit]] == x[unit]
        assert to_x[unit] == g[plane].flat[indices[unit]]


def test_the_last_of_equal_indices_in_row_major_order_wins():
    windows = windows_of("max_unpool2d", 2, 1)
    x, indices = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3, 1], [1, 3]])
    y, closure = max_unpool(x, windows=windows, indices=indices)
    assert y.tolist() == [[0.0, 3.0], [0.0, 4.0]]
    assert closure(np.array([[1.0, 10.0], [100.0, 1000.0]]))[0].tolist() == [[0, 0], [10, 1000]]


def test_an_empty_batch_is_unpooled_to_an_empty_batch():
    windows = windows_of("max_unpool2d", 2, 2)
    x = np.zeros((0, 2, 2), np.float32)
    y, closure = max_unpool(x, windows=windows, indices=np.zeros(x.shape, int))
    assert (y.shape, y.dtype, closure(y)[0].shape) == ((0, 4, 4), np.float32, (0, 2, 2))


def test_a_plane_of_one_unit_is_unpooled_to_itself():
    windows = windows_of("max_unpool1d", 1, 1)
    assert max_unpool(np.array([[5.0]]), windows=windows, indices=np.array([[0]]))[0] == [[5.0]]
