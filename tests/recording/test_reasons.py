"""Explanations: contributions to a gradient, and the origin of a zero, NaN or infinity."""

import math

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError
from tinygrad_pool.recording import links, reasons


def why(E, node, index=None, **names):
    return tg.record(E, names=names).why(node, index)


def test_contributions_add_up_to_the_gradient():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    found = why(a * b + a**2, "a")
    assert [(e.upstream, e.local, e.contribution) for e in found.entries] == [(1, 4, 4), (1, 3, 3)]
    assert (found.grad, found.causes) == (7.0, [])
    assert str(found) == (
        "grad of a is 7 = 4 + 3\n  from power#3: 1 × 4 = 4\n  from mul#2: 1 × 3 = 3"
    )


def test_a_loser_names_the_winner_and_the_margin():
    z = [tg.Value(x, label=f"z{i}") for i, x in enumerate((0.2, 0.9, 0.5))]
    E = tg.maximum(*z)
    assert why(E, "z0").causes == ["z0 gets nothing from maximum#3: it lost to z1, by 0.7"]
    assert why(E, "z1").grad == 1.0
    E = tg.minimum(*z)
    assert "it lost to z0, by 0.3" in why(E, "z2").causes[0]
    tie = tg.maximum(z[1], tg.Value(0.9, label="late"))
    assert "it lost to z1 in a tie" in why(tie, "late").causes[0]
    assert "it lost to a constant" in why(tg.maximum(z[0], 5.0), "z0").causes[0]


@pytest.mark.parametrize(
    ("won", "lost", "how"),
    [
        (np.inf, np.inf, " in a tie"),
        (-np.inf, -np.inf, " in a tie"),
        (np.nan, np.nan, " in a tie"),
        (np.nan, 1.0, ", which is nan"),
        (np.inf, 1.0, ", by inf"),
    ],
)
def test_margins_of_winners_that_are_not_finite(won, lost, how):
    for best, least in ((tg.maximum, False), (tg.minimum, True)):
        numbers = (-won, -lost) if least else (won, lost)
        a, b = (tg.Value(n, label=name) for n, name in zip(numbers, "ab", strict=True))
        assert tg.record(best(a, b)).why(b).entries[0].reason == f"it lost to a{how}"
        x = tg.Value(numbers, label="x")
        assert tg.record(x.min() if least else x.max()).why(x, 1).entries[0].reason == (
            f"it lost to x[0]{how}"
        )


def test_in_a_pool_the_winner_is_named_by_its_place():
    x = tg.Value([[1.0, 5.0], [2.0, 0.0]], label="x")
    found = why(tg.max_pool2d(x, 2).sum(), "x", (1, 0))
    assert found.causes == [
        "x[1, 0] gets nothing from max_pool2d#1[0, 0]: it lost to x[0, 1], by 3"
    ]


def test_a_zero_is_traced_to_its_origin():
    w, x = tg.Value(2.0, label="w"), tg.Value(-1.0, label="x")
    a = w * x
    a.label = "a"
    E = a.relu().exp() * 3.0
    found = why(E, "w")
    assert found.entries[0].reason == "the upstream gradient is 0"
    assert found.causes == ["a gets nothing from relu#3: the relu is off, as its input is −2"]


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: x * tg.Value(0.0), "the other factor is 0"),
        (lambda x: tg.clip(x, 3.0, 4.0), "it is clipped, as 2 is outside the bounds"),
        (lambda x: tg.where(np.array(False), x, 1.0), "it was not chosen"),
        (lambda x: tg.weighted_sum([0.0], [x]), "the other factor is 0"),
        (lambda x: (x - 2.0).abs(), "nothing from abs#2: the local derivative of abs is 0 at 0"),
        (lambda x: x - x, "the contributions cancel"),
        (lambda x: (x * -500.0).exp(), "the local derivative of exp underflows to 0 at −1000"),
        (lambda x: (x * 50.0).tanh(), "the local derivative of tanh rounds to 0 at 100"),
        (lambda x: (x * 50.0).sigmoid(), "the local derivative of sigmoid rounds to 0 at 100"),
        (
            lambda x: (x * 1e-200) * 1e-200,
            "it underflows, as 1e-200 × 1e-200 is too small for float64",
        ),
        (lambda x: (x / 200.0) ** 300, "the local derivative of power underflows to 0 at 0.01"),
        (lambda x: 0.01 ** (x * 100.0), "the local derivative of power underflows to 0 at 200"),
        (lambda x: x**0, "the local derivative of power is 0 at 2"),
        (lambda x: 1.0**x, "the local derivative of power is 0 at 2"),
        (lambda x: 1.0 / (x * 1e200), "the local derivative of div underflows to 0 at 2e+200"),
        (lambda x: 0.0 / x, "the local derivative of div is 0 at 2"),
        (lambda x: tg.fmax(x, 3.0), "it lost to the other operand"),
        (lambda x: tg.fmin(1.0, x), "it lost to the other operand"),
    ],
)
def test_each_kind_of_zero_has_its_reason(f, reason):
    (cause,) = why(f(tg.Value(2.0, label="x")), "x").causes
    assert cause.endswith(reason)


