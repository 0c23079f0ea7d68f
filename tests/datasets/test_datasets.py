"""Data sets and batches."""

import numpy as np
import pytest

from tinygrad_pool.datasets import batches, digits, moons
from tinygrad_pool.errors import DataError, OptionError, ShapeError


def test_the_split_of_the_digits_is_fixed():
    (x, labels), (x_test, labels_test) = digits()
    (again, _), _ = digits()
    assert np.array_equal(x, again)
    assert (x.shape, x_test.shape) == ((1347, 1, 8, 8), (450, 1, 8, 8))
    assert (labels.shape, labels_test.shape) == ((1347,), (450,))
    assert labels_test[:10].tolist() == [0, 2, 4, 7, 6, 8, 1, 9, 5, 0]
    assert labels.dtype == np.int64


def test_pixels_go_from_zero_to_one():
    (x, _), (x_test, _) = digits()
    assert (x.min(), x.max()) == (0.0, 1.0)
    assert set(np.unique(x * 16)) == set(range(17))
    assert x_test.dtype == np.float32


def test_every_digit_is_in_both_parts_in_proportion():
    (_, labels), (_, labels_test) = digits()
    share = np.bincount(labels_test) / (np.bincount(labels) + np.bincount(labels_test))
    assert np.all(np.abs(share - 0.25) < 0.01)


@pytest.mark.parametrize("dtype", [np.float16, "float32", np.dtype("float64"), float])
def test_the_dtype_can_be_any_floating_one(dtype):
    (x, _), _ = digits(dtype=dtype)
    assert x.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", [np.int32, "train"])
def test_another_dtype_is_an_error(dtype):
    with pytest.raises(OptionError, match="digits: dtype must be a floating-point type, got"):
        digits(dtype)


def test_moons_are_two_half_circles():
    points, labels = moons(101, noise=0.0)
    upper, lower = points[labels == -1], points[labels == 1]
    assert (len(upper), len(lower)) == (50, 51)
    assert np.hypot(*upper.T) == pytest.approx(1.0)
    assert np.hypot(*(lower - [1.0, 0.5]).T) == pytest.approx(1.0)
    assert np.all(upper[:, 1] >= 0)
    assert np.all(lower[:, 1] <= 0.5)


def test_noise_follows_the_seed():
    points, _ = moons(50, seed=1)
    assert np.array_equal(points, moons(50, seed=1)[0])
    assert not np.array_equal(points, moons(50, seed=2)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 1}, "moons: n must be at least 2, got 1"),
        ({"n": 10.5}, "moons: n must be an integer, got 10.5"),
        ({"noise": -1}, "moons: noise must be a non-negative number, got -1"),
        ({"noise": "a"}, "moons: noise must be a non-negative number, got 'a'"),
        ({"seed": -1}, "moons: seed must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        moons(**options)


@pytest.mark.covered
@pytest.mark.peer
def test_digits_are_those_of_scikit_learn(peer):
    theirs = peer("sklearn.datasets").load_digits()
    (x, labels), (x_test, labels_test) = digits()
    ours = np.concatenate([x, x_test])[:, 0] * 16
    images = {
        (tuple(image.ravel()), int(label))
        for image, label in zip(theirs.images, theirs.target, strict=True)
    }
    found = {
        (tuple(image.ravel()), int(label))
        for image, label in zip(ours, [*labels, *labels_test], strict=True)
    }
    assert found == images


def test_batches_have_each_example_once_in_a_new_order_each_epoch():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    rng = np.random.default_rng(0)
    epochs = [list(batches(x, y, 4, rng)) for _ in range(2)]
    for parts in epochs:
        assert [len(part) for part, _ in parts] == [4, 4, 2]
        assert all(np.array_equal(part[:, 0], 2 * labels) for part, labels in parts)
        assert sorted(np.concatenate([labels for _, labels in parts])) == list(range(10))
    orders = [np.concatenate([labels for _, labels in parts]).tolist() for parts in epochs]
    assert orders[0] != orders[1]


def test_batches_in_order_and_without_the_last():
    x = np.arange(5)
    kept = [part.tolist() for part, _ in batches(x, x, 2, shuffle=False, drop_last=True)]
    assert kept == [[0, 1], [2, 3]]
    assert list(batches(x[:0], x[:0])) == []
    assert [len(part) for part, _ in batches(np.zeros(65), np.zeros(65))] == [32, 32, 1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: batches(x, x, 0), OptionError, "batches: size must be at least 1, got 0"),
        (
            lambda x: batches(x, x[1:]),
            ShapeError,
            "batches: needs as many targets as examples, got 2 and 3",
        ),
        (lambda x: batches(x.tolist(), x), DataError, r"batches: needs arrays .*, got \[0, 1, 2\]"),
        (lambda x: batches(x, x[0]), DataError, "batches: needs arrays of examples, got"),
        (lambda x: batches(x, x, rng="a"), OptionError, "batches: rng must be a NumPy generator"),
        (lambda x: batches(x, x, shuffle=1), OptionError, "batches: shuffle must be True or False"),
    ],
)
def test_arguments_that_do_not_fit_are_named_at_once(call, error, message):
    with pytest.raises(error, match=message):
        call(np.arange(3))
