"""Folding draws several nodes as one, and keeps the edges of the graph."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.drawing.folding import (
    FEW,
    WAYS,
    by_form,
    by_layers,
    by_scopes,
    coarser,
    folded,
    layer_count,
)
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import Node

FOLDS = pytest.mark.parametrize("fold", WAYS.values())


def check(nodes, groups):
    """Check that each node is in one group, each edge in or between groups, without cycles."""
    home = {node: i for i, group in enumerate(groups) for node in group.nodes}
    assert sorted(map(id, nodes)) == sorted(id(n) for group in groups for n in group.nodes)
    edges = {(home[p], home[n]) for n in nodes for p in n.parents if isinstance(p, Node)}
    assert {(a, b) for a, b in edges if a != b} == {
        (k, i) for i, group in enumerate(groups) for k in group.sources
    }
    waiting, done = dict(enumerate(groups)), set()
    while waiting:
        ready = [i for i, group in waiting.items() if done.issuperset(group.sources)]
        assert ready, f"a circle among {waiting}"
        done.update(ready)
        for i in ready:
            del waiting[i]


def folded_by(fold, *roots):
    nodes = topological_order(*roots)
    groups = fold(nodes)
    check(nodes, groups)
    return groups


def labels(group):
    return [node.label or node.op for node in group.nodes]


OPERATIONS = st.tuples(
    st.sampled_from(["add", "mul", "exp", "maximum", "constant"]),
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from(["", "a", "b", "a/c"]),
)


@pytest.mark.long
@FOLDS
@settings(max_examples=150)
@given(steps=st.lists(OPERATIONS, max_size=25))
def test_folding_keeps_nodes_and_edges_and_makes_no_cycle(fold, steps):
    made = [Value(0.5), Value(0.25)]
    for op, i, k, where in steps:
        x, y = made[i % len(made)], made[k % len(made)]
        with tg.scope(where) if where else nullcontext():
            match op:
                case "add":
                    made.append(x + y)
                case "mul":
                    made.append(x * y)
                case "exp":
                    made.append(tg.tanh(x))
                case "maximum":
                    made.append(tg.maximum(x, y, 0.5))
                case "constant":
                    made.append(2.0 * x)
    folded_by(fold, made[-1])
    folded_by(fold, *made)


class TestByForm:
    def test_what_is_computed_alike_is_one(self):
        x = [Value(float(i)) for i in range(10)]
        groups = folded_by(by_form, *[tg.tanh(v * 2.0) for v in x])
        assert [len(group.nodes) for group in groups] == [10, 10, 10]

    def test_different_operations_and_forms_are_separate(self):
        a, b = Value(1.0, label="a"), Value(2.0, label="b")
        groups = folded_by(by_form, a + b, a * b, (a + b) * b, a * 2.0)
        assert [labels(group) for group in groups] == [
            ["a"],
            ["b"],
            ["add", "add"],
            ["mul"],
            ["mul"],
            ["mul"],
        ]

    @pytest.mark.long
    @pytest.mark.parametrize("n", [3, 100_000])
    def test_a_chain_is_a_leaf_and_a_run(self, n):
        v = Value(1.0)
        for _ in range(n):
            v = v + 1.0
        groups = folded_by(by_form, v)
        assert [len(group.nodes) for group in groups] == [1, n]

    def test_a_chain_of_alternating_operations_is_not_folded(self):
        v = Value(1.0)
        for _ in range(5):
            v = (v + 1.0) * 2.0
        assert len(folded_by(by_form, v)) == 11

    def test_sixty_doublings_are_two(self):
        v = Value(1.0)
        for _ in range(60):
            v = v + v
        assert [len(group.nodes) for group in folded_by(by_form, v)] == [1, 60]

    def test_a_long_sum_of_terms_is_a_run(self):
        x, w = Value(1.0), [Value(float(i)) for i in range(50)]
        total = 0.0
        for weight in w:
            total = total + weight * x
        groups = folded_by(by_form, total)
        assert [len(group.nodes) for group in groups] == [51, 50, 50]

    def test_a_node_that_others_use_ends_a_run(self):
        a = Value(1.0) + 1.0
        b = a + 1.0
        groups = folded_by(by_form, (b + 1.0) * a)
        assert [labels(group) for group in groups][1:] == [["add"], ["add", "add"], ["mul"]]

    @pytest.mark.long
    def test_a_scalar_mlp_on_100_points_is_fewer_than_30(self, count_calls):
        rng = np.random.default_rng(0)
        net = nn.scalar.MLP(2, [16, 16, 1])
        loss = 0.0
        for x in rng.standard_normal((100, 2)).tolist():
            loss = loss + (1.0 - net(x)).relu()
        nodes = topological_order(loss)
        assert count_calls(by_form, nodes) / len(nodes) < 300
        groups = by_form(nodes)
        check(nodes, groups)
        assert len(groups) < 30
        assert len(nodes) > 3_000

    def test_cut_off_values_are_not_leaves(self):
        a = Value(1.0, label="a")
        groups = folded_by(by_form, a + a.exp().detach())
        assert [labels(group) for group in groups] == [["a"], ["detach"], ["add"]]


class TestByLayers:
    def net(self):
        return nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))

    def test_a_layer_is_one_with_its_weights(self):
        net = self.net()
        x = Value(np.ones((5, 3)), label="x")
        groups = folded_by(by_layers, net(x).sum())
        assert [labels(group) for group in groups] == [
            ["weight", "bias", "transpose", "matmul", "add"],
            ["weight", "bias", "transpose", "matmul", "add"],
            ["x"],
            ["relu"],
            ["sum"],
        ]
        assert [group.sources for group in groups] == [[2], [3], [], [0], [1]]

    def test_a_layer_used_twice_is_drawn_twice_and_its_weights_feed_both(self):
        w, x = Value(np.eye(2), label="w"), Value([[1.0, 2.0]], label="x")

        def layer(x):
            with tg.scope("layer"):
                return (x @ w).tanh()

        groups = folded_by(by_layers, layer(layer(x) * np.ones(2)))
        assert [labels(group) for group in groups] == [
            ["w"],
            ["x"],
            ["matmul", "tanh"],
            ["mul"],
            ["matmul", "tanh"],
        ]
        assert [group.sources for group in groups[2:]] == [[1, 0], [2], [3, 0]]

    def test_a_weight_that_was_used_before_is_outside_its_layer(self):
        w = Value(2.0, label="w")
        before = w.exp()
        with tg.scope("layer"):
            after = before.tanh() + w
        groups = folded_by(by_layers, after)
        assert [labels(group) for group in groups] == [["w"], ["exp"], ["tanh", "add"]]

    def test_nodes_without_a_scope_are_single(self):
        a, b = Value(1.0, label="a"), Value(2.0, label="b")
        groups = folded_by(by_layers, tg.exp(a * b) + a)
        assert [labels(group) for group in groups] == [["a"], ["b"], ["mul"], ["exp"], ["add"]]

    def test_only_the_outermost_scope_counts(self):
        x = Value(1.0, label="x")
        with tg.scope("block"):
            with tg.scope("first"):
                y = x.exp()
            with tg.scope("second"):
                y = y.tanh()
        assert [labels(group) for group in folded_by(by_layers, y)] == [["x"], ["exp", "tanh"]]


def test_inner_scopes_fold_and_each_way_leaves_fewer_boxes():
    net = nn.MLP(2, [3, 1])
    E = net([Value(1.0, label="x1"), Value(2.0, label="x2")]).tanh()
    groups = folded_by(by_scopes, E)
    assert len([group for group in groups if group.sources]) == 3 + 1 + 1
    assert [*coarser(topological_order(E))] == ["scopes", "layers"]
    source = tg.draw(E, detail="scopes").source
    assert source.count("<B>layers.0/neurons.") == 3
    assert "folded into 6 boxes by scopes; detail=" in source


def test_a_layer_shows_its_results():
    with tg.scope("layer"):
        a, b = Value(2.0) * 3.0, Value(-4.0) * 5.0
        units = a.relu(), b.relu()
    sum(units, Value(1.0)).backward()
    source = tg.draw(units[0] + units[1], detail="layers").source
    assert "0 ... 6" in source
    assert "−20" not in source


@pytest.mark.covered
def test_the_turns_of_a_loop_are_one():
    h, u, w = Value(0.5, label="h0"), Value(0.9, label="u"), Value(0.1, label="w")
    for i in range(2 * FEW):
        with tg.scope("cell"):
            h = (h * w + u * Value(float(i))).tanh()
        h = h * 0.5
    nodes = topological_order((h - 1.0) ** 2)
    by, groups = folded(nodes)
    assert by == "turns"
    check(nodes, groups)
    assert len(by_form(nodes)) > FEW
    assert len(groups) < 10
    source = tg.draw((h - 1.0) ** 2).source
    assert "loop ×600" in source
    assert "+ ×600, tanh ×600, × ×1,199" in source
    assert len(folded(nodes, "layers").groups) > FEW
    assert [*coarser(nodes)] == ["turns"]


def test_boxes_are_counted_before_they_are_made():
    x = Value(2.0)
    assert layer_count(topological_order(x)) == 0
    assert layer_count(topological_order((x * 3.0).exp())) == 2
    with tg.scope("layer"):
        y = (x * 3.0).exp()
    nodes = topological_order(y + 1.0)
    assert layer_count(nodes) == 2 == sum(bool(group.sources) for group in by_layers(nodes))


class TestBoxes:
    """The text in a box for several nodes."""

    def loop(self, turns=4):
        W, x = Value(np.full((2, 2), 0.5)), Value(np.full((3, 2), 4.0))
        b, c, h = Value(np.full(2, -7.0)), Value(np.full((3, 2), 9.0)), x
        for _ in range(turns):
            h = tg.tanh(h @ W + b) + tg.tanh(h @ W + c)
        return h.sum(), {"W": W, "x": x, "b": b, "c": c}

    def titles(self, drawn):
        return re.findall("<B>(.*?)</B>", drawn)

    def test_leaves_are_named_by_their_variables(self):
        E, names = self.loop()
        drawn = tg.draw(E, detail="turns", names=names).source
        assert self.titles(drawn) == ["W", "x", "b, c", "@ ×2", "loop ×6", "Σ"]

    def test_a_variable_name_distinguishes_inputs_and_weights(self):
        W, x = Value(np.ones((2, 2))), Value(np.ones((2, 2)))
        for called in ({id(x): "x"}, {id(W): "W"}):
            for fold in WAYS.values():
                groups = fold(topological_order((W @ x).sum()), called)
                assert [group.kind for group in groups if group.nodes == [x]] == ["leaf"]

    def test_several_arrays_show_the_numbers_of_all(self):
        E, _ = self.loop()
        E.backward()
        drawn = tg.draw(E, detail="turns").source
        assert "−7 ... 9" in drawn  # of b and c
        h = Value(np.array([1.0, 3.0]))
        assert "2 ... 24" in tg.draw(h * 2.0 * 2.0 * 2.0, detail="forms").source

    def test_a_cycle_that_runs_once_is_not_a_loop(self):
        x = Value(2.0)
        drawn = tg.draw((x * 3.0 + 1.0).exp() * x + 1.0, detail="turns").source
        assert "4 operations" in self.titles(drawn)
        assert "loop" not in drawn