def test_a_cancellation_above_is_found_from_below():
    w = tg.Value(2.0, label="w")
    h = w * 3.0
    h.label = "h"
    assert why(h - h, "w").causes == ["the contributions to h cancel"]


def test_links_of_many_elements_are_listed_once(monkeypatch, count_calls):
    x = tg.Value(np.arange(400.0).reshape(20, 20), label="x")
    passed = tg.record((x.T @ np.ones((20, 40))).max())
    said, work = [], []

    def explain():
        work.append(count_calls(lambda: said.append(str(passed.why(x, (3, 4))))))

    explain()
    monkeypatch.setattr(links, "KEPT", -1)
    explain()
    monkeypatch.setattr(links, "_listed", lambda *asked: links.sparse_jacobian(*asked[:3]))
    explain()
    assert said[0].splitlines()[2:] == [
        "  because matmul#2 gets nothing from max#3 at 40 of 800 elements: it lost to "
        "matmul#2[19, 0], by 300"
    ]
    assert said == said[:1] * 3
    assert work[1] < 0.6 * work[2]


def test_two_paths_to_one_zero_are_one_cause():
    w = tg.Value(2.0, label="w")
    a = w * 2.0 + w * 3.0
    a.label = "a"
    E = (-a).relu()
    assert why(E, "w").causes == [
        "neg#4 gets nothing from relu#5: the relu is off, as its input is −10"
    ]


def test_explanations_exclude_gradients_of_earlier_passes():
    a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    (a * b).backward()
    lost, won = (why(tg.maximum(a, b) * 5.0, name) for name in "ab")
    assert (lost.grad, lost.causes) == (0.0, ["a gets nothing from maximum#2: it lost to b, by 1"])
    assert str(won).startswith("grad of b is 5\n")
    assert (a.grad, b.grad) == (3.0, 2.0)


def test_a_pass_that_starts_with_0():
    a = tg.Value(2.0, label="a")
    found = tg.record(a * 3.0, 0.0).why("a")
    assert found.causes == ["the backward pass started with gradient 0"]


def test_the_loss_a_value_outside_and_a_node_without_gradient():
    a, other = tg.Value(2.0, label="a"), tg.Value(1.0, label="other")
    E = a * 3.0
    passed = tg.record(E)
    assert passed.why(E).causes == ["the backward pass starts here"]
    assert passed.why(other).causes == [
        "the loss does not depend on it: it was not used, it was detached, or only its numbers "
        "were used, as with v.data"
    ]
    assert str(passed.why(other)).startswith("grad of other is not computed")

    def deaf(x):
        def deaf_backward(g):
            return (None,)

        return x * 2, deaf_backward

    assert why(tg.lift(deaf)(a), "a").causes == ["no node that uses it sends it a gradient"]


def test_infinity_is_traced_to_the_first_node_that_made_one():
    x = tg.Value(0.0, label="x")
    with np.errstate(all="ignore"):
        forward = why(tg.log(x * 2.0) + 1.0, "x")
        backward = why(tg.sqrt(x * 2.0), "x")
        given = tg.record(x * 2.0, np.inf).why("x")
        leaf = why(tg.Value(np.nan, label="bad") * x, "x")
    assert forward.causes == ["log#2 made −inf in the forward pass: log of mul#1 = 0"]
    assert backward.causes == ["sqrt#2 made inf in the backward pass: sqrt of mul#1 = 0"]
    assert given.causes == ["the backward pass started with this gradient"]
    assert leaf.causes == ["bad was set to nan"]


