"""A client of the debug adapter protocol, written for these tests, and what it launches."""

import json
import queue
import socket
import sys
import threading

import pytest

import tinygrad_pool as tg
from tinygrad_pool.debugger.dap import Server, Wire

SCRIPT = """\
import tinygrad_pool as tg

x1, x2 = tg.Value(1.0, label="x1"), tg.Value(-2.0, label="x2")


def unit(n, w, activation):
    w1, w2 = tg.Value(w[0], label=f"w{n}1"), tg.Value(w[1], label=f"w{n}2")
    a = tg.weighted_sum([w1, w2], [x1, x2], tg.Value(w[2], label=f"b{n}"))
    a.label = f"a{n}"
    z = activation(a)
    z.label = f"z{n}"
    return z


z1 = unit(1, (0.5, 1.0, 0.0), tg.relu)
z2 = unit(2, (-1.0, 0.3, 0.1), tg.tanh)
z3 = unit(3, (0.9, -0.8, 0.0), tg.relu)
print("three units")
pooled = tg.maximum(z1, z2, z3)
E = (pooled - 1.0) ** 2
E.label = "E"
"""


class Client:
    """Speak the protocol over a pair of streams: requests, answers and events."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.sent = 0
        self.heard, self.kept = queue.Queue(), []
        self.console = ""
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        try:
            while header := self.reader.readline():
                assert self.reader.readline() == b"\r\n"
                length = int(header.removeprefix(b"Content-Length: "))
                self.heard.put(json.loads(self.reader.read(length)))
        except (OSError, ValueError):  # the test is over
            pass
        self.heard.put({"type": "event", "event": "end of stream"})

    def raw(self, data):
        self.writer.write(data)
        self.writer.flush()

    def send(self, command, **arguments):
        self.sent += 1
        request = {"seq": self.sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self.raw(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return self.sent

    def wait(self, **wanted):
        """Wait for a message; others are kept for who waits for them."""
        fits = lambda message: wanted.items() <= message.items()  # noqa: E731
        for message in filter(fits, self.kept):
            self.kept.remove(message)
            return message
        while not fits(message := self.heard.get(timeout=30)):
            assert message.get("event") != "end of stream", wanted
            self.kept.append(message)
        return message

    def event(self, name):
        return self.wait(type="event", event=name).get("body")

    def response(self, command, **arguments):
        return self.wait(type="response", request_seq=self.send(command, **arguments))

    def ask(self, command, **arguments):
        answer = self.response(command, **arguments)
        assert answer["success"], answer
        return answer["body"]

    def refused(self, command, **arguments):
        answer = self.response(command, **arguments)
        assert not answer["success"]
        assert answer["body"]["error"]["showUser"]
        return answer["message"]

    def start(self, **arguments):
        """Go from initialize to the stop before the first step."""
        self.ask("initialize", adapterID="backward")
        self.ask("launch", **arguments)
        self.event("initialized")
        self.ask("configurationDone")
        return self.event("stopped")

    def move(self, command, **arguments):
        """Move, and return why it stopped and at which frame."""
        self.ask(command, threadId=1, **arguments)
        return self.stopped()

    def stopped(self):
        stop = self.event("stopped")
        return stop["reason"], self.frame()

    def frame(self):
        return self.ask("stackTrace", threadId=1, levels=1)["stackFrames"][0]

    def position(self):
        """Return the position, as the name of the thread tells it."""
        return int(self.ask("threads")["threads"][0]["name"].split()[1])

    def scope(self, name, frame=None):
        """Return the reference of a scope."""
        scopes = self.ask("scopes", frameId=(frame or self.frame())["id"])["scopes"]
        return next(s["variablesReference"] for s in scopes if s["name"] == name)

    def variables(self, reference, **part):
        listed = self.ask("variables", variablesReference=reference, **part)["variables"]
        return {v["name"]: v for v in listed}

    def values(self, scope):
        return {name: v["value"] for name, v in self.variables(self.scope(scope)).items()}

    def repl(self, command):
        return self.ask("evaluate", expression=command, context="repl")["result"]

    def output(self, category):
        """Return what was written so far, up to the last answer."""
        self.ask("threads")
        events = [m["body"] for m in self.kept if m.get("event") == "output"]
        return "".join(body["output"] for body in events if body["category"] == category)


@pytest.fixture
def connect():
    """Connect clients to servers that run in threads; each server ends with the test."""
    opened = []

    def connected(load, interrupt=lambda: None):
        ours, theirs = socket.socketpair()
        files = [s.makefile(mode) for s in (ours, theirs) for mode in ("rb", "wb")]
        client = Client(*files[:2])
        server = Server(Wire(*files[2:]), load, interrupt)
        client.server = threading.Thread(target=server.serve, daemon=True)
        client.server.start()
        opened.append((client, files, ours, theirs))
        return client

    yield connected
    for client, files, ours, theirs in opened:
        ours.shutdown(socket.SHUT_WR)
        client.server.join(60)
        assert not client.server.is_alive()
        theirs.shutdown(socket.SHUT_WR)
        client.thread.join(60)
        for thing in (*files, ours, theirs):
            thing.close()


@pytest.fixture
def script(tmp_path):
    """Write a script of three units and a maximum, of which the first is off."""
    file = tmp_path / "net.py"
    file.write_text(SCRIPT)
    return file


@pytest.fixture
def line():
    """Find the number of a line of the script by what it says."""
    return lambda text: next(n for n, row in enumerate(SCRIPT.splitlines(), 1) if text in row)


@pytest.fixture
def net(connect, script):
    """Stop a client before the first step of the script's pass; its file is `path`."""
    found = {}

    def load(_):
        with tg.traced(frames=True):
            exec(compile(SCRIPT, str(script), "exec"), found)
        return tg.record(found["E"], names=found)

    client = connect(load)
    client.path, client.names = str(script), found
    client.entry = client.start()
    return client


@pytest.fixture
def stand(connect):
    """Stop a client before the first step of the pass of any loss."""

    def standing(loss, **names):
        client = connect(lambda _: tg.record(loss, names=names))
        client.start()
        return client

    return standing


@pytest.fixture
def _own_argv(monkeypatch):
    """Let a launch change what Python keeps for a script, for one test."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
