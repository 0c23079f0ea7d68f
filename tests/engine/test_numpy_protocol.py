"""NumPy functions on Values."""

import operator

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.engine.numpy_protocol import QUESTIONS
from tinygrad_pool.errors import AxisError, DataError, OptionError, ShapeError, UnsupportedError
from tinygrad_pool.rules.composition import load
from tinygrad_pool.rules.rule import IMPLEMENTED

A = np.array([[0.5, 1.5, 2.5], [3.5, 0.25, 0.75]])
B = np.array([[1.0, 2.0, 0.5], [0.1, 0.2, 0.3]])
CALLS = {
    np.add: lambda f, a, b: f(a, b),
    np.subtract: lambda f, a, b: f(a, b),
    np.multiply: lambda f, a, b: f(a, b),
    np.divide: lambda f, a, b: f(a, b),
    np.power: lambda f, a, b: f(a, b),
    np.maximum: lambda f, a, b: f(a, b),
    np.minimum: lambda f, a, b: f(a, b),
    np.matmul: lambda f, a, b: f(a, b.T),
    np.where: lambda f, a, b: f(A > 1, a, b),
    np.concatenate: lambda f, a, b: f([a, b], 1),
    np.stack: lambda f, a, b: f((a, b), axis=1),
    np.sum: lambda f, a, b: f(a, 1),
    np.mean: lambda f, a, b: f(a, axis=0, keepdims=True),
    np.max: lambda f, a, b: f(a, axis=1),
    np.min: lambda f, a, b: f(a),
    np.clip: lambda f, a, b: f(a, 1, 2),
    np.reshape: lambda f, a, b: f(a, (3, 2)),
    np.transpose: lambda f, a, b: f(a),
    np.expand_dims: lambda f, a, b: f(a, 0),
    np.squeeze: lambda f, a, b: f(a[:1]),
    np.broadcast_to: lambda f, a, b: f(a, (4, 2, 3)),
    np.arctan2: lambda f, a, b: f(a, b),
    np.hypot: lambda f, a, b: f(a, b),
    np.logaddexp: lambda f, a, b: f(a, b),
    np.logaddexp2: lambda f, a, b: f(a, b),
    np.remainder: lambda f, a, b: f(a, b),
    np.fmod: lambda f, a, b: f(a, b),
    **dict.fromkeys((np.copysign, np.fmax, np.fmin), lambda f, a, b: f(a, b)),
    np.trim_zeros: lambda f, a, b: f(a[0]),
    np.arcsin: lambda f, a, b: f(b / 4),
    np.arccos: lambda f, a, b: f(b / 4),
    np.arctanh: lambda f, a, b: f(b / 4),
    np.arccosh: lambda f, a, b: f(b + 1),
}
load()
OF_NUMPY = {f for f in IMPLEMENTED if getattr(np, f.__name__, None) is f}


@pytest.mark.parametrize("function", sorted(OF_NUMPY, key=lambda f: f.__name__))
def test_numpy_functions_are_operations(function):
    call = CALLS.get(function, lambda f, a, b: f(a))
    y = call(function, Value(A), Value(B))
    assert isinstance(y, Value)
    np.testing.assert_allclose(y.data, call(function, A, B), rtol=1e-15)
    assert all(v.dtype == np.float64 for v in (y, *y.parents) if isinstance(v, Value))


def test_every_function_called_here_is_implemented():
    assert set(CALLS) <= OF_NUMPY


MORE = {
    **dict.fromkeys((np.argpartition, np.searchsorted), (1,)),
    **dict.fromkeys((np.digitize,), ([0.0, 1.0],)),
    np.full_like: (3.0,),
    np.isin: ([0.5],),
}
PAIRS = {np.allclose, np.array_equal, np.array_equiv, np.isclose, np.intersect1d, np.setdiff1d}
PAIRS |= {np.setxor1d, np.union1d}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")  # by NumPy 2.5
@pytest.mark.parametrize("function", sorted(QUESTIONS, key=lambda f: f.__name__))
def test_questions_return_plain_numbers(function):
    if function in {np.bincount, np.einsum_path, np.histogram2d, np.empty_like}:
        return  # they need integers, text or rows, or an existing array
    operands = (A, B) if getattr(function, "nin", 1) == 2 or function in PAIRS else (A,)
    operands = (A[0],) if function in {np.searchsorted} else operands
    more = MORE.get(function, ())
    answer, expected = function(*map(Value, operands), *more), function(*operands, *more)
    if not isinstance(answer, tuple):
        answer, expected = (answer,), (expected,)
    for one, other in zip(answer, expected, strict=True):
        assert not isinstance(one, Value)
        assert np.array_equal(one, other) or function in {np.histogramdd}


def test_questions_accept_values_in_lists_and_by_name():
    assert np.lexsort((Value([1.0, 0.0]), Value([2.0, 2.0]))).tolist() == [1, 0]
    assert np.isclose(Value(1.0), b=Value(1.0))
    with pytest.raises(OptionError, match=r"np\.any: no option 'where' on Values"):
        np.any(Value(A), where=A > 1)
    with pytest.raises(OptionError, match="no option 'out' on Values"):  # always the first one
        np.isnan(Value(A), out=A, where=A > 1, subok=False)


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.hstack, np.vstack, np.dstack])
def test_a_single_value_is_joined_by_its_rows(join):
    for a in (A, A[..., None]):
        v = Value(a)
        y = join(v)
        np.testing.assert_array_equal(y.data, join(a))
        np.sum(y * join(a)).backward()
        np.testing.assert_array_equal(v.grad, a)
    np.testing.assert_array_equal(np.stack(Value(A), 1).data, A.T)
    with pytest.raises(UnsupportedError, match="iter: the leaf is a number and has no length"):
        np.stack(Value(1.0))
    with pytest.raises(OptionError, match="stack: no option 'arrays'"):
        np.stack(arrays=[Value(1.0)])


