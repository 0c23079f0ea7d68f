import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import AxisError, OptionError, ShapeError, SubscriptError
from tinygrad_pool.rules import shaping

SQUARE = tg.Value(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda v: v.reshape(4, 2),
            ShapeError,
            r"reshape: 6 elements of shape \(2, 3\) cannot fill shape \(4, 2\)",
        ),
        (lambda v: v.reshape(4, -1), ShapeError, r"reshape: .* cannot fill shape \(4, -1\)"),
        (lambda v: v.reshape(-1, -1), ShapeError, r"reshape: .* cannot fill shape \(-1, -1\)"),
        (lambda v: v.reshape(-2, -3), ShapeError, r"reshape: .* cannot fill shape \(-2, -3\)"),
        (lambda v: v.reshape(0, -1), ShapeError, r"reshape: .* cannot fill shape \(0, -1\)"),
        (lambda v: v.reshape(1.5), AxisError, "reshape: shape must be an integer, got 1.5"),
        (lambda v: v.reshape(None), AxisError, "reshape: shape must be an integer, got None"),
        (
            lambda v: v.transpose(0, 0),
            AxisError,
            r"transpose: axis \(0, 0\) names an axis .* twice",
        ),
        (lambda v: v.transpose(0, 2), AxisError, "transpose: axis 2 is out of range"),
        (
            lambda v: v.transpose(1),
            AxisError,
            r"transpose: axes 1 must name each of the 2 axes once; np.swapaxes exchanges two",
        ),
        (
            lambda v: v.transpose(0.5, 1),
            AxisError,
            "transpose: axis must be an integer, got 0.5",
        ),
        (lambda v: tg.expand_dims(v, 3), AxisError, r"expand_dims: axis 3 is out of range"),
        (lambda v: tg.expand_dims(v, (0, 0)), AxisError, r"expand_dims: .* twice"),
        (lambda v: tg.expand_dims(v, 0.5), AxisError, "expand_dims: axis must be .* got 0.5"),
        (lambda v: tg.expand_dims(v, None), AxisError, "expand_dims: axis must be .* got None"),
        (lambda v: tg.squeeze(v, 1), ShapeError, r"squeeze: axes \(1,\) of shape \(2, 3\) are not"),
        (lambda v: tg.squeeze(v, 2), AxisError, "squeeze: axis 2 is out of range"),
        (
            lambda v: tg.broadcast_to(v, (2, 4)),
            ShapeError,
            r"broadcast_to: shape \(2, 3\) does not broadcast to \(2, 4\)",
        ),
        (lambda v: tg.broadcast_to(v, 3), ShapeError, r"broadcast_to: .* to \(3,\)"),
        (lambda v: tg.broadcast_to(v[0, 0], -1), ShapeError, r"broadcast_to: .* to \(-1,\)"),
        (lambda v: tg.broadcast_to(v, (2.5, 3)), AxisError, "broadcast_to: .* got 2.5"),
        (lambda v: tg.concatenate(v, v, axis=2), AxisError, "concatenate: axis 2 is out of range"),
        (lambda v: tg.concatenate(v, v, axis=None), AxisError, "concatenate: axis must be .* None"),
        (lambda v: tg.concatenate(v, v, axis=(0, 1)), AxisError, r"concatenate: .* \(0, 1\)"),
        (
            lambda v: tg.concatenate(v, v[0]),
            ShapeError,
            r"concatenate: shapes \[\(2, 3\), \(3,\)\] differ",
        ),
        (
            lambda v: tg.concatenate(v, v[:, 0], axis=1),
            ShapeError,
            r"concatenate: shapes \[\(2, 3\), \(2,\)\] differ on axes other than 1",
        ),
        (
            lambda v: tg.concatenate(v, v.T),
            ShapeError,
            r"concatenate: shapes .* differ on axes other than 0",
        ),
        (
            lambda _: tg.concatenate(1.0, 2.0),
            ShapeError,
            "concatenate: needs operands with at least",
        ),
        (lambda _: tg.concatenate(), ShapeError, r"concatenate: needs operands .* got \[\]"),
        (
            lambda v: tg.stack(v, v[0]),
            ShapeError,
            r"stack: needs operands of the same shape, got \[\(2, 3\), \(3,\)\]",
        ),
        (lambda _: tg.stack(), ShapeError, r"stack: needs operands of the same shape, got \[\]"),
        (lambda v: tg.stack(v, v, axis=3), AxisError, "stack: axis 3 is out of range"),
        (lambda v: tg.stack(v, v, axis=None), AxisError, "stack: axis must be .* got None"),
        (lambda v: v[2], SubscriptError, r"getitem: shape \(2, 3\) has no element \[2\]"),
        (lambda v: v[0, 0, 0], SubscriptError, "getitem: .* too many indices"),
        (lambda v: v[0.5], SubscriptError, r"getitem: .* has no element \[0.5\]"),
        (lambda v: v[np.nan], SubscriptError, r"getitem: .* has no element \[nan\]"),
        (lambda v: v["a"], SubscriptError, r"getitem: .* has no element \[a\]"),
        (lambda v: v[::0], SubscriptError, "getitem: .* step cannot be zero"),
        (lambda v: v[[[0], [0, 1]]], SubscriptError, "getitem: .* has no element"),
        (lambda v: v[np.array([True, False, True])], SubscriptError, "getitem: .* has no element"),
        (lambda v: v[v[0, 0]], SubscriptError, "getitem: .* has no element"),
        (lambda v: v[v == 4], SubscriptError, r"v\[False\] is not .* write v\[np\.equal\(v, w\)\]"),
        (lambda v: v[v != 4], SubscriptError, r"v\[True\] is not a mask: == and !="),
        (lambda v: v[v == 4, 0], SubscriptError, r"v\[\(False, 0\)\] is not a mask"),
        (lambda v: v[..., v == 4], SubscriptError, r"v\[\(Ellipsis, False\)\] is not a mask"),
        (lambda _: tg.Value(2.0)[0], SubscriptError, r"getitem: shape \(\) has no element \[0\]"),
        (
            lambda v: v.astype(int),
            OptionError,
            "astype: dtype must be a floating-point type, got <class 'int'>",
        ),
        (lambda v: v[tg.Value(0)], SubscriptError, r"not a Value: v\.data\.astype\(int\)"),
        (lambda v: v[:, tg.Value([0, 1])], SubscriptError, "an index must consist of integers"),
        (lambda v: v.astype("complex64"), OptionError, "astype: .* got 'complex64'"),
        (
            lambda v: v.astype("foo"),
            OptionError,
            "astype: dtype must be a floating-point type, got 'foo'",
        ),
    ],
)
def test_invalid_operands_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(SQUARE)


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda v: v.reshape(6), (6,)),
        (lambda v: v.reshape([3, 2]), (3, 2)),
        (lambda v: v.reshape(np.array([3, 2])), (3, 2)),
        (lambda v: v.reshape(np.array(6)), (6,)),
        (lambda v: v.reshape(np.int8(-1)), (6,)),
        (lambda v: v.reshape(2, -1, 1), (2, 3, 1)),
        (lambda v: v[0, 0].reshape(()), ()),
        (lambda v: v[:0].reshape(0, 7), (0, 7)),
        (lambda v: v[:0].reshape(-1), (0,)),
        (lambda v: v.transpose(), (3, 2)),
        (lambda v: v.transpose(np.argsort([1, 0])), (3, 2)),
        (lambda v: v[0].transpose(0), (3,)),
        (lambda v: tg.expand_dims(v, np.int64(1)), (2, 1, 3)),
        (lambda v: tg.expand_dims(v, [0, -1]), (1, 2, 3, 1)),
        (lambda v: tg.expand_dims(v, ()), (2, 3)),
        (lambda v: tg.squeeze(v[None, :, :1]), (2,)),
        (lambda v: tg.squeeze(v[None, :, :1], (0, -1)), (2,)),
        (lambda v: tg.broadcast_to(v[:, :1], (2, 5)), (2, 5)),
        (lambda v: tg.broadcast_to(v[0, 0], 0), (0,)),
    ],
)
def test_shapes_can_be_written_in_every_way_of_numpy(call, shape):
    assert call(SQUARE).shape == shape


