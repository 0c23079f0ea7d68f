"""Run a user's script as the main program, and report its errors by its own lines."""

from __future__ import annotations

import runpy
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from types import TracebackType
from typing import Any

from tinygrad_pool.engine.context import traced
from tinygrad_pool.errors import ScriptError

CALLS = 8
"""How many calls that led to an error are listed."""

_INSIDE = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<frozen ")
_INSTALLED = {"site-packages", "dist-packages"}


def is_there(script: Path) -> bool:
    """Return whether a script is a file, or a module below this folder: python -m takes that."""
    module = Path(*str(script).split("."))
    files = script, Path(f"{module}.py"), module / "__main__.py"
    return any(file.is_file() for file in files)


def run(script: Path, arguments: Sequence[str] = (), frames: bool = False) -> dict[str, Any]:
    """Run a script or a module, traced, as the main program; return what it made at top level.

    Afterwards the current folder and the standard streams are as before: paths mean what they meant
    when given, and a command prints where it was called. `frames` keeps the calls that led to each
    node. An exit with status 0 counts as reaching the last line. Raises ScriptError for any other
    exit and for every error of the script, with the lines that led there, and if it closed standard
    output.
    """
    if script.suffix == ".ipynb":
        raise ScriptError(f"{script} is a notebook: ask in a cell of it, as with tg.debug(loss)")
    sys.argv[:] = [str(script), *arguments]
    is_file = script.is_file()
    sys.path.insert(0, str(script.resolve().parent))  # of a module, this folder
    streams = sys.stdout, sys.stderr
    try:
        with chdir("."), traced(frames=frames):
            if is_file:
                made = runpy.run_path(str(script), run_name="__main__")
            else:
                made = runpy.run_module(str(script), run_name="__main__", alter_sys=True)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise ScriptError(told(ended)) from ended
        made = _made_before(ended.__traceback__)
    except Exception as error:
        if "no known parent package" in str(error):
            module = f"{script.resolve().parent.name}.{script.stem}"
            error.add_note(f"from the folder above, give its name, as to python -m: {module}")
        said = told(error) or f"{script}: {type(error).__name__}: {error}"
        raise ScriptError(said) from error
    finally:
        sys.stdout, sys.stderr = streams
    if sys.stdout is not None and sys.stdout.closed:
        raise ScriptError(f"{script}: it closed standard output, which the command prints to")
    return made


def _made_before(end: TracebackType | None) -> dict[str, Any]:
    """Return the names of a script's top level at the moment it exited."""
    if sys.stdin is not None and sys.stdin.closed:  # quit() closes it, and a prompt may need it
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # it stays open
    frames = (frame for frame, _ in traceback.walk_tb(end))
    main = next(f for f in frames if f.f_globals["__name__"] == "__main__")
    return dict(main.f_globals)


def told(error: BaseException) -> str:
    """Describe an error: the user's line that caused it, its message, and the calls before.

    Returns "" if none of the user's lines led to it.
    """
    lines = list(_user_lines(error))
    if not lines:
        return ""
    said = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
    calls = [f"  called at {line}" for line in lines[1 : CALLS + 1]]
    more = len(lines) - 1 - CALLS
    calls += [f"  … {more:,} more calls"] * (more > 0)
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    at = next(_user_lines(earlier), lines[0]) if earlier else lines[0]
    if at != lines[0]:
        calls.append(f"  after {type(earlier).__name__}: {earlier}, at {at}")
    return "\n".join([lines[0], said, *calls])


def _user_lines(error: BaseException) -> Iterator[str]:
    """List the user's own lines that led to an error, innermost first."""
    if isinstance(error, SyntaxError) and error.lineno:
        yield _line(str(error.filename), error.lineno, error.text)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        inside = frame.filename.startswith(_INSIDE)
        if not inside and _INSTALLED.isdisjoint(Path(frame.filename).parts):
            yield _line(frame.filename, frame.lineno, frame.line)


def _line(file: str, number: int | None, text: str | None) -> str:
    return f'File "{file}", line {number}: {(text or "").strip()}'
