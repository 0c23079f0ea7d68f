"""Modules: parameters, names, saving and loading."""

import copy
import pickle
from collections import UserList, deque

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError, ShapeError


class Small(nn.Module):
    """A module with parameters in attributes, containers and submodules."""

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


def test_parameters_are_listed_in_order_and_shared_ones_once():
    net = Small()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert net.parameters()[2] is net.scale


class Watched(nn.Module):
    """A layer that stores its output for inspection, and the module that contains it."""

    def __init__(self, owner=None) -> None:
        self.w = Value(3.0)
        self.owner = owner
        self.inner = None if owner else Watched(owner=self)

    def forward(self, x, *, times=1):
        self.out = self.w * x * times
        return self.out


def test_a_stored_output_is_not_a_parameter():
    net = Watched()
    assert net(2.0, times=5).data == 30.0
    with tg.no_grad():
        net.inner(2.0)
    assert net.out.label == "out"
    assert [name for name, _ in net.named_parameters()] == ["w", "inner.w"]


def test_a_part_may_refer_to_its_owner():
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


def test_zero_grad_resets_every_gradient():
    net = Small()
    net(np.ones((1, 2))).sum().backward()
    assert net.first.weight.has_grad
    net.zero_grad()
    assert not any(p.has_grad for p in net.parameters())


def scopes(y: Value) -> list[str]:
    return [v.about.scope for v in tg.engine.backward.topological_order(y) if v.parents]


def test_the_scope_of_a_call_is_the_name_of_the_attribute():
    assert scopes(Small()(np.ones((1, 2)))) == ["first"] * 3 + ["more.1.0"] * 2 + [""]


class Stack(nn.Module):
    """Layers in a list only."""

    def __init__(self, *layers) -> None:
        self.layers = []
        for layer in layers:
            self.layers.append(layer)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_layers_appended_to_a_list_are_named_by_their_index():
    assert scopes(Stack(nn.Tanh(), nn.Tanh())(Value([1.0]))) == ["layers.0", "layers.1"]
    net = Stack(nn.Tanh())
    net.layers = [nn.ReLU()]
    net.layers.append(nn.Tanh())
    assert scopes(nn.Sequential(body=net)(Value([1.0]))) == ["body/layers.0", "body/layers.1"]


def test_the_scope_of_a_lone_layer_is_the_name_of_its_class():
    assert scopes(nn.Linear(2, 3, bias=False, rng=0)(np.ones(2))) == ["Linear"] * 2


def test_names_nest():
    net = nn.Sequential(body=nn.Sequential(act=nn.ReLU()), nn_last=nn.Tanh())
    assert scopes(net(Value([1.0]))) == ["body/act", "nn_last"]


def test_a_module_without_forward_is_an_error():
    with pytest.raises(OptionError, match="Module: needs a method `forward`"):
        nn.Module()(1.0)


def test_a_repr_shows_parts_and_shapes():
    assert repr(nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)"
    )
    assert "(more.1.0): Linear(in_features=3, out_features=1, bias=False)" in repr(Small())


class Counted(nn.Module):
    """A layer with two buffers, one of them saved."""

    def __init__(self) -> None:
        self.w = Value(2.0)
        self.plain = np.ones(2)
        self.register_buffer("calls", np.zeros((), np.int64))
        self.register_buffer("seen", [0.0, 0.0], persistent=False)
        self.register_buffer("absent", None)

    def forward(self, x):
        self.calls += 1
        self.seen[...] = x.data
        return self.w * x