@pytest.mark.parametrize("bounds", [(0.5, None), (None, 1.5), (0.5, 1.5)])
def test_the_bounds_of_clip_may_have_numpys_older_names(bounds):
    v, older = Value([0.0, 1.0, 2.0]), dict(zip(("a_min", "a_max"), bounds, strict=True))
    y = np.clip(v, **older)
    np.testing.assert_array_equal(y.data, np.clip(v.data, **older))
    assert y.options == {"min": bounds[0], "max": bounds[1]}


@pytest.mark.parametrize("older", ["a_min", "a_max"])
def test_a_bound_of_clip_is_given_once(older):
    twice = {"a_min": 0.0, "a_max": 1.0, older.removeprefix("a_"): 0.5}
    with pytest.raises(OptionError, match=f"clip: no option {older!r}"):
        np.clip(Value([0.0, 1.0]), **twice)


@pytest.mark.parametrize("ours", [Value([3.0, 8.0]), Value(8.0), Value([1.0, 2.0]) * 2.0])
@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_a_masked_array_and_a_value_give_a_value(op, ours):
    masked = np.ma.array([1.0, 2.0])
    for x, w in ((masked, ours), (ours, masked)):
        y = op(x, w)
        assert isinstance(y, Value)
        assert any(p is ours for p in y.parents)
        np.testing.assert_allclose(y.data, op(np.asarray(x.data), np.asarray(w.data)))
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    for x, w in ((masked, ours), (ours, masked)):
        with pytest.raises(DataError, match=r"masked elements have no number; fill them first"):
            op(x, w)


@pytest.mark.parametrize("op", [operator.floordiv, operator.mod, divmod])
def test_floor_division_and_remainder_are_pythons_on_both_sides(op):
    for x, w in ((Value(7.5), 2), (7, Value(2.0)), (Value(A), Value(B)), (A, Value(B))):
        y = op(x, w)
        expected = op(*(v.data if isinstance(v, Value) else v for v in (x, w)))
        parts, whole = (y, expected) if op is divmod else ((y,), (expected,))
        for one, other in zip(parts, whole, strict=True):
            assert np.array_equal(one.data if isinstance(one, Value) else one, other)
        assert isinstance(parts[-1], Value) == (op is not operator.floordiv)


def test_an_array_or_numpy_scalar_on_the_left_gives_a_value():
    v = Value(A)
    assert isinstance(A + v, Value)
    assert isinstance(A @ v.T, Value)
    assert isinstance(np.float64(2) * v, Value)
    assert isinstance(np.maximum(0, v), Value)
    (np.float32(2) * v).sum().backward()
    assert np.array_equal(v.grad, np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda v: np.ones(4) < v, ShapeError, r"np\.less: .*\(2,3\)"),
        (lambda v: np.less(v, np.ones(4)), ShapeError, r"np\.less: .*\(2,3\)"),
        (lambda v: np.argmax(v, axis=5), AxisError, r"np\.argmax: axis 5 is out of bounds"),
        (lambda v: np.greater(v, "text"), DataError, r"np\.greater: "),
        (lambda v: np.argmin(v[:0]), ShapeError, r"np\.argmin: .* empty sequence"),
    ],
)
def test_invalid_questions_raise_our_errors(ask, error, message):
    with pytest.raises(error, match=message):
        ask(Value(A))


def test_unsupported_options_of_numpy_are_named():
    with pytest.raises(OptionError, match=r"sum: no option 'out' .* results are new Values"):
        np.sum(Value(A), out=np.zeros(()))
    with pytest.raises(OptionError, match=r"add: no option 'where' .* np\.where\(mask, v, 0\.0\)"):
        np.add(Value(A), 1.0, where=True)
    for habit in ({"correction": 1}, {"unbiased": True}):
        with pytest.raises(OptionError, match=r"var: .*; use ddof= here"):
            Value(A).var(**habit)
        with pytest.raises(OptionError, match=r"np\.std: .*; use ddof= here"):
            Value(A).std(**habit)
    with pytest.raises(OptionError, match=r"reshape: .* v\.T\.reshape\(shape\[::-1\]\)\.T"):
        np.reshape(Value(A), (3, 2), order="F")
    total = np.zeros((2, 3))
    with pytest.raises(OptionError, match=r"add: no option 'out' .* a = a \+ v, not a \+= v"):
        total += Value(A)
    with pytest.raises(OptionError, match=r"matmul: no option 'out' .* results are new Values"):
        total @= Value(np.eye(3))
    assert not total.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: np.asarray(a),
        lambda a, b: np.array([a, b]),
        lambda a, b: np.max([a, b]),
        lambda a, b: np.array(a, dtype=object),
        lambda a, b: np.array([1.0, a]),
        lambda a, b: np.full(3, b),
        lambda a, b: A.dot(a),
    ],
)
def test_values_do_not_become_arrays(call):
    with pytest.raises(
        UnsupportedError,
        match=r"np\.array\(\[v, w\]\), np\.full\(.* would lose the graph: v\.data .* array @ v .*"
        r"np\.stack\(\[v, w\]\) .* np\.broadcast_to",
    ):
        call(Value(A), Value(2.0))


def test_a_rule_can_implement_a_numpy_function():
    from tinygrad_pool.rules.rule import implements

    @implements(np.i0)
    def i0(x):
        return np.i0(x), lambda g: (g * x / 2,)

    try:
        v = Value(0.5)
        np.i0(v).backward()
        assert v.grad == pytest.approx(0.25)
    finally:
        del IMPLEMENTED[np.i0]
