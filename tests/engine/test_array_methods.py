"""The methods of arrays on Values."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.array_methods import HasArrayMethods
from tinygrad_pool.errors import HabitError, OptionError

A = np.array([[0.5, -1.5, 2.5], [3.5, 0.25, -0.75]])
GIVEN = {
    "dot": (A.T,),
    "swapaxes": (0, 1),
    "repeat": (2,),
    "take": ([0, 5],),
    "compress": ([True, False],),
    "searchsorted": (1.0,),
}
METHODS = sorted({*vars(HasArrayMethods)} & {*dir(np.ndarray)} - {*dir(object), "mT", "ptp"})
CHANGING = {"fill", "partition", "put", "resize", "sort", "setflags", "itemset"}


@pytest.mark.parametrize("name", METHODS)
def test_methods_compute_what_those_of_arrays_do(name):
    array = A[0] if name == "searchsorted" else A
    got = getattr(Value(array), name)(*GIVEN.get(name, ()))
    expected = getattr(array, name)(*GIVEN.get(name, ()))
    if isinstance(got, tuple):
        got, expected = np.stack(got), np.stack(expected)
    np.testing.assert_allclose(got.data if isinstance(got, Value) else got, expected)


def test_ptp_and_the_transposed_last_axes():
    v = Value(np.arange(24.0).reshape(2, 3, 4))
    assert v.ptp().data == 23.0
    assert v.mT.shape == (2, 4, 3)
    assert tg.grad(v.mT[0, 1, 2], v)[0][0, 2, 1] == 1.0


def test_numpys_options_work_and_unknown_options_are_named():
    v = Value(A)
    assert v.std(axis=-1, ddof=1, keepdims=True).shape == (2, 1)
    assert v.flatten("F").data.tolist() == A.flatten("F").tolist()
    with pytest.raises(OptionError, match=r"prod: no option 'dim' .* use axis= here"):
        v.prod(dim=0)
    with pytest.raises(HabitError, match=r"a Value has no sort: write np\.sort\(v\)"):
        v.sort()


def test_values_have_no_methods_that_work_in_place():
    assert not CHANGING & {*dir(Value(A))}


def test_methods_have_names_and_docstrings():
    assert Value.std.__qualname__ == "Value.std"
    assert "`np.ravel`" in Value.flatten.__doc__


def test_flatten_copies_and_ravel_does_not():
    x = Value(A)
    assert np.shares_memory(x.ravel()._numbers, x._numbers)
    assert not np.shares_memory(x.flatten()._numbers, x._numbers)


@pytest.mark.parametrize("call", [lambda v: v.flatten(1), lambda v: v.flatten(start_dim=1)])
def test_flatten_rejects_axes_and_suggests_reshape(call):
    with pytest.raises(
        OptionError, match=r"to keep the first axis, use v\.reshape\(len\(v\), -1\)"
    ):
        call(Value(A))
