"""A VS Code extension that starts the debug adapter: three files, and nothing to build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinygrad_pool.files import check_folder, whole_folder

NAME = "tinygrad-pool-backward"
TYPE = "backward"

CONFIGURATION: dict[str, Any] = {
    "name": "Step back through the backward pass",
    "type": TYPE,
    "request": "launch",
    "program": "${file}",
    "python": "${command:python.interpreterPath}",
}

ATTRIBUTES: dict[str, Any] = {
    "program": {"type": "string", "description": "The script. Its top level makes the loss."},
    "value": {"type": "string", "description": "The loss; default: the last number it made."},
    "args": {"type": "array", "items": {"type": "string"}, "description": "What sys.argv holds."},
    "cwd": {"type": "string", "description": "The folder to run in."},
    "stopOnEntry": {
        "type": "boolean",
        "default": True,
        "description": "Stop before the first step, not only at breakpoints.",
    },
    "python": {
        "type": "string",
        "default": "python",
        "description": "The Python in which tinygrad_pool is installed.",
    },
}

SCRIPT = f"""\
const vscode = require("vscode");

exports.activate = (context) => {{
  const factory = {{
    createDebugAdapterDescriptor(session) {{
      const python = session.configuration.python || "python";
      return new vscode.DebugAdapterExecutable(python, ["-m", "tinygrad_pool", "dap"]);
    }},
  }};
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory("{TYPE}", factory)
  );
}};
"""

README = """\
# tinygrad_pool: step back through the backward pass

Starts `python -m tinygrad_pool dap` for debug configurations of the type `backward`.
"""


def manifest(version: str) -> dict[str, Any]:
    """Return the extension's package.json.

    >>> manifest("0.1.0")["contributes"]["debuggers"][0]["type"]
    'backward'
    """
    debugger = {
        "type": TYPE,
        "label": "Backward pass (tinygrad_pool)",
        "languages": ["python"],
        "configurationAttributes": {"launch": {"required": ["program"], "properties": ATTRIBUTES}},
        "initialConfigurations": [CONFIGURATION],
    }
    return {
        "name": NAME,
        "displayName": "tinygrad_pool: the backward pass",
        "description": "Step back and forth through a backward pass, on your own lines.",
        "version": version.partition("+")[0],
        "publisher": "tinygrad-pool",
        "license": "MIT",
        "engines": {"vscode": "^1.75.0"},
        "categories": ["Debuggers"],
        "main": "./extension.js",
        "files": ["extension.js"],
        "activationEvents": [f"onDebugResolve:{TYPE}"],
        "contributes": {"breakpoints": [{"language": "python"}], "debuggers": [debugger]},
    }


def write_extension(folder: Path, version: str) -> Path:
    """Write the extension into a folder of its own inside another; return its path.

    Raises OutputError if there is no such folder, or none that can be written to.
    """
    path = check_folder(folder / NAME)
    with whole_folder(path) as files:
        files["package.json"] = json.dumps(manifest(version), indent=2) + "\n"
        files["extension.js"] = SCRIPT
        files["README.md"] = README
    return path
