"""Compositions: their arguments, and the errors they raise in place of NumPy's."""

import re
import subprocess
import sys

import numpy as np
import pytest

from tinygrad_pool import Value
from tinygrad_pool.errors import (
    AxisError,
    DataError,
    OptionError,
    ShapeError,
    SubscriptError,
    TinygradPoolError,
)
from tinygrad_pool.rules.composition import (
    COMPOSED,
    call_numpy,
    composes,
    dtype_of,
    is_value,
    numpy_function,
    operand,
)

V = Value([[1.0, 2.0], [3.0, 4.0]])


def test_composes_registers_functions_that_numpy_has():
    @composes("i0", "absent")
    def i0(x):
        return x * 2.0

    try:
        assert np.i0(V).op == "mul"
    finally:
        del COMPOSED[np.i0]
    assert numpy_function("absent") is numpy_function("linalg.absent") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: np.std(V, out=V.data), r"np.std: .*\(on Values it takes a, axis, .* new Values"),
        (lambda: np.std(V, dtype=float), r"'dtype' .*; v.astype\(dtype\) converts"),
        (lambda: V.std(dim=0), "use axis= here"),
        (lambda: np.std(V, where=[True, False]), r"np.where\(mask, v, 0.0\) leaves elements out"),
        (lambda: np.trace(V, dtype=float), "np.trace: got an unexpected keyword"),
    ],
)
def test_unknown_options_are_named(call, message):
    with pytest.raises(OptionError, match=message):
        call()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("shapes differ"), ShapeError),
        (ValueError("q must be in [0, 1]"), OptionError),
        (IndexError("out of bounds"), SubscriptError),
        (np.exceptions.AxisError("axis"), AxisError),
        (TypeError("what"), DataError),
        (ZeroDivisionError("what"), DataError),
        (AttributeError("what"), DataError),
        (ShapeError("ours"), ShapeError),
    ],
)
def test_errors_of_numpy_become_errors_of_this_package(error, kind):
    def f():
        raise error

    with pytest.raises(kind, match=str(error)[:4]):
        call_numpy("np.f", f)


def test_operands_are_converted_only_from_lists():
    assert operand(V) is V
    assert operand([1, 2]).tolist() == [1, 2]
    assert (is_value(V), is_value(V.data), is_value(np.float64(1.0))) == (True, False, False)
    assert (dtype_of(1.0), dtype_of(V)) == (np.float64, np.float64)


@pytest.mark.parametrize(
    "call",
    [
        lambda: np.ldexp(V.data, V),
        lambda: np.insert(V.data, V, 3.0),
        lambda: np.take(V, V[0]),
        lambda: np.quantile(V, V[0, 0]),
        lambda: np.nan_to_num(V, nan=V[0, 0]),
        lambda: np.full_like(V, V[0, 0]),
        lambda: np.bincount([0, 1], weights=V[0]),
        lambda: np.bincount([0, 1], V[0]),
        lambda: np.histogram(V.data, weights=V),
        lambda: np.histogram(V[0], weights=[V[0, 0], 1.0]),
        lambda: np.histogram2d([0.0, 1.0], [0.0, 1.0], weights=V[0]),
        lambda: np.histogramdd(V.data, weights=V[0]),
    ],
)
def test_a_value_in_place_of_a_constant_is_an_error(call):
    with pytest.raises(OptionError, match=r"np\.\w+: .* must be a constant, not a Value; v.data"):
        call()


def test_rarer_functions_are_loaded_on_first_use():
    program = (
        "import sys, numpy as np, tinygrad_pool as tg\n"
        "v = tg.Value([1.0, 2.0])\n"
        "np.exp(v).sum(), np.argmax(v), v + 1\n"
        "assert 'tinygrad_pool.rules.moves' not in sys.modules\n"
        "np.flip(v)\n"
        "assert 'tinygrad_pool.rules.moves' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: np.partition(V, 0, axis=5), "np.partition"),
        (lambda: np.median(V, axis=5), "np.median"),
        (lambda: np.nanmedian(V, axis=5), "np.nanmedian"),
        (lambda: np.percentile(V, 5, axis=5), "np.percentile"),
        (lambda: np.nanstd(V, ddof="one"), "np.nanstd"),
        (lambda: np.dot(V[None], V[:1]), "np.dot"),
        (lambda: np.dot(V[None], V[None, :1]), "np.dot"),
        (lambda: np.inner(V, V[0, :1]), "np.inner"),
        (lambda: np.linalg.vector_norm(V, ord=0), "np.linalg.vector_norm"),
        (lambda: np.linalg.matrix_norm(V, ord=3), "np.linalg.matrix_norm"),
        (lambda: np.linalg.norm(V, 3), "np.linalg.norm"),
        (lambda: np.linalg.norm(V[0], 0), "np.linalg.norm"),
    ],
)
def test_an_error_names_the_function_that_was_called(call, name):
    with pytest.raises(TinygradPoolError, match=rf"^{re.escape(name)}: "):
        call()
