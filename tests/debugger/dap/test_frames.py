"""Stack frames: the path up to the loss, of lines that are known or not, and of a deep graph."""

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap.frames import MOST_FRAMES
from tinygrad_pool.recording import views


def test_frames_are_the_path_up_to_the_loss(net, line):
    net.ask("setFunctionBreakpoints", breakpoints=[{"name": "a3"}])
    net.move("continue")
    told = net.ask("stackTrace", threadId=1)
    names = [frame["name"].split(",")[0] for frame in told["stackFrames"]]
    assert names == ["a3 (Σ w x + b)", "z3 (relu)", "pooled (max)", "sub#18", "E (**)"]
    assert told["totalFrames"] == 5
    assert [frame["line"] for frame in told["stackFrames"]] == [
        line(text) for text in ("a = tg.w", "z = act", "pooled = ", "E = ", "E = ")
    ]
    part = net.ask("stackTrace", threadId=1, startFrame=1, levels=2)
    assert part == {"stackFrames": told["stackFrames"][1:3], "totalFrames": 4}


def test_without_lines_there_is_no_source(stand):
    client = stand(tg.Value(2.0, label="x").exp())
    (frame,) = client.ask("stackTrace", threadId=1)["stackFrames"]
    assert frame["name"] == "exp#1"
    assert (frame["line"], "source" in frame) == (0, False)


def test_a_line_of_no_file_has_no_source(stand):
    found = {"x": tg.Value(2.0, label="x")}
    with tg.traced():
        exec("y = x.exp()", found)
    (frame,) = stand(found["y"]).ask("stackTrace", threadId=1)["stackFrames"]
    assert (frame["name"], frame["line"], "source" in frame) == ("exp#1, in <module>", 1, False)


def test_of_a_deep_path_some_frames_are_sent_and_more_are_announced(stand):
    x = tg.Value(0.1, label="x")
    for _ in range(300):
        x = x.tanh()
    client = stand(x)
    client.move("continue")
    told = client.ask("stackTrace", threadId=1)
    assert len(told["stackFrames"]) == MOST_FRAMES < told["totalFrames"] <= 300
    rest = client.ask("stackTrace", threadId=1, startFrame=MOST_FRAMES, levels=150)
    assert len(rest["stackFrames"]) == 100
    assert rest["totalFrames"] == 300


def test_a_path_along_which_something_flowed_comes_first():
    a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
    c = a * b
    passed = tg.record(c.relu() + c.tanh())
    path = [node.op for node in views.up(passed, c)]
    assert path == ["mul", "tanh", "add"]
    assert path == [node.op for node in views.path_to(passed, c)[::-1]]
    off = tg.record((a * b).relu())
    assert [node.op for node in views.up(off, off.steps[1].node)] == ["mul", "relu"]


def test_where_no_gradient_arrives_there_is_still_a_frame():
    leaf = tg.record(tg.Value(2.0, label="x"))
    assert [node.label for node in views.up(leaf, leaf.loss)] == ["x"]
