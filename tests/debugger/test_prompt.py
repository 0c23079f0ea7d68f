"""How a line is read and answered: help, odd names, mistakes of every kind, narrow terminals."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.breakpoints import at_name
from tinygrad_pool.debugger.prompt import GROUPS, SHORT
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.errors import OptionError

COMMANDS = sorted(name[3:].replace("_", "-") for name in dir(Shell) if name.startswith("do_"))


@pytest.fixture
def run():
    """Run commands on a pass; return the output."""

    def commands(text, loss=None):
        a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
        shell = Shell(tg.record((a * b).relu() if loss is None else loss), stdout=io.StringIO())
        for line in text.split("; "):
            shell.onecmd(shell.precmd(line))
        return shell.stdout.getvalue()

    return commands


@pytest.mark.parametrize("command", [*COMMANDS, *SHORT])
def test_each_command_has_help_under_each_of_its_names(run, command):
    if command not in ("?", "EOF"):
        long = SHORT.get(command, command).replace("_", "-")
        printed = run(f"help {command}")
        assert printed.startswith(long)
        assert all(not line.startswith("    ") for line in printed.splitlines())


def test_help_lists_every_command_and_its_aliases(run):
    listed = run("help").split()
    assert set(COMMANDS) <= set(listed)
    assert run("?") == run("help")
    assert run("h") == run("help")
    assert run("help run-back").splitlines()[-1] == "Also: rb, rc, reverse-continue."
    assert run("?why").splitlines()[-1] == "Also: y."


def test_every_command_is_in_one_group():
    listed = " ".join(GROUPS.values()).split()
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("brek mul", "unknown command 'brek' (did you mean break?); help lists all commands"),
        ("wher", "unknown command 'wher' (did you mean where?); help lists all commands"),
        ("zzz", "unknown command 'zzz'; help lists all commands"),
        ("a", "a = 2, grad –"),
        ("a.data + 1", "3"),
        ("print g * 2", "2"),
        ("op", "'relu'"),
        ("break ", "break: needs the name of a node or a rule, or a line of source"),
        ("pp [a.grad, b.label]", "[0.0, 'b']"),
        ("p np.array([1.0, 2.0])", "1 2"),
        ("print", "print: needs an expression, as in print g * data"),
        ("p nope", "'nope': NameError: name 'nope' is not defined"),
        ("a = 5", "to change a number for the next replay, type set a = 5"),
        ("a.data=5", "to change a number for the next replay, type set a = 5"),
        ("b = 5", "to change a number for the next replay, type set b = 5"),
        ("set a.data = 5", "a will be 5 in the next replay (now 2)"),
        ("set a = −5 − 1", "a will be −6 in the next replay (now 2)"),
        ("draw a.svg b.svg", "draw: needs one file name or off, got 'a.svg b.svg'"),
        ("b * 2 < 0", "True"),
        ("x = 5", "unknown command 'x'; help lists all commands"),
        ("a += 5", "'a += 5': SyntaxError: invalid syntax (the expression, line 1)"),
        ("a +", "'a +': SyntaxError: invalid syntax (the expression, line 1)"),
    ],
)
def test_names_and_expressions_are_shown_and_unknown_commands_reported(run, line, answer):
    assert run(f"node; {line}").splitlines()[2:] == [answer]


def test_an_assignment_to_an_attribute_is_an_invalid_expression(run):
    assert run("a.grad = 5").startswith("'a.grad = 5': SyntaxError: ")


def test_help_lists_commands_without_docstrings(run, monkeypatch):
    monkeypatch.setattr(Shell.do_node, "__doc__", None)  # as under python -OO
    assert run("help").splitlines()[:2] == ["moving:", "  node n s         "]


def test_a_rule_alone_shows_its_node_or_the_names_of_several(run):
    assert run("relu").splitlines()[0] == "relu#3 = 0, grad –"
    x = tg.Value(2.0, label="x")
    assert run("exp", x.exp().exp()) == "'exp' is the name of 2 nodes: exp#1, exp#2\n"


def test_a_line_may_have_several_commands(network):
    shell = Shell(tg.record(network()[2]), stdin=io.StringIO("n; n;;\n\nq\n"), stdout=io.StringIO())
    shell.cmdloop()
    assert re.findall(r"(\d) of 5:", shell.stdout.getvalue()) == ["1", "2", "3"]


def test_ctrl_c_discards_queued_commands(network):
    def interrupt():
        raise KeyboardInterrupt

    recording = tg.record(network()[2], names={"interrupt": interrupt})
    typed = io.StringIO("n; p interrupt(); n\nq\n")
    shell = Shell(recording, {"interrupt": interrupt}, stdin=typed, stdout=io.StringIO())
    shell.cmdloop()
    assert "interrupted, after 1 of 5 steps" in shell.stdout.getvalue()
    assert recording.position == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (UnicodeDecodeError("ascii", b"\xce", 0, 1, "no"), "cannot read that: 'ascii' codec"),
        (ValueError("I/O operation on closed file"), ""),
    ],
)
def test_only_input_that_is_closed_ends_the_prompt(network, monkeypatch, wrong, says):
    def read(_):
        line = next(typed)
        if isinstance(line, str):
            return line
        raise line

    typed = iter(["n", wrong, "n", "q"])
    monkeypatch.setattr("builtins.input", read)
    shell = Shell(tg.record(network()[2]), stdout=io.StringIO())
    shell.cmdloop()
    assert says in shell.stdout.getvalue()
    assert shell.recording.position == (2 if says else 1)


def test_the_end_of_input_ends_the_line_of_the_prompt(network):
    shell = Shell(tg.record(network()[2]), stdin=io.StringIO(), stdout=io.StringIO())
    shell.cmdloop()
    assert shell.stdout.getvalue() == "(backward) \n"


@pytest.mark.parametrize("leave", ["quit()", "exit()", "exit"])
def test_it_is_quit_in_the_same_ways_as_python(network, leave):
    shell = Shell(tg.record(network()[2]), stdout=io.StringIO())
    assert shell.onecmd(shell.precmd(leave))


def test_up_and_down_select_a_node_of_the_path_until_the_next_step(run):
    printed = run("up; node 2; up; p op; up; down; down; p op; up; rs; p op").splitlines()
    assert printed[0] == "this is the loss: nothing is above it"
    assert printed.count(printed[0]) == 2
    assert printed.count("this is the node of this step: back undoes steps") == 1
    assert [line for line in printed if line.startswith("'")] == ["'relu'", "'mul'", "'relu'"]


def test_up_and_down_take_a_count_and_stop_at_the_ends(run):
    x = tg.Value(2.0, label="x")
    chain = ((x * 3.0).tanh() + 1.0).exp()
    printed = run("finish; up 2; p op; up 9; p op; up 2; down 2; p op; down 9; p op", chain)
    ops = [line for line in printed.splitlines() if line.startswith("'")]
    assert ops == ["'add'", "'exp'", "'tanh'", "'mul'"]
    assert printed.count("this is the loss: nothing is above it") == 1


def test_gains_tabulates_the_strongest_path_and_its_sharpest_step(run):
    x = h = tg.Value(0.5, label="x")
    for _ in range(9):
        h = (h * 0.1).tanh()
    printed = run("gains x; gains", h).splitlines()
    assert printed[0] == f"{tg.record(h).gains(x)}".partition("\n")[0] + ":"
    assert any(line.split()[:2] == ["mul", "9"] for line in printed)
    assert printed[-2:] == [
        "mul × 0.1 (9 times); no step stands out",
        "gains: needs a node below tanh#18, where the pass starts",
    ]


def test_check_compares_closures_with_slopes_and_data_with_the_leaves(run):
    a = tg.Value(2.0, label="a")
    E = a * 3.0
    a.data = 5.0
    assert run("check").splitlines() == ["2 closures compared with finite differences: none wrong"]
    assert run("check", E).splitlines()[-1] == "set since this pass: a"


@pytest.mark.parametrize("pdb", ["no", 1, np.ones(2), None])
def test_pdb_is_a_flag(pdb):
    with pytest.raises(OptionError, match="debug: pdb must be True or False, got "):
        tg.debug(tg.Value(1.0) * 2.0, commands="n", pdb=pdb)


@pytest.mark.parametrize("commands", [["n", "s"], b"n", 3])
def test_commands_are_text(commands):
    with pytest.raises(OptionError, match="debug: commands must be text, as in commands='node"):
        tg.debug(tg.Value(1.0).exp(), commands=commands)


@pytest.mark.parametrize("name", ["", " "])
def test_a_breakpoint_needs_a_name(name):
    with pytest.raises(OptionError, match="a breakpoint needs the name of a node or a rule"):
        at_name(tg.record(tg.Value(1.0).exp()), name)


def test_an_empty_line_repeats_only_moves(run):
    assert (
        run("n; ; ; rs; ; rs").splitlines()[-1]
        == "before the first of 2 steps; type node to take it"
    )
    assert run("p 7; ; ").splitlines() == ["7"]


def test_help_fits_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, run("help").splitlines())) <= 40


def test_help_is_not_cut_at_80_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert "…" not in run("help")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("help foo", "unknown command 'foo'; help lists all commands"),
        ("back 99999999999999999999", "back: needs an integer, 1 or more, got '9999"),
        ("node " + "9" * 5000, "node: needs an integer, 1 or more, got '9999"),
        ("break net.py:" + "9" * 5000, "no node is called 'net.py:9999"),
        ("delete " + "9" * 5000, "there is no breakpoint '9999"),
        ("why " + "x" * 10_000, "no node is called 'xxxx"),
        ("bgrad " + "-" * 10_000 + "1", "'-----"),
        ("draw nul\0.svg", "'nul\\x00.svg': cannot be written: not a possible file name"),
        ("set a = exit()", "'exit()': SystemExit: None"),
        ("set a = data.fill(3)", "'data.fill(3)': AttributeError: "),
        ("set a = 'x'", "set a: needs real numbers, got <U1"),
        ("[", "unknown command '['; help lists all commands"),
    ],
)
def test_every_error_is_one_short_line(run, line, answer):
    before = run("node")
    printed = run(f"node; {line}")[len(before) :]
    assert printed.startswith(answer)
    assert len(printed.splitlines()) == 1
    assert len(printed) < 500


def test_an_error_of_a_rule_is_reported(run):
    def odd(x):
        if x > 5:
            raise KeyError("too\nlarge")
        return x * 1.0, lambda g: (g,)

    printed = run("set x = 9; replay; info", tg.lift(odd)(tg.Value(2.0, label="x"))).splitlines()
    assert printed[-3:] == [
        "replay: KeyError: 'too\\nlarge'",
        "set for the next replay: x = 9",
        "0 of 1 step taken",
    ]


@pytest.mark.parametrize("label", ["p=q", "a == b", "x if y", "two words", "why", "7", "a[0]", "é"])
def test_a_label_may_be_anything(run, label):
    x = tg.Value(2.0, label=label)
    E = x.exp()
    assert f"grad of {label} is 7.389" in run(f"why {label}", E)
    assert f"{label} will be 3 in the next replay (now 2)" in run(f"set {label} = 3", E)
    assert f"breakpoint 1: {label} if g > 0, hit once" in run(f"break {label} if g > 0; c", E)


def test_an_element_of_an_array_whose_label_has_brackets_or_signs_is_set(run):
    x = tg.Value([2.0, 3.0], label="p=q[0]")
    assert "p=q[0][1] will be 7 in the next replay (now 3)" in run("set p=q[0][1] = 7", x.sum())


def test_info_shows_breakpoints_changes_and_the_drawing(run, tmp_path):
    printed = run(
        f"break relu; watch a; set b = 4; draw {tmp_path}/now.dot; node; info"
    ).splitlines()
    assert printed[-5:] == [
        "breakpoint 1: relu, hit 0 times",
        "breakpoint 2: gradient of a, hit 0 times",
        "set for the next replay: b = 4",
        f"{tmp_path}/now.dot is updated at each step; draw off stops that",
        "1 of 2 steps taken",
    ]
    assert run("set b = 4; replay; info").splitlines()[-1].endswith("in a replay; revert leaves it")


def test_until_a_node_that_is_behind_reports_that_it_was_not_reached(run):
    assert (
        run("finish; until mul").splitlines()[-1]
        == "mul was not reached: this is the end of the pass"
    )
    assert run("until mul").splitlines()[-1] != "mul was not reached: this is the end of the pass"


def test_many_operands_are_counted_instead_of_filling_the_screen(run):
    xs = [tg.Value(float(i), label=f"x{i}") for i in range(100)]
    E = tg.maximum(*xs)
    for command in ("node", "show", "node; contrib", "jac"):
        printed = run(command, E)
        assert "… and 84 more" in printed
        assert len(printed.splitlines()) < 40


def test_a_long_path_is_shown_from_both_ends(run):
    v = tg.Value(1.0, label="x")
    for _ in range(200):
        v = v * 1.01
    printed = run("finish; where", v).splitlines()[-17:]
    assert printed[0] == "   mul#200 gets 1"
    assert printed[8] == "   … 184 nodes"
    assert printed[-1].startswith("-> mul#1 gets ")


def test_characters_that_a_terminal_cannot_encode_are_replaced():
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    shell = Shell(tg.record(tg.Value(-1.0, label="δ").exp()), stdout=stdout)
    shell.onecmd("show δ")
    stdout.flush()
    assert stdout.buffer.getvalue() == b"delta = -1, grad -\n"


def test_it_ends_quietly_when_the_pipe_is_closed(tmp_path):
    script = tmp_path / "net.py"
    script.write_text("import tinygrad_pool as tg\nE = tg.Value(2.0).exp()\n")
    command = [sys.executable, "-m", "tinygrad_pool", "debug", str(script), "-c", "help;" * 5000]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    ) as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


def test_a_program_gets_broken_pipe_error():
    class Gone(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    shell = Shell(tg.record(tg.Value(1.0).exp()), stdout=Gone())
    with pytest.raises(BrokenPipeError):
        shell.onecmd("node")


def test_conditions_cannot_change_the_pass(run):
    x = tg.Value(np.array([1.0, 2.0]), label="x")
    E = (x * x).sum()
    run("break mul if g.sort() or data.fill(0); c; set x = data.sort()", E)
    assert x.data.tolist() == [1.0, 2.0]
    assert [step.upstream.tolist() for step in tg.record(E)][1] == [1.0, 1.0]
