"""The debug adapter's command, as editors start it: over standard streams, and at a port."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli import editor
from tinygrad_pool.cli.main import main
from tinygrad_pool.errors import GraphError, OptionError, ScriptError

SCRIPT = """\
import sys
import tinygrad_pool as tg

def double(x):
    return x * 2.0

x = tg.Value(3.0, label="x")
y = double(x)
E = double(y)
E.backward()
print(sys.argv[1:])
"""


@pytest.fixture
def net(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(SCRIPT)
    return file


def frames(*commands):
    """Write requests as they go over the wire."""
    bodies = [
        json.dumps({"seq": i, "type": "request", "command": c, "arguments": a}).encode()
        for i, (c, a) in enumerate(commands, 1)
    ]
    return b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies)


def messages(data):
    """Read the messages of the server."""
    found = []
    while data:
        header, _, data = data.partition(b"\r\n\r\n")
        length = int(header.removeprefix(b"Content-Length: "))
        found.append(json.loads(data[:length]))
        data = data[length:]
    return found


def session(net):
    return frames(
        ("initialize", {"adapterID": "backward"}),
        ("launch", {"program": str(net), "args": ["1", "2"]}),
        ("configurationDone", {}),
        ("next", {"threadId": 1}),
        ("next", {"threadId": 1}),
        ("stackTrace", {"threadId": 1}),
        ("stepBack", {"threadId": 1}),
        ("disconnect", {}),
    )


def read(found):
    """Read the places of a session: outputs, stops, and the frames that were asked for."""
    events = [m["event"] for m in found if m["type"] == "event" and m["event"] != "output"]
    output = {}
    for m in found:
        if m.get("event") == "output":
            category = m["body"]["category"]
            output[category] = output.get(category, "") + m["body"]["output"]
    answers = {m["command"]: m for m in found if m["type"] == "response"}
    return events, output, answers


def check(found):
    events, output, answers = read(found)
    assert events == ["initialized", *["stopped"] * 4]
    assert output["stdout"] == "['1', '2']\n"
    assert output["console"].endswith("sends 2 to y (×), whose grad is now 2\n")
    names = [frame["name"] for frame in answers["stackTrace"]["body"]["stackFrames"]]
    assert names == ["y (×), in double called at net.py:8", "E (×), in double called at net.py:9"]
    assert all(answer["success"] for answer in answers.values())


def test_an_editor_at_the_standard_streams(net):
    command = [sys.executable, "-m", "tinygrad_pool", "dap"]
    ran = subprocess.run(command, input=session(net), capture_output=True, check=True)
    check(messages(ran.stdout))
    assert ran.stderr == b""


def test_output_that_bypasses_python_does_not_break_the_protocol(net):
    net.write_text("import os\nos.write(1, b'aside')\nprint(repr(os.read(0, 9)))\n" + SCRIPT)
    command = [sys.executable, "-m", "tinygrad_pool", "dap"]
    ran = subprocess.run(command, input=session(net), capture_output=True, check=True)
    assert ran.stderr == b"aside"
    assert read(messages(ran.stdout))[1]["stdout"].splitlines()[0] == "b''"


@pytest.mark.parametrize("shell", [[], ["sh", "-c", 'trap "" INT; exec "$@"', "background"]])
def test_a_script_that_sleeps_ends_with_its_session(net, shell):
    """Also if the editor runs in the background, where a shell lets its jobs ignore Ctrl-C."""
    net.write_text("import time\nopen('asleep', 'w').close()\ntime.sleep(600)\n")
    command = [*shell, sys.executable, "-m", "tinygrad_pool", "dap"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=net.parent, **pipes) as adapter:
        adapter.stdin.write(frames(("launch", {"program": str(net)})))
        adapter.stdin.flush()
        while not (net.parent / "asleep").exists():
            time.sleep(0.01)
        try:
            output, _ = adapter.communicate(frames(("disconnect", {})), timeout=10)
        finally:
            adapter.kill()
    assert b"launch: interrupted" in output


@pytest.mark.usefixtures("_own_argv")
class TestInThisProcess:
    @pytest.fixture
    def streams(self, tmp_path):
        """Replace the standard streams by files."""
        kept = os.dup(0), os.dup(1)
        out = tmp_path / "out"
        files = []

        def given(data):
            (tmp_path / "in").write_bytes(data)
            for fd, file, flags in (
                (0, tmp_path / "in", os.O_RDONLY),
                (1, out, os.O_WRONLY | os.O_CREAT),
            ):
                files.append(os.open(file, flags))
                os.dup2(files[-1], fd)
            return out

        yield given
        for fd, was in enumerate(kept):
            os.dup2(was, fd)
            os.close(was)
        for file in files:
            os.close(file)

    def test_the_streams_are_its_own_while_it_serves(self, streams, net):
        out = streams(session(net))
        assert main(["dap"]) == 0
        check(messages(out.read_bytes()))
        os.write(1, b"after")
        assert out.read_bytes().endswith(b"after")

    def test_an_editor_at_a_port_of_this_machine(self, net, capsys, monkeypatch):
        listening = threading.Event()
        create = socket.create_server
        made = []

        def noted(address):
            made.append(create(address))
            listening.set()
            return made[0]

        monkeypatch.setattr(editor.socket, "create_server", noted)
        received = []

        def call():
            assert listening.wait(30)
            host, port = made[0].getsockname()
            assert host == "127.0.0.1"
            with socket.create_connection((host, port)) as caller, caller.makefile("rb") as answers:
                caller.sendall(session(net))
                received.append(answers.read())

        caller = threading.Thread(target=call)
        caller.start()
        assert main(["dap", "--port", "0"]) == 0
        caller.join(30)
        check(messages(received[0]))
        assert re.fullmatch(r"waiting for an editor at 127.0.0.1:\d+\n", capsys.readouterr().err)

    def test_an_error_of_the_script_is_reported_with_its_line(self, streams, net):
        net.write_text("import tinygrad_pool as tg\n\nx = 1 / 0\n")
        out = streams(session(net))
        assert main(["dap"]) == 0
        events, output, answers = read(messages(out.read_bytes()))
        assert events == ["exited", "terminated"]
        text = f'File "{net}", line 3: x = 1 / 0\nZeroDivisionError: division by zero'
        assert answers["launch"]["message"] == text
        assert output == {"stderr": text + "\n"}
        assert answers["disconnect"]["success"]


@pytest.mark.usefixtures("_own_argv")
class TestLoad:
    def test_a_value_can_be_named(self, net):
        recording, made = editor.load({"program": str(net), "value": "y"})
        assert made["y"] is recording.loss
        assert recording.call(recording.loss) == "y"
        assert len(recording) == 1
        assert not recording.loss.has_grad

    def test_a_loss_from_before_the_last_update_is_refused(self, net):
        net.write_text(
            "import tinygrad_pool as tg\nw = tg.Value([1.0])\nloss = w.sum()\nw.data -= 0.5\n"
        )
        with pytest.raises(GraphError, match=r"^launch: .*: compute loss again at the end of "):
            editor.load({"program": str(net)})

    def test_cwd_is_the_current_folder(self, net, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "inside").mkdir()
        net.write_text("import os\n" + SCRIPT + "where = os.getcwd()\n")
        editor.load({"program": "net.py", "cwd": "inside"})
        assert os.getcwd() == str(tmp_path / "inside")  # noqa: PTH109

    def test_a_module_of_a_package_is_a_program(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "inside" / "layers").mkdir(parents=True)
        (tmp_path / "inside" / "layers" / "sizes.py").write_text("n = 3.0\n")
        script = tmp_path / "inside" / "layers" / "train.py"
        script.write_text("from .sizes import n\nimport tinygrad_pool as tg\nE = tg.Value(n) * n\n")
        with pytest.raises(ScriptError, match=r"run it as a module, from .*inside: layers\.train"):
            editor.load({"program": str(script)})
        recording, _ = editor.load({"program": "layers.train", "cwd": "inside"})
        assert recording.loss.data == 9.0

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({}, "program must be the path of a script, got None"),
            ({"program": 3}, "program must be the path of a script, got 3"),
            ({"program": "absent.py"}, "there is no script .*absent.py"),
            ({"program": __file__, "cwd": "absent"}, "cwd must be a folder, got 'absent'"),
            ({"program": __file__, "cwd": 3}, "cwd must be a folder, got 3"),
            ({"program": __file__, "args": "x"}, "args must be a list of strings, got 'x'"),
            ({"program": __file__, "args": [1]}, r"args must be a list of strings, got \[1\]"),
            ({"program": __file__, "value": 1}, "value must be the name of a Value, got 1"),
        ],
    )
    def test_wrong_launch_arguments_are_refused(self, arguments, text):
        with pytest.raises(OptionError, match=f"launch: {text}"):
            editor.load(arguments)

    def test_an_error_of_a_closure_is_reported_with_its_line(self, net):
        net.write_text(
            "import tinygrad_pool as tg\n\n"
            "def broken(x):\n"
            "    def broken_backward(g):\n"
            "        raise ValueError('no way back')\n\n"
            "    return x * 1.0, broken_backward\n\n"
            "E = tg.lift(broken)(tg.Value(2.0))\n"
        )
        with pytest.raises(ScriptError, match=r"line 5: raise ValueError(.|\n)*no way back"):
            editor.load({"program": str(net)})

    def test_a_failing_pass_is_reported(self, net):
        net.write_text("import tinygrad_pool as tg\n")
        with pytest.raises(OptionError, match="has no computed number"):
            editor.load({"program": str(net)})

    def test_an_error_without_a_line_of_the_script_is_reported(self, net, monkeypatch):
        def broken(*_):
            raise RuntimeError("inside")

        monkeypatch.setattr(editor.scripts, "recorded", broken)
        monkeypatch.setattr(editor.user_script, "error_message", lambda _: "")
        with pytest.raises(ScriptError, match="RuntimeError: inside"):
            editor.load({"program": str(net)})


def test_a_taken_or_invalid_port_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["dap", "--port", port]) == 1
    assert capsys.readouterr().err == f"tinygrad-pool: dap: port {port}: Address already in use\n"
    with pytest.raises(SystemExit):
        main(["dap", "--port", "70000"])
    assert "needs a port, 0 to 65535, got '70000'" in capsys.readouterr().err


def test_it_listens_only_at_loopback():
    assert editor.LOOPBACK == "127.0.0.1"
    assert tg.__version__
