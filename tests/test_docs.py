"""The README and the docs beyond their examples, which run as doctests."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli.main import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = ["drawing", "recording", "diagnosis", "debugger", "derivatives"]
ROOMS += ["pooling_as_weights", "codegen", "bridges"]


def test_the_readme_opens_with_two_commands():
    opening = README.partition("```\n")[2].partition("```")[0]
    assert README.startswith("# tinygrad_pool\n\n```\n")
    assert opening.splitlines() == [
        "pip install '.[demo]' && tinygrad-pool demo",
        "pip install -e '.[test]' && pytest",
    ]


def listed_in(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    return {name.rpartition(".")[2] for name in re.findall(r"auto\w+:: ([\w.]+)", text)}


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_its_page(room):
    assert {*getattr(tg, room).__all__} <= listed_in(f"reference/{room}.md")


def test_the_reference_lists_every_public_name():
    listed = listed_in("reference.md").union(*(listed_in(f"reference/{r}.md") for r in ROOMS))
    assert {*tg.__all__, *tg.functional.__all__} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_ends_before_its_fence(page):
    """Doctest would take a fence that follows at once for output."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    assert [block for block in blocks if ">>>" in block and not block.endswith("\n\n")] == []


@pytest.mark.slow
def test_the_pictures_show_what_the_engine_computes_today():
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_pictures.py"))["pictures"]()
    folder = ROOT / "docs" / "pictures"
    assert {path.name for path in folder.iterdir()} == set(drawn)
    for name, picture in drawn.items():
        assert words((folder / name).read_text("utf-8")) == words(picture.decode()), name


SESSIONS = re.findall(
    r"^```text\n\$ (tinygrad-pool|python) ([^\n]*)\n(.*?)^```$",
    (ROOT / "docs" / "stepping.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("program", "command", "printed"), SESSIONS, ids=[s[1] for s in SESSIONS])
def test_the_sessions_are_as_they_run(program, command, printed, monkeypatch, capsys):
    monkeypatch.chdir(ROOT / "examples")
    if program == "python":
        runpy.run_path(command, run_name="__main__")
    else:
        assert main(shlex.split(command)) == 0
    assert shown(capsys.readouterr().out) == shown(printed)


def shown(printed):
    """Leave out where the package is, and the numbers of its lines."""
    return re.sub(r"(> ).*(tinygrad_pool/rules/\w+\.py)\(\d+\)", r"\1\2", printed)


def words(svg):
    """List what is written in a picture, wherever a Graphviz has put it."""
    return sorted(re.findall(r"<(?:text|title)\b[^>]*>([^<]*)<", svg))
