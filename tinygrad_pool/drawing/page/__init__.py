"""One HTML file that shows a picture to pan and zoom, and needs nothing from anywhere else."""

import base64
import json
import re
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple

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


def extra_of(package: str, name: str, told: Any) -> Extra:
    """Read `name`.html, .css and .js of a package, with what is told as JSON in the place of $told.

    Nothing in it can end the script element that it stands in.
    """
    markup, style, script = _read(package, name)
    words = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    harmless = re.sub("[<>&\u2028\u2029]", lambda c: f"\\u{ord(c[0]):04x}", words)
    return Extra(name, Template(markup).substitute(told=harmless), style, script)


def _read(package: str, name: str) -> list[str]:
    folder = files(package)
    return [folder.joinpath(f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css", "js")]


def page(svg: str, caption: Caption, extra: Extra = Extra()) -> str:  # noqa: B008  # a NamedTuple
    """Put an SVG on a page of its own, with the style and the script inside.

    The page forbids itself the network and every script but its own.
    """
    html, style, script = _read(__name__, "page")
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
