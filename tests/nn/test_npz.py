"""Parameters in .npz files: nothing else is read, and no code is run."""

import io
import random
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from tinygrad_pool import Value, nn
from tinygrad_pool.errors import OptionError, OutputError, ShapeError, TinygradPoolError
from tinygrad_pool.nn.npz import opened, packed


@pytest.mark.parametrize("name", ["file", "allow_pickle", "a/b", "../up"])
def test_a_parameter_can_have_any_name(tmp_path, name):
    net, other = nn.Module(), nn.Module()
    setattr(net, name, Value([1.0, 2.0]))
    setattr(other, name, Value([0.0, 0.0]))
    other.load(net.save(tmp_path / "weights.npz"))
    assert np.array_equal(other.parameters()[0].data, [1.0, 2.0])


def test_equal_weights_make_equal_files():
    assert nn.Linear(2, 3, rng=0).to_npz() == nn.Linear(2, 3, rng=0).to_npz()


def test_save_and_load_restore_the_weights(tmp_path):
    net, other = nn.Linear(2, 3, rng=0), nn.Linear(2, 3, rng=1)
    other.load(net.save(tmp_path / "weights.npz"))
    assert np.array_equal(other.weight.data, net.weight.data)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_headers_are_read(tmp_path, version):
    net, path = nn.Linear(2, 3, rng=0), tmp_path / "weights.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in nn.Linear(2, 3, rng=1).state_dict().items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, version)
    net.load(path)
    assert np.array_equal(net.weight.data, nn.Linear(2, 3, rng=1).weight.data)


def test_objects_are_never_unpacked(tmp_path):
    np.savez(tmp_path / "objects.npz", weight=np.array([None], dtype=object))
    with pytest.raises(OutputError, match="is not an"), opened(tmp_path / "objects.npz") as found:
        found["weight"].array()


def test_a_missing_folder_or_file_is_named(tmp_path):
    net = nn.Linear(2, 3, rng=0)
    with pytest.raises(OutputError, match=r"the folder .* does not exist"):
        net.save(tmp_path / "absent" / "weights.npz")
    with pytest.raises(OutputError, match=r"absent\.npz: cannot be read: No such file"):
        net.load(tmp_path / "absent.npz")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_a_file_of_another_kind_is_an_error(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(OutputError, match=r"weights\.npz: is not an \.npz file of plain numbers"):
        nn.Linear(2, 3, rng=0).load(tmp_path / "weights.npz")


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_always_our_error(tmp_path, write):
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


def test_an_npy_file_is_an_error(tmp_path):
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(OutputError, match=r"is not an \.npz file"):
        nn.Linear(2, 3, rng=0).load(tmp_path / "array.npy")


@pytest.mark.long
@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"extra": np.zeros(1)}, OptionError, r"missing none, unknown \['extra'\]"),
        ({"extra": None}, OptionError, r"missing none, unknown \['extra'\]"),
        ({"bias": None}, ShapeError, r"bias needs shape \(3,\), got \(8388608,\)"),
        ({"bias": np.array(["a" * 5_000_000] * 3)}, OutputError, "is not an .npz file of plain"),
    ],
)
def test_members_that_do_not_fit_are_not_unpacked(tmp_path, members, error, message):
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
def test_a_name_that_appears_twice_is_an_error(tmp_path, again):
    net, path = nn.Linear(2, 3, rng=0), tmp_path / "weights.npz"
    path.write_bytes(net.to_npz())
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name in (again, "other.npy"):
            archive.writestr(name, archive.read("bias.npy"))
    with pytest.raises(OutputError, match=r"weights\.npz: contains '(bias|other)' twice"):
        net.load(path)


def test_trailing_data_is_an_error_and_checksums_are_checked(tmp_path):
    net, path = nn.Linear(2, 3, rng=0), tmp_path / "weights.npz"
    whole = net.to_npz()
    with zipfile.ZipFile(io.BytesIO(whole)) as read, zipfile.ZipFile(path, "w") as archive:
        for name in read.namelist():
            archive.writestr(name, read.read(name) + b"more")
    with pytest.raises(OutputError, match=r"is not an \.npz file of plain numbers"):
        net.load(path)
    at = whole.index(net.bias.data.tobytes())
    path.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
    with pytest.raises(OutputError, match=r"is not an \.npz file of plain numbers"):
        net.load(path)


def test_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(OutputError, match="cannot be read: Is a directory"):
        nn.Linear(2, 3, rng=0).load(tmp_path)


def test_pickled_code_is_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    np.savez(tmp_path / "bomb.npz", weight=np.array([Bomb()], dtype=object))
    with pytest.raises(OutputError, match=r"is not an \.npz file of plain numbers"):
        nn.Linear(2, 3, rng=0).load(tmp_path / "bomb.npz")


def test_only_numbers_are_packed():
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        packed({"w": np.array([None])})
