"""Modules: parameters, names, saving and loading."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import OptionError, OutputError, ShapeError


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
    return [v.about.scope for v in tg.graph.ancestors(y) if v.parents]


def test_a_call_runs_under_the_name_of_the_attribute():
    assert scopes(Small()(np.ones((1, 2)))) == ["first"] * 3 + ["more.1.0"] * 2 + [""]


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
        "Sequential(0=Linear(weight=(3, 2), bias=(3,)), 1=ReLU())"
    )


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
        with pytest.raises(ShapeError, match=r"bias has shape \(3,\), got \(2,\)"):
            net.load_state_dict({"weight": before["weight"] + 1, "bias": np.ones(2)})
        assert np.array_equal(net.weight.data, before["weight"])

    def test_a_file_carries_it(self, tmp_path):
        net, other = nn.Linear(2, 3, rng=0), nn.Linear(2, 3, rng=1)
        other.load(net.save(tmp_path / "weights.npz"))
        assert np.array_equal(other.weight.data, net.weight.data)
        assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]

    def test_a_missing_folder_or_file_is_named(self, tmp_path):
        net = nn.Linear(2, 3, rng=0)
        with pytest.raises(OutputError, match=r"the folder .* does not exist"):
            net.save(tmp_path / "absent" / "weights.npz")
        with pytest.raises(OutputError, match=r"absent\.npz: cannot be read: No such file"):
            net.load(tmp_path / "absent.npz")

    @pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
    def test_a_file_of_another_kind_is_refused(self, tmp_path, content):
        (tmp_path / "weights.npz").write_bytes(content)
        with pytest.raises(OutputError, match=r"weights\.npz: is no \.npz file of plain numbers"):
            nn.Linear(2, 3, rng=0).load(tmp_path / "weights.npz")

    def test_a_lone_array_is_refused(self, tmp_path):
        np.save(tmp_path / "array.npy", np.ones(3))
        with pytest.raises(OutputError, match=r"is no \.npz file"):
            nn.Linear(2, 3, rng=0).load(tmp_path / "array.npy")

    def test_pickled_code_is_never_run(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (print, ("boom",))

        np.savez(tmp_path / "bomb.npz", weight=np.array([Bomb()], dtype=object))
        with pytest.raises(OutputError, match=r"is no \.npz file of plain numbers"):
            nn.Linear(2, 3, rng=0).load(tmp_path / "bomb.npz")
