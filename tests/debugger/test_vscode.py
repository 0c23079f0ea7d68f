"""An editor's debugger over a real script, by the protocol that VS Code speaks to debugpy."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_pool
from tinygrad_pool.cli import editor
from tinygrad_pool.cli.main import main
from tinygrad_pool.debugger.vscode import (
    AIDS,
    ATTRIBUTES,
    CONFIGURATION,
    NAME,
    STEPPING_BACK,
    launch_json,
)

SCRIPT = """\
import tinygrad_pool as tg

a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
off = (a * b).relu()
m = tg.maximum(off, a)
E = (m - 1.0) ** 2
E.backward()
"""


def test_launch_json_is_written_where_an_editor_looks(tmp_path, capsys):
    assert main(["vscode", str(tmp_path)]) == 0
    written = json.loads((tmp_path / ".vscode" / "launch.json").read_text())
    assert written == {"version": "0.2.0", "configurations": [CONFIGURATION]}
    assert "function breakpoint by name: relu_backward" in capsys.readouterr().out


def test_an_existing_file_is_kept(tmp_path, capsys):
    (tmp_path / ".vscode").mkdir()
    kept = tmp_path / ".vscode" / "launch.json"
    kept.write_text("{ // mine\n}")
    assert main(["vscode", str(tmp_path)]) == 1
    assert kept.read_text() == "{ // mine\n}"
    output = capsys.readouterr().err
    assert "exists already; add this to its configurations:" in output
    assert '"justMyCode": false' in output


def test_it_can_be_printed_and_a_missing_folder_is_named(tmp_path, capsys):
    assert main(["vscode", "--print", str(tmp_path / "absent")]) == 0
    assert capsys.readouterr().out == launch_json()
    assert main(["vscode", str(tmp_path / "absent")]) == 1
    assert "absent does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("made", [[], [".vscode"]])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys, monkeypatch, made):
    for name in made:
        (tmp_path / name).mkdir()

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main(["vscode", str(tmp_path)]) == 1
    output = f"tinygrad-pool: {tmp_path}/.vscode: cannot be written: Read-only file system\n"
    assert capsys.readouterr().err == output
    assert [p.name for p in tmp_path.iterdir()] == made


@pytest.mark.parametrize("file", ["folder", "folder/.vscode"])
def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path, capsys, file):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("mine")
    assert main(["vscode", str(tmp_path / "folder")]) == 1
    assert re.search("is not a folder|is a file, not a folder", capsys.readouterr().err)
    assert (tmp_path / file).read_text() == "mine"


def test_exactly_the_modules_without_closures_of_a_first_order_pass_are_skipped():
    rules = Path(tinygrad_pool.__file__).parent / "rules"
    other = "keep", "unfold", "fold", "mul"  # of higher-order passes; the last as an example
    without = []
    for file in rules.glob("[!_]*.py"):
        closures = re.findall(r"def (\w+)_backward\(", text := file.read_text())
        if set(closures) <= {*other} and "lambda g:" not in text:
            without.append(file.stem)
    assert sorted(without) == sorted(AIDS)


def launch(client, configuration, breakpoint):
    """Start a script with a function breakpoint."""
    client.ask("initialize", adapterID="debugpy", pathFormat="path")
    launched = client.send("launch", **configuration)
    client.event("initialized")
    client.ask("setFunctionBreakpoints", breakpoints=[{"name": breakpoint}])
    client.ask("configurationDone")
    assert client.wait(type="response", request_seq=launched)["success"]


def place(client):
    """Wait for a stop, or the end; return the innermost frame, None at the end."""
    while True:
        message = client.wait(type="event")
        if message["event"] == "stopped":
            thread = message["body"]["threadId"]
            return thread, client.ask("stackTrace", threadId=thread)["stackFrames"][0]
        if message["event"] == "terminated":
            return None, None


def values(client, frame):
    """Read the variables of a frame."""
    scope = client.ask("scopes", frameId=frame["id"])["scopes"][0]
    listed = client.variables(scope["variablesReference"])
    return {name: v["value"] for name, v in listed.items()}


@pytest.mark.peer
@pytest.mark.long
class TestWithDebugpy:
    @pytest.fixture
    def configuration(self, tmp_path, capsys):
        """Return what the command writes, for a script that uses an installed package."""
        library = tmp_path / "site-packages"
        shutil.copytree(Path(tinygrad_pool.__file__).parent, library / "tinygrad_pool")
        (tmp_path / "net.py").write_text(SCRIPT)
        main(["vscode", "--print"])
        (written,) = json.loads(capsys.readouterr().out)["configurations"]
        return written | {
            "program": str(tmp_path / "net.py"),
            "console": "internalConsole",
            "python": [sys.executable],
            "cwd": str(tmp_path),
            "env": {"PYTHONPATH": str(library), "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        }

    @pytest.fixture
    def client(self, peer, client_class):
        peer("debugpy")
        command = [sys.executable, "-m", "debugpy.adapter"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, **pipes) as adapter:
            client = client_class(adapter.stdout, adapter.stdin)
            yield client
            adapter.kill()
            client.thread.join(60)

    def test_a_function_breakpoint_fires_and_steps_go_from_closure_to_closure(
        self, client, configuration
    ):
        launch(client, configuration, "maximum_backward")
        thread, frame = place(client)
        assert frame["name"] == "maximum_backward"
        assert "site-packages" in frame["source"]["path"]
        assert values(client, frame).items() >= {"g": "2.0", "x_wins": "False"}.items()
        reached = [frame["name"]]
        for _ in range(40):
            client.ask("stepIn", threadId=thread)
            thread, frame = place(client)
            if frame is None or frame["source"]["path"].endswith("net.py"):
                break
            if frame["name"] != reached[-1]:
                reached.append(frame["name"])
        closures = [name for name in reached if name.endswith("_backward")]
        assert list(dict.fromkeys(closures)) == [
            "maximum_backward",
            "relu_backward",
            "mul_backward",
        ]
        assert reached == closures

    @pytest.mark.parametrize("n", [2, 8])
    def test_one_key_press_per_line_for_any_number_of_operands(
        self, client, configuration, tmp_path, n
    ):
        (tmp_path / "net.py").write_text(
            "import tinygrad_pool as tg\n"
            f"xs = [tg.Value(float(i)) for i in range({n})]\n"
            "zs = [tg.relu(x) for x in xs]\n"
            "E = tg.weighted_sum(zs, xs, tg.maximum(*zs))\nE.backward()\n"
        )
        launch(client, configuration, "weighted_sum_backward")
        reached = []
        thread, frame = place(client)
        while frame is not None and frame["name"] != "relu_backward":
            reached.append(frame["name"])
            client.ask("stepIn", threadId=thread)
            thread, frame = place(client)
        assert set(reached) == {"weighted_sum_backward", "maximum_backward"}
        assert len(reached) <= 9  # of 4 and 3 lines, and where they end

    def test_steps_over_arrays_stop_only_in_closures(self, client, configuration, tmp_path):
        (tmp_path / "net.py").write_text(
            "import numpy as np, tinygrad_pool as tg\n"
            "x, w = tg.Value(np.ones((1, 1, 4, 4))), tg.Value(np.ones((1, 1, 2, 2)))\n"
            "pooled = tg.max_pool2d(tg.conv2d(x + tg.Value(1.0), w, np.ones(1)), 2)\n"
            "E = tg.maximum(tg.relu(pooled), 0.5).mean()\nE.backward()\n"
        )
        launch(client, configuration, "mean_backward")
        reached = []
        thread, frame = place(client)
        while not frame["source"]["path"].endswith("net.py"):
            reached.append(frame["name"])
            client.ask("stepIn", threadId=thread)
            thread, frame = place(client)
        rules = "mean", "maximum", "relu", "max_pool", "conv", "add"
        assert list(dict.fromkeys(reached)) == [f"{rule}_backward" for rule in rules]

    def test_with_the_defaults_every_closure_is_skipped(self, client, configuration):
        configuration.pop("rules")
        launch(client, configuration | {"justMyCode": True}, "maximum_backward")
        assert place(client) == (None, None)


# -- the extension

TRIED = """\
const Module = require("module");
const load = Module._load;
class DebugAdapterExecutable {
  constructor(command, args) { Object.assign(this, { command, args }); }
}
const made = [];
const debug = { registerDebugAdapterDescriptorFactory: (type, factory) => [type, factory] };
const vscode = { DebugAdapterExecutable, debug };
Module._load = (name, ...more) => (name === "vscode" ? vscode : load(name, ...more));
const subscriptions = [];
require(process.argv[1]).activate({ subscriptions });
const [[type, factory]] = subscriptions;
const started = ["mine", undefined].map((python) =>
  factory.createDebugAdapterDescriptor({ configuration: { python } })
);
console.log(JSON.stringify([type, ...started]));
"""


@pytest.fixture
def folder(tmp_path, capsys):
    assert main(["vscode", "--extension", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / NAME} is an extension for VS Code.\n"
    return tmp_path / NAME


def test_the_manifest_is_complete(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "extension.js", "package.json"]
    manifest = json.loads((folder / "package.json").read_text("utf-8"))
    assert re.fullmatch(r"[a-z0-9-]+", manifest["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["version"] == tinygrad_pool.__version__.partition("+")[0]
    assert manifest["engines"] == {"vscode": "^1.75.0"}
    assert (folder / manifest["main"]).is_file()
    assert manifest["contributes"]["breakpoints"] == [{"language": "python"}]
    (debugger,) = manifest["contributes"]["debuggers"]
    assert manifest["activationEvents"] == [f"onDebugResolve:{debugger['type']}"]
    launch = debugger["configurationAttributes"]["launch"]
    assert set(launch["required"]) <= launch["properties"].keys()
    for configuration in debugger["initialConfigurations"]:
        assert configuration["type"] == debugger["type"]
        own = configuration.keys() - {"name", "type", "request"}
        assert own <= launch["properties"].keys()


def test_the_adapter_reads_every_attribute(tmp_path, monkeypatch):
    asked = set()

    class Noted(dict):
        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

    (tmp_path / "net.py").write_text("import tinygrad_pool as tg\nE = tg.Value(2.0).exp()\n")
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
    editor.load(Noted(program=str(tmp_path / "net.py")))
    assert ATTRIBUTES.keys() - asked == {"stopOnEntry", "python"}
    assert ATTRIBUTES["stopOnEntry"]["default"] is True  # as test_server.py launches
    assert STEPPING_BACK["program"] == "${file}"


def test_a_missing_folder_is_one_line(tmp_path, capsys):
    assert main(["vscode", "--extension", str(tmp_path / "absent")]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.peer
def test_its_script_starts_the_adapter(folder, peer):
    if shutil.which("node") is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("there is no Node here")
    command = ["node", "-e", TRIED, str(folder / "extension.js")]
    ran = subprocess.run(command, capture_output=True, check=True)
    arguments = ["-m", "tinygrad_pool", "dap"]
    assert json.loads(ran.stdout) == [
        "backward",
        {"command": "mine", "args": arguments},
        {"command": "python", "args": arguments},
    ]
