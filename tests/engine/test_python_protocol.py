"""Values in plain Python and in micrograd's scripts, and what `traced` notes about them."""

import contextlib
import copy
import json
import math
import operator
import statistics
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import (
    DataError,
    HabitError,
    OptionError,
    ShapeError,
    SubscriptError,
    UnsupportedError,
)


def shown(v):
    return [(c.relation, c.other, c.answer) for c in v.about.choices]


def test_pythons_max_is_noted_on_both_values():
    with tg.traced():
        a, b = Value(2.0), Value(3.0)
        assert max(a, b) is b
    assert shown(b) == [(">", "2.0", True)]
    assert shown(a) == [("<", "3.0", True)]
    assert b.about.choices[0].line.file == __file__


@pytest.mark.parametrize(
    ("question", "mine", "theirs"),
    [
        (lambda a, b: a <= b, "<=", ">="),
        (lambda a, b: a >= b, ">=", "<="),
        (lambda a, b: a < b, "<", ">"),
    ],
)
def test_each_relation_is_mirrored(question, mine, theirs):
    with tg.traced():
        a, b = Value(2.0), Value(3.0)
        answer = question(a, b)
    assert shown(a) == [(mine, "3.0", answer)]
    assert shown(b) == [(theirs, "2.0", answer)]


def test_an_if_is_noted_once_per_line_with_its_last_answer():
    with tg.traced():
        a = Value(0.0)
        for a.data in (1.0, 0.0):
            if a:
                pass
        assert not a > 3
    assert shown(a) == [("bool", "", False), (">", "3", False)]


def test_comparing_arrays_is_noted_with_the_bytes_of_the_answer():
    with tg.traced():
        v = Value([1.0, 2.0])
        assert (v > 1.5).tolist() == [False, True]
    assert shown(v) == [(">", "1.5", b"\0\1")]


def test_noted_choices_keep_no_graph_alive():
    import weakref

    with tg.traced():
        a, b = Value(2.0), Value(3.0)
        y = max(a.exp(), b.exp())
    gone = weakref.ref(y)
    assert np.isfinite(y.data)
    del y
    assert gone() is None


