"""Data set after a pass was computed, and gradients from before it."""

import warnings

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.recording.freshness import before_a_pass, left_before, numbers_taken


def test_stale_leaves_are_mapped_to_their_first_user():
    w, x = tg.Value(2.0, label="w"), tg.Value(3.0, label="x")
    first = w * x
    E = first * w
    assert set_since([w, x, first, E]) == {}
    w.data = 5.0
    assert set_since([w, x, first, E]) == {w: first}
    again = w * x
    assert set_since([w, x, again]) == {}


def test_no_search_for_stale_leaves_if_none_was_set(monkeypatch):
    w = tg.Value(2.0)
    y = w * 3.0
    monkeypatch.setattr("tinygrad_pool.engine.node.Node.last_change", 0)
    assert set_since([w, y]) == {}


def test_an_array_too_and_a_leaf_that_was_detached():
    w = tg.Value(np.ones(2)).detach()
    y = w * 2.0
    w.data = np.zeros(2)
    assert set_since([w, y]) == {w: y}


@pytest.mark.parametrize("start", [2.0, np.array([2.0, 3.0])])
def test_a_leaf_that_was_set_back_is_not_stale(start):
    """As after finite differences by hand."""
    w, x = tg.Value(start, label="w"), tg.Value(start, label="x")
    y = w * x
    for v in (w, x):
        old = v.data
        v.data = old + 1e-6
        assert set_since([w, x, y])[v] is y
        v.data = old
    assert set_since([w, x, y]) == {}


def test_a_rule_that_refuses_the_new_data_is_stale():
    def inverse(x):
        if not x:
            raise KeyError("zero")
        return 1 / x, lambda g: (-g / x**2,)

    w = tg.Value(2.0, label="w")
    y = tg.lift(inverse)(w)
    passed = tg.record(y)
    w.data = 0.0
    assert set_since([w, y]) == {w: y}
    assert passed.why("w").notes[0].startswith("w was set after inverse#1 was computed from it")


def test_no_warning_of_the_new_data_is_shown():
    w = tg.Value([2.0], label="w")
    passed = tg.record(np.log(w).sum())
    w.data = -w.data
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert passed.why("w").notes[0].startswith("w was set after log#1")
    assert shown == []


def test_only_gradients_left_by_other_passes_count():
    w, u, node = tg.Value(1.0), tg.Value(2.0), tg.Value(3.0).exp()
    before = {w: 4.0, u: 5.0, node: 6.0, tg.Value(0.0): None, tg.Value(1.0): 0.0}
    assert left_before(before, {w: 4.0, u: 1.0}, ran=True) == {u: 4.0}
    assert left_before(before, {w: 4.0, u: 1.0}, ran=False) == {w: 4.0, u: 5.0}
    assert left_before({w: np.array([np.nan, 1.0])}, {w: np.array([np.nan, 1.0])}, ran=True) == {}


def test_gradients_left_by_other_passes_are_found_without_comparing_leaves_to_each_other():
    class Leaf(tg.Value):
        def __eq__(self, other):
            pytest.fail("leaves were compared")

        __hash__ = tg.Value.__hash__

    leaves = [Leaf(1.0) for _ in range(20)]
    own = dict.fromkeys(leaves, 2.0)
    before = own | {leaves[3]: 5.0, leaves[7]: 1.0}
    assert left_before(before, own, ran=True) == {leaves[3]: 3.0, leaves[7]: -1.0}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_clipped_gradients_are_not_left_by_earlier_passes(dtype):
    w, u = (tg.Value(np.ones(3, dtype)) for _ in range(2))
    loss = (w * np.array([3, -0.5, 2], dtype) + u * 0.1).sum()

    def after(change):
        tg.optim.SGD([w, u], lr=0.1).zero_grad()
        loss.backward()
        change()
        return tg.record(loss).left

    assert after(lambda: tg.optim.clip_grad_norm_([w, u], 1.0)) == {}
    assert after(lambda: tg.optim.clip_grad_norm_([w], 0.0)) == {}
    assert after(lambda: tg.optim.clip_grad_value_([w, u], 1.0)) == {}
    assert [*after(loss.backward)] == [w, u]
    assert [*after((w * w).sum().backward)] == [w]


def test_a_gradient_set_to_0_by_hand_is_not_left_by_earlier_passes():
    w = tg.Value(3.0, label="w")
    E = w * w
    E.backward()
    w.grad = 0.0
    assert tg.record(E).why("w").notes == tg.diagnose(E).findings == []


