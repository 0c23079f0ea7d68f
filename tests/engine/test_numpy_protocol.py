"""NumPy's own names on Values."""

import inspect
import operator
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.numpy_advice import HINTS, NUMBERS, PICKS
from tinygrad_pool.engine.numpy_protocol import QUESTIONS, answer
from tinygrad_pool.errors import AxisError, DataError, OptionError, ShapeError, UnsupportedError
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
}
OF_NUMPY = {f for f in IMPLEMENTED if getattr(np, f.__name__, None) is f}


@pytest.mark.parametrize("function", sorted(OF_NUMPY, key=lambda f: f.__name__))
def test_a_function_of_numpys_means_its_operation(function):
    call = CALLS.get(function, lambda f, a, b: f(a))
    y = call(function, Value(A), Value(B))
    assert isinstance(y, Value)
    np.testing.assert_allclose(y.data, call(function, A, B), rtol=1e-15)
    assert all(v.dtype == np.float64 for v in (y, *y.parents) if isinstance(v, Value))


def test_every_function_called_here_has_an_answer():
    assert set(CALLS) <= OF_NUMPY


@pytest.mark.parametrize("function", sorted(QUESTIONS, key=lambda f: f.__name__))
def test_a_question_is_answered_with_plain_numbers(function):
    operands = (A, B) if getattr(function, "nin", 1) == 2 else (A,)
    answer = function(*map(Value, operands))
    assert not isinstance(answer, Value)
    assert np.array_equal(answer, function(*operands))


@pytest.mark.parametrize("ours", [Value([3.0, 8.0]), Value(8.0), Value([1.0, 2.0]) * 2.0])
@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_a_masked_array_beside_a_value_gives_a_value(op, ours):
    masked = np.ma.array([1.0, 2.0])
    for x, w in ((masked, ours), (ours, masked)):
        y = op(x, w)
        assert isinstance(y, Value)
        assert any(p is ours for p in y.parents)
        np.testing.assert_allclose(y.data, op(np.asarray(x.data), np.asarray(w.data)))
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    for x, w in ((masked, ours), (ours, masked)):
        with pytest.raises(DataError, match=r"a masked element has no number; fill it first"):
            op(x, w)


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (operator.floordiv, r"np\.floor_divide of v\.data answers from its numbers"),
        (operator.mod, r"write a - b \* np\.floor_divide\(a\.data, b\.data\)"),
        (divmod, "np.divmod has no rule for Values; v.data holds"),
    ],
)
def test_an_operator_without_a_rule_is_refused_in_words_on_both_sides(op, said):
    for x, w in ((Value(7.0), 2), (7, Value(2.0)), (Value(A), Value(B)), (A, Value(B))):
        with pytest.raises(UnsupportedError, match=said):
            op(x, w)


def test_an_array_or_a_numpy_number_on_the_left_gives_a_value():
    v = Value(A)
    assert isinstance(A + v, Value)
    assert isinstance(A @ v.T, Value)
    assert isinstance(np.float64(2) * v, Value)
    assert isinstance(np.maximum(0, v), Value)
    (np.float32(2) * v).sum().backward()
    assert np.array_equal(v.grad, np.full((2, 3), 2.0))


GENERAL = "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"


def refused(call, *operands):
    """Return what is said to write instead, where a function is refused."""
    with pytest.raises(UnsupportedError) as caught:
        call(*operands)
    what, _, instead = str(caught.value).partition(" has no rule for Values; ")
    assert re.fullmatch(r"np(\.\w+)+", what)
    return instead


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (np.arctan, GENERAL),
        (np.median, GENERAL),
        (np.prod, GENERAL),
        (np.sinc, GENERAL),
        (lambda v: np.cross(v, v), GENERAL),
        (np.fft.fft, GENERAL),
        (np.add.accumulate, GENERAL),
        (np.multiply.reduce, GENERAL),
        (np.linalg.inv, GENERAL),
        (np.log2, "write np.log(v) / np.log(2)"),
        (lambda v: np.dot(v, v), "write a @ b"),
        (lambda v: np.inner(v, v), "write a @ b.T"),
        (np.add.reduce, "write np.sum(v, axis=0)"),
        (lambda v: np.add.reduce(v, axis=1), "write np.sum(v, axis=axis)"),
        (lambda v: np.var(v, ddof=1), "write np.mean((v - np.mean(v)) ** 2) (without ddof)"),
        (lambda v: np.ptp(v, 0), "write np.max(v, axis=axis) - np.min(v, axis=axis)"),
        (np.linalg.norm, "write np.sqrt(np.sum(v * v))"),
        (lambda v: np.linalg.norm(v, axis=0), "write np.sqrt(np.sum(v * v, axis=axis))"),
        (lambda v: np.linalg.matmul(v, v.T), "write a @ b"),
        (np.ravel, "write v.reshape(-1)"),
        (np.flip, "write v.reshape(-1)[np.flip(np.arange(v.size).reshape(v.shape))]"),
        (
            lambda v: np.roll(v, 1, axis=0),
            "write v.reshape(-1)[np.roll(np.arange(v.size).reshape(v.shape), ...)]",
        ),
        (np.argsort, "np.argsort of v.data answers from its numbers, and has no gradient"),
        (
            lambda v: v.data == v,
            "np.equal of v.data answers from its numbers, and has no gradient",
        ),
    ],
)
def test_what_has_no_rule_is_named_with_what_gives_its_numbers(call, instead):
    assert refused(call, Value(A)) == instead


