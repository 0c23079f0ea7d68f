"""Layout of a graph: the frame of each node, and the order of nodes in a frame."""

import re

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.layout import Entries, frames_of, scopes_of
from tinygrad_pool.engine.backward import topological_order


def test_a_leaf_is_in_the_frame_that_its_users_share():
    x, w = Value(1.0), Value(2.0)
    with tg.scope("net"):
        with tg.scope("a"):
            y = x * w
        with tg.scope("b"):
            z = y * w
    scopes = scopes_of(topological_order(z))
    assert (scopes[x], scopes[w], scopes[z]) == ("net/a", "net", "net/b")


def test_a_layer_has_a_frame_for_each_visit():
    z = Value(0.5)
    for _ in range(3):
        with tg.scope("unit"):
            z = z.tanh()
        z = z * 2.0
    assert tg.draw(z, rows=1).source.count("label=unit") == 3


def test_independent_nodes_remain_in_the_frame():
    with tg.scope("both"):
        a = Value(1.0).exp()
    b = Value(2.0).exp()
    with tg.scope("both"):
        c = a.exp()
    assert tg.draw(a + b + c).source.count("label=both") == 1


def test_a_constant_is_behind_the_last_node_into_its_frame():
    x = Value(1.0)
    early, late = x.exp(), x.tanh()
    with tg.scope("net"):
        y = early * late
        first = y + 1.0
    later = x.sigmoid()
    with tg.scope("net"):
        last = first * 2.0 + later
    entries = Entries(topological_order(last * 3.0))
    placed = {use: node for node, use in entries.behind()}
    assert placed[first, 1] is late
    assert placed[last.parents[0], 1] is later
    assert len(placed) == 2  # neither the factor outside the frame nor x is placed
    assert frames_of("net/a/b") == ["net", "net/a", "net/a/b"]


def test_leaves_in_frames_are_in_the_order_of_the_operands():
    net = tg.nn.MLP(2, [2, 1])
    E = net([Value(1.0, label="x1"), Value(-2.0, label="x2")])
    for direction, along in (("LR", 2), ("TB", 1)):
        source = tg.draw(E, direction=direction).source
        svg = picture(source, "svg").decode()
        pattern = r'id="(n\d+)" class="node">.*?<text[^>]* x="([-\d.]+)" y="([-\d.]+)"'
        where = {found[0]: float(found[along]) for found in re.findall(pattern, svg, re.DOTALL)}
        groups = re.findall(r'label="neurons.*?\n\t\t+\}', source, re.DOTALL)
        assert len(groups) == 3
        for group in groups:
            named = dict(re.findall(r"(n\d+) \[label=<.*?<B>(w\d|b)</B>", group))
            assert [named[n] for n in sorted(named, key=where.get)] == ["w1", "w2", "b"]
