"""Write pictures to files: SVG, PNG, PDF, a page to pan and zoom, or DOT text."""

import os
import re
from pathlib import Path
from typing import Any, TypeAlias

from tinygrad_pool.drawing.computation import draw
from tinygrad_pool.drawing.dot_program import TIMEOUT, picture
from tinygrad_pool.drawing.legible import legible
from tinygrad_pool.drawing.page import page
from tinygrad_pool.drawing.theme import Digraph, Figure
from tinygrad_pool.drawing.words import caption_of, is_graph, with_caption
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.files import check_path, kind_of, write_whole
from tinygrad_pool.rules.arguments import count_of, real

Drawn: TypeAlias = "Value | Digraph | Figure"
Size: TypeAlias = tuple[int | None, int | None]
"""Width and height in pixels; either may be None."""
POINTS, LARGEST = 72, 100_000
MOST_PIXELS = 32_767  # the largest bitmap of Graphviz's renderer, on a side
KINDS = ("svg", "png", "pdf", "html", "dot")


def render(
    drawn: Drawn,
    path: str | os.PathLike[str],
    *,
    width: int | None = None,
    height: int | None = None,
    dpi: int = 192,
    timeout: float = TIMEOUT,
    **options: Any,
) -> Path:
    """Write the graph of a Value, or the result of a draw function, to a file; return its path.

    The suffix selects the format: .svg, .png (with `dpi` dots per inch), .pdf, .html (a page to pan
    and zoom), or .dot for the text. `width` and `height` are in pixels: the picture is scaled to
    fit, and keeps its proportions. With a size, a graph whose text would be smaller than 16 pixels
    on a slide of 1920 × 1080 is folded, with a note; `detail="full"` draws all of it. Other options
    are those of `draw`. The file is written whole or not at all. The layout may take `timeout`
    seconds.

    Raises DataError if `drawn` is neither, OptionError for a size below 1, OutputError for another
    suffix or a missing folder, ToolError if no Graphviz can draw the format or the layout takes too
    long, with what to do.

    >>> render(Value(2.0).exp(), "missing/graph.dot")
    Traceback (most recent call last):
    tinygrad_pool.errors.OutputError: missing/graph.dot: the folder missing does not exist
    """
    path = check_path(path, "render", *KINDS)
    kind = kind_of(path)
    for name, side in (("width", width), ("height", height)):
        if side is not None:
            count_of(side, f"render: {name} in pixels", 1, MOST_PIXELS)
    real(dpi, "render: dpi", 1.0, LARGEST)
    timeout = real(timeout, "render: timeout", 0.0, LARGEST)
    size = width, height
    if isinstance(drawn, Value):
        measured = any(size) and kind != "dot"
        drawn = legible(drawn, timeout, **options) if measured else draw(drawn, **options)
    elif options:
        raise OptionError(
            f"render: pass {', '.join(options)} to the draw function; this is drawn already"
        )
    elif not (is_graph(drawn) or hasattr(drawn, "savefig")):
        raise DataError(
            f"render: needs a Value or what a draw function returned, got {type(drawn).__name__}"
        )
    return write_whole(path, contents(drawn, kind, dpi, timeout, size))


def contents(
    drawn: "Digraph | Figure",
    kind: str,
    dpi: int = 192,
    timeout: float = TIMEOUT,
    size: Size = (None, None),
) -> bytes:
    """Return a picture as the contents of a file of kind svg, html, png, pdf or dot."""
    if kind in ("svg", "html"):
        svg = _laid_out(drawn, "svg", dpi, timeout, size).decode()
        caption = caption_of(drawn, svg)
        svg = with_caption(_sized(svg, size) if any(size) else svg, caption)
        return (svg if kind == "svg" else page(svg, caption)).encode()
    return _laid_out(drawn, kind, dpi, timeout, size)


def _laid_out(drawn: "Digraph | Figure", kind: str, dpi: int, timeout: float, size: Size) -> bytes:
    if not is_graph(drawn):
        from tinygrad_pool.drawing.figure import contents_of

        return contents_of(drawn, kind, dpi, size)
    if kind == "dot":
        return str(drawn.source).encode()
    graph = drawn.copy()
    if kind == "png":
        graph.attr(dpi=str(dpi))
    if kind == "pdf":
        graph.attr(margin="0")  # or a dark picture has a white rim
    if any(size) and kind != "svg":
        wide, high = (side or LARGEST for side in size)
        graph.attr(size=f"{wide / POINTS},{high / POINTS}!", dpi=str(POINTS))
    return picture(graph.source, kind, timeout=timeout)


def _sized(svg: str, size: Size) -> str:
    _, _, *own = map(float, re.findall(r'viewBox="([^"]*)"', svg)[0].split())
    scale = min(side / length for side, length in zip(size, own, strict=True) if side)
    wide, high = (f"{length * scale:.0f}px" for length in own)
    opening = re.compile(r'(<svg[^>]*?)width="[^"]*"(\s*)height="[^"]*"')
    return opening.sub(rf'\1width="{wide}"\2height="{high}"', svg, count=1)