def test_an_element_of_an_array_and_by_default_the_one_with_the_largest_gradient():
    x = tg.Value([1.0, 2.0, 3.0], label="x")
    E = (x * np.array([1.0, -5.0, 2.0])).sum()
    assert why(E, "x").name == "x[1]"
    assert (why(E, "x", 2).grad, why(E, "x", -1).grad) == (2.0, 2.0)
    with pytest.raises(OptionError, match=r"why: x of shape \(3,\) has no element 3"):
        why(E, "x", 3)
    with pytest.raises(OptionError, match="has no element"):
        why(E, "x", (0, 0))


def test_the_element_and_the_units_above_it_are_those_of_its_row_and_column():
    x = tg.Value(np.zeros((2, 3)), label="x")
    c = np.array([[1.0, 2.0, 3.0], [4.0, -9.0, 5.0]])
    y = (x * c).T
    y.label = "y"
    E = y.sum()
    found = why(E, "x")
    assert (found.name, found.grad) == ("x[1, 1]", -9.0)
    for i, j in np.ndindex(2, 3):
        for place in ((i, j), (i - 2, j - 3)):
            found = why(E, "x", place)
            (entry,) = found.entries
            assert (found.name, found.grad) == (f"x[{i}, {j}]", c[i, j])
            assert (entry.unit, entry.local) == ((i, j), c[i, j])
            (above,) = why(E, entry.node, place).entries
            assert (above.node, above.unit) == (y, (j, i))


def test_a_cause_names_the_dead_element_and_the_winner():
    x = tg.Value([[1.0, 2.0, -3.0], [6.0, 5.0, -1.0], [0.0, 4.0, 2.0]], label="x")
    y = x.relu()
    y.label = "y"
    E = y.max(axis=0).sum()
    for row, by in ((0, 3), (2, 1)):
        (lost,) = why(E, "x", (row, 1)).causes
        assert lost == f"y[{row}, 1] gets nothing from max#2[1]: it lost to y[1, 1], by {by}"
    (off,) = why(y.sum(), "x", (0, 2)).causes
    assert off == "x[0, 2] gets nothing from y[0, 2]: the relu is off, as its input is −3"


def test_many_entries_are_counted_and_nonzero_ones_come_first():
    x = tg.Value(np.arange(12.0), label="x")
    w = tg.Value(2.0, label="w")
    said = str(why((x * w).relu().sum(), "w"))
    assert "(12 in all)" in said.splitlines()[0]
    assert "(2,000 in all)" in str(why((w * np.zeros(2000)).sum(), "w"))
    assert len(said.splitlines()) == 10
    assert "= 1" in said.splitlines()[1]
    assert said.splitlines()[-1] == "  … and 4 more"
    zero = (x * w).relu() * np.where(np.arange(12) % 6 == 2, 1.0, 0.0)
    assert str(why(zero.sum(), "w")).splitlines() == [
        "grad of w is 10 = 2 + 8 + 0 + … (12 in all)",
        "  from mul#2[2]: 1 × 2 = 2",
        "  from mul#2[8]: 1 × 8 = 8",
        "  from mul#2[0]: 0 × 0 = 0   the other factor is 0",
        "  from 9 of 12 units of mul#2: 0   the upstream gradient is 0",
    ]


def channel(off, batch=16):
    """Return a loss over three channels, the second of which `off` switches off."""
    x = tg.Value(np.linspace(-1.0, 1.0, batch).reshape(-1, 1), label="x")
    b = tg.Value(np.array([2.0, off, 2.0]), label="b")
    return (x + b).relu().sum()


