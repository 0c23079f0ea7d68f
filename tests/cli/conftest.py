"""What the tests of the command line share."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def run():
    """Run the command in a process of its own."""

    def command(*arguments, **options):
        command = [sys.executable, "-m", "tinygrad_pool", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False, **options)

    return command


@pytest.fixture
def _own_argv(monkeypatch):
    """Let the command change what Python keeps for a script, for one test."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