@pytest.mark.parametrize("earlier", [0.0, 5.0])
@pytest.mark.parametrize("walk", [tg.record, tg.backward_steps])
def test_what_a_half_done_pass_has_added_is_not_left_by_earlier_passes(earlier, walk, capsys):
    w = tg.Value(3.0, label="w")
    E = w * w * w * 1.0
    w.grad = earlier
    half = walk(E)
    for _ in range(2):
        next(half) if walk is tg.backward_steps else half.next()
    assert w.grad == earlier + 9.0
    assert tg.record(E).left == ({w: earlier} if earlier else {})
    assert len(tg.diagnose(E).findings) == bool(earlier)
    tg.debug(E, commands="p w.grad")
    assert ("w.grad = 5;" in (said := capsys.readouterr().out)) == bool(earlier)
    assert "14" not in said.partition(chr(10))[0]


def test_warnings_before_a_pass_list_held_gradients_and_stale_data():
    a, b, c = (tg.Value(float(n), label=n) for n in "123")
    E = a * b * c
    assert before_a_pass(str, [a, b, c, E]) == []
    E.backward()
    a.data = b.data = c.data = 5.0
    held, stale, more = before_a_pass(lambda v: v.label or v.op, [a, b, c, *E.parents[:1], E])
    assert held == (
        "before this pass, which adds to it: 1.grad = 6, 2.grad = 3, 3.grad = 2; zero_grad() "
        "clears it"
    )
    assert stale.startswith("1 was set after mul was computed from it")
    assert more == "… and 2 other leaves set since"
    d = tg.Value(1.0, label="d")
    E, d.data = d * 2.0, 5.0
    assert len(before_a_pass(str, [d, E])) == 1


@pytest.mark.parametrize(
    ("take", "how"),
    [(float, "float"), (int, "int"), (lambda v: v.item(), "item"), (round, "round")],
)
def test_a_conversion_to_a_number_is_known_to_all_nodes_behind_it(take, how):
    with tg.traced():
        x, w = tg.Value(2.0), tg.Value(3.0)
        y = x * w
        number = take(y)
    assert number == 6.0
    assert type(number) is type(take(tg.Value(6.0)))
    assert numbers_taken(y)[0].startswith(f"{how}() made a plain number of it at test_freshness.py")
    for leaf in (x, w):
        assert numbers_taken(leaf)[0].startswith(f"{how}() made a plain number of a result of it")


def test_printing_or_comparing_a_value_is_not_a_conversion():
    with tg.traced():
        x = tg.Value(2.0)
        _ = f"{x:.2f}", x > 1, bool(x), repr(x)
    assert numbers_taken(x) == []
    y = tg.Value(2.0)
    _ = float(y)  # outside traced
    assert numbers_taken(y) == []


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda w, x: w @ x, (2, 2)),
        (lambda w, x: tg.conv1d(tg.stack([x, x])[None], w[None]), (2, 1)),
        (lambda w, x: tg.max_pool1d(w * 1.0, 2) * 2.0, (2, 2)),
        (lambda w, x: tg.avg_pool1d(w, 2), (2, 2)),
    ],
)
def test_contributions_add_up_though_data_was_set_since(make, shape):
    w, x = tg.Value(np.arange(1.0, 1 + np.prod(shape)).reshape(shape)), tg.Value([1.0, 2.0])
    y = make(w, x).sum()
    w.data, x.data = np.full(shape, -7.0), np.array([9.0, -9.0])
    passed = tg.record(y)
    for v in (w, x):
        for cell in np.ndindex(v.shape):
            if v in passed.gradients:
                why = passed.why(v, cell)
                assert sum(entry.contribution for entry in why.entries) == why.grad


def test_a_factor_of_0_remains_the_reason_when_weights_are_set_as_in_a_training_step():
    w, b = tg.Value(0.5, label="w"), tg.Value(0.1, label="b")
    y = tg.weighted_sum([w], [0.0], b)
    w.data, b.data = 0.4, 0.0
    explained = str(tg.record(y).why("w"))
    assert "1 × 0 = 0   the other factor is 0\n" in explained
    assert "w was set after" in explained


def test_the_reason_names_every_leaf_that_changed():
    x, z = tg.Value(1.0, label="x"), tg.Value(2.0, label="{x}")
    y = tg.maximum(x, z)
    x.data, z.data = 3.0, 4.0
    assert "x, {x} changed after the forward pass; run it again" in str(tg.record(y).why("x"))


def test_the_reason_of_a_loser_does_not_use_data_set_since():
    x = tg.Value([1.0, 5.0, 2.0, 3.0], label="x")
    y = tg.max_pool1d(x[None], 2).sum() + x.max()
    assert "lost to x" in str(tg.record(y).why("x", 0))
    x.data = np.array([9.0, 5.0, 2.0, 3.0])
    told = str(tg.record(y).why("x", 0))
    assert "from max#4: 1 × 0 = 0   x changed after the forward pass; run it again" in told
    assert "it lost to getitem#1[0, 1], by 4" in told  # recorded before the change
