"""Functions that only move cells: their links, filled cells, and unsupported options."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import OptionError, ShapeError, UnsupportedError

V = Value([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], label="v")


@pytest.mark.parametrize(
    "call",
    [
        lambda v: np.roll(v, 1),
        lambda v: np.tile(v, 2),
        lambda v: np.take(v, [0, 0, 5]),
        np.rot90,
        np.flip,
        lambda v: np.sort(v, axis=0),
    ],
)
def test_moves_have_the_links_of_an_index(call):
    W = tg.weights_of(call(V))
    assert (W.weight == 1.0).all()
    assert np.array_equal(np.bincount(W.unit), np.ones(call(V).size))


def test_moves_in_order_are_reshapes_and_swapped_axes_are_transposes():
    assert np.ravel(V).op == np.atleast_3d(V).op == np.copy(Value(2.0)).op == "reshape"
    assert np.moveaxis(V, 0, 1).op == V.mT.op == "transpose"
    assert np.ravel(V).parents == (V,)


@pytest.mark.parametrize(
    "call",
    [
        np.copy,
        Value.copy,
        Value.flatten,
        lambda v: v.astype(float),
        lambda v: np.roll(v, 0),
        lambda v: np.tile(v, 1),
    ],
)
def test_copies_do_not_change_with_a_step_in_place(call):
    w = Value([1.0, 2.0])
    before = call(w)
    (w * w).sum().backward()
    tg.optim.SGD([w], lr=0.5).step()
    assert (w.data.tolist(), before.data.tolist()) == ([0.0, 0.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "ops"),
    [
        (lambda v: np.roll(v, 1, 1), ["getitem"]),
        (lambda v: np.pad(v, ((0, 0), (1, 0)), constant_values=7.0), ["where", "getitem"]),
        (np.tril, ["where"]),
        (lambda v: np.rot90(v.reshape(1, 2, 3), 1, (1, 2)), ["getitem", "reshape", "reshape"]),
    ],
)
def test_rows_that_move_alike_have_one_index(call, ops):
    y = node = call(V)
    assert np.array_equal(y.data, call(V.data))
    assert y.data.flags.c_contiguous
    for op in ops:
        assert node.op == op
        node = next(p for p in node.parents if isinstance(p, Value))
    assert node is V
    assert tg.gradcheck(lambda v: call(v) ** 2, V)


def test_filled_cells_get_no_gradient():
    y = np.pad(V, 1, constant_values=7.0)
    assert y.data[0, 0] == 7.0
    assert np.array_equal(tg.grad(y.sum(), V)[0], np.ones((2, 3)))
    assert np.diag(Value([1.0, 2.0])).data.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert np.pad(Value(np.ones(0)), 1).data.tolist() == [0.0, 0.0]


def test_a_value_can_be_inserted_into_an_integer_array():
    w = Value(0.5)
    y = np.insert(np.array([1, 2]), 1, w)
    assert np.array_equal(y.data, [1.0, 0.5, 2.0])
    assert tg.grad(y.sum(), w) == (1.0,)


def test_inserted_numbers_get_the_dtype_of_the_array():
    v = Value(np.ones(2, np.float32))
    assert np.insert(v, 0, 0.5).dtype == np.float32
    w = Value(2.0)
    assert np.array_equal(np.insert(v, 1, w).data, [1.0, 2.0, 1.0])
    assert tg.grad(np.insert(v, 1, w).sum(), w) == (1.0,)


def test_zeros_are_trimmed_from_either_end_or_all():
    assert np.trim_zeros(Value([0.0, 0.0])).shape == (0,)
    v = Value([0.0, 1.0, 0.0, 2.0, 0.0])
    for trim in ("fb", "f", "b"):
        assert np.array_equal(np.trim_zeros(v, trim).data, np.trim_zeros(v.data, trim))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.pad(V, 1, "linear_ramp"), UnsupportedError, "not 'linear_ramp'; np.concat"),
        (lambda: np.pad(V, 1, "reflect", reflect_type="odd"), UnsupportedError, "reflect_type="),
        (lambda: np.pad(V, 1, lambda *_: None), UnsupportedError, "np.pad on Values copies"),
        (lambda: np.take(V, Value([0.0])), OptionError, "np.take: indices must be a constant"),
        (lambda: np.roll(V, 1, axis=Value(0.0)), OptionError, "np.roll: axis must be a constant"),
        (lambda: np.pad(V, Value(1.0)), OptionError, "np.pad: pad_width must be a constant"),
        (
            lambda: np.pad(V, 1, constant_values=Value(1.0)),
            OptionError,
            "constant_values must be a",
        ),
        (lambda: V.take([0], out=np.zeros(1)), OptionError, "no option 'out' on Values"),
        (lambda: np.take(V, [0], None, np.zeros(1)), OptionError, "np.take: no option 'out' on"),
        (lambda: np.select([V.data > 0], [V, V]), OptionError, "got 2 and 1"),
    ],
)
def test_operations_that_are_not_moves_are_rejected(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_rerun_may_trim_to_another_shape():
    x = Value([0.0, 2.0, 0.0], label="x")
    passed = tg.record((np.trim_zeros(x) ** 2).sum())
    passed.set("x", [3.0, 4.0, 0.0])
    assert passed.replay().loss.data == 25.0


def test_operands_that_cannot_be_trimmed_are_rejected():
    with pytest.raises(ShapeError, match=r"np\.trim_zeros: needs one axis .*, got shape \(2, 3\)"):
        np.trim_zeros(V)
    for trim in ("x", 3):
        with pytest.raises(OptionError, match=r"np\.trim_zeros: trim must be 'f', 'b' or 'fb'"):
            np.trim_zeros(V[0], trim)


@pytest.mark.parametrize("join", [np.hstack, np.vstack, np.dstack, np.column_stack])
def test_joins_use_the_same_axis_as_numpy(join):
    for x in (V, V[0]):
        np.testing.assert_array_equal(join([x, 2 * x]).data, join([x.data, 2 * x.data]))
