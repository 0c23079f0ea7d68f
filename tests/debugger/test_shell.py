"""The debugger's prompt: what its commands show, bad input, and a whole session at a terminal."""

import io
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pexpect
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_pool as tg
from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.errors import OptionError, ToolError


def test_a_node_is_found_by_an_expression_of_the_program(run):
    net = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=0), tg.nn.Linear(2, 1, rng=1))
    stranger = tg.Value(1.0, label="1.weight")
    E = (net(np.ones((1, 2))) * 2.0).sum()

    def same(commands, name, other):
        ours, theirs = (
            run(commands.replace("W", n), E, net=net, t=[stranger]) for n in (name, other)
        )
        assert ours.replace(name, other) == theirs
        assert "no node is called" not in ours

    for commands in ("why W", "why W[0, 1]", "W", "set W[0, 0] = 3; replay; why W", "paths W[0,1]"):
        same(commands, "net[0].weight", "0.weight")
    for commands in ("b W if g.any(); c; info", "watch W; c", "until W", "jac W"):
        same(commands, "net.parameters()[2]", "1.weight")
    output = run("why t[0]; why net[0].nothing; why net[0].weight * 2", E, net=net, t=[stranger])
    assert output.count("no node is called ") == 2
    assert output.startswith("grad of 1.weight is not computed")


def test_a_call_at_the_prompt_is_made_once(network):
    numbers = iter(range(9))
    out = io.StringIO()
    shell = tg.debugger.shell.Shell(
        tg.record(network()[2]), {"numbers": numbers, "next": next}, stdout=out
    )
    for line in ("next(numbers)", "print next(numbers)", "next(numbers)"):
        shell.onecmd(shell.precmd(line))
    assert [line for line in out.getvalue().splitlines() if line.isdecimal()] == ["0", "1", "2"]


def test_a_label_takes_precedence_over_a_variable(run):
    w, v = tg.Value(2.0, label="w"), tg.Value(3.0, label="v")
    assert run("why w; why u", w * v, w=v, u=v).splitlines() == [
        *("grad of w is 3", "  from mul#2: 1 × 3 = 3"),
        *("grad of v is 2", "  from mul#2: 1 × 2 = 2"),
    ]


def test_where_shows_the_path_of_the_gradient(run):
    assert run("finish; where").splitlines()[-3:] == [
        "   add#6 gets 1",
        "   relu#3 gets 1",
        "-> mul#2 gets 0",
    ]
    assert "before the first" in run("where")


def test_show_jac_and_list(run):
    shown = run("show; show a; show m; jac m; jac; goto 2; list")
    assert "add#6 = 4, grad –\n  relu#3 = 0: sends 1\n  power#5 = 4: sends 1\n" in shown
    assert "a = 2, grad –\n" in shown
    assert "  b = −3: sends 0" in shown
    assert "  ∂m/∂a: 1\n  ∂m/∂b: 0\n" in shown
    assert "   1: add#6 gets 1\n-> 2: power#5 gets 1\n   3: m (max) gets 4" in shown
    x = tg.Value([[1.0, 2.0], [0.0, 5.0]], label="x")
    y = tg.max_pool2d(x * tg.Value(2.0), 2).sum()
    shown = run("show max_pool2d; jac max_pool2d; show mul", y)
    assert "[[0. 0. 0. 1.]]" in shown
    assert "1 2; 0 5" in shown
    big = (tg.Value([1.0] * 20, label="big") * 2.0).sum()
    shown = run("jac mul; show mul; contrib big", big)
    assert "Weights(20 units × 20 cells, links: 20 of other weights)" in shown
    assert "(20,) all 2" in shown
    assert "big has no step: it sends nothing" in shown


def test_why_explains(run):
    assert "it lost to a, by 5" in run("why b")
    assert "grad of a is 4" in run("y a")
    assert "the relu is off, as its input is −6" in run("finish; why")
    x = tg.Value([3.0, 1.0], label="x")
    assert "grad of x[1] is 0" in run("why x[1]", x.max())
    assert "[one] is not an index, such as [0, 2]" in run("why x[one]", x.max())
    assert "no node is called 'y'" in run("why y[1]", x.max())