ONE = {1: np.array([0.5, -0.25, 0.75, -0.5]), 2: np.array([[0.5, -0.25, 0.75], [0.3, 0.9, -0.1]])}
OTHER = {1: np.array([0.1, 0.75, -0.3, 2.0]), 2: np.array([[0.1, 0.75, -0.3], [-1.0, 0.9, 0.2]])}
POSITIVE = {"log2", "log10", "tan"}
GAPS = {"nanmax", "nanmean", "nanmin", "nansum", "nan_to_num"}
PAIRS = {"append", "dot", "fmax", "fmin", "hypot", "inner", "logaddexp", "matmul", "outer"}
PAIRS |= {"remainder", "vdot", "vecdot"}
LISTS = {"column_stack", "hstack", "vstack"}
MORE = {  # what a function takes beside arrays, in as many forms as are to be tried
    "astype": [{"dtype": np.float32}],
    "delete": [{"obj": 1}, {"obj": 0, "axis": 0}, {"obj": [0, 1], "axis": -1}],
    "flip": [{}, {"axis": 0}, {"axis": -1}],
    "moveaxis": [{"source": 0, "destination": -1}],
    "repeat": [{"repeats": 2}, {"repeats": 3, "axis": 0}],
    "resize": [{"new_shape": (3, 5)}],
    "roll": [{"shift": 1}, {"shift": -2, "axis": -1}],
    "rollaxis": [{"axis": -1}],
    "rot90": [{}, {"k": 3}],
    "swapaxes": [{"axis1": 0, "axis2": -1}],
    "take": [{"indices": [0, 2]}, {"indices": [1, 0], "axis": 0}, {"indices": 1, "axis": -1}],
    "take_along_axis": [{"indices": np.zeros((1, 2), int)[0], "axis": None}],
    "tile": [{"reps": 2}, {"reps": (2, 2)}],
}


def function_of(name):
    f = getattr(np, name, None)
    return getattr(np.linalg, name) if f is None or f in IMPLEMENTED else f


def operands_for(name, ndim):
    """Return arrays that a function is defined on: one, two that fit, or two in a list."""
    a, b = (np.abs(x) if name in POSITIVE else x for x in (ONE[ndim], OTHER[ndim]))
    if name in GAPS:
        a = np.where(a == -0.25, np.nan, a)
    if ndim == 2 and name in ("dot", "matmul"):
        b = b.T
    return a, b


def written(instead, a, b, **more):
    """Carry out what is said to be written, on Values."""
    expression = instead.removeprefix("write ").replace("[...]", "[a, b]")
    expression = expression.replace(", ...", "".join(f", {key}={key}" for key in more))
    names = {"np": np, "tg": tg, "v": Value(a), "a": Value(a), "b": Value(b), **more}
    return eval(expression, names)


def same(got, expected):
    assert isinstance(got, Value)
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def called(name, f, a, b, **more):
    if name in LISTS:
        return f([a, b], **more)
    if name == "astype":
        return f(a, *more.values())
    return f(a, b, **more) if name in PAIRS else f(a, **more)


def axes_for(name, ndim):
    """List the axes to try: those of the operands, if the function has axes."""
    try:
        takes = inspect.signature(function_of(name)).parameters
    except ValueError:
        return []
    return [*range(-1, ndim)] if "axis" in takes and name not in MORE else []


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("name", sorted({*HINTS} | PICKS))
def test_advice_gives_numpys_numbers(name, ndim):
    f, (a, b) = function_of(name), operands_for(name, ndim)
    assert f not in {*IMPLEMENTED, *QUESTIONS}
    tried = 0
    for more in [*MORE.get(name, [{}]), *({"axis": k} for k in axes_for(name, ndim))]:
        try:
            expected = called(name, f, a, b, **more)
        except (ValueError, IndexError):  # a function of two axes at least
            continue
        instead = refused(lambda *v, m=more: called(name, f, *v, **m), Value(a), Value(b))
        first, _, along = instead.partition("  # axis=0: ")
        if along and more == {"axis": 0}:
            first = along
        if not along or more in ({}, {"axis": 0}):
            same(written(first.partition("  # ")[0], a, b, **more), expected)
            tried += 1
    assert tried or ndim == 1


