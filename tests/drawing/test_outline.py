"""A graph as indented text."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, OptionError


def test_it_says_who_won_and_what_was_written_above():
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    E = tg.maximum(a * b, b, 1.0) + b
    E.backward()
    assert tg.tree(E, names={"E": E, "n": 1}).splitlines() == [
        "E: + = 9, grad 1",
        "├─ max = 6, grad 1",
        "│  ├─ × = 6, grad 1 (wins)",
        "│  │  ├─ a = 2, grad 3",
        "│  │  └─ b = 3, grad 3",
        "│  ├─ b = 3, grad 3 (loses)",
        "│  └─ 1 (loses)",
        "└─ b = 3, grad 3",
    ]
    c = a * b
    assert tg.tree(c + c).splitlines()[-1] == "└─ × = 6, grad –, as above"


def test_an_even_tie_says_its_shares():
    tie = tg.maximum(Value(1.0), Value(1.0), ties="even")
    assert tg.tree(tie).count("(wins 0.5)") == 2


def test_arrays_show_their_shape_and_numbers_or_their_range():
    x = Value([[1.0, 2.0], [3.0, 4.0]], label="x")
    assert tg.tree(x * np.array([1.0, 2.0])).splitlines() == [
        "× (2, 2) = [[1 4] [3 8]], grad –",
        "├─ x (2, 2) = [[1 2] [3 4]], grad –",
        "└─ (2,) [1 2]",
    ]
    assert "(3, 9) = 0 … 26" in tg.tree(Value(np.arange(27.0).reshape(3, 9)))


def test_depth_and_limit_cut():
    y = Value(1.0)
    for _ in range(100_000):
        y = y * 2.0
    assert tg.tree(y, depth=1).splitlines()[1:] == ["├─ × = inf, grad – …", "└─ 2"]
    lines = tg.tree(y, limit=3).splitlines()
    assert (len(lines), lines[-1]) == (4, "… (limit= writes more)")


def test_a_leaf_and_a_hostile_label_stay_on_one_line():
    assert tg.tree(Value(1.0)) == "leaf = 1, grad –"
    assert tg.tree(Value(1.0, label="a\nb" * 100)).count("\n") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "tree: depth must be a whole number from 0, got -1"),
        ({"limit": 0}, "tree: limit must be a whole number from 1, got 0"),
        ({"depth": 1.5}, "tree: depth must be a whole number from 0, got 1.5"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        tg.tree(Value(1.0), **options)
    with pytest.raises(DataError, match="tree: needs a Value, got int"):
        tg.tree(1)