def test_paths_write_out_the_chain_rule(run, network):
    _, _, E = network()
    assert "∂E/∂b = 1 · relu'(a b) · a\n" in run("derive b", E, E=E)
    x = tg.Value([3.0, 1.0], label="x")
    assert "∂E/∂x[0] = " in run("paths x[0]", (x * x).sum())
    unnamed = tg.maximum(tg.Value(1.0) * tg.Value(2.0), 3.0)
    assert "∂E/∂leaf#0 = [(leaf#0 leaf#1) wins] · leaf#1 = 0 · 2 = 0\n" in run(
        "paths leaf#0", unnamed
    )
    assert "needs the index of one element, such as (0,)" in run("paths x", (x * x).sum())


def test_names_of_variables_are_known(run, network):
    _, _, E = network()
    assert "grad of E is 1" in run("why E", E, E=E)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("foo", "unknown command 'foo'; help lists all commands"),
        ("goto", "goto: needs a step, as in goto 3; p g shows the gradient"),
        ("goto 99", "goto: needs a step from 0 to 5, got '99'"),
        ("node x!", "node: needs an integer, 1 or more, got 'x!'"),
        (
            "why nobody",
            "no node is called 'nobody'; known names: a, b, mul#2, relu#3, m, power#5 and 1 ",
        ),
        ("why add#7", "no node is called 'add#7'; known names: add#6"),
        ("break", "break: needs the name of a node or a rule"),
        ("watch", "watch: needs the name of a node, as in watch w12"),
        ("set = 3", "set: needs a name and a value, as in set w12 = 0.5"),
        ("set a = nan", "a will be nan in the next replay"),
        ("set m =", "set: needs a name and a value, as in set w12 = 0.5"),
        ("condition", "condition: needs the number of a breakpoint, as in condition 1 g > 0"),
        ("ignore", "ignore: needs the number of a breakpoint, as in ignore 1 3"),
        ("break m if g >", "'g >': SyntaxError: "),
        ("break m if q; c", "'q': q is not defined here; use g (the gradient that arrived)"),
        ("delete 7", "there is no breakpoint '7'; existing breakpoints: none"),
        ("ignore x 1", "there is no breakpoint 'x'; existing breakpoints: none"),
        ("bzero m", "bzero: takes no argument, got 'm'; see help bzero"),
        ("rb 2", "run-back: takes no argument, got '2'; see help run-back"),
        ("check m", "check: takes no argument, got 'm'; see help check"),
        ("up m", "up: needs an integer, 1 or more, got 'm'"),
        ("print import os", "'import os': SyntaxError: invalid syntax (the expression, line 1)"),
        ("draw nowhere/x.svg", "nowhere/x.svg: the folder nowhere does not exist"),
    ],
)
def test_bad_input_is_one_line_and_keeps_the_position(run, command, answer):
    printed = run(f"goto 2; {command}; info")
    assert answer in printed
    assert printed.splitlines()[-1].endswith("of 5 steps taken")


def test_set_to_none_undoes_a_change(run):
    output = run("set a = 5; set a = None; set; replay").splitlines()
    assert output[1:] == [
        "a will be 2 in the next replay (now 2)",
        "nothing is set",
        "replay: nothing is set; set NAME = VALUE first",
    ]


def test_without_a_terminal_and_commands_is_an_error(monkeypatch, network):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(
        ToolError, match="debug: needs a terminal for its prompt; without one, pass commands="
    ):
        tg.debug(network()[2])


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        *(("g > 0", "True"), ("g is None", "False"), ("np.array([g, -g]) > 0", "[ True False]")),
        *(("g", "1"), ("3", "3"), ("np.float32(2)", "2"), ("np.arange(2)", "0 1")),
        *(("'a'", "'a'"), ("np.array(['a'])", "['a']"), ("(g, op)", "(1.0, 'add')")),
    ],
)
def test_print_shows_values_of_all_types(run, expression, shown):
    assert run(f"print {expression}") == f"{shown}\n"


