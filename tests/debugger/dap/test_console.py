"""The prompt in a debug console: answers as text, and what can be typed next."""

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap.console import MOST, Console


def console(loss):
    return Console(tg.record(loss), {}, lambda: False)


def test_each_answer_is_its_own():
    shell = console(tg.Value(2.0, label="x").exp())
    assert shell.answer("node").startswith("1 of 1, the last: exp#1 gets 1")
    said = "1 of 1 steps taken\nbefore the first of 1 step; node takes it\n"
    assert shell.answer("info\n\nback") == said
    assert shell.answer("") == ""


def test_pdb_asks_elsewhere():
    shell = console(tg.Value(2.0, label="x").exp())
    assert shell.answer("pdb") == (
        "pdb asks at a terminal: tinygrad-pool debug SCRIPT.py, then pdb NAME\n"
    )


def test_quit_is_noted():
    shell = console(tg.Value(2.0, label="x").exp())
    assert (shell.left, shell.answer("q"), shell.left) == (False, "", True)


def test_completion_knows_where_the_word_begins():
    shell = console(tg.Value(2.0, label="weight").exp())
    assert shell.completions("why we and more", 6) == [{"label": "weight", "start": 4, "length": 2}]
    assert shell.completions("y we", 4)[0]["label"] == "weight"
    assert shell.completions("set weight=we", 13)[0]["start"] == 11
    assert {c["label"] for c in shell.completions("run", 3)} == {"run-back"}
    assert {c["label"] for c in shell.completions("help run", 8)} == {"run-back"}


def test_not_all_of_very_many_names_are_offered():
    x = tg.Value(1.0, label="x")
    for _ in range(MOST + 50):
        x = x.tanh()
    assert len(console(x).completions("why ", 4)) == MOST
