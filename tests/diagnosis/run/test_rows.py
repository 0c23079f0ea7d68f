"""Which parameters are measured together, and how large they are."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.diagnosis.run.rows import ABSENT, Row, rows_of
from tinygrad_pool.errors import DataError
from tinygrad_pool.recording.strongest_paths import rms


def named(parameters):
    return {row.name: len(row.values) for row in rows_of(parameters)}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_norm_neither_overflows_nor_rounds_to_zero(dtype):
    info = np.finfo(dtype)
    for size in (float(info.tiny), 1.0, float(info.max) / 4):
        x = np.array([[size, -size], [0.0, 0.0]], dtype).T
        assert rms(x) == pytest.approx(float(dtype(size)) * 0.5**0.5, rel=1e-6)
    assert rms(np.zeros(3, dtype)) == 0
    assert rms(np.array([1.0, np.inf], dtype)) == np.inf
    assert np.isnan(rms(np.array([np.inf, np.nan, 1.0], dtype)))


def test_arrays_are_rows_and_the_scalars_of_a_layer_are_one():
    net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.ReLU(), tg.nn.Linear(3, 1))
    assert named(net) == dict.fromkeys(["0.weight", "0.bias", "2.weight", "2.bias"], 1)
    assert named(tg.nn.MLP(2, [4, 1])) == {"layers.0": 12, "layers.1": 5}
    assert named(tg.nn.Neuron(2)) == {"w": 2, "b": 1}
    assert named(tg.nn.Layer(2, 2)) == {"neurons.0": 3, "neurons.1": 3}


def test_values_are_named_by_labels_or_the_keys_of_a_dict():
    w, b = Value(np.ones(2), label="w"), Value(1.0, label="b")
    assert named([w, b]) == named({"w": w, "b": b}) == {"w": 1, "b": 1}
    assert named(w) == {"w": 1}
    assert named([w, Value(np.ones(3), label="w"), w]) == {"w": 1, "w (2)": 1}
    assert named([Value(np.ones(2)), Value(1.0), Value(2.0)]) == {"parameter": 1, "numbers": 2}
    assert named([Value(1.0, label="w"), w]) == {"w": 1, "w (2)": 1}
    assert named([w, Value(1.0, label="w")]) == {"w": 1, "w (2)": 1}
    assert named({"net": tg.nn.Linear(1, 1), "scale": b}) == {
        **{"net.weight": 1, "net.bias": 1},
        "scale": 1,
    }
    assert named([Value(np.ones((0, 2)))]) == {}


def test_any_object_with_parameters_is_accepted():
    class Net:
        def __init__(self):
            self.w = Value(np.ones(2), label="w")

        def parameters(self):
            return [self.w]

    assert named(Net()) == named([Net()]) == {"w": 1}


@pytest.mark.parametrize(
    ("parameters", "got"),
    [
        (3.0, "float"),
        ([1.0], "float"),
        ("w", "str"),
        (np.ones(2), "ndarray"),
        ({"w": 1}, "int"),
        (tg.nn.Linear, "the class Linear"),
    ],
)
def test_anything_else_is_rejected(parameters, got):
    with pytest.raises(DataError, match=rf"watch: parameters must be Values, .*, got {got}"):
        rows_of(parameters)


def test_parameters_of_another_library_are_rejected():
    class Net:
        def parameters(self):
            return [np.ones(2)]

    with pytest.raises(DataError, match=r"watch: parameters must be Values, .*, got ndarray"):
        rows_of(Net())


def test_computed_values_are_rejected():
    h = Value(1.0).exp()
    h.label = "h"
    with pytest.raises(DataError, match=r"the exp node 'h' was computed; only leaves"):
        rows_of([h])


def test_a_row_of_scalars_has_a_gradient_if_one_of_them_has():
    a, b = Value(1.0), Value(2.0)
    row = Row("ab", [a, b])
    assert row.gradient() is None
    a.grad = 3.0
    np.testing.assert_array_equal(row.gradient(), [3.0, 0.0])
    assert row.worst(smallest=True) is b
    assert row.worst(smallest=False) is a
    b.grad = np.nan
    assert row.worst(smallest=False) is b


def test_a_large_array_is_sampled_in_all_rows_and_columns():
    rng = np.random.default_rng(0)
    w = Value(rng.normal(size=(784, 128)))
    row = Row("w", [w])
    row.measured()
    moves = rng.normal(size=w.shape)
    moves[:100] = 0.0  # like pixels at the border, which are always dark
    w.data = w.data + moves
    assert row.measured()[1] == pytest.approx(rms(moves), rel=0.05)
    places = np.unravel_index(np.arange(0, w.size, row._every), w.shape)
    assert [len(set(i.tolist())) for i in places] == [784, 128]


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_row_measures_gradient_update_and_weight(order):
    w = Value(np.arange(4.0).reshape(2, 2).copy(order))
    row = Row("w", [w])
    assert row.distance() == row.measured()[1] == ABSENT
    w.grad = np.full((2, 2), -3.0)
    w.data = w.data + np.full((2, 2), 2.0).T
    assert row.distance() == 2.0
    assert row.measured() == (3.0, 2.0, pytest.approx(rms(w.data)))
    assert row.measured()[1] == 0.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_update_as_large_as_the_dtype_allows_is_measured(dtype):
    most = np.finfo(dtype).max / 2
    w = Value(np.array([most, 0.0], dtype))
    row = Row("w", [w])
    row.measured()
    w.data = -w.data
    moved = pytest.approx(2 * float(most) * 0.5**0.5)
    assert row.distance() == moved
    assert row.measured()[1] == moved


def test_weights_that_are_not_finite_are_measured_without_a_warning():
    w = Value(np.array([np.inf, 1.0]))
    row = Row("w", [w])
    row.measured()
    w.data = np.array([np.inf, 2.0])
    assert np.isnan(row.measured()[1])
    assert row.measured()[2] == np.inf


@pytest.mark.parametrize("data", [1.0, np.float32(1), np.ones(2)])
def test_a_gradient_is_stuck_when_it_is_newly_missing_or_unchanged(data):
    w = Value(data)
    row = Row("w", [w])

    def is_stuck():
        row.measured()
        return row.is_stuck

    assert [is_stuck(), is_stuck()] == [True, False]
    w.grad = data
    assert [is_stuck(), is_stuck(), is_stuck()] == [False, True, False]
    w.grad = data * 2
    assert not is_stuck()
    w.zero_grad()
    assert [is_stuck(), is_stuck()] == [False, True]
