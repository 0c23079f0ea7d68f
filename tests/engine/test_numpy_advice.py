"""The equivalents that errors suggest for NumPy's functions without a rule are right."""

import operator
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.numpy_protocol import IN_PLACE, INSTEAD, OF_SCIPY, QUESTIONS, answer
from tinygrad_pool.errors import TinygradPoolError, UnsupportedError
from tinygrad_pool.rules.composition import COMPOSED, load
from tinygrad_pool.rules.rule import IMPLEMENTED

load()
A = np.array([[0.5, 1.5, 2.5], [3.5, 0.25, 0.75]])
GENERAL = "v.data holds its numbers, and tg.lift turns a rule that you write into an operation"
UNCHANGED = (
    "a Value cannot be changed in place, or fill an array: np.where(mask, new, v) makes another "
    "Value, np.broadcast_to(v, shape) repeats one, and v.data[...] = new changes the data of a leaf"
)


def advice_of(call, *operands):
    """Return what the error of an unsupported function says to write instead."""
    with pytest.raises(UnsupportedError) as caught:
        call(*operands)
    what, _, instead = str(caught.value).partition(" has no rule for Values; ")
    assert re.fullmatch(r"np(\.\w+)+", what)
    return instead


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (np.fft.fft, GENERAL),
        (np.linalg.eig, GENERAL),
        (np.divide.reduce, GENERAL),
        (np.linalg.qr, GENERAL),
        (np.logaddexp.reduce, "write tg.logsumexp(v, axis=axis)"),
        (lambda v: np.copyto(v, 0.0), UNCHANGED),
        (lambda v: np.full_like(A, v[0, 0]), UNCHANGED),
        (lambda v: np.add.at(v, 0, 1.0), UNCHANGED),
    ],
)
def test_functions_without_a_rule_are_named_with_an_equivalent(call, instead):
    assert advice_of(call, Value(A)) == instead


ONE = {1: np.array([0.5, -0.25, 0.75, -0.5]), 2: np.array([[0.5, -0.25, 0.75], [0.3, 0.9, -0.1]])}
OTHER = {1: np.array([0.1, 0.75, -0.3, 2.0]), 2: np.array([[0.1, 0.75, -0.3], [-1.0, 0.9, 0.2]])}


def same(instead, expected, a, b, **more):
    """Run what the error says to write, on Values, and compare the result."""
    names = {"np": np, "tg": tg, "v": Value(a), "a": Value(a), "b": Value(b), **more}
    got = eval(instead.removeprefix("write "), names)
    assert isinstance(got, Value)
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.data, expected, 1e-12, 1e-15)


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_equivalents_of_numpys_functions_compute_the_same(name, ndim):
    f, a, b = operator.attrgetter(name)(np), ONE[ndim], OTHER[ndim]
    if name == "piecewise":
        mask = a > 0
        way = advice_of(lambda v: f(v, [mask, ~mask], [1.0, -1.0]), Value(a))
        return same(way, f(a, [mask, ~mask], [1.0, -1.0]), 1 + 0 * a, -1 + 0 * a, mask=mask)
    for axis in range(-1, ndim):
        along = advice_of(lambda v, k=axis: f(v, axis=k), Value(a))
        same(along, f(a, axis=axis), a, b, axis=axis)
    return None


@pytest.mark.parametrize("name", OF_SCIPY)
def test_equivalents_of_scipys_functions_compute_the_same(name, peer):
    a, f = np.array([0.25, 0.5, 0.75]), getattr(peer("scipy.special"), name)
    with pytest.raises(
        UnsupportedError, match=rf"^{name} has no rule for Values; write "
    ) as caught:
        f(Value(a))
    same(str(caught.value).partition("; ")[2], f(a), a, a)


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
def test_every_numpy_function_works_or_is_rejected_with_tested_advice(function):
    if function in IMPLEMENTED or function in QUESTIONS or function in COMPOSED:
        return
    instead = advice_of(answer, function, (Value(A),), {}, tg.lift)
    name = function.__name__
    assert instead == (UNCHANGED if name in IN_PLACE else f"write {INSTEAD.get(name)}") or (
        instead == GENERAL and name not in INSTEAD
    )


def test_the_list_of_numpy_functions_is_complete():
    assert len(DISPATCHING) > 300
    assert {np.flip, np.median, np.log2, np.linalg.norm, np.fft.fft} <= DISPATCHING
    assert {getattr(np, name) for name in IN_PLACE} <= DISPATCHING


@pytest.mark.parametrize("function", sorted(COMPOSED, key=lambda f: f.__name__))
def test_compositions_reject_nonsense_with_our_errors(function):
    for junk in ((), (Value(A), "junk", "junk"), (Value(A),) * 9):
        with pytest.raises(TinygradPoolError):
            answer(function, junk, {"absent": 1}, tg.lift)
