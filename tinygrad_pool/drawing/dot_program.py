"""Which Graphviz draws: `$TINYGRAD_POOL_DOT`, `dot` on the PATH, or one that comes as a wheel."""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

from tinygrad_pool.drawing.fonts import fitted
from tinygrad_pool.errors import ToolError

VARIABLE = "TINYGRAD_POOL_DOT"
INSTALL = (
    "install Graphviz (its program dot), or pip install 'tinygrad_pool[render]' for SVG and PNG, "
    "'tinygrad_pool[pdf]' for PDF too; DOT text needs nothing: render(v, 'graph.dot')"
)

TIMEOUT = 30.0
SLOW = (
    "detail='layers' or 'ops' draws less, depth=3 only the last few nodes, timeout= waits longer, "
    "and render(v, 'graph.dot') writes the text without a layout"
)


def picture(source: str, kind: str, engine: str = "dot", timeout: float = TIMEOUT) -> bytes:
    """Lay out DOT text and return the picture, of kind svg, png or pdf, or json0 for the layout.

    The engine nop2 draws what is laid out already.

    Raises ToolError if no Graphviz can draw it, or what one prints is no whole picture, saying what
    was tried and what to install; or if it takes longer than `timeout` seconds, saying what would
    not.
    """
    tried = []
    for name, draw in _drawers(kind):
        try:
            drawn = draw(source, kind, engine, timeout)
            if _is_whole(drawn, kind):
                return fitted(drawn.decode()).encode() if kind == "svg" else drawn
            tried.append(f"{name}: printed {f'no {kind}' if drawn else 'nothing'}")
        except subprocess.TimeoutExpired:
            raise ToolError(f"the layout took longer than {timeout:g} s; {SLOW}") from None
        except (OSError, ImportError, subprocess.CalledProcessError) as error:
            tried.append(f"{name}: {_reason(error)}")
        if name == os.environ.get(VARIABLE):
            break
    listed = "".join(f"; {line}" for line in tried)
    raise ToolError(f"no Graphviz found here can draw {kind}{listed}; {INSTALL}")


def lend_to_graphviz() -> None:
    """Let the graphviz package's own `pipe` and `render` use the program found here."""
    from graphviz.backend import dot_command

    if Path("dot") == dot_command.DOT_BINARY:
        found = next(_programs("svg"), None)
        dot_command.DOT_BINARY = Path(found) if found else dot_command.DOT_BINARY


def _drawers(kind: str) -> Iterator[tuple[str, Callable[[str, str, str, float], bytes]]]:
    for program in _programs(kind):
        yield program, partial(_run, program)
    if find_spec("pygraphviz"):
        yield "pygraphviz", _with_pygraphviz


def _programs(kind: str) -> Iterator[str]:
    """List programs that take dot's flags, the preferred one first."""
    if given := os.environ.get(VARIABLE):
        yield given
    if found := shutil.which("dot"):
        yield found
    if kind != "pdf":
        yield from _programs_of_wheel("graphviz-pure")


def _programs_of_wheel(name: str) -> Iterator[str]:
    try:
        installed = files(name) or []
    except PackageNotFoundError:
        return
    yield from (str(Path(f.locate()).resolve()) for f in installed if f.stem == name)


def _run(program: str, source: str, kind: str, engine: str, timeout: float) -> bytes:
    command = [program, f"-K{engine}", f"-T{kind}"]
    given = source.encode(errors="replace")
    ran = subprocess.run(command, input=given, capture_output=True, check=True, timeout=timeout)
    return ran.stdout


def _with_pygraphviz(source: str, kind: str, engine: str, _: float) -> bytes:
    import pygraphviz

    return bytes(pygraphviz.AGraph(string=source).draw(format=kind, prog=engine))


def _is_whole(drawn: bytes, kind: str) -> bool:
    """Return whether a program's output is a complete picture."""
    if kind == "png":
        return drawn.startswith(b"\x89PNG\r\n") and drawn.endswith(b"IEND\xaeB`\x82")
    if kind == "pdf":
        return drawn.startswith(b"%PDF-") and b"%%EOF" in drawn[-1024:]
    try:
        if kind == "svg":
            root = ET.fromstring(drawn)
            shown, box = root.find("*[@class='graph']"), root.get("viewBox", "").split()
        else:
            laid = json.loads(drawn)
            shown, box = laid["objects"], laid["bb"].split(",")
        return shown is not None and len([*map(float, box)]) == 4
    except (ET.ParseError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return False


def _reason(error: OSError | ImportError | subprocess.CalledProcessError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, ImportError):  # a system library that the wheel needs
        return str(error)
    lines = error.stderr.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else f"exit code {error.returncode}"
