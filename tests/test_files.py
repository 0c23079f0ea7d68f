"""Files are written completely or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_pool as tg
from tinygrad_pool.errors import OutputError
from tinygrad_pool.files import check_folder, whole_folder, write_whole


def test_text_is_written_as_utf8(tmp_path):
    path = write_whole(tmp_path / "delta.txt", "δ\n")
    assert path.read_bytes() == "δ\n".encode()


def test_a_new_file_has_default_permissions(tmp_path):
    ours = write_whole(str(tmp_path / "ours"), b"")
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"")
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(theirs.stat().st_mode)


def test_an_existing_file_keeps_its_permissions(tmp_path):
    (tmp_path / "secret").touch(0o600)
    write_whole(tmp_path / "secret", b"1")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_read_only_file_is_unchanged(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any file
    with pytest.raises(OutputError, match=r"kept: cannot be written: Permission denied"):
        write_whole(tmp_path / "kept", b"new")
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_is_kept_and_its_target_written(tmp_path):
    (tmp_path / "there").mkdir()
    for name, to in (("link", "there/file"), ("folder", "there")):
        (tmp_path / name).symlink_to(to)
    assert write_whole(tmp_path / "link", b"1") == tmp_path / "link"
    with whole_folder(tmp_path / "folder") as files:
        files["more"] = b"2"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder").is_symlink()
    assert {p.name: p.read_bytes() for p in (tmp_path / "there").iterdir()} == {
        "file": b"1",
        "more": b"2",
    }


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"through")
    assert os.read(reader, 99) == b"through"
    assert (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_an_invented_umask_does_not_make_files_unreadable(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: 0o777)  # as in WebAssembly
    assert write_whole(tmp_path / "file", b"1").read_bytes() == b"1"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) & stat.S_IRUSR
    with whole_folder(tmp_path / "out") as files:
        files["file"] = b"2"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) & stat.S_IXUSR


def test_writing_does_not_change_the_umask_for_other_threads(tmp_path, monkeypatch):
    def refuse(_):
        raise AssertionError("the mask is the whole process's, and not to be set to be read")

    monkeypatch.setattr(os, "umask", refuse)
    write_whole(tmp_path / "file", b"")


def test_lone_surrogates_become_question_marks(tmp_path):
    assert write_whole(tmp_path / "file", "a\ud800δ").read_text("utf-8") == "a?δ"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"absent does not exist"):
        write_whole(tmp_path / "absent" / "file", b"")
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OutputError, match=r"\S*taken is not a folder"):
        write_whole(tmp_path / "taken" / "file", b"")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nul\0.svg", r"^'.*nul\\x00\.svg': cannot be written: not a possible file name$"),
        ("a\0b/x.svg", r"a\\x00b/x\.svg': cannot be written: not a possible file name$"),
        ("half\ud800.svg", r"half\\ud800\.svg': cannot be written: not a possible file name$"),
        ("x" * 300, r"^\S*x{300}: cannot be written: File name too long$"),
        ("x" * 300 + "/y", r"x{300}/y: cannot be written: File name too long$"),
        ("two\nlines/y", r"^'.*two\\nlines/y': the folder '.*two\\nlines' does not exist$"),
    ],
)
def test_an_impossible_file_name_is_an_error_of_one_line(tmp_path, name, message):
    for write in (lambda path: write_whole(path, b""), check_folder):
        with pytest.raises(OutputError, match=message) as caught:
            write(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(OutputError, match=message), whole_folder(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_path_without_a_file_name_is_an_error(name):
    with pytest.raises(OutputError, match="cannot be written: "):
        write_whole(name, b"")


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="taken: cannot be written: Is a directory"):
        write_whole(tmp_path / "taken", b"data")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_a_folder_that_is_not_writable_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
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
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208  # the simplest listing


class TestAFolder:
    def test_its_files_appear_when_all_are_done(self, tmp_path):
        out = tmp_path / "out"
        with whole_folder(out) as files:
            files["a"] = b"1"
            assert not out.exists()
        assert [p.name for p in out.iterdir()] == ["a"]
        assert list(tmp_path.iterdir()) == [out]

    def test_existing_files_are_kept_or_replaced(self, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "a").write_bytes(b"old")
        (out / "mine").write_bytes(b"mine")
        with whole_folder(out) as files:
            files["a"] = b"new"
        assert {p.name: p.read_bytes() for p in out.iterdir()} == {"a": b"new", "mine": b"mine"}

    def test_an_existing_folder_may_be_a_disk_of_its_own(self, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        with whole_folder(out) as files:
            files["one"] = "1"
            assert [path.name for path in tmp_path.iterdir()] == ["out"]  # nothing to move from
        assert [path.name for path in out.iterdir()] == ["one"]

    def test_an_interruption_leaves_nothing(self, tmp_path):
        def interrupted():
            with whole_folder(tmp_path / "out") as files:
                files["a"] = b"1"
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert list(tmp_path.iterdir()) == []

    def test_a_file_in_the_way_or_a_missing_folder_is_named(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with (
            pytest.raises(OutputError, match="file: is a file, not a folder to write into"),
            whole_folder(tmp_path / "file"),
        ):
            pass
        with (
            pytest.raises(OutputError, match="absent does not exist"),
            whole_folder(tmp_path / "absent" / "out"),
        ):
            pass

    @pytest.mark.parametrize(
        ("full", "named"), [("open", "out/a"), ("mkdir", "out"), ("replace", "out")]
    )
    def test_an_error_on_a_full_disk_names_the_folder(self, tmp_path, monkeypatch, full, named):
        def fill(*_, **__):
            raise OSError(28, "No space left on device", str(_[0]))

        def write():
            with whole_folder(tmp_path / "out") as files:
                files["a"] = b"1"
                monkeypatch.setattr(Path, full, fill)

        with pytest.raises(OutputError) as caught:
            write()
        message = f"{tmp_path / named}: cannot be written: No space left on device"
        assert str(caught.value) == message
        monkeypatch.undo()
        assert not (tmp_path / "out" / "a").exists()
        assert [p.name for p in tmp_path.iterdir()] in ([], ["out"])

    def test_an_error_on_a_full_disk_names_the_file(self, tmp_path):
        program = (
            "import resource, signal, sys; from tinygrad_pool.files import whole_folder\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "with whole_folder('out') as files:\n"
            "    files['small'], files['large'] = bytes(10), bytes(2000)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False
        )
        *_, last_line = ran.stderr.decode().splitlines()
        assert last_line.endswith("OutputError: out/large: cannot be written: File too large")
        assert list(tmp_path.iterdir()) == []

    def test_an_error_of_the_writer_passes_through(self, tmp_path):
        def fail():
            with whole_folder(tmp_path / "out"):
                raise OutputError("render: graph.bmp needs a suffix")

        with pytest.raises(OutputError, match=r"^render: graph\.bmp"):
            fail()


class OfBytes:
    """A path like an entry of os.scandir(b".")."""

    def __fspath__(self):
        return b"run.svg"


@pytest.mark.parametrize("path", [3, None, b"run.svg", ["a.svg"], OfBytes()])
def test_arguments_that_are_not_paths_are_an_error(path):
    y = tg.Value(1.0).exp()
    for write in (lambda p: tg.render(y, p), tg.record(y).to_html, tg.nn.Linear(1, 1).save):
        with pytest.raises(OutputError, match=r"^a file needs a path, got "):
            write(path)
