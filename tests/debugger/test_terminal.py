"""The terminal: colours unless NO_COLOR is set, and whether the user can be prompted."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from tinygrad_pool.debugger.terminal import MISTAKE, can_ask, coloured, wants_colours

ANSWER = "3 of 9: pooled (max) gets 3\n  sends 0 to z1, whose grad is now 0\n  because it lost\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _xterm(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_important_parts_are_coloured_and_the_text_is_unchanged():
    shown = coloured(ANSWER, Terminal())
    assert "\x1b[1m3 of 9:\x1b[0m pooled" in shown
    assert "\x1b[33m0 \x1b[0mto z1" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == ANSWER
    assert coloured("no\n", Terminal(), MISTAKE).startswith("\x1b[31mno")


def test_captured_output_has_no_colours(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured(ANSWER, io.StringIO()) == ANSWER


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_color_disables_colours(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert not wants_colours(Terminal())
    assert coloured(ANSWER, Terminal()) == ANSWER


def test_coloured_text_is_unchanged():
    assert coloured("\x1b[1mE\x1b[0m", Terminal(), {}) == "\x1b[1mE\x1b[0m"


@pytest.mark.parametrize(
    ("kernel", "asks"),
    [(None, True), (SimpleNamespace(), True), (SimpleNamespace(_allow_stdin=False), False)],
)
def test_a_notebook_is_prompted_only_if_it_allows_input(monkeypatch, kernel, asks):
    session = SimpleNamespace(kernel=kernel)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: session))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert can_ask() is asks
