"""Which Graphviz draws, and the errors if none can."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import graphviz
import pytest
from graphviz.backend import dot_command

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import dot_program
from tinygrad_pool.drawing.dot_program import VARIABLE, lend_to_graphviz, picture
from tinygrad_pool.errors import ToolError

SOURCE = "digraph { a -> b }"


def program(folder: Path, name: str, says: str, code: int = 0) -> Path:
    """Write a program that draws its arguments and a word, in place of Graphviz."""
    svg = '<svg viewBox=\\"0 0 1 1\\"><g class=\\"graph\\"><text>{}</text></g></svg>'
    printed = f'echo "{svg.format(f"{says} $@")}"\necho "{says} failed" >&2'
    return shell(folder, name, f"{printed}\nexit {code}")


def shell(folder: Path, name: str, commands: str) -> Path:
    """Write a program in the language of the shell."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat > /dev/null\n{commands}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_wheels(monkeypatch):
    """Hide every Graphviz that comes as a wheel."""
    monkeypatch.setattr(dot_program, "_programs_of_wheel", lambda _: iter(()))
    monkeypatch.setattr(dot_program, "find_spec", lambda _: None)


@pytest.fixture
def path(monkeypatch, tmp_path):
    """Give an empty PATH, but for the folder returned and a shell."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    (tmp_path / "dot").unlink(missing_ok=True)
    monkeypatch.setattr(dot_program.shutil, "which", lambda name: _which(tmp_path, name))
    return tmp_path


def _which(folder: Path, name: str) -> str | None:
    return str(folder / name) if (folder / name).exists() else None


def test_the_wheel_draws_without_dot(path):
    assert picture(SOURCE, "svg").startswith(b"<?xml")


def test_dot_on_the_path_comes_before_the_wheel(path):
    program(path, "dot", "system")
    assert b"<text>system -Kdot -Tsvg</text>" in picture(SOURCE, "svg")


def test_the_variable_comes_before_dot(path, monkeypatch):
    program(path, "dot", "system")
    monkeypatch.setenv(VARIABLE, str(program(path, "mine", "mine")))
    assert b"<text>mine -Kdot -Tsvg</text>" in picture(SOURCE, "svg")


def test_a_broken_dot_gives_way_to_the_wheel(path):
    program(path, "dot", "system", code=3)
    assert picture(SOURCE, "svg").startswith(b"<?xml")


def test_a_broken_program_chosen_by_the_user_is_an_error(path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(path / "absent"))
    with pytest.raises(ToolError, match="absent: No such file or directory; install Graphviz"):
        picture(SOURCE, "svg")


@pytest.mark.usefixtures("no_wheels")
def test_without_graphviz_the_error_lists_attempts_and_what_to_install(path, tmp_path):
    program(path, "dot", "system", code=3)
    with pytest.raises(ToolError) as caught:
        picture(SOURCE, "svg")
    assert "dot: system failed; install Graphviz" in str(caught.value)
    assert "pip install 'tinygrad_pool[render]'" in str(caught.value)
    assert tg.render(Value(2.0), tmp_path / "graph.dot").exists()


@pytest.mark.usefixtures("no_wheels")
def test_a_silent_program_is_reported_by_its_exit_code(path):
    (path / "dot").write_text("#!/bin/sh\nexit 7\n")
    (path / "dot").chmod(0o755)
    with pytest.raises(ToolError, match="exit code 7"):
        picture(SOURCE, "svg")


SVG = '<svg viewBox="0 0 1 1"><g class="graph"/></svg>'
PRINTED = {
    "nothing": "true",
    "garbage": "printf '\\273\\255\\353garbage'",
    "words": "echo 'Warning: no layout engine'",
    "half an SVG": 'echo \'<svg viewBox="0 0 1 1"><g class="graph">\'',
    "no box": "echo '<svg><g class=\"graph\"/></svg>'",
    "a box of words": 'echo \'<svg viewBox="a b c d"><g class="graph"/></svg>\'',
    "another XML": "echo '<html><p class=\"x\">502</p></html>'",
    "an empty SVG": "echo '<svg viewBox=\"0 0 1 1\"></svg>'",
    "half a PNG": "printf '\\211PNG\\r\\n\\032\\n'",
    "half a PDF": "echo '%PDF-1.7'",
    "an empty layout": "echo '{}'",
    "a layout without a box": "echo '{\"objects\": []}'",
    "another encoding": "printf " + "".join(f"'\\{b:03o}'" for b in SVG.encode("utf-16")),
    "a layout without sizes": 'echo \'{"objects": [{"name": "x"}], "bb": "0,0,1,1"}\'',
    "a layout of nothing": 'echo \'{"objects": [], "bb": "0,0,1,1"}\'',
    "a list": "echo '[1, 2]'",
    "a number": "echo 12",
    "deep": "printf '[%.0s' $(seq 200000)",
}


@pytest.mark.long
@pytest.mark.parametrize("printed", PRINTED)
def test_an_incomplete_picture_is_an_error_even_with_exit_code_0(
    path, tmp_path, monkeypatch, printed
):
    monkeypatch.setenv(VARIABLE, str(shell(path, "mine", PRINTED[printed])))
    out = tmp_path / "out"
    out.mkdir()
    y = Value(2.0, label="x") * 3.0
    draws = {kind: partial(tg.render, y, out / f"g.{kind}") for kind in ("svg", "png", "pdf")}
    draws |= {"page": partial(tg.render, y, out / "g.html")}
    draws |= {"player": partial(tg.record(y).to_html, out / "p.html")}
    draws |= {f"slides {f}": partial(tg.frames, y, out / "f", format=f) for f in ("svg", "gif")}
    for draw in draws.values():
        with pytest.raises(ToolError, match=r"/mine: printed (nothing|no \w+); install"):
            draw()
    assert list(out.iterdir()) == []
    assert y._repr_svg_() is None


def test_the_wheel_replaces_a_program_with_incomplete_output(path):
    shell(path, "dot", "echo '<svg>'")
    for kind, start in {"svg": b"<?xml", "png": b"\x89PNG", "json0": b"{"}.items():
        assert picture(SOURCE, kind).startswith(start)


@pytest.mark.usefixtures("path")
def test_a_lone_surrogate_is_drawn_as_a_question_mark():
    assert ">?</text>" in picture('digraph { a [label="\ud800"] }', "svg").decode()


def test_the_wheel_for_svg_and_png_cannot_write_pdf(path, monkeypatch):
    monkeypatch.setattr(dot_program, "find_spec", lambda _: None)
    with pytest.raises(ToolError, match=r"no Graphviz found here can draw pdf; .*\[pdf\]"):
        picture(SOURCE, "pdf")


@pytest.mark.peer
def test_pygraphviz_draws_pdf(path, peer):
    peer("pygraphviz")
    assert picture(SOURCE, "pdf").startswith(b"%PDF-")


def test_a_missing_library_of_pygraphviz_is_reported(path, monkeypatch):
    (path / "pygraphviz.py").write_text("raise ImportError('libX11.so.6: cannot open')")
    monkeypatch.syspath_prepend(path)
    monkeypatch.delitem(sys.modules, "pygraphviz", raising=False)
    with pytest.raises(ToolError, match=r"can draw pdf; pygraphviz: libX11\.so\.6: cannot open; "):
        picture(SOURCE, "pdf")


def test_a_wheel_that_is_not_installed_offers_no_program():
    assert list(dot_program._programs_of_wheel("no-such-wheel")) == []


@pytest.mark.usefixtures("path")
class TestTheGraphvizPackagesOwnHabits:
    def test_graphviz_uses_the_program_found(self, monkeypatch):
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path("dot"))
        drawn = tg.draw(Value(2.0))
        assert graphviz.Source(drawn.source).pipe("svg").startswith(b"<?xml")
        assert drawn.pipe("svg").startswith(b"<?xml")

    def test_a_program_set_by_the_user_is_kept(self, monkeypatch):
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path("other"))
        lend_to_graphviz()
        assert Path("other") == dot_command.DOT_BINARY

    @pytest.mark.usefixtures("no_wheels")
    def test_nothing_changes_without_a_program(self, monkeypatch):
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path("dot"))
        lend_to_graphviz()
        assert Path("dot") == dot_command.DOT_BINARY


def test_a_timeout_suggests_faster_alternatives(monkeypatch, tmp_path):
    def slow(*_, **options):
        raise subprocess.TimeoutExpired("dot", options["timeout"])

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(ToolError, match=r"longer than 30 s; draw\(v, detail='layers'\) draws less"):
        picture("digraph {}", "svg")
    with pytest.raises(ToolError, match=r"longer than 0.5 s; "):
        tg.render(tg.Value(1.0), tmp_path / "graph.svg", timeout=0.5)
