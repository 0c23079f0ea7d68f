"""Write a self-contained HTML page that shows a picture to pan and zoom."""

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
    """Additions to a page: markup, with its style and script."""

    name: str = ""
    markup: str = ""
    style: str = ""
    script: str = ""


def extra_of(package: str, name: str, data: Any) -> Extra:
    """Read `name`.html, .css and .js of a package, with `data` as JSON in place of $told.

    What all pages with steps share comes first. The JSON is escaped, so that it cannot end its
    script element.
    """
    words = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    harmless = re.sub("[<>&\u2028\u2029]", lambda c: f"\\u{ord(c[0]):04x}", words)
    markup = Template(read(package, f"{name}.html")).substitute(told=harmless)
    style = read(__name__, "steps.css") + read(package, f"{name}.css")
    script = read(__name__, "steps.js", "numbers.js") + read(package, f"{name}.js")
    return Extra(name, markup, style, script)


def read(package: str, *names: str) -> str:
    """Read files of a package, one after another."""
    return "".join(files(package).joinpath(name).read_text("utf-8") for name in names)


def page(svg: str, caption: Caption, extra: Extra = Extra()) -> str:  # noqa: B008  # a NamedTuple
    """Write a page around an SVG, with the style and the script inside.

    Its content security policy forbids the network and all other scripts.
    """
    html, style, script = (read(__name__, f"page.{kind}") for kind in ("html", "css", "js"))
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
    r"""Remove indentation and comments from a script or a style.

    >>> thin("if (x) { // when\n  // why\n  f(); /* what */\n}\n")
    'if (x) {\nf();\n}\n'
    """
    comments = r"^\s*(//.*|/\*\*.*\*/)?\n|^ +| // .*| /\* .*? \*/"
    return re.sub(comments, "", source, flags=re.MULTILINE)


def _inline(svg: str) -> str:
    """Remove what an SVG inside a page does not need, such as tooltips with identifiers."""
    return TOOLTIP.sub(r"\1", COMMENT.sub("", svg[svg.index("<svg") :])).strip()


def _ground(svg: str) -> str:
    """Return a style that continues the picture's background around it, if it is not white."""
    match = GROUND.search(svg)
    return f' style="background: {match[1]}"' if match and match[1] != theme.PAPER else ""


def _is_wide(svg: str) -> bool:
    """Return whether a picture is wider than high, to be printed in landscape."""
    _, _, width, height = re.findall(r'viewBox="([^"]*)"', svg)[0].split()
    return float(width) > float(height)
