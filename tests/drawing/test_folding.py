"""Folding: few boxes for many nodes, without circles and without loss."""

import random

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import nn
from tinygrad_pool.drawing.folding import by_form, by_layers
from tinygrad_pool.graph import ancestors


def check(nodes, groups):
    """Every node is in one group, every edge between groups is there, and none leads upwards."""
    place = {node: i for i, group in enumerate(groups) for node in group.nodes}
    assert len(place) == sum(len(group.nodes) for group in groups) == len(nodes)
    edges = {
        (place[p], place[node])
        for node in nodes
        for p in node.parents
        if isinstance(p, tg.Value) and place[p] != place[node]
    }
    assert edges == {(k, i) for i, group in enumerate(groups) for k in group.sources}
    height = dict.fromkeys(range(len(groups)), 0)
    for _ in groups:
        for k, i in edges:
            height[i] = max(height[i], height[k] + 1)
    assert max(height.values(), default=0) < len(groups)


def mlp_on_points(count):
    random.seed(0)
    net = nn.MLP(2, [16, 16, 1])
    scores = [net([random.random(), random.random()]) for _ in range(count)]
    return sum((1 - s).relu() for s in scores) + sum(p * p for p in net.parameters())


def test_a_network_on_many_points_folds_into_its_layers():
    nodes = ancestors(mlp_on_points(30))
    groups = by_form(nodes)
    check(nodes, groups)
    assert len(groups) < 20
    assert sorted(len(g.nodes) for g in groups)[-3:] == [480, 480, 480]


def test_a_chain_and_doublings_fold_into_a_run():
    a = x = tg.Value(1.0)
    for _ in range(60):
        x = x + x
    assert [len(g.nodes) for g in by_form(ancestors(x))] == [1, 60]
    y = a
    for _ in range(100_000):
        y = y * 0.5
    assert [len(g.nodes) for g in by_form(ancestors(y))] == [1, 100_000]


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_folds_without_circles(seed):
    draw = random.Random(seed)
    values = [tg.Value(1.0) for _ in range(3)]
    for _ in range(40):
        f = draw.choice([tg.Value.__add__, tg.Value.__mul__, lambda a, b: a.tanh(), tg.maximum])
        with tg.scope(draw.choice(["one", "two", "two/three"])):
            values.append(f(draw.choice(values), draw.choice([*values, 2.0])))
    nodes = ancestors(sum(values[-4:]))
    for fold in (by_form, by_layers):
        check(nodes, fold(nodes))


def test_layers_are_what_was_recorded_in_one_go_with_their_weights():
    layer = nn.Linear(3, 3, rng=0)
    net = nn.Sequential(first=layer, act=nn.ReLU(), again=layer)
    nodes = ancestors(net(tg.Value(np.ones((1, 3)), label="x")).sum())
    groups = by_layers(nodes)
    check(nodes, groups)
    listed = [[n.op or n.label for n in g.nodes] for g in groups]
    assert ["x"] in listed
    assert ["weight", "bias", "transpose", "matmul", "add"] in listed
    assert ["relu"] in listed
    assert ["transpose", "matmul", "add"] in listed
