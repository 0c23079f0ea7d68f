"""In pdb a closure has a readable name, readable variables and named contributions."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

import tinygrad_pool.rules

RULES = Path(tinygrad_pool.rules.__file__).parent


def line_of(file: str, text: str, after: str) -> int:
    """Return the line number of `text` in the file of a rule, below the line with `after`."""
    lines = (RULES / file).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if after in line)
    return next(i for i, line in enumerate(lines[start:], start + 1) if text in line)


@pytest.fixture
def debugger(tmp_path):
    """Start pdb on a script; return a function that sends a command and returns its output."""
    script = tmp_path / "script.py"
    script.write_text(
        "import tinygrad_pool as tg\n"
        "x, w = tg.Value(3.0), tg.Value(2.0)\n"
        "z = tg.Value([[0.25, 0.75], [0.5, 0.125]])\n"
        "E = x * w + z.max(axis=1).sum()\n"
        "E.backward()\n"
        "print('done', x.grad, w.grad)\n"
    )
    plain = {"TERM": "dumb", "NO_COLOR": "1", "PYTHON_COLORS": "0", "HOME": str(tmp_path)}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "pdb", str(script)],
        cwd=tmp_path,  # also HOME, so that no .pdbrc is read
        env={**os.environ, **plain},
        encoding="utf-8",
        timeout=60,
        echo=False,
        dimensions=(50, 300),
    )
    prompt = r"\(Pdb\) "
    child.expect(prompt)

    def send(command: str) -> str:
        child.sendline(command)
        child.expect(prompt)
        return child.before

    yield send
    child.close(force=True)


def test_pdb_steps_through_a_product(debugger):
    line = line_of("arithmetic.py", "to_x = g * w", after="def mul(")
    debugger(f"break {RULES / 'arithmetic.py'}:{line}")
    assert "to_x = g * w" in debugger("continue")
    assert "mul_backward(" in debugger("where")
    assert "(1.0, 3.0, 2.0)" in debugger("p g, x, w")
    debugger("next")
    assert "(2.0, 3.0)" in debugger("next") + debugger("p to_x, to_w")
    debugger("clear 1")
    assert "done 2.0 3.0" in debugger("continue")


def test_pdb_shows_the_winners_of_a_maximum(debugger):
    line = line_of("reductions.py", "return (to_x,)", after="def max_backward(")
    debugger(f"break {RULES / 'reductions.py'}:{line}")
    assert "return (to_x,)" in debugger("continue")
    assert "max_backward(" in debugger("where")
    assert "[1.0, 1.0]" in debugger("p g.tolist()")
    assert "[[0.0, 1.0], [1.0, 0.0]]" in debugger("p to_x.tolist()")
    assert "[[False, True], [True, False]]" in debugger("p won.tolist()")
