"""Modules: parameters, names, saving and loading."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError, ShapeError


class Small(nn.Module):
    """Parameters in every kind of place."""

    def __init__(self) -> None:
        self.first = nn.Linear(2, 3, rng=0)
        self.scale = Value(2.0)
        self.more = [Value(1.0, label="mine"), (nn.Linear(3, 1, bias=False, rng=1),)]
        self.table = {"x": Value(3.0), "n": 4}
        self.again = self.scale
        self.name = "text"

    def forward(self, x):
        return self.more[1][0](self.first(x)) * self.scale


NAMES = ["first.weight", "first.bias", "scale", "more.0", "more.1.0.weight", "table.x"]


def test_parameters_are_found_in_order_and_a_shared_one_once():
    net = Small()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert net.parameters()[2] is net.scale


class Watched(nn.Module):
    """A layer that keeps its output for a look, and knows the module that it stands in."""

    def __init__(self, owner=None) -> None:
        self.w = Value(3.0)
        self.owner = owner
        self.inner = None if owner else Watched(owner=self)

    def forward(self, x, *, times=1):
        self.out = self.w * x * times
        return self.out


def test_an_output_that_is_kept_is_no_parameter():
    net = Watched()
    assert net(2.0, times=5).data == 30.0
    with tg.no_grad():
        net.inner(2.0)
    assert net.out.label == "out"
    assert [name for name, _ in net.named_parameters()] == ["w", "inner.w"]


def test_a_part_may_know_its_owner():
    assert repr(Watched()).split("\n") == [
        "Watched(",
        "  w=(), owner=None",
        "  (inner): Watched(",
        "    w=(), inner=None",
        "    (owner): …",
        "  )",
        ")",
    ]


def test_parts_may_refer_to_each_other():
    left, right = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)
    left.peer, right.peer = [right], {"back": left}
    net = nn.Module()
    net.left, net.right = left, right
    assert [name for name, _ in net.named_parameters()] == [
        "left.weight",
        "left.bias",
        "left.peer.0.weight",
        "left.peer.0.bias",
    ]
    assert net.state_dict().keys() == dict(net.named_parameters()).keys()


def test_values_without_a_label_take_the_name_of_their_attribute():
    net = Small()
    assert [net.scale.label, net.more[0].label, net.table["x"].label] == [
        "scale",
        "mine",
        "table.x",
    ]


def test_zero_grad_forgets_every_gradient():
    net = Small()
    net(np.ones((1, 2))).sum().backward()
    assert net.first.weight.has_grad
    net.zero_grad()
    assert not any(p.has_grad for p in net.parameters())


def scopes(y: Value) -> list[str]:
    return [v.about.scope for v in tg.engine.backward.topological_order(y) if v.parents]


def test_a_call_runs_under_the_name_of_the_attribute():
    assert scopes(Small()(np.ones((1, 2)))) == ["first"] * 3 + ["more.1.0"] * 2 + [""]


class Stack(nn.Module):
    """Layers in a list, and nowhere else."""

    def __init__(self, *layers) -> None:
        self.layers = []
        for layer in layers:
            self.layers.append(layer)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_layers_that_are_appended_to_a_list_get_their_place_as_a_name():
    assert scopes(Stack(nn.Tanh(), nn.Tanh())(Value([1.0]))) == ["layers.0", "layers.1"]
    net = Stack(nn.Tanh())
    net.layers = [nn.ReLU()]
    net.layers.append(nn.Tanh())
    assert scopes(nn.Sequential(body=net)(Value([1.0]))) == ["body/layers.0", "body/layers.1"]


def test_a_lone_layer_runs_under_the_name_of_its_class():
    assert scopes(nn.Linear(2, 3, bias=False, rng=0)(np.ones(2))) == ["Linear"] * 2


def test_names_nest():
    net = nn.Sequential(body=nn.Sequential(act=nn.ReLU()), nn_last=nn.Tanh())
    assert scopes(net(Value([1.0]))) == ["body/act", "nn_last"]


def test_a_module_without_forward_says_so():
    with pytest.raises(OptionError, match="Module: needs a method `forward`"):
        nn.Module()(1.0)


def test_a_repr_shows_parts_and_shapes():
    assert repr(nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)"
    )
    assert "(more.1.0): Linear(in_features=3, out_features=1, bias=False)" in repr(Small())


class TestState:
    def test_a_state_is_a_copy(self):
        net = Small()
        state = net.state_dict()
        assert list(state) == NAMES
        state["scale"][...] = 99.0
        assert net.scale.data == 2.0

    def test_loading_restores_everything(self):
        net = Small()
        state = net.state_dict()
        for p in net.parameters():
            p.data = p.data + 1.0
        net.load_state_dict(state)
        for name, p in net.named_parameters():
            assert np.array_equal(p.data, state[name])
            assert np.asarray(p.data).dtype == state[name].dtype

    def test_a_state_that_does_not_fit_changes_nothing(self):
        net = nn.Linear(2, 3, rng=0)
        before = net.state_dict()
        with pytest.raises(OptionError, match=r"missing \['bias'\], unknown \['other'\]"):
            net.load_state_dict({"weight": before["weight"] + 1, "other": 0.0})
        with pytest.raises(OptionError, match=r"missing \['bias', 'weight'\], unknown nothing"):
            net.load_state_dict({})
        with pytest.raises(OptionError, match=r"missing nothing, unknown \['other'\]"):
            net.load_state_dict({name: array + 1 for name, array in before.items()} | {"other": 0})
        with pytest.raises(ShapeError, match=r"bias needs shape \(3,\), got \(2,\)"):
            net.load_state_dict({"weight": before["weight"] + 1, "bias": np.ones(2)})
        assert np.array_equal(net.weight.data, before["weight"])

    @pytest.mark.parametrize(
        "bias", [["a", "b", "c"], [1j, 1, 1], [[1], [1, 2]], Value(np.ones(3))]
    )
    def test_a_state_that_is_no_numbers_changes_nothing(self, bias):
        net = nn.Linear(2, 3, rng=0)
        before = net.state_dict()
        with pytest.raises(DataError, match="load_state_dict: bias: needs"):
            net.load_state_dict({"weight": before["weight"] + 1, "bias": bias})
        assert np.array_equal(net.weight.data, before["weight"])

    def test_a_state_is_a_mapping(self):
        with pytest.raises(OptionError, match="needs names and arrays, got a list"):
            nn.ReLU().load_state_dict([1])

    def test_names_that_are_not_unique_are_refused(self):
        net = nn.Module()
        net.table = {1: Value(1.0), "1": Value(2.0)}
        with pytest.raises(OptionError, match=r"Module: two parameters are called 'table\.1'"):
            net.state_dict()