class TestBuffers:
    def test_buffers_are_saved_but_not_learned(self, tmp_path):
        net = nn.Sequential(one=Counted())
        net(Value([1.0, 3.0]))
        assert [name for name, _ in net.named_parameters()] == ["one.w"]
        assert [name for name, _ in net.named_buffers()] == ["one.calls", "one.seen"]
        assert [b.tolist() for b in net.buffers()] == [1, [1.0, 3.0]]
        assert list(net.state_dict()) == ["one.w", "one.calls"]
        net.save(tmp_path / "net.npz")
        other = nn.Sequential(one=Counted()).eval()
        other.load(tmp_path / "net.npz")
        assert other.one.calls == 1
        assert other.one.calls.dtype == np.int64
        assert not other.one.training

    def test_a_buffer_that_does_not_fit_changes_nothing(self):
        net = nn.BatchNorm1d(2)
        state = net.state_dict()
        net(np.arange(4.0).reshape(2, 2))
        kept = net.running_mean.copy()
        with pytest.raises(OptionError, match=r"missing \['running_var'\]"):
            net.load_state_dict({n: a for n, a in state.items() if n != "running_var"})
        with pytest.raises(ShapeError, match=r"running_mean needs shape \(2,\), got \(3,\)"):
            net.load_state_dict({**state, "running_mean": np.ones(3)})
        np.testing.assert_array_equal(net.running_mean, kept)
        net.load_state_dict(state)
        assert net.running_mean.tolist() == [0.0, 0.0]

    def test_a_buffer_can_be_registered_again_but_not_replace_an_attribute(self):
        net = Counted()
        net.register_buffer("calls", 5)
        assert net.calls == 5
        with pytest.raises(OptionError, match="register_buffer: 'w' cannot be the name of a buf"):
            net.register_buffer("w", 1.0)
        with pytest.raises(OptionError, match=r"'a\.b' cannot be the name"):
            net.register_buffer("a.b", 1.0)
        with pytest.raises(DataError, match="register_buffer: text: needs real numbers"):
            net.register_buffer("text", "a")

    def test_a_copy_has_its_own_buffers(self):
        net = Counted()
        other = copy.deepcopy(net)
        other(Value([1.0, 1.0]))
        assert (net.calls, other.calls) == (0, 1)
        assert pickle.loads(pickle.dumps(other)).state_dict() == other.state_dict()


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [(nn.LeakyReLU, (0.2,)), (nn.Conv1d, (3, 2, 1)), (nn.BatchNorm1d, (3,)), (nn.MaxPool1d, (2,))],
)
def test_layers_can_be_subclassed(layer, arguments):
    class Own(layer):
        """What it is."""

    x = np.ones((2, 3, 4), np.float32)
    assert Own(*arguments)(x).shape == layer(*arguments)(x).shape
    assert repr(Own(*arguments)).replace("Own", layer.__name__) == repr(layer(*arguments))


def test_a_layer_may_compute_its_options_or_keep_them_in_its_class():
    class Centred(nn.Conv1d):
        stride = property(lambda _: 2, lambda *_: None)

        @property
        def weight(self):
            return self.raw - self.raw.mean()

        @weight.setter
        def weight(self, value):
            self.raw = value

    class Halves(nn.LeakyReLU):
        negative_slope = 0.5

        def __init__(self):
            pass

    layer, x = Centred(1, 1, 3, bias=False, rng=0), np.ones((1, 5), np.float32)
    layer.x = "kept, and not an option"
    assert layer(x).data == pytest.approx(np.zeros((1, 2)), abs=1e-6)
    assert Halves()(Value([-1.0])).data == pytest.approx([-0.5])


