"""Modules: parameters, names, saving and loading."""

import io
import random
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value, nn
from tinygrad_pool.errors import DataError, OptionError, OutputError, ShapeError, TinygradPoolError


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
    assert repr(Watched()) == "Watched(w=(), owner=None, inner=Watched(w=(), owner=…, inner=None))"


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
        with pytest.raises(OptionError, match=r"missing nothing, unknown \['other'\]"):
            net.load_state_dict({name: array + 1 for name, array in before.items()} | {"other": 0})
        with pytest.raises(ShapeError, match=r"bias has shape \(3,\), got \(2,\)"):
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

    @pytest.mark.parametrize("name", ["file", "allow_pickle", "a/b", "../up"])
    def test_a_parameter_can_have_any_name(self, tmp_path, name):
        net, other = nn.Module(), nn.Module()
        setattr(net, name, Value([1.0, 2.0]))
        setattr(other, name, Value([0.0, 0.0]))
        other.load(net.save(tmp_path / "weights.npz"))
        assert np.array_equal(other.parameters()[0].data, [1.0, 2.0])

    def test_equal_weights_make_equal_files(self):
        assert nn.Linear(2, 3, rng=0).to_npz() == nn.Linear(2, 3, rng=0).to_npz()

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

    @pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
    def test_a_damaged_file_never_ends_in_another_library_s_error(self, tmp_path, write):
        path = tmp_path / "weights.npz"
        write(path, **nn.Linear(2, 3, rng=0).state_dict())
        whole, chance, refused = path.read_bytes(), random.Random(0), 0
        for _ in range(300):
            damaged = bytearray(whole)
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            path.write_bytes(damaged)
            try:
                nn.Linear(2, 3, rng=0).load(path)
            except TinygradPoolError:
                refused += 1
        assert refused > 100

    def test_a_lone_array_is_refused(self, tmp_path):
        np.save(tmp_path / "array.npy", np.ones(3))
        with pytest.raises(OutputError, match=r"is no \.npz file"):
            nn.Linear(2, 3, rng=0).load(tmp_path / "array.npy")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("members", "error", "message"),
        [
            ({"extra": np.zeros(1)}, OptionError, r"missing nothing, unknown \['extra'\]"),
            ({"extra": None}, OptionError, r"missing nothing, unknown \['extra'\]"),
            ({"bias": None}, ShapeError, r"bias has shape \(3,\), got \(8388608,\)"),
            ({"bias": np.array(["a" * 5_000_000] * 3)}, OutputError, "is no .npz file of plain"),
        ],
    )
    def test_what_nobody_asked_for_is_not_unpacked(self, tmp_path, members, error, message):
        net, path = nn.Linear(2, 3, rng=0), tmp_path / "weights.npz"
        before = net.state_dict()
        large = np.zeros(2**23)  # 64 MB, and 64 kB in the file
        arrays = {n: large if array is None else array for n, array in members.items()}
        np.savez_compressed(path, **{**before, **arrays})
        assert path.stat().st_size < 200_000
        tracemalloc.start()
        with pytest.raises(error, match=message):
            net.load(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000
        assert all(np.array_equal(array, before[n]) for n, array in net.state_dict().items())

    @pytest.mark.parametrize("again", ["bias.npy", "bias", "other.npy"])
    def test_a_name_that_is_there_twice_is_refused(self, tmp_path, again):
        net, path = nn.Linear(2, 3, rng=0), tmp_path / "weights.npz"
        path.write_bytes(net.to_npz())
        with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for name in (again, "other.npy"):
                archive.writestr(name, archive.read("bias.npy"))
        with pytest.raises(OutputError, match=r"weights\.npz: holds '(bias|other)' twice"):
            net.load(path)

    def test_what_follows_an_array_is_refused_and_the_sum_over_it_is_checked(self, tmp_path):
        net, path = nn.Linear(2, 3, rng=0), tmp_path / "weights.npz"
        whole = net.to_npz()
        with zipfile.ZipFile(io.BytesIO(whole)) as read, zipfile.ZipFile(path, "w") as archive:
            for name in read.namelist():
                archive.writestr(name, read.read(name) + b"more")
        with pytest.raises(OutputError, match=r"is no \.npz file of plain numbers"):
            net.load(path)
        at = whole.index(net.bias.data.tobytes())
        path.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
        with pytest.raises(OutputError, match=r"is no \.npz file of plain numbers"):
            net.load(path)

    def test_a_folder_cannot_be_read(self, tmp_path):
        with pytest.raises(OutputError, match="cannot be read: Is a directory"):
            nn.Linear(2, 3, rng=0).load(tmp_path)

    def test_pickled_code_is_never_run(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (print, ("boom",))

        np.savez(tmp_path / "bomb.npz", weight=np.array([Bomb()], dtype=object))
        with pytest.raises(OutputError, match=r"is no \.npz file of plain numbers"):
            nn.Linear(2, 3, rng=0).load(tmp_path / "bomb.npz")