def test_the_zeros_of_a_dead_channel_are_one_line_with_the_range_of_its_inputs():
    assert str(why(channel(off=-3.0), "b", 1)).splitlines() == [
        "grad of b[1] is 0 = 0 + … (16 in all)",
        "  from 16 of 48 units of add#2: 0   the upstream gradient is 0",
        "  because add#2 gets nothing from relu#3 at 16 of 48 elements: the relu is off, as its "
        "input is −4 … −2",
    ]
    assert why(channel(off=-3.0, batch=3), "b", 1).causes == [
        f"add#2[{i}, 1] gets nothing from relu#3[{i}, 1]: the relu is off, as its input is {x}"
        for i, x in ((2, "−2"), (1, "−3"), (0, "−4"))
    ]


def test_all_units_of_a_node_are_called_all():
    w, z = tg.Value(2.0, label="w"), tg.Value(np.zeros(20), label="z")
    assert str(why((w * z).sum(), "w")).splitlines() == [
        "grad of w is 0 = 0 + … (20 in all)",
        "  from all 20 units of mul#2: 0   the other factor is 0",
        "  because w gets nothing from all 20 units of mul#2: the other factor is 0",
    ]


def test_losers_are_one_line_with_the_range_of_their_margins():
    x, v = tg.Value(np.zeros((5, 6)), label="x"), tg.Value(np.arange(6.0), label="v")
    assert why((x + v).max(), "v", 1).causes == [
        "add#2 gets nothing from max#3 at 5 of 30 elements: it lost to add#2[0, 5], by 4"
    ]
    v = tg.Value(np.zeros(6), label="v")
    rows = (np.outer(np.arange(1.0, 6.0), np.arange(6.0)) + x + v).max(axis=1)
    assert why(rows.sum(), "v", 1).causes == [
        "add#3 gets nothing from max#4 at 5 of 30 elements: it lost to others such as add#3[4, 5], "
        "by 4 … 20"
    ]


def test_omitted_causes_are_counted_and_each_kind_is_shown():
    w = tg.Value(0.7, label="w")
    parts = [(w * -(1.0 + i)).relu() for i in range(11)]
    parts.append(tg.maximum(w * 2.0, tg.Value(99.0, label="big")))
    why_w = why(sum(parts[1:], parts[0]), "w")
    assert len(why_w.causes) == 9
    assert sum("the relu is off" in cause for cause in why_w.causes) == 7
    assert sum("it lost to big, by 97.6" in cause for cause in why_w.causes) == 1
    assert str(why_w).splitlines()[-1] == "  … and 4 more"


def test_eight_causes_are_all_shown():
    w = tg.Value(0.7, label="w")
    parts = [(w * -(1.0 + i)).relu() for i in range(8)]
    causes = why(sum(parts[1:], parts[0]), "w").causes
    assert len(causes) == 8
    assert not any("more" in cause for cause in causes)


def test_a_search_of_too_many_elements_is_cut_and_says_so(monkeypatch):
    monkeypatch.setattr(reasons, "PLACES", 5)
    v = tg.Value(1.0, label="v")
    chain = v
    for _ in range(9):
        chain = chain * 2.0
    assert why((-chain).relu(), "v").causes == [
        "… there may be more: the search stopped after 5 elements"
    ]


def test_a_cause_below_more_elements_than_are_searched_is_found(monkeypatch):
    monkeypatch.setattr(reasons, "PLACES", 50)
    x, w, b = np.ones((99, 2)), tg.Value(np.ones((2, 3)), label="w"), tg.Value(-9.0, label="b")
    first, last = why((x @ w + b).relu().sum(), "w").causes
    assert first == (
        "add#3 gets nothing from relu#4 at 24 or more of 297 elements: the relu is off, as its "
        "input is −7"
    )
    assert last == "… there may be more: the search stopped after 50 elements"


def test_many_elements_whose_contributions_cancel_are_counted():
    w = tg.Value(np.ones((2, 1)), label="w")
    for n, causes in (
        (2, [f"the contributions to matmul#1[{k}, 0] cancel" for k in (1, 0)]),
        (9, ["the contributions to all 9 elements of matmul#1 cancel"]),
    ):
        a = np.ones((n, 2)) @ w
        assert why((a - a).sum(), "w").causes == causes


