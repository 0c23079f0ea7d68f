"""One plane of a pooling."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.planes import is_pool, plane_of
from tinygrad_pool.errors import GraphError

SQUARE = np.arange(32.0).reshape(2, 4, 4)


@pytest.mark.parametrize("plane", [0, 1])
def test_a_plane_has_its_own_cells_units_and_links(plane):
    y = tg.max_pool2d(Value(SQUARE), 3, 1, 1)
    y.backward(np.ones(y.shape))
    found = plane_of(y, (plane,))
    np.testing.assert_array_equal(found.x, SQUARE[plane])
    np.testing.assert_array_equal(found.links @ found.x, y.data[plane])
    np.testing.assert_array_equal(found.links.wins().reshape(4, 4), found.grads[0])
    assert (found.chooses, found.overlap, found.rims) == (True, True, ((1, 1), (1, 1)))
    assert found.spans(5) == [(0, 2), (0, 2)]


def test_a_row_is_a_plane_of_one_row():
    found = plane_of(tg.adaptive_avg_pool1d(Value(np.arange(5.0)), 3), ())
    assert (found.x.shape, found.y.shape, found.grads) == ((1, 5), (1, 3), (None, None))
    assert [found.spans(unit)[1] for unit in range(3)] == [(0, 1), (1, 3), (3, 4)]
    assert (found.chooses, found.rims) == (False, ((0, 0), (0, 0)))


@pytest.mark.parametrize(
    ("options", "rims"),
    [
        ({"kernel_size": 2, "ceil_mode": True}, ((0, 0), (0, 1))),
        ({"kernel_size": 2, "padding": 1, "ceil_mode": True}, ((1, 1), (1, 1))),
        ({"kernel_size": (2, 3), "stride": 2}, ((0, 0), (0, 0))),
        ({"kernel_size": 3, "stride": 3, "dilation": 2, "ceil_mode": True}, ((0, 2), (0, 0))),
    ],
)
def test_rims_are_how_far_windows_reach_beyond_the_input(options, rims):
    y = tg.max_pool2d(Value(np.arange(30.0).reshape(6, 5)), **options)
    found = plane_of(y, ())
    assert found.rims == rims
    for axis, n in enumerate(found.x.shape):
        last = max(found.spans(unit)[axis][1] for unit in range(y.size))
        assert last < n + rims[axis][1]


def test_only_a_pooling_of_a_value_is_a_pool():
    x = Value(SQUARE)
    with tg.no_grad():
        cut = tg.max_pool2d(x, 2)
    others = [cut, x, x.max(), tg.max_pool1d([1.0, 2.0], 2)]
    assert [is_pool(node) for node in others] == [False] * 4
    assert all(is_pool(f(x, 2)) for f in (tg.max_pool2d, tg.avg_pool2d))
    assert is_pool(tg.lp_pool2d(x, 2, 2))


def test_changed_data_is_refused():
    x = Value(np.eye(4), label="x")
    y = tg.max_pool2d(x, 2)
    x.data = np.ones((4, 4))
    with pytest.raises(GraphError, match=r"^draw_windows: the data of the leaf 'x' changed"):
        plane_of(y, ())
