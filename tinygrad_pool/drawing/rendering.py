"""Pictures on disk: SVG, PNG, PDF, a page to pan and zoom, or the DOT text itself."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tinygrad_pool.drawing.computation import draw
from tinygrad_pool.drawing.dot_program import TIMEOUT, picture
from tinygrad_pool.drawing.page import page
from tinygrad_pool.drawing.words import caption_of, is_graph, with_caption
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError, OutputError
from tinygrad_pool.files import check_folder, kind_of, write_whole

if TYPE_CHECKING:
    from graphviz import Digraph
    from matplotlib.figure import Figure

Drawn: TypeAlias = "Value | Digraph | Figure"
KINDS = ("svg", "png", "pdf", "html", "dot")


def render(
    drawn: Drawn,
    path: str | os.PathLike[str],
    *,
    dpi: int = 192,
    timeout: float = TIMEOUT,
    **options: Any,
) -> Path:
    """Write the picture of a Value, or one that was drawn already, to a file; return its path.

    The suffix tells the format: .svg, .png (with `dpi` dots an inch), .pdf, .html (one file, to
    pan and zoom), or .dot for the text. Options are those of `draw`. The file is written whole or
    not at all. A layout may take `timeout` seconds.

    Raises DataError for anything else, OutputError for another suffix or a folder that does not
    exist, ToolError if no Graphviz can draw the format, or not in that time, saying what to do.

    >>> render(Value(2.0).exp(), "missing/graph.dot")
    Traceback (most recent call last):
    tinygrad_pool.errors.OutputError: missing/graph.dot: the folder missing does not exist
    """
    path = check_folder(path)
    kind = kind_of(path)
    if kind not in KINDS:
        raise OutputError(f"render: {path} needs a suffix among .{', .'.join(KINDS)}")
    if isinstance(drawn, Value):
        drawn = draw(drawn, **options)
    elif options:
        raise OptionError(
            f"render: give {', '.join(options)} to the draw function; this is drawn already"
        )
    elif not (is_graph(drawn) or hasattr(drawn, "savefig")):
        raise DataError(
            f"render: needs a Value or what a draw function returned, got a {type(drawn).__name__}"
        )
    return write_whole(path, contents(drawn, kind, dpi, timeout))


def contents(
    drawn: "Digraph | Figure", kind: str, dpi: int = 192, timeout: float = TIMEOUT
) -> bytes:
    """Return a picture as the contents of a file of kind svg, html, png, pdf or dot."""
    if kind in ("svg", "html"):
        svg = _laid_out(drawn, "svg", dpi, timeout).decode()
        caption = caption_of(drawn, svg)
        svg = with_caption(svg, caption)
        return (svg if kind == "svg" else page(svg, caption)).encode()
    return _laid_out(drawn, kind, dpi, timeout)


def _laid_out(drawn: "Digraph | Figure", kind: str, dpi: int, timeout: float) -> bytes:
    if not is_graph(drawn):
        from tinygrad_pool.drawing.figure import contents_of

        return contents_of(drawn, kind, dpi)
    if kind == "dot":
        return str(drawn.source).encode()
    graph = drawn.copy()
    if kind == "png":
        graph.attr(dpi=str(dpi))
    return picture(graph.source, kind, timeout=timeout)