def test_print_knows_all_names(run, network):
    net, x = tg.nn.Linear(1, 1, bias=False), np.arange(6.0)
    net.weight.data = [[3.0]]
    E = net(np.ones((1, 1))).sum()
    output = run(
        "p x[2:4]; net.weight.data; net; x; p g; finish; p net.weight.grad", E, net=net, x=x, g=7
    )
    assert output.splitlines()[:4] == [
        "2 3",
        "3",
        "Linear(in_features=1, out_features=1, bias=False)",
        "(6,) 0 … 5",
    ]
    assert output.splitlines()[-1] == "1"
    net.zero_grad()
    assert run("p x.sort(); p x.shape; p y", E, x=x).splitlines() == [
        "'x.sort()': ValueError: sort array is read-only",
        "(6,)",
        "'y': NameError: name 'y' is not defined",
    ]


def test_print_shows_small_arrays_and_the_corners_of_large_ones(run):
    assert run("p np.arange(6.).reshape(1, 6)") == "(1, 6) 0 … 5\n[[0. 1. 2. 3. 4. 5.]]\n"
    assert run("p np.ones((0, 3))") == "(0, 3) empty\n[]\n"
    assert run("p np.arange(300)").endswith(" 298 299]\n")
    assert "..." not in run("p np.arange(300)")
    large = run("p np.ones((100, 100)) / 3; p np.zeros((20, 20, 20, 20))").splitlines()
    assert large[0] == "(100, 100) all 0.3333"
    assert large[1] == "[[0.3333 0.3333 0.3333 ... 0.3333 0.3333 0.3333]"
    assert len(large) < 40
    assert max(map(len, large)) < 80


def test_an_expression_that_raises_is_quoted():
    with pytest.raises(OptionError, match="ZeroDivisionError"):
        breakpoints.evaluate("1 / 0", {})


def test_at_a_terminal_it_introduces_itself_and_an_empty_line_repeats(monkeypatch, capsys, network):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal("node\n\nq\n"))
    _, _, E = network()
    tg.debug(E, names={"E": E})
    printed = capsys.readouterr().out
    assert printed.startswith("5 steps back from E = 4\nn takes a step, rn undoes it, w shows")
    assert "why a explains a gradient;\nhelp lists all commands, q quits\n" in printed
    assert "1 of 5: E (+) gets 1" in printed
    assert "2 of 5: power" in printed


def test_pdb_enters_the_closure_of_a_node(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("p 'of someone else'\n"))
    a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
    tg.debug((a * b).exp(), commands="finish; pdb; where; p g, w; why a; q; pdb a; info")
    printed = capsys.readouterr().out
    assert "someone" not in printed
    assert "(Pdb) why a\ngrad of a is −0.007436\n  from mul#2: 0.002479 × −3 = −0.007436" in printed
    assert "mul_backward()" in printed
    assert "-> to_x = g * w" in printed
    assert "(0.0024787521766663585, -3.0)" in printed
    assert "pdb: a has no step in this pass, so there is no closure to enter" in printed
    assert printed.endswith("2 of 2 steps taken\n")


@pytest.mark.long
def test_a_session_at_a_terminal(tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "import tinygrad_pool as tg\n"
        "a, b = tg.Value(2.0), tg.Value(-3.0)\n"
        "E = (a * b).relu() + tg.maximum(a, b) ** 2\n"
    )
    plain = {"TERM": "dumb", "HOME": str(tmp_path)}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tinygrad_pool", "debug", str(script)],
        env={**os.environ, **plain},
        encoding="utf-8",
        timeout=60,
        echo=False,
        dimensions=(50, 200),
    )
    prompt = r"\(backward\) "
    child.expect(prompt)
    assert re.search(r"5 steps back from E = 4, made at net.py:3\r\n", child.before)
    output = []
    for command in ("node", "", "help", "help why", "whe\t", "why b", "q"):
        child.sendline(command)
        child.expect(pexpect.EOF if command == "q" else prompt)
        output.append(child.before)
    assert "1 of 5: E (+) gets 1" in output[0]
    assert "2 of 5: power" in output[1]
    assert "help COMMAND explains one." in output[2]
    assert "explain a gradient" in output[3]
    assert "it lost to a, by 5" in output[5]
    child.close()
    assert child.exitstatus == 0


def test_a_leaf_has_no_steps(run):
    shown = run("node; where; back; steps; show; info", tg.Value(2.0, label="a")).splitlines()
    assert shown[:4] == ["this pass has no steps: a is a leaf"] * 4
    assert shown[4:] == ["a = 2, grad –", "0 of 0 steps taken"]


