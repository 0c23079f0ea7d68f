"""What variables call Values: the same in pictures, in trees and in explanations."""

from html import unescape

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool.drawing.variables import held_by


class Two(tg.nn.Module):
    """Two layers whose parameters have the same labels."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.first, self.second = tg.nn.Linear(2, 2, rng=rng), tg.nn.Linear(2, 1, rng=rng)


def test_a_module_with_two_names_uses_the_first():
    net = Two()
    twice = held_by({"net": net, "again": net, "part": net.second})
    assert twice[id(net.second.bias)] == "second.bias"
    assert held_by({"one": Two(), "net": net})[id(net.first.bias)] == "net.first.bias"


def test_variables_name_their_values_and_the_first_wins():
    w, x, y, z = (tg.Value(1.0) for _ in range(4))
    names = {"_": x, "w": w, "again": w, "_9": y, "xs": [w, x], "by": {"z": z, 3: 4}, "Out": {}}
    held = held_by(names)
    assert [held[id(v)] for v in (w, x, y, z)] == ["w", "_", "_9", "by['z']"]


def test_values_in_containers_of_containers_are_named():
    w, b, deep = tg.Value(1.0), tg.Value(2.0), tg.Value(3.0)
    W, net, d = [[0.5], [tg.Value(0.0), w]], {"a": {1: b}}, [[[[deep]]]]
    data = [[0.5, deep], {"x": 1.0, "y": deep}]  # a row of data begins with a number
    held = held_by({"data": data, "W": W, "net": net, "d": d})
    assert [held[id(v)] for v in (w, b, deep)] == [
        "W[1][1]",
        "net['a'][1]",
        "d[0][0][0][0]",
    ]
    assert tg.record(w * b, names={"W": W}).why("W[1][1]").name == "W[1][1]"
    W[0].append(W)
    assert held_by({"W": W})[id(w)] == "W[1][1]"


def test_the_name_with_the_fewest_indices_is_used():
    w = tg.Value(1.0)
    assert held_by({"deep": [[w]], "xs": [w]})[id(w)] == "xs[0]"


def test_keys_are_formatted_only_for_values():
    class Key:
        def __repr__(self):
            raise AssertionError("of no name")

    w = tg.Value(1.0)
    assert held_by({"state": {Key(): ["step"]}, "ws": [[w]]})[id(w)] == "ws[0][0]"


def test_containers_that_contain_each_other_are_searched_once(count_calls):
    def calls(n):
        nodes = {}
        for i in range(n):
            nodes[i] = [nodes] * n
        return count_calls(held_by, {"nodes": nodes})

    assert calls(40) < 5 * calls(20)


def test_pictures_trees_and_explanations_use_the_same_name():
    ws, x = [tg.Value(3.0), tg.Value(4.0)], tg.Value(2.0)
    E = tg.weighted_sum(ws, [x, 1.0]) * tg.Value(5.0)
    names = {"ws": ws, "by": {"x": x}, "E": E, "also": E}
    recording = tg.record(E, names=names)
    assert recording.why(ws[1]).name == "ws[1]"
    for output in (unescape(tg.draw(E, names=names).source), str(tg.tree(E, names=names))):
        assert all(name in output for name in ("ws[0]", "ws[1]", "by['x']", "E"))
        assert "also" not in output
