"""Python's debugger over a backward pass: one stop a node, and everything that pdb can."""

import io
import os
import pdb
import re
import signal
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pexpect
import pytest

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.debugger.closure_pdb import (
    ClosurePdb,
    Stop,
    _recorded,
    _running_steps,
    code_of,
)
from tinygrad_pool.errors import DataError, GraphError, RuleError, ToolError
from tinygrad_pool.recording.naming import Named


def network():
    """Return E = relu(a b) + max(a, b)², with a = 2 and b = −3: five nodes."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    m = tg.maximum(a, b)
    m.label = "m"
    return a, b, (a * b).relu() + m**2


@pytest.fixture
def run(capsys):
    """Run pdb's commands on a pass; return the output."""

    def commands(text, loss=None, **options):
        tg.debug(network()[2] if loss is None else loss, commands=text, pdb=True, **options)
        return capsys.readouterr().out

    return commands


def stops(printed):
    """List the closures in which it stopped, as (step, closure)."""
    return re.findall(r"step (\d+) of \d+: .*\n(?:  .*\n)?> .*\)([\w<>]+)\(\)\n", printed)


def test_node_stops_once_per_node(run):
    a, b, E = network()
    printed = run("node; node; node; node; node", E)
    assert stops(printed) == [
        ("1", "add_backward"),
        ("2", "power_backward"),
        ("3", "relu_backward"),
        ("4", "mul_backward"),
        ("5", "maximum_backward"),
    ]
    assert printed.endswith("the pass is complete\n")
    assert (a.grad, b.grad) == (4.0, 0.0)


def test_commands_are_shown_as_they_are_run(run):
    assert "(Pdb) node\nstep 2 of 5: power#5 gets 1\n> " in run("node; q")


def test_each_stop_shows_the_gradient_the_name_and_the_line(run):
    with tg.traced():
        _, _, E = network()
    printed = run("node; node; node; node; q", E, names={"E": E})
    assert "step 1 of 5: E gets 1\n  test_closure_pdb.py:" in printed
    assert "step 5 of 5: m gets 4\n  test_closure_pdb.py:" in printed
    assert ": m = tg.maximum(a, b)\n" in printed


def test_all_of_pdb_works_inside_the_closure(run):
    printed = run("node; node; node; node; p g, x_wins; n; p to_x; u; p node.op; down; where; q")
    assert "(4.0, True)\n" in printed
    assert "\n4.0\n" in printed
    assert "'maximum'" in printed
    assert "maximum_backward()" in printed


def test_next_and_step_go_from_closure_to_closure(run):
    printed = run("n; n; n; p 'sends', __return__; n; s; r; s; c")
    assert stops(printed) == [
        ("1", "add_backward"),
        ("2", "power_backward"),
        ("3", "relu_backward"),
    ]
    assert printed.count("--Return--") == 2
    assert "('sends', (1.0, 1.0))" in printed
    assert "numpy" not in printed
    assert "tinygrad_pool/engine" not in printed


def test_step_stops_only_in_closures_of_arrays_too(run):
    x, b = Value(np.ones((3, 2))), Value(np.ones(2))
    printed = run("s; " * 60, tg.maximum(tg.relu(x + b), b, x).max(axis=0).mean())
    names = re.findall(r"^> .*\)([\w<>]+)\(\)", printed, re.MULTILINE)
    rules = "mean", "max", "maximum", "relu", "add"
    assert list(dict.fromkeys(names)) == [f"{rule}_backward" for rule in rules]
    assert printed.endswith("the pass is complete\n")


def test_continue_runs_to_a_breakpoint_or_the_end(run):
    line = code_of(Value(1.0) * Value(2.0)).co_firstlineno + 1
    printed = run(f"tbreak tinygrad_pool/rules/arithmetic.py:{line}; c; p g; c")
    assert "mul_backward()" in printed
    assert printed.endswith("the pass is complete\n")
    assert run("c").endswith("the pass is complete\n")


def test_quitting_leaves_every_gradient_as_it_was(run):
    a, b, E = network()
    a.grad = 7.0
    printed = run("node; node; node; q", E)
    assert printed.endswith("the pass was quit; all gradients are restored\n")
    assert (a.grad, b.has_grad, E.has_grad) == (7.0, False, False)
    assert run("node", E).endswith("all gradients are restored\n")  # no prompt


