"""What a terminal cannot write is written in words, and never loses a sign."""

import io
import os
import subprocess
import sys

import pytest

import tinygrad_pool as tg
from tinygrad_pool.letters import PLAINLY, plainly, written


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3 × −1 = −3", "3 * -1 = -3"),
        ("grad – -> 2", "grad - -> 2"),
        ("∂E/∂w = σ'(a) · x²", "dE/dw = sigma'(a) * x^2"),
        ("a → b … √2", "a -> b ... sqrt 2"),
        ("z₁⁽⁴⁾", "z1(4)"),
        ("é ß ☂", "e ? ?"),
        ("1e−3", "1e-3"),
    ],
)
def test_signs_are_written_in_words(text, plain):
    assert text.encode("ascii", PLAINLY).decode() == plain


def test_what_an_encoding_has_stays():
    assert "−2 × é".encode("latin-1", PLAINLY) == b"-2 \xd7 \xe9"
    assert "−2".encode("utf-8", PLAINLY) == "−2".encode()
    assert written("δ = −1", io.StringIO()) == "δ = −1"


def test_bytes_that_are_no_letters_are_not_its_matter():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", PLAINLY)
    with pytest.raises(UnicodeDecodeError):
        plainly(UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"))


SCRIPT = """\
import tinygrad_pool as tg
x = tg.Value(2.0, label='x')
E = (x * -1.0) * 3
E.label = 'E'
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["debug", "-c", "node; node; why x"], "from mul#1: 3 * -1 = -3"),
        (["debug", "--pdb", "-c", "node; c"], "step 1 of 2: E gets 1"),
        (["debug", "--pdb", "-c", "p 1, '\\u2212'; node; c"], "(1, '-')"),
        (["tree"], "-1"),
        (["diagnose"], "Diagnosis of E"),
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_every_command_writes_it_so(tmp_path, arguments, said, encoding):
    script = tmp_path / "net.py"
    script.write_text(SCRIPT)
    command, *options = arguments
    ran = subprocess.run(
        [sys.executable, "-m", "tinygrad_pool", command, str(script), *options],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    out = ran.stdout.decode(encoding)
    assert ran.returncode == 0, ran.stderr
    assert said in out
    assert "?" not in out


@pytest.mark.parametrize("pdb", [True, False])
def test_a_program_s_own_debugger_does_so_too(monkeypatch, pdb):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)
    x = tg.Value(2.0, label="x")
    tg.debug((x * -1.0) * 3.0, commands="node; node", pdb=pdb)
    stdout.flush()
    assert b"gets 3" in stdout.buffer.getvalue()
    assert b"?" not in stdout.buffer.getvalue()
