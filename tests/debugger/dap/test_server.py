"""A session from launch to exit: scripts that fail, clients that leave, requests that are wrong."""

import io
import sys
import threading
import time

import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap import Server, Wire
from tinygrad_pool.errors import ScriptError


def power(_=None):
    return tg.record(tg.Value(2.0, label="x") ** 2), {}


def test_it_announces_its_capabilities(connect):
    can = connect(power).ask("initialize", adapterID="backward")
    assert can["supportsStepBack"]
    filters = can["exceptionBreakpointFilters"]
    assert [f["filter"] for f in filters] == ["nan", "infinity", "zero", "vanishing"]
    assert [f["default"] for f in filters] == [True, True, False, False]


def test_requests_before_launch_are_refused(connect):
    client = connect(power)
    assert client.refused("threads") == "threads: no script has been launched"
    assert client.refused("configurationDone") == "configurationDone: no script has been launched"
    assert client.refused("modules") == "modules: this adapter does not support the request"


def test_a_second_launch_is_refused(connect):
    client = connect(power)
    client.start()
    assert (
        client.refused("launch") == "launch: a script was launched already; start another session"
    )


def test_invalid_arguments_are_refused_and_the_session_continues(connect):
    client = connect(power)
    client.start()
    assert client.refused("scopes") == "scopes: needs the argument 'frameId'"
    assert client.refused("scopes", frameId="x").startswith("scopes: invalid arguments: ")
    assert client.refused("setBreakpoints", source=3).startswith(
        "setBreakpoints: invalid arguments"
    )
    assert client.refused("setExceptionBreakpoints", filters=["x"]).endswith(
        "there is no exception filter 'x'"
    )
    assert client.ask("threads")


def test_damaged_messages_are_reported_in_the_console(connect):
    client = connect(power)
    client.start()
    client.raw(b"Content-Length: 1\r\n\r\n{")
    client.raw(b"nonsense\r\n\r\n")
    assert client.output("important").splitlines() == [
        "tinygrad-pool dap: ignored a message that is not JSON: Expecting property name enclosed "
        "in double quotes: line 1 column 2 (char 1)",
        "tinygrad-pool dap: ignored a message without a valid length: [b'nonsense']",
    ]


def test_an_error_of_the_script_is_output_and_the_session_ends(connect):
    def load(_):
        raise ScriptError('File "net.py", line 3: y = 1 / 0\nZeroDivisionError: division by zero')

    client = connect(load)
    client.ask("initialize", adapterID="backward")
    assert client.refused("launch").startswith('File "net.py", line 3: y = 1 / 0')
    assert client.event("exited") == {"exitCode": 1}
    client.event("terminated")
    text = client.event("output")
    assert (text["category"], text["output"][:22]) == ("stderr", 'File "net.py", line 3:')
    assert client.refused("threads") == "threads: no script has been launched"


def test_printed_text_becomes_output(connect):
    def load(_):
        sys.stdout.write("of the script\n")
        sys.stderr.write("and an error\n")
        sys.stdout.buffer.write("as bytes: ∂\n".encode())
        sys.stdout.write("half a character: \udc80, without an end")
        return power()

    client = connect(load)
    client.start()
    half = "half a character: \\udc80, without an end"
    assert client.output("stdout") == f"of the script\nas bytes: ∂\n{half}"
    assert client.output("stderr") == "and an error\n"


def test_gradients_of_an_earlier_pass_are_reported_at_the_start(connect):
    def load(_):
        x = tg.Value(2.0, label="x")
        (x * 3.0).backward()
        return tg.record(x**2), {}

    client = connect(load)
    client.start()
    first, *_ = client.output("console").splitlines()
    assert first.startswith("before this pass, which adds to it: x.grad = 3; zero_grad()")


def test_a_run_without_debugging_ends_after_the_script(connect):
    client = connect(power)
    client.ask("initialize", adapterID="backward")
    client.ask("launch", noDebug=True)
    client.event("terminated")


def test_without_a_stop_on_entry_it_runs_to_the_first_breakpoint(connect):
    client = connect(lambda _: (tg.record(tg.Value(0.1, label="x").exp().tanh()), {}))
    client.ask("initialize", adapterID="backward")
    client.ask("launch", stopOnEntry=False)
    client.event("initialized")
    client.ask("setFunctionBreakpoints", breakpoints=[{"name": "exp"}])
    client.ask("configurationDone")
    assert client.stopped()[0] == "function breakpoint"
    assert client.position() == 2