def test_why_explains_a_gradient_and_the_pass_goes_on(run):
    a, b, E = network()
    a.grad = 7.0
    printed = run("node; node; why b; why a; why; node; node; node; node", E)
    assert "(Pdb) why b\ngrad of b is 0 = 0 + 0\n" in printed
    assert "(Pdb) why a\ngrad of a is 4 = 4 + 0\n" in printed
    assert "but earlier passes left 7 in a.grad, so that it is 11 after this one" in printed
    assert "(Pdb) why\ngrad of relu#4 is 1\n" in printed
    assert printed.endswith("the pass is complete\n")
    assert (a.grad, b.grad) == (11.0, 0.0)


def test_a_half_done_recording_gives_way_and_stays_undone_after_quitting(run):
    a, _, E = network()
    recording = tg.record(E)
    recording.seek(4)
    run("node; q", E)
    assert (recording.position, a.has_grad) == (0, False)


def test_anything_but_a_value_is_refused(run):
    with pytest.raises(DataError, match="debug: needs a Value, got int"):
        run("node", 3)


HELD = []


def test_a_pass_run_at_the_prompt_ends_this_one(run):
    def double(x):
        def double_backward(g):
            return (2 * g,)

        return 2 * x, double_backward

    w = Value(3.0, label="w")
    HELD.append(tg.lift(double)(w * w))
    with pytest.raises(GraphError, match="while it was paused, one from the double node began"):
        run("HELD.pop().backward(); node", HELD[0])
    assert not w.has_grad


def test_gradients_are_those_of_backward_bit_for_bit(run):
    rng = np.random.default_rng(0)
    x, w = (Value(rng.standard_normal((3, 3)), label=label) for label in "xw")
    loss = tg.softmax(x @ w).max(axis=1).sum()
    loss.backward()
    expected = [x.grad.copy(), w.grad.copy()]
    x.zero_grad(), w.zero_grad()
    run("node; node; c", loss)
    assert np.array_equal([x.grad, w.grad], expected)
    x.zero_grad()
    run("c", x * 2.0, gradient=np.full((3, 3), 3.0))
    assert np.array_equal(x.grad, np.full((3, 3), 6.0))


def test_custom_rules_stop_whatever_their_closure_is_called(run):
    def halve(x):
        return x / 2, lambda g: (g / 2,)

    def call(x):
        return x * 1.0, len  # no function of Python's: it is skipped

    class Double:
        def __call__(self, g):
            return (g * 2,)

    def double(x):
        return x * 2, Double()

    def double_partly(x):
        return x * 2, partial(lambda n, g: (g * n,), 2)

    y = tg.lift(halve)(Value(4.0, label="x").exp())
    assert [name for _, name in stops(run("node; node", y))] == ["<lambda>", "exp_backward"]
    y = tg.lift(double)(tg.lift(double_partly)(y))
    names = [name for _, name in stops(run("node; node; node; node", y))]
    assert names == ["__call__", "<lambda>", "<lambda>", "exp_backward"]
    assert code_of(tg.lift(double_partly)(Value(1.0))).co_name == "<lambda>"
    assert code_of(tg.lift(call)(Value(1.0))) is None
    assert code_of(Value(1.0)) is None


def test_a_guarded_closure_is_entered_itself(run):
    with tg.checked():
        y = Value(2.0).exp()
    assert [name for _, name in stops(run("node", y))] == ["exp_backward"]


def test_an_error_is_shown_in_its_closure_and_raised(capsys):
    def broken(x):
        def broken_backward(g):
            remembered = g * 3
            raise GraphError(f"cannot go back with {remembered}")

        return x * 1.0, broken_backward

    a = Value(2.0, label="a")
    with pytest.raises(GraphError, match="cannot go back with 3"):
        tg.debug(tg.lift(broken)(a), commands="node; p remembered; q", pdb=True)
    printed = capsys.readouterr().out
    assert "GraphError: cannot go back with 3.0; this is where it was raised" in printed
    assert printed.endswith("(Pdb) p remembered\n3.0\n(Pdb) q\n")
    assert not a.has_grad


