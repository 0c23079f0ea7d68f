"""What is written in place of NumPy's functions without a rule: carried out, and compared."""

import inspect
import operator
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.numpy_advice import HINTS, NUMBERS, PICKS
from tinygrad_pool.engine.numpy_protocol import QUESTIONS, answer
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.rules.rule import IMPLEMENTED

A = np.array([[0.5, 1.5, 2.5], [3.5, 0.25, 0.75]])


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