def test_defaults_of_the_shaping_rules():
    x = np.ones((2, 3))
    assert shaping.reshape(x)[0].shape == (6,)
    assert shaping.expand_dims(x)[0].shape == (1, 2, 3)
    assert shaping.getitem(x)[0].shape == (2, 3)
    assert shaping.broadcast_to(np.array(1.0))[0].shape == ()


@pytest.mark.parametrize("f", [lambda v: v[np.zeros(5000, int)], lambda v: np.repeat(v, 5000)])
def test_a_float16_cell_selected_many_times_gets_all_gradients(f):
    v = tg.Value(np.ones(1, np.float16))
    f(v).sum().backward()
    assert (v.grad.dtype, v.grad[0]) == (np.float16, 5000)


def test_a_cell_selected_several_times_gets_all_gradients_in_order():
    x = tg.Value([1.0, 2.0, 3.0])
    y = x[[2, 0, 2, 2]]
    (to_x,) = tg.grad(y, x, gradient=np.array([0.1, 5.0, 0.2, 0.3]))
    assert to_x.tolist() == [5.0, 0.0, 0.1 + 0.2 + 0.3]


KEYS = {
    "number": 1,
    "negative": -1,
    "exactly -n": (-3, -4),
    "numpy number": np.int64(1),
    "0-d array": np.array(1),
    "slice": slice(None, None, -2),
    "empty slice": slice(2, 0),
    "None": None,
    "ellipsis": (..., 0),
    "nothing": (),
    "list": [1, 1, 0],
    "array and slice": (slice(None), np.array([[0, 2], [2, 2]])),
    "two arrays": ([0, 1, 0], [2, 2, 2]),
    "mask": np.arange(12).reshape(3, 4) % 3 == 0,
    "mask of rows": np.array([True, False, True]),
    "numpy bool": np.True_,
    "number and mask": (1, np.array([True, False, True, True])),
    "range": range(2),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_kind_of_index_has_a_gradient(key, check_gradient, check_second_derivative):
    x = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_array_equal(tg.Value(x)[key].data, x[key])
    check_gradient(lambda v: v[key], x)
    check_second_derivative(lambda v: v[key] ** 2, x)


@pytest.mark.parametrize("dtype", [float, np.float64, "f8", np.float32, np.float16, "float16"])
def test_astype_accepts_every_floating_dtype_and_its_gradient_has_the_old_one(dtype):
    x = tg.Value(np.array([[1.5], [2.5]], np.float32))
    y = x.astype(dtype)
    assert (y.dtype, y.shape) == (np.dtype(dtype), (2, 1))
    (to_x,) = tg.grad((y * y).sum(), x)
    assert to_x.dtype == np.float32
    assert to_x.tolist() == [[3.0], [5.0]]


def test_astype_keeps_the_native_byte_order():
    x = tg.Value([1.5])
    assert x.astype(x.dtype.newbyteorder()).dtype is x.dtype
    assert x.astype(x.dtype.newbyteorder("=")).dtype is x.dtype  # equal ones slow np.add.at down


def test_a_python_float_rounded_by_astype_remains_a_python_float():
    y = tg.Value(0.1).astype(np.float16)
    assert type(y.data) is float
    assert y.data == np.float16(0.1)


def test_nothing_flows_through_detach():
    x = tg.Value([1.0, 2.0])
    y = x.detach() * x
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]


def test_scattered_zeros_have_the_sign_of_a_sum_for_any_index_array():
    for key in ([2, 0], [2, 2], [True, False, True]):
        to_x = shaping.scatter(np.array([-0.0, -0.0]), key=np.array(key), shape=(3,))
        assert not np.signbit(to_x).any()
