"""One HTML file that shows a picture to pan and zoom, and needs nothing from anywhere else."""

import base64
import re
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.words import Caption

COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
GROUND = re.compile(r'class="graph"[^>]*>\s*(?:<title>[^<]*</title>\s*)?<polygon fill="(#\w{6})"')
TOOLTIP = re.compile(
    r'(<g id="[^"]*" class="(?:graph|node|edge|cluster)"[^>]*>\n?)<title>[^<]*</title>\n?'
)


class Extra(NamedTuple):
    """What a page has beside the picture: markup, and the style and the script for it."""

    name: str = ""
    markup: str = ""
    style: str = ""
    script: str = ""


def page(svg: str, caption: Caption, extra: Extra = Extra()) -> str:  # noqa: B008  # a NamedTuple
    """Put an SVG on a page of its own, with the style and the script inside.

    The page forbids itself the network and every script but its own.
    """
    folder = files(__name__)
    html, style, script = (
        folder.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    style, script = thin(style + extra.style), thin(script + extra.script)
    digest = sha256(f"\n{script}".encode()).digest()
    return Template(html).substitute(
        title=escape(caption.title),
        text=escape(caption.text),
        shape=f"{'wide' if _is_wide(svg) else 'tall'} {extra.name}".strip(),
        ground=_ground(svg),
        more=extra.markup,
        arrows="<kbd>Shift</kbd> and arrows" if extra.name else "arrows",
        style=style,
        script=script,
        script_hash=base64.b64encode(digest).decode(),
        svg=_inline(svg),
    )


def thin(source: str) -> str:
    r"""Leave out of a script or a style what only its reader needs: indentation and comments.

    >>> thin("if (x) {\n  // why\n  f();\n}\n")
    'if (x) {\nf();\n}\n'
    """
    return re.sub(r"^\s*(//.*|/\*\*.*\*/)?\n|^ +", "", source, flags=re.MULTILINE)


def _inline(svg: str) -> str:
    """Leave out what only a file of its own needs, and tooltips that show a bare identifier."""
    return TOOLTIP.sub(r"\1", COMMENT.sub("", svg[svg.index("<svg") :])).strip()


def _ground(svg: str) -> str:
    """Continue the picture's own ground around it, where that is not white."""
    found = GROUND.search(svg)
    return f' style="background: {found[1]}"' if found and found[1] != theme.PAPER else ""


def _is_wide(svg: str) -> bool:
    """Return whether a picture is wider than high, so that paper is turned for it."""
    _, _, width, height = re.findall(r'viewBox="([^"]*)"', svg)[0].split()
    return float(width) > float(height)
