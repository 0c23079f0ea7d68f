"""The transcript of an editor's session in docs/debuggers.md, as it runs."""

import re
from pathlib import Path

import pytest

from tinygrad_pool.cli import editor

ROOT = Path(__file__).parents[3]
DEBUGGERS = (ROOT / "docs" / "debuggers.md").read_text("utf-8")
TRANSCRIPT = re.search(r"^```text\n(> launch .*?)^```$", DEBUGGERS, re.M | re.S)[1]
MOVES = ("continue", "next", "stepBack", "reverseContinue")


def shown_after(client, request):
    """Make the request named by a line of the transcript; return what an editor then shows."""
    command, _, argument = request.partition(" ")
    if command == "launch":
        script = ROOT / "examples" / argument
        client.start(program=str(script), cwd=str(script.parent))
        return place(client, "entry")
    if command == "breakpoint":
        path, _, line = argument.partition(":")
        source = {"path": str(ROOT / "examples" / path)}
        lines = [{"line": int(line)}]
        (b,) = client.ask("setBreakpoints", source=source, breakpoints=lines)["breakpoints"]
        return "  verified\n" if b["verified"] else f"  {b['message']}\n"
    if command in MOVES:
        return place(client, client.move(command)[0])
    if command == "variables":
        return "".join(f"  {n} = {v}\n" for n, v in client.values(argument).items())
    output = client.ask("evaluate", expression=request, context="repl")["result"]
    return "".join(f"  {line}\n" for line in output.splitlines())


def place(client, reason):
    """List the frames, each with its line."""
    frames = client.ask("stackTrace", threadId=1)["stackFrames"]
    shown = [f"    {frame['name']}, line {frame['line']}\n" for frame in frames]
    return f"  stopped: {reason}\n" + "".join(shown)


@pytest.mark.usefixtures("_own_argv")
def test_the_transcript_is_current(connect, monkeypatch):
    monkeypatch.chdir(ROOT / "examples")
    client = connect(editor.load)
    requests = re.findall(r"^> (.*)$", TRANSCRIPT, re.M)
    assert {request.split()[0] for request in requests} >= {*MOVES, "launch", "why"}
    assert "".join(f"> {r}\n{shown_after(client, r)}" for r in requests) == TRANSCRIPT
