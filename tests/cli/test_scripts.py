"""Commands of the command line that use a Value of a script."""

import linecache
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli.main import main

NETWORK = """
import numpy as np, tinygrad_pool as tg
x = np.ones((2, 3), np.float32)
net = tg.nn.Sequential(tg.nn.Linear(3, 2, rng=0), tg.nn.ReLU())
w = tg.Value(2.0, label="w")
E = (net(x) ** 2).sum() * w
"""


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
        assert "graph.dot shows other\n" in capsys.readouterr().out

    def test_it_draws_the_value_called_by_name(self, script, tmp_path):
        out = tmp_path / "graph.svg"
        assert main(["draw", str(script), "--value", "loss", "-o", str(out)]) == 0
        assert "×" in out.read_text(encoding="utf-8")

    def test_it_writes_a_page_to_pan_and_zoom(self, script, tmp_path):
        out = tmp_path / "graph.html"
        assert main(["draw", str(script), "-o", str(out)]) == 0
        assert "<h1>Computation graph of the add node</h1>" in out.read_text(encoding="utf-8")

    def test_an_unknown_name_lists_the_values(self, script, tmp_path, capsys):
        assert main(["draw", str(script), "--value", "lost", "-o", str(tmp_path / "g.svg")]) == 1
        error = capsys.readouterr().err
        assert "has no Value called 'lost' at top level; it has a, loss, table, other" in error
        assert error.endswith(" (--value other selects that one)\n")
        assert not (tmp_path / "g.svg").exists()
        assert main(["tree", str(script), "--value", ""]) == 1
        assert "has no Value called '' at top level" in capsys.readouterr().err

    def test_a_script_without_values_is_an_error(self, tmp_path, capsys):
        (tmp_path / "empty.py").write_text("x = 1\n")
        assert main(["draw", str(tmp_path / "empty.py"), "-o", str(tmp_path / "g.svg")]) == 1
        assert capsys.readouterr().err.endswith(
            " has no computed number at top level; it has no Values; return a function's "
            "result to the top level, as in loss = main(), and call a function that tg.grad "
            "differentiates with Values, as in loss = f(tg.Value(x))\n"
        )

    @pytest.mark.parametrize("command", ["tree", "diagnose"])
    def test_a_leaf_is_not_taken_for_a_loss_made_in_a_function(self, tmp_path, capsys, command):
        (tmp_path / "net.py").write_text(
            "import tinygrad_pool as tg\n"
            "w, b = tg.Value(2.0), tg.Value(-1.0)\n"
            "def main():\n"
            "    (w * b).backward()\n"
            "main()\n"
        )
        assert main([command, str(tmp_path / "net.py")]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert (
            "net.py has no computed number at top level; it has w, b (--value b selects that one); "
            "return a function's result to the top level, as in loss = main()" in printed.err
        )
        assert main([command, str(tmp_path / "net.py"), "--value", "b"]) == 0

    def test_a_script_with_only_arrays_is_told_to_use_value(self, tmp_path, capsys):
        script = "import tinygrad_pool as tg\ny = tg.exp(tg.Value([1.0, 2.0]))\n"
        (tmp_path / "net.py").write_text(script)
        assert main(["tree", str(tmp_path / "net.py")]) == 1
        error = capsys.readouterr().err
        assert error.endswith(
            "net.py has no computed number at top level; it has y (--value y selects that one)\n"
        )
        assert main(["tree", str(tmp_path / "net.py"), "--value", "y"]) == 0

    def test_a_missing_script_or_folder_is_one_line(self, script, tmp_path, capsys):
        assert main(["draw", str(tmp_path / "absent.py")]) == 1
        assert main(["draw", str(script), "-o", str(tmp_path / "absent" / "g.svg")]) == 1
        assert main(["draw", str(script), "-o", str(tmp_path / "g.bmp")]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert [line.startswith("tinygrad-pool: ") for line in lines] == [True] * 3

    def test_a_script_sees_itself_as_the_main_program(self, tmp_path, run):
        (tmp_path / "beside.py").write_text("number = 4.0\n")
        (tmp_path / "script.py").write_text(
            "import sys, tinygrad_pool as tg\n"
            "from beside import number\n"
            "if __name__ == '__main__':\n"
            "    E = tg.Value(number, label=f'{len(sys.argv)} argument') * 2.0\n"
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
        assert f"2 files in {out}; the first is frame_0.svg" in capsys.readouterr().out
        gif = ["frames", script, "-o", str(out), "--value", "v", "--format", "GIF"]
        assert main(gif) == 0
        assert f"1 file in {out}; the first is " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["draw", "-o", "g.bmp"], "draw: g.bmp needs the suffix .svg or .png or "),
            (["draw", "--show", "data,hat"], "draw: each word of show must be one of 'data', "),
            (["play", "-o", "page.svg"], "play: page.svg needs the suffix .html\n"),
            (["equivalence", "-o", "g"], "equivalence: g needs the suffix .svg or .png"),
            (["export", "net.py"], "export: net.py needs the suffix .onnx\n"),
        ],
    )
    def test_what_cannot_be_written_is_refused_before_the_script_runs(
        self, tmp_path, monkeypatch, capsys, arguments, message
    ):
        monkeypatch.chdir(tmp_path)
        text = "import tinygrad_pool as tg\nprint('trained')\nE = tg.Value(2.0).relu()\n"
        (tmp_path / "net.py").write_text(text)
        command, *options = arguments
        assert main([command, "net.py", *options]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"tinygrad-pool: {message}")
        assert (tmp_path / "net.py").read_text() == text

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
        wide = tmp_path / "g.svg"
        assert main(["draw", script, "-o", str(wide), "--width", "1920"]) == 0
        assert 'width="1920px"' in wide.read_text(encoding="utf-8")
        assert main(["draw", script, "-o", str(wide), "--width", "1920", "--height", "90"]) == 0
        assert 'height="90px"' in wide.read_text(encoding="utf-8")


