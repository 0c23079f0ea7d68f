"""The command line."""

import io
import runpy
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import get_args
from unittest.mock import Mock

import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli import main as cli
from tinygrad_pool.cli.main import main
from tinygrad_pool.drawing import computation, slides, theme


def test_an_error_is_not_printed_where_the_answer_goes(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)  # closed, by 2>&-
    assert main(["unroll", "absent.py"]) == 1
    sys.stderr.close()
    assert capsys.readouterr().out == ""


def test_version_and_help(capsys):
    for flag, text in (("--version", tg.__version__), ("--help", "demo")):
        with pytest.raises(SystemExit) as ended:
            main([flag])
        assert ended.value.code == 0
        assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "about", "out"),
    [
        ("demo", "Train on real digits", "default: tinygrad_pool_demo"),
        ("draw", "Run a script and draw the graph of a Value.", "default: graph.svg; or .png"),
        ("frames", "one slide per step.", "default: slides"),
        ("export", "write its network as an ONNX file.", ""),
    ],
)
def test_the_help_of_each_command(command, about, out, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    printed = capsys.readouterr().out
    assert about in printed
    assert out in printed


def test_without_arguments_it_shows_the_help(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out == printed
    assert "diagnose" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["demo", "--sed", "x"],
            "unrecognized arguments: --sed x "
            "(--help lists the options; a script's own go after --)",
        ),
        (["demo", "--seed", "-1"], "needs an integer, 0 or more, got '-1'"),
        (["demo", "--epochs", "0"], "needs an integer, 1 or more, got '0'"),
        (["dance"], "invalid choice: 'dance'"),
        (["draw", "a.py", "--theme", "pink"], "invalid choice: 'pink'"),
        (["draw", "a.py", "--detail", "none"], "invalid choice: 'none'"),
        (["draw", "a.py", "--height", "0"], "needs an integer, 1 or more, got '0'"),
        (["frames", "a.py", "--theme", "pink"], "invalid choice: 'pink'"),
        (["frames", "a.py", "--format", "mp4"], "invalid choice: 'mp4'"),
        (["vscode", "--print", "--extension", "absent"], "--extension: not allowed with"),
        (["demo", "--", "x"], "arguments after -- are for a script, but no script is given"),
        (["equivalence", "--", "x"], "arguments after -- are for a script, but no script is given"),
    ],
)
def test_a_bad_option_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_the_choices_are_those_of_the_functions():
    assert get_args(computation.Detail) == cli.DETAILS
    assert (theme.THEMES, slides.FORMATS) == (cli.THEMES, cli.FORMATS)


def test_the_command_is_installed():
    command = Path(sys.executable).parent / "tinygrad-pool"
    ran = subprocess.run([command, "--version"], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == f"tinygrad-pool {tg.__version__}"


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tinygrad_pool", "draw", "absent.py"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("tinygrad_pool", run_name="__main__")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "tinygrad-pool: draw: there is no script absent.py\n"


def test_an_interrupt_exits_with_130(monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    printed = io.StringIO()  # a stream that cannot be reconfigured
    monkeypatch.setattr(sys, "stderr", printed)
    monkeypatch.setattr("tinygrad_pool.cli.demo.train", interrupt)
    assert main(["demo", "--quiet", "--out", str(tmp_path / "out")]) == 130
    assert printed.getvalue() == "tinygrad-pool: interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_prints_no_traceback(tmp_path):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\nE = tg.Value(2.0).exp()\n")
    commands = "; ".join(["node; back"] * 9000)
    program = [sys.executable, "-m", "tinygrad_pool", "debug", "net.py", "-c", commands]
    ran = subprocess.Popen(
        program,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert b"has run" in ran.stdout.readline()
    assert b"1 of 1" in ran.stdout.readline()
    ran.stdout.close()
    assert ran.stderr.read() == b""
    assert ran.wait() == 141
    ran.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line(monkeypatch, capsys):
    def tree(_):
        sys.stdout.write("a leaf")

    closed = []
    monkeypatch.setattr("os.dup2", lambda *files: closed.append(files))
    monkeypatch.setattr("tinygrad_pool.cli.scripts.tree", tree)
    with suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["tree", "net.py"]) == 1
        assert closed[0][1] == full.fileno()
    assert capsys.readouterr().err == (
        "tinygrad-pool: standard output: cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "Permission denied", "a/net.py"), "a/net.py: Permission denied"),
        (FileNotFoundError(2, "No such file"), "the current folder: No such file"),
    ],
)
def test_an_error_of_the_system_names_the_place(monkeypatch, capsys, error, says):
    tree = Mock(__name__="tree", side_effect=error)
    monkeypatch.setattr("tinygrad_pool.cli.scripts.tree", tree)
    assert main(["tree", "net.py"]) == 1
    assert capsys.readouterr().err == f"tinygrad-pool: {says}\n"


def test_without_standard_output_it_runs_silently(tmp_path):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\nE = tg.Value(2.0).exp()\n")
    program = f"{sys.executable} -m tinygrad_pool debug net.py -c node >&-"
    ran = subprocess.run(
        program, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""


def test_quitting_pdb_is_an_interrupt(tmp_path):
    (tmp_path / "net.py").write_text("breakpoint()\nx = 1\n")
    program = [sys.executable, "-m", "tinygrad_pool", "tree", "net.py"]
    ran = subprocess.run(
        program, cwd=tmp_path, input="next\nquit\n", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 130
    assert ran.stderr == "tinygrad-pool: interrupted; nothing was written\n"


def test_a_closed_pipe_is_not_an_error(monkeypatch):
    closed = []
    monkeypatch.setattr("os.dup2", lambda *files: closed.append(files))
    monkeypatch.setattr("sys.stdout", SimpleNamespace(fileno=lambda: 1))

    def tree(_):
        raise BrokenPipeError

    monkeypatch.setattr("tinygrad_pool.cli.scripts.tree", tree)
    assert main(["tree", "net.py"]) == 141
    assert len(closed) == 1
