"""Stack frames: the path from a node up to the loss, each at the line of source that made it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.recording import views
from tinygrad_pool.recording.trace import Trace

MOST_FRAMES = 200


class Paths:
    """A way from each node up to the loss, along which gradients flowed if there is one.

    The whole pass is looked through once; a ledger of it would cost a large graph a second.
    """

    def __init__(self, passed: Trace) -> None:
        self.passed = passed
        self._above: dict[Node, Node] = {}
        nothing_sent: dict[Node, Node] = {}
        for node, _, contributions in passed.steps:
            for p, c in zip(node.parents, contributions, strict=True):
                if c is not None and p not in self._above:
                    sends = c if type(c) is float else np.any(c)
                    (self._above if sends else nothing_sent).setdefault(p, node)
        self._above = nothing_sent | self._above

    def up(self, node: Node) -> Iterator[Node]:
        """Yield a node, then what sent to it, up to the loss."""
        yield node
        while node is not self.passed.loss:
            node = self._above[node]
            yield node

    def frames(self, node: Node, start: int, levels: int, first: int) -> dict[str, Any]:
        """Return some frames of a node's path; by default as many as an editor can show."""
        wanted = levels if levels > 0 else MOST_FRAMES
        found = list(islice(self.up(node), start, start + wanted + 1))
        shown = [self._frame(n, first) for n in found[:wanted]]
        return {"stackFrames": shown, "totalFrames": start + len(found)}

    def _frame(self, node: Node, first: int) -> dict[str, Any]:
        """Describe a node as a frame, in the place of its line; lines are counted from `first`."""
        line = node.about.line
        frame: dict[str, Any] = {
            "id": self.passed.number(node) + 1,
            "name": views.title(self.passed, node),
        }
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
