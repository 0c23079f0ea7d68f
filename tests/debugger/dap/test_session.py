"""What an editor can ask of a pass: moving, stopping, looking, changing."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap.session import MOST, Console


def test_it_stops_before_the_first_step_at_the_line_of_the_loss(net, line):
    assert net.entry["reason"] == "entry"
    assert "before the first of 9 steps" in net.output("console")
    frame = net.frame()
    assert frame["source"]["path"] == net.path
    assert (frame["name"], frame["line"]) == ("E (**), in <module>", line("E = "))


def test_step_back_undoes_a_step(net):
    net.move("next")
    reason, frame = net.move("stepIn")
    assert (reason, net.position(), frame["name"]) == ("step", 2, "sub#18, in <module>")
    assert net.names["pooled"].grad == 3.0
    assert net.move("stepBack")[1]["name"] == "E (**), in <module>"
    assert not net.names["pooled"].has_grad


def test_steps_stop_at_both_ends(net):
    assert net.move("stepBack")[1]["name"] == "E (**), in <module>"
    for _ in range(12):
        net.move("next")
    assert net.position() == 9
    assert "9 of 9, the last" in net.output("console")
    assert net.names["E"].parents[0].grad == 3.0


def test_continue_runs_to_the_next_breakpoint_and_back_to_the_previous_one(net, line):
    lines = [{"line": line("z = activation(a)")}, {"line": 1}]
    first, second = net.ask("setBreakpoints", source={"path": net.path}, breakpoints=lines)[
        "breakpoints"
    ]
    assert (first["verified"], second["verified"]) == (True, False)
    assert "line 1 made no node; nearby lines that did: net.py:8" in second["message"]
    at = [net.move("continue") for _ in range(3)]
    assert {reason for reason, _ in at} == {"breakpoint"}
    assert [frame["line"] for _, frame in at] == [line("z = activation(a)")] * 3
    called = [frame["name"].partition(" called at ")[2] for _, frame in at]
    calls = [f"net.py:{line(f'z{n} = ')}" for n in (3, 2, 1)]
    assert called == calls
    positions = [net.position()]
    for _ in range(2):
        net.move("reverseContinue")
        positions.append(net.position())
    assert positions == sorted(positions, reverse=True)
    assert net.move("reverseContinue") == ("step", net.frame())
    assert net.position() == 0


def test_a_breakpoint_at_a_call_stops_at_nodes_made_in_it(net, line):
    at_call = [{"line": line("z2 = ")}]
    net.ask("setBreakpoints", source={"path": net.path}, breakpoints=at_call)
    stops = []
    while (stop := net.move("continue"))[0] == "breakpoint":
        stops.append(stop[1]["name"].split(",")[0])
    assert stops == ["z2 (tanh)", "a2 (Σ w x + b)"]


def test_continue_at_the_end_ends_the_session(net):
    net.move("continue")
    assert net.position() == 9
    net.ask("continue", threadId=1)
    assert net.event("exited") == {"exitCode": 0}
    net.event("terminated")


def test_step_out_leaves_the_call_that_made_the_node(net, line):
    net.ask("setFunctionBreakpoints", breakpoints=[{"name": "z3"}])
    assert net.move("continue")[0] == "function breakpoint"
    reason, frame = net.move("stepOut")
    assert (reason, frame["name"].split(",")[0]) == ("step", "z2 (tanh)")
    for _ in range(4):
        net.move("stepOut")
    assert net.position() == 9


def test_goto_lists_the_steps_of_a_line(net, line):
    at = line("z = activation(a)")
    targets = net.ask("gotoTargets", source={"path": net.path}, line=at)["targets"]
    assert [t["label"] for t in targets] == ["4: z3 (relu)", "6: z2 (tanh)", "8: z1 (relu)"]
    assert {t["line"] for t in targets} == {at}
    reason, frame = net.move("goto", targetId=targets[1]["id"])
    assert (reason, net.position(), frame["name"][:9]) == ("goto", 6, "z2 (tanh)")
    pooled = net.ask("stackTrace", threadId=1)["stackFrames"][1]
    assert pooled["name"] == "pooled (max), in <module>"
    assert net.ask("restartFrame", frameId=pooled["id"]) == {}
    assert net.stopped()[1]["name"] == "pooled (max), in <module>"
    assert net.position() == 3
    assert net.ask("restartFrame", frameId=1) == {}  # of a leaf, which takes no step
    net.stopped()
    assert net.position() == 0


def test_possible_breakpoint_lines_are_listed(net, line):
    source = {"path": net.path}
    found = net.ask("breakpointLocations", source=source, line=1, endLine=99)["breakpoints"]
    assert [b["line"] for b in found] == [
        line(text)
        for text in ("a = tg.w", "z = act", "z1 = ", "z2 = ", "z3 = ", "pooled = ", "E = ")
    ]
    assert net.ask("breakpointLocations", source=source, line=1)["breakpoints"] == []
    said = net.refused("breakpointLocations", source={"path": "other.py"}, line=1)
    assert said == "breakpointLocations: no node of this pass was made in other.py"


def test_pause_is_answered_when_nothing_runs(net):
    assert net.ask("pause", threadId=1) == {}
    assert net.position() == 0


class TestData:
    def test_a_data_breakpoint_watches_the_gradient_of_a_node(self, net):
        net.ask("setFunctionBreakpoints", breakpoints=[{"name": "a3"}])
        net.move("continue")
        node = net.scope("Node")
        info = net.ask("dataBreakpointInfo", variablesReference=node, name="w32")
        assert info["dataId"] == "w32"
        assert net.ask("dataBreakpointInfo", variablesReference=node, name="rule")["dataId"] is None
        assert net.ask("dataBreakpointInfo", name="x1")["dataId"] == "x1"
        net.ask("setFunctionBreakpoints", breakpoints=[])
        net.ask("setDataBreakpoints", breakpoints=[{"dataId": "x1", "accessType": "write"}])
        net.repl("restart")
        net.stopped()
        stops = [net.move("continue") for _ in range(3)]
        assert [frame["name"][:2] for _, frame in stops] == ["a3", "a2", "a1"]
        assert {reason for reason, _ in stops} == {"data breakpoint"}
        assert "x1: grad – -> 2.7" in net.output("console")

    def test_an_unknown_name_is_refused_or_not_verified(self, net):
        assert "no node is called 'w99'" in net.refused("dataBreakpointInfo", name="w99")
        for command, key in (("setDataBreakpoints", "dataId"), ("setFunctionBreakpoints", "name")):
            (reply,) = net.ask(command, breakpoints=[{key: "w99"}])["breakpoints"]
            assert not reply["verified"]
            assert "no node is called 'w99'" in reply["message"]


class TestExceptions:
    def test_a_nan_stops_and_is_explained(self, stand):
        x = tg.Value(2.0, label="x")
        client = stand(x * tg.Value(np.nan, label="c"))
        client.ask("setExceptionBreakpoints", filters=["nan"])
        reason, _ = client.move("continue")
        assert reason == "exception"
        reply = client.ask("exceptionInfo", threadId=1)
        assert (reply["exceptionId"], reply["breakMode"]) == ("a NaN", "always")
        assert "grad of" in reply["details"]["stackTrace"]

    def test_infinity_zero_and_vanishing_are_distinguished(self, stand):
        x, y, z = (tg.Value(v, label=n) for v, n in ((2.0, "x"), (-1.0, "y"), (18.0, "z")))
        loss = x * np.inf + y.relu() + z.tanh()
        client = stand(loss)
        met = {}
        for name in ("infinity", "zero", "vanishing"):
            client.ask("setExceptionBreakpoints", filters=[name])
            reason, frame = client.move("continue")
            met[name] = (reason, frame["name"].split("#")[0])
            client.repl("restart")
            client.stopped()
        assert met["zero"] == ("exception", "relu")
        assert met["vanishing"] == ("exception", "tanh")
        assert met["infinity"] == ("exception", "mul")

    def test_a_condition_narrows_a_filter(self, stand):
        x = tg.Value(-1.0, label="x")
        client = stand(x.relu() + (x * 2).relu())
        options = [{"filterId": "zero", "condition": "data == 0 and label == 'none'"}]
        client.ask("setExceptionBreakpoints", filters=[], filterOptions=options)
        assert client.move("continue")[0] == "step"
        assert client.ask("exceptionInfo", threadId=1)["exceptionId"] == "no exception"


class TestAsking:
    def test_the_console_runs_the_prompts_commands(self, net):
        assert net.repl("why w11").startswith("grad of w11 is 0\n")
        assert net.repl("node 3") != ""
        assert net.stopped()[0] == "goto"
        assert net.position() == 3
        assert "unknown command 'nonsense'" in net.repl("nonsense")
        assert net.repl("") == ""

    def test_commands_use_the_node_of_the_selected_frame(self, net):
        net.ask("setFunctionBreakpoints", breakpoints=[{"name": "z3"}])
        net.move("continue")
        frames = net.ask("stackTrace", threadId=1)["stackFrames"]
        asked = {"expression": "show", "context": "repl"}
        for frame, name in zip(frames, ("z3 (relu)", "pooled (max)"), strict=False):
            shown = net.ask("evaluate", **asked, frameId=frame["id"])["result"]
            assert shown.startswith(f"{name} = ")

    def test_breakpoints_of_the_console_stop_continue(self, net):
        net.repl("break pooled")
        reason, frame = net.move("continue")
        assert (reason, frame["name"][:6]) == ("breakpoint", "pooled")

    def test_quit_ends_the_session(self, net):
        assert net.repl("quit\nnode") == ""
        net.event("terminated")
        for command in ("next", "stepBack", "goto", "stackTrace", "evaluate"):
            said = net.refused(command, threadId=1, targetId=1, expression="node")
            assert said == f"{command}: the session has ended; start another"
        assert not any(m.get("event") == "stopped" for m in net.kept)

    def test_a_name_or_an_expression_is_shown(self, net):
        asked = net.ask("evaluate", expression="w32", context="hover")
        assert asked["result"] == "w32 = −0.8, grad –"
        assert net.variables(asked["variablesReference"])["data"]["value"] == "−0.8"
        net.move("next")
        assert net.ask("evaluate", expression="g * 2", context="watch")["result"] == "2"
        assert net.ask("evaluate", expression="w32.grad + 1", context="watch")["result"] == "1"
        frame = net.frame()["id"]
        assert (
            net.ask("evaluate", expression="data", context="watch", frameId=frame)["result"]
            == "2.25"
        )
        assert "NameError" in net.refused("evaluate", expression="tg", context="hover")

    def test_an_element_is_shown(self, stand):
        w = tg.Value([[1.0, 2.0], [3.0, 4.0]], label="w")
        client = stand((w * w).sum())
        ask = {"expression": "w[1, 0]", "context": "watch"}
        assert client.ask("evaluate", **ask)["result"] == "w[1, 0] = 3, grad –"
        client.move("continue")
        assert client.ask("evaluate", **ask)["result"] == "w[1, 0] = 3, grad 6"

    def test_names_and_commands_complete(self, net):
        def offered(text):
            asked = net.ask("completions", text=text, column=len(text) + 1)
            return {t["label"] for t in asked["targets"]}

        assert offered("why w1") == {"w11", "w12"}
        assert offered("whe") == {"where"}


class TestChanging:
    def test_setting_a_variable_replays_the_pass_at_the_same_position(self, net):
        net.ask("setFunctionBreakpoints", breakpoints=[{"name": "pooled"}])
        net.move("continue")
        node = net.scope("Node")
        assert net.ask("setVariable", variablesReference=node, name="z1", value="data + 5") == {
            "value": "5",
            "variablesReference": 0,
        }
        reason, frame = net.stopped()
        assert (reason, frame["name"][:6], net.position()) == ("goto", "pooled", 3)
        assert "now z1 (5) does; the whole δ = 8 goes to z1" in net.output("console")
        assert net.values("Sends")["to z1"].startswith("8")
        net.move("stepBack")
        assert net.move("continue")[0] == "function breakpoint"

    def test_an_element_of_an_array_can_be_set(self, stand):
        w = tg.Value([[1.0, 2.0], [3.0, 4.0]], label="w")
        client = stand((w * w).sum())
        client.move("continue")
        rows = client.variables(client.scope("Node"))["w, operand 0"]["variablesReference"]
        row = client.variables(rows)["[1]"]["variablesReference"]
        assert client.variables(row)["[0]"]["evaluateName"] == "w[1, 0]"
        client.ask("setVariable", variablesReference=row, name="[0]", value="30")
        client.stopped()
        asked = client.ask("evaluate", expression="w[1, 0]", context="watch")
        assert asked["result"] == "w[1, 0] = 30, grad 60"

    @pytest.mark.parametrize("value", ["[1, 2]", "data + [0, 0]", "w - w.grad"])
    def test_a_whole_array_can_be_set(self, stand, value):
        w = tg.Value([1.0, 2.0], label="w")
        client = stand((w * 3.0).sum())
        client.move("next")
        client.move("next")
        ask = {"variablesReference": client.scope("Node"), "name": "w", "value": value}
        reply = {"w - w.grad": "−2 −1"}.get(value, "1 2")
        assert client.ask("setVariable", **ask) == {"value": reply, "variablesReference": 0}
        client.stopped()
        assert client.values("Node")["w"] == reply

    def test_computed_variables_cannot_be_set_and_errors_change_nothing(self, net):
        net.move("next")
        node = net.scope("Node")
        ask = {"variablesReference": node, "name": "upstream g", "value": "3"}
        assert "is computed" in net.refused("setVariable", **ask)
        ask |= {"name": "data", "value": "nobody"}
        assert "NameError" in net.refused("setVariable", **ask)
        ask |= {"value": "[1, 2, 3]"}
        assert "shape" in net.refused("setVariable", **ask)
        assert "of 9 steps taken\n" in net.repl("info") + "\n"

    @pytest.mark.parametrize("error", [ValueError, tg.errors.DataError])
    def test_a_failed_replay_undoes_the_change(self, stand, error):
        def fussy(x):
            if x > 2:
                raise error("too large")

            def fussy_backward(g):
                return (g,)

            return x * 1.0, fussy_backward

        x = tg.Value(1.0, label="x")
        client = stand(tg.lift(fussy)(x) + 0.0)
        client.move("continue")
        ask = {"variablesReference": client.scope("Node"), "name": "x", "value": "3"}
        assert "too large" in client.refused("setVariable", **ask)
        assert "set for the next replay" not in client.repl("info")
        assert client.position() == 2


def test_names_of_the_script_are_known_in_watches_and_in_the_console(stand):
    w, x = tg.Value([1.0, 2.0], label="w"), np.array([3.0, 4.0, 5.0])
    client = stand((w * 2.0).sum(), x=x, long=["word"] * 1000, parts={"all": [w]})

    def watched(text):
        return client.ask("evaluate", expression=text, context="watch")["result"]

    assert watched("x[:2]") == "3 4"
    assert len(watched("long")) < 500
    assert watched("parts['all'][0]") == "w = 1 2, grad –"
    assert client.repl("p x.sum()") == "12"
    assert client.repl("why parts['all'][0]").startswith("grad of w[0] is 2")
    assert "'x' is not defined" in client.refused("evaluate", expression="x", context="hover")


def test_lines_may_be_counted_from_zero(connect, script, line):
    def load(_):
        found = {}
        with tg.traced(frames=True):
            exec(compile(script.read_text(), str(script), "exec"), found)
        return tg.record(found["E"], names=found), found

    client = connect(load)
    client.ask("initialize", adapterID="backward", linesStartAt1=False)
    client.ask("launch")
    client.ask("configurationDone")
    assert client.stopped()[1]["line"] == line("E = ") - 1
    at = [{"line": line("pooled = ") - 1}]
    source = {"path": str(script)}
    assert client.ask("setBreakpoints", source=source, breakpoints=at)["breakpoints"][0]["verified"]
    assert client.move("continue")[1]["line"] == at[0]["line"]


def test_references_of_an_earlier_stop_are_refused(net):
    reference = net.scope("Leaves: data, and gradient so far")
    net.move("next")
    assert "references end at each stop" in net.refused("variables", variablesReference=reference)
    assert "there is no frame 99" in net.refused("scopes", frameId=99)
    node = net.scope("Node")
    assert "there is no variable 'absent'" in net.refused(
        "setVariable", variablesReference=node, name="absent", value="1"
    )


# -- the debug console


def console(loss):
    return Console(tg.record(loss), {}, lambda: False)


def test_answers_do_not_accumulate():
    shell = console(tg.Value(2.0, label="x").exp())
    assert shell.answer("node").startswith("1 of 1, the last: exp#1 gets 1")
    said = "1 of 1 step taken\nbefore the first of 1 step; type node to take it\n"
    assert shell.answer("info\n\nback") == said
    assert shell.answer("") == ""


def test_pdb_needs_a_terminal():
    shell = console(tg.Value(2.0, label="x").exp())
    for name in ("NAME", "exp"):
        assert shell.answer(f"pdb {name}".removesuffix(" NAME")) == (
            f"pdb needs a terminal: tinygrad-pool debug SCRIPT.py, then pdb {name}\n"
        )


def test_quit_is_noted():
    shell = console(tg.Value(2.0, label="x").exp())
    assert (shell.has_quit, shell.answer("q"), shell.has_quit) == (False, "", True)


def test_completions_replace_the_word_at_the_cursor():
    shell = console(tg.Value(2.0, label="weight").exp())
    assert shell.completions("why we and more", 6) == [{"label": "weight", "start": 4, "length": 2}]
    assert shell.completions("y we", 4)[0]["label"] == "weight"
    assert shell.completions("set weight=we", 13)[0]["start"] == 11
    assert {c["label"] for c in shell.completions("run", 3)} == {"run-back"}
    assert {c["label"] for c in shell.completions("help run", 8)} == {"run-back"}


def test_the_number_of_completions_is_limited():
    x = tg.Value(1.0, label="x")
    for _ in range(MOST + 50):
        x = x.tanh()
    assert len(console(x).completions("why ", 4)) == MOST
