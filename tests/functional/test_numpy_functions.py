"""NumPy's functions as `tg.<name>`."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.engine.numpy_protocol import QUESTIONS
from tinygrad_pool.functional import numpy_functions
from tinygrad_pool.rules.composition import COMPOSED, load
from tinygrad_pool.rules.rule import IMPLEMENTED

load()
NAMES = {
    name
    for module in (np.linalg, np)
    for name, f in vars(module).items()
    if name[0] != "_" and callable(f) and f in {*IMPLEMENTED, *COMPOSED, *QUESTIONS}
}


def test_every_function_that_works_is_a_name_of_the_package():
    listed = {*tg._homes()}
    assert {n for n in NAMES if n not in listed and hasattr(tg, n)} == set()
    assert len(NAMES & listed) > 220
    assert all(hasattr(tg, name) and hasattr(tg.functional, name) for name in NAMES & listed)


def test_dir_lists_only_common_names():
    assert len(dir(tg)) <= 65
    assert {"sum", "mean", "max", "min"} <= {*dir(tg)}
    assert "einsum" not in dir(tg)


@pytest.mark.parametrize("name", ["std", "median", "flip", "einsum", "norm", "det", "cumsum"])
def test_function_method_and_numpys_function_agree(name):
    x = Value(np.array([[2.0, 1.0], [0.5, 3.0]]))
    given = ("ii->i", x) if name == "einsum" else (x,)
    numpys = getattr(np, name, None) or getattr(np.linalg, name)
    ours = getattr(tg, name)(*given)
    assert ours.op == numpys(*given).op
    assert np.array_equal(ours.data, numpys(*given).data)
    if hasattr(x, name):
        assert np.array_equal(getattr(x, name)().data, ours.data)
    assert getattr(tg, name).__doc__


def test_plain_numbers_give_values():
    assert isinstance(tg.std([1.0, 3.0]), Value)
    assert tg.std([1.0, 3.0]).data == tg.sum([0.5, 0.5]).data == 1.0
    assert [type(part) for part in tg.split(np.ones(4), 2)] == [type(Value(1.0))] * 2
    assert isinstance(tg.slogdet(np.eye(2)).logabsdet, Value)
    assert tg.argmax([1.0, 3.0]) == 1
    assert tg.shape(Value([1.0])) == (1,)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (lambda: tg.median([1, 2, 3, 4]), 2.5),
        (lambda: tg.percentile(np.array([1, 2, 3]), [25, 100]), [1.5, 3.0]),
        (lambda: tg.nanquantile([[0, 1], [2, 4]], 0.5, axis=1), [0.5, 3.0]),
        (lambda: tg.roll([1, 2, 3], 1), [3.0, 1.0, 2.0]),
        (lambda: tg.reciprocal([1, 2]), [1.0, 0.5]),
        (lambda: tg.deg2rad([180]), [np.pi]),
        (lambda: tg.positive([[1, 2]]), [[1.0, 2.0]]),
        (lambda: tg.amax([1, 2]), 2.0),
    ],
)
def test_integers_and_lists_give_values_of_floats(result, expected):
    assert isinstance(result(), Value)
    assert np.array_equal(result().data, expected)


def test_a_name_that_is_not_in_numpy_is_pythons_own_error():
    with pytest.raises(AttributeError, match="numpy_functions' has no attribute 'absent'"):
        numpy_functions.absent  # noqa: B018  # it raises
