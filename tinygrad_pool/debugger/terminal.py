"""The terminal of the prompt: whether there is one, completion, and colours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
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


@contextmanager
def completing() -> Iterator[None]:
    """Complete names such as mul#2 or conv1/w as one word within a with block."""
    if not find_spec("readline"):  # on Windows
        yield
        return
    import readline

    before = readline.get_completer_delims()
    readline.set_completer_delims(" \t\n=[")
    try:
        yield
    finally:
        readline.set_completer_delims(before)


def can_ask() -> bool:
    """Return whether the user can be prompted: at a terminal or in an interactive notebook."""
    session = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(session, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", True))  # false in nbconvert
    try:
        return sys.stdin is not None and sys.stdin.isatty()  # None without a console
    except ValueError:  # stdin is closed
        return False
