"""Mutation testing: what is edited, and that the entries of mutants.toml still apply."""

from pathlib import Path

import mutants
import pytest

SOURCE = '''
"""A module."""
import numpy as np

if TYPE_CHECKING:
    import graphviz

def add_backward(g: int = 1) -> tuple:
    """Is left alone: a > b."""
    if g > FEW:
        return None
    if g is None:
        raise ValueError(f"{g!r} + 1")
    np.add.at(total, i, g)
    total.append(unbroadcast(g, 3))
    total += np.argmax(g, axis=0, keepdims=True)
    return g, not total and "first"
'''


@pytest.fixture
def edits(tmp_path):
    """List the mutants of a small module: kind, old and new text of each."""
    (tmp_path / "module.py").write_text(SOURCE, "utf-8")
    return {m[2:5]: m for m in mutants.mutants_of(Path("module.py"), tmp_path)}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("flip a comparison", "g is None", "g is not None"),
        ("turn a condition round", "g is None", "(not (g is None))"),
        ("remove a check", 'raise ValueError(f"{g!r} + 1")', "pass"),
        ("lose a scatter-add", "np.add.at(total, i, g)", "total[i] = g"),
        ("skip a call", "total.append(unbroadcast(g, 3))", "pass"),
        ("drop unbroadcast", "unbroadcast(g, 3)", "(g)"),
        ("lose a sum", None, "total = np.argmax(g, axis=0, keepdims=True)"),
        ("take another function", "np.argmax", "np.argmin"),
        ("forget an option", None, "np.argmax(g, keepdims=True)"),
        ("change a constant", "True", "False"),
        ("change a constant", '"first"', "'last'"),
        ("be off by one", "3", "4"),
        ("swap results", None, "return (not total and 'first', g)"),
        ("drop a sign", "not total", "(total)"),
        ("change a connective", None, "(not total or 'first')"),
    ],
)
def test_each_kind_of_mutation_is_made(edits, kind, old, new):
    assert [m for m in edits if m[0] == kind and m[2] == new and old in (None, m[1])]


def test_a_mutation_edits_one_place_only(edits):
    for mutant in edits.values():
        assert mutant.where == "add_backward"
        assert mutant.text.count("\n") == SOURCE.count("\n")
        assert '"""Is left alone: a > b."""' in mutant.text


def test_code_that_only_affects_speed_is_not_mutated(edits):
    assert ("be off by one", "1", "2") in edits  # a default
    assert not [m for m in edits if "FEW" in m[1]]


@pytest.mark.slow
def test_every_accepted_mutant_still_exists():
    answers = mutants.answers()
    assert all(why.strip() for why in answers.values())
    for path in {key[0] for key in answers}:
        made = {m.key for m in mutants.mutants_of(path)}
        assert {key for key in answers if key[0] == path} <= made


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def test_it():\n    assert 1 + 1 == 2", ""),
        ("", ""),  # without tests nothing is noticed
        ("def test_it():\n    assert 1 - 1 == 2, 'this - and that'", "test_own.py::test_it"),
        ("import nowhere", "test_own.py"),
    ],
)
def test_a_failing_test_is_named(tmp_path, text, name):
    (tmp_path / "test_own.py").write_text(text, "utf-8")
    assert mutants.fails(tmp_path, ["test_own.py"]) == name


@pytest.mark.long
def test_a_suite_that_cannot_begin_notices_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "suites_of", lambda *_: [["nowhere.py"]])
    name = mutants.fails(tmp_path, ["nowhere.py"])
    mistake = mutants.Mutant("m.py", "f", "be off by one", "1", "2", 1, "2")
    assert mutants.alone({mistake: name}, tmp_path) == name == "exit code 4"
    assert mutants.alone({mistake: ""}, tmp_path) == ""


def test_tests_that_fail_without_a_mistake_are_named(monkeypatch, capsys):
    runs = []
    monkeypatch.setattr(
        mutants, "fails", lambda _, tests: runs.append(tests) or "test_own.py::test"
    )
    assert mutants.main(["--most", "0", "--jobs", "1", "files.py"]) == 1
    assert capsys.readouterr().out == "the tests fail without a mistake: test_own.py::test\n"
    assert runs == [["--ignore=tests/test_messages.py"]]
