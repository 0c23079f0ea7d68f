"""Winners that differ between two passes."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value


def moved(build, before, after):
    """List the winners that moved between the passes of a network with these numbers."""
    a, b = (
        tg.record(build(*(Value(x, label=n) for x, n in zip(xs, "xyzw", strict=False))), gradient)
        for xs, gradient in (before, after)
    )
    return [str(m) for m in tg.compare_passes(a, b).moved]


def numbers(build, before, after):
    return moved(build, (before, None), (after, None))


@pytest.mark.parametrize(
    ("build", "before", "after", "said"),
    [
        (
            lambda x, y: tg.maximum(x, y) * 3.0,
            (1.0, 2.5),
            (5.0, 2.5),
            "maximum#2: y (2.5) won, now x (5) does; the whole δ = 3 goes to x",
        ),
        (
            lambda x, y: tg.minimum(x, y) * 3.0,
            (1.0, 2.5),
            (5.0, 2.5),
            "minimum#2: x (1) won, now y (2.5) does; the whole δ = 3 goes to y",
        ),
        (
            lambda x: tg.maximum(x, 0.5),
            (1.0,),
            (-1.0,),
            "maximum#1: x (1) won, now the constant 0.5 does; δ = 1 stops there",
        ),
        (
            lambda x: tg.maximum(x, np.array([0.5, 9.0])).sum(),
            (-1.0,),
            (1.0,),
            "maximum#1[0]: the constant 0.5 won, now x (1) does; the whole δ = 1 goes to x",
        ),
        (
            lambda x, y: tg.maximum(x, y, ties="even") * 3.0,
            (1.0, 2.0),
            (2.0, 2.0),
            "maximum#2: y (2) won, now x (2) and y (2) share; δ = 3 is split between them",
        ),
        (
            lambda x, y: tg.maximum(x, y, ties="even"),
            (2.0, 2.0),
            (1.0, 2.0),
            "maximum#2: x (2) and y (2) shared, now y (2) wins; the whole δ = 1 goes to y",
        ),
        (
            lambda x: x.max(ties="even"),
            ([1.0] * 6,),
            ([1.0] * 5 + [3.0],),
            "max#1: x[0] (1) and x[1] (1) and x[2] (1) and x[3] (1) and 2 more shared, "
            "now x[5] (3) wins; the whole δ = 1 goes to x[5]",
        ),
        (
            lambda x: x.min(axis=0).sum(),
            ([[1.0, 2.0], [3.0, 4.0]],),
            ([[1.0, 5.0], [3.0, 4.0]],),
            "min#1[1]: x[0, 1] (2) won, now x[1, 1] (4) does; the whole δ = 1 goes to x[1, 1]",
        ),
        (
            lambda x: tg.max_pool1d(x, 2, 1) @ np.array([1.0, 10.0]),
            ([1.0, 5.0, 2.0],),
            ([1.0, 5.0, 7.0],),
            "max_pool1d#1[1]: x[1] (5) won, now x[2] (7) does; the whole δ = 10 goes to x[2]",
        ),
        (
            lambda x: x.relu() * 8.0,
            (-1.5,),
            (2.0,),
            "relu#1: off at x = −1.5, now on at x = 2; δ = 8 goes on to x",
        ),
        (
            lambda x: x.relu() * 8.0,
            (2.0,),
            (0.0,),
            "relu#1: on at x = 2, now off at x = 0; δ = 8 stops there",
        ),
        (
            lambda x: (x * x).relu().sum(),
            ([1.0, 0.0],),
            ([1.0, 2.0],),
            "relu#2[1]: off at mul#1[1] = 0, now on at mul#1[1] = 4; δ = 1 goes on to mul#1[1]",
        ),
        (
            lambda x: np.where(x.data > 9, x, x.relu().detach() + tg.relu(-1.0) + x.max()) * 1.0,
            (1.0,),
            (2.0,),
            None,
        ),
    ],
)
def test_a_moved_winner_names_both_units_and_their_numbers(build, before, after, said):
    assert numbers(build, before, after) == ([] if said is None else [said])


def test_a_relu_of_a_constant_and_a_unit_without_gradient():
    def build(x):
        lost = tg.maximum(x, 2.0)
        return tg.where(np.array(False), lost.astype(float), tg.relu(x.data)) * x

    said = numbers(build, (1.0,), (3.0,))
    assert said == [
        "maximum#1: the constant 2 won, now x (3) does; the whole δ = 0 goes to x",
    ]
    constant = [tg.relu(c) * Value(1.0, label="x") for c in (-1.0, 1.0)]
    (only,) = tg.compare_passes(*constant).moved
    assert (
        str(only) == "relu#0: off at a constant = −1, now on at a constant = 1; δ = 1 stops there"
    )
    assert (only.name, only.gradient) == ("relu#0", 1.0)


def test_moved_winners_without_a_gradient():
    def silent(x):
        def silent_backward(_):
            return (None,)

        return x * 0.0, silent_backward

    def build(x):
        return tg.lift(silent)(tg.maximum(x, 2.0)) + x

    assert numbers(build, (1.0,), (3.0,)) == [
        "maximum#1: the constant 2 won, now x (3) does; no gradient arrives there"
    ]


def test_reordered_operands_are_not_moved_winners_and_new_ones_are_named():
    a, b, c = ((Value(x, label=n)) for x, n in ((1.0, "a"), (3.0, "b"), (5.0, "c")))

    def top(*xs):
        y = tg.maximum(*xs)
        y.label = "y"
        return y

    assert tg.compare_passes(top(a, b), top(b, a)).moved == []
    (only,) = tg.compare_passes(top(a, b), top(a, c, b)).moved
    assert str(only) == "y: b (3) won, now c (5) does; the whole δ = 1 goes to c"


def test_another_rule_or_another_shape_has_no_winner_to_compare():
    x = Value([1.0, 3.0, 2.0], label="x")
    forms = [x.max(), x.min(), x.max(keepdims=True), tg.max_pool1d(x, 3)]
    for y in forms:
        y.label = "y"
    assert all(tg.compare_passes(forms[0], y).moved == [] for y in forms[1:])


def test_winners_are_those_of_the_recorded_pass_when_the_leaves_have_changed_since():
    x = Value([1.0, 5.0, 2.0], label="x")
    first = tg.record(tg.max_pool1d(x[::1], 3).sum())
    x.data += [9.0, 0.0, 0.0]
    now = x.data
    second = tg.record(tg.max_pool1d(x[::1], 3).sum())
    (only,) = tg.compare_passes(first, second).moved
    assert (only.before, only.after) == ("getitem#1[1] (5) won", "getitem#1[0] (10) does")
    assert x.data is now
    assert x.data.tolist() == [10.0, 5.0, 2.0]


def test_nodes_changed_by_a_replay_are_compared_as_computed():
    x = Value(-1.0, label="x")
    z = x.relu()
    z.label = "z"
    passed = tg.record(z * 2.0)
    passed.set("z", 5.0)
    assert tg.compare_passes(passed, passed.replay()).moved == []
    passed.set("x", 3.0)
    (only,) = tg.compare_passes(passed, passed.replay()).moved
    assert str(only) == "z as computed: off at x = −1, now on at x = 3; δ = 2 goes on to x"


def test_empty_arrays_have_no_winners():
    E = tg.relu(Value(np.zeros((0, 3)), label="x")).sum()
    assert tg.compare_passes(E, E).moved == []
