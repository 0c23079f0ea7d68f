"""A launch configuration with which VS Code steps from closure to closure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinygrad_pool.errors import OutputError
from tinygrad_pool.files import check_folder, whole_folder

AIDS = ("arguments", "masks", "rule", "tie_breaking", "windows")
"""Modules of rules without closures: they are stepped over, as the engine is."""

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
"""Settings that step into closures, but not into the engine between them.

With debugpy's defaults a library is skipped, and its closures with it.
"""

HOW = (
    "In Run and Debug, under Breakpoints, + adds a function breakpoint by name: relu_backward.\n"
    "Then start 'Step through backward'; Step Into (F11) goes from closure to closure."
)


def launch_json() -> str:
    """Write the contents of a launch.json.

    >>> print(launch_json().splitlines()[1])
      "version": "0.2.0",
    """
    return json.dumps({"version": "0.2.0", "configurations": [CONFIGURATION]}, indent=2) + "\n"


def write_launch_json(folder: Path) -> Path:
    """Write `.vscode/launch.json` into a folder, and return its path.

    Raises OutputError if the file exists already, with what to add to it, or if the folder does not
    exist or cannot be written.
    """
    path = check_folder(folder / ".vscode").joinpath("launch.json")
    if path.exists():
        entry = json.dumps(CONFIGURATION, indent=2)
        raise OutputError(f"{path} exists already; add this to its configurations:\n{entry}")
    with whole_folder(path.parent) as files:
        files[path.name] = launch_json()
    return path