class TestParts:
    def test_modules_and_children_have_names(self):
        net = nn.Sequential(body=nn.Sequential(nn.ReLU(), nn.Tanh()), small=Small())
        names = ["", "body", "body.0", "body.1", "small", "small.first", "small.more.1.0"]
        assert [name for name, _ in net.named_modules()] == names
        assert next(net.modules()) is net
        assert [name for name, _ in net.named_children()] == ["body", "small"]
        assert [name for name, _ in net.small.named_children()] == ["first", "more.1.0"]
        assert list(net.children()) == [net.body, net.small]
        shared = nn.ReLU()
        assert len(list(nn.Sequential(shared, nn.Sequential(shared)).modules())) == 3
        twice = nn.Sequential(shared, shared)
        assert list(twice.children()) == [shared]
        assert repr(twice) == "Sequential(\n  (0): ReLU()\n  (1): ReLU()\n)"

    def test_a_list_may_contain_itself(self):
        net = nn.Sequential(nn.ReLU())
        net.parts = [1.0, net[0]]
        net.parts.append(net.parts)
        assert [name for name, _ in net.named_children()] == ["0"]
        assert "parts" in repr(net)

    def test_apply_calls_a_function_on_each_module(self):
        seen = []
        net = nn.Sequential(nn.Linear(1, 1, rng=0), nn.Sequential(nn.ReLU()))
        assert net.apply(lambda m: seen.append(type(m).__name__)) is net
        assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]

    def test_train_and_eval_reach_all_modules(self):
        net = nn.Sequential(body=nn.Sequential(nn.Dropout(0.5)), small=Small())
        assert all(m.training for m in net.modules())
        assert net.eval() is net
        assert not any(m.training for m in net.modules())
        net.body.train()
        assert [m.training for m in net.modules()] == [False, True, True, False, False, False]
        assert net.train().training
        assert "training" not in repr(net.eval())
        with pytest.raises(OptionError, match="train: mode must be True or False, got 1"):
            net.train(1)


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
        with pytest.raises(OptionError, match=r"missing \['bias', 'weight'\], unknown none"):
            net.load_state_dict({})
        with pytest.raises(OptionError, match=r"missing none, unknown \['other'\]"):
            net.load_state_dict({name: array + 1 for name, array in before.items()} | {"other": 0})
        with pytest.raises(ShapeError, match=r"bias needs shape \(3,\), got \(2,\)"):
            net.load_state_dict({"weight": before["weight"] + 1, "bias": np.ones(2)})
        assert np.array_equal(net.weight.data, before["weight"])

    @pytest.mark.parametrize(
        "bias", [["a", "b", "c"], [1j, 1, 1], [[1], [1, 2]], Value(np.ones(3))]
    )
    def test_a_state_that_is_not_numbers_changes_nothing(self, bias):
        net = nn.Linear(2, 3, rng=0)
        before = net.state_dict()
        with pytest.raises(DataError, match="load_state_dict: bias: needs"):
            net.load_state_dict({"weight": before["weight"] + 1, "bias": bias})
        assert np.array_equal(net.weight.data, before["weight"])

    @pytest.mark.parametrize("count", [np.nan, np.inf, 1e30, 2.5])
    def test_a_count_that_is_not_an_integer_changes_nothing(self, count):
        net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.BatchNorm1d(2))
        before = net.state_dict()
        new = {name: array + 1 for name, array in before.items()}
        with pytest.raises(DataError, match=r"1\.num_batches_tracked needs int64, got "):
            net.load_state_dict(new | {"1.num_batches_tracked": count})
        assert all(np.array_equal(a, before[name]) for name, a in net.state_dict().items())
        net.load_state_dict(new | {"1.num_batches_tracked": 2.0})
        assert net[1].num_batches_tracked == 2

    def test_a_state_must_be_a_mapping(self):
        with pytest.raises(OptionError, match="needs names and arrays, got list"):
            nn.ReLU().load_state_dict([1])

    def test_names_that_are_not_unique_are_an_error(self):
        net = nn.Module()
        net.table = {1: Value(1.0), "1": Value(2.0)}
        with pytest.raises(OptionError, match=r"Module: two parameters are called 'table\.1'"):
            net.state_dict()


def test_a_layer_of_another_library_gets_a_suggestion():
    with pytest.raises(AttributeError, match=r"nn has no Embedding: write weight\[labels\]"):
        nn.Embedding  # noqa: B018


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ReLU, nn.BatchNorm1d, nn.MaxPool2d])
def test_other_base_classes_of_a_layer_get_init_subclass(kind):
    made = []

    class Noted:
        def __init_subclass__(cls):
            made.append(cls)

    class Mine(kind, Noted):
        pass

    assert made == [Mine]


@pytest.mark.parametrize("kind", [list, tuple, deque, UserList])
def test_parameters_are_found_in_any_sequence(kind):
    net = nn.Module()
    net.parts = kind([Value(1.0), nn.Linear(2, 3, rng=0)])
    names = ["parts.0", "parts.1.weight", "parts.1.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_modules()] == ["", "parts.1"]