def test_jac_distinguishes_repeated_operands(run):
    a = tg.Value(2.0, label="a")
    assert run("jac", a * a).splitlines() == [
        "  ∂mul#1/∂a, as operand 1: 2",
        "  ∂mul#1/∂a, as operand 2: 2",
    ]


def test_completion_knows_commands_and_nodes(network):
    shell = tg.debugger.shell.Shell(tg.record(network()[2]))
    assert shell.completenames("run") == ["run-back"]
    assert shell.completedefault("m") == ["mul#2", "m", "mul", "maximum"]
    assert shell.onecmd(shell.precmd("EOF")) is True


def test_set_and_replay(run):
    shown = run("set b = 4; set; replay; set").splitlines()
    assert shown[:3] == [
        "b will be 4 in the next replay (now −3)",
        "b = 4",
        "before the first of 5 steps; type node to take it",
    ]
    assert shown[3] == "7 nodes compared: the data of 6 and the gradients of 3 differ:"
    assert "m: a (2) won, now b (4) does; the whole δ = 8 goes to b" in shown
    assert shown[-1] == "nothing is set"


def test_set_shows_the_new_number(run):
    shown = run(
        "finish; set a = a - 0.5 * a.grad; set b = np.float32(2); set m = None"
    ).splitlines()
    assert shown[-3:] == [
        "a will be 0 in the next replay (now 2)",
        "b will be 2 in the next replay (now −3)",
        "m will be 2 in the next replay (now 2)",
    ]


def test_a_replay_keeps_the_position_and_revert_undoes_it(run):
    shown = run("goto 3; set b = data + 7; replay; why a; revert; why a; info")
    assert shown.count("3 of 5: m (max) gets") == 3
    assert "grad of a is 4 = 4 + 0" in shown
    assert shown.count("grad of a is 4") == 2
    assert shown.endswith("3 of 5 steps taken\n")


def test_revert_forgets_changes(run):
    output = run("set a = 5; replay; revert; set; set b = 4; replay; p a.data")
    assert output.splitlines()[-1] == "2"
    assert "nothing is set\n" in output


def test_a_warning_of_a_replay_is_shown_once(run):
    x = tg.Value(2.0, label="x")
    assert run("set x = 0; replay", x.log()).count("divide by zero encountered in log") == 1


def test_a_breakpoint_without_a_match_in_another_pass_never_stops(run):
    what_if = "set m = 7; replay; b m as computed; b mul; revert; c; c"
    output = run(what_if).splitlines()
    assert "nothing in this pass matches breakpoint 1: m as computed, hit 0 times" in output
    assert "breakpoint 2: mul, hit once" in output
    assert output[-1] == "stopped at no breakpoint: this is the end of the pass"
    again = run(f"{what_if}; set m = 7; replay; restart; c")
    assert "breakpoint 1: m as computed, hit once" in again


def test_breakpoints_stop_in_a_replay(run):
    shown = run("b m if g > 5; c; set b = 4; replay; restart; c")
    assert "breakpoint 1: m if g > 5, hit 0 times" in shown
    assert "5 of 5, the last" in shown
    assert shown.rstrip().splitlines()[-4].startswith("breakpoint 1: m if g > 5, hit once")
    assert "3 of 5: m (max) gets 8" in shown


def test_one_element_is_set(run):
    x = tg.Value([[1.0, 2.0], [3.0, 4.0]], label="x[0]")
    shown = run("set x[0][1, -1] = data * 2; replay", (x * x).sum())
    assert "x[0][1, -1] will be 8 in the next replay (now 4)" in shown
    assert re.search(r"x\[0\] +\(2, 2\): \[1, 1\] 4 → 8", shown)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("set a", "set: needs a name and a value, as in set w12 = 0.5"),
        ("set a =", "set: needs a name and a value, as in set w12 = 0.5"),
        ("set q = 1", "no node is called 'q'"),
        ("set a = foo", "'foo': NameError"),
        ("set a = 1 +", "'1 +': SyntaxError"),
        ("set a = [1, 2]", "set a"),
        ("set a[0] = 1", "set: a of shape () has no element [0]"),
        ("replay", "replay: nothing is set; set NAME = VALUE first"),
        ("save", "save: needs a file name ending in .html or .txt, got ''"),
        ("save 'pass.txt", '"\'pass.txt": No closing quotation'),
        ("save pass.png", "save: needs a file name ending in .html or .txt, got 'pass.png'"),
        ("save missing/pass.txt", "missing/pass.txt: the folder missing does not exist"),
    ],
)
def test_errors_of_set_and_save_are_one_line(run, line, answer):
    shown = run(f"node; {line}; info").splitlines()[-2:]
    assert shown[0].startswith(answer)
    assert shown[1] == "1 of 5 steps taken"