def test_many_elements_that_get_nothing_are_counted():
    def step(x):
        return (x > 0) * 1.0, lambda g: (g * 0.0,)

    x, w = np.arange(1.0, 6.0).reshape(5, 1), tg.Value(np.full((1, 2), 2.0), label="w")
    assert why(tg.lift(step)(x @ w)[:4].sum(), "w").causes == [
        "5 of 10 elements of matmul#1 get nothing from step#2: the local derivative of step is 0 "
        "at 2 … 10"
    ]
    assert why((x @ w)[:, 1].sum(), "w", (0, 0)).causes == [
        "5 of 10 elements of matmul#1 are not used by getitem#2"
    ]
    assert why((x @ w)[:0].sum(), "w", (0, 0)).causes == [
        "5 of 10 elements of matmul#1 get nothing from getitem#2: it has no elements"
    ]


def test_many_users_that_do_not_use_an_element_are_counted():
    x = tg.Value(np.ones(3), label="x")
    E = sum((x[:2].sum() for _ in range(10)), 0.0)
    (cause,) = why(E, "x", 2).causes
    assert cause.startswith("x[2] is not used by getitem#")
    assert cause.endswith(" and 2 more")


def test_a_gradient_from_earlier_passes_is_noted():
    w = tg.Value(1.0, label="w")
    for _ in range(4):
        ((w * 2 - 6) ** 2).backward()
    passed = tg.record((w * 2 - 6) ** 2)
    assert passed.why("w").notes == [
        "earlier passes left −64 in w.grad, so that it is −80 after this one; zero_grad() clears it"
    ]
    passed.seek(len(passed))
    assert (w.grad, len(passed.why("w").notes)) == (-80.0, 1)
    assert str(passed.why("w")).splitlines()[-1].startswith("  but earlier passes left −64 in w.gr")


def test_a_gradient_from_earlier_passes_is_noted_where_this_one_sends_none():
    w = tg.Value([1.0, 2.0], label="w")
    (w * 3.0).sum().backward()
    passed = tg.record(tg.Value(2.0) * 3.0, names={"w": w})
    assert passed.why("w").notes == []  # w is not in this pass
    left = tg.record((w * 0.0 + w[0]).sum())
    assert (
        left.why("w", 1).notes[0].startswith("earlier passes left 3 in w[1].grad, so that it is 3")
    )


def test_after_a_run_only_gradients_of_other_passes_are_noted():
    w = tg.Value(1.0, label="w")
    for _ in range(4):
        E = (w * 2 - 6) ** 2
        E.backward()
    assert why(E, "w").notes == [
        "earlier passes left −48 in w.grad, so that it is −64 after this one; zero_grad() clears it"
    ]


def test_the_gradient_of_its_own_run_counts_if_the_pass_adds_to_it_again():
    w = tg.Value(2.0, label="w")
    E = w * 3.0
    E.backward()
    E.backward()
    passed = tg.record(E)
    assert passed.why("w").notes == [
        "earlier passes left 3 in w.grad, so that it is 6 after this one; zero_grad() clears it"
    ]
    passed.seek(1)
    assert w.grad == 9.0
    assert passed.why("w").notes == [
        "earlier passes left 6 in w.grad, so that it is 9 after this one; zero_grad() clears it"
    ]


def test_the_gradient_of_a_leaf_that_is_the_loss_is_from_earlier_passes():
    w = tg.Value(2.0, label="w")
    (w * 3.0).backward()
    assert tg.record(w).left == {w: 3.0}


def test_the_gradient_of_this_pass_is_not_noted():
    w = tg.Value([1.0, np.nan], label="w")
    E = (w * w).sum()
    E.backward()
    assert why(E, "w", 0).notes == []


def test_data_set_since_is_noted():
    w, x = tg.Value(2.0, label="w"), tg.Value(3.0, label="x")
    E = w * x
    E.label = "E"
    w.data = 5.0
    note = "w was set after E was computed from it, so these numbers are out of date: " + (
        "run the forward pass again"
    )
    assert why(E, "w").notes == why(E, "x").notes == [note]
    assert why(w * x, "w").notes == []


