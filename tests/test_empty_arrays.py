"""Operations on empty arrays and planes return the right shape or raise our error."""

from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import TinygradPoolError

EMPTY = [s for n in (1, 2, 3) for s in product([0, 2], repeat=n) if 0 in s]
EMPTY += [(0, 2, 2, 2), (2, 0, 2, 2), (2, 2, 0, 2), (2, 2, 2, 0)]
REDUCTIONS = ["sum", "mean", "max", "min", "logsumexp", "softmax", "log_softmax"]


def works(name, f, *shapes):
    """Run f on empty arrays, forward, backward and to second order; return whether it works."""
    xs = [tg.Value(np.zeros(shape)) for shape in shapes]
    try:
        y = f(*xs)
    except TinygradPoolError as error:
        assert str(error).startswith(f"{name}: ")  # noqa: PT017  # one of the two outcomes
        return False
    gradients = tg.grad(y, xs, gradient=np.ones(y.shape), create_graph=True)
    assert [g.shape for g in gradients] == [x.shape for x in xs]
    total = sum((g * 1.0).sum() for g in gradients)
    again = tg.grad(total, xs) if total.parents else xs
    assert [np.shape(g) for g in again] == [x.shape for x in xs]
    return True


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", ["max_pool", "avg_pool", "lp_pool"])
def test_pools(family, ndim):
    name = f"{family}{ndim}d"
    norm = {"norm_type": 2.0} if family == "lp_pool" else {}
    for kernel, padding, ceil_mode in product((1, 2), (0, 1), (False, True)):
        options = {"kernel_size": kernel, "padding": padding, "ceil_mode": ceil_mode, **norm}
        outcomes = [
            works(name, lambda x, o=options: getattr(tg, name)(x, **o), shape) for shape in EMPTY
        ]
        assert any(outcomes) == (padding < kernel)
        assert not all(outcomes)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", ["adaptive_max_pool", "adaptive_avg_pool"])
def test_adaptive_pools(family, ndim):
    name = f"{family}{ndim}d"
    for size in (1, 2, 3, None):
        outcomes = [works(name, lambda x, m=size: getattr(tg, name)(x, m), s) for s in EMPTY]
        assert any(outcomes)
        assert not all(outcomes)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_unpooling(ndim):
    name = f"max_unpool{ndim}d"

    def unpool(x, kernel, size):
        indices = np.zeros(x.shape, int)
        return getattr(tg, name)(x, indices, kernel, output_size=size and (size,) * ndim)

    for kernel, size in ((1, None), (2, None), (1, 2), (2, 4)):
        outcomes = [
            works(name, lambda x, k=kernel, m=size: unpool(x, k, m), shape) for shape in EMPTY
        ]
        assert any(outcomes)
        assert not all(outcomes)


@pytest.mark.parametrize("ndim", [1, 2])
def test_convolutions(ndim):
    name = f"conv{ndim}d"
    filters = [(f, c, *(k,) * ndim) for f, c, k in product((0, 3), (0, 2), (0, 1, 2))]
    outcomes = [works(name, getattr(tg, name), *two) for two in product(EMPTY, filters)]
    assert any(outcomes)
    assert not all(outcomes)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    reduce = getattr(tg.Value, name, None) or getattr(tg, name)
    for shape in EMPTY:
        for axis in (None, (), 0, -1, tuple(range(len(shape)))):
            outcomes = works(name, lambda x, a=axis: reduce(x, axis=a), shape)
            assert outcomes or name != "sum"


@pytest.mark.parametrize("name", ["matmul", "maximum"])
def test_pairs(name):
    outcomes = [works(name, getattr(tg, name), *two) for two in product(EMPTY[:11], repeat=2)]
    assert any(outcomes)
    assert not all(outcomes)
