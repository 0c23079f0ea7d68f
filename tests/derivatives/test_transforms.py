"""Derivatives of functions compared with finite differences and torch.func, and nested."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.derivatives.transforms import hessian, jacobian, jvp, vjp
from tinygrad_pool.errors import OptionError, ShapeError

X, W = np.array([0.5, -1.0, 2.0]), np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 1.0]])


def f(x, w):
    return np.tanh(w @ x) * x[0]


def scalar(x):
    return (np.sin(x) * x).sum() * x[1]


def test_jacobians_by_one_argument_by_several_and_of_structures():
    J = jacobian(f)(X, W)
    assert J.shape == (2, 3)
    Jx, Jw = jacobian(f, (0, 1))(X, W)
    assert np.array_equal(Jx, J)
    assert Jw.shape == (2, 2, 3)
    found = jacobian(lambda p: {"y": f(p["x"], W), "s": p["x"].sum()})({"x": X})
    assert np.array_equal(found["y"]["x"], J)
    assert np.array_equal(found["s"]["x"], np.ones(3))
    J, aux = jacobian(lambda x: (x * 2, x.sum()), has_aux=True)(X)
    assert np.array_equal(J, 2 * np.eye(3))
    assert aux == X.sum()
    assert jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert jacobian(lambda x: x * x)(3.0) == 6.0


def test_a_hessian_is_the_slope_of_the_gradient():
    H = hessian(scalar)(X)
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    for i in range(3):
        e = np.eye(3)[i] * 1e-6
        column = (tg.grad(scalar)(X + e) - tg.grad(scalar)(X - e)) / 2e-6
        np.testing.assert_allclose(H[i], column, atol=1e-6)
    assert hessian(f)(X, W).shape == (2, 3, 3)
    (xx, xw), (wx, ww) = hessian(lambda x, w: f(x, w).sum(), (0, 1))(X, W)
    np.testing.assert_allclose(xw, np.moveaxis(wx, -1, 0), atol=1e-12)
    assert (xx.shape, ww.shape) == ((3, 3), (2, 3, 2, 3))


def test_products_with_the_jacobian_from_either_side():
    J, g, t = jacobian(f)(X, W), np.array([2.0, -1.0]), np.array([1.0, 0.5, -2.0])
    y, pull = vjp(lambda x: f(x, W), X)
    np.testing.assert_allclose(pull(g)[0], g @ J)
    np.testing.assert_allclose(y, f(X, W))
    y, moved = jvp(lambda x: f(x, W), (X,), (t,))
    np.testing.assert_allclose(moved, J @ t)
    out, pull = vjp(lambda x: {"a": x * 2, "b": x.sum()}, X)
    (both,) = pull({"a": t, "b": 3.0})
    np.testing.assert_allclose(both, 2 * t + 3.0)
    assert out["b"] == X.sum()
    assert vjp(lambda x: (x, x.max()), 2.0, has_aux=True)[2] == 2.0
    assert jvp(lambda x: (x, x.max()), (2.0,), (1.0,), has_aux=True)[2] == 2.0
    assert jvp(lambda x: 0.0 * x, (2.0,), (1.0,))[1] == 0.0


def test_parts_are_paired_by_name_whatever_their_order():
    def product(p):
        return p["a"] * p["b"]

    assert jvp(product, ({"a": 1.0, "b": 2.0},), ({"b": 5.0, "a": 3.0},))[1] == 3 * 2 + 1 * 5
    assert vjp(lambda x: {"a": x, "b": 2 * x}, 1.0)[1]({"b": 1.0, "a": 0.0}) == (2.0,)
    net = tg.nn.Linear(3, 1, rng=0)
    t = {"bias": np.array([5.0]), "weight": np.zeros((1, 3))}
    assert jvp(lambda net: net(X).sum(), (net,), (t,))[1] == 5.0


def test_a_jacobian_of_nothing_keeps_the_dtype():
    assert jacobian(lambda x: x[:0])(X.astype(np.float32)).dtype == np.float32


def test_they_nest():
    def outer(x):
        return x * tg.grad(lambda y: x * y * y)(2.0)  # 4 x²

    assert tg.grad(outer)(3.0) == 24.0
    assert tg.grad(tg.grad(tg.grad(lambda x: x**4)))(2.0) == 48.0
    t = np.array([1.0, 0.5, -2.0])
    by_jvp = jvp(tg.grad(scalar), (X,), (t,))[1]  # forward over reverse
    np.testing.assert_allclose(by_jvp, hessian(scalar)(X) @ t, atol=1e-12)
    by_vjp = tg.grad(lambda x: (vjp(scalar, x)[1](1.0)[0] * t).sum())(X)
    np.testing.assert_allclose(by_vjp, by_jvp, atol=1e-12)
    inner = tg.grad(lambda x: jvp(scalar, (x,), (t,))[1])(X)
    np.testing.assert_allclose(inner, by_jvp, atol=1e-12)
    value, g = jacobian(tg.value_and_grad(scalar))(X)
    np.testing.assert_allclose(value, tg.grad(scalar)(X), atol=1e-12)
    np.testing.assert_allclose(g, hessian(scalar)(X), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: vjp(np.sin, X)[1](1.0), ShapeError, r"a gradient needs shape \(3,\), got \(\)"),
        (lambda: jvp(np.sin, (X,), (1.0,)), ShapeError, r"a tangent needs shape \(3,\)"),
        (lambda: jvp(np.sin, (X,), ()), OptionError, r"a tangent needs the parts \[0\], got \[\]"),
        (
            lambda: jvp(np.sin, X, X),
            OptionError,
            r"needs tuples of arguments and of tangents: jvp\(f, \(x,\), \(t,\)\)",
        ),
        (lambda: jvp(np.sin, (X,), X), OptionError, r"the parts \[0\], got ndarray"),
        (lambda: vjp(lambda x: {"y": x}, X)[1]({"z": X}), OptionError, r"\['y'\], got \['z'\]"),
    ],
)
def test_mismatched_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.peer
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_numbers_are_those_of_torch_func(peer):
    torch = peer("torch")
    x, w = torch.tensor(X), torch.tensor(W)

    def theirs(x, w):
        return torch.tanh(w @ x) * x[0]

    def close(ours, other):
        np.testing.assert_allclose(ours, other.numpy(), 1e-12, 1e-13)

    close(jacobian(f, 1)(X, W), torch.func.jacrev(theirs, 1)(x, w))
    ours = hessian(lambda x, w: f(x, w).sum(), (0, 1))(X, W)
    other = torch.func.hessian(lambda x, w: theirs(x, w).sum(), (0, 1))(x, w)
    for i, k in np.ndindex(2, 2):
        close(ours[i][k], other[i][k])
    g, t = np.array([2.0, -1.0]), np.array([1.0, 0.5, -2.0])
    for one, two in zip(
        vjp(f, X, W)[1](g), torch.func.vjp(theirs, x, w)[1](torch.tensor(g)), strict=True
    ):
        close(one, two)
    y, moved = jvp(f, (X, W), (t, W))
    other_y, other_moved = torch.func.jvp(theirs, (x, w), (torch.tensor(t), w))
    close(y, other_y)
    close(moved, other_moved)
    slopes, value = torch.func.grad_and_value(lambda x: theirs(x, w).sum())(x)
    ours_value, ours = tg.value_and_grad(lambda x: f(x, W).sum())(X)
    close(ours, slopes)
    close(ours_value, value)
