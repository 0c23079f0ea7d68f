"""Which Graphviz draws, and what is said when none can."""

import os
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from graphviz.backend import dot_command

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing import dot_program
from tinygrad_pool.drawing.dot_program import VARIABLE, lend_to_graphviz, picture
from tinygrad_pool.errors import ToolError

SOURCE = "digraph { a -> b }"


def program(folder: Path, name: str, says: str, code: int = 0) -> Path:
    """Write a program that prints its arguments and a word, in place of Graphviz."""
    path = folder / name
    path.write_text(
        f'#!/bin/sh\ncat > /dev/null\necho "{says} $@"\necho "{says} failed" >&2\nexit {code}\n'
    )
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


def test_the_wheel_draws_where_there_is_no_dot(path):
    assert picture(SOURCE, "svg").startswith(b"<?xml")


def test_dot_on_the_path_comes_before_the_wheel(path):
    program(path, "dot", "system")
    assert picture(SOURCE, "svg") == b"system -Kdot -Tsvg\n"


def test_the_variable_comes_before_dot(path, monkeypatch):
    program(path, "dot", "system")
    monkeypatch.setenv(VARIABLE, str(program(path, "mine", "mine")))
    assert picture(SOURCE, "png") == b"mine -Kdot -Tpng\n"


def test_a_broken_dot_gives_way_to_the_wheel(path):
    program(path, "dot", "system", code=3)
    assert picture(SOURCE, "svg").startswith(b"<?xml")


def test_a_broken_choice_of_the_users_is_an_error(path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(path / "absent"))
    with pytest.raises(ToolError, match="absent: No such file or directory; install Graphviz"):
        picture(SOURCE, "svg")


@pytest.mark.usefixtures("no_wheels")
def test_without_any_the_error_says_what_was_tried_and_what_to_install(path, tmp_path):
    program(path, "dot", "system", code=3)
    with pytest.raises(ToolError) as caught:
        picture(SOURCE, "svg")
    assert "dot: system failed; install Graphviz" in str(caught.value)
    assert "pip install 'tinygrad_pool[render]'" in str(caught.value)
    assert tg.render(Value(2.0), tmp_path / "graph.dot").exists()


@pytest.mark.usefixtures("no_wheels")
def test_a_program_that_says_nothing_is_known_by_its_exit_code(path):
    (path / "dot").write_text("#!/bin/sh\nexit 7\n")
    (path / "dot").chmod(0o755)
    with pytest.raises(ToolError, match="exit code 7"):
        picture(SOURCE, "svg")


def test_pdf_is_beyond_the_wheel_for_svg_and_png(path, monkeypatch):
    monkeypatch.setattr(dot_program, "find_spec", lambda _: None)
    with pytest.raises(ToolError, match=r"no Graphviz here can draw pdf; .*\[pdf\]"):
        picture(SOURCE, "pdf")


@pytest.mark.peer
def test_pygraphviz_draws_pdf(path, peer):
    peer("pygraphviz")
    assert picture(SOURCE, "pdf").startswith(b"%PDF-")


def test_a_pygraphviz_that_lacks_a_library_is_told_of(path, monkeypatch):
    (path / "pygraphviz.py").write_text("raise ImportError('libX11.so.6: cannot open')")
    monkeypatch.syspath_prepend(path)
    monkeypatch.delitem(sys.modules, "pygraphviz", raising=False)
    with pytest.raises(ToolError, match=r"can draw pdf; pygraphviz: libX11\.so\.6: cannot open; "):
        picture(SOURCE, "pdf")


def test_a_wheel_that_is_not_installed_offers_no_program():
    assert list(dot_program._programs_of_wheel("no-such-wheel")) == []


@pytest.mark.usefixtures("path")
class TestTheGraphvizPackagesOwnHabits:
    def test_they_use_the_program_found_here(self, monkeypatch):
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path("dot"))
        assert tg.draw(Value(2.0)).pipe("svg").startswith(b"<?xml")

    def test_a_choice_made_by_the_user_stays(self, monkeypatch):
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path("other"))
        lend_to_graphviz()
        assert Path("other") == dot_command.DOT_BINARY

    @pytest.mark.usefixtures("no_wheels")
    def test_nothing_changes_where_there_is_none(self, monkeypatch):
        monkeypatch.setattr(dot_command, "DOT_BINARY", Path("dot"))
        lend_to_graphviz()
        assert Path("dot") == dot_command.DOT_BINARY


def test_the_engine_is_handed_on(path):
    program(path, "dot", "system")
    assert picture(SOURCE, "json0", "nop2") == b"system -Knop2 -Tjson0\n"


def test_an_svg_names_fonts_to_fall_back_on(path):
    labelled = 'digraph { node [fontname=Helvetica]; a [label="Helvetica,sans-Serif"] }'
    drawn = picture(labelled, "svg").decode()
    assert 'font-family="Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif"' in drawn
    assert 'font-family="Helvetica,sans-Serif"' not in drawn


def test_a_label_that_reads_like_the_fonts_stays(path):
    labelled = 'digraph { a [label="Helvetica,sans-Serif" fontname=Helvetica] }'
    texts = ET.fromstring(picture(labelled, "svg")).itertext()
    assert "Helvetica,sans-Serif" in texts


def test_a_layout_that_takes_too_long_ends_and_offers_what_would_work(path, monkeypatch):
    monkeypatch.setattr(dot_program, "TIMEOUT", 0.2)
    (path / "dot").write_text("#!/bin/sh\nexec sleep 20\n")
    (path / "dot").chmod(0o755)
    started = time.perf_counter()
    with pytest.raises(ToolError, match=r"took longer than 30 s; detail='layers' or 'ops' draws"):
        picture(SOURCE, "svg")
    assert time.perf_counter() - started < 5
