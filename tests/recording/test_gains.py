"""The gains of a path: their product, by rule and turn, and the sharpest steps."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError
from tinygrad_pool.recording.gains import GainPath, leaf_below, times


@pytest.fixture
def loop():
    """Return a loop of ten turns, the fourth of which divides by more."""
    w, z = tg.Value(0.5, label="w"), tg.Value(0.1, label="x")
    for t in range(10):
        z = tg.sin(z * w)
        z.label = f"z{t}"
        if t == 3:
            z = z * 1e-3
    E = z * 5.0
    E.label = "E"
    return tg.record(E)


def test_the_product_of_the_gains_is_the_ratio_of_the_gradients(loop):
    path = loop.gains("x")
    assert (path.nodes[0].label, path.nodes[-1].label) == ("E", "x")
    x = loop.find("x")
    assert 10**path.decades == pytest.approx(abs(loop.gradients[x]))
    assert 10 ** sum(s.decades for s in path.steps) == pytest.approx(10**path.decades)
    assert [s.node for s in path.steps[1:]] == [s.below for s in path.steps[:-1]]


def test_it_prints_which_rules_do_it_and_where_it_is_sharpest(loop):
    shown = repr(loop.gains("x"))
    first, second = shown.splitlines()
    assert first.startswith("|grad| shrinks from 1 at E to ")
    assert first.endswith(" in 22 steps")
    assert second.startswith("mul × 0.")
    assert "; sharpest at z4 → z3, × 0.0005, through w, in turn 5 of 10" in second


def test_a_path_that_changes_nothing_neither_shrinks_nor_grows():
    q = tg.Value(1.0, label="q")
    assert str(tg.record(q * 1.0).gains("q")).splitlines() == [
        "|grad| changes from 1 at mul#1 to 1 at q, × 1 in 1 step",
        "no rule changes it by a factor of 2 or more",
    ]


def test_factors_of_2_are_listed():
    q = tg.Value(1.0, label="q")
    for factor in (0.5, 2.0):
        said = str(tg.record(q * factor).gains("q")).splitlines()[1]
        assert said.startswith(f"mul × {factor:g}; sharpest at mul#1 → q")


def test_cancelling_paths_are_listed_apart_from_rules():
    x = tg.Value(2.0, label="x")
    path = tg.record(x * 3.0 - x * 2.999).gains("x")
    told = path.by("rule")
    assert [row[0] for row in told.rows] == ["sub", "mul", "paths that cancel"]
    assert [row[2] for row in told.rows[1:]] == ["× 3", "× 0.00033"]
    assert ["paths that cancel", 1, "× 0.00033", "× 0.00033"] in path.by("node").rows
    assert "paths that cancel × 0.00033" in str(path)
    assert len(path.by("line").rows) == 1
    assert "cancel" not in str(tg.record(x * 3.0 - x * 1.0).gains("x"))


def test_gains_of_a_value_outside_the_graph_explain_it_as_why_does():
    v, x = tg.Value(1.0, label="v"), tg.Value(2.0, label="x")
    passed = tg.record(x * 2.0, names={"v": v})
    because = (
        "the loss does not depend on it: it was not used, it was detached, or only its numbers "
        "were used, as with v.data"
    )
    with pytest.raises(OptionError, match=f"gains: grad of v is not computed because {because}"):
        passed.gains("v")
    assert str(passed.why("v")) == f"grad of v is not computed\n  because {because}"


def test_gains_by_rule_node_line_and_turn(loop):
    path = loop.gains("x")
    rules = path.by("rule")
    assert rules.columns == ["rule", "steps", "each", "in all"]
    assert [row[:2] for row in rules.rows] == [["mul", 12], ["sin", 10]]
    assert len(path.by("node").rows) == 22
    assert [row[0] for row in path.by("line").rows] == ["not known without tg.traced()"]
    turns = {row[0]: row[1] for row in path.by("turn").rows}
    assert list(turns) == [f"{t} of 10" for t in range(10, 0, -1)]
    with pytest.raises(OptionError, match=r"by: must be one of 'node', 'rule', .* got 'file'"):
        path.by("file")


def test_lines_are_quoted_of_a_traced_graph():
    w, z = tg.Value(0.5, label="w"), tg.Value(0.1, label="x")
    with tg.traced():
        for t in range(10):
            z = tg.tanh(z * w)
            z.label = f"z{t}"
    path = tg.record(z).gains("x")
    ((line, steps, *_),) = path.by("line").rows
    assert line.startswith("test_gains.py:")
    assert line.endswith("z = tg.tanh(z * w)")
    assert steps == 20
    assert ", at test_gains.py:" in path.place(path.steps[0])
    assert " at " not in path.place(path.steps[0], source=False)


def test_a_path_without_a_loop_has_no_turns():
    x = tg.Value(0.5, label="x")
    path = tg.record(tg.exp(tg.tanh(x))).gains("x")
    assert [row[0] for row in path.by("turn").rows] == ["outside"]
    assert path.place(path.steps[-1]) == "tanh#1 → x, × 0.79"


def test_gains_are_grouped_by_layer():
    x = tg.Value(0.5, label="x")
    with tg.scope("net"), tg.scope("first"):
        h = x.tanh().tanh()
    path = tg.record(h.exp()).gains("x")
    assert [row[:2] for row in path.by("layer").rows] == [["outside", 1], ["net.first", 2]]


def test_a_step_repeated_twice_next_to_a_long_loop_does_not_make_two_turns():
    w, c = tg.Value(0.3, label="w"), tg.Value(0.1, label="c")
    h = tg.sigmoid(tg.sigmoid(c.reshape(1)[0].reshape(1)[0]))
    for _ in range(12):  # as in an LSTM: its products and sums are repeated, the rest is not
        h = h * w + 0.1
    path = tg.record(tg.tanh(h) * 0.5).gains(c)
    assert {row[0] for row in path.by("turn").rows} == {f"{t} of 12" for t in range(1, 13)} | {
        "outside"
    }
    outside = next(s for s in path.steps if not s.turn and s.below.is_interior)
    assert path.place(outside).startswith("tanh#")
    assert "in turn" not in path.place(outside)


def test_no_step_stands_out_where_all_gains_are_equal():
    z = tg.Value(0.0, label="x")
    for _ in range(8):
        z = (z * 0.25).tanh()
    path = tg.record(z).gains("x")
    assert path.sharpest() == []
    assert path.reasons() == "mul × 0.25 (8 times); no step stands out"


def test_most_of_a_long_path_is_not_one_sharp_step():
    x = tg.Value(0.5, label="x")
    y = x
    for _ in range(40):
        y = y * 0.9
    y.label = "y"
    z = y * 0.1
    assert str(tg.record(z * 0.9).gains("x")).endswith(
        "; sharpest at mul#41 → y, × 0.1, in turn 41 of 42"
    )


def test_the_largest_of_few_steps_can_stand_out():
    x = tg.Value(2.0, label="x")
    only = tg.record(x * 8.0).gains("x")
    assert [s.node.op for s in only.sharpest()] == ["mul"]
    path = tg.record(tg.tanh(x * 8.0 + 1.0)).gains("x")
    assert [s.node.op for s in path.sharpest(1)] == ["tanh"]
    assert path.reasons().startswith("tanh × ")


def test_the_ends_between_names():
    z, nodes = tg.Value(0.5), []
    for _ in range(5):
        z = z.tanh()
        nodes.insert(0, z)
    sizes = [1.0, 0.5, 1e-2, 1e-4, 1e-5]

    def cut(*named):
        path = GainPath(nodes, sizes, lambda n: "a" if nodes.index(n) in named else "tanh#1")
        return path.between_names().sizes

    assert cut(1, 3) == sizes[1:4]
    assert cut(0, 2, 4) == cut(1) == cut() == sizes
    assert cut(0, 1) == sizes  # the trend is below


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1.0, 0.1, 0.01, 1e-4], True),
        ([1e-4, 1e-2, 1.0], True),
        ([1.0, 0.1, 0.02], False),
        ([1.0, np.inf, 1e-9], False),
        ([np.inf, 1.0, 1e-9], False),
        ([1.0, 0.0, 1e-9], False),  # a rule may send a gradient though it received none
    ],
)
def test_by_degrees_needs_a_factor_of_a_thousand_in_finite_steps(sizes, expected):
    z, nodes = tg.Value(1.0), []
    for _ in sizes:
        z = z.tanh()
        nodes.insert(0, z)
    assert GainPath(nodes, sizes, lambda _: "tanh#1").by_degrees is expected


def test_one_steep_step_is_not_by_degrees():
    x = tg.Value(0.5)
    a = x.exp()
    b = a * 1e-9
    assert not GainPath([b, a, x], [1.0, 1e-9, 1e-9], lambda n: n.op).by_degrees


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("E", "gains: needs a node below E, where the pass starts"),
        ("off", r"gains: the gradient of off is 0 or not finite; why\('off'\)"),
        ("bad", "gains: the gradient of bad is 0 or not finite"),
    ],
)
def test_gains_needs_a_gradient(name, said):
    off, bad = tg.Value(-1.0, label="off"), tg.Value(0.0, label="bad")
    with np.errstate(all="ignore"):
        E = tg.relu(off) + tg.sqrt(bad)
        E.label = "E"
        passed = tg.record(E)
    with pytest.raises(OptionError, match=said):
        passed.gains(name)


def test_a_nan_on_the_way_is_named():
    x = tg.Value([2.0, 0.5], label="x")
    y = x.clip(-1.0, 1.0)  # sends 0 where it clips
    y.label = "y"
    passed = tg.record(y * 1.0, np.array([np.nan, 3.0]))
    assert passed.gradients[x].tolist() == [0.0, 3.0]
    with pytest.raises(OptionError, match=r"gains: the gradient of y is .* why\('y'\) explains"):
        passed.gains("x")


def test_why_explains_how_a_gradient_vanishes():
    w, z = tg.Value(0.5, label="w"), tg.Value(0.1, label="x")
    for t in range(20):
        z = tg.tanh(z * w)
        z.label = f"z{t}"
    passed = tg.record(z * 1e-9)
    (cause,) = passed.why("z0").causes
    assert cause.startswith("|grad| shrinks from 5e-10 at z18 to ")
    assert ": mul × 0.5 (18 times); no step stands out" in cause
    assert passed.why("x").causes[0].startswith("|grad| shrinks from ")
    assert (passed.why("z17").causes, passed.why("w").causes) == ([], [])


def test_why_names_one_step_that_is_flat():
    w = tg.Value(np.ones(3), label="w")
    gate = tg.sigmoid(w * np.array([1.0, 2.0, 3.0]) - 40.0)
    gate.label = "gate"
    (cause,) = tg.record((gate * 0.5).sum()).why("w").causes
    assert cause == (
        "|grad| shrinks from 0.87 at gate to 4.6e-17 at sub#2, × 5.3e-17 in 1 step: the "
        "local derivative of sigmoid is nearly 0 there"
    )
    assert tg.record(tg.log(gate).sum()).why("w").causes == []  # a logarithm makes up for it
    assert tg.record((gate + w * 1e-9 * np.arange(3.0)).sum()).why("w").causes == []


def test_why_names_a_weight_that_is_tiny():
    w, u = tg.Value(np.ones((3, 4)), label="w"), tg.Value(np.full((4, 2), -1e-7), label="u")
    h = np.ones((5, 3)) @ w
    h.label = "h"
    (cause,) = tg.record((tg.tanh(h) @ u).mean()).why("w").causes
    assert cause.endswith(" 2.8e-07 in 1 step: the other factor, u, is no larger than 1e-07 there")
    u = tg.Value(np.ones((4, 2)), label="u")
    (cause,) = tg.record(((tg.tanh(h) * 1e-6) @ u).mean()).why("w").causes
    assert cause.endswith(" in 1 step: the other factor is no larger than 1e-06 there")
    assert (
        tg.record((tg.tanh(h) @ u * 1e-6).mean()).why("w").causes == []
    )  # 1e-6 only scales the loss
    u = tg.Value(np.array([[1.0, 0.99999]] * 4), label="u")  # here it cancels
    assert tg.record((tg.tanh(h) @ u * np.array([1.0, -1.0])).mean()).why("w").causes == []


def test_why_of_a_node_above_all_layers_is_short():
    x = tg.Value(0.5, label="x")
    a = x * 1e-9
    a.label = "a"
    assert tg.record(a * 1e-9).why("a").causes == []


def test_factors_as_text():
    assert [times(x) for x in (0.0, 6.0, -400.0, 400.0)] == [
        "× 1",
        "× 1e+06",
        "× 1e-400",
        "× 1e400",
    ]


def test_the_leaf_below_a_reshape():
    w = tg.Value(np.ones((2, 3)))
    assert leaf_below(w.T.reshape(6)) is w
    assert leaf_below(w) is w


def test_a_plot_marks_the_sharpest_steps(loop):
    path = loop.gains("x")
    (axes,) = path.plot().axes
    assert axes.figure.get_suptitle() == path.summary()
    assert list(axes.lines[0].get_ydata()) == path.sizes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0] == "1: z4 → z3, × 0.0005, through w, in turn 5 of 10"
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "E"


def test_a_plot_of_modules_names_their_scopes():
    z = tg.Value(np.ones((2, 4)), label="x")
    for i in range(3):
        with tg.scope(f"l{i}"):
            z = tg.tanh(z @ np.eye(4))
    (axes,) = tg.record(z.sum()).gains("x").plot().axes
    written = [label.get_text() for label in axes.get_xticklabels()]
    assert written == ["x", "l0", "l1", "l2", "sum#7"]
