"""A page that plays a backward pass: one file, for a browser, without a network."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from string import Template

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.computation import FULL, Direction, check_drawable
from tinygrad_pool.drawing.page import Extra, page
from tinygrad_pool.drawing.words import Caption, graph_in_words, with_caption
from tinygrad_pool.errors import ToolError
from tinygrad_pool.formatting import Text, plain
from tinygrad_pool.recording.player.stage import stage_of
from tinygrad_pool.recording.player.story import Story
from tinygrad_pool.recording.trace import Trace

HEIGHT = 640


def page_of(passed: Trace, direction: Direction | None = None, title: str = "") -> str:
    """Write the page that plays a recorded pass. Raises OptionError for an unknown direction."""
    check_drawable(passed.loss, "LR" if direction is None else direction, "to_html")
    stage = stage_of(passed, direction)
    told = json.dumps(Story(passed, stage).told(), ensure_ascii=False, separators=(",", ":"))
    folder = files(__name__)
    markup, style, script = (
        folder.joinpath(f"player.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    harmless = re.sub("[<>&\u2028\u2029]", lambda c: f"\\u{ord(c[0]):04x}", told)
    markup = Template(markup).substitute(story=harmless)
    counted = graph_in_words(passed.loss, passed.nodes).text.partition(". ")[0]
    name = passed.loss.label or passed.names.get(id(passed.loss), "")
    heading = title or f"Backward pass{f' from {plain(name)}' if name else ''}"
    caption = Caption(heading, f"{counted}. Click a node for what its gradient is made of.")
    extra = Extra("player", markup, style + _dark(), script)
    return page(with_caption(stage.svg, caption), caption, extra)


def frame_of(passed: Trace) -> str:
    """Return the page in a frame of its own; the recording's text if that takes long or fails."""
    try:
        page = page_of(passed) if len(passed.nodes) <= FULL else ""
    except ToolError:
        page = ""
    if not page:
        return Text(repr(passed))._repr_html_()
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" title="Backward pass" '
        f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
    )


def _dark() -> str:
    """Turn the colours of the picture where the reader's system is dark."""
    rules = "".join(
        f'main svg [{what}="{light.lower()}"] {{ {what}: {dark}; }}\n'
        for light, dark in theme.DARK.items()
        for what in ("fill", "stroke")
    )
    return f"\n@media (prefers-color-scheme: dark) {{\n{rules}}}\n"
