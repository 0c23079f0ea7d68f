"""Forward-mode derivatives through a recorded graph."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.jvp import jvp
from tinygrad_pool.errors import RuleError


def assert_adjoint(y, leaves):
    """Check <r, ẏ> = Σ <∂<r, y>/∂x, ẋ>, for random r and ẋ."""
    rng = np.random.default_rng(3)
    moves = {x: rng.standard_normal(x.shape) for x in leaves}
    r = rng.standard_normal(y.shape)
    slopes = tg.grad(y, leaves, gradient=r)
    expected = sum(np.sum(g * moves[x]) for x, g in zip(leaves, slopes, strict=True))
    moved = jvp(y, moves)[y]
    assert np.shape(moved) == y.shape
    assert np.sum(r * moved) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    return expected


@pytest.mark.covered
@pytest.mark.parametrize("ties", ["first", "last", "even"])
@pytest.mark.parametrize("seed", range(20))
def test_jvps_agree_with_gradients(random_net, seed, ties):
    assert_adjoint(*random_net(seed, "tied", ties=ties))


def test_a_graph_of_numbers_and_arrays_mixed():
    a, x = Value(2.0), Value([1.0, 3.0])
    y = tg.softmax(a * x, axis=0).max() ** a + (a.exp() * 0.5).relu() - tg.log_softmax(x).sum()
    assert assert_adjoint(y, [a, x]) != 0


def test_half_precision_does_not_round_them():
    x = Value(np.ones(4000, np.float16))
    rng = np.random.default_rng(0)
    y = x * 40000.0
    moved = jvp(y, {x: rng.standard_normal(4000)})[y]
    assert moved.dtype == np.float64
    assert np.isfinite(moved).all()
    assert len(np.unique(moved)) == 4000


def test_unchanged_leaves_and_detached_values_have_tangent_0():
    x, w = Value([1.0, 2.0]), Value([5.0, 7.0])
    y = x * w + x.detach() * 3.0 + np.array([1.0, 2.0])
    moved = jvp(y, {x: np.array([1.0, 10.0])})
    assert moved[y].tolist() == [5.0, 70.0]
    assert moved[w].tolist() == [0.0, 0.0]
    assert jvp(x, {})[x].tolist() == [0.0, 0.0]


def test_zero_tangents_give_zero():
    y = Value([1.0, 2.0]) * 3.0
    assert jvp(y, {})[y].tolist() == [0.0, 0.0]
    assert jvp(y.sum(), {})[y.parents[0]].tolist() == [0.0, 0.0]


def test_inside_no_grad_they_are_the_same(monkeypatch):
    monkeypatch.setattr("tinygrad_pool.derivatives.jvp.sparse_jacobian", None)  # a plain rule
    x = Value([1.0, 2.0])
    y = x * x
    with tg.no_grad():
        assert jvp(y, {x: np.array([1.0, 1.0])})[y].tolist() == [2.0, 4.0]


def test_slopes_follow_numpy_where_python_raises():
    x = Value(0.0)
    with np.errstate(divide="ignore"):
        y = x.log()
    assert jvp(y, {x: 2.0})[y] == np.inf


def cube_of_arrays(x, _):
    if isinstance(x, Value):
        raise ValueError("only arrays")  # noqa: TRY004  # a rule may raise anything

    def cube_backward(g):
        to_x = np.empty_like(x)
        to_x[...] = 3 * g * x**2
        return to_x, None

    return x**3, cube_backward


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2)])
def test_a_rule_for_arrays_only_and_one_without_gradient_for_an_operand(shape):
    x, w = Value(np.full(shape, 2.0)), Value(np.ones(shape))
    y = tg.lift(cube_of_arrays)(x, w)
    move = np.reshape(np.arange(1.0, x.size + 1), shape)
    np.testing.assert_array_equal(jvp(y, {x: move, w: move})[y], 12 * move)
    np.testing.assert_array_equal(jvp(y, {x: move})[y], 12 * move)


def test_a_computed_value_may_be_given_a_tangent():
    x = Value([1.0, 2.0])
    y = x * x
    z = y * x
    assert jvp(z, {y: np.array([1.0, 10.0])})[z].tolist() == [1.0, 20.0]


def keeps_the_largest(x):
    on = x == np.max(x)
    return np.where(on, x, 0.0), lambda g: (np.where(on, g, 0.0),)


def test_a_rule_that_differs_on_values_uses_its_links():
    x = Value([2.0, 3.0])
    y = tg.lift(keeps_the_largest)(x)
    assert jvp(y, {x: np.array([5.0, 7.0])})[y].tolist() == [0.0, 7.0]
    with pytest.raises(RuleError, match="keeps_the_largest: to operand 0 its closure sends"):
        tg.jvp(tg.lift(keeps_the_largest), (np.array([2.0, 3.0]),), (np.array([5.0, 7.0]),))
