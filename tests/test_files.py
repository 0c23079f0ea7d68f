"""Files are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from tinygrad_pool.errors import OutputError
from tinygrad_pool.files import whole_folder, write_whole


def test_text_is_written_as_utf8(tmp_path):
    path = write_whole(tmp_path / "delta.txt", "δ\n")
    assert path.read_bytes() == "δ\n".encode()


def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    ours = write_whole(str(tmp_path / "ours"), b"")
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"")
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(theirs.stat().st_mode)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"absent does not exist"):
        write_whole(tmp_path / "absent" / "file", b"")


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="taken: cannot be written: Is a directory"):
        write_whole(tmp_path / "taken", b"data")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_a_folder_that_refuses_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OutputError, match="file: cannot be written: Permission denied"):
        write_whole(tmp_path / "file", b"")
    with (
        pytest.raises(OutputError, match="out: cannot be written: Permission denied"),
        whole_folder(tmp_path / "out"),
    ):
        pass


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "file", b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208  # the plainest listing there is


class TestAFolder:
    def test_its_files_appear_when_all_are_done(self, tmp_path):
        out = tmp_path / "out"
        with whole_folder(out) as folder:
            write_whole(folder / "a", b"1")
            assert not out.exists()
        assert [p.name for p in out.iterdir()] == ["a"]
        assert list(tmp_path.iterdir()) == [out]

    def test_files_that_stood_there_stay_or_are_replaced(self, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "a").write_bytes(b"old")
        (out / "mine").write_bytes(b"mine")
        with whole_folder(out) as folder:
            write_whole(folder / "a", b"new")
        assert {p.name: p.read_bytes() for p in out.iterdir()} == {"a": b"new", "mine": b"mine"}

    def test_an_interruption_leaves_nothing(self, tmp_path):
        def interrupted():
            with whole_folder(tmp_path / "out") as folder:
                write_whole(folder / "a", b"1")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert list(tmp_path.iterdir()) == []

    def test_a_file_or_a_missing_folder_in_the_way_is_named(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with (
            pytest.raises(OutputError, match="file: is a file, and a folder is to be written"),
            whole_folder(tmp_path / "file"),
        ):
            pass
        with (
            pytest.raises(OutputError, match="absent does not exist"),
            whole_folder(tmp_path / "absent" / "out"),
        ):
            pass

    def test_a_full_disk_is_named(self, tmp_path, monkeypatch):
        def fill(*_, **__):
            raise OSError(28, "No space left on device")

        def write():
            with whole_folder(tmp_path / "out"):
                monkeypatch.setattr(Path, "mkdir", fill)

        with pytest.raises(OutputError, match="out: cannot be written: No space left on device"):
            write()
        assert list(tmp_path.iterdir()) == []

    def test_an_error_of_the_writer_passes_through(self, tmp_path):
        def fail():
            with whole_folder(tmp_path / "out"):
                raise OutputError("render: graph.bmp needs a suffix")

        with pytest.raises(OutputError, match=r"^render: graph\.bmp"):
            fail()