def test_an_error_inside_numpy_is_shown_in_the_closure_with_its_node(capsys):
    def broken(x):
        def broken_backward(g):
            kept = g * 3
            return (kept / np.zeros(0).max(),)

        return x * 1.0, broken_backward

    y = tg.lift(broken)(Value(2.0, label="a"))
    y.label = "y"
    for commands in ("c", "node; node", "node; n; node"):
        with pytest.raises(ValueError, match="zero-size") as raised:
            tg.debug(y**2, commands=f"{commands}; p kept; down; p kept; q", pdb=True)
        assert raised.value.__notes__ == ["in the backward closure of the broken node 'y'"]
        printed = capsys.readouterr().out
        assert "in the closure of step 2 of 2: y gets 4\nValueError: zero-size array" in printed
        assert "(Pdb) p kept\n12.0\n" in printed
        assert "*** NameError" in printed.split("(Pdb) down")[1]


def test_an_error_outside_all_closures_is_shown_where_it_was_raised(capsys):
    def wrong(x):
        return x * 1.0, lambda g: (np.ones((2, 2)),)

    with pytest.raises(RuleError, match="returned a contribution of shape"):
        tg.debug(tg.lift(wrong)(Value(2.0)), commands="c; p node.op; q", pdb=True)
    assert "RuleError: wrong: its closure returned" in capsys.readouterr().out


def test_a_plain_pass_and_a_recording_name_the_node_too():
    def broken(x):
        def broken_backward(g):
            raise KeyError("no")

        return x * 1.0, broken_backward

    with tg.traced():
        y = tg.lift(broken)(Value(2.0))
    for run_it in (y.backward, lambda: tg.record(y), lambda: tg.grad(y, y)):
        with pytest.raises(KeyError) as raised:
            run_it()
        (note,) = raised.value.__notes__
        assert note.startswith(
            "in the backward closure of the broken node, made at test_closure_pdb."
        )


class TestNodeByName:
    @pytest.mark.parametrize(
        ("name", "step"),
        [("m", "5"), ("mul", "4"), ("relu#4", "3"), ("maximum_backward", "5"), ("v", "2")],
    )
    def test_it_runs_to_that_node(self, run, name, step):
        _, _, E = network()
        power = E.parents[1]
        printed = run(f"node {name}; q", E, names={"v": power})
        assert [number for number, _ in stops(printed)] == ["1", step]

    @pytest.mark.parametrize("command", ["restart", "run", "back"])
    def test_it_does_not_restart(self, run, command):
        printed = run(f"node; {command}; node; q")
        assert "*** in pdb, a pass only runs forwards; quit with q, then" in printed
        assert [number for number, _ in stops(printed)] == ["1", "2", "3"]

    def test_it_runs_several_nodes_ahead(self, run):
        assert [number for number, _ in stops(run("node 3; node 9; q"))] == ["1", "4"]

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("nobody", "*** no node is called 'nobody'; known names: a, b, m"),
            ("a", "*** a is a leaf: it has no closure to stop in"),
            ("add", "*** add has run already, and in pdb, a pass only runs forwards"),
            ("0", "*** no node is called '0'"),
        ],
    )
    def test_an_unreachable_node_is_an_error_and_nothing_moves(self, run, name, answer):
        printed = run(f"node {name}; node; q")
        assert answer in printed
        assert [number for number, _ in stops(printed)] == ["1", "2"]

    def test_a_node_without_a_gradient_is_not_reached(self, run):
        def deaf(x):
            return x * 1.0, lambda g: (None,)

        printed = run("node exp; q", tg.lift(deaf)(Value(2.0).exp()))
        assert (
            "that node was not reached: no gradient arrives there\nthe pass is complete" in printed
        )

    def test_a_breakpoint_on_the_way_stops_first(self, run):
        line = code_of(Value(1.0).relu()).co_firstlineno + 1
        printed = run(f"tbreak tinygrad_pool/rules/elementwise.py:{line}; node m; c; q")
        assert [number for number, _ in stops(printed)] == ["1", "3"]

    def test_it_works_from_the_prompt(self, capsys):
        tg.debug(network()[2], commands="node; pdb; node m; q; info")
        assert "5 of 5: m (max) gets 4" in capsys.readouterr().out


