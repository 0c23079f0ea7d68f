"""Operators and methods of Values."""

import operator

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import (
    DataError,
    ShapeError,
)


class TestOperators:
    @pytest.mark.parametrize(
        ("compute", "expected"),
        [
            (lambda v: v + 2, [3.0, 6.0]),
            (lambda v: 2 + v, [3.0, 6.0]),
            (lambda v: v - 2, [-1.0, 2.0]),
            (lambda v: 2 - v, [1.0, -2.0]),
            (lambda v: v * 2, [2.0, 8.0]),
            (lambda v: 2 * v, [2.0, 8.0]),
            (lambda v: v / 2, [0.5, 2.0]),
            (lambda v: 2 / v, [2.0, 0.5]),
            (lambda v: v**2, [1.0, 16.0]),
            (lambda v: 2**v, [2.0, 16.0]),
            (lambda v: -v, [-1.0, -4.0]),
            (lambda v: abs(-v), [1.0, 4.0]),
            (lambda v: v @ [1.0, 1.0], 5.0),
            (lambda v: [1.0, 1.0] @ v, 5.0),
            (lambda v: np.array([1.0, 1.0]) @ v, 5.0),
            (lambda v: np.array([2.0, 2.0]) - v, [1.0, -2.0]),
            (lambda v: np.float64(2) * v, [2.0, 8.0]),
            (lambda v: v + np.array([1, 2]), [2.0, 6.0]),
            (lambda v: v * np.array([True, False]), [1.0, 0.0]),
        ],
    )
    def test_numbers_and_arrays_work_on_either_side(self, compute, expected):
        v = Value([1.0, 4.0])
        y = compute(v)
        assert isinstance(y, Value)
        assert np.array_equal(y.data, expected)

    def test_comparisons_give_plain_bools_or_arrays(self):
        a, b = Value(1.0), Value(2.0)
        assert (a < b, a <= 1, a > b, a >= 1.5) == (True, True, False, False)
        assert {type(a < b), type(Value(np.float32(1)) < 2)} == {bool}
        assert np.array_equal(Value([1.0, 3.0]) > 2, [False, True])
        assert np.array_equal(np.array([1.0, 3.0]) > Value(2.0), [False, True])

    def test_equality_and_hash_are_identity(self):
        a, b = Value(1.0), Value(1.0)
        assert a != b
        assert a in [b, a]
        assert {a: "a", b: "b"}[a] == "a"

    @pytest.mark.parametrize("start", [1.5, np.float32(1.5), [1.5, 3.0]])
    def test_an_augmented_assignment_under_no_grad_changes_a_leaf_as_it_does_an_array(self, start):
        p = Value(start)
        kept, dtype, y = p, p.dtype, p * 2.0
        with tg.no_grad():
            p -= np.float64(0.5)
            p += 1.0
            p *= p
            p /= 2.0
        assert p is kept
        assert p.dtype == dtype
        assert np.array_equal(p.data, (np.asarray(start) + 0.5) ** 2 / 2)
        y.backward(np.ones(p.shape))  # its closure holds the old data
        assert np.array_equal(p.grad, np.full(p.shape, 2.0))

    @pytest.mark.parametrize(
        "name", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul"]
    )
    def test_every_augmented_assignment_changes_a_leaf(self, name):
        start, w = np.array([[1.5, 2.0], [3.0, 4.5]]), np.array([[2.0, 1.0], [1.0, 2.0]])
        p = Value(start)
        with tg.no_grad():
            assert getattr(operator, name)(p, w) is p
        assert np.array_equal(p.data, getattr(operator, name[1:])(start, w))

    def test_a_computed_parameter_is_changed_once_it_has_a_gradient(self):
        with tg.no_grad():
            computed = Value([3.0, 5.0]) * 0.5
        for p in (computed, (Value([3.0, 5.0]) * 0.5).detach()):
            (p * 2.0).sum().backward()
            kept = p
            with tg.no_grad():
                p -= 0.25 * p.grad  # noqa: PLW2901  # the same Value
            assert p is kept
            assert np.array_equal(p.data, [1.0, 2.0])

    def test_an_augmented_assignment_makes_another_value_where_it_cannot_change_a_leaf(self):
        a = leaf = Value(1.0)
        a += 1.0
        assert (leaf.data, a.data, a.parents) == (1.0, 2.0, (leaf, 1.0))
        with tg.no_grad():
            b = a
            b += 1.0
            wide = leaf
            wide -= np.ones(2)
            c = d = leaf * 3.0  # a leaf now, but computed
            d += 1.0
        assert (a.data, b.data, leaf.data, wide.shape) == (2.0, 3.0, 1.0, (2,))
        assert (c.data, d.data) == (3.0, 4.0)

    @pytest.mark.parametrize("other", ["text", None, [1.0, "x"], {}, 1j])
    def test_operands_that_are_not_numbers_are_an_error(self, other):
        with pytest.raises(DataError, match="add: needs"):
            Value(1.0) + other
        with pytest.raises(DataError, match="lt: needs"):
            Value(1.0) < other  # noqa: B015  # it raises

    def test_shapes_that_do_not_broadcast_are_named(self):
        x, w = Value(np.ones((2, 3))), Value(np.ones(4))
        with pytest.raises(ShapeError, match=r"mul: shapes \(2, 3\) and \(4,\) do not broadcast"):
            x * w
        with pytest.raises(ShapeError, match=r"lt: shapes \(2, 3\) and \(4,\) do not broadcast"):
            x < w  # noqa: B015  # it raises


class TestMethods:
    def test_reshape_and_transpose_accept_separate_arguments_or_a_tuple(self):
        v = Value(np.arange(6.0))
        assert v.reshape(2, 3).shape == v.reshape((2, 3)).shape == (2, 3)
        assert v.reshape(-1).shape == (6,)
        assert v.reshape(3, -1).shape == (3, 2)
        m = v.reshape(1, 2, 3)
        assert m.transpose(2, 0, 1).shape == m.transpose((2, 0, 1)).shape == (3, 1, 2)
        assert m.transpose().shape == (3, 2, 1)

    def test_options_can_be_passed_by_position_as_in_numpy(self):
        v = Value([[1.0, 5.0], [3.0, 2.0]])
        assert np.array_equal(v.sum(0).data, [4.0, 7.0])
        assert np.array_equal(v.max(1, True).data, [[5.0], [3.0]])
        assert np.array_equal(v.clip(2, 3).data, [[2.0, 3.0], [3.0, 2.0]])
