"""A page that plays a backward pass: one file for a browser, which needs no network."""

from __future__ import annotations

import re
from contextlib import suppress
from html import escape
from typing import Literal, TypeAlias, get_args

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.computation import FULL, Direction, check_direction
from tinygrad_pool.drawing.page import extra_of, page, read
from tinygrad_pool.drawing.words import Caption, graph_in_words, with_caption
from tinygrad_pool.errors import ToolError
from tinygrad_pool.formatting import Text, plain
from tinygrad_pool.javascript import runtime
from tinygrad_pool.recording.player.instrument import instrument_of
from tinygrad_pool.recording.player.stage import stage_of
from tinygrad_pool.recording.player.story import Story
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arguments import choice, text

FIELD = (700, 260, 560)
"""In a notebook, the width of the picture's field, and its least and greatest height."""

AROUND = 320
"""The height of a frame without the picture."""

Start: TypeAlias = Literal["play", "predict"]


def page_of(
    recording: Trace,
    direction: Direction | None = None,
    title: str = "",
    start: Start = "play",
    name: str = "to_html",
) -> str:
    """Write the page that plays a recorded pass.

    Raises OptionError for an unknown direction or start.
    """
    check_direction(direction, name)
    choice(start, get_args(Start), f"{name}: start")
    text(title, f"{name}: title")
    stage, instrument = stage_of(recording, direction), instrument_of(recording)
    story = Story(recording, stage).to_json()
    story |= {"engine": instrument.data, "fixed": instrument.fixed, "opens": start}
    extra = extra_of(__name__, "player", story)
    script = extra.script + read(__name__, "figures.js")
    if instrument.data is not None:
        functions = ",\n".join(instrument.functions)
        script += f"\nconst functions = [\n{functions},\n];\n{runtime()}"
        script += read(__name__, "retelling.js", "whatif.js", "predicting.js")
    script += read(__name__, "start.js")
    counted = graph_in_words(recording.loss, recording.nodes).text.partition(". ")[0]
    name = recording.loss.label or recording.names.get(id(recording.loss), "")
    heading = title or f"Backward pass{f' from {plain(name)}' if name else ''}"
    caption = Caption(heading, f"{counted}. Click a node to see what its gradient is made of.")
    extra = extra._replace(style=extra.style + _dark(stage.svg), script=script)
    return page(with_caption(stage.svg, caption), caption, extra)


def frame_of(recording: Trace) -> str:
    """Return the page in a frame; of a large graph, or without Graphviz, the recording as text."""
    with suppress(ToolError):
        if len(recording.nodes) <= FULL:
            return framed(page_of(recording, "LR"))
    return Text(repr(recording))._repr_html_()


def framed(page: str) -> str:
    """Put a page in a frame, as high as its picture needs."""
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="Backward pass" '
        f'style="width: 100%; height: {_height(page)}px; border: 0"></iframe>'
    )


def _height(page: str) -> int:
    """Return the height of a frame that fits a page's picture, in a notebook 1,000 pixels wide."""
    _, _, wide, high = map(float, re.findall(r'<svg[^>]*viewBox="([^"]*)"', page)[0].split())
    field, lowest, highest = FIELD
    return round(AROUND + min(highest, max(lowest, min(field / wide, 2) * high)))


def _dark(svg: str) -> str:
    """Return the style that recolours a picture in dark mode."""
    rules = "".join(
        f'main svg [{what}="{light.lower()}"] {{ {what}: {dark}; }}\n'
        for light, dark in theme.DARK.items()
        for what in ("fill", "stroke")
        if f'{what}="{light.lower()}"' in svg
    )
    return f"\n@media (prefers-color-scheme: dark) {{\n{rules}}}\n"
