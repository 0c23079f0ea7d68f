import doctest
import inspect
import pickle
import pydoc
import re

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import DataError, ShapeError
from tinygrad_pool.recording.symbols import equations_of

# -- units


def test_weighted_sum_needs_as_many_weights_as_inputs():
    with pytest.raises(
        ShapeError, match="weighted_sum: needs as many inputs as weights, got 1 and 2"
    ):
        tg.weighted_sum([1.0, 2.0], [3.0])
    with pytest.raises(DataError, match=r"weighted_sum: .* got float and list"):
        tg.weighted_sum(1.0, [3.0])


def test_weighted_sum_accepts_any_iterables():
    w = tg.Value([1.0, 2.0])
    a = tg.weighted_sum(w, (x for x in (3.0, 4.0)), bias=0.5)
    assert a.data == 11.5
    assert tg.grad(a, w)[0].tolist() == [3.0, 4.0]


# -- constants


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64, bool])
@pytest.mark.parametrize(
    "f", [tg.exp, tg.sigmoid, tg.square, tg.relu, tg.Value.__neg__, tg.Value.mean]
)
def test_operations_on_integers_compute_with_floats(f, dtype):
    numbers = np.array([1, 20, 100]).astype(dtype)
    y = f(numbers)
    np.testing.assert_array_equal(y.data, f(numbers.astype(float)).data)
    assert y.dtype == np.float64


def test_a_mask_does_not_change_the_dtype():
    x = tg.Value(np.ones(2, np.float32))
    assert (x * np.array([True, False])).dtype == np.float32
    assert tg.where(np.array([True, False]), x, 0).dtype == np.float32


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: x * w,
        lambda x, w: x**w,
        lambda x, w: x @ w.T,
        tg.maximum,
        lambda x, w: tg.where(np.eye(2) > 0, x, w),
        tg.concatenate,
        lambda x, w: tg.conv1d(x, w[:, :, None]),
    ],
)
@pytest.mark.parametrize("dtypes", [(np.float16, np.float32), (np.float64, np.float32)])
def test_results_have_the_wider_dtype_and_gradients_that_of_their_operand(f, dtypes):
    x, w = (tg.Value(np.full((2, 2), 1.5, dtype)) for dtype in dtypes)
    y = f(x, w)
    assert y.dtype == np.result_type(*dtypes)
    assert [g.dtype for g in tg.grad(y.sum(), [x, w])] == list(dtypes)


def test_an_integer_too_large_for_numpy_is_a_float():
    assert tg.maximum(tg.Value(1.0), 10**30).data == 1e30
    assert tg.log(10**300).data == np.log(1e300)


@pytest.mark.parametrize("x", [1.0, np.ones(2)])
def test_an_integer_too_large_for_a_float_is_an_error(x):
    with pytest.raises(DataError, match="mul: an integer of 1329 bits is too large for a float"):
        tg.Value(x) * 10**400


# -- what help and editors show

LIFTED = {name: f for name in tg.__all__ if hasattr(f := getattr(tg, name), "signature")}
METHODS = {name: f for name, f in vars(tg.Value).items() if hasattr(f, "signature")}


def explained(operation):
    return pydoc.render_doc(operation, renderer=pydoc.plaintext)


@pytest.mark.parametrize("name", LIFTED)
def test_help_shows_an_example_of_each_operation_that_holds(name):
    operation = LIFTED[name]
    (example,) = doctest.DocTestParser().get_examples(operation.__doc__)
    names = {"np": np, "Value": tg.Value, **LIFTED}
    assert re.match(rf"(round\()?{name}\(", example.source)
    assert repr(eval(example.source, names)) == example.want.rstrip()
    shown = explained(operation)
    assert f"{name} in module tinygrad_pool.functional.operations" in shown
    assert "backward = " not in shown


@pytest.mark.parametrize(("name", "operation"), [*LIFTED.items(), *METHODS.items()])
def test_help_shows_the_signature_of_each_operation(name, operation):
    shown, rule = inspect.signature(operation), inspect.signature(operation.__wrapped__)
    assert shown.return_annotation == "Value"
    assert "wants" not in shown.parameters
    assert {**shown.parameters} == {n: p for n, p in rule.parameters.items() if n != "wants"}
    assert "backward = " not in explained(operation)
    first, *_ = inspect.getdoc(operation.__wrapped__).splitlines()
    assert inspect.getdoc(operation).startswith(first)


def test_the_signature_of_a_method_leaves_out_self():
    assert str(inspect.signature(tg.Value(1.0).exp)) == "() -> 'Value'"
    assert list(inspect.signature(tg.Value([1.0]).max).parameters) == ["axis", "keepdims", "ties"]


def test_a_rule_keeps_its_example_and_its_source_is_found():
    rule = tg.relu.__wrapped__
    assert ">>> y, backward = relu(" in rule.__doc__
    assert "def relu_backward(g" in inspect.getsource(tg.relu)
    assert equations_of(tg.relu(tg.Value(1.0))) == ["y = max(0, x)", "∂E/∂x = g [x > 0]"]


def test_help_shows_a_users_rule_as_an_operation():
    def scaled(x, *, by=2.0, wants=(True,)):
        """Scale.

        >>> scaled(1.0)[0]
        2.0
        """
        return by * x, lambda g: (by * g,)

    def bare(x):
        return x * 1.0, lambda g: (g,)

    assert str(inspect.signature(tg.lift(scaled))) == "(x, *, by=2.0) -> 'Value'"
    assert inspect.getdoc(tg.lift(scaled)) == "Scale."
    assert tg.lift(bare).__doc__ is None
    signature = tg.lift(bare).__signature__
    assert not hasattr(signature, "absent")
    assert signature.bind(tg.Value(1.0)).arguments.keys() == {"x"}


def test_operations_pickle_by_their_name():
    for operation in LIFTED.values():
        assert pickle.loads(pickle.dumps(operation)) is operation


def test_a_name_of_no_operation_is_pythons_own_error():
    assert tg.functional.max_pool2d is tg.max_pool2d
    assert "max_pool2d" in dir(tg)
    with pytest.raises(AttributeError, match=r"has no attribute 'absent'"):
        tg.functional.absent  # noqa: B018  # it raises
    assert not hasattr(tg.functional, "_private")
