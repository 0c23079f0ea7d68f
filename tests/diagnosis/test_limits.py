"""What could not be looked at is said."""

import numpy as np
import pytest

import tinygrad_pool as tg


def test_without_traced_and_parameters_it_says_so_in_one_line():
    w = tg.Value(2.0, label="w")
    diagnosis = tg.diagnose(w * 3.0)
    assert diagnosis.limits == [
        "what Python's max, min, if and float() did (build the graph under tg.traced())",
        "parameters that the loss does not depend on (none were given)",
    ]
    said = " ".join(str(diagnosis).split())
    assert "Not looked at: what Python's max, min, if and float() did (build" in said


def test_where_all_was_looked_at_nothing_is_said():
    with tg.traced():
        w = tg.Value(2.0, label="w")
        loss = w * 3.0
    diagnosis = tg.diagnose(loss, parameters=[w])
    assert diagnosis.limits == []
    assert "Not looked at" not in str(diagnosis)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_are_wrong_hide_the_rest():
    with tg.traced():
        w = tg.Value(0.0, label="w")
        loss = w.log() + (w * -1.0).relu()
    assert tg.diagnose(loss, parameters=[w]).limits == [
        "dead units, zeros, trends and ties (first the numbers have to be finite)"
    ]


def test_ties_cannot_be_looked_for_once_data_was_set():
    with tg.traced():
        w = tg.Value(np.ones((1, 2, 2)), label="w")
        loss = tg.max_pool2d(w, 2).sum()
    w.data = np.zeros((1, 2, 2))
    assert tg.diagnose(loss, parameters=[w]).limits == [
        "ties, and data as it is now (set after the forward pass: w)"
    ]


def test_a_loss_without_a_graph_has_no_limits():
    assert tg.diagnose(tg.Value(1.0)).limits == []