@pytest.mark.parametrize("view", [lambda w: w.T, lambda w: w.T.reshape(3, 2), lambda w: w[:].T])
def test_data_set_in_place_since_is_noted_behind_a_view_too(view):
    w, x = tg.Value(np.ones((2, 3)), label="w"), tg.Value(np.ones((4, 3)), label="x")
    passed = tg.record((x @ view(w)).sum())
    assert passed.why("x").notes == []
    w.data -= 0.5
    (note,) = passed.why("x").notes
    assert note.startswith("w was set after ")


def test_conversions_to_numbers_are_named_for_a_value_outside():
    with tg.traced():
        v, w = tg.Value(2.0, label="v"), tg.Value(3.0, label="w")
        h = v * 2.0
        E = w * math.exp(h)
    passed = tg.record(E, names={"v": v, "h": h})
    (of_v,), (of_h,) = passed.why("v").causes, passed.why("h").causes
    assert "; float() made a plain number of a result of it at test_reasons.py:" in of_v
    assert "; float() made a plain number of it at test_reasons.py:" in of_h
    assert of_h.endswith(": E = w * math.exp(h)")


def test_an_empty_batch_is_explained():
    w = tg.Value(np.ones((2, 2)), label="w")
    found = why((np.zeros((0, 2)) @ w).sum(), "w", (0, 1))
    assert found.causes == ["w[0, 1] gets nothing from matmul#1: it has no elements"]
    assert repr(found) == str(found)


def test_a_users_rule_with_slope_0():
    def step(x):
        return x * 0.0, lambda g: (0.0 * g,)

    w = tg.Value([2.0, 3.0], label="w")
    assert why(tg.lift(step)(w).sum(), "w", 1).causes == [
        "w[1] gets nothing from step#1: the local derivative of step is 0 at 3"
    ]


@pytest.mark.parametrize(("many", "how"), [(400, "underflows to 0"), (3, "is 0")])
def test_a_product_of_many_small_numbers_underflows_and_one_of_zeros_is_0(many, how):
    x = tg.Value(np.where(np.arange(many) < 2, 0.1 * (many > 3), 0.1), label="x")
    (cause,) = why(np.prod(x), "x", 2).causes
    assert cause == f"x[2] gets nothing from prod#1: the local derivative of prod {how} at 0.1"


def test_a_saturated_softmax_is_the_cause_whatever_other_units_get():
    for softmax in (tg.softmax, tg.log_softmax):
        scores = tg.Value([[1000.0, 0.0], [0.0, 0.0]], label="scores")
        E = softmax(scores)[0, 0] * 1.0
        for k, x in enumerate((1000, 0)):
            causes = why(E, "scores", (0, k)).causes
            own = f"scores[0, {k}] gets nothing from {softmax.__name__}#1[0, "
            assert [cause for cause in causes if cause.startswith(own)] == [
                f"{own}0]: the local derivative of {softmax.__name__} rounds to 0 at {x}"
            ]


def test_a_softmax_of_one_number_is_explained():
    for softmax, always in ((tg.softmax, 1), (tg.log_softmax, 0)):
        scores = tg.Value([[3.0], [5.0]], label="scores")
        found = why(softmax(scores).sum(), "scores", (1, 0))
        assert found.causes[0].endswith(
            f": {softmax.__name__} of one number is always {always}, so its local derivative is 0 "
            "at 5"
        )


def test_a_softmax_of_one_number_that_is_not_masked_is_explained():
    mask = np.array([[0.0, -np.inf, -np.inf], [0.0, 0.0, -np.inf]])
    for softmax, always in ((tg.softmax, 1), (tg.log_softmax, 0)):
        scores = tg.Value([[3.0, 4.0, 5.0], [2.0, 2.0, 2.0]], label="scores")
        E = softmax(scores + mask)[:, 0].sum()
        name = softmax.__name__
        start = f"add#1[0, 0] gets nothing from {name}#2[0, 0]: "
        assert why(E, "scores", (0, 0)).causes[0] == (
            f"{start}{name} of one number that is not −inf is always {always}, so its local "
            "derivative is 0 at 3"
        )
        assert why(E, "scores", (1, 1)).grad == (-0.25 if always else -0.5)
        cause, *_ = why(E, "scores", (1, 2)).causes
        assert cause.endswith(f"{name}#2[1, 0]: the local derivative of {name} is 0 at −inf")