@pytest.mark.usefixtures("_own_argv")
@pytest.mark.parametrize(
    "command",
    ["draw {} -o {}", "frames {} -o {}", "play {} -o {}", "equivalence {} -o {}", "export {} {}"],
)
def test_a_missing_folder_is_reported_before_the_script_runs(command, tmp_path, capsys):
    script, ran = tmp_path / "net.py", tmp_path / "ran"
    script.write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")
    assert main(command.format(script, tmp_path / "absent" / "out.svg").split()) == 1
    assert "absent does not exist" in capsys.readouterr().err
    assert not ran.exists()


@pytest.mark.usefixtures("_own_argv")
def test_paths_are_relative_to_the_folder_of_the_command(tmp_path, capsys, monkeypatch):
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path)
    linecache.clearcache()  # another test may have read another net.py
    Path("net.py").write_text(
        "import os, tinygrad_pool as tg\nos.chdir('else')\nE = tg.Value(2.0) * 3.0\n", "utf-8"
    )
    assert main(["draw", "net.py", "-o", "g.dot"]) == 0
    assert main(["debug", "net.py", "-c", "save pass.txt; list"]) == 0
    assert "->    3  E = tg.Value(2.0) * 3.0" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "else",
        "g.dot",
        "net.py",
        "pass.txt",
    ]


def test_play_writes_a_page_and_opens_it_if_asked(tmp_path, capsys, monkeypatch):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\na = tg.Value(2.0)\nE = a * a\n")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "pass.html"
    assert main(["play", str(tmp_path / "net.py"), "-o", str(page)]) == 0
    assert "pass.html plays 1 step back from E\n" in capsys.readouterr().out
    assert '"line":"net.py:3: E = a * a"' in page.read_text()
    assert opened == []
    main(["play", str(tmp_path / "net.py"), "-o", str(page), "--open"])
    assert opened == [page.as_uri()]
    assert '"opens":"play"' in page.read_text()
    main(["play", str(tmp_path / "net.py"), "-o", str(page), "--predict"])
    assert '"opens":"predict"' in page.read_text()


@pytest.mark.usefixtures("_own_argv")
def test_play_starts_an_array_with_ones(tmp_path):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\ny = tg.Value([1.0, 2.0]).exp()\n")
    page = tmp_path / "pass.html"
    assert main(["play", str(tmp_path / "net.py"), "--value", "y", "-o", str(page)]) == 0
    assert '"says":"y (exp) gets 1 1"' in page.read_text("utf-8")


