"""The candidates of a maximum."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.derivatives.candidates import candidates_of

inf, nan = np.inf, np.nan


def listed(candidates, unit):
    """List operand, place, value and weight of a unit's candidates."""
    return [
        (
            int(candidates.operand[i]),
            None if candidates.operand[i] < 0 else candidates.place(i),
            float(candidates.value[i]),
            float(candidates.weight[i]),
        )
        for i in candidates.within(unit)
    ]


def test_a_window_holds_its_units_in_row_major_order_and_no_padding():
    candidates = candidates_of(tg.max_pool2d(Value([[1.0, 3.0], [2.0, 0.0]]), 2, 1, 1))
    assert listed(candidates, 0) == [(0, (0, 0), 1.0, 1.0)]
    assert listed(candidates, 4) == [
        (0, (0, 0), 1.0, 0.0),
        (0, (0, 1), 3.0, 1.0),
        (0, (1, 0), 2.0, 0.0),
        (0, (1, 1), 0.0, 0.0),
    ]


@pytest.mark.parametrize(
    ("reduce", "values", "tied"),
    [(Value.max, [5.0, 2.0, 9.0], [1, 5]), (Value.min, [-5.0, -2.0, -9.0], [2, 4])],
)
def test_a_row_holds_its_units_and_the_least_wins_a_minimum(reduce, values, tied):
    candidates = candidates_of(reduce(Value([[1.0, 5.0], [3.0, 2.0], [0.0, 9.0]]), axis=0))
    assert [value for _, _, value, _ in listed(candidates, 1)] == values
    assert [place for _, place, _, _ in listed(candidates, 1)] == [(0, 1), (1, 1), (2, 1)]
    assert np.flatnonzero(candidates.tied).tolist() == tied


def test_operands_compete_in_their_order_broadcast_and_in_the_results_dtype():
    candidates = candidates_of(tg.maximum(Value(np.float32([[0.1], [2]])), 0.1, np.float32([0, 3])))
    assert listed(candidates, 0) == [
        (0, (0, 0), float(np.float32(0.1)), 1.0),
        (1, (), float(np.float32(0.1)), 0.0),
        (2, (0,), 0.0, 0.0),
    ]
    assert [operand for operand, *_ in listed(candidates, 3)] == [0, 1, 2]
    assert np.flatnonzero(candidates.tied).tolist() == [0, 1, 5, 6, 11]
    assert candidates.is_variable.tolist() == [True, False, False] * 4


def test_a_relu_has_a_constant_0_which_comes_first():
    candidates = candidates_of(Value([2.0, 0.0, -3.0, nan]).relu())
    assert [listed(candidates, unit)[0] for unit in range(3)] == [
        (-1, None, 0.0, weight) for weight in (0.0, 1.0, 1.0)
    ]
    assert candidates.tied.tolist() == [False, True, True, True, True, False, False, True]
    assert candidates.is_variable.tolist() == [False, True] * 4


def test_nan_beats_every_number_and_ties_with_nan():
    candidates = candidates_of(tg.max_pool1d(Value([nan, inf, nan, -inf, -inf, -inf]), 3))
    assert candidates.tied.tolist() == [True, False, True, True, True, True]
    assert candidates.top[:3].tolist() == pytest.approx([nan] * 3, nan_ok=True)


def test_nodes_without_a_choice_have_no_candidates():
    x = Value([1.0, 2.0])
    with tg.no_grad():
        cut = x.max()
    empty = tg.max_pool1d(Value(np.zeros((0, 4))), 2)
    none = [x, x * 2.0, x.sum(), tg.avg_pool1d(x, 2), tg.lp_pool1d(x, 2.0, 2), cut, empty]
    assert [candidates_of(node) for node in none] == [None] * len(none)
