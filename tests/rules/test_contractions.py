"""Products that sum over axes: random einsums, and invalid operands."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import AxisError, OptionError, ShapeError

LENGTHS = {"i": 2, "j": 3, "k": 1, "l": 2}


@st.composite
def einsums(draw):
    """Draw subscripts for one to three operands, with repeated letters."""
    terms = draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    letters = sorted(set("".join(terms)))
    out = "".join(draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))])
    return ",".join(terms) + (f"->{out}" if draw(st.booleans()) else "")


@settings(max_examples=60)
@given(einsums(), st.sampled_from(["", "i", "jl"]))
def test_any_einsum_equals_numpys_and_has_its_gradients(subscripts, narrow):
    """Letters of `narrow` have one cell in the first term, which is broadcast."""
    rng = np.random.default_rng(0)
    terms = subscripts.partition("->")[0].split(",")
    shapes = [[LENGTHS[c] for c in term] for term in terms]
    if len(set(terms[0])) == len(terms[0]):
        shapes[0] = [1 if c in narrow else LENGTHS[c] for c in terms[0]]
    arrays = [rng.normal(size=shape) for shape in shapes]
    expected = np.einsum(subscripts, *arrays)
    xs = [Value(a) for a in arrays]
    y = np.einsum(subscripts, *xs)
    np.testing.assert_allclose(y.data, expected, atol=1e-12)
    g = rng.normal(size=y.shape)
    for i, got in enumerate(tg.grad(y, xs, g)):
        for place in np.ndindex(arrays[i].shape):
            unit = np.zeros(arrays[i].shape)
            unit[place] = 1.0
            moved = np.einsum(subscripts, *arrays[:i], unit, *arrays[i + 1 :])  # linear in each
            assert np.asarray(got)[place] == pytest.approx(np.sum(g * moved), abs=1e-9)


def test_constants_may_broadcast_in_einsum():
    x, column = Value(np.arange(6.0).reshape(2, 3)), np.array([[2.0], [3.0]])
    y = np.einsum("ij,ij->j", column, x)
    assert np.array_equal(y.data, [9.0, 14.0, 19.0])
    assert np.array_equal(tg.grad(y.sum(), x)[0], [[2.0] * 3, [3.0] * 3])


A, T = Value(np.ones((2, 3))), Value(np.ones((2, 3, 4)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.einsum(A, [0, 1]), OptionError, "the subscripts come first, as text"),
        (lambda: np.einsum("ij,j", A), OptionError, "has 2 terms for 1 operand"),
        (lambda: np.einsum("i", A), OptionError, r"term 'i' .* does not fit shape \(2, 3\)"),
        (lambda: np.einsum("ij->k", A), OptionError, "are not valid subscripts"),
        (lambda: np.einsum("ii", A), ShapeError, "'i' has two lengths in"),
        (lambda: np.tensordot(A, A, 5), AxisError, "needs 5 axes, got operands with 2 and 2"),
        (lambda: np.tensordot(A, T, ([0], [2])), ShapeError, r"axes \[0\] of .* differ in length"),
        (lambda: np.linalg.outer(A, A), ShapeError, "needs two vectors"),
        (lambda: np.vecdot(A, A[:, :1]), ShapeError, "vectors of one length, got 3 and 1"),
        (lambda: np.vecdot(A, 2.0), AxisError, r"np\.vecdot: axis -1 is out of range .* \(\)"),
        (lambda: np.linalg.multi_dot([A]), OptionError, "at least two matrices, got 1"),
        (lambda: np.linalg.multi_dot([A, A[0], A]), ShapeError, r"got \[2, 1, 2\] axes"),
        (lambda: np.cross(A[:, :2], A), ShapeError, "three elements, got 2 and 3"),
    ],
)
def test_invalid_operands_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("axis", [-1, 0, 1, -2])
@pytest.mark.parametrize("shape", [(3, 3), (4, 3, 3)])
def test_vecdot_sums_over_the_same_axis_of_each_operand(axis, shape):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=shape), rng.normal(size=(3, 3) if axis else shape[:1])
    y = np.vecdot(Value(x), Value(w), axis=axis)
    np.testing.assert_allclose(y.data, np.vecdot(x, w, axis=axis))


def test_dot_and_einsum_are_single_nodes_where_possible():
    w = Value(np.ones((3, 2)))
    assert np.dot(A, w).op == "matmul"
    assert np.einsum("ij,jk->ik", A, w).op == "einsum"
    assert np.linalg.matmul(A, w).op == "matmul"
