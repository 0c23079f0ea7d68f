"""Slopes of spectra as in PyTorch, of one triangle, at ties, of any rank; and invalid operands."""

import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, OptionError, ShapeError

RNG = np.random.default_rng(0)
SQUARE, TALL, WIDE = (RNG.normal(size=(2, *shape)) for shape in ((3, 3), (4, 2), (2, 4)))
EYE = Value(np.eye(3))


def vectors(x):
    """Compute what does not depend on the signs that LAPACK chooses: they cancel."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return u[..., :1] * s[..., :1, None] @ vt[..., :1, :]


def projector(x):
    v = np.linalg.eigh(x).eigenvectors[..., :1]
    return v @ v.mT


PAIRS = {
    "eigvalsh": (np.linalg.eigvalsh, lambda torch, x: torch.linalg.eigvalsh(x), [SQUARE]),
    "eigh": (
        projector,
        lambda torch, x: (v := torch.linalg.eigh(x)[1][..., :1]) @ v.mT,
        [SQUARE],
    ),
    "svdvals": (np.linalg.svdvals, lambda torch, x: torch.linalg.svdvals(x), [SQUARE, TALL, WIDE]),
    "svd": (
        vectors,
        lambda torch, x: (
            (f := torch.linalg.svd(x, full_matrices=False))[0][..., :1]
            * f[1][..., :1, None]
            @ f[2][..., :1, :]
        ),
        [SQUARE, TALL, WIDE],
    ),
    "pinv": (np.linalg.pinv, lambda torch, x: torch.linalg.pinv(x), [SQUARE, TALL, WIDE]),
}


@pytest.mark.peer
@pytest.mark.parametrize("name", PAIRS)
def test_slopes_of_both_orders_are_those_of_pytorch(name, peer):
    torch = peer("torch")
    ours, theirs, operands = PAIRS[name]
    for data in operands:
        leaf, tensor = Value(data), torch.tensor(data, requires_grad=True)
        symmetric = name.startswith("eig")  # PyTorch divides the slope among both triangles
        x, t = (v + v.mT if symmetric else v for v in (leaf, tensor))
        y, z = ours(x), theirs(torch, t)
        weights = np.random.default_rng(1).normal(size=y.shape)
        (g,) = tg.grad((y**2 * weights).sum(), leaf, create_graph=True)
        (h,) = torch.autograd.grad((z**2 * torch.tensor(weights)).sum(), tensor, create_graph=True)
        np.testing.assert_allclose(g.data, h.detach().numpy(), 1e-8, 1e-8)
        second, expected = tg.grad((g**3).sum(), leaf), torch.autograd.grad((h**3).sum(), tensor)
        np.testing.assert_allclose(second[0], expected[0].numpy(), 1e-6, 1e-6)


FUNCTIONS = {
    "eigvalsh": np.linalg.eigvalsh,
    "eigh": lambda x: np.linalg.eigh(x).eigenvectors,
    "svdvals": np.linalg.svdvals,
    "U": lambda x: np.linalg.svd(x, full_matrices=False).U,
    "Vh": lambda x: np.linalg.svd(x, full_matrices=False).Vh,
    "pinv": np.linalg.pinv,
}


@pytest.mark.parametrize("triangle", ["L", "U"])
def test_only_the_triangle_that_is_read_gets_a_gradient(triangle):
    x = Value(SQUARE[0])
    for part in np.linalg.eigh(x, triangle):
        (g,) = tg.grad(part, x, np.arange(part.size).reshape(part.shape))
        unread = np.triu(g, 1) if triangle == "L" else np.tril(g, -1)
        assert g.any()
        assert not unread.any()


def test_results_have_the_types_and_the_numbers_of_numpys():
    for f, x in ((np.linalg.eigh, SQUARE), (np.linalg.svd, SQUARE)):
        got, expected = f(Value(x)), f(x)
        assert type(got) is type(expected)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a.data, b, 1e-12, 1e-14)
    assert isinstance(tg.eigh(np.eye(2)).eigenvectors, Value)
    s = np.linalg.svd(Value(TALL), compute_uv=False)
    assert np.array_equal(s.data, np.linalg.svdvals(TALL))


@pytest.mark.parametrize("f", [np.linalg.eigvalsh, np.linalg.svdvals])
def test_equal_values_have_slopes_as_a_sum_has_them(f):
    (g,) = tg.grad((f(EYE) ** 2).sum(), EYE)
    np.testing.assert_allclose(g, 2 * np.eye(3), atol=1e-15)
    with pytest.warns(RuntimeWarning, match="encountered in (divide|matmul)"):
        second = tg.hessian(lambda x: (f(x) ** 2).sum())(EYE)
    assert not np.isfinite(second).all()


@pytest.mark.parametrize("name", ["eigh", "U", "Vh"])
def test_vectors_of_equal_values_have_no_slopes_and_numpy_warns(name):
    with pytest.warns(RuntimeWarning, match="invalid value"):
        (g,) = tg.grad((FUNCTIONS[name](EYE) ** 2).sum(), EYE)
    assert np.isnan(g).any()


def test_a_singular_square_matrix_has_slopes_where_values_differ():
    x = np.outer([1.0, 2.0], [3.0, 1.0])
    assert tg.gradcheck(vectors, x)
    (g,) = tg.grad(np.linalg.svd(v := Value(x)).U[0, 0], v)
    assert np.isfinite(g).all()


def test_a_pseudo_inverse_has_slopes_among_matrices_of_its_rank():
    def f(u, v):
        return np.linalg.pinv(np.outer(u, v), rcond=1e-3)

    assert tg.gradcheck(f, RNG.normal(size=3), RNG.normal(size=4))
    assert np.linalg.pinv(Value(np.diag([2.0, 1.0])), 0.6).data.tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_eigenvalues_of_a_nan_are_not_numbers():
    x = np.diag([np.nan, 1.0])  # np.linalg.eigvalsh(x) is 0 and −0
    assert np.isnan(np.linalg.eigvalsh(Value(x)).data).any()
    assert np.array_equal(np.linalg.eigh(Value(x)).eigenvalues.data, np.linalg.eigh(x)[0], True)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 0), (0, 2, 2)])
def test_empty_matrices(shape):
    for name, f in FUNCTIONS.items():
        if name.startswith("eig") and shape[-1] != shape[-2]:
            continue
        y = f(x := Value(np.zeros(shape)))
        assert y.shape == f(x.data).shape
        assert tg.grad(y.sum(), x)[0].shape == shape


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.linalg.eigh(Value(TALL)), ShapeError, "np.linalg.eigh: needs square matrices"),
        (lambda: np.linalg.eigvalsh(Value(2.0)), ShapeError, "eigvalsh: needs square matrices"),
        (lambda: np.linalg.eigh(EYE, "l"), OptionError, "np.linalg.eigh: UPLO must be one of 'L',"),
        (lambda: np.linalg.svd(Value([1.0])), ShapeError, r"svd: needs matrices, got shape (1,)"),
        (lambda: np.linalg.svd(Value(TALL)), OptionError, "4 × 2 is not square: pass full_matrice"),
        (lambda: np.linalg.svdvals(EYE * np.nan), DataError, "svd: svd did not converge"),
        (lambda: np.linalg.svd(EYE, hermitian=True), OptionError, "argument 'hermitian'"),
        (lambda: np.linalg.pinv(Value([1.0])), ShapeError, "pinv: needs matrices"),
        (lambda: np.linalg.pinv(EYE, -1.0), OptionError, "pinv: rcond must be a number of at leas"),
    ],
)
def test_invalid_operands_are_named(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