class TestPlainPython:
    def test_a_value_with_one_element_converts_to_a_number(self):
        assert float(Value([[2.5]])) == 2.5
        assert Value(2.5).item() == 2.5
        assert bool(Value([0.0])) is False
        assert bool(Value(2.0)) is True

    @pytest.mark.parametrize("convert", [float, bool, Value.item])
    def test_a_value_with_several_elements_does_not_convert(self, convert):
        with pytest.raises(ShapeError, match=r"\(2,\)"):
            convert(Value([1.0, 2.0]))

    def test_the_truth_value_of_an_array_is_an_error_with_advice(self):
        v = Value([1.0, 2.0], label="v")
        with pytest.raises(ShapeError, match=r"bool: the leaf 'v' of shape .* has no truth value"):
            assert v

    def test_length_iteration_and_unpacking(self):
        v = Value([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]])
        assert len(v) == 2
        first, second = v
        assert np.array_equal(second.data, [3.0, 4.0, 0.0])
        assert first.parents == (v,)
        with pytest.raises(
            UnsupportedError, match=r"len, .*: the leaf is a number and has no length"
        ):
            len(Value(1.0))
        with pytest.raises(
            TypeError, match=r"iter: .* has no length"
        ):  # as Python and NumPy expect
            list(Value(1.0))
        assert (np.iterable(Value(1.0)), np.iterable(v[0])) == (False, True)

    def test_in_is_an_error_for_values(self):
        v = Value([1.0, 2.0])
        with pytest.raises(
            UnsupportedError,
            match=r"in: Values are compared by identity; to look .*, write `x in v\.data`",
        ):
            assert 2.0 in v
        assert 2.0 in v.data

    def test_elements_can_be_neither_set_nor_deleted(self):
        v = Value([1.0, 2.0])
        with pytest.raises(UnsupportedError, match=r"np\.where\(mask, new, v\) and np\.delete"):
            v[0] = 3.0
        with pytest.raises(UnsupportedError, match=r"del v\[...\]: .* np\.delete\(v, index\)"):
            del v[0]

    def test_repr_and_format(self):
        x = Value(2.0, label="x")
        y = x * 3.0
        assert repr(y) == "Value(data=6.0, op='mul')"
        y.backward()
        assert repr(x) == "Value(data=2.0, grad=3.0, label='x')"
        assert f"{y:.2f}" == "6.00"
        assert f"{x}" == repr(x)

    def test_shape_ndim_size_dtype_and_transpose(self):
        v = Value(np.zeros((2, 3), np.float32))
        assert (v.shape, v.ndim, v.size, v.dtype) == ((2, 3), 2, 6, np.float32)
        assert v.T.shape == (3, 2)
        s = Value(1.0)
        assert (s.shape, s.ndim, s.size, s.dtype) == ((), 0, 1, np.float64)

    def test_a_leaf_can_be_copied(self):
        v = Value([1.0, 2.0], label="v")
        w = copy.deepcopy(v)
        w.data -= 1.0
        assert np.array_equal(v.data, [1.0, 2.0])
        assert w.label == "v"

    def test_sums_of_lists_work(self):
        assert sum([Value(1.0), Value(2.0)]).data == 3.0

    def test_a_value_works_where_python_expects_a_number(self):
        v = Value(2.567)
        assert (int(v), math.trunc(v), round(v), round(v, 2)) == (2, 2, 3, 2.57)
        assert +v is v
        assert "%.1f" % v == f"{v:.1f}" == "2.6"  # noqa: UP031  # as older scripts print
        assert json.dumps([round((v * 1.0).data, 2)]) == "[2.57]"
        assert json.dumps(float(Value(np.float32(2)).data)) == "2.0"
        v = Value([1.0, 2.0], label="v")
        asked = {
            "int": int,
            "round": round,
            "float": float,
            "item": Value.item,
            "format": "{:.2f}".format,
        }
        for how, f in asked.items():
            said = f"{how}: needs one element, got the leaf 'v' of shape \\(2,\\)"
            with pytest.raises(ShapeError, match=said):
                f(v)

    def test_item_takes_the_index_that_numpys_takes(self):
        v = Value(np.arange(6.0, dtype=np.float32).reshape(2, 3))
        for index in ((4,), (1, 2), ((0, 1),), (-1,)):
            assert v.item(*index) == v.data.item(*index)
            assert (
                type(v.item(*index)) is type(Value(v.data.astype(np.longdouble)).item(0)) is float
            )
        assert Value(2.5).item(0) == 2.5
        with pytest.raises(SubscriptError, match="item: index 6 is out of bounds"):
            v.item(6)
        with tg.traced():
            y = Value(v.item(4)) * v.sum()
        assert "item" in str(v.about.choices)
        assert y.data == 60.0

    @pytest.mark.parametrize("f", [statistics.mean, statistics.stdev, statistics.harmonic_mean])
    def test_pythons_statistics_are_an_error_with_advice(self, f):
        with pytest.raises(UnsupportedError, match=r"lose the graph: write np\.mean\(np\.stack\("):
            f([Value(1.0), Value(3.0)])

    @pytest.mark.parametrize("number", [Fraction(1, 2), Decimal("0.5"), np.float16(0.5), True / 2])
    def test_any_real_number_is_accepted(self, number):
        assert Value(number).data == 0.5
        assert (Value(3.0) * number).data == (number * Value(3.0)).data == 1.5
        assert Value([number, number]).data.tolist() == [0.5, 0.5]
        assert Value(3.0).clip(0, number).data == Value([3.0]).clip(max=number).data == 0.5
        assert tg.leaky_relu(Value(-3.0), negative_slope=number).data == -1.5
        assert tg.avg_pool1d(Value([[1.0, 2.0]]), 2, divisor_override=number).data == 6.0

    def test_the_mean_of_an_array_of_values_is_an_error(self):
        z = np.empty(2, object)
        z[0], z[1] = Value(1.0), Value(3.0)
        assert z.sum().data == np.sum(z).data == 4.0
        for mean in (z.mean, lambda: np.mean(z), lambda: z.reshape(2, 1).mean(axis=0)[0] * 1.0):
            with contextlib.suppress(UnsupportedError):
                assert isinstance(mean(), Value)
        for spread in (np.nanmean, np.std, np.var):
            with pytest.raises(UnsupportedError, match="would lose the graph"):
                spread(z)
        with pytest.raises(ValueError, match="setting an array element") as caught:
            np.gradient(z)
        assert "slope" in str(caught.value.__cause__)
        assert np.vdot(z, z).data == 10.0

    @pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "<f8", ">f2", "<f2"])
    def test_every_byte_order_is_accepted_and_results_are_native(self, dtype):
        x = Value(np.array([1.0, 2.0], dtype))
        y = x * np.array([3.0, 4.0], dtype)
        y.sum().backward()
        assert y.data.tolist() == [3.0, 8.0]
        assert x.grad.tolist() == [3.0, 4.0]
        assert x.dtype.isnative
        assert y.dtype == x.grad.dtype == x.dtype == np.dtype(dtype).newbyteorder("=")

    def test_read_only_and_strided_arrays_are_accepted(self):
        a = np.asfortranarray(np.arange(6.0).reshape(2, 3))[:, ::-1]
        a.flags.writeable = False
        v = Value(a)
        v.data -= 1.0
        (v * a).sum().backward()
        assert np.array_equal(v.grad, a)

    def test_masked_elements_are_an_error(self):
        masked = np.ma.array([1.0, 2.0], mask=[False, True])
        with pytest.raises(
            DataError, match="Value: masked elements have no number; fill them first"
        ):
            Value(masked)
        for use in (lambda m: Value([1.0, 2.0])[m > 0], lambda m: Value([1.0, 2.0]).clip(max=m)):
            with pytest.raises(DataError, match="an index or an option: masked elements"):
                use(np.ma.array([1.0, 2.0], mask=[0, 1]))
        with pytest.raises(DataError, match="mul: masked elements"):
            Value([1.0, 2.0]) * masked
        assert Value(np.ma.array([1.0, 2.0])).data.tolist() == [1.0, 2.0]
        assert Value(masked.filled(0.0)).data.tolist() == [1.0, 0.0]

    @pytest.mark.parametrize("f", [operator.mul, operator.add, operator.sub, operator.truediv])
    def test_a_masked_array_and_a_value_keep_the_graph(self, f):
        for v in (Value(2.0), Value([1.0, 1.0])):
            for left, right in ((np.ma.array([1.0, 2.0]), v), (v, np.ma.array([1.0, 2.0]))):
                with contextlib.suppress(UnsupportedError):
                    assert isinstance(f(left, right), Value)

    @pytest.mark.parametrize("key", [None, ..., (), (None, None), (..., None), True])
    def test_a_number_is_indexed_like_an_array_without_axes(self, key):
        x = Value(3.0)
        y = x[key]
        assert y.shape == np.array(3.0)[key].shape
        (y.sum() * 2.0).backward()
        assert x.grad == 2.0
        with pytest.raises(SubscriptError, match=r"getitem: shape \(\) has no element"):
            x[0]


