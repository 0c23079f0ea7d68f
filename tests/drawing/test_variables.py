"""What variables call Values: the same in pictures, in trees and in explanations."""

from argparse import Action
from collections import namedtuple
from html import unescape

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.errors import OptionError


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


class Neuron:
    """A unit as micrograd writes it: an object with a list of weights and a bias."""

    def __init__(self, *ws):
        self.w, self.b = [*map(tg.Value, ws)], tg.Value(0.0)


class Slotted:
    """An object without a dict of attributes."""

    __slots__ = ("w",)


def test_values_in_the_attributes_of_objects_are_named():
    net, slotted = Neuron(1.0), Slotted()
    net.layers = [[Neuron(2.0, 3.0)], {"last": Neuron(4.0)}]
    net.itself, net.kind, slotted.w = net, Neuron, tg.Value(5.0)
    deep = net.layers[0][0]
    held = held_by({"net": net, "slotted": slotted, "tg": tg})
    leaves = [*net.w, net.b, *deep.w, deep.b, net.layers[1]["last"].b]
    assert [held[id(v)] for v in leaves] == [
        "net.w[0]",
        "net.b",
        "net.layers[0][0].w[0]",
        "net.layers[0][0].w[1]",
        "net.layers[0][0].b",
        "net.layers[1]['last'].b",
    ]
    assert id(slotted.w) not in held
    E = sum(deep.w, deep.b) * 2.0
    assert tg.record(E, names={"net": net}).why("net.layers[0][0].w[1]").name.endswith(".w[1]")


def test_the_fields_of_a_named_tuple_have_their_names():
    layer = namedtuple("Layer", "w b")([tg.Value(1.0)], tg.Value(2.0))
    net = Neuron(3.0)
    net._fields = ("w", "b")  # not a tuple
    held = held_by({"layers": [layer], "net": net})
    leaves = [layer.w[0], layer.b, net.b]
    assert [held[id(v)] for v in leaves] == ["layers[0].w[0]", "layers[0].b", "net.b"]


def test_objects_of_libraries_and_of_this_package_are_not_searched():
    w = tg.Value(1.0)
    recording, outside = tg.record(w * 2.0), Action([], "outside")
    outside.w = w
    held = held_by({"recording": recording, "outside": outside, "ws": [[w]]})
    assert held == {id(w): "ws[0][0]"}


def test_the_search_of_objects_has_an_end():
    chain = [Neuron(float(i)) for i in range(11_000)]
    held = held_by({"chain": chain})
    assert held[id(chain[0].b)] == "chain[0].b"
    assert 9_000 < len(held) < 22_000


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


@pytest.mark.parametrize(
    "ask",
    [
        tg.draw,
        tg.tree,
        tg.record,
        tg.diagnose,
        tg.unroll,
        lambda v, names: tg.derive(v, v.parents[0], names=names),
    ],
)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (3, r"names must be a dict, such as locals\(\), got 3"),
        (["x"], r"names must be a dict, such as locals\(\), got \['x'\]"),
        (dict(enumerate("xy")), r"names must have text as keys, as in locals\(\), got 0"),
    ],
)
def test_names_are_a_dict_with_text_as_keys(ask, names, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        ask(Value(1.0) * Value(2.0), names=names)
