"""The commands that move along a pass, and those that say where to stop."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.recording.recording import Recording


def test_node_and_goto_take_a_name(run):
    assert run("node relu; node") == run("until relu; node")
    assert run("finish; goto m") == run("finish; goto 3")
    assert run("n; goto mul#2") == run("n; finish")
    assert run("goto m; goto a").splitlines()[-1] == (
        "goto: a has no step of its own; until a runs to the step that adds to its grad"
    )
    x = tg.Value(2.0, label="x")
    assert "'exp' is the name of 2 nodes: exp#1, exp#2" in run("goto exp", x.exp().exp())
    for command in ("goto y", "node y"):
        assert run(command, x.exp()).startswith("no node is called 'y'; known names: x, exp#1")
    assert run("goto 1.5", x.exp()) == "goto: needs an integer, 0 or more, got '1.5'\n"


def test_a_step_without_a_name_lists_no_names(run, monkeypatch):
    monkeypatch.setattr(Recording, "known", lambda recording: pytest.fail("names were listed"))
    assert run("n; node 2; back; goto 2").count(" gets ") == 4


def test_break_alone_lists_the_breakpoints(run):
    output = run("b m; bnan; b").splitlines()
    assert (
        output[:2]
        == output[2:]
        == [
            "breakpoint 1: m, hit 0 times",
            "breakpoint 2: a NaN or an infinity, hit 0 times",
        ]
    )
    assert run("b").startswith("break: needs the name of a node or a rule")


def test_continue_reports_that_no_breakpoint_was_hit(run):
    end = "stopped at no breakpoint: this is the end of the pass"
    assert run("bnan; c").splitlines()[-1] == end
    output = run("b m; c; c; rb; c").splitlines()
    assert (output.count(end), output[-1]) == (2, end)
    assert end not in run("c; restart; b mul; c; finish")


def test_steps_are_taken_and_undone(run):
    assert run("node; node 2; back; goto 0; finish").splitlines() == [
        "1 of 5: add#6 gets 1",
        "  sends 1 to relu#3, whose grad is now 1",
        "  sends 1 to power#5, whose grad is now 1",
        "3 of 5: m (max) gets 4",
        "  sends 4 to a, whose grad is now 4",
        "  sends 0 to b, whose grad is now 0",
        "2 of 5: power#5 gets 1",
        "  sends 4 to m (max), whose grad is now 4",
        "before the first of 5 steps; type node to take it",
        "5 of 5, the last: mul#2 gets 0",
        "  sends 0 to a, whose grad is now 4",
        "  sends 0 to b, whose grad is now 0",
    ]


def test_steps_stop_at_both_ends(run):
    printed = run("back; n 99; n")
    assert printed.count("5 of 5, the last") == 2
    assert printed.startswith("before the first")


def test_breakpoints_stop_a_run_in_both_directions(run):
    printed = run("b relu; c; c; run-back; rb; info")
    assert printed.splitlines()[0] == "breakpoint 1: relu, hit 0 times"
    assert printed.count("4 of 5: relu#3 gets 1") == 2
    assert "breakpoint 1: relu, hit 2 times" in printed
    assert "before the first" in printed
    assert printed.splitlines()[-1] == "0 of 5 steps taken"


def test_conditions_and_ignored_hits(run):
    printed = run(
        "break mul if g > 0; c; condition 1 op == 'mul'; restart; c; ignore 1 1; restart; c"
    )
    assert "breakpoint 1: mul if g > 0, hit 0 times" in printed
    assert "breakpoint 1: mul if op == 'mul', hit once" in printed
    assert printed.count("5 of 5, the last") == 3
    assert "ignored 3 more times" in run("b mul; ignore 1 3; info")
    assert "ignored 1 more time," in run("b mul; ignore 1 1; info")
    assert "hit once" in run("b mul; condition 1 g > 9; condition 1; c")


def test_a_condition_may_follow_a_comma_and_must_follow_if(run):
    assert run("b m, g > 3").startswith("breakpoint 1: m if g > 3, hit 0 times")
    assert run("b m if").startswith("break: needs an expression after if, as in break z1 if g > 0")


def test_a_temporary_breakpoint_stops_once(run):
    printed = run("tbreak m; c; restart; c; info")
    assert "breakpoint 1: m, once, hit once" in printed
    assert printed.splitlines()[-1] == "5 of 5 steps taken"


def test_until_runs_to_a_node_or_a_rule(run):
    assert "4 of 5: relu#3" in run("until relu")
    assert "3 of 5: m (max)" in run("unt m")
    assert "until: needs the name" in run("until")


def test_a_condition_on_an_array_holds_where_any_element_does(run):
    x = tg.Value([1.0, 5.0], label="x")
    E = (x * x).sum()
    assert "2 of 2, the last: mul#1" in run("b mul if data > 20; c", E)
    assert "hit 0 times" in run("b mul if data > 30; c; info", E)


def test_a_condition_without_a_truth_value_is_reported(run):
    assert "'np': TypeError" in run("bgrad np; c")
    assert "1 of 5" in run("b add if np; c; info")


def test_watch_shows_what_is_added(run):
    printed = run("watch a; c; c; rb")
    assert printed.count("  a: grad – -> 4\n") == 2
    assert "hit 2 times\n  a: grad 4 -> 4\n5 of 5" in printed


def test_watch_stops_where_something_is_added(run):
    printed = run("watch a; c; contrib; c; contrib; c")
    assert "3 of 5: m (max)" in printed
    assert "5 of 5, the last: mul#2" in printed
    assert "  a: grad – -> 4\n" in printed
    assert "  a: grad 4 -> 4\n" in printed


def test_numeric_breakpoints(run):
    assert "3 of 5: m (max) gets 4" in run("bgrad abs(g) > 3; c")
    assert "4 of 5: relu#3 gets 1" in run("bzero; c")
    assert "5 of 5, the last" in run("bnan; c")
    assert "bgrad: needs a condition" in run("bgrad")
    for command in ("bgrad 10", "b m if 10", "b m; condition 1 10"):
        said = "'10': it is the same at every step; use g (the gradient that arrived), data, op"
        assert said in run(command)
    a = tg.Value(1e200, label="a")
    assert "1 of 2: power#2" in run("bnan; c", (a * 1e200) ** 2)


def test_delete_removes_breakpoints(run):
    assert "breakpoint" not in run("info; b m; delete 1; info").split("\n", 2)[2]
    assert run("b m; b a; delete; info").splitlines()[-1] == "0 of 5 steps taken"


@pytest.mark.parametrize("commands", ["goto 3; quit; finish", "goto 3", "set a = 9; replay; node"])
def test_quitting_before_the_end_restores_every_gradient(run, commands, network):
    a, b, E = network()
    b.grad = 100.0
    run(commands, E)
    assert (a.has_grad, b.grad, E.has_grad) == (False, 100.0, False)


def test_quitting_at_the_end_keeps_the_gradients_of_backward(run, network):
    a, _, E = network()
    run("finish; quit", E)
    left = a.grad
    a.zero_grad()
    E.backward()
    assert left == a.grad != 0


def test_contrib_shows_how_an_array_s_gradient_changed(run):
    x = tg.Value([1.0, 2.0], label="x")
    E = (np.array([5.0, 7.0]) * x + x * x).sum()
    assert "  x: grad – -> 2 4\n" in run("until mul; contrib", E)
    x.grad = [2.0, 4.0]
    assert "  x: grad 4 8 -> 9 15\n" in run("finish; contrib", E)  # on top of the 2 4 of before
    assert run("node; contrib", E).splitlines()[-1] == "  add#3: grad – -> 1 1"