def test_a_name_that_is_not_text_is_an_error():
    passed = tg.record(tg.Value(2.0) * 3.0)
    for odd in (3, None, 2.5, np.ones(2)):
        with pytest.raises(OptionError, match="needs a Value or the name of a node, got "):
            passed.why(odd)


def test_an_element_of_a_matrix_is_named_by_its_largest_gradient():
    x = tg.Value(np.zeros((2, 3)), label="x")
    weights = np.array([[1.0, 2.0, 3.0], [4.0, -9.0, 5.0]])
    found = why((x * weights).sum(), "x")
    assert (found.name, found.grad) == ("x[1, 1]", -9.0)


def test_an_empty_array_has_no_gradient_to_explain():
    x = tg.Value(np.zeros(0), label="x")
    why = tg.record(x.sum()).why(x)
    assert (why.grad, why.causes) == (None, ["it has no elements"])
    assert str(why) == "grad of x is not computed\n  because it has no elements"


def test_an_element_that_is_not_used_is_explained():
    x = tg.Value([1.0, 2.0, 3.0], label="x")
    y = x * 2.0
    y.label = "y"
    left = tg.record((y[1:] * 1.0).sum())
    assert left.why("y", 0).causes == ["y[0] is not used by getitem#2"]
    assert left.why("x", 0).causes == ["y[0] is not used by getitem#2"]
    assert left.why("y", 1).causes == []


def test_the_gradient_of_a_gradient_behind_a_dead_relu():
    x, v = tg.Value([-1.0, -2.0], label="x"), tg.Value([2.0, 3.0], label="v")
    (g,) = tg.grad((x.relu() * v).sum(), [x], create_graph=True)
    (cause, *_) = tg.record((g * 2.0).sum()).why("v").causes
    assert cause.endswith(": it was masked, for example by a relu that is off")


def test_a_search_that_stops_says_so_in_its_counts():
    q = tg.Value(np.array([0.0]), label="q")
    zeros = (((q + np.zeros(1900)) * 2.0) - np.arange(1.0, 1901)).relu().sum()
    first, *_, last = tg.record(zeros).why(q).causes
    assert first.startswith("sub#3 gets nothing from relu#4 at ")
    assert " or more of 1,900 elements: the relu is off, as its input is −1900 … −" in first
    assert last.startswith("… there may be more")


def test_thousands_of_zeros_of_one_bias_have_a_reason():
    q = tg.Value(np.array([0.0]), label="q")
    first, _ = tg.record((q + np.full(5000, -1.0)).relu().sum()).why(q).causes
    assert first.startswith("add#1 gets nothing from relu#2 at ")
    assert first.endswith(" or more of 5,000 elements: the relu is off, as its input is −1")


@pytest.mark.parametrize("a", [[np.nan, 5, 6, 7, 8], [5, 6, 7, 8, np.nan]])
def test_a_range_names_a_nan_too(a):
    b = tg.Value(np.array([0.0]), label="b")
    (cause,) = tg.record(np.clip(b + np.array(a), 0, 1).sum()).why(b).causes
    assert cause.endswith("it is clipped, as 5 … 8 or nan is outside the bounds")


def test_an_element_taken_after_the_pass_is_told_from_an_unused_value():
    w = tg.Value([2.0, 3.0], label="w")
    passed = tg.record((w * w).sum())
    (cause,) = passed.why(w[1]).causes
    assert cause.endswith("as with v.data; why(v, i) explains an element of v")


def test_zeros_beside_contributions_that_cancel_have_their_causes():
    w = tg.Value(0.7, label="w")
    off = [tg.relu(w * -float(i)) for i in range(1, 10)]
    E = sum(off, w * 3.0 - w * 3.0) + tg.maximum(w, 9.0)
    causes = tg.record(E).why("w").causes
    assert causes[0] == "the contributions cancel"
    assert any("it lost to a constant, by 8.3" in cause for cause in causes)
    assert any("the relu is off" in cause for cause in causes)
    assert tg.record(w * 3.0 - w * 3.0).why("w").causes == ["the contributions cancel"]
