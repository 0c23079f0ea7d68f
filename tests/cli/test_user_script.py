"""A user's script, run by a command: how it ends, and how its errors are reported."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest

from tinygrad_pool.cli import scripts
from tinygrad_pool.cli.main import _parser, main
from tinygrad_pool.cli.user_script import error_message, run
from tinygrad_pool.errors import ScriptError

ALONE = ("tree", "unroll", "diagnose", "draw", "frames", "play", "debug", "equivalence")
NEEDS = {"export": "onnx", "crosscheck": "torch"}
COMMANDS = (*ALONE, *NEEDS)
MORE = {"debug": ["-c", "node"], "export": ["net.onnx"]}
SCRIPT = """\
import sys
import tinygrad_pool as tg

w = tg.Value(2.0, label="w")
loss = tg.maximum(w * w, 1.0)
"""


@pytest.fixture(autouse=True)
def _own_argv(monkeypatch, tmp_path):
    """Restore what the command changes, such as sys.argv, after one test."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    for name in ("layers", "ending"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def write(tmp_path):
    """Write a script, by default appended to SCRIPT; return its path."""

    def script(text, name="net.py", start=SCRIPT):
        path = tmp_path / name
        path.write_text(start + text)
        return path

    return script


ENDS = {
    "sys.exit(0)": "sys.exit(0)\n",
    "sys.exit()": "sys.exit()\n",
    "main()": "def main():\n    return 0\n\nif __name__ == '__main__':\n    sys.exit(main())\n",
    "quit()": "import site\nsite.sethelper(), site.setquit()\nquit()\n",
    "SystemExit": "raise SystemExit\n",
    "in another file": "import ending\n",
    "argparse": "import argparse\nargparse.ArgumentParser().exit()\n",
}


@pytest.mark.parametrize("end", ENDS)
def test_exit_0_counts_as_the_end_of_the_script(write, end):
    write("import sys\nsys.exit()\n", "ending.py", start="")
    made = run(write(f"late = w * 3.0\n{ENDS[end]}never = 1\n"))
    assert made["late"].data == 6.0
    assert made["loss"].about.line.number == 5
    assert "never" not in made
    assert not sys.stdin.closed


def test_a_notebook_is_refused(write, capsys):
    assert main(["debug", str(write("", "net.ipynb"))]) == 1
    assert "net.ipynb is a notebook: call tg.debug(" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["", "import sys\nsys.exit()\n"])
