"""Which steps of a long run are kept."""

import numpy as np
import pytest

from tinygrad_pool.diagnosis.run.history import Event, History, Limits, Point
from tinygrad_pool.diagnosis.run.rows import ABSENT


def steps_of(history, n):
    for step in range(n):
        history.add(Point(step, float(step), ([], [], [])))
    return [point.step for point in history.points]


def test_all_steps_are_kept_as_long_as_there_is_room():
    assert steps_of(History(8), 0) == []
    assert steps_of(History(8), 8) == [*range(8)]


def test_every_second_step_is_dropped_except_the_last_and_kept_ones():
    assert steps_of(History(8), 10) == [0, 2, 4, 6, 8, 9]
    history = History(8)
    history.kept |= {3, 13}
    assert steps_of(history, 19) == [0, 3, 4, 8, 12, 13, 16, 18]


def test_its_size_is_bounded():
    history = History(50)
    history.kept |= {7}
    assert len(steps_of(history, 5000)) <= 52


def test_a_parameter_added_later_has_no_earlier_norms():
    history = History(8)
    history.names["a"] = 0
    history.add(Point(0, 1.0, np.ones((3, 1))))
    history.names["b"] = 1
    history.add(Point(1, 1.0, np.full((3, 2), 2.0)))
    assert history.table()[0].tolist() == [[1.0, ABSENT], [2.0, 2.0]]


# -- events

LIMITS = Limits(1e-8, 1e4)


def broken(g, w=(1.0, 1.0, 1.0), loss=1.0, updated=False):
    point = Point(7, loss, np.array([g, [ABSENT] * len(g), w[: len(g)]]))
    events = [*LIMITS.broken(point, "abc", updated)]
    assert all((event.step, event.why, event.recording) == (7, "", None) for event in events)
    return [event[1:6] for event in events]


def test_an_ordinary_step_has_no_event():
    assert broken([1e-8, 1.0, 1e4]) == broken([ABSENT, 1.0, ABSENT]) == []


@pytest.mark.parametrize(
    ("g", "found"),
    [
        ([1.0, np.nan, np.nan], ("NaN", "gradient", "b", np.nan, 1)),
        ([1.0, np.inf, 1.0], ("infinite", "gradient", "b", np.inf, 0)),
        ([1.0, 1e-9, 0.0], ("vanished", "gradient", "c", 0.0, 1)),
        ([1e5, 1.0, 1e6], ("exploded", "gradient", "c", 1e6, 1)),
        ([ABSENT, ABSENT, ABSENT], ("missing", "gradient", "", ABSENT, 0)),
    ],
)
def test_each_kind_names_the_worst_parameter_and_counts_the_others(g, found):
    (bad,) = broken(g)
    assert bad[:3] + bad[4:] == found[:3] + found[4:]
    np.testing.assert_equal(bad[3], found[3])


def test_what_was_computed_first_is_named():
    bad, nan = [np.nan, 1.0], (np.nan, 1.0)
    assert [b[1] for b in broken(bad, nan, np.nan)] == ["weight"]
    assert [b[1] for b in broken(bad, nan, np.nan, updated=True)] == ["loss"]
    assert [b[1] for b in broken(bad, nan, updated=True)] == ["gradient"]
    assert [b[1] for b in broken([1.0, 1.0], nan, updated=True)] == ["weight"]
    assert [b[:3] for b in broken([1.0, 1.0], loss=np.inf)] == [("infinite", "loss", "")]


def test_a_step_can_have_several_kinds():
    found = broken([np.nan, np.inf, 0.0], (1.0, 1e9, 1.0))
    assert [b[:2] for b in found] == [
        ("NaN", "gradient"),
        ("infinite", "gradient"),
        ("vanished", "gradient"),
        ("exploded", "weight"),
    ]


def test_a_network_without_parameters_has_no_gradients():
    assert broken([], ()) == [("missing", "gradient", "", ABSENT, 0)]


@pytest.mark.parametrize(
    ("kind", "what", "name", "size", "others", "says"),
    [
        ("NaN", "loss", "", np.nan, 0, "step 1,200: the loss is NaN"),
        ("NaN", "gradient", "w", np.nan, 1, "the gradient of w, and of 1 other, is NaN"),
        ("exploded", "weight", "w", 2e6, 0, "the weight of w has exploded: 2e+06"),
        ("vanished", "gradient", "w", 0.0, 12, "of w, and of 12 others, has vanished: 0"),
        ("missing", "gradient", "", -1.0, 0, "step 1,200: the gradient is missing"),
    ],
)
def test_an_event_says_what_happened(kind, what, name, size, others, says):
    event = Event(1200, kind, what, name, size, others, "because\nof this", None)
    assert event.says.endswith(says)
    assert str(event) == f"{event.says}\n  because\n  of this"