def test_gradients_and_data_from_before_are_reported_first(run):
    a, _, E = network()
    a.grad = 7.0
    a.data = 3.0
    printed = run("q", E).splitlines()
    assert printed[1] == "before this pass, which adds to it: a.grad = 7; zero_grad() clears it"
    assert printed[2].startswith(
        "a was set after m was computed from it, so these numbers are out of date"
    )


def test_errors_that_numpy_catches_do_not_stop(run):
    def odd(x):
        def odd_backward(g):
            to_x = g * np.asarray(x).dot(1.0)
            with np.errstate(all="ignore"):
                _ = np.loadtxt(io.StringIO("1 2"), converters={0: lambda s: float(s) + 0.0})
            return (to_x,)

        return x * 2.0, odd_backward

    printed = run("n; n; n; n; n; p to_x; c", tg.lift(odd)(Value(2.0)))
    assert "Error" not in printed
    assert printed.count("odd_backward()") >= 4


def test_breakpoint_in_a_closure_stops_there(monkeypatch, capsys):
    def watched(x):
        def watched_backward(g):
            breakpoint()  # what this is about
            return (g * 2,)

        return x * 2.0, watched_backward

    asked = []
    monkeypatch.setattr("sys.breakpointhook", lambda: asked.append(sys._getframe(1).f_code.co_name))
    y = tg.lift(watched)(Value(1.0))
    y.backward()
    tg.record(y)
    tg.debug(y, commands="c", pdb=True)
    assert asked == ["watched_backward"] * 3


def test_without_a_terminal_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(ToolError, match="debug: needs a terminal"):
        tg.debug(network()[2], pdb=True)


def test_the_previous_tracer_is_restored(run):
    def tracer(*_):
        return None

    before = sys.gettrace()
    try:
        sys.settrace(tracer)
        run("node; c")
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_the_handler_of_ctrl_c_is_restored_after_continue(run):
    before = signal.getsignal(signal.SIGINT)
    run("node; c")
    assert signal.getsignal(signal.SIGINT) == before


