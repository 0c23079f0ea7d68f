"""Every example runs, and prints what it should show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PRINTS = {
    "01_chain_rule.py": ["∂E/∂w      42.0       42.0", "mul    gets 14 and sends 42 to w, 28 to x"],
    "02_moons.py": ["with 337 parameters", "accuracy 100%", "decision boundary: moons.svg"],
    "03_pooling_unit.py": ["won by unit 2", "2   0.7311            -0.105754         -0.105754"],
    "04_pooling_as_weights.py": [
        "forward  equal bit for bit: True",
        "backward equal bit for bit: True",
    ],
    "05_digits.py": ["epoch 10", "pool1    max_pool2d     192 of   192"],
    "06_lost_gradient.py": [
        "because a1 gets nothing from z1: the relu is off, as its input is −1.5"
    ],
    "07_why_does_it_not_learn.py": [
        "4 findings, worst first.",
        "1. no gradient: scale: the loss does not depend on 1 of 5 parameters",
        "3. no gradient: hidden.*, out.weight: the whole gradient is 0 in 3 of 5 parameters",
        "Python's max chose by the data of mean#15",
    ],
    "08_norms_and_dropout.py": [
        "(drop): Dropout(p=0.25)",
        "epoch 8   loss 0.4",
        "test accuracy 9",
        "norm.num_batches_tracked [344]",
    ],
    "09_data_parallel.py": ["step 4  loss 2.2", "differs from one process by"],
}


def test_every_example_is_checked_here():
    assert sorted(PRINTS) == sorted(path.name for path in EXAMPLES.glob("*.py"))


SLOW = {"02_moons.py", "05_digits.py", "08_norms_and_dropout.py", "09_data_parallel.py"}

NEEDS = {"09_data_parallel.py": ["dask.distributed"]}
"""The peers that an example needs."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.long if n in SLOW else ()) for n in sorted(PRINTS)],
)
def test_each_example_runs_and_prints(name, tmp_path, peer):
    for package in NEEDS.get(name, ()):
        peer(package)
    ran = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for line in PRINTS[name]:
        assert line in ran.stdout


@pytest.mark.peer
@pytest.mark.long
def test_the_notebook_runs_and_each_of_its_cells_shows_one_thing(peer, tmp_path):
    nbformat, nbclient = peer("nbformat"), peer("nbclient")
    notebook = nbformat.read(EXAMPLES / "pooling.ipynb", as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()
    cells = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert cells[0] == []
    assert [len(outputs) for outputs in cells[1:]] == [1] * 8
    assert "image/svg+xml" in cells[1][0].data
    assert "iframe" in cells[3][0].data["text/html"]
    assert "equal bit for bit" in cells[6][0].data["text/plain"]
