"""Stack frames: the path from a node up to the loss, each at the line of source that made it."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

from tinygrad_pool.engine.node import Node
from tinygrad_pool.recording import views
from tinygrad_pool.recording.trace import Trace

MOST_FRAMES = 200


def frames_of(passed: Trace, node: Node, start: int, levels: int, first: int) -> dict[str, Any]:
    """Return some frames of a node's path; by default as many as an editor can show."""
    wanted = levels if levels > 0 else MOST_FRAMES
    found = list(islice(views.up(passed, node), start, start + wanted + 1))
    shown = [_frame(passed, n, first) for n in found[:wanted]]
    return {"stackFrames": shown, "totalFrames": start + len(found)}


def _frame(passed: Trace, node: Node, first: int) -> dict[str, Any]:
    """Describe a node as a frame, in the place of its line; lines are counted from `first`."""
    line = node.about.line
    frame: dict[str, Any] = {"id": passed.number(node) + 1, "name": views.title(passed, node)}
    if line is None:
        return frame | {"line": 0, "column": 0, "presentationHint": "subtle"}
    frame["name"] += f", in {line.function}"
    if callers := node.about.callers:
        frame["name"] += f" called at {', '.join(map(str, callers))}"
    return frame | source_of(line.file) | {"line": line.number - 1 + first, "column": first}


def source_of(file: str) -> dict[str, Any]:
    """Name a file of source, if there is one: code may come from a prompt.

    >>> source_of("<stdin>")
    {}
    """
    path = Path(os.path.abspath(file))  # noqa: PTH100  # resolve() would follow links
    return {"source": {"name": path.name, "path": str(path)}} if path.is_file() else {}
