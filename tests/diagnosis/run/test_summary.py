"""The table of a run."""

import numpy as np

from tinygrad_pool.diagnosis.run.history import Point
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.diagnosis.run.summary import LISTED, Summary


def test_it_shows_first_and_last_smallest_and_largest_and_the_median_share():
    norms = np.array([[[1.0], [9.0], [0.5]], [[0.1], [0.3], [ABSENT]], [[1.0], [1.0], [2.0]]])
    points = [Point(i, loss, norms[:, i]) for i, loss in enumerate((3.0, 2.0, 0.25))]
    table = Summary(3, ["w"], points, norms, []).table({"w": 1200})
    assert table.title == "Watched 3 steps: the loss went from 3 to 0.25"
    assert table.rows == [("w", "1,200", "1 → 0.5", "0.5", "9", "0.2", "1 → 2")]


def test_what_is_not_known_is_a_dash_and_nan_is_not_the_largest():
    norms = np.full((3, 2, 2), ABSENT)
    norms[0, :, 0] = 2.0, np.nan
    norms[1, :, 0] = np.nan, 0.5
    norms[2, :, 0] = 0.0, 1.0
    points = [Point(i, 1.0, norms[:, i]) for i in range(2)]
    table = Summary(2, ["w", "b"], points, norms, []).table({"w": 2})
    assert table.rows == [
        ("w", "2", "2 → nan", "2", "2", "0.5", "0 → 1"),
        ("b", "–", "–", "–", "–", "–", "–"),
    ]


def test_a_gradient_that_is_no_longer_there_is_a_dash():
    norms = np.array([[[1.0], [ABSENT]], [[0.1], [0.1]], [[1.0], [1.0]]])
    points = [Point(i, 1.0, norms[:, i]) for i in range(2)]
    (row,) = Summary(2, ["w"], points, norms, []).table({"w": 1}).rows
    assert row[2] == "1 → –"


def test_a_run_that_did_not_begin_and_one_of_many_parameters():
    nothing = Summary(0, ["w"], [], np.full((3, 0, 1), ABSENT), [])
    assert nothing.table({"w": 1}).title == "Watched 0 steps"
    names = [f"w{i}" for i in range(LISTED + 5)]
    table = nothing._replace(names=names, norms=np.full((3, 0, len(names)), ABSENT)).table({})
    assert len(table.rows) == LISTED + 1
    assert table.rows[-1][0] == "… 5 more"


def test_parameters_that_no_update_moved_despite_a_gradient_are_named():
    def told(update, g=(1.0,) * 5, names=("w",)):
        norms = np.array([g, update, (1.0,) * 5])[:, :, None]
        points = [Point(i, 1.0, norms[:, i]) for i in range(5)]
        return Summary(5, list(names), points, norms, []).unmoved()

    (note,) = told([ABSENT, 0.0, 0.0, 0.0, 0.0])
    assert note.startswith(
        "no update moved w, despite a gradient: frozen, replaced, not in the opt"
    )
    assert told([0.0, 0.0, 0.0, ABSENT, ABSENT]) == []  # too few
    assert told([0.0, 0.0, 0.0, 0.0, 1e-9]) == []
    assert told([0.0, 0.0, 0.0, 0.0, np.nan]) == []
    assert told([0.0] * 5, [ABSENT, 0.0, 0.0, 0.0, ABSENT]) == []
