"""Colours for the prompt's output: only at a terminal, and not if NO_COLOR is set."""

from __future__ import annotations

import os
from typing import IO, Any

STYLES = {
    r"(?m)^(\d+ of \d+.*?:|\d+ steps? back from .*|before the first.*|-> .*)": "bold",
    r"(?m)^breakpoint \d+: .*": "magenta",
    r"(?m)^  \S+\.py:\d+: .*": "cyan",
    r"(?m)(^  because .*|(?<=sends )0 |(?<=sends )nothing )": "yellow",
    r"^──.*": "dim",
}
"""Colours for the position, a breakpoint, a line of source, and a zero with its reason."""
MISTAKE = {r"(?s).+": "red"}


def wants_colours(stream: IO[Any]) -> bool:
    """Return whether a stream is a terminal that shows colours, and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return False
    from rich.console import Console

    return Console(file=stream).color_system not in (None, "windows")


def coloured(text: str, stream: IO[Any], styles: dict[str, str] = STYLES) -> str:
    """Return a text with colour escape codes if the stream shows colours."""
    if not styles or not wants_colours(stream):
        return text
    from rich.console import Console
    from rich.text import Text

    styled = Text(text)
    for pattern, style in styles.items():
        styled.highlight_regex(pattern, style)
    console = Console(file=stream, highlight=False)
    with console.capture() as output:
        console.print(styled, soft_wrap=True, end="")
    return output.get()
