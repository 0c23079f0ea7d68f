"""A graphviz Digraph that a notebook shows with whichever Graphviz is installed."""

from typing import Any

from graphviz import Digraph

from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.words import caption_of, with_caption
from tinygrad_pool.errors import ToolError


class Drawing(Digraph):  # type: ignore[misc]  # graphviz carries no types
    """A Digraph that a notebook shows as SVG, or as a message if no Graphviz is installed."""

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        try:
            svg = picture(self.source, "svg").decode()
        except ToolError as error:
            return {"text/plain": str(error)}
        return {"image/svg+xml": with_caption(svg, caption_of(self, svg))}
