"""Run a user's script as the main program, and report its errors by the lines of the script."""

from __future__ import annotations

import os
import runpy
import sys
import sysconfig
import traceback
from bdb import BdbQuit
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from types import TracebackType
from typing import Any

from tinygrad_pool.engine.context import traced
from tinygrad_pool.errors import ScriptError
from tinygrad_pool.formatting import counted

CALLS = 8
"""The most calls to list for an error."""

_INSIDE = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<frozen ")
_INSTALLED = {"site-packages", "dist-packages"}


def is_there(script: Path) -> bool:
    """Return whether a script is a file, or a module below this folder as for python -m."""
    module = Path(*str(script).split("."))
    files = script, Path(f"{module}.py"), module / "__main__.py"
    return any(file.is_file() for file in files)


def run(script: Path, arguments: Sequence[str] = (), frames: bool = False) -> dict[str, Any]:
    """Run a script or a module as the main program, traced; return its top-level names.

    Afterwards, the current folder and the standard streams are restored, so that paths given on the
    command line stay valid. `frames` records the calls that led to each node. An exit with status 0
    counts as reaching the last line. Raises ScriptError for any other exit and for every error of
    the script, with the lines that led to it, and if the script closed standard output.
    """
    if script.suffix == ".ipynb":
        raise ScriptError(f"{script} is a notebook: call tg.debug(loss), for example, in a cell")
    sys.argv[:] = [str(script), *arguments]
    is_file, process = script.is_file(), os.getpid()
    sys.path.insert(0, str(script.resolve().parent))  # for a module, this folder
    streams = sys.stdout, sys.stderr
    try:
        with chdir("."), traced(frames=frames):
            if is_file:
                made = runpy.run_path(str(script), run_name="__main__")
            else:
                made = runpy.run_module(str(script), run_name="__main__", alter_sys=True)
    except (KeyboardInterrupt, BrokenPipeError, BdbQuit):
        raise
    except SystemExit as exited:
        if exited.code not in (None, 0):
            raise ScriptError(error_message(exited)) from exited
        made = _names_at_exit(exited.__traceback__)
    except BaseException as error:
        if "no known parent package" in str(error):
            folder = script.resolve().parent.parent
            while (folder / "__init__.py").exists():
                folder = folder.parent
            parts = script.resolve().with_suffix("").relative_to(folder).parts
            error.add_note(f"run it as a module, from {folder}: {'.'.join(parts)}")
        message = error_message(error) or f"{script}: {type(error).__name__}: {error}"
        raise ScriptError(message) from error
    finally:
        sys.stdout, sys.stderr = streams
    if os.getpid() != process:  # in a child of the script, after os.fork()
        raise SystemExit
    if sys.stdout is not None and sys.stdout.closed:
        raise ScriptError(f"{script}: it closed standard output, which the command prints to")
    return made


def _names_at_exit(end: TracebackType | None) -> dict[str, Any]:
    """Return the top-level names of a script at the moment it exited."""
    if sys.stdin is not None and sys.stdin.closed:  # quit() closes it, and a prompt may need it
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # it is not to be closed
    frames = (frame for frame, _ in traceback.walk_tb(end))
    main = next(f for f in frames if f.f_globals["__name__"] == "__main__")
    return dict(main.f_globals)


def error_message(error: BaseException) -> str:
    """Describe an error: the user's line that caused it, its message, and the calls before it.

    Returns "" if none of the user's lines led to it.
    """
    lines = list(_user_lines(error))
    if not lines:
        return ""
    message = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError):
        message = f"{type(error).__name__}: {error.msg}"
    calls = [f"  called at {line}" for line in lines[1 : CALLS + 1]]
    more = len(lines) - 1 - CALLS
    calls += [f"  … {counted(more, 'more call')}"] * (more > 0)
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    at = next(_user_lines(earlier), lines[0]) if earlier else lines[0]
    if at != lines[0]:
        calls.append(f"  after {type(earlier).__name__}: {earlier}, at {at}")
    return "\n".join([lines[0], message, *calls])


def _user_lines(error: BaseException) -> Iterator[str]:
    """Yield the user's lines that led to an error, innermost first."""
    if isinstance(error, SyntaxError) and error.lineno:
        yield _line(str(error.filename), error.lineno, error.text)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        inside = frame.filename.startswith(_INSIDE)
        if not inside and _INSTALLED.isdisjoint(Path(frame.filename).parts):
            yield _line(frame.filename, frame.lineno, frame.line)


def _line(file: str, number: int | None, text: str | None) -> str:
    return f'File "{file}", line {number}: {(text or "").strip()}'
