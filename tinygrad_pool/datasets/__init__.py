"""Data sets: handwritten digits and two moons; and batches of examples."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib.resources import files
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import DataError, OptionError, ShapeError
from tinygrad_pool.rules.arguments import Rng, flag, floating, generator, numbers

Images = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
X = TypeVar("X", bound=np.generic)
Y = TypeVar("Y", bound=np.generic)

TEST_EVERY = 4  # every fourth image is for testing


def digits(dtype: Any = np.float32) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """Return the UCI optical digits as (x, labels) for training and (x, labels) for testing.

    There are 1,797 handwritten digits. Shapes: x is (n, 1, 8, 8), from 0 (paper) to 1 (ink); labels
    are (n,), 0 to 9. The split is always the same: with the images sorted by digit, and otherwise
    in the order of the data set, every fourth is for testing, 450 in all. The other 1,347 are for
    training.

    Raises OptionError if `dtype` is not a floating one.

    Source: E. Alpaydin, C. Kaynak (1998), as distributed with scikit-learn; see digits/LICENSE.txt.

    >>> (x, labels), (x_test, labels_test) = digits()
    >>> x.shape, x_test.shape, labels[:3]
    ((1347, 1, 8, 8), (450, 1, 8, 8), array([1, 3, 5]))
    """
    kind = floating(dtype, "digits: dtype")
    packed = files("tinygrad_pool.datasets").joinpath("digits", "digits.csv.gz").read_bytes()
    rows = np.array([line.split(b",") for line in gzip.decompress(packed).split()], np.int64)
    x, labels = (rows[:, :-1] / 16).reshape(-1, 1, 8, 8).astype(kind), rows[:, -1]
    testing = np.zeros(len(x), bool)
    testing[np.argsort(labels, kind="stable")[::TEST_EVERY]] = True
    return (x[~testing], labels[~testing]), (x[testing], labels[testing])


def moons(n: int = 100, noise: float = 0.1, seed: int = 0) -> tuple[Images, Labels]:
    """Return n points on two interleaved half circles, and their labels, −1 and 1.

    Shapes: (n, 2) and (n,). The half circles have radius 1 and the centres (0, 0) and (1, ½).
    `noise` is the standard deviation of normal noise added to the points.

    Raises OptionError for fewer than 2 points, negative noise or a negative seed.

    >>> points, labels = moons(4, noise=0.0)
    >>> points.round(1).tolist(), labels.tolist()
    ([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]], [-1, -1, 1, 1])
    """
    (n,) = numbers("moons", "n", n, 1, least=2)
    (seed,) = numbers("moons", "seed", seed, 1, least=0)
    if not isinstance(noise, Real) or not 0 <= noise < np.inf:
        raise OptionError(f"moons: noise must be a non-negative number, got {noise!r}")
    upper, lower = np.linspace(0, np.pi, n // 2), np.linspace(0, np.pi, n - n // 2)
    points = np.concatenate(
        [
            np.stack([np.cos(upper), np.sin(upper)], axis=1),
            np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
        ]
    )
    points += np.random.default_rng(seed).normal(0.0, noise, points.shape)
    return points, np.repeat([-1, 1], [len(upper), len(lower)])


def batches(
    x: NDArray[X],
    y: NDArray[Y],
    size: int = 32,
    rng: Rng = None,
    *,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Iterator[tuple[NDArray[X], NDArray[Y]]]:
    """Iterate over examples in batches of `size`: one epoch, each example once, in random order.

    `rng` is a generator or a seed. Pass the same generator in every epoch to get a different order
    each time. With shuffle=False the order is kept. The last batch may be smaller; with
    `drop_last` it is omitted then.

    Raises DataError unless x and y are arrays; ShapeError unless they have the same length;
    OptionError for a size below 1.

    >>> x, y = np.arange(5.0), np.arange(5)
    >>> [part.tolist() for part, _ in batches(x, y, 2, rng=0)]
    [[2.0, 4.0], [3.0, 0.0], [1.0]]
    """
    (size,) = numbers("batches", "size", size, 1, least=1)
    array: Any
    for array in (x, y):
        if not isinstance(array, np.ndarray) or not array.ndim:
            raise DataError(f"batches: needs arrays of examples, got {array!r:.80}")
    if len(x) != len(y):
        raise ShapeError(f"batches: needs as many targets as examples, got {len(y)} and {len(x)}")
    order = np.arange(len(x))
    if flag(shuffle, "batches: shuffle"):
        generator(rng, "batches").shuffle(order)
    end = len(x) - len(x) % size if flag(drop_last, "batches: drop_last") else len(x)
    parts = [order[start : start + size] for start in range(0, end, size)]
    return ((x[part], y[part]) for part in parts)
