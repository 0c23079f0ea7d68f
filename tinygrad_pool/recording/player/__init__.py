"""A page that plays a backward pass: one file, for a browser, without a network."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from string import Template
from typing import Literal, TypeAlias, get_args

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.computation import FULL, Direction, check_drawable
from tinygrad_pool.drawing.page import Extra, page
from tinygrad_pool.drawing.words import Caption, graph_in_words, with_caption
from tinygrad_pool.errors import ToolError
from tinygrad_pool.formatting import Text, plain
from tinygrad_pool.javascript import runtime
from tinygrad_pool.recording.player.instrument import Instrument, instrument_of
from tinygrad_pool.recording.player.stage import stage_of
from tinygrad_pool.recording.player.story import Story
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arguments import choice, text

FIELD = (700, 260, 560)
"""How wide the picture's field is in a notebook, and how high at least and at most."""

AROUND = 320
"""How much of a frame's height is beside the picture."""

Start: TypeAlias = Literal["play", "predict"]


def page_of(
    passed: Trace,
    direction: Direction | None = None,
    title: str = "",
    start: Start = "play",
    name: str = "to_html",
) -> str:
    """Write the page that plays a recorded pass.

    Raises OptionError for an unknown direction or start.
    """
    check_drawable(passed.loss, direction, name)
    choice(start, get_args(Start), f"{name}: start")
    text(title, f"{name}: title")
    stage, instrument = stage_of(passed, direction), instrument_of(passed)
    story = Story(passed, stage).told()
    story |= {"engine": instrument.told, "fixed": instrument.fixed, "opens": start}
    told = json.dumps(story, ensure_ascii=False, separators=(",", ":"))
    markup, style, script = map(read, ("player.html", "player.css", "player.js"))
    script += _computing(instrument) + read("start.js")
    harmless = re.sub("[<>&\u2028\u2029]", lambda c: f"\\u{ord(c[0]):04x}", told)
    markup = Template(markup).substitute(story=harmless)
    counted = graph_in_words(passed.loss, passed.nodes).text.partition(". ")[0]
    name = passed.loss.label or passed.names.get(id(passed.loss), "")
    heading = title or f"Backward pass{f' from {plain(name)}' if name else ''}"
    caption = Caption(heading, f"{counted}. Click a node to see what its gradient is made of.")
    extra = Extra("player", markup, style + _dark(), script)
    return page(with_caption(stage.svg, caption), caption, extra)


def _computing(instrument: Instrument) -> str:
    """Return the scripts that a page needs to compute, if it can."""
    if instrument.told is None:
        return ""
    functions = ",\n".join(instrument.functions)
    own = map(read, ("numbers.js", "retelling.js", "whatif.js", "predicting.js"))
    return "".join([f"\nconst functions = [\n{functions},\n];\n", runtime(), *own])


def read(name: str) -> str:
    """Read a file of this folder."""
    return files(__name__).joinpath(name).read_text("utf-8")


def frame_of(passed: Trace) -> str:
    """Return the page in a frame of its own; the recording's text if that takes long or fails."""
    try:
        page = page_of(passed, "LR") if len(passed.nodes) <= FULL else ""
    except ToolError:
        page = ""
    if not page:
        return Text(repr(passed))._repr_html_()
    return framed(page)


def framed(page: str) -> str:
    """Put a page in a frame, as high as its picture needs."""
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="Backward pass" '
        f'style="width: 100%; height: {_height(page)}px; border: 0"></iframe>'
    )


def _height(page: str) -> int:
    """Return how high a frame is that a page's picture fills, where a notebook is 1,000 wide."""
    _, _, wide, high = map(float, re.findall(r'<svg[^>]*viewBox="([^"]*)"', page)[0].split())
    field, lowest, highest = FIELD
    return round(AROUND + min(highest, max(lowest, min(field / wide, 2) * high)))


def _dark() -> str:
    """Turn the colours of the picture where the reader's system is dark."""
    rules = "".join(
        f'main svg [{what}="{light.lower()}"] {{ {what}: {dark}; }}\n'
        for light, dark in theme.DARK.items()
        for what in ("fill", "stroke")
    )
    return f"\n@media (prefers-color-scheme: dark) {{\n{rules}}}\n"
