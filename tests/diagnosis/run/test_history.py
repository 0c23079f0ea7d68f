"""Which steps of a long run are kept."""

import numpy as np

from tinygrad_pool.diagnosis.run.history import History, Point
from tinygrad_pool.diagnosis.run.rows import ABSENT


def steps_of(history, n):
    for step in range(n):
        history.add(Point(step, float(step), ([], [], [])))
    return [point.step for point in history.points]


def test_all_steps_are_kept_as_long_as_there_is_room():
    assert steps_of(History(8), 0) == []
    assert steps_of(History(8), 8) == [*range(8)]


def test_then_every_second_goes_but_for_the_last_and_those_to_be_kept():
    assert steps_of(History(8), 10) == [0, 2, 4, 6, 8, 9]
    history = History(8)
    history.kept |= {3, 13}
    assert steps_of(history, 19) == [0, 3, 4, 8, 12, 13, 16, 18]


def test_it_never_grows_beyond_its_room():
    history = History(50)
    history.kept |= {7}
    assert len(steps_of(history, 5000)) <= 52


def test_a_parameter_that_comes_later_has_no_norms_before():
    history = History(8)
    history.names["a"] = 0
    history.add(Point(0, 1.0, np.ones((3, 1))))
    history.names["b"] = 1
    history.add(Point(1, 1.0, np.full((3, 2), 2.0)))
    assert history.table()[0].tolist() == [[1.0, ABSENT], [2.0, 2.0]]
