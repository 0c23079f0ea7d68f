"""The README and the docs, except their examples, which run as doctests."""

import doctest
import linecache
import re
import runpy
import shlex
from operator import attrgetter
from pathlib import Path

import pytest
import tabulate_rules
import tiny
from hypothesis import assume, given, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.cli.main import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
FENCES = re.MULTILINE | re.DOTALL
ROOMS = ["drawing", "recording", "diagnosis", "debugger", "derivatives"]
ROOMS += ["pooling_as_weights", "codegen", "bridges"]


def test_the_readme_opens_with_two_commands():
    opening = README.partition("```\n")[2].partition("```")[0]
    assert "```" not in README.partition("```\n")[0]  # CI runs the first code block
    assert opening.splitlines() == [
        "pip install '.[demo]' && tinygrad-pool demo",
        "pip install -e '.[test]' && pytest",
    ]


def listed_in(page):
    text = (DOCS / page).read_text("utf-8")
    return {name.rpartition(".")[2] for name in re.findall(r"auto\w+:: ([\w.]+)", text)}


@pytest.mark.parametrize("room", ROOMS)
def test_each_folder_has_a_reference_page(room):
    assert {*getattr(tg, room).__all__} <= listed_in(f"reference/{room}.md")


def test_the_readme_fits_two_screens():
    assert README.count("\n") <= 95


def test_the_reference_lists_every_public_name():
    listed = listed_in("reference.md").union(*(listed_in(f"reference/{r}.md") for r in ROOMS))
    assert {*tg.__all__, *tg.functional.__all__} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_works(page):
    text = page.read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) + re.findall(
        r'<img src="([^"]+)"', text
    )
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_ends_before_its_fence(page):
    """Otherwise doctest would read the fence as output."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    assert [block for block in blocks if ">>>" in block and not block.endswith("\n\n")] == []


PARTS = ["one_neuron", "zero_one_weights", "does_not_learn"]
TUTORIAL = [DOCS / "tutorial" / f"{name}.md" for name in PARTS]


class TestTheTutorial:
    def test_the_typed_program_has_at_most_100_lines_all_shown(self):
        page = TUTORIAL[0].read_text("utf-8")
        typed = [b for b in re.findall(r"^```python\n(.*?)^```$", page, FENCES) if ">>>" not in b]
        assert "\n\n".join(typed) == (DOCS / "tutorial" / "tiny.py").read_text("utf-8")
        lines = (DOCS / "tutorial" / "tiny.py").read_text("utf-8").count("\n")
        assert lines <= 100
        assert f"{lines} lines" in page

    @given(st.lists(st.sampled_from(["+", "-", "*", "tanh", "max"]), max_size=8), st.data())
    def test_the_typed_program_agrees_with_the_package(self, steps, data):
        drawn = data.draw(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
        ours, theirs = list(map(tiny.Number, drawn)), list(map(tg.Value, drawn))
        for step in steps:
            i, j = data.draw(st.tuples(*[st.integers(0, len(ours) - 1)] * 2))
            tops = [max((i, j), key=lambda k: numbers[k].data) for numbers in (ours, theirs)]
            assume(step != "max" or tops[0] == tops[1])  # otherwise rounding decides the winner
            ours.append(OPERATIONS[step](ours[i], ours[j], tiny_maximum))
            theirs.append(OPERATIONS[step](theirs[i], theirs[j], tg.maximum))
        tiny.backward(ours[-1])
        theirs[-1].backward()
        for number, value in zip(ours, theirs, strict=True):
            assert number.data == pytest.approx(value.data)
            assert number.grad == pytest.approx(value.grad)

    @pytest.mark.parametrize("page", TUTORIAL, ids=lambda page: page.name)
    def test_each_part_has_a_player_and_three_exercises_with_checked_answers(self, page):
        text = page.read_text("utf-8")
        exercises = re.split(r"^### Exercise ", text, flags=re.MULTILINE)[1:]
        assert "```{player} E\n" in text
        assert [exercise[:2] for exercise in exercises] == ["1:", "2:", "3:"]
        for exercise in exercises:
            answer = exercise.partition("<summary>Answer</summary>\n")[2].partition("</details>")[0]
            assert doctest.DocTestParser().get_examples(answer)


def tiny_maximum(*numbers):
    return tiny.apply(tiny.maximum, *numbers)


OPERATIONS = {
    "+": lambda a, b, _: a + b,
    "-": lambda a, b, _: a - b,
    "*": lambda a, b, _: a * b,
    "tanh": lambda a, *_: a.tanh(),
    "max": lambda a, b, maximum: maximum(a, b),
}


def test_the_table_of_rules_is_up_to_date():
    assert tabulate_rules.PAGE.read_text("utf-8") == tabulate_rules.page()


def test_every_name_in_the_translation_table_exists():
    text = (DOCS / "names.md").read_text("utf-8")
    names = set(re.findall(r"`tg\.([\w.]+)`", text))
    assert len(names) > 40
    for name in names:
        attrgetter(name)(tg)


@pytest.mark.long
def test_the_pictures_show_current_numbers():
    drawn = runpy.run_path(str(DOCS / "draw_pictures.py"))["pictures"]()
    folder = DOCS / "pictures"
    assert {path.name for path in folder.iterdir()} == set(drawn)
    for name, picture in drawn.items():
        assert words((folder / name).read_text("utf-8")) == words(picture.decode()), name


SESSIONS = re.findall(
    r"^```text\n\$ (tinygrad-pool|python) ([^\n]*)\n(.*?)^```$",
    "".join((DOCS / page).read_text("utf-8") for page in ("stepping.md", "debuggers.md")),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("program", "command", "printed"), SESSIONS, ids=[s[1] for s in SESSIONS])
def test_the_sessions_show_actual_output(program, command, printed, monkeypatch, capsys):
    monkeypatch.chdir(ROOT / "examples")
    if program == "python":
        runpy.run_path(command, run_name="__main__")
    else:
        assert main(shlex.split(command)) == 0
    assert without_paths(capsys.readouterr().out) == without_paths(printed)


def test_the_unrolled_program_contains_the_line_shown():
    line = re.search(r"as in `(a1 = [^`]+)`", (DOCS / "stepping.md").read_text("utf-8"))[1]
    program = tg.unroll(runpy.run_path(str(ROOT / "examples" / "06_lost_gradient.py"))["E"])
    program()
    programs = [linecache.getlines(name) for name in [*linecache.cache] if "<unrolled E" in name]
    assert any(f"    {line}\n" in text for text in programs)


def without_paths(printed):
    """Remove the path of the package and its line numbers."""
    return re.sub(r"(> ).*(tinygrad_pool/rules/\w+\.py)\((?:\d+|…)\)", r"\1\2", printed)


def words(svg):
    """List the texts in a picture, independent of their positions."""
    return sorted(re.findall(r"<(?:text|title)\b[^>]*>([^<]*)<", svg))
