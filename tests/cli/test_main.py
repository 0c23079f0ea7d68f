"""The command line."""

import io
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli.demo import DigitsNet, File
from tinygrad_pool.cli.main import main
from tinygrad_pool.drawing import dot_program
from tinygrad_pool.pooling_as_weights import comparison as equivalence

FILES = {
    "graph.svg",
    "graph.png",
    "F1.svg",
    "F2.svg",
    "F3.svg",
    "F4.svg",
    "loss.svg",
    "weights.npz",
}


def run(*arguments, **options):
    command = [sys.executable, "-m", "tinygrad_pool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


@pytest.fixture
def bare(monkeypatch):
    """Hide what the extras install, and every Graphviz."""
    for name in ("matplotlib", "matplotlib.figure", "threadpoolctl", "pygraphviz"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(dot_program, "_programs", lambda _: iter(()))


@pytest.fixture
def _weights_alone(monkeypatch):
    """Let the demo draw nothing: other tests look at its pictures."""

    def files_of(net, *_):
        return [File("weights.npz", "the trained weights", net.to_npz())]

    monkeypatch.setattr("tinygrad_pool.cli.demo.files_of", files_of)


class TestDemo:
    @pytest.mark.slow
    def test_it_reaches_97_percent_and_tells_where_the_pictures_are(self, tmp_path):
        ran = run("demo", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
        printed = ran.stdout.decode()
        assert ran.returncode == 0, ran.stderr
        assert {path.name for path in (tmp_path / "tinygrad_pool_demo").iterdir()} == FILES
        assert float(re.search(r"([\d.]+)% right of 450 images", printed)[1]) >= 97.0
        assert "768 of 768 units" in " ".join(printed.split())
        assert "Written to tinygrad_pool_demo" in printed
        assert all(name in printed for name in FILES)

    @pytest.mark.slow
    @pytest.mark.usefixtures("_weights_alone")
    def test_options_are_followed_and_quiet_prints_nothing(self, tmp_path, capsys):
        for out, seed in (("a", 5), ("b", 5), ("c", 6)):
            arguments = ["demo", "--quiet", "--epochs", "1", "--seed", str(seed)]
            assert main([*arguments, "--out", str(tmp_path / out)]) == 0
        assert capsys.readouterr() == ("", "")
        a, b, c = ((tmp_path / out / "weights.npz").read_bytes() for out in "abc")
        assert a == b != c

    @pytest.mark.usefixtures("_weights_alone")
    def test_the_written_weights_can_be_loaded(self, tmp_path):
        main(["demo", "--quiet", "--epochs", "1", "--out", str(tmp_path / "out")])
        net = DigitsNet(seed=1)
        net.load(tmp_path / "out" / "weights.npz")
        assert not np.array_equal(net.conv1.weight.data, DigitsNet(seed=1).conv1.weight.data)

    @pytest.mark.slow
    def test_a_console_without_greek_shows_letters_in_words_and_files_stay_utf8(self, tmp_path):
        ran = run(
            *("demo", "--epochs", "1", "--out", tmp_path / "out"),
            env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        )
        assert ran.returncode == 0, ran.stderr
        assert b"delta_l by backward" in ran.stdout
        assert "δ" in (tmp_path / "out" / "F4.svg").read_text(encoding="utf-8")

    @pytest.mark.usefixtures("bare")
    def test_without_any_extra_it_trains_and_draws_what_it_can(self, tmp_path, capsys):
        out = tmp_path / "out"
        assert main(["demo", "--epochs", "1", "--out", str(out)]) == 0
        assert {p.name for p in out.iterdir()} == {
            *("graph.dot", "F1.dot", "F2.dot", "F4.dot", "weights.npz")
        }
        assert "x₁₀" in (out / "F2.dot").read_text("utf-8")
        printed = " ".join(capsys.readouterr().out.split())
        assert "768 of 768 units equal bit for bit" in printed
        told = printed.partition("Not all is drawn; ")[2]
        assert told.startswith("pip install 'tinygrad_pool[demo]' brings what it takes: - no Graph")
        assert "- a plot needs matplotlib: pip install 'tinygrad_pool[plot]'" in told

    @pytest.mark.slow
    @pytest.mark.usefixtures("bare")
    def test_without_any_extra_the_equivalence_is_shown_in_numbers(self, tmp_path, capsys):
        assert main(["equivalence", "-o", str(tmp_path / "e.dot")]) == 0
        assert "data and gradients are equal bit for bit" in capsys.readouterr().out
        assert main(["equivalence", "-o", str(tmp_path / "e.svg")]) == 1
        printed = capsys.readouterr()
        assert "data and gradients are equal bit for bit" in printed.out
        assert printed.err.startswith("tinygrad-pool: no Graphviz here can draw svg; install")

    def test_a_folder_that_cannot_be_written_is_one_line(self, tmp_path, capsys):
        (tmp_path / "file").write_bytes(b"")
        assert main(["demo", "--out", str(tmp_path / "file")]) == 1
        assert main(["demo", "--out", str(tmp_path / "absent" / "out")]) == 1
        first, second = capsys.readouterr().err.splitlines()
        assert first.endswith("file: is a file, and a folder is to be written there")
        assert second.endswith("absent does not exist")

    def test_ctrl_c_is_one_line_and_leaves_nothing(self, tmp_path):
        program = (
            "import signal, sys; from tinygrad_pool.cli import main as cli, demo\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job may ignore Ctrl-C
            "def train(*arguments, real=demo.train, **options):\n"
            "    print('training', flush=True)\n"
            "    yield from real(*arguments, **options)\n"
            "demo.train = train\n"
            "sys.exit(cli.main(['demo', '--epochs', '10000']))"
        )
        command = [sys.executable, "-c", program]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=tmp_path, **pipes) as running:
            assert b"training\n" in iter(running.stdout.readline, b"")
            assert len(list(tmp_path.iterdir())) == 1  # the hidden draft of the folder
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate()
        assert running.returncode == 130
        assert errors.decode().strip() == "tinygrad-pool: interrupted; nothing was written"
        assert list(tmp_path.iterdir()) == []


@pytest.fixture
def _own_argv(monkeypatch):
    """Let the command change what Python keeps for a script, for one test."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.usefixtures("_own_argv")
class TestDraw:
    @pytest.fixture
    def script(self, tmp_path):
        path = tmp_path / "script.py"
        path.write_text(
            "import tinygrad_pool as tg\n"
            "a = tg.Value(2.0, label='a')\n"
            "loss = a * 3.0\n"
            "table = tg.Value([1.0, 2.0])\n"
            "other = a + 1.0\n"
            "loss.backward()\n"
        )
        return path

    def test_it_draws_the_last_number_a_script_made(self, script, tmp_path, capsys):
        out = tmp_path / "graph.dot"
        assert main(["draw", str(script), "-o", str(out)]) == 0
        assert "<B>+</B>" in out.read_text(encoding="utf-8")
        assert "graph.dot shows Value(data=3.0, op='add')" in capsys.readouterr().out

    def test_it_draws_the_value_called_by_name(self, script, tmp_path):
        out = tmp_path / "graph.svg"
        assert main(["draw", str(script), "--value", "loss", "-o", str(out)]) == 0
        assert "×" in out.read_text(encoding="utf-8")

    def test_it_writes_a_page_to_pan_and_zoom(self, script, tmp_path):
        out = tmp_path / "graph.html"
        assert main(["draw", str(script), "-o", str(out)]) == 0
        assert "<h1>Computation graph of the add node</h1>" in out.read_text(encoding="utf-8")

    def test_an_unknown_name_lists_those_there_are(self, script, tmp_path, capsys):
        assert main(["draw", str(script), "--value", "lost", "-o", str(tmp_path / "g.svg")]) == 1
        error = capsys.readouterr().err
        assert "made no Value called 'lost' at top level; it has a, loss, table, other" in error
        assert error.endswith(" (--value other takes that one)\n")
        assert not (tmp_path / "g.svg").exists()

    def test_a_script_without_values_says_so(self, tmp_path, capsys):
        (tmp_path / "empty.py").write_text("x = 1\n")
        assert main(["draw", str(tmp_path / "empty.py"), "-o", str(tmp_path / "g.svg")]) == 1
        assert "made no Value that is a number at top level; it has none" in capsys.readouterr().err

    def test_a_script_of_arrays_alone_is_told_what_to_ask_for(self, tmp_path, capsys):
        (tmp_path / "net.py").write_text("import tinygrad_pool as tg\ny = tg.Value([1.0, 2.0])\n")
        assert main(["tree", str(tmp_path / "net.py")]) == 1
        error = capsys.readouterr().err
        assert error.endswith(
            "net.py made no Value that is a number at top level; it has y "
            "(--value y takes that one)\n"
        )
        assert main(["tree", str(tmp_path / "net.py"), "--value", "y"]) == 0

    def test_a_missing_script_or_folder_is_one_line(self, script, tmp_path, capsys):
        assert main(["draw", str(tmp_path / "absent.py")]) == 1
        assert main(["draw", str(script), "-o", str(tmp_path / "absent" / "g.svg")]) == 1
        assert main(["draw", str(script), "-o", str(tmp_path / "g.bmp")]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert [line.startswith("tinygrad-pool: ") for line in lines] == [True] * 3

    def test_a_script_sees_itself_as_the_main_program(self, tmp_path):
        (tmp_path / "beside.py").write_text("number = 4.0\n")
        (tmp_path / "script.py").write_text(
            "import sys, tinygrad_pool as tg\n"
            "from beside import number\n"
            "if __name__ == '__main__':\n"
            "    E = tg.Value(number, label=f'{len(sys.argv)} argument')\n"
        )
        ran = run("draw", tmp_path / "script.py", "-o", tmp_path / "g.dot")
        assert ran.returncode == 0, ran.stderr
        assert "<B>1 argument</B>" in (tmp_path / "g.dot").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_own_argv")
class TestStepping:
    @pytest.fixture
    def script(self, tmp_path):
        path = tmp_path / "net.py"
        path.write_text(
            "import tinygrad_pool as tg\n"
            "a, b = tg.Value(2.0), tg.Value(-3.0)\n"
            "E = tg.maximum(a, b) ** 2\n"
            "v = tg.Value([1.0, 2.0]) * 3.0\n"
        )
        return str(path)

    def test_tree_writes_the_graph_as_text(self, script, capsys):
        assert main(["tree", script, "--value", "E"]) == 0
        assert "a = 2, grad – (wins)" in capsys.readouterr().out

    def test_frames_draws_slides(self, script, tmp_path, capsys):
        out = tmp_path / "slides"
        assert main(["frames", script, "-o", str(out), "--value", "v"]) == 0
        assert f"2 files in {out}, from frame_0.svg on" in capsys.readouterr().out
        assert main(["frames", script, "-o", str(out), "--format", "mp4"]) == 1
        assert "frames: format must be one of" in capsys.readouterr().err

    def test_debug_runs_commands(self, script, capsys):
        assert main(["debug", script, "--value", "E", "-c", "why b"]) == 0
        assert "it lost to a, by 5" in capsys.readouterr().out
        assert main(["debug", script, "--value", "v", "-c", "node"]) == 0
        assert "1 of 1, the last: v (×) gets 1" in capsys.readouterr().out

    def test_draw_takes_its_options(self, script, tmp_path):
        out = tmp_path / "g.dot"
        flags = ["--value", "E", "--detail", "ops", "--theme", "dark", "--show", "shape"]
        assert main(["draw", script, "-o", str(out), *flags]) == 0
        assert "#1b1d21" in out.read_text(encoding="utf-8")
        assert "<B>a</B>" in out.read_text(encoding="utf-8")


@pytest.mark.usefixtures("_own_argv")
class TestEquivalence:
    @pytest.fixture
    def script(self, tmp_path):
        path = tmp_path / "net.py"
        path.write_text(
            "import tinygrad_pool as tg\n"
            "x = tg.Value([[1.0, 3.0, 2.0], [0.0, 5.0, 4.0]], label='x')\n"
            "with tg.scope('pool'):\n"
            "    y = tg.max_pool2d(x, 2, stride=1)\n"
            "loss = (y * y).sum()\n"
        )
        return str(path)

    @pytest.mark.slow
    def test_on_the_digits_it_holds_over_the_whole_test_set(self, tmp_path, capsys):
        out = tmp_path / "equal.svg"
        assert main(["equivalence", "-o", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "data and gradients are equal bit for bit" in printed
        assert re.search(r"pool1 +max_pool2d +450 × 12 × 4 × 4 +345,600 +86,400 +0", printed)
        assert "the same as a layer of 0/1 weights" in out.read_text()

    def test_it_shows_the_network_of_a_script(self, script, tmp_path, capsys):
        out = tmp_path / "equal.dot"
        assert main(["equivalence", script, "-o", str(out)]) == 0
        printed = capsys.readouterr().out
        assert re.search(r"pool +max_pool2d +1 × 2 +8 +2 +1 +0 +0 +0\.5 +0", printed)
        assert f"{out} shows a window of both networks side by side" in printed
        assert "y[0, 0]" in out.read_text()

    def test_an_array_can_be_compared_too(self, script, tmp_path, capsys):
        out = tmp_path / "equal.dot"
        assert main(["equivalence", script, "--value", "y", "-o", str(out)]) == 0
        assert "equal bit for bit" in capsys.readouterr().out

    def test_a_network_without_a_choice_is_one_line(self, script, tmp_path, capsys):
        out = tmp_path / "equal.dot"
        assert main(["equivalence", script, "--value", "x", "-o", str(out)]) == 1
        assert capsys.readouterr().err == (
            "tinygrad-pool: equivalence: nothing in this network chooses a winner\n"
        )
        assert not out.exists()

    def test_a_difference_ends_with_1(self, script, tmp_path, capsys, monkeypatch):
        real = equivalence.grad

        def wrong(y, *more):
            gradients = real(y, *more)
            return [2 * g for g in gradients] if wrong.doubles.pop() else gradients

        wrong.doubles = [False, True]
        monkeypatch.setattr(equivalence, "grad", wrong)
        assert main(["equivalence", script, "-o", str(tmp_path / "e.dot")]) == 1
        printed = capsys.readouterr()
        assert "DIFFER" in printed.out
        assert printed.err == "tinygrad-pool: equivalence: the two networks differ\n"


def test_version_and_help(capsys):
    for flag, text in (("--version", tg.__version__), ("--help", "demo")):
        with pytest.raises(SystemExit) as ended:
            main([flag])
        assert ended.value.code == 0
        assert text in capsys.readouterr().out


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
        (["demo", "--sed", "x"], "unrecognized arguments: --sed x"),
        (["demo", "--seed", "-1"], "needs a whole number, 0 or more, got '-1'"),
        (["demo", "--epochs", "0"], "needs a whole number, 1 or more, got '0'"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_a_bad_flag_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


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


def test_an_interruption_ends_with_130_on_any_stream(monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    printed = io.StringIO()  # a stream that cannot be reconfigured
    monkeypatch.setattr(sys, "stderr", printed)
    monkeypatch.setattr("tinygrad_pool.cli.demo.train", interrupt)
    assert main(["demo", "--quiet", "--out", str(tmp_path / "out")]) == 130
    assert printed.getvalue() == "tinygrad-pool: interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_play_writes_a_page_and_opens_it_if_asked(tmp_path, capsys, monkeypatch):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\na = tg.Value(2.0)\nE = a * a\n")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "pass.html"
    assert main(["play", str(tmp_path / "net.py"), "-o", str(page)]) == 0
    assert "pass.html plays 1 step back from Value(data=4.0, op='mul')" in capsys.readouterr().out
    assert '"line":"net.py:3: E = a * a"' in page.read_text()
    assert opened == []
    main(["play", str(tmp_path / "net.py"), "-o", str(page), "--open"])
    assert opened == [page.as_uri()]


def test_unroll_prints_a_program_that_runs(tmp_path, capsys):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\na = tg.Value(2.0)\nE = a * a\n")
    assert main(["unroll", str(tmp_path / "net.py")]) == 0
    program = tmp_path / "unrolled.py"
    program.write_text(capsys.readouterr().out)
    runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out == "E = 4.0\n∂E/∂a = 4.0\n"


def test_who_reads_only_the_beginning_gets_no_traceback(tmp_path):
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
    assert b"1 of 1" in ran.stdout.readline()
    ran.stdout.close()
    assert ran.stderr.read() == b""
    assert ran.wait() == 141
    ran.stderr.close()


def test_a_closed_pipe_is_no_error_of_ours(monkeypatch):
    closed = []
    monkeypatch.setattr("os.dup2", lambda *files: closed.append(files))
    monkeypatch.setattr("sys.stdout", SimpleNamespace(fileno=lambda: 1))

    def tree(_):
        raise BrokenPipeError

    monkeypatch.setattr("tinygrad_pool.cli.scripts.tree", tree)
    assert main(["tree", "net.py"]) == 141
    assert len(closed) == 1


class TestGradientsOfTheScript:
    """What a script's own pass left is forgotten before it is stepped through; the rest is not."""

    SCRIPT = (
        "import tinygrad_pool as tg\n"
        "w = tg.Value(1.0, label='w')\n"
        "for _ in range(3):\n"
        "    {forget}\n"
        "    E = (w * 2 - 6) ** 2\n"
        "    E.backward()\n"
        "    w.data = w.data - 0.01 * w.grad\n"
    )

    @pytest.fixture
    def debug(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(sys, "argv", [*sys.argv])
        monkeypatch.setattr(sys, "path", [*sys.path])

        def run(forget, *options):
            script = tmp_path / "net.py"
            script.write_text(self.SCRIPT.format(forget=forget))
            assert main(["debug", str(script), *options]) == 0
            return capsys.readouterr().out

        return run

    def test_its_own_is(self, debug):
        said = debug("w.zero_grad()", "-c", "finish; why w")
        assert "whose grad is −13.54 now" in said
        assert "earlier" not in said
        assert "before this pass" not in said.replace("w was set", "")

    def test_those_of_earlier_passes_are_not(self, debug):
        said = debug("pass", "-c", "finish; why w")
        assert said.startswith("before this pass, which adds to it: w.grad = −30.72; zero_grad()")
        assert "whose grad is −42.98 now" in said
        assert "earlier passes left −30.72 in w.grad, too: with this one it is −42.98" in said
        assert "before this pass, which adds to it: w.grad = −30.72" in debug(
            "pass", "--pdb", "-c", "c"
        )
