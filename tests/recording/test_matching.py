"""Which node of one pass stands for which node of another."""

import tinygrad_pool as tg
from tinygrad_pool.recording.matching import matched, own_name


def both(E, F):
    a, b = tg.record(E), tg.record(F)
    found = matched(a, b)
    assert all(x in a.nodes and y in b.nodes for _, x, y in found.pairs)
    return found


def names(found):
    return [name for name, _, _ in found.pairs]


def test_labels_match_whatever_the_form_of_the_graphs():
    x, y = tg.Value(1.0, label="x"), tg.Value(1.0, label="y")
    v = tg.Value(1.0, label="x")
    found = both(x * y, (v + v).exp())
    assert [(n, p is x, q is v) for n, p, q in found.pairs] == [("x", True, True)]
    assert [node.op or node.label for node in found.only_a] == ["y", "mul"]
    assert [node.op for node in found.only_b] == ["add", "exp"]


def test_nodes_without_a_name_match_by_number_if_the_forms_are_equal():
    def build(x):
        return (tg.Value(x, label="x") * 2.0).exp()

    assert names(both(build(1.0), build(3.0))) == ["x", "mul#1", "exp#2"]
    assert names(both(build(1.0), build(3.0) + 1.0)) == ["x"]
    assert names(both(build(1.0), (tg.Value(1.0, label="x") + 2.0).exp())) == ["x"]


def test_a_name_that_one_of_them_has_not_is_made_up_for_by_the_number():
    E, F = (tg.Value(x, label="x").exp() * 2.0 for x in (1.0, 3.0))
    F.label = "F"
    a, b = tg.record(E, names={"E": E}), tg.record(F)
    assert names(matched(a, b)) == ["x", "exp#1", "E"]
    assert names(matched(tg.record(E), b)) == ["x", "exp#1", "F"]
    assert own_name(a, E) == "E"
    assert own_name(a, E.parents[0]) == ""


def test_several_of_one_name_match_in_order():
    def build(*xs):
        return tg.maximum(*(tg.Value(x, label="x") for x in xs))

    found = both(build(1.0, 2.0), build(3.0, 4.0, 5.0) * 2.0)
    assert [(n, p.data, q.data) for n, p, q in found.pairs] == [
        ("x#0", 1.0, 3.0),
        ("x#1", 2.0, 4.0),
    ]
    assert [node.data for node in found.only_b] == [5.0, 5.0, 10.0]


def test_equal_forms_match_named_nodes_by_name_first():
    a1, b1, b2, a2 = (
        tg.Value(x, label=n) for x, n in zip((1.0, 2.0, 3.0, 4.0), "abba", strict=True)
    )
    found = both(a1 * b1, b2 * a2)
    assert [(n, p.data, q.data) for n, p, q in found.pairs] == [
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
        found = matched(a, b)
        assert names(found)[:1] == ["x"]
        assert {"mul#1", "exp#2"} <= {*names(found)}
        assert all(p.label == q.label for _, p, q in found.pairs)
    assert [again.call(node) for node in matched(passed, again).only_b] == [
        "mul#1 as computed",
        "exp#2 as computed",
    ]