class TestWithoutATracer:
    """What Pdb calls while it traces, called from here: there, no measure of coverage sees it."""

    @pytest.fixture(autouse=True)
    def _untraced(self, monkeypatch):
        monkeypatch.setattr(ClosurePdb, "runcall", lambda self, function: function())
        monkeypatch.setattr(ClosurePdb, "set_quit", lambda self: None)  # it drops any tracer

    @pytest.fixture
    def debugger(self):
        debugger = ClosurePdb(Named([], {}), stdin=io.StringIO("p 1\n"), stdout=io.StringIO())
        debugger.reset()
        return debugger

    @staticmethod
    def inside(node):
        """Return the frame of a node's closure."""
        frames = []

        def tracer(frame, event, _):
            frames.append(frame)

        profiler = sys.getprofile()
        sys.setprofile(tracer)
        node._closure(1.0)
        sys.setprofile(profiler)
        return frames[0]

    def test_it_stops_in_the_expected_closure(self, debugger):
        y, other = Value(2.0).exp(), Value(2.0).tanh()
        debugger.expected = Stop(y, lambda: None, "step 1: y gets 1")
        assert debugger.stop_here(self.inside(y))
        assert not debugger.stop_here(self.inside(other))
        debugger.user_call(self.inside(y), None)
        assert debugger.stdout.getvalue() == ""
        debugger.user_line(self.inside(y))
        assert debugger.expected is None
        assert debugger.stdout.getvalue().startswith("step 1: y gets 1\n> ")
        assert debugger.stop_here(self.inside(other))  # as pdb's step does
        debugger.user_line(self.inside(other))
        debugger.user_call(self.inside(other), None)
        assert "--Call--" in debugger.stdout.getvalue()
        assert debugger.do_node("") is True
        assert not debugger.stop_here(self.inside(y))

    def test_after_a_closure_it_runs_to_the_next_except_after_continue(self, debugger):
        y = Value(2.0).exp()
        frame = self.inside(y)
        debugger.expected = Stop(y, lambda: None, "y")
        debugger.user_line(frame)
        debugger.user_return(sys._getframe(), 1.0)
        assert not debugger.by_node
        debugger.user_return(frame, 1.0)
        assert debugger.by_node
        debugger.by_node = False
        debugger.stoplineno = -1  # as set_continue has it
        debugger.user_return(frame, 1.0)
        assert not debugger.by_node

    def test_errors_are_shown_except_those_of_pdb_itself(self, debugger):
        def fail():
            raise GraphError("no")

        def trace_dispatch():
            raise OSError("the terminal is gone")

        with pytest.raises(GraphError, match="no"):
            debugger.walk([Stop(Value(2.0).exp(), fail, "")])
        assert "GraphError: no; this is where it was raised" in debugger.stdout.getvalue()
        with pytest.raises(OSError, match="gone"):
            debugger.walk([Stop(Value(2.0).exp(), trace_dispatch, "")])
        assert "OSError" not in debugger.stdout.getvalue()

        def before_any():
            raise GraphError("stale")
            yield

        with pytest.raises(GraphError, match="stale"):
            debugger.walk(before_any())
        assert "in the closure of" not in debugger.stdout.getvalue().split("GraphError: no;")[1]

    def test_it_does_not_restart(self, debugger):
        debugger.do_run("")
        debugger.do_restart("x")
        debugger.do_back("")
        assert debugger.stdout.getvalue().count("quit with q, then start a new pass") == 3

    def test_a_node_is_found_by_number_or_name_but_only_once(self, debugger):
        a, b, E = network()
        add, relu, power = E, *E.parents
        debugger.named = Named([a, b, power.parents[0], *relu.parents, relu, power, add], {})
        debugger.visited = {add}
        assert debugger.do_node("2") is True
        assert (debugger.goal, debugger.targets) == (2, set())
        for name in ("relu_backward", "relu", "relu#4"):
            assert debugger.do_node(name) is True
            assert debugger.targets == {relu}
        for name, answer in (("a", "is a leaf"), ("add", "has run already"), ("x", "no node")):
            assert debugger.do_node(name) is False
            assert answer in debugger.stdout.getvalue().splitlines()[-1]
        debugger.expected = Stop(power, lambda: None, "")
        debugger.by_node = True
        assert not debugger.stop_here(self.inside(power))
        debugger.expected = Stop(relu, lambda: None, "")
        assert debugger.stop_here(self.inside(relu))

    def test_why_explains_a_gradient_or_says_what_is_wrong(self, debugger):
        w = Value([2.0, 3.0], label="w")
        y = tg.sum(w * w)
        debugger.record, debugger.current = partial(tg.record, y), Stop(y, lambda: None, "")
        debugger.named = debugger.record()
        for name in ("", "w[0]", "nobody"):
            debugger.do_why(name)
        assert debugger.stdout.getvalue().splitlines() == [
            "grad of sum#2 is 1",
            "  because the backward pass starts here",
            "grad of w[0] is 4 = 2 + 2",
            "  from mul#1[0]: 1 × 2 = 2",
            "  from mul#1[0]: 1 × 2 = 2",
            "*** OptionError: no node is called 'nobody'; known names: w, mul#1, sum#2; pass "
            "names=locals() to use the names of variables",
        ]

    def test_a_recording_meanwhile_leaves_the_pass_as_it_is(self):
        a, _, E = network()
        a.grad = 7.0
        stops = _running_steps(E, Named(tg.engine.backward.topological_order(E), {}), None)
        for _ in range(4):
            next(stops).take()
            recording = _recorded(E, None, {"E": E})
            assert str(recording.why("a")).endswith(
                "so that it is 11 after this one; zero_grad() clears it"
            )
            assert recording.call(E) == "E"
        next(stops).take()
        assert a.grad == 11.0

    def test_a_node_that_is_not_reached_is_reported(self, debugger):
        debugger.targets = {Value(1.0)}
        assert debugger.walk([])
        assert "that node was not reached" in debugger.stdout.getvalue()

    def test_nodes_without_a_gradient_are_skipped(self):
        def deaf(x):
            return x * 1.0, lambda g: (None,)

        y = tg.lift(deaf)(Value(2.0).exp())
        (stop, *_) = stops = _running_steps(
            y, Named([*y.parents[0].parents, *y.parents, y], {}), None
        )
        stop.take()
        assert next(stops, None) is None

    def test_it_does_not_stop_inside_numpy(self, debugger):
        debugger.by_node = False
        debugger.set_step()
        inside_numpy = eval("sys._getframe()", {"sys": sys, "__name__": "numpy.x"})
        assert not debugger.stop_here(inside_numpy)
        assert debugger.stop_here(sys._getframe())

    def test_all_steps_are_taken_or_one(self, debugger):
        y = Value(2.0).exp()
        taken = []
        stops = [Stop(y, lambda i=i: taken.append(i), "") for i in range(3)]
        assert debugger.walk(stops)
        assert taken == [0, 1, 2]
        stops[0] = Stop(y, lambda: setattr(debugger, "by_node", False), "")
        assert debugger.walk(stops, one=True)
        assert taken == [0, 1, 2]

    def test_a_whole_pass_and_pdb_from_the_prompt(self, monkeypatch, capsys):
        a, b, E = network()
        tg.debug(E, commands="c", pdb=True)
        assert (a.grad, b.grad) == (4.0, 0.0)
        with tg.traced():
            E = E * 2.0
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        tg.debug(E, commands="c", pdb=True)  # a terminal would ask after that
        monkeypatch.undo()
        monkeypatch.setattr(ClosurePdb, "runcall", lambda self, function: function())
        tg.debug(E, commands="node; pdb m; info")
        assert capsys.readouterr().out.endswith("6 of 6 steps taken\n")


