"""Lines of the user's source in the debugger: listings, breakpoints and quotes."""

import io
import re
import runpy
from functools import partial

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.engine.context import Line
from tinygrad_pool.recording.flow import source_of
from tinygrad_pool.recording.source import defined_at, listing, quoted

SCRIPT = """\
import tinygrad_pool as tg

a = tg.Value(2.0, label="a")
b = tg.Value(-3.0, label="b")


def hidden(x):
    return (x * b).relu()


off = hidden(a)
m = tg.maximum(a, b)
E = off + m**2
bad = (a * b).sqrt()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def run(script):
    """Run commands on the script's E; return what was printed."""
    with tg.traced(), np.errstate(invalid="ignore"):
        made = runpy.run_path(str(script))

    class Terminal(io.StringIO):
        def isatty(self):
            return coloured

    coloured = False

    def commands(text, loss="E", colour=False):
        nonlocal coloured
        coloured = colour
        shell = Shell(tg.record(made[loss], names=made), stdout=Terminal())
        for line in text.split(";"):
            shell.onecmd(shell.precmd(line))
        return shell.stdout.getvalue()

    return commands


def test_list_shows_the_source_of_the_step(run, script):
    assert run("until relu; list").splitlines()[-12:] == [
        f"{script}, in hidden",
        '      3  a = tg.Value(2.0, label="a")',
        '      4  b = tg.Value(-3.0, label="b")',
        "      5",
        "      6",
        "      7  def hidden(x):",
        "->    8      return (x * b).relu()",
        "      9",
        "     10",
        "     11  off = hidden(a)",
        "     12  m = tg.maximum(a, b)",
        "     13  E = off + m**2",
    ]


def test_at_a_terminal_the_source_is_in_colour(run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = run("until relu; list", colour=True)
    assert "\x1b[94mdef\x1b[0m" in shown or "\x1b[34mdef\x1b[0m" in shown
    assert "\x1b" not in run("until relu; list")


def test_each_step_quotes_its_line(run):
    assert run("node").splitlines() == [
        "1 of 5: E (+) gets 1",
        "  net.py:13: E = off + m**2",
        "  sends 1 to off (relu), whose grad is now 1",
        "  sends 1 to power#5, whose grad is now 1",
    ]


def test_until_and_break_accept_lines(run):
    assert "4 of 5: off (relu)" in run("until 8")
    assert "3 of 5: m (max)" in run("until net.py:12")
    stops = run("break net.py:8; continue; continue; info")
    assert "4 of 5: off (relu)" in stops
    assert "5 of 5, the last: mul#2" in stops
    assert "breakpoint" in stops
    assert "1 of 5" in run("tbreak 13 if g > 0; continue")


def test_lines_that_made_no_node_are_answered_with_nearby_ones(run):
    near = "nearby lines that did: net.py:8, net.py:12, net.py:13"
    assert run("until 7") == f"line 7 made no node; {near}\n"
    assert "line 8 made no node" in run("break other.py:8")


def test_a_label_that_is_a_number_comes_first():
    a = tg.Value(1.0, label="7")
    shell = Shell(tg.record(a.exp().log()), stdout=io.StringIO())
    shell.onecmd("until 7")
    assert "2 of 2" in shell.stdout.getvalue()


def test_without_lines_it_suggests_traced():
    shell = Shell(tg.record(tg.Value(1.0).exp()), stdout=io.StringIO())
    shell.onecmd("until 7")
    shell.onecmd("node")
    shell.onecmd("list")
    shown = shell.stdout.getvalue().splitlines()
    assert shown[0].startswith(
        "no lines of source were recorded: build the graph under tg.traced()"
    )
    assert shown[-2:] == [
        "lines are recorded only under tg.traced(); the steps near this one:",
        "-> 1: exp#1 gets 1",
    ]


def test_reasons_quote_the_line_of_the_origin(run):
    off = "  because mul#2 gets nothing from off: the relu is off, as its input is −6, "
    assert run("why mul#2").splitlines()[-1] == off + "at net.py:8: return (x * b).relu()"
    nan = "  because bad made nan in the forward pass: sqrt of mul#2 = −6, "
    assert run("why a", "bad").splitlines()[-1] == nan + "at net.py:14: bad = (a * b).sqrt()"


def test_a_deleted_source_file_is_named(script):
    line = Line("gone.py", 3, "f")
    assert quoted(line) == "gone.py:3"
    assert quoted(None) == ""
    assert listing(line, coloured=False) == "gone.py:3, in f (the source cannot be read)"


def test_an_edited_source_file_is_read_again(script):
    line = Line(str(script), 3, "<module>")
    assert quoted(line) == 'net.py:3: a = tg.Value(2.0, label="a")'
    assert "tg.Value(2.0" in listing(line, coloured=False)
    assert source_of(line.file).made_by(3, 3) >= {"a", "off"}
    script.write_text("\n\nz = tg.Value(3.0)\n")
    assert quoted(line) == "net.py:3: z = tg.Value(3.0)"
    assert source_of(line.file).made_by(3, 3) == {"z"}
    script.write_text("\n\ny = tg.Value(30.0)\n")
    assert "y = tg.Value(30.0)" in listing(line, coloured=False)
    script.write_text("\n\nx = tg.Value(300.0)\n")
    assert source_of(line.file).made_by(3, 3) == {"x"}


def test_only_users_rules_have_a_location():
    def cube(x):
        return x**3, lambda g: (g,)

    assert re.fullmatch(r"test_source.py:\d+", defined_at(cube))
    assert defined_at(partial(cube)) == ""
    assert defined_at(Value(1.0).relu().rule) == ""