@pytest.mark.long
def test_a_terminal_completes_names_remembers_commands_and_colours_source(tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "import tinygrad_pool as tg\n"
        'a, b = tg.Value(2.0, label="alpha"), tg.Value(-3.0)\n'
        "E = (a * b).relu()\n"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tinygrad_pool", "debug", str(script)],
        env={**os.environ, "TERM": "xterm", "HOME": str(tmp_path), "INPUTRC": os.devnull},
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 200),
    )
    prompt = r"\(backward\) "
    child.expect(prompt)
    child.send("why al\t\n")
    child.expect("grad of alpha is 0")
    child.expect(prompt)
    child.send("show mul#\t\n")
    child.expect(r"mul#2 = −6")
    child.expect(prompt)
    child.send("\x1b[A\n")  # arrow up: the last command again
    child.expect(r"mul#2 = −6")
    child.expect(prompt)
    child.send("list\n")
    child.expect(prompt)
    assert "\x1b[" in child.before
    assert re.sub(r"\x1b\[[0-9;?]*\w", "", child.before).count("->    3  E = (a * b).relu()") == 1
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_it_works_without_readline(monkeypatch, capsys, network):
    monkeypatch.setattr("tinygrad_pool.debugger.terminal.find_spec", lambda _: None)
    tg.debug(network()[2], commands="node")
    assert "1 of 5" in capsys.readouterr().out


def test_the_completion_of_the_surrounding_shell_is_restored(monkeypatch, network):
    readline = pytest.importorskip("readline")
    before, at_prompt = readline.get_completer_delims(), []

    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def readline(self, *size):
            at_prompt.append(readline.get_completer_delims())
            return super().readline(*size)

    monkeypatch.setattr("sys.stdin", Terminal("pdb\nq\n\nq\n"))
    tg.debug(network()[2], commands="node")
    assert len(at_prompt) == 4
    assert "#" in before
    assert all("#" not in ends for ends in (at_prompt[0], at_prompt[2], at_prompt[3]))
    assert readline.get_completer_delims() == before


WORDS = st.sampled_from(
    [
        *("", "a", "b", "m", "relu", "mul#2", "power#5", "add#6", "7", "-1", "0", "1", "99"),
        *("a[0]", "a[", "m[0, 1]", "]", "= 3", "m = data + 1", "a = 'x'", "b = 1e400", "a = nan"),
        *("m if g > 1", "m if (", "1 g", "1 1 / 0", "1 2", "é€\u2028", "'", '"', "x" * 999),
        *("net.py:3", ":3", "3:", "%s {0}", "(lambda: 1)()", "[].pop()", "g.foo", "np", "True"),
    ]
)
COMMANDS = st.sampled_from(
    [name[3:] for name in dir(tg.debugger.shell.Shell) if name.startswith("do_")]
).filter(lambda name: name not in ("pdb", "draw", "save", "quit", "help"))


@settings(max_examples=150)
@given(st.lists(st.tuples(COMMANDS, WORDS), min_size=1, max_size=12))
def test_any_input_is_answered_and_changes_no_gradient(network, lines):
    _, _, E = network()
    stdout = io.StringIO()
    shell = tg.debugger.shell.Shell(tg.record(E), stdout=stdout)
    with np.errstate(all="ignore"):
        for command, argument in lines:
            assert not shell.onecmd(shell.precmd(f"{command} {argument}"))
    recorded = shell.recorded
    shell.onecmd("revert")
    shell.onecmd("finish")
    assert shell.recording is recorded
    assert recorded.position == len(recorded) == 5
    again = tg.record(E)
    assert [s.upstream for s in recorded] == [s.upstream for s in again]


