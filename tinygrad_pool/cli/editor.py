"""The commands for editors: the debug adapter, at a port or standard streams; VS Code's files."""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tinygrad_pool.cli import scripts, user_script
from tinygrad_pool.errors import OptionError, ScriptError, TinygradPoolError, ToolError

if TYPE_CHECKING:
    from tinygrad_pool.recording.recording import Recording

LOOPBACK = "127.0.0.1"


def vscode(options: argparse.Namespace) -> None:
    """Write how VS Code steps from closure to closure, or an extension of it that steps back."""
    from tinygrad_pool import __version__
    from tinygrad_pool.debugger import vscode as files

    if options.extension:
        print(f"{files.write_extension(options.folder, __version__)} is an extension for VS Code.")
    elif options.print:
        print(files.launch_json(), end="")
    else:
        print(f"{files.write_launch_json(options.folder)} is written.\n{files.HOW}")


def dap(options: argparse.Namespace) -> None:
    """Serve one session of the debug adapter protocol."""
    from tinygrad_pool.debugger.dap import Server, Wire

    streams = _own_streams() if options.port is None else _caller_at(options.port)
    with streams as (reader, writer):
        Server(Wire(reader, writer), load).serve()


def load(arguments: Mapping[str, Any]) -> tuple[Recording, dict[str, Any]]:
    """Run a script as a launch request says; return the pass of one of its Values, and its names.

    Raises OptionError for what the request lacks, ScriptError for what the script raises.
    """
    program, value = arguments.get("program"), arguments.get("value")
    given, folder = arguments.get("args") or [], arguments.get("cwd")
    if not isinstance(program, str):
        raise OptionError(f"launch: program must be the path of a script, got {program!r}")
    if not Path(program).is_file():
        raise OptionError(f"launch: there is no script {Path(program).absolute()}")
    script = Path(os.path.abspath(program))  # noqa: PTH100  # resolve() would follow links
    if folder:
        if not isinstance(folder, str) or not Path(folder).is_dir():
            raise OptionError(f"launch: cwd must be a folder, got {folder!r}")
        os.chdir(folder)
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise OptionError(f"launch: args must be a list of strings, got {given!r}")
    if not (value is None or isinstance(value, str)):
        raise OptionError(f"launch: value must be the name of a Value, got {value!r}")
    made = user_script.run(script, given, frames=True)
    gc.freeze()  # all this stays: the collector need not run through it again and again
    try:
        chosen = scripts.value_of(made, value or None, program)
        scripts.check_fresh("launch", chosen, made, Path(program))
        return scripts.recorded(chosen, made), made
    except TinygradPoolError:
        raise
    except Exception as error:  # as of a closure of the script's
        raise ScriptError(user_script.told(error) or f"{type(error).__name__}: {error}") from error


@contextmanager
def _own_streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Take the standard streams for the protocol; what else is written goes to standard error."""
    kept = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        with open(kept[0], "rb", closefd=False) as reader, open(kept[1], "wb", closefd=False) as w:
            yield reader, w
    finally:
        for own, standard in zip(kept, (0, 1), strict=True):
            os.dup2(own, standard)
            os.close(own)
        os.close(nothing)


@contextmanager
def _caller_at(port: int) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Wait for one editor, on this machine, at a port. Raises ToolError if it is not to be had."""
    try:
        server = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise ToolError(f"dap: port {port}: {os.strerror(error.errno or 0)}") from None
    with server:
        print(f"waiting for an editor at {LOOPBACK}:{server.getsockname()[1]}", file=sys.stderr)
        caller, _ = server.accept()
    with caller, caller.makefile("rb") as reader, caller.makefile("wb") as writer:
        yield reader, writer