@pytest.mark.parametrize("name", ["part.net", "part"])
def test_a_module_of_a_package_is_run_as_python_does(
    write, tmp_path, monkeypatch, name, end, capsys
):
    for module in ("part", "part.ending"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    (tmp_path / "part").mkdir()
    write("", "part/__init__.py", start="")
    write("import tinygrad_pool as tg\nw = tg.Value(2.0)\n", "part/ending.py", start="")
    file = {"part.net": "part/net.py", "part": "part/__main__.py"}[name]
    write(f"from .ending import w\nloss = w * 3.0\n{end}", file, start="")
    assert main(["tree", name, "--value", "loss"]) == 0
    assert capsys.readouterr().out.startswith("loss: × = 6")
    assert main(["tree", str(tmp_path / file)]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "ImportError: attempted relative import with no known parent package",
        f"run it as a module, from {tmp_path}: {file[:-3].replace('/', '.')}",
    ]
    (tmp_path / "part" / "deep").mkdir()
    inner = write("from ..ending import w\nE = w * 2.0\n", "part/deep/inner.py", start="")
    write("", "part/deep/__init__.py", start="")
    assert main(["tree", str(inner)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"run it as a module, from {tmp_path}: part.deep.inner"
    assert main(["tree", "part.deep.inner"]) == 0
    assert capsys.readouterr().out.startswith("E: × = 4")
    assert main(["tree", "part.nothing"]) == 1
    assert capsys.readouterr().err == "tinygrad-pool: tree: there is no script part.nothing\n"
    (tmp_path / "part" / "__init__.py").unlink()
    assert main(["tree", str(tmp_path / file)]) == 1
    assert capsys.readouterr().err.endswith(f"from {tmp_path}: {file[:-3].replace('/', '.')}\n")


@pytest.mark.long
@pytest.mark.parametrize(
    "command", [*ALONE, *[pytest.param(name, marks=pytest.mark.peer) for name in NEEDS]]
)
def test_every_command_continues_after_exit_0(write, peer, command):
    if command in NEEDS:
        peer(NEEDS[command])
    script = write("sys.exit(0)\n")
    program = [sys.executable, "-m", "tinygrad_pool", command, script, *MORE.get(command, [])]
    ran = subprocess.run(program, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout


def test_the_prompt_works_after_quit(write):
    above, below = pty.openpty()
    program = [sys.executable, "-m", "tinygrad_pool", "debug", write("quit()\n"), "-c", "node"]
    with subprocess.Popen(program, stdin=below, stdout=below, stderr=below) as running:
        os.close(below)
        os.write(above, b"node\nquit\n")
        printed = b""
        while b"2 of 2" not in printed:
            printed += os.read(above, 1000)
        assert running.wait(timeout=60) == 0
    os.close(above)


@pytest.mark.parametrize("code", [1, 3, True, "'no data'", 2.5])
def test_any_other_exit_is_reported_with_its_line(write, capsys, code):
    script = write(f"def main():\n    return {code}\n\nsys.exit(main())\n")
    assert main(["tree", str(script)]) == 1
    printed = capsys.readouterr()
    status = str(code).strip("'")
    assert printed.err == (
        f'tinygrad-pool: File "{script}", line 9: sys.exit(main())\nSystemExit: {status}\n'
    )
    assert printed.out == ""


@pytest.mark.parametrize("error", ["asyncio.CancelledError", "GeneratorExit"])
def test_an_error_that_is_no_exception_is_reported_with_its_line(write, capsys, error):
    script = write(f"import asyncio\nraise {error}\n")
    assert main(["tree", str(script)]) == 1
    assert f'File "{script}", line 7: raise {error}' in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_is_reported_with_the_users_lines_only(write, capsys, command):
    write("def f(x):\n    return x @ [1.0, 2.0]\n", "layers.py", start="")
    script = write("from layers import f\ny = f(\n    tg.Value([[1.0, 2.0, 3.0]]))\n")
    assert main([command, str(script), *MORE.get(command, [])]) == 1
    first, second, *calls = capsys.readouterr().err.splitlines()
    layers = script.with_name("layers.py")
    assert first == f'tinygrad-pool: File "{layers}", line 2: return x @ [1.0, 2.0]'
    assert second.startswith("tinygrad_pool.errors.ShapeError: matmul: shapes (1, 3) and (2,) do")
    assert calls == [f'  called at File "{script}", line 7: y = f(']
    assert [p.name for p in script.parent.iterdir() if p.suffix not in (".py", "")] == []


@pytest.mark.parametrize("command", ["diagnose", "play", "frames", "unroll", "equivalence"])
def test_an_error_in_a_closure_of_the_script_is_reported_the_same(write, capsys, command):
    script = write(
        "def cube(x):\n"
        "    def cube_backward(g):\n"
        "        return [g].pop(3),\n"
        "    return x**3, cube_backward\n"
        "loss = tg.lift(cube)(w)\n"
    )
    assert main([command, str(script)]) == 1
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == f'tinygrad-pool: File "{script}", line 8: return [g].pop(3),'
    assert second.startswith("IndexError: ")
    assert third == "in the backward closure of the cube node, made at net.py:10"


def test_an_internal_error_keeps_its_traceback(write, monkeypatch):
    monkeypatch.setattr(scripts, "value_of", json.loads)
    with pytest.raises(TypeError):
        main(["tree", str(write(""))])


def test_a_closed_standard_output_is_an_error(write, monkeypatch, capsys):
    script = write("sys.stdout.close()\n")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["tree", str(script)]) == 1
    assert capsys.readouterr().err == (
        f"tinygrad-pool: {script}: it closed standard output, which the command prints to\n"
    )


@pytest.mark.parametrize("end", ["", "raise ValueError('bad')\n"])
def test_redirected_streams_are_restored(write, end, capsys):
    script = write(f"import io\nsys.stdout = sys.stderr = io.StringIO()\nprint('hello')\n{end}")
    with suppress(ScriptError):
        assert "loss" in run(script)
    assert main(["tree", str(script)]) == bool(end)
    printed = capsys.readouterr()
    assert ("ValueError: bad" in printed.err) == bool(end)
    assert printed.out.startswith("loss: max = 4") == (not end)


@pytest.mark.parametrize(
    "command", [pytest.param(c, marks=[pytest.mark.peer] * (c in NEEDS)) for c in COMMANDS]
)
def test_arguments_after_two_dashes_are_the_script_s(write, peer, command):
    if command in NEEDS:
        peer(NEEDS[command])
    script = write("assert sys.argv[1:] == ['--n', '3', '--', 'x'], sys.argv\n")
    arguments = [command, str(script), *MORE.get(command, []), "--", "--n", "3", "--", "x"]
    assert main(arguments) == 0


def test_exit_works_if_the_script_changes_file(write):
    assert run(write("__file__ = 'other.py'\nsys.exit(0)\n"))["loss"].data == 4.0


def test_lines_of_libraries_are_left_out(write):
    with pytest.raises(ScriptError) as caught:
        run(write("import numpy as np\nnp.linalg.inv(\n    np.zeros((2, 2)))\n"))
    first, second = str(caught.value).splitlines()
    assert first.endswith('net.py", line 7: np.linalg.inv(')
    assert second.startswith("numpy.linalg.LinAlgError: ")
    assert isinstance(caught.value.__cause__, np.linalg.LinAlgError)


def test_an_earlier_error_is_reported(write):
    with pytest.raises(ScriptError) as caught:
        run(
            write("try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no a') from e\n")
        )
    first, second, third = str(caught.value).splitlines()
    assert first.endswith("line 9: raise ValueError('no a') from e")
    assert second == "ValueError: no a"
    assert third.startswith("  after KeyError: 'a', at File ")
    assert third.endswith("line 7: {}['a']")
    with pytest.raises(ScriptError) as caught:
        run(write("try:\n    {}['a']\nexcept KeyError:\n    raise ValueError('no a') from None\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_only_the_last_of_many_calls_are_listed(write):
    with pytest.raises(ScriptError) as caught:
        run(write("def f(n):\n    return f(n + 1) if n else 1 / n\n\nf(-20)\n"))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("line 7: return f(n + 1) if n else 1 / n")
    assert lines[1] == "ZeroDivisionError: division by zero"
    assert len(lines) == 2 + 8 + 1
    assert lines[-1] == "  … 13 more calls"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"x = 1\ny = (2,\n",
            r'^File "\S*bad\.py", line 2: y = \(2,\nSyntaxError: .* never closed$',
        ),
        (b"# coding: klingon\n", r"^\S*bad\.py: SyntaxError: .*klingon"),
        (b"x = '\xff'\n", r"bad\.py.*SyntaxError: .*(utf-8|UTF-8)"),
        (b"x = 1\x00\n", r"bad\.py: (SyntaxError|ValueError): source code .*null bytes"),
    ],
)
def test_a_syntax_error_is_reported_with_its_line(tmp_path, content, message):
    script = tmp_path / "bad.py"
    script.write_bytes(content)
    with pytest.raises(ScriptError, match=f"(?s){message}"):
        run(script)


def test_a_syntax_error_in_another_file_is_reported_with_its_line(write):
    write("def f(:\n", "layers.py", start="")
    with pytest.raises(ScriptError) as caught:
        run(write("import layers\n"))
    first, second, third = str(caught.value).splitlines()
    assert first.endswith('layers.py", line 1: def f(:')
    assert second == "SyntaxError: invalid syntax"
    assert third.endswith('net.py", line 6: import layers')


def test_an_error_without_user_lines_has_no_message():
    assert error_message(ValueError("of nobody")) == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_an_interrupt_is_not_an_error_of_the_script(write, error):
    with pytest.raises(error):
        run(write(f"raise {error.__name__}\n"))


def test_every_script_command_is_tested():
    (commands,) = _parser()._subparsers._group_actions
    takes = {n: {action.dest for action in p._actions} for n, p in commands.choices.items()}
    assert {*COMMANDS} == {name for name, options in takes.items() if "script" in options}


@pytest.mark.parametrize("end", ["sys.exit()", "pass"])
def test_a_child_process_of_the_script_does_not_run_the_command(write, monkeypatch, end):
    script = write(f"import os\nif os.fork():\n    os.wait()\nelse:\n    {end}\n")
    program = [sys.executable, "-m", "tinygrad_pool", "tree", script.name]
    ran = subprocess.run(program, capture_output=True, check=False)
    assert (ran.returncode, ran.stdout.count(b"loss: max")) == (0, 1)
    script = write("import os\nos.getpid = lambda: 0\n")  # as in a child
    monkeypatch.setattr("os.getpid", os.getpid)
    with pytest.raises(SystemExit) as ended:
        run(script)
    assert ended.value.code is None