def test_advice_after_a_mark_gives_numpys_numbers_too():
    for ndim in (1, 2):
        v, w = ONE[ndim], OTHER[ndim]
        rest = refused(np.average, Value(v)).partition("  # weights=w: ")[2]
        same(written(rest, v, w, w=w), np.average(v, weights=w))
    marked = [name for name, text in HINTS.items() if "#" in text and "axis=0" not in text]
    assert marked == ["average", "fmax", "fmin"]
    a, b = np.array([np.nan, 1.0]), np.array([2.0, np.nan])
    for f in (np.fmax, np.fmin):
        assert np.isnan(written(refused(f, Value(a), Value(b)), a, b).data).all()
        assert not np.isnan(f(a, b)).any()


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("name", ["add.reduce", "maximum.reduce", "minimum.reduce"])
def test_advice_for_a_reduction_gives_numpys_numbers(name, ndim):
    f, v = operator.attrgetter(name)(np), ONE[ndim]
    same(written(refused(f, Value(v)), v, v), f(v))
    for axis in range(-1, ndim):
        along = refused(lambda v, k=axis: f(v, axis=k), Value(v))
        same(written(along, v, v, axis=axis), f(v, axis=axis))


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_advice_for_an_outer_product_gives_numpys_numbers(name, ndim):
    f, a, b = getattr(np, name).outer, ONE[ndim], OTHER[1]
    same(written(refused(f, Value(a), Value(b)), a, b), f(a, b))
    same(written(refused(f, Value(b), Value(a)), b, a), f(b, a))


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_no_gradient_flows_where_an_answer_from_the_numbers_is_offered(name):
    f, v = getattr(np, name), Value(A[0] + 0.01)
    assert f not in {*IMPLEMENTED, *QUESTIONS}
    more = {"full_like": (1.0,), "searchsorted": (0.5,), "argpartition": (1,), "isin": (0.5,)}
    pair = {"allclose", "array_equal", "equal", "floor_divide", "isclose", "not_equal"}
    pair |= {"logical_and", "logical_or"}
    others = (v,) if name in pair else more.get(name, ())
    assert (
        refused(f, v, *others)
        == f"np.{name} of v.data answers from its numbers, and has no gradient"
    )
    one = f(v.data, *(w.data if w is v else w for w in others))
    two = f(v.data + 1e-9, *(w.data + 1e-9 if w is v else w for w in others))
    flat = name == "unique" or np.array_equal(one, two)
    assert flat or name == "empty_like"


DISPATCHING = {
    f
    for module in (np, np.linalg, np.fft)
    for f in vars(module).values()
    if isinstance(f, np.ufunc | type(np.concatenate))
}


@pytest.mark.parametrize(
    "function",
    sorted(DISPATCHING, key=lambda f: (getattr(f, "__module__", None) or "", f.__name__)),
)
def test_every_function_of_numpys_is_answered_or_refused_with_advice_that_is_tested(function):
    if function in IMPLEMENTED or function in QUESTIONS:
        return
    instead = refused(answer, function, (Value(A),), {}, tg.lift)
    name = function.__name__
    tested = HINTS.get(name, "").partition("  #")[0] or GENERAL
    if name in PICKS:
        tested = f".{name}("
    assert (f"np.{name} of v.data" if name in NUMBERS else tested) in instead


def test_every_function_of_numpys_is_walked_through():
    assert len(DISPATCHING) > 300
    assert {np.flip, np.median, np.log2, np.linalg.norm, np.fft.fft} <= DISPATCHING
    assert {function_of(name) for name in HINTS | dict.fromkeys(PICKS | NUMBERS)} <= DISPATCHING


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
def test_a_question_that_makes_no_sense_is_refused_in_our_words(ask, error, message):
    with pytest.raises(error, match=message):
        ask(Value(A))


def test_options_of_numpys_that_are_not_ours_are_named():
    with pytest.raises(OptionError, match=r"sum: no option 'out' .* results are new Values"):
        np.sum(Value(A), out=np.zeros(()))
    with pytest.raises(OptionError, match="add: no option 'where'"):
        np.add(Value(A), 1.0, where=True)
    total = np.zeros((2, 3))
    with pytest.raises(OptionError, match=r"add: no option 'out' .* results are new Values"):
        total += Value(A)
    assert not total.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: np.asarray(a),
        lambda a, b: np.array([a, b]),
        lambda a, b: np.max([a, b]),
        lambda a, b: np.array(a, dtype=object),
        lambda a, b: np.array([1.0, a]),
    ],
)
def test_no_array_is_made_of_values(call):
    with pytest.raises(UnsupportedError, match=r"would lose the graph: v\.data .* np\.stack"):
        call(Value(A), Value(2.0))


def test_a_rule_can_answer_for_a_function_of_numpys():
    from tinygrad_pool.rules.rule import implements

    @implements(np.sinh)
    def sinh(x):
        return np.sinh(x), lambda g: (g * np.cosh(x),)

    try:
        v = Value(0.5)
        np.sinh(v).backward()
        assert v.grad == pytest.approx(np.cosh(0.5))
    finally:
        del IMPLEMENTED[np.sinh]
