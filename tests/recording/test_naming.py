"""The names of nodes, and nodes found by name."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OptionError


class Two(tg.nn.Module):
    """Two layers whose parameters have the same labels."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.first, self.second = tg.nn.Linear(2, 2, rng=rng), tg.nn.Linear(2, 1, rng=rng)

    def forward(self, x):
        return self.second(self.first(x).relu()).sum()


def test_a_label_that_is_unique_comes_first():
    w = tg.Value(2.0, label="w")
    passed = tg.record(w.exp(), names={"x": w})
    assert passed.call(w) == "w"
    assert passed.find("x") is passed.find("w") is passed.find("leaf#0") is w


@pytest.mark.parametrize("known", [True, False])
def test_parts_of_a_network_are_distinguished_by_their_place(known):
    net = Two()
    E = net(tg.Value([[1.0, -2.0]]))
    passed = tg.record(E, names={"net": net} if known else None)
    assert passed.call(net.second.weight) == "second.weight"
    assert passed.find("first.bias") is net.first.bias
    with pytest.raises(OptionError, match=r"of 2 nodes: first\.bias, second\.bias"):
        passed.find("bias")
    assert passed.why("second.weight", (0, 1)).name == "second.weight[0, 1]"


def test_a_parameter_is_found_by_its_name_in_the_network_also_if_its_label_is_unique():
    net = tg.nn.Sequential(hidden=tg.nn.Linear(2, 1, rng=0), act=tg.nn.Tanh())
    passed = tg.record(net(np.ones((1, 2))).sum())
    for name, parameter in net.named_parameters():
        assert passed.find(name) is parameter
    assert passed.call(net.hidden.weight) == "weight"
    assert passed.why("hidden.weight[0, 1]").name == "weight[0, 1]"


def test_equal_labels_without_a_place_have_a_number():
    a, b = tg.Value(2.0, label="w"), tg.Value(3.0, label="w")
    passed = tg.record(a * b)
    assert [passed.call(v) for v in (a, b)] == ["w#0", "w#1"]
    assert passed.find("w#1") is passed.find("leaf#1") is b
    with pytest.raises(OptionError, match=r"'w' is the name of 2 nodes: w#0, w#1$"):
        passed.find("w")


def test_equal_labels_in_one_scope_have_a_number():
    with tg.scope("unit"):
        a = tg.Value(1.0).exp()
        b = a.exp()
    a.label = b.label = "a"
    passed = tg.record(b)
    assert [passed.call(v) for v in (a, b)] == ["a#1", "a#2"]


def test_an_exact_name_needs_no_search():
    w = tg.Value(1.0)
    passed = tg.record(w)
    assert passed.find(w) is w
    assert passed.variables == {}


def test_an_element_of_a_list_is_named_as_in_python(capsys):
    xs = [tg.Value(2.0), tg.Value(3.0)]
    tg.debug(xs[0] * xs[1], names={"xs": xs}, commands="why xs[1]; break xs[0]; c")
    said = capsys.readouterr().out
    assert "grad of xs[1] is 2" in said
    assert "breakpoint 1: xs[0], hit once" in said


def test_a_value_outside_the_graph_is_found_by_any_of_its_names():
    v, w = tg.Value(2.0, label="label"), tg.Value(3.0, label="w")
    passed = tg.record(w * 2.0, names={"v": v, "again": v, "vs": [v, w]})
    assert passed.find("v") is passed.find("again") is passed.find("vs[0]") is v
    assert passed.find("label") is v
    assert passed.call(v) == "label"
    with pytest.raises(OptionError, match="v is not in this graph; why v explains that"):
        passed.all_called("v")


def test_an_unnamed_node_is_named_by_its_operation():
    passed = tg.record(tg.Value(3.0) * 2.0)
    assert passed.call(tg.Value(1.0)) == "the leaf"
    assert passed.call(tg.Value(1.0).exp()) == "the exp node"
    assert passed.why(tg.Value(1.0)).name == "the leaf"


def test_without_names_it_suggests_them():
    passed = tg.record(tg.Value(1.0, label="w").exp())
    with pytest.raises(
        OptionError, match=r"; pass names=locals\(\) to use the names of variables$"
    ):
        passed.find("v")
    known = tg.record(tg.Value(1.0, label="w").exp(), names={"w": tg.Value(2.0)})
    with pytest.raises(OptionError, match=r"known names: w, exp#1$"):
        known.find("v")


@pytest.mark.parametrize("name", ["", "w#7", "mul#0", "#", "leaf#99999999999999999999", "wa"])
def test_an_unknown_name_is_answered_with_similar_names(name):
    passed = tg.record(tg.Value(1.0, label="w").exp())
    with pytest.raises(OptionError, match=r"no node is called '.*'; known names: w"):
        passed.find(name)


class TestElements:
    """An element is found by the name that explanations give it."""

    def recording(self):
        x = tg.Value([[1.0, 5.0], [2.0, 0.0]], label="x")
        return tg.record((x * 2.0).max(axis=1).sum())

    def test_why_and_set_accept_the_names_that_they_print(self):
        passed = self.recording()
        told = str(passed.why("x", (1, 1)))
        assert told.startswith("grad of x[1, 1] is 0")
        assert str(passed.why("x[1, 1]")) == told
        assert str(passed.why("mul#1[1, 1]")).startswith("grad of mul#1[1, 1] is 0")
        passed.set("x[1, 1]", 9.0)
        passed.set("x[0, 0]", 7.0)
        assert passed.changes == {"x[1, 1]": 9.0, "x[0, 0]": 7.0}
        assert passed.replay().why("x[1, 1]").grad == 2.0

    def test_invalid_indices_and_names_are_refused(self):
        passed = self.recording()
        for name, said in (
            ("x[one]", r"\[one\] is not an index"),
            ("x[2, 0]", "x of shape .* has no element"),
            ("y[0]", "no node is called 'y'"),
        ):
            with pytest.raises(OptionError, match=said):
                passed.why(name)
        with pytest.raises(OptionError, match="no node is called"):
            passed.why("x[1, 1]", (0, 0))
        with pytest.raises(OptionError, match="needs a Value or the name of a node, got 3"):
            passed.why(3)


def test_a_layer_names_the_nodes_in_it():
    with tg.scope("net"):
        with tg.scope("first"):
            a = tg.Value(2.0, label="w") * 3.0
        b = a.exp()
    passed = tg.record(b.relu())
    assert passed.find("net.first") is passed.find("net/first") is a
    assert passed.all_called("net") == [a, b]


@pytest.mark.parametrize("data", [0.0, np.zeros(3)])
def test_a_labelled_node_is_found_by_its_number_whatever_its_data(data):
    x = tg.Value(data, label="x")
    y = (x * 2.0).relu()
    y.label = "y"
    recording = tg.record(y, np.ones(y.shape))
    for name, node in (("x#0", x), ("leaf#0", x), ("y#2", y), ("relu#2", y)):
        assert recording.find(name) is node
