"""Two passes compared: matching nodes, the table, and what it leaves out."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.errors import DataError, GraphError, ShapeError
from tinygrad_pool.recording.difference import matched, own_name


def net(z1=0.0, z3=2.5):
    units = [Value(z, label=n) for z, n in ((z1, "z1"), (-0.9, "z2"), (z3, "z3"))]
    pooled = tg.maximum(*units)
    pooled.label = "pooled"
    E = (pooled - 1.0) ** 2
    E.label = "E"
    return E


def test_a_loser_raised_past_the_winner_makes_the_whole_gradient_jump():
    passed = tg.record(net())
    passed.set("z1", 5.0)
    found = tg.compare_passes(passed, passed.replay())
    assert str(found).splitlines() == [
        "6 nodes compared: the data of 4 and the gradients of 4 differ:",
        " node     data        gradient",
        "───────────────────────────────",
        " E        2.25 → 16   1",
        " z1       0 → 5       0 → 8",
        " pooled   2.5 → 5     3 → 8",
        " sub#4    1.5 → 4     3 → 8",
        " z3       2.5         3 → 0",
        "pooled: z3 (2.5) won, now z1 (5) does; the whole δ = 8 goes to z1",
    ]
    assert repr(found) == str(found)


@pytest.mark.parametrize(
    ("z1", "jumps"), [(np.nextafter(2.5, 0), False), (np.nextafter(2.5, 9), True)]
)
def test_gradients_change_only_beyond_the_margin(z1, jumps):
    passed = tg.record(net())
    passed.set("z1", z1)
    found = tg.compare_passes(passed, passed.replay())
    rows = {row.name: row for row in found.rows}
    grads = [(rows[z].grad_before, rows[z].grad_after) for z in ("z1", "z2", "z3")]
    assert len(found.moved) == jumps
    if jumps:
        assert grads == [(0.0, pytest.approx(3.0)), (0.0, 0.0), (3.0, 0.0)]
        assert "z3 (2.5) won, now z1 (2.5) does; the whole δ = 3 goes to z1" in str(found)
    else:
        assert grads == [(0.0, 0.0), (0.0, 0.0), (3.0, 3.0)]
        assert [row.name for row in found.rows if row.change] == ["z1"]


def test_equal_passes_say_so():
    passed = tg.record(net())
    found = tg.compare_passes(passed, passed.replay())
    assert str(found) == "No difference in 6 nodes."
    assert [row.change for row in found.rows] == [0.0] * 6
    assert str(tg.compare_passes(net(), net())) == str(found)


def test_nan_is_equal_to_nan_and_infinitely_far_from_a_number():
    def build(*xs):
        x = Value(xs, label="x")
        return (x * 2.0).sum()

    assert "No difference" in str(tg.compare_passes(build(np.nan, np.inf), build(np.nan, np.inf)))
    rows = tg.compare_passes(build(1.0, np.nan), build(np.inf, 1.0)).rows
    assert [row.change for row in rows] == [np.inf] * 3


def test_the_table_shows_an_arrays_shape_and_largest_change():
    def build(x, k):
        v = Value(x, label="x")
        return (v * k).sum()

    x = np.arange(6.0).reshape(2, 3)
    y = x.copy()
    y[0, 1], y[1, 2] = 1.5, -5.0
    lines = str(tg.compare_passes(build(x, 2.0), build(y, 2.0))).splitlines()
    assert lines[3:] == [
        " mul#1   (2, 3): [1, 2] 10 → −10   (2, 3): equal",
        " sum#2   30 → 11                   1",
        " x       (2, 3): [1, 2] 5 → −5     (2, 3): equal",
    ]


def test_a_change_smaller_than_four_digits_is_written_as_a_difference():
    lines = str(tg.compare_passes(net(z1=1.0), net(z1=1.0 + 1e-9))).splitlines()
    assert " z1     1 → 1 (by 1e-09)   0" in lines


def test_a_gradient_that_is_not_computed_is_a_dash_and_counts_as_0():
    def build(*, lost):
        x = Value([1.0, 2.0], label="x")
        y, k = x * 1.0, Value(3.0, label="k")
        y.label = "y"
        dead = tg.lift(forget)(y)
        return dead + k if lost else y.sum() + k

    def forget(x):
        def forget_backward(_):
            return (None,)

        return np.sum(x), forget_backward

    found = tg.compare_passes(build(lost=True), build(lost=False))
    rows = {row.name: row for row in found.rows}
    assert (rows["x"].grad_before, rows["x"].change) == (None, 1.0)
    assert " x      (2,): equal   (2,): [0] – → 1" in str(found)
    back = str(tg.compare_passes(build(lost=False), build(lost=True)))
    assert " x      (2,): equal   (2,): [0] 1 → –" in back
    neither = [build(lost=True), build(lost=True)]
    neither[1].parents[1].data = 4.0
    with pytest.raises(
        GraphError, match="compare_passes: the data of the leaf 'k' changed after the add node"
    ):
        tg.compare_passes(*neither)


def test_a_node_without_any_gradient_has_one_dash():
    def build(x):
        v = Value(x, label="x")
        w = Value(1.0, label="w")
        return tg.where(v, w, 2.0)

    (first, *_) = tg.compare_passes(build(0.0), build(3.0)).rows
    assert (first.name, first.grad_before, first.grad_after) == ("x", None, None)
    assert " x         0 → 3   –\n" in str(tg.compare_passes(build(0.0), build(3.0)))


def test_another_shape_is_shown_as_such_and_comes_first():
    def build(x):
        return (Value(x, label="x") * 100.0).sum()

    found = tg.compare_passes(build([1.0, 2.0]), build([[1.0, 9.0]]))
    assert [row.name for row in found.rows] == ["x", "mul#1", "sum#2"]
    assert "shape (2,) → (1, 2)" in str(found)


def test_names_in_one_pass_only_are_listed_and_unnamed_nodes_counted():
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    found = tg.compare_passes(a * b, (a + Value(3.0, label="c")).exp())
    assert (found.only_before, found.only_after, found.left_out) == (["b"], ["c"], 3)
    assert str(found).splitlines()[-3:] == [
        "only in the first pass: b",
        "only in the second pass: c",
        "not compared: 3 unnamed nodes without a partner",
    ]
    many = tg.maximum(*(Value(1.0, label=f"v{i}") for i in range(25)))
    assert "only in the second pass: v0, v1, v2, " in str(tg.compare_passes(a, many))
    assert "v19, …\n" in str(tg.compare_passes(a, many))


def test_the_table_has_at_most_twenty_nodes():
    def build(k):
        xs = Value(np.arange(32.0) * k, label="x")
        y = tg.maximum(*(xs[i] * (i + k) for i in range(32)), *xs.relu())
        return y + xs.relu().sum()

    text = str(tg.compare_passes(build(1.0), build(-1.0)))
    lines = text.splitlines()
    more = [line for line in lines if line.startswith("… and ")]
    assert lines[23] == more[0]
    assert more[1] == "… and 43 more"
    assert len(lines) == 3 + 20 + 1 + 20 + 1


def test_an_optimizer_step_between_two_recordings_is_noticed():
    w = Value([1.0, 2.0], label="w")

    def build():
        return (w * w).sum()

    first = tg.record(build())
    build().backward()
    tg.optim.SGD([w], lr=0.25).step()
    second = tg.record(build())
    (row,) = (row for row in tg.compare_passes(first, second).rows if row.name == "w")
    assert (row.before.tolist(), row.after.tolist()) == ([1.0, 2.0], [0.5, 1.0])
    assert (row.grad_before.tolist(), row.grad_after.tolist()) == ([2.0, 4.0], [1.0, 2.0])


def test_a_leaf_set_before_its_pass_was_recorded_is_an_error():
    w = Value(3.0, label="w")
    E = w * w
    w.data = 4.0
    with pytest.raises(
        GraphError, match=r"'w' changed after the mul node .* call record before changing data"
    ):
        tg.compare_passes(E, w * w)


def test_notebooks_get_a_table_whose_names_are_escaped():
    E = net()
    E.label = "<E>"
    passed = tg.record(E)
    passed.set("z1", 5.0)
    html = tg.compare_passes(passed, passed.replay())._repr_html_()
    assert "<td>&lt;E&gt;</td>" in html
    assert "<p>pooled: z3 (2.5) won" in html


def test_compare_passes_raises_as_record_does():
    with pytest.raises(DataError, match="record: needs a Value, got int"):
        tg.compare_passes(net(), 3)
    with pytest.raises(ShapeError, match="pass gradient="):
        tg.compare_passes(net(), Value([1.0, 2.0]))


def test_passes_without_a_common_node_are_not_called_equal():
    found = tg.compare_passes(tg.Value(1.0, label="a").exp(), tg.Value(2.0, label="b") * 3.0)
    assert (
        str(found).splitlines()[0] == "Nothing to compare: no node is known to be in both passes."
    )
    assert "only in the first pass: a" in found.notes()


def test_one_node_is_singular():
    x = tg.Value(2.0, label="x")
    found = tg.compare_passes(tg.record(x + 1.0), tg.record(x + 2.0))
    assert str(found).startswith("2 nodes compared: the data of 1 and the gradients of 0 differ:\n")
    assert str(tg.compare_passes(*[tg.record(x)] * 2)) == "No difference in 1 node."


def both(E, F):
    a, b = tg.record(E), tg.record(F)
    pairs = matched(a, b)
    assert all(x in a.nodes and y in b.nodes for _, x, y in pairs)
    return pairs


def names(pairs):
    return [name for name, _, _ in pairs]


def alone(nodes, pairs):
    """List the nodes of a pass without a partner."""
    return [node for node in nodes if all(node not in both for _, *both in pairs)]


def test_labels_match_whatever_the_structure_of_the_graphs():
    x, y = tg.Value(1.0, label="x"), tg.Value(1.0, label="y")
    v = tg.Value(1.0, label="x")
    E, F = x * y, (v + v).exp()
    pairs = both(E, F)
    assert [(n, p is x, q is v) for n, p, q in pairs] == [("x", True, True)]
    assert [node.op or node.label for node in alone(tg.record(E).nodes, pairs)] == ["y", "mul"]
    assert [node.op for node in alone(tg.record(F).nodes, pairs)] == ["add", "exp"]


def test_unnamed_nodes_match_by_number_in_equal_structures():
    def build(x):
        return (tg.Value(x, label="x") * 2.0).exp()

    assert names(both(build(1.0), build(3.0))) == ["x", "mul#1", "exp#2"]
    assert names(both(build(1.0), build(3.0) + 1.0)) == ["x"]
    assert names(both(build(1.0), (tg.Value(1.0, label="x") + 2.0).exp())) == ["x"]


def test_a_name_missing_in_one_pass_is_matched_by_number():
    E, F = (tg.Value(x, label="x").exp() * 2.0 for x in (1.0, 3.0))
    F.label = "F"
    a, b = tg.record(E, names={"E": E}), tg.record(F)
    assert names(matched(a, b)) == ["x", "exp#1", "E"]
    assert names(matched(tg.record(E), b)) == ["x", "exp#1", "F"]
    assert own_name(a, E) == "E"
    assert own_name(a, E.parents[0]) == ""


def test_nodes_of_equal_name_match_in_order():
    def build(*xs):
        return tg.maximum(*(tg.Value(x, label="x") for x in xs))

    F = build(3.0, 4.0, 5.0) * 2.0
    pairs = both(build(1.0, 2.0), F)
    assert [(n, p.data, q.data) for n, p, q in pairs] == [("x#0", 1.0, 3.0), ("x#1", 2.0, 4.0)]
    assert [node.data for node in alone(tg.record(F).nodes, pairs)] == [5.0, 5.0, 10.0]


def test_named_nodes_match_by_name_first_in_equal_structures():
    a1, b1, b2, a2 = (
        tg.Value(x, label=n) for x, n in zip((1.0, 2.0, 3.0, 4.0), "abba", strict=True)
    )
    assert [(n, p.data, q.data) for n, p, q in both(a1 * b1, b2 * a2)] == [
        ("a", 1.0, 4.0),
        ("b", 2.0, 3.0),
        ("mul#2", 2.0, 12.0),
    ]


def test_every_node_of_a_replay_has_a_partner_whatever_was_moved():
    passed = tg.record((tg.Value(1.0, label="x") * 2.0).exp())
    passed.set("mul#1", 5.0)
    passed.set("exp#2", 1.0)
    again = passed.replay()
    twice = again.replay()
    for a, b in ((passed, again), (again, passed), (again, twice), (passed, twice)):
        pairs = matched(a, b)
        assert names(pairs)[:1] == ["x"]
        assert {"mul#1", "exp#2"} <= {*names(pairs)}
        assert all(p.label == q.label for _, p, q in pairs)
    assert [again.call(node) for node in alone(again.nodes, matched(passed, again))] == [
        "mul#1 as computed",
        "exp#2 as computed",
    ]


def test_a_leaf_of_both_passes_has_a_partner_in_one_of_them_only():
    w, v = (tg.Value(x, label="w") for x in (1.0, 2.0))
    found = tg.compare_passes(w * v, v.exp())
    assert (found.only_before, found.only_after, found.left_out) == (["w"], [], 2)
