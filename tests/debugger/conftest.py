"""What the tests of the prompt's commands share, and those that speak an editor's protocol."""

import contextlib
import json
import queue
import threading

import pytest

import tinygrad_pool as tg


@pytest.fixture(scope="session")
def network():
    """Build E = relu(a b) + max(a, b)², with a = 2 and b = −3: the relu is off, b loses."""

    def built():
        a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
        off = (a * b).relu()
        m = tg.maximum(a, b)
        m.label = "m"
        return a, b, off + m**2

    return built


@pytest.fixture
def run(capsys, network):
    """Run commands on the network; return the output."""

    def commands(text, loss=None, **names):
        tg.debug(network()[2] if loss is None else loss, names=names, commands=text)
        return capsys.readouterr().out

    return commands


@pytest.fixture
def kernel(peer):
    """Run a cell in a Jupyter kernel, and return its output; `answers` are typed in."""
    peer("ipykernel")
    manager, client = peer("jupyter_client.manager").start_new_kernel(kernel_name="python3")

    def run(cell, answers=None):
        shown, typed, asked = [], iter(answers or ()), [0]

        def output(message):
            content = message["content"]
            text = content.get("text", "") + content.get("data", {}).get("text/plain", "")
            shown.extend(filter(None, [text or content.get("evalue")]))

        def ask(message):
            """Answer when what was printed before has come, by a channel of its own."""
            with contextlib.suppress(queue.Empty):
                while True:
                    wait = 60 if len(shown) == asked[-1] else 0.3
                    output(client.get_iopub_msg(timeout=wait))
            line = next(typed)
            shown.append(f"{message['content']['prompt']}{line}\n")
            asked.append(len(shown))
            client.input(line)

        client.execute_interactive(
            cell, allow_stdin=bool(answers), stdin_hook=ask, output_hook=output, timeout=60
        )
        return "".join(shown)

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


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
        """Wait for a message; keep all others."""
        fits = lambda message: wanted.items() <= message.items()  # noqa: E731
        for message in filter(fits, self.kept):
            self.kept.remove(message)
            return message
        while not fits(message := self.heard.get(timeout=60)):
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
        return answer.get("body")

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
        """Return the position in the pass, from the name of the thread."""
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
        """Return the output up to the last answer."""
        self.ask("threads")
        events = [m["body"] for m in self.kept if m.get("event") == "output"]
        return "".join(body["output"] for body in events if body["category"] == category)


@pytest.fixture(scope="session")
def client_class():
    """Return the client of the debug adapter protocol that was written for these tests."""
    return Client