@pytest.mark.long
def test_a_session_in_a_terminal(tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "import tinygrad_pool as tg\n"
        "a, b = tg.Value(2.0), tg.Value(-3.0)\n"
        "E = (a * b).relu() + tg.maximum(a, b) ** 2\n"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tinygrad_pool", "debug", "--pdb", str(script)],
        env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)},
        encoding="utf-8",
        timeout=60,
        echo=False,
        dimensions=(50, 200),
    )
    printed = []
    for command in ("node", "node", "p g", "help node", "node", "node", "c"):
        child.expect_exact("(Pdb) ")
        printed.append(child.before)
        child.sendline(command)
    child.expect(pexpect.EOF)
    assert "node goes to the next node's closure" in printed[0]
    assert "net.py:3: E = (a * b).relu()" in printed[0]
    assert "maximum_backward()" in printed[2]
    assert printed[3].strip() == "4.0"
    assert "run to the closure of the next node of the backward pass" in printed[4]
    assert "mul_backward()" in printed[6]
    assert "the pass is complete" in child.before
    child.close()
    assert child.exitstatus == 0


def test_plain_pdb_shows_an_error_in_its_closure(tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "import tinygrad_pool as tg\n"
        "def broken(x):\n"
        "    def broken_backward(g):\n"
        "        kept = g * 3\n"
        "        return (kept / 0,)\n"
        "    return x * 1.0, broken_backward\n"
        "def plain(x):\n"
        "    return tg.lift(broken)(tg.Value([x])).backward([1.0])\n"
        "plain(2.0)\n"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-W", "error", "-m", "pdb", "-c", "continue", str(script)],
        encoding="utf-8",
        timeout=60,
        echo=False,
        env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)},
    )
    child.expect_exact("(Pdb) ")
    assert "broken_backward()" in child.before
    child.sendline("p kept")
    child.expect_exact("(Pdb) ")
    assert "[3.]" in child.before
    child.close(force=True)


def test_plain_pdb_has_no_stop_of_its_own_for_a_node():
    """Count how often pdb's step stops before it comes to the first closure."""
    counted = []

    class Counting(pdb.Pdb):
        def interaction(self, frame, *_):
            counted.append(frame.f_code.co_name)
            self.set_step()

    _, _, E = network()
    tracer = sys.gettrace()
    Counting().runcall(E.backward)
    sys.settrace(tracer)
    assert counted.index("add_backward") > 20


def test_node_goes_to_the_nodes_of_a_layer(run):
    net = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=0), tg.nn.ReLU(), tg.nn.Linear(2, 1, rng=1))
    with tg.scope("net"):
        E = net(np.ones((1, 2))).sum()
    assert [closure for _, closure in stops(run("node net.0; c", E))] == [
        "sum_backward",
        "add_backward",
    ]
