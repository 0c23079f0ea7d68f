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
    """Restore what the command changes, such as sys.argv, after one test."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
