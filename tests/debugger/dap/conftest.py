"""What a client of the debug adapter protocol launches."""

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


@pytest.fixture
def connect(client_class):
    """Connect clients to servers that run in threads; each server ends with the test."""
    opened = []

    def connected(load, interrupt=lambda: None):
        ours, theirs = socket.socketpair()
        files = [s.makefile(mode) for s in (ours, theirs) for mode in ("rb", "wb")]
        client = client_class(*files[:2])
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
    """Write a script with three units, the first of which is off, and a maximum."""
    file = tmp_path / "net.py"
    file.write_text(SCRIPT)
    return file


@pytest.fixture
def line():
    """Find the number of a line of the script by its text."""
    return lambda text: next(n for n, row in enumerate(SCRIPT.splitlines(), 1) if text in row)


@pytest.fixture
def net(connect, script):
    """Stop a client before the first step of the script's pass; its file is `path`."""
    found = {}

    def load(_):
        with tg.traced(frames=True):
            exec(compile(SCRIPT, str(script), "exec"), found)
        return tg.record(found["E"], names=found), found

    client = connect(load)
    client.path, client.names = str(script), found
    client.entry = client.start()
    return client


@pytest.fixture
def stand(connect):
    """Stop a client before the first step of the pass of any loss."""

    def standing(loss, **names):
        client = connect(lambda _: (tg.record(loss, names=names), names))
        client.start()
        return client

    return standing


@pytest.fixture
def _own_argv(monkeypatch):
    """Restore what a launch changes, such as sys.argv, after one test."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