@pytest.mark.long
@pytest.mark.peer
@pytest.mark.parametrize("pdb", [False, True])
def test_in_an_executed_notebook_commands_run_without_a_prompt(kernel, pdb):
    kernel("import tinygrad_pool as tg\nx = tg.Value(2.0, label='x')\nE = (x * x).relu()")
    shown = kernel(f"tg.debug(E, commands='node', pdb={pdb})")
    assert "relu#2 gets 1" in shown
    assert "StdinNotImplementedError" not in shown
    assert "debug: needs a terminal for its prompt" in kernel(f"tg.debug(E, pdb={pdb})")


@pytest.mark.long
@pytest.mark.peer
def test_in_a_notebook_a_closure_is_entered_from_the_prompt(kernel):
    kernel("import tinygrad_pool as tg\nx = tg.Value(2.0, label='x')\nE = (x * x).relu()")
    shown = kernel("tg.debug(E)", ["pdb relu", "p g * 7", "q", "info", "q"])
    assert "relu_backward" in shown
    assert "7.0" in shown.splitlines()
    assert "1 of 2 steps taken" in shown


@pytest.mark.parametrize("stdin", [None, "closed"])
def test_commands_run_without_stdin(monkeypatch, run, stdin):
    if stdin:
        stdin = io.StringIO()
        stdin.close()
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("node").startswith("1 of 5")


def test_a_prompt_without_input_ends(monkeypatch, network):
    def refuse(_):
        raise NotImplementedError

    monkeypatch.setattr("builtins.input", refuse)
    shell = tg.debugger.shell.Shell(tg.record(network()[2]), stdout=io.StringIO())
    shell.use_rawinput = True
    shell.cmdloop("go")
    assert shell.stdout.getvalue() == "go\n"


def test_gradients_from_before_the_pass_are_reported_first(run, network):
    a, _, E = network()
    E.backward()
    a.data = 7.0
    output = run("show a; show m", E).splitlines()
    assert output[0] == "before this pass, which adds to it: a.grad = 4; zero_grad() clears it"
    stale = "a was set after mul#2 was computed from it, so these numbers are out of date: "
    assert output[1].startswith(stale)
    assert output[3].startswith(f"  but {stale}")
    assert output[-1].startswith(f"  but {stale}")


def test_every_command_handles_a_value_outside_the_graph(run):
    v = tg.Value(2.0, label="v")
    output = run(
        "why v; break v; watch v; until v; goto v; set v = 3; paths v; show v; pdb v", v=v
    ).splitlines()
    assert output == [
        "grad of v is not computed",
        "  because the loss does not depend on it: it was not used, it was detached, or only its "
        "numbers were used, as with v.data",
        *["v is not in this graph; why v explains that"] * 4,
        "set: v is not in this graph",
        "derive: the add node does not depend on v",
        "v = 2, grad –",
        "pdb: v has no step in this pass, so there is no closure to enter",
    ]


STEPPING = (Path(__file__).parents[2] / "docs" / "stepping.md").read_text("utf-8")
NOTEBOOK = re.search(r"^```text\n(In \[1\]: .*?)^```$", STEPPING, re.M | re.S)[1]


@pytest.mark.long
@pytest.mark.peer
def test_the_transcript_of_a_notebook_is_current(kernel):
    """Cells begin with `In [1]: `, and commands typed at the prompt with `(backward)`."""
    kernel(f"%cd -q {Path(__file__).parents[2] / 'examples'}")
    cells = re.split(r"^In \[\d+\]: ", NOTEBOOK, flags=re.M)[1:]
    assert len(cells) > 2
    for i, transcript in enumerate(cells, 1):
        cell, _, printed = transcript.partition("\n")
        answers = re.findall(r"^\(backward\) (.*)$", printed, re.M)
        shown = kernel(cell, answers)
        assert f"{shown.rstrip()}\n" == re.sub(rf"^Out\[{i}\]: ", "", printed.rstrip() + "\n")


def until(child, answer, act, *line):
    """Act until it is answered: Python misses a Ctrl-C between its prompt and its waiting.

    An answer that comes late is given twice.
    """
    for _ in range(120):
        act(*line)
        if child.expect([answer, pexpect.TIMEOUT], timeout=0.5) == 0:
            return
    pytest.fail(f"{answer!r} did not come")


