"""Breakpoints of an editor: hit counts, log points, and counts kept when they are set again."""

import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap.stops import filled, hit_condition
from tinygrad_pool.errors import OptionError


def deep(client, **given):
    """Count the steps after which a breakpoint at each tanh of a chain stops."""
    (reply,) = client.ask("setFunctionBreakpoints", breakpoints=[{"name": "tanh", **given}])[
        "breakpoints"
    ]
    assert reply["verified"], reply
    stops = []
    while client.position() < 6 and client.move("continue")[0] == "function breakpoint":
        stops.append(client.position())
    return stops


@pytest.fixture
def chain(stand):
    x = tg.Value(0.1, label="x")
    for _ in range(6):
        x = x.tanh()
    return stand(x)


@pytest.mark.parametrize(
    ("hits", "stops"),
    [
        ("3", [3]),
        ("== 2", [2]),
        ("= 2", [2]),
        (">4", [5, 6]),
        (">= 4", [4, 5, 6]),
        ("< 3", [1, 2]),
        ("<=3", [1, 2, 3]),
        ("% 2", [2, 4, 6]),
        ("", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_hit_counts(chain, hits, stops):
    assert deep(chain, hitCondition=hits) == stops


def test_hits_count_only_if_the_condition_is_true(chain):
    assert deep(chain, condition="g < 0.999", hitCondition="2") == [3]


@pytest.mark.parametrize("hits", ["x", "% 0", "-1", "3 or so", "9" * 10])
def test_invalid_hit_counts_are_refused(hits):
    with pytest.raises(OptionError, match=r"a hit count must look like 3, >= 3 or % 3, got"):
        hit_condition(hits)


@pytest.mark.parametrize("given", [{"condition": "g >"}, {"hitCondition": "often"}])
def test_an_error_in_a_breakpoint_is_reported_with_it(chain, given):
    reply = chain.ask("setFunctionBreakpoints", breakpoints=[{"name": "tanh", **given}])
    (b,) = reply["breakpoints"]
    assert not b["verified"]
    assert "SyntaxError" in b["message"] or "a hit count must" in b["message"]
    assert chain.move("continue")[0] == "step"


def test_a_condition_that_raises_stops_and_is_reported(chain):
    assert deep(chain, condition="int(op)")[0] == 1
    assert "in breakpoint 1, 'int(op)': ValueError" in chain.output("console")


def test_a_log_point_writes_and_does_not_stop(chain):
    assert deep(chain, logMessage="{op}: g = {g}, {nobody}, {[1, 2]}, {data") == []
    lines = [line for line in chain.output("console").splitlines() if line.startswith("tanh: g")]
    assert len(lines) == 6
    assert lines[0].startswith("tanh: g = 1, {'nobody': NameError: ")
    assert lines[0].endswith("}, [1, 2], {data")


def test_an_array_is_written_on_a_line():
    recording = tg.record(tg.Value([1.0, 2.0], label="x").sum())
    assert filled("{g} {data * np.ones(2)}", recording.steps[0]) == "1 3 3"


def test_unchanged_breakpoints_keep_their_hit_count(chain):
    tanh = {"name": "tanh", "hitCondition": ">= 2"}
    (first,) = chain.ask("setFunctionBreakpoints", breakpoints=[tanh])["breakpoints"]
    chain.move("continue")
    again = chain.ask("setFunctionBreakpoints", breakpoints=[tanh, {"name": "x"}])["breakpoints"]
    assert again[0]["id"] == first["id"] != again[1]["id"]
    assert "hit 2 times" in chain.repl("info")
    chain.ask("setFunctionBreakpoints", breakpoints=[])
    assert "breakpoint" not in chain.repl("info")


def test_setting_breakpoints_of_one_kind_keeps_the_others(net, line):
    source = {"path": net.path}
    net.ask("setFunctionBreakpoints", breakpoints=[{"name": "maximum"}])
    net.ask("setBreakpoints", source=source, breakpoints=[{"line": line("E = ")}])
    net.ask("setBreakpoints", source={"path": "other.py"}, breakpoints=[])
    net.ask("setExceptionBreakpoints", filters=["nan", "zero"])
    net.ask("setDataBreakpoints", breakpoints=[{"dataId": "x1"}])
    net.ask("setBreakpoints", source=source, breakpoints=[])
    assert [net.move("continue")[0] for _ in range(2)] == ["function breakpoint", "data breakpoint"]


def test_another_path_to_the_same_file_is_the_same_file(net, line, tmp_path):
    link = tmp_path / "link.py"
    link.symlink_to(net.path)
    at = [{"line": line("pooled = ")}]
    for path, verified in ((str(link), True), (str(tmp_path / "absent.py"), False)):
        reply = net.ask("setBreakpoints", source={"path": path}, breakpoints=at)["breakpoints"]
        assert reply[0]["verified"] is verified
    assert reply[0]["message"] == "no node of this pass was made in absent.py"