class TestLeaving:
    def test_disconnect_restores_the_gradients(self, connect):
        x = tg.Value(2.0, label="x")
        client = connect(lambda _: (tg.record(x**2), {}))
        client.start()
        client.move("next")
        assert x.grad == 4.0
        client.ask("disconnect")
        client.server.join(30)
        assert not x.has_grad

    def test_terminate_ends_with_or_without_a_script(self, connect):
        for start in (False, True):
            client = connect(power)
            if start:
                client.start()
            client.ask("terminate")
            client.event("terminated")
            client.ask("terminate")

    @pytest.mark.parametrize("half", [b"", b"Content-Le", b"Content-Length: 99\r\n\r\n{"])
    def test_a_closed_connection_ends_it(self, connect, half):
        client = connect(power)
        client.start()
        client.raw(half)
        client.writer.raw._sock.shutdown(1)
        client.server.join(30)
        assert not client.server.is_alive()

    @pytest.mark.parametrize("lost", [0, 1])
    def test_it_stops_a_running_script(self, connect, lost):
        """The first interrupt is lost if the script was just about to fall asleep."""
        interrupts = threading.Semaphore(0)

        def load(_):
            for _ in range(1 + lost):
                assert interrupts.acquire(timeout=30)
            raise KeyboardInterrupt

        client = connect(load, interrupts.release)
        client.ask("initialize", adapterID="backward")
        launched = client.send("launch")
        time.sleep(0.05)
        left = client.send("disconnect")
        answer = client.wait(type="response", request_seq=launched)
        assert (answer["success"], answer["message"]) == (False, "launch: interrupted")
        assert client.wait(type="response", request_seq=left)["success"]
        client.server.join(30)
        assert not client.server.is_alive()
        assert not interrupts.acquire(blocking=False)

    def test_a_script_is_not_run_for_a_client_that_has_left(self):
        ran = []
        sent = b""
        for seq, command in enumerate(("launch", "disconnect"), 1):
            body = b'{"seq": %d, "command": "%b"}' % (seq, command.encode())
            sent += b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        server = Server(Wire(io.BytesIO(sent), io.BytesIO()), ran.append, lambda: None)
        server._listen()  # before anything is answered
        server.serve()
        assert ran == []
        assert b"launch: interrupted" in server.wire.writer.getvalue()

    def test_it_interrupts_nothing_when_a_client_left_before_the_script_began(self, connect):
        interrupted = []
        client = connect(power, lambda: interrupted.append(1))
        client.send("disconnect")
        client.server.join(30)
        assert interrupted == []


class TestWhileItRuns:
    @pytest.fixture
    def running(self, stand):
        """Start a run through 200 slow steps, each of which writes a line."""
        x = tg.Value(0.1, label="x")
        for _ in range(200):
            x = x.tanh()
        client = stand(x)
        slow = {"name": "tanh", "condition": "sum(range(3_000_000))", "logMessage": "on the way"}
        client.ask("setFunctionBreakpoints", breakpoints=[slow])
        client.ask("continue", threadId=1)
        while client.event("output")["output"] != "on the way\n":
            pass
        return client

    def test_pause_stops_a_run(self, running):
        running.ask("pause", threadId=1)
        assert running.event("stopped")["reason"] == "pause"
        assert 0 < running.position() < 200

    def test_other_requests_wait(self, running):
        asked = running.send("threads")
        running.ask("pause", threadId=1)
        name = running.wait(type="response", request_seq=asked)["body"]["threads"][0]["name"]
        assert name == f"backward: {running.position()} of 200"

    def test_disconnect_ends_a_run(self, running):
        running.ask("disconnect")
        running.server.join(30)
        assert not running.server.is_alive()

    def test_an_error_after_an_answer_is_output(self, stand, monkeypatch):
        client = stand(tg.Value(2.0, label="x").exp())
        monkeypatch.setattr("tinygrad_pool.debugger.dap.session.Variables", lambda _: 1 / 0)
        client.ask("next", threadId=1)
        text = "next: ZeroDivisionError: division by zero\n"
        assert client.output("stderr") == text
