"""Find a Graphviz program: `$TINYGRAD_POOL_DOT`, `dot` on the PATH, or one from a wheel."""

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
    "draw(v, detail='layers') draws less, depth=3 only the last few nodes, timeout= waits longer, "
    "and render(v, 'graph.dot') writes the text without a layout"
)


def picture(source: str, kind: str, engine: str = "dot", timeout: float = TIMEOUT) -> bytes:
    """Lay out DOT text and return the picture, of kind svg, png or pdf, or json0 for the layout.

    The engine nop2 draws a graph that has a layout already.

    Raises ToolError if no Graphviz prints a complete picture, with what was tried and what to
    install; or if it takes longer than `timeout` seconds, with faster alternatives.
    """
    tried = []
    for name, draw in _drawers(kind):
        try:
            output = draw(source, kind, engine, timeout)
            if _is_complete(output, kind):
                return fitted(output.decode()).encode() if kind == "svg" else output
            tried.append(f"{name}: printed {f'no {kind}' if output else 'nothing'}")
        except subprocess.TimeoutExpired:
            raise ToolError(f"the layout took longer than {timeout:g} s; {SLOW}") from None
        except (OSError, ImportError, subprocess.CalledProcessError) as error:
            tried.append(f"{name}: {_reason(error)}")
        if name == os.environ.get(VARIABLE):
            break
    listed = "".join(f"; {line}" for line in tried)
    raise ToolError(f"no Graphviz found here can draw {kind}{listed}; {INSTALL}")


def lend_to_graphviz() -> None:
    """Let `pipe` and `render` of the graphviz package use the program found here."""
    from graphviz.backend import dot_command

    if Path("dot") == dot_command.DOT_BINARY and (program := next(_programs("svg"), None)):
        dot_command.DOT_BINARY = Path(program)


def _drawers(kind: str) -> Iterator[tuple[str, Callable[[str, str, str, float], bytes]]]:
    for program in _programs(kind):
        yield program, partial(_run, program)
    if find_spec("pygraphviz"):
        yield "pygraphviz", _with_pygraphviz


def _programs(kind: str) -> Iterator[str]:
    """Yield the programs that accept dot's options, in order of preference."""
    if chosen := os.environ.get(VARIABLE):
        yield chosen
    if dot := shutil.which("dot"):
        yield dot
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
    text = source.encode(errors="replace")
    return subprocess.run(
        command, input=text, capture_output=True, check=True, timeout=timeout
    ).stdout


def _with_pygraphviz(source: str, kind: str, engine: str, _: float) -> bytes:
    import pygraphviz

    return bytes(pygraphviz.AGraph(string=source).draw(format=kind, prog=engine))


def _is_complete(output: bytes, kind: str) -> bool:
    """Return whether a program's output is a complete picture."""
    if kind == "png":
        return output.startswith(b"\x89PNG\r\n") and output.endswith(b"IEND\xaeB`\x82")
    if kind == "pdf":
        return output.startswith(b"%PDF-") and b"%%EOF" in output[-1024:]
    try:
        if kind == "svg":
            root = ET.fromstring(output.decode())
            drawn = root.find("*[@class='graph']") is not None
            box = root.get("viewBox", "").split()
        else:
            layout = json.loads(output)
            drawn = bool([float(x["width"]) for x in layout["objects"] if "nodes" not in x])
            box = layout["bb"].split(",")
        return drawn and len([*map(float, box)]) == 4
    except (ET.ParseError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return False


def _reason(error: OSError | ImportError | subprocess.CalledProcessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        return lines[0] if lines else f"exit code {error.returncode}"
    return getattr(error, "strerror", None) or str(error)
