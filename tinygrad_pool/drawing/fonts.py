"""Give text in an SVG the width that the layout assumed, whichever font a browser has."""

import re
from html import unescape

STACK = "Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif"
"""Fonts with the widths of Helvetica, which the layout assumes, for browsers without it."""

ADVANCES = {
    191: "'",
    222: "ijl",
    278: " !,./:;I[\\]ft\N{NO-BREAK SPACE}·′",
    260: "|",
    333: "()-`r{}₀₁₂₃₄₅₆₇₈₉",
    355: '"',
    389: "*",
    469: "^",
    500: "cJksvxyz∂",
    584: "+<=>~−×",
    611: "FTZ",
    667: "&ABEKPSVXYΣ",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "@…↓←→",
}
"""Widths of Helvetica's letters in thousandths of their size, from its font metrics."""
USUAL = 556
_WIDTHS = {letter: wide for wide, letters in ADVANCES.items() for letter in letters}
_TEXT = re.compile(r'<text ([^>]*font-size="([\d.]+)"[^>]*)>([^<]+)</text>')


def width(text: str, size: float) -> float:
    """Return the width of a text in Helvetica, in points.

    >>> round(width("0.5", 10.0), 2)
    13.9
    """
    return sum(_WIDTHS.get(letter, USUAL) for letter in text) * size / 1000


def place_for(text: str, size: float) -> float:
    """Return the width that the layout assumes for a text: that of a space per non-ASCII byte."""
    assumed = (letter if letter.isascii() else " " * len(letter.encode()) for letter in text)
    return width("".join(assumed), size)


def fitted(svg: str) -> str:
    """Fix the width of each text, so that it stays in its box if another font is wider.

    If the layout left too little room, as for "…", the text is condensed by at most 5 %.
    """

    def with_width(match: re.Match[str]) -> str:
        options, size, text = match.groups()
        letters = unescape(text), float(size)
        wide = min(natural := width(*letters), max(place_for(*letters), 0.95 * natural))
        fixed = f'textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs"'
        return f"<text {options} {fixed}>{text}</text>"

    return _TEXT.sub(with_width, svg.replace("Helvetica,sans-Serif", STACK))
