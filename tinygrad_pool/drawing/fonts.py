"""Text in an SVG as wide as the layout reckoned, whichever font a browser has."""

import re
from html import unescape

STACK = "Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif"
"""Fonts as wide as the one that the layout reckons with, for browsers that have no Helvetica."""

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
"""How wide Helvetica's letters are, in thousandths of their size, from its font metrics."""
USUAL = 556
_WIDTHS = {letter: wide for wide, letters in ADVANCES.items() for letter in letters}
_TEXT = re.compile(r'<text ([^>]*font-size="([\d.]+)"[^>]*)>([^<]+)</text>')


def width(text: str, size: float) -> float:
    """Return how wide a text is in Helvetica, in points.

    >>> round(width("0.5", 10.0), 2)
    13.9
    """
    return sum(_WIDTHS.get(letter, USUAL) for letter in text) * size / 1000


def place_for(text: str, size: float) -> float:
    """Return how wide the layout takes a text to be: beyond ASCII, a space for each byte."""
    taken = (letter if letter.isascii() else " " * len(letter.encode()) for letter in text)
    return width("".join(taken), size)


def fitted(svg: str) -> str:
    """Give each text its width, so that none leaves its box where another font is wider.

    What the layout left too little place for, as for "…", is set up to a twentieth closer.
    """

    def with_width(found: re.Match[str]) -> str:
        options, size, text = found.groups()
        letters = unescape(text), float(size)
        wide = min(natural := width(*letters), max(place_for(*letters), 0.95 * natural))
        fixed = f'textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs"'
        return f"<text {options} {fixed}>{text}</text>"

    return _TEXT.sub(with_width, svg.replace("Helvetica,sans-Serif", STACK))