def test_unroll_prints_a_program_that_runs(tmp_path, capsys):
    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\na = tg.Value(2.0)\nE = a * a\n")
    assert main(["unroll", str(tmp_path / "net.py")]) == 0
    program = tmp_path / "unrolled.py"
    program.write_text(capsys.readouterr().out)
    runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out == "E = 4.0\n∂E/∂a = 4.0\n"


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

    def test_gradients_of_its_own_pass_are_removed(self, debug):
        output = debug("w.zero_grad()", "-c", "finish; why w")
        assert "whose grad is now −13.54" in output
        assert "earlier" not in output
        assert "before this pass" not in output.replace("w was set", "")

    def test_gradients_of_earlier_passes_are_kept(self, debug):
        output = debug("pass", "-c", "finish; why w")
        assert output.splitlines()[1].startswith(
            "before this pass, which adds to it: w.grad = −30.72; zero_grad()"
        )
        assert "whose grad is now −42.98" in output
        assert "earlier passes left −30.72 in w.grad, so that it is −42.98" in output
        assert "before this pass, which adds to it: w.grad = −30.72" in debug(
            "pass", "--pdb", "-c", "c"
        )


LOST = {
    "a recurrent net of 50 steps": """
W = tg.Value(rng.normal(size=(8, 8)) * 0.15, label="W")
h = np.zeros((16, 8))
for t in range(50):
    h = tg.tanh(X @ rng.normal(size=(4, 8)) + h @ W)
loss = (h**2).mean()
""",
    "a deep net that explodes": """
h = X
for i in range(25):
    w = tg.Value(rng.normal(size=(h.shape[1], 16)), label=f"w{i}")
    h = tg.relu(h @ w)
loss = (h**2).mean()
""",
    "a wrong rule": """
def softsign(x):
    return x / (1 + abs(x)), lambda g: (g / (1 + abs(x)),)
w = tg.Value(rng.normal(size=(4, 2)), label="w")
loss = (tg.lift(softsign)(X @ w) ** 2).mean()
""",
    "a stale graph": """
w = tg.Value(rng.normal(size=(4, 2)), label="w")
loss = ((X @ w) ** 2).mean()
w.data = w.data - 0.1
""",
}


TRAINED = """
import tinygrad_pool as tg
w = tg.Value([1.0, 2.0], label="w")
descent = tg.optim.SGD([w], lr=0.1)
for _ in range(3):
    loss = (w * w).sum()
    descent.zero_grad()
    loss.backward()
    descent.step()
"""


