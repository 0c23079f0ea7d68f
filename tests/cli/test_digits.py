"""The command line with the handwritten digits: the demo, and the proof for pooling."""

import os
import re
import signal
import subprocess
import sys
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_pool.cli import digits
from tinygrad_pool.cli.demo import DigitsNet, File
from tinygrad_pool.cli.main import main
from tinygrad_pool.drawing import dot_program
from tinygrad_pool.drawing.fields import LEGEND
from tinygrad_pool.pooling_as_weights import comparison as equivalence

FILES = {
    "graph.svg",
    "graph.png",
    "graph.html",
    "F1.svg",
    "F2.svg",
    "F3.svg",
    "F4.svg",
    "loss.svg",
    "weights.npz",
}


@pytest.fixture
def bare(monkeypatch):
    """Hide the packages of the extras, and every Graphviz program."""
    for name in ("matplotlib", "matplotlib.figure", "threadpoolctl", "pygraphviz"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "tinygrad_pool.drawing.figure", raising=False)
    monkeypatch.setattr(dot_program, "_programs", lambda _: iter(()))


@pytest.fixture
def _weights_alone(monkeypatch):
    """Let the demo draw nothing: other tests look at its pictures."""

    def files_of(net, *_):
        return [File("weights.npz", "the trained weights", net.to_npz())]

    monkeypatch.setattr("tinygrad_pool.cli.demo.files_of", files_of)


def test_the_progress_bar_disappears_after_training(monkeypatch):
    from rich.console import Console

    half, whole = (SimpleNamespace(share=share, accuracies=[0.5]) for share in (0.5, 1.0))
    monkeypatch.setattr("tinygrad_pool.cli.demo.train", lambda *_: iter([half, whole]))
    file = StringIO()
    digits._train(None, 1, 0, 450, Console(file=file, force_terminal=True, width=80))
    *_, after = file.getvalue().rpartition("100%")
    assert "\x1b[2K" in after  # which clears a line
    assert "test images are classified correctly" in after


class TestDemo:
    @pytest.mark.long
    def test_it_reaches_97_percent_and_lists_the_pictures(self, tmp_path, run):
        ran = run("demo", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
        printed = ran.stdout.decode()
        assert ran.returncode == 0, ran.stderr
        assert {path.name for path in (tmp_path / "tinygrad_pool_demo").iterdir()} == FILES
        assert float(re.search(r"([\d.]+)% of 450 test images", printed)[1]) >= 97.0
        assert "768 of 768 units" in " ".join(printed.split())
        assert "Written to tinygrad_pool_demo" in printed
        assert all(name in printed for name in FILES)
        assert "Open F4 first" in printed
        assert re.search(r"The whole δ\(2\) = [-.\de]+ goes to the winner, unit [1-4]", printed)

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

    @pytest.mark.long
    def test_a_console_without_greek_shows_letters_in_words_and_files_stay_utf8(
        self, tmp_path, run
    ):
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
        assert LEGEND in (out / "F2.dot").read_text("utf-8")
        printed = " ".join(capsys.readouterr().out.split())
        assert "are equal bit for bit in 768 of 768 units" in printed
        advice = printed.partition("Some files are missing; ")[2]
        assert advice.startswith(
            "pip install 'tinygrad_pool[demo]' installs what is missing: - no G"
        )
        assert "- a plot needs matplotlib: pip install 'tinygrad_pool[plot]'" in advice

    @pytest.mark.slow
    @pytest.mark.usefixtures("bare")
    def test_without_any_extra_the_equivalence_is_shown_in_numbers(self, tmp_path, capsys):
        assert main(["equivalence", "-o", str(tmp_path / "e.dot")]) == 0
        assert "data and gradients are equal bit for bit" in capsys.readouterr().out
        assert main(["equivalence", "-o", str(tmp_path / "e.svg")]) == 1
        printed = capsys.readouterr()
        assert "data and gradients are equal bit for bit" in printed.out
        assert printed.err.startswith("tinygrad-pool: no Graphviz found here can draw svg; install")

    def test_a_folder_that_cannot_be_written_is_one_line(self, tmp_path, capsys):
        (tmp_path / "file").write_bytes(b"")
        assert main(["demo", "--out", str(tmp_path / "file")]) == 1
        assert main(["demo", "--out", str(tmp_path / "absent" / "out")]) == 1
        first, second = capsys.readouterr().err.splitlines()
        assert first.endswith("file: is a file, not a folder to write into")
        assert second.endswith("absent does not exist")

    def test_ctrl_c_prints_one_line_and_writes_nothing(self, tmp_path):
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

    def test_it_compares_the_network_of_a_script(self, script, tmp_path, capsys):
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
            "tinygrad-pool: equivalence: this network has no max, ReLU or average pool, "
            "or only empty ones\n"
        )
        assert not out.exists()

    def test_a_difference_exits_with_1(self, script, tmp_path, capsys, monkeypatch):
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