def type_and_interrupt(child):
    """Press Ctrl-C after the line has been read: it discards what readline still waits for."""
    child.send("half a li")
    time.sleep(0.2)
    child.sendintr()


@pytest.mark.long
def test_ctrl_c_stops_a_command_or_discards_a_line(tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "import signal\nimport tinygrad_pool as tg\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job may ignore Ctrl-C
        "a = tg.Value(2.0)\nE = (a * a).exp()\n"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tinygrad_pool", "debug", str(script)],
        env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)},
        encoding="utf-8",
        timeout=60,
        echo=False,
        dimensions=(50, 200),
    )
    prompt = r"\(backward\) "
    child.expect(prompt)
    child.sendline("bgrad print('asleep') or __import__('time').sleep(99)")
    child.expect(prompt)
    child.sendline("continue")
    child.expect("asleep")
    child.sendintr()
    child.expect("interrupted, after 1 of 2 steps")
    child.expect(prompt)
    until(child, "q quits", type_and_interrupt, child)
    until(child, "no breakpoint", child.sendline, "delete 7")
    until(child, "1 of 2 steps taken", child.sendline, "info")
    until(child, pexpect.EOF, child.sendline, "q")
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    child.close()


def test_an_interrupt_is_reported(network, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    shell = tg.debugger.shell.Shell(tg.record(network()[2]), stdout=io.StringIO())
    shell.recording.seek(3)
    monkeypatch.setattr(shell.recording, "seek", interrupted)
    assert shell.onecmd("node") is False
    assert shell.stdout.getvalue() == "interrupted, after 3 of 5 steps\n"


def test_ctrl_c_at_the_prompt_prompts_again(monkeypatch, network):
    shell = tg.debugger.shell.Shell(tg.record(network()[2]), stdout=io.StringIO())
    shell.use_rawinput = True
    typed = iter([KeyboardInterrupt, "node", "q"])

    def read(_):
        line = next(typed)
        if line is KeyboardInterrupt:
            raise line
        return line

    monkeypatch.setattr("builtins.input", read)
    shell.cmdloop("go")
    assert shell.stdout.getvalue().splitlines()[:4] == [
        "go",
        "",
        "q quits",
        "1 of 5: add#6 gets 1",
    ]


# -- files


def test_draw_highlights_the_node_of_the_step(run, tmp_path):
    out = tmp_path / "here.dot"
    assert "shows the graph after 3 steps" in run(f"goto 3; draw {out}")
    assert "#FFE08A" in out.read_text(encoding="utf-8")
    assert "shows the graph after 0 steps" in run(f"draw {out}")
    assert "#FFE08A" not in out.read_text(encoding="utf-8")
    assert "shows the graph after 1 step," in run(f"goto 1; draw {out}")


def test_a_pass_is_saved_as_a_page_or_as_text(run, tmp_path):
    run(f"goto 2; save {tmp_path}/pass.txt; save {tmp_path}/pass.html; info")
    saved = (tmp_path / "pass.txt").read_text().splitlines()
    assert saved[0] == "before the first of 5 steps; type node to take it"
    assert saved[-3:] == run("finish").splitlines()
    assert "<title>Backward pass</title>" in (tmp_path / "pass.html").read_text()
    run(f"save {tmp_path}/PASS.HTML; save {tmp_path}/pass.htm; draw {tmp_path}/NOW.HTML")
    for name in ("PASS.HTML", "pass.htm", "NOW.HTML"):
        assert (tmp_path / name).read_text().startswith("<!DOCTYPE html>")
    assert '<meta http-equiv="refresh" content="1">' in (tmp_path / "NOW.HTML").read_text()


def test_a_drawing_is_updated_at_each_step_until_draw_off(run, tmp_path):
    page = tmp_path / "now.html"
    run(f"draw {page}; node")
    lit = page.read_text()
    assert '<meta http-equiv="refresh" content="1">' in lit
    assert lit.count('fill="#ffe08a"') == 1
    run(f"draw {page}; draw off; node")
    assert page.read_text().count('fill="#ffe08a"') == 0
    run(f"draw {tmp_path}/now.svg; finish")
    assert (tmp_path / "now.svg").read_text().count('fill="#ffe08a"') == 1