@pytest.mark.usefixtures("_own_argv")
@pytest.mark.parametrize(
    "command", ["diagnose", "play", "debug -c q", "frames", "unroll", "equivalence"]
)
def test_a_training_script_is_told_to_compute_its_loss_again(
    command, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "net.py"
    script.write_text(TRAINED, encoding="utf-8")
    name, *options = command.split()
    assert main([name, "net.py", *options]) == 1
    assert capsys.readouterr().err == (
        f"tinygrad-pool: {name}: the data of the leaf 'w' changed in place after the mul node was "
        "computed from it; run the forward pass again: compute loss again at the end of "
        "net.py, after the last update\n"
    )
    script.write_text(f"{TRAINED}loss = (w * w).max()\n", encoding="utf-8")
    assert main([name, "net.py", *options]) == 0


@pytest.mark.usefixtures("_own_argv")
@pytest.mark.parametrize("command", ["unroll", "equivalence"])
def test_numbers_set_by_hand_are_out_of_date_where_rules_run_again(
    command, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    by_hand = (
        "import tinygrad_pool as tg\nw = tg.Value(1.0)\nE = w * w\nE.backward()\nw.data -= 0.1\n"
    )
    (tmp_path / "net.py").write_text(by_hand, encoding="utf-8")
    assert main([command, "net.py"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"tinygrad-pool: {command}: the data of the leaf changed after the mul")
    assert "compute E again at the end of net.py" in error


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("a recurrent net of 50 steps", "|grad| shrinks from "),
        ("a deep net that explodes", "times as large as the parameters"),
        ("a wrong rule", "the closure of softsign, defined at net.py:3, is not the derivative"),
        ("a stale graph", "suspicious: w: its data was set after loss was computed from it"),
    ],
)
def test_diagnose_finds_the_problem(script, says, tmp_path, capsys):
    file = tmp_path / "net.py"
    file.write_text(
        "import numpy as np, tinygrad_pool as tg\nrng = np.random.default_rng(0); "
        f"X = rng.normal(size=(16, 4)){LOST[script]}"
    )
    assert main(["diagnose", str(file)]) == 0
    assert says in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("_own_argv")
@pytest.mark.peer
class TestExport:
    @pytest.fixture
    def script(self, peer, tmp_path):
        peer("onnx")
        (tmp_path / "script.py").write_text(NETWORK)
        return tmp_path / "script.py"

    def test_the_last_network_of_a_script(self, script, tmp_path, capsys):
        path = tmp_path / "net.onnx"
        assert main(["export", str(script), str(path), "--inputs", "x"]) == 0
        assert capsys.readouterr().out == f"{path} holds the Sequential of {script}\n"
        assert tg.from_onnx(path)(np.ones((7, 3), np.float32)).shape == (7, 2)

    def test_a_network_by_name(self, script, tmp_path):
        command = ["export", str(script), str(tmp_path / "net.onnx"), "--value", "net"]
        assert main([*command, "--inputs", " x,"]) == 0

    def test_the_graph_of_a_value(self, script, tmp_path):
        path = tmp_path / "loss.onnx"
        assert main(["export", str(script), str(path), "--value", "E", "--inputs", "w"]) == 0
        assert tg.from_onnx(path)(1.0).data * 2 == tg.from_onnx(path)(2.0).data

    def test_missing_inputs_are_listed(self, script, tmp_path, capsys):
        path = str(tmp_path / "net.onnx")
        assert main(["export", str(script), path]) == 1
        output = "export: a network needs example inputs: --inputs x names arrays or Values of"
        assert output in (error := capsys.readouterr().err)
        assert error.endswith("it has x, w, E\n")
        assert main(["export", str(script), path, "--inputs", "y"]) == 1
        assert "has no array or Value called 'y'; it has x, w, E" in capsys.readouterr().err
        assert main(["export", str(tmp_path / "absent.py"), path]) == 1
        assert "export: there is no script" in capsys.readouterr().err
        assert main(["export", str(script), path, "--value", "lost", "--inputs", "x"]) == 1
        assert "no Value called 'lost'" in capsys.readouterr().err
        (tmp_path / "empty.py").write_text("import tinygrad_pool as tg\nnet = tg.nn.ReLU()\n")
        assert main(["export", str(tmp_path / "empty.py"), path]) == 1
        assert "it has none" in capsys.readouterr().err
        assert main(["export", str(tmp_path / "empty.py"), path, "--inputs", "x"]) == 1
        assert "called 'x'; it has none" in capsys.readouterr().err
        assert not (tmp_path / "net.onnx").exists()


@pytest.mark.usefixtures("_own_argv")
@pytest.mark.peer
class TestCrosscheck:
    def test_all_agree(self, peer, tmp_path, capsys):
        peer("torch")
        (tmp_path / "script.py").write_text(NETWORK)
        assert main(["crosscheck", str(tmp_path / "script.py")]) == 0
        assert capsys.readouterr().out == "7 nodes computed in PyTorch, too: all agree\n"

    def test_a_wrong_rule_of_the_script_is_reported_with_its_line(self, peer, tmp_path, capsys):
        peer("torch")
        (tmp_path / "script.py").write_text(
            "import tinygrad_pool as tg\n"
            "square = tg.lift(lambda x: (x * x, lambda g: (g * x,)))\n"
            "E = square(tg.Value(3.0, label='x'))\n"
        )
        assert main(["crosscheck", str(tmp_path / "script.py")]) == 1
        out, err = capsys.readouterr()
        assert "what it sends to x is 3 here and 6 in PyTorch, at script.py:3: E = square" in out
        assert err == "tinygrad-pool: crosscheck: 1 difference from PyTorch\n"
