"""A script's network as an ONNX file, and its graph beside PyTorch."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli.main import main

SCRIPT = """
import numpy as np, tinygrad_pool as tg
x = np.ones((2, 3), np.float32)
net = tg.nn.Sequential(tg.nn.Linear(3, 2, rng=0), tg.nn.ReLU())
w = tg.Value(2.0, label="w")
E = (net(x) ** 2).sum() * w
"""


@pytest.mark.usefixtures("_own_argv")
@pytest.mark.peer
class TestExport:
    @pytest.fixture
    def script(self, peer, tmp_path):
        peer("onnx")
        (tmp_path / "script.py").write_text(SCRIPT)
        return tmp_path / "script.py"

    def test_the_last_network_of_a_script(self, script, tmp_path, capsys):
        path = tmp_path / "net.onnx"
        assert main(["export", str(script), str(path), "--inputs", "x"]) == 0
        assert capsys.readouterr().out == f"{path} has Sequential of {script}\n"
        assert tg.from_onnx(path)(np.ones((7, 3), np.float32)).shape == (7, 2)

    def test_a_network_by_name(self, script, tmp_path):
        command = ["export", str(script), str(tmp_path / "net.onnx"), "--value", "net"]
        assert main([*command, "--inputs", " x,"]) == 0

    def test_the_graph_of_a_value(self, script, tmp_path):
        path = tmp_path / "loss.onnx"
        assert main(["export", str(script), str(path), "--value", "E", "--inputs", "w"]) == 0
        assert tg.from_onnx(path)(1.0).data * 2 == tg.from_onnx(path)(2.0).data

    def test_what_is_missing_is_listed(self, script, tmp_path, capsys):
        path = str(tmp_path / "net.onnx")
        assert main(["export", str(script), path]) == 1
        said = "export: a network needs example inputs: --inputs x names arrays or Values that the"
        assert said in (error := capsys.readouterr().err)
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
        (tmp_path / "script.py").write_text(SCRIPT)
        assert main(["crosscheck", str(tmp_path / "script.py")]) == 0
        assert capsys.readouterr().out == "7 nodes computed in PyTorch, too: all agree\n"

    def test_a_wrong_rule_of_the_script_is_named_by_its_line(self, peer, tmp_path, capsys):
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