class TestMicrograd:
    """What micrograd's scripts do with Values besides computing."""

    def test_its_drawing_code_works(self):
        x, w = Value(1.0), Value(2.0)
        y = (x * w * 3.0 + x).relu()
        nodes, edges = set(), set()

        def build(v):
            if v not in nodes:
                nodes.add(v)
                for child in v._prev:
                    edges.add((child, v))
                    build(child)

        build(y)
        assert sorted(v._op for v in nodes) == ["", "", "add", "mul", "mul", "relu"]
        assert len(edges) == 6

    def test_backward_can_be_called_node_by_node(self):
        a, b = Value(2.0), Value(-3.0)
        e = a * b
        o = e + a
        o.grad = 1.0
        o._backward()
        e._backward()
        a._backward()  # does nothing for a leaf
        assert (a.grad, b.grad, e.grad) == (-2.0, 2.0, 1.0)

    def test_its_idiom_for_new_operations_is_an_error_with_advice(self):
        x = Value(0.5)
        with pytest.raises(OptionError, match=r"y = tg\.lift\(rule\)\(x\)"):
            Value(math.sin(x.data), (x,), "sin")
        with pytest.raises(OptionError, match=r"tg\.lift"):
            Value(math.sin(x.data), (x,))
        for v in (x, x * 2.0):
            with pytest.raises(UnsupportedError, match=r"_backward: .* y = tg\.lift\(rule\)\(x\)"):
                v._backward = lambda: None

    def test_attributes_can_be_kept_on_any_value(self):
        p = Value(1.0)
        p.m = 0.0
        p.m = 0.9 * p.m + 0.1
        assert vars(p) == {"m": 0.1}
        y = p * 2.0
        y.color, y.name = "red", "y"
        assert (y.color, y.name, vars(p)) == ("red", "y", {"m": 0.1})
        with pytest.raises(HabitError, match="has no requires_grad"):
            y.requires_grad = False
