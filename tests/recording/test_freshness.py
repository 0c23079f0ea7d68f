"""What is not as it was when a pass was computed, and what was there before it."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.recording.freshness import before_a_pass, left_before, numbers_taken, set_since


def test_leaves_that_were_set_are_mapped_to_their_first_user():
    w, x = tg.Value(2.0, label="w"), tg.Value(3.0, label="x")
    first = w * x
    E = first * w
    assert set_since([w, x, first, E]) == {}
    w.data = 5.0
    assert set_since([w, x, first, E]) == {w: first}
    again = w * x
    assert set_since([w, x, again]) == {}


def test_where_no_leaf_was_ever_set_nothing_is_looked_for(monkeypatch):
    w = tg.Value(2.0)
    y = w * 3.0
    monkeypatch.setattr("tinygrad_pool.engine.node.Node.last_change", 0)
    assert set_since([w, y]) == {}


def test_an_array_too_and_a_leaf_that_was_detached():
    w = tg.Value(np.ones(2)).detach()
    y = w * 2.0
    w.data = np.zeros(2)
    assert set_since([w, y]) == {w: y}


def test_only_what_other_passes_left_counts():
    w, u, node = tg.Value(1.0), tg.Value(2.0), tg.Value(3.0).exp()
    before = {w: 4.0, u: 5.0, node: 6.0, tg.Value(0.0): None, tg.Value(1.0): 0.0}
    assert left_before(before, {w: 4.0, u: 1.0}, ran=True) == {u: 4.0}
    assert left_before(before, {w: 4.0, u: 1.0}, ran=False) == {w: 4.0, u: 5.0}
    assert left_before({w: np.array([np.nan, 1.0])}, {w: np.array([np.nan, 1.0])}, ran=True) == {}


def test_before_a_pass_all_is_told_that_is_there():
    a, b, c = (tg.Value(float(n), label=n) for n in "123")
    E = a * b * c
    assert before_a_pass(str, [a, b, c, E]) == []
    E.backward()
    a.data = b.data = c.data = 5.0
    held, stale, more = before_a_pass(lambda v: v.label or v.op, [a, b, c, *E.parents[:1], E])
    assert held == (
        "before this pass, which adds to it: 1.grad = 6, 2.grad = 3, 3.grad = 2; zero_grad() "
        "forgets it"
    )
    assert stale.startswith("1 was set after mul was computed from it")
    assert more == "… and so 2 other leaves"


@pytest.mark.parametrize(
    ("take", "how"),
    [(float, "float"), (int, "int"), (lambda v: v.item(), "item"), (round, "round")],
)
def test_a_number_that_was_taken_is_remembered_by_all_behind_it(take, how):
    with tg.traced():
        x, w = tg.Value(2.0), tg.Value(3.0)
        y = x * w
        number = take(y)
    assert number == 6.0
    assert type(number) is type(take(tg.Value(6.0)))
    assert numbers_taken(y)[0].startswith(f"{how}() made a plain number of it at test_freshness.py")
    for leaf in (x, w):
        assert numbers_taken(leaf)[0].startswith(f"{how}() made a plain number of what came of it")


def test_what_is_only_shown_or_compared_is_not():
    with tg.traced():
        x = tg.Value(2.0)
        _ = f"{x:.2f}", x > 1, bool(x), repr(x)
    assert numbers_taken(x) == []
    y = tg.Value(2.0)
    _ = float(y)  # outside traced
    assert numbers_taken(y) == []
