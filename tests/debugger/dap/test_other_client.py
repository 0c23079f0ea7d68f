"""The adapter as a client that others wrote sees it, from launch to exit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ADAPTER = "from tinygrad_pool.cli.main import main\n\nmain(['dap'])\n"


@pytest.mark.covered
@pytest.mark.peer
def test_the_protocol_authors_client_accepts_it(node, script, line, tmp_path):
    node("@vscode/debugadapter-testsupport")
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ADAPTER)
    client = Path(__file__).with_name("others_client.js")
    command = ["node", client, sys.executable, adapter, script, line("z = activation(a)")]
    ran = subprocess.run([*map(str, command)], capture_output=True, check=False, timeout=120)
    assert (ran.stderr.decode(), ran.stdout.decode()) == ("", "all as expected\n")


@pytest.fixture
def node():
    """Ask for a module of Node: skip where it is missing, unless CI promised to install it."""

    def ask(module):
        found = (
            shutil.which("node")
            and not subprocess.run(
                ["node", "-e", f"require.resolve({module!r})"], capture_output=True, check=False
            ).returncode
        )
        if not found:
            message = f"Node has no {module}: npm install it, and name its folder in NODE_PATH"
            (pytest.fail if "CI" in os.environ else pytest.skip)(message)

    return ask
