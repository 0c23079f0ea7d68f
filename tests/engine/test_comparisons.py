"""What is remembered, under `traced`, of choices that plain Python made."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def shown(v):
    return [(c.relation, c.other, c.answer) for c in v.about.choices]


def test_pythons_max_leaves_a_choice_on_both_values():
    with tg.traced():
        a, b = Value(2.0), Value(3.0)
        assert max(a, b) is b
    assert shown(b) == [(">", "2.0", True)]
    assert shown(a) == [("<", "3.0", True)]
    assert b.about.choices[0].line.file == __file__


@pytest.mark.parametrize(
    ("question", "mine", "theirs"),
    [
        (lambda a, b: a <= b, "<=", ">="),
        (lambda a, b: a >= b, ">=", "<="),
        (lambda a, b: a < b, "<", ">"),
    ],
)
def test_each_relation_is_mirrored(question, mine, theirs):
    with tg.traced():
        a, b = Value(2.0), Value(3.0)
        answer = question(a, b)
    assert shown(a) == [(mine, "3.0", answer)]
    assert shown(b) == [(theirs, "2.0", answer)]


def test_an_if_leaves_one_for_each_line_with_its_last_answer():
    with tg.traced():
        a = Value(0.0)
        for a.data in (1.0, 0.0):
            if a:
                pass
        assert not a > 3
    assert shown(a) == [("bool", "", False), (">", "3", False)]


def test_comparing_arrays_chooses_nothing_yet():
    with tg.traced():
        v = Value([1.0, 2.0])
        assert (v > 1.5).tolist() == [False, True]
    assert v.about.choices == ()


def test_choices_keep_no_graph_alive():
    import weakref

    with tg.traced():
        a, b = Value(2.0), Value(3.0)
        y = max(a.exp(), b.exp())
    gone = weakref.ref(y)
    assert np.isfinite(y.data)
    del y
    assert gone() is None
