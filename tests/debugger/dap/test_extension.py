"""The extension for VS Code: its manifest is valid, and its script starts the adapter."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import tinygrad_pool as tg
from tinygrad_pool.cli import editor
from tinygrad_pool.cli.main import main
from tinygrad_pool.debugger.dap.extension import ATTRIBUTES, CONFIGURATION, NAME

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


def test_the_manifest_has_what_an_editor_needs(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "extension.js", "package.json"]
    manifest = json.loads((folder / "package.json").read_text("utf-8"))
    assert re.fullmatch(r"[a-z0-9-]+", manifest["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["version"] == tg.__version__.partition("+")[0]
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
    assert CONFIGURATION["program"] == "${file}"


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
