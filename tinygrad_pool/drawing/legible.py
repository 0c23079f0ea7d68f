"""Draw a graph for a slide, with text that can be read from the back row."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

from tinygrad_pool.drawing.computation import draw, nodes_within
from tinygrad_pool.drawing.dot_program import picture
from tinygrad_pool.drawing.folding import coarser
from tinygrad_pool.drawing.theme import Digraph
from tinygrad_pool.engine.value import Value

SLIDE, LEAST = (1920, 1080), 16
"""The size of a slide and the smallest text on it, in pixels."""
LETTERS, MARGIN = 14, 8
"""The size of text and the sum of both margins, in points."""
TURNED = {"LR": "TB", "RL": "BT", "TB": "LR", "BT": "RL"}


def legible(value: Value, timeout: float, **options: Any) -> Digraph:
    """Draw a graph as `draw` does, with text of at least 16 pixels on a slide of 1920 × 1080.

    A graph that is too large is turned unless a `direction` is given, then folded in the first way
    that makes the text large enough. With a `detail`, it is drawn as it is.
    """
    drawn = draw(value, **options)
    if options.get("detail", "auto") != "auto":
        return drawn
    best, pixels = drawn, _pixels(drawn, timeout)
    turned = {"direction": TURNED[drawn.graph_attr["rankdir"]]}
    ways = [turned] if options.get("direction") is None else []
    nodes = nodes_within(value, options.get("depth"))
    for way in chain(ways, ({"detail": fold} for fold in coarser(nodes))):
        if pixels >= LEAST:
            break
        other = draw(value, **{**options, **way})
        if (larger := _pixels(other, timeout)) > pixels:
            best, pixels = other, larger
    return best


def _pixels(drawn: Digraph, timeout: float) -> float:
    """Measure the size of text when the picture fills a slide."""
    layout = json.loads(picture(drawn.source, "json0", timeout=timeout))
    left, bottom, right, top = map(float, layout["bb"].split(","))
    own = right - left + MARGIN, top - bottom + MARGIN
    return LETTERS * min(side / length for side, length in zip(SLIDE, own, strict=True))
