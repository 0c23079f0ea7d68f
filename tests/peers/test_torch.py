"""PyTorch computes the same: results and gradients of convolutions, products and reductions."""

from itertools import product

import numpy as np
import pytest

import tinygrad_pool as tg

pytestmark = pytest.mark.peer

DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
TOLERANCE = {np.float32: {"rtol": 1e-4, "atol": 1e-4}, np.float64: {"rtol": 1e-11, "atol": 1e-11}}


@pytest.fixture
def torch(peer):
    torch = peer("torch")
    torch.set_num_threads(1)  # the arrays are small
    return torch


@pytest.fixture
def agree(torch):
    """Check that ours on Values and theirs on tensors have one result and the same gradients."""

    def check(ours, theirs, arrays, *options, **more):
        xs = [tg.Value(a) for a in arrays]
        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        y, expected = ours(*xs, *options, **more), theirs(*tensors, *options, **more)
        g = np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)
        expected.backward(torch.tensor(g))
        gradients = tg.grad(y, xs, gradient=g)
        actual, desired = [y.data, *gradients], [expected.detach(), *(t.grad for t in tensors)]
        for a, d in zip(actual, desired, strict=True):
            np.testing.assert_allclose(a, d.numpy(), strict=True, **TOLERANCE[arrays[0].dtype.type])

    return check


CONVOLUTIONS = {
    1: [[(1,), (3,)], [1, 2], [0, 2], [1, 3], [1, 2]],
    2: [[(1, 1), (2, 2), (3, 2)], [1, (2, 3)], [0, 1, (2, 0)], [1, (1, 2)], [1, 2]],
    3: [[(1, 2, 3)], [1, (2, 1, 1)], [0, (1, 0, 2)], [1, (2, 1, 1)], [1, 2]],
}


@every_dtype
@pytest.mark.parametrize("ndim", CONVOLUTIONS)
def test_convolution(torch, agree, ndim, dtype):
    rng = np.random.default_rng(0)
    ours, theirs = getattr(tg, f"conv{ndim}d"), getattr(torch.nn.functional, f"conv{ndim}d")
    for kernel, *options, groups in product(*CONVOLUTIONS[ndim]):
        shapes = [(2, 4, *(7, 6, 5)[:ndim]), (6, 4 // groups, *kernel), (6,)]
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        agree(ours, theirs, arrays, *options, groups)


@every_dtype
@pytest.mark.parametrize(
    ("x", "w"),
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((0, 3), (3, 2)),
    ],
)
def test_matrix_products(torch, agree, x, w, dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in (x, w)]
    agree(tg.matmul, torch.matmul, arrays)


@every_dtype
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_the_softmax_family(torch, agree, name, dtype):
    x = 10 * np.random.default_rng(0).standard_normal((3, 5)).astype(dtype)
    x[0, 0] = -np.inf
    agree(getattr(tg, name), getattr(torch, name), [x], 1)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (tg.relu, lambda torch, t: torch.relu(t)),
        (tg.abs, lambda torch, t: torch.abs(t)),
        (lambda x: tg.clip(x, -1, 1), lambda torch, t: torch.clamp(t, -1, 1)),
        (lambda x: x.max(axis=0), lambda torch, t: torch.max(t, 0).values),
        (lambda x: x.min(axis=0), lambda torch, t: torch.min(t, 0).values),
        (lambda x: x.max(axis=0, ties="even"), lambda torch, t: torch.amax(t, 0)),
        (lambda x: x.min(ties="even"), lambda torch, t: torch.amin(t)),
    ],
)
def test_kinks_and_ties(torch, agree, ours, theirs):
    x = np.array([[-1.0, 0.0], [1.0, 0.0], [-1.0, -2.0], [1.0, 0.0]])
    agree(ours, lambda t: theirs(torch, t), [x])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_two_operands_that_share_evenly(torch, agree, name):
    arrays = [np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])]
    agree(lambda *xs: getattr(tg, name)(*xs, ties="even"), getattr(torch, name), arrays)
