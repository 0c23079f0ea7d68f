"""Adaptive pools as users call them."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, OptionError, ShapeError, TieError

MAX = {1: tg.adaptive_max_pool1d, 2: tg.adaptive_max_pool2d, 3: tg.adaptive_max_pool3d}
AVG = {1: tg.adaptive_avg_pool1d, 2: tg.adaptive_avg_pool2d, 3: tg.adaptive_avg_pool3d}
SPACE = (2, 3, 4)

every_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])
every_family = pytest.mark.parametrize("pools", [MAX, AVG], ids=["max", "avg"])
every_size = pytest.mark.parametrize("size", [1, 2, 3, 5, None])


def example(ndim, lead=(2,)):
    rng = np.random.default_rng(0)
    shape = (*lead, *SPACE[-ndim:])
    return rng.permutation(np.prod(shape)).reshape(shape) / 7.0


@every_size
@every_ndim
def test_windows_are_those_computed_by_loops(ndim, size, adaptive_windows_by_hand):
    x = example(ndim, lead=())
    counts = tuple(n if size is None else size for n in x.shape)
    _, places = adaptive_windows_by_hand(x.shape, counts)
    seen = [[x[p] for p in window] for window in places]
    largest, winners = MAX[ndim](x, size, return_indices=True)
    assert largest.data.ravel().tolist() == [max(units) for units in seen]
    assert [x.flat[i] for i in winners.flat] == [max(units) for units in seen]
    means = AVG[ndim](x, size).data.ravel()
    assert means.tolist() == pytest.approx([sum(units) / len(units) for units in seen])
    assert largest.shape == counts == means.reshape(counts).shape


@pytest.mark.long
@every_size
@every_family
@every_ndim
def test_every_adaptive_pool_passes_gradcheck(ndim, pools, size, check_second_derivative):
    tg.gradcheck(lambda x: pools[ndim](x, size), [example(ndim)])
    check_second_derivative(lambda x: pools[ndim](x, size) ** 2, example(ndim, lead=()))


@every_family
def test_an_adaptive_pool_whose_size_divides_is_an_ordinary_pool(pools):
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 8))
    plain = {"max": tg.max_pool2d, "avg": tg.avg_pool2d}["max" if pools is MAX else "avg"]
    np.testing.assert_allclose(
        pools[2](x, (3, 2)).data, plain(x, (2, 4)).data, rtol=1e-14, atol=1e-15
    )


def test_one_window_is_the_global_pool():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 7))
    everything = tg.Value(x).max(axis=(-2, -1), keepdims=True)
    np.testing.assert_array_equal(tg.adaptive_max_pool2d(x, 1).data, everything.data)


def test_a_unit_in_two_windows_gets_both_gradients():
    x = tg.Value([1.0, 9.0, 2.0])
    y = tg.adaptive_max_pool1d(x, 2)
    y.backward([10.0, 20.0])
    assert (y.data.tolist(), x.grad.tolist()) == ([9.0, 9.0], [0.0, 30.0, 0.0])


@pytest.mark.parametrize(
    ("ties", "to_x"), [("first", [1, 0, 0]), ("last", [0, 0, 1]), ("even", [0.5, 0, 0.5])]
)
def test_ties_are_broken_as_in_other_pools(ties, to_x):
    x = tg.Value([5.0, 2.0, 5.0])
    tg.adaptive_max_pool1d(x, 1, ties=ties).backward([1.0])
    assert x.grad.tolist() == to_x
    with pytest.raises(TieError, match=r"adaptive_max_pool1d: units \(0,\), \(2,\) share"):
        tg.adaptive_max_pool1d(x, 1, ties="error")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@every_family
@every_ndim
def test_dtype_and_an_empty_batch_are_kept(ndim, pools, dtype):
    x = tg.Value(np.zeros((0, *SPACE[-ndim:]), dtype))
    y = pools[ndim](x, 2)
    y.backward(np.zeros(y.shape))
    assert (y.shape, y.dtype, x.grad.dtype) == ((0, *(2,) * ndim), dtype, dtype)


def test_a_node_has_the_name_of_the_function_called():
    assert tg.adaptive_max_pool3d(np.ones((2, 2, 2)), 1).op == "adaptive_max_pool3d"
    assert tg.adaptive_avg_pool1d([1.0], 1).op == "adaptive_avg_pool1d"


@pytest.mark.parametrize(
    ("x", "size", "error", "message"),
    [
        (np.ones((4, 4)), 0, OptionError, "output_size must be at least 1"),
        (np.ones((4, 4)), (1, 2, 3), OptionError, "output_size needs one number or 2"),
        (np.ones((4, 4)), 1.5, OptionError, "output_size must be integers"),
        (np.ones(4), 1, ShapeError, "needs at least 2 axes, got shape (4,)"),
        (
            np.ones((4, 0)),
            2,
            ShapeError,
            "window (0, 0) holds no unit of the input of shape (4, 0)",
        ),
        (np.ones((0, 0)), None, OptionError, "output_size must be at least 1, got (0, 0)"),
        ("picture", 1, DataError, "needs real numbers"),
    ],
)
@every_family
def test_mistakes_are_named(pools, x, size, error, message):
    name = "max" if pools is MAX else "avg"
    with pytest.raises(error, match="^" + re.escape(f"adaptive_{name}_pool2d: {message}")):
        pools[2](x, size)
