"""The commands for editors: the debug adapter, and the files for VS Code."""

from __future__ import annotations

import argparse
import gc
import os
import signal
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
    """Write settings for VS Code to step through closures, or an extension that also steps back."""
    from tinygrad_pool import __version__
    from tinygrad_pool.debugger import vscode as files

    if options.extension:
        print(f"{files.write_extension(options.folder, __version__)} is an extension for VS Code.")
    elif options.print:
        print(files.launch_json(), end="")
    else:
        print(f"Wrote {files.write_launch_json(options.folder)}.\n{files.HOW}")


def dap(options: argparse.Namespace) -> None:
    """Serve one session of the debug adapter protocol."""
    from tinygrad_pool.debugger.dap import Server, Wire

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    streams = _standard_streams() if options.port is None else _client_at(options.port)
    with streams as (reader, writer):
        Server(Wire(reader, writer), load).serve()


def load(arguments: Mapping[str, Any]) -> tuple[Recording, dict[str, Any]]:
    """Run the script of a launch request; return the recorded pass of a Value, and the names.

    Raises OptionError for a wrong or missing argument, ScriptError for an error of the script.
    """
    program, value = arguments.get("program"), arguments.get("value")
    args, folder = arguments.get("args") or [], arguments.get("cwd")
    if not isinstance(program, str):
        raise OptionError(f"launch: program must be the path of a script, got {program!r}")
    script = Path(program)  # of a module, a name
    if script.is_file():
        script = Path(os.path.abspath(program))  # noqa: PTH100  # resolve() would follow links
    if folder:
        if not isinstance(folder, str) or not Path(folder).is_dir():
            raise OptionError(f"launch: cwd must be a folder, got {folder!r}")
        os.chdir(folder)
    if not user_script.is_there(script):
        raise OptionError(f"launch: there is no script {script.absolute()}")
    if not isinstance(args, list) or not all(isinstance(word, str) for word in args):
        raise OptionError(f"launch: args must be a list of strings, got {args!r}")
    if not (value is None or isinstance(value, str)):
        raise OptionError(f"launch: value must be the name of a Value, got {value!r}")
    made = user_script.run(script, args, frames=True)
    gc.freeze()  # all of this lives on, so the garbage collector need not visit it
    try:
        chosen = scripts.value_of(made, value or None, program)
        scripts.check_fresh("launch", chosen, made, Path(program))
        return scripts.recorded(chosen, made), made
    except TinygradPoolError:
        raise
    except Exception as error:  # for example in a closure of the script
        message = user_script.error_message(error) or f"{type(error).__name__}: {error}"
        raise ScriptError(message) from error


@contextmanager
def _standard_streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Reserve the standard streams for the protocol; other output goes to standard error."""
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
def _client_at(port: int) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Wait for one editor on this machine at a port. Raises ToolError if the port is taken."""
    try:
        server = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise ToolError(f"dap: port {port}: {os.strerror(error.errno or 0)}") from None
    with server:
        print(f"waiting for an editor at {LOOPBACK}:{server.getsockname()[1]}", file=sys.stderr)
        client, _ = server.accept()
    with client, client.makefile("rb") as reader, client.makefile("wb") as writer:
        yield reader, writer
