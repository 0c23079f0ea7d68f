"""Files for VS Code: a launch.json to step through closures, an extension to step back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinygrad_pool.errors import OutputError
from tinygrad_pool.files import check_folder, whole_folder

AIDS = (
    *("arguments", "blocks", "cells", "composition", "half_precision", "masks", "pool_checks"),
    *("primitive", "range_sums", "rule", "statistics", "tie_breaking", "tiles", "ufunc_methods"),
    *("unfolding", "window_matrices", "windows"),
)
"""Modules in rules/ without closures: like the engine, they are stepped over."""

CONFIGURATION: dict[str, Any] = {
    "name": "Step through backward",
    "type": "debugpy",
    "request": "launch",
    "program": "${file}",
    "console": "integratedTerminal",
    "justMyCode": False,
    "rules": [
        *({"path": f"**/tinygrad_pool/rules/{name}.py", "include": False} for name in AIDS),
        {"path": "**/tinygrad_pool/rules/**", "include": True},
        {"path": "**/tinygrad_pool/**", "include": False},
        {"path": "**/numpy/**", "include": False},
    ],
}
"""Settings to step into closures, but not into the engine between them.

By default, debugpy skips libraries with their closures.
"""

HOW = (
    "In Run and Debug, under Breakpoints, + adds a function breakpoint by name: relu_backward.\n"
    "Then start 'Step through backward'; Step Into (F11) goes from closure to closure."
)

NAME = "tinygrad-pool-backward"
TYPE = "backward"

STEPPING_BACK: dict[str, Any] = {
    "name": "Step back through the backward pass",
    "type": TYPE,
    "request": "launch",
    "program": "${file}",
    "python": "${command:python.interpreterPath}",
}

ATTRIBUTES: dict[str, Any] = {
    "program": {"type": "string", "description": "The script, which makes the loss at top level."},
    "value": {"type": "string", "description": "The loss; default: the last number it computed."},
    "args": {"type": "array", "items": {"type": "string"}, "description": "Its arguments."},
    "cwd": {"type": "string", "description": "The folder to run it in."},
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

Runs `python -m tinygrad_pool dap` for debug configurations of the type `backward`.
"""


def launch_json() -> str:
    """Return the contents of a launch.json.

    >>> print(launch_json().splitlines()[1])
      "version": "0.2.0",
    """
    return json.dumps({"version": "0.2.0", "configurations": [CONFIGURATION]}, indent=2) + "\n"


def write_launch_json(folder: Path) -> Path:
    """Write `.vscode/launch.json` into a folder, and return its path.

    Raises OutputError if the folder does not exist or cannot be written, or if the file exists
    already: the error then quotes the entry to add to it.
    """
    path = check_folder(folder / ".vscode").joinpath("launch.json")
    if path.exists():
        entry = json.dumps(CONFIGURATION, indent=2)
        raise OutputError(f"{path} exists already; add this to its configurations:\n{entry}")
    with whole_folder(path.parent) as files:
        files[path.name] = launch_json()
    return path


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
        "initialConfigurations": [STEPPING_BACK],
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
    """Write the extension into a new folder inside another, and return its path.

    Raises OutputError if the folder does not exist or cannot be written.
    """
    path = check_folder(folder / NAME)
    with whole_folder(path) as files:
        files["package.json"] = json.dumps(manifest(version), indent=2) + "\n"
        files["extension.js"] = SCRIPT
        files["README.md"] = README
    return path
