"""Variables of a frame: numbers, parts of arrays, contributions, local derivatives and reasons."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap.variables import MOST, MOST_FRAMES
from tinygrad_pool.recording import views


@pytest.fixture
def at(net):
    """Go to the step of a node."""

    def go(name):
        net.ask("setFunctionBreakpoints", breakpoints=[{"name": name}])
        net.move("continue")
        return net

    return go


def test_a_node_shows_what_arrived_its_data_and_its_operands(at):
    assert at("pooled").values("Node") == {
        "upstream g": "3",
        "data": "2.5",
        "rule": "maximum",
        "z1": "0",
        "z2": "−0.9051",
        "z3": "2.5",
    }


def test_contributions_are_shown_with_the_change_of_the_gradient(at):
    assert at("pooled").values("Sends") == {
        "to z1": "0   (grad – → 0)",
        "to z2": "0   (grad – → 0)",
        "to z3": "3   (grad – → 3)",
    }


def test_local_derivatives_and_reasons_are_opened_on_demand(at):
    client = at("pooled")
    scopes = client.ask("scopes", frameId=client.frame()["id"])["scopes"]
    assert [(s["name"], s["expensive"]) for s in scopes] == [
        ("Node", False),
        ("Sends", False),
        ("Local derivatives", True),
        ("Why", True),
        ("Leaves: data, and gradient so far", True),
    ]
    assert client.values("Local derivatives") == {"by z1": "0", "by z2": "0", "by z3": "1"}
    why = client.variables(client.scope("Why"))
    assert why["z1"]["value"] == "grad of z1 is 0"
    lines = client.variables(why["z1"]["variablesReference"])
    assert lines["1"]["value"] == "from pooled: 3 × 0 = 0   it lost to z3, by 2.5"


def test_leaves_show_their_gradient_so_far(at):
    client = at("a3")
    leaves = client.values("Leaves: data, and gradient so far")
    assert leaves["w32"] == "−0.8   (grad −6)"
    assert leaves["w11"] == "0.5   (grad –)"


def test_constants_and_repeated_operands_are_distinguished(stand):
    x = tg.Value(3.0, label="x")
    client = stand(x * x)
    assert client.values("Node") == {
        "upstream g": "1",
        "data": "9",
        "rule": "mul",
        "x, operand 0": "3",
        "x, operand 1": "3",
    }
    client = stand(tg.Value(3.0, label="x") ** 2)
    assert client.values("Node")["operand 1"] == "2"
    assert [*client.values("Sends")] == ["to x"]
    assert [*client.values("Local derivatives")] == ["by x"]


def test_nodes_that_send_nothing_show_nothing_sent(stand):
    x = tg.Value(2.0, label="x")
    with tg.no_grad():
        cut = x.exp()
    client = stand(x * cut)
    client.move("next")
    assert client.values("Sends")["to x"].startswith("7.389")
    leaf = stand(tg.Value(2.0, label="alone"))
    assert leaf.values("Sends") == {}
    assert leaf.values("Node") == {"upstream g": "–", "data": "2", "rule": "a leaf"}


def test_an_array_is_listed_by_parts(stand):
    x = tg.Value(np.arange(250.0), label="x")
    client = stand((x * 2.0).sum())
    client.move("continue")
    shown = client.variables(client.scope("Node"))["x"]
    assert (shown["indexedVariables"], shown["type"]) == (250, "float64 (250,)")
    part = client.variables(shown["variablesReference"], filter="indexed", start=100, count=50)
    assert [*part][:2] == ["[100]", "[101]"]
    assert (len(part), part["[149]"]["value"]) == (50, "149")
    assert len(client.variables(shown["variablesReference"], filter="named")) == 250
    large = stand((tg.Value(np.ones(MOST + 5), label="x") * 2.0).sum())
    large.move("continue")
    reference = large.variables(large.scope("Node"))["x"]["variablesReference"]
    assert len(large.variables(reference)) == MOST


def test_large_jacobians_are_described_and_not_listed(stand):
    client = stand((tg.Value(np.ones(100), label="x") * 2.0).sum())
    client.move("continue")
    (by_x,) = client.variables(client.scope("Local derivatives")).values()
    assert (by_x["name"], by_x["variablesReference"]) == ("by x", 0)
    assert "100" in by_x["value"]


# -- frames


def test_frames_are_the_path_up_to_the_loss(net, line):
    net.ask("setFunctionBreakpoints", breakpoints=[{"name": "a3"}])
    net.move("continue")
    reply = net.ask("stackTrace", threadId=1)
    names = [frame["name"].split(",")[0] for frame in reply["stackFrames"]]
    assert names == ["a3 (Σ w x + b)", "z3 (relu)", "pooled (max)", "sub#18", "E (**)"]
    assert reply["totalFrames"] == 5
    assert [frame["line"] for frame in reply["stackFrames"]] == [
        line(text) for text in ("a = tg.w", "z = act", "pooled = ", "E = ", "E = ")
    ]
    part = net.ask("stackTrace", threadId=1, startFrame=1, levels=2)
    assert part == {"stackFrames": reply["stackFrames"][1:3], "totalFrames": 4}


def test_without_lines_there_is_no_source(stand):
    client = stand(tg.Value(2.0, label="x").exp())
    (frame,) = client.ask("stackTrace", threadId=1)["stackFrames"]
    assert frame["name"] == "exp#1"
    assert (frame["line"], "source" in frame) == (0, False)


def test_a_line_without_a_file_has_no_source(stand):
    found = {"x": tg.Value(2.0, label="x")}
    with tg.traced():
        exec("y = x.exp()", found)
    (frame,) = stand(found["y"]).ask("stackTrace", threadId=1)["stackFrames"]
    assert (frame["name"], frame["line"], "source" in frame) == ("exp#1, in <module>", 1, False)


def test_a_deep_path_is_sent_in_parts(stand):
    x = tg.Value(0.1, label="x")
    for _ in range(300):
        x = x.tanh()
    client = stand(x)
    client.move("continue")
    reply = client.ask("stackTrace", threadId=1)
    assert len(reply["stackFrames"]) == MOST_FRAMES < reply["totalFrames"] <= 300
    rest = client.ask("stackTrace", threadId=1, startFrame=MOST_FRAMES, levels=150)
    assert len(rest["stackFrames"]) == 100
    assert rest["totalFrames"] == 300


def test_a_path_along_which_something_flowed_comes_first():
    a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
    c = a * b
    recording = tg.record(c.relu() + c.tanh())
    path = [node.op for node in views.up(recording, c)]
    assert path == ["mul", "tanh", "add"]
    assert path == [node.op for node in views.path_to(recording, c)[::-1]]
    off = tg.record((a * b).relu())
    assert [node.op for node in views.up(off, off.steps[1].node)] == ["mul", "relu"]


def test_a_node_without_a_gradient_has_a_frame():
    leaf = tg.record(tg.Value(2.0, label="x"))
    assert [node.label for node in views.up(leaf, leaf.loss)] == ["x"]
