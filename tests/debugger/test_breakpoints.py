"""Where a walk stops: conditions on arrays, names that several nodes have, and ignored stops."""

import io
import warnings

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.breakpoints import check, evaluate
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.errors import OptionError


def array():
    """Return Σ relu(x)², with x = 2, −1, 3."""
    x = tg.Value([2.0, -1.0, 3.0], label="x")
    return (x.relu() ** 2).sum()


def chain():
    """Return relu(relu(relu(x)))."""
    return tg.Value(2.0, label="x").relu().relu().relu()


@pytest.fixture
def run():
    """Run commands on a pass; return the output."""

    def commands(loss, text):
        shell = Shell(tg.record(loss), stdout=io.StringIO())
        for line in text.split("; "):
            shell.onecmd(shell.precmd(line))
        return shell.stdout.getvalue()

    return commands


def test_a_condition_that_raises_stops_and_reports_it(run):
    answer = run(array(), "break power if int(op); c").splitlines()
    assert answer[1].startswith("in breakpoint 1, 'int(op)': ValueError: ")
    assert answer[3] == "2 of 3: power#2 gets 1 1 1"


def test_a_breakpoint_is_ignored_as_many_times_as_asked(run):
    stops = [line for line in run(chain(), "b relu; ignore 1 2; c").splitlines() if " of 3" in line]
    assert stops == ["3 of 3, the last: relu#1 gets 1"]
    assert "1 of 3: relu#3" in run(chain(), "b relu; ignore 1 0; c")
    assert "2 of 3: relu#2" in run(chain(), "b relu; ignore 1 1; c")
    assert "hit 3 times" in run(chain(), "b relu; ignore 1 2; c; info").splitlines()[-2]


def test_a_label_comes_before_a_rule_of_that_name(run):
    a = tg.Value(2.0, label="a")
    named = a.exp()
    named.label = "relu"
    E = named.relu()
    assert "2 of 2, the last: relu (exp)" in run(E, "break relu; c")
    assert "1 of 2: relu#2" in run(E, "break relu_backward; c")


def test_all_nodes_of_one_name_are_stopped_at(run):
    x = tg.Value(2.0, label="x")
    first = x.exp()
    second = first.tanh()
    first.label = second.label = "h"
    stops = run(second.log(), "break h; c; c")
    assert "2 of 3: h" in stops
    assert "3 of 3, the last: h" in stops


def test_all_leaves_of_one_name_are_watched(run):
    a, b = tg.Value(2.0, label="w"), tg.Value(3.0, label="w")
    E = (a.exp() * b).log()
    answer = run(E, "watch w; c; c").splitlines()
    assert answer[1:4] == [
        "breakpoint 1: gradient of w, hit once",
        "  w#1: grad – -> 0.3333",
        "2 of 3: mul#3 gets 0.04511",
    ]
    assert "  w#0: grad – -> 1" in answer


def test_an_expression_cannot_change_what_it_reads():
    g = np.array([1.0, 2.0])
    with pytest.raises(OptionError, match=r"'g\.fill\(0\)': ValueError"):
        evaluate("g.fill(0)", {"g": g})
    assert g.tolist() == [1.0, 2.0]
    assert evaluate("g * 2", {"g": g}).tolist() == [2.0, 4.0]


@pytest.mark.parametrize("expression", ["exit()", "__import__('sys').exit(3)", "1 / 0"])
def test_an_expression_that_exits_or_raises_is_an_option_error(expression):
    with pytest.raises(OptionError, match=r"SystemExit|ZeroDivisionError"):
        evaluate(expression, {})


@pytest.mark.parametrize("expression", ["(" * 10_000, "-" * 10_000 + "1", "\0", "1 +", "g = 3"])
def test_invalid_expressions_raise_option_error(expression):
    with pytest.raises(OptionError, match="Error"):
        check(expression)


def test_syntax_warnings_of_an_expression_are_ignored():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate("1 is 1", {}) is True
