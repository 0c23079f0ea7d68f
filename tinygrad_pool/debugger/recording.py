"""Recording a backward pass."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_pool.debugger.walk import Walk
from tinygrad_pool.engine import Value
from tinygrad_pool.errors import OutputError
from tinygrad_pool.files import check_folder, write_whole

if TYPE_CHECKING:
    from tinygrad_pool.drawing.computation import Direction


class Recording(Walk):
    """A backward pass, step by step: a walk that can be written to a page that plays it."""

    def to_html(
        self, path: str | os.PathLike[str], *, direction: Direction = "LR", title: str = ""
    ) -> Path:
        """Write a page that plays the pass: play, pause, step, back, and a ledger for each node.

        One file, which needs no network. `direction` and folding are as in `tg.draw`. The file is
        written whole or not at all; the place in the recording stays.

        Raises OptionError for an unknown direction, OutputError if the file cannot be written,
        ToolError if no Graphviz can draw the graph.
        """
        from tinygrad_pool.debugger.player import page_of

        path = check_folder(path)
        if path.suffix not in (".html", ".htm"):
            raise OutputError(f"to_html: {path} needs the suffix .html")
        return write_whole(path, page_of(self, direction, title).encode())


def record(
    loss: Value, gradient: Any = None, *, names: Mapping[str, Any] | None = None
) -> Recording:
    """Record a backward pass, to walk through it in both directions and to ask it why.

    Nothing changes until it is moved: then every `.grad` is as it is after that many steps, and at
    the last position as `backward()` leaves it. `names=locals()` calls Values by their variables.

    Raises as `Value.backward` does.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> passed = record((a * b).exp())
    >>> step = passed.seek(1)
    >>> step.node.op, a.has_grad, passed.next().node.op, round(a.grad, 1)
    ('exp', False, 'mul', 1210.3)
    """
    return Recording(loss, gradient, names)
