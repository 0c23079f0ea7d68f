"""Numbers, shapes, counts and tables as text for people."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from math import isclose
from typing import Any, NamedTuple

import numpy as np

LONGEST = 40
LISTED = 4
DIGIT = "\N{FIGURE SPACE}"
"""Pads numbers: as wide as a digit, so that columns align."""
BETWEEN = "\N{NO-BREAK SPACE} "
"""Separates the columns of an array."""

_NAME = re.compile(r"([^\W\d_]+)_?\{?(\d+(?:,\d+)?)?\}?(?:\^?\{?(\(\d+\))\}?)?")
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)")
_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_HIGH = str.maketrans("()0123456789", "⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(text: str, longest: int = LONGEST) -> str:
    """Put a text on one line, without control characters, shortened to `longest` characters.

    >>> plain("two" + chr(10) + "lines"), plain("abcdef", 4)
    ('two lines', 'abc…')
    """
    line = "".join(c if c.isprintable() else " " for c in text[: longest + 1])
    return line if len(line) <= longest else line[: longest - 1] + "…"


def typeset(label: str) -> str:
    """Typeset a name as in the derivation: w12 with an index, z1(2) with an index and a layer.

    >>> typeset("z1(2)"), typeset("z_{1}^{(2)}"), typeset("w_12"), typeset("loss")
    ('z₁⁽²⁾', 'z₁⁽²⁾', 'w₁₂', 'loss')
    """
    match = _NAME.fullmatch(label)
    if match is None or not (match[2] or match[3]):
        return plain(label)
    name, index, layer = match.groups(default="")
    return name + index.translate(_LOW) + layer.translate(_HIGH)


def number(x: float, digits: int = 4) -> str:
    """Format a number with four significant digits, or all integer digits below 1e6.

    Zeros at the end are left out only of a number that they leave as it is: 3.0004 squared is
    9.002, and 3 squared is not.

    >>> number(-0.123456), number(-0.0), number(12345.6), number(1e9)
    ('−0.1235', '0', '12346', '1e+09')
    >>> number(3.0), number(3.0004), number(0.1 + 0.2)
    ('3', '3.000', '0.3')
    """
    if 1e3 <= abs(float(x)) < 1e6:  # float(x), since 1e6 overflows in half precision
        digits = max(digits, len(f"{abs(x):.0f}"))
    shown = f"{x + 0.0:.{digits}g}"
    if not isclose(float(shown), x, rel_tol=1e-6):  # rounded, also to zeros
        shown = f"{x:#.{digits}g}".rstrip(".")
    return shown.replace("-", "−").replace("e−", "e-")


def numbers(data: Any) -> str:
    r"""Format a number, a small array with one line per row, or the range of a large array.

    >>> numbers(np.array([[1.0, 2.0], [3.0, 4.0]]))
    '1\xa0 2\n3\xa0 4'
    >>> numbers(np.arange(64.0).reshape(8, 8)), numbers(np.zeros((8, 8)))
    ('0 … 63', 'all 0')
    """
    if np.ndim(data) == 0:
        return number(float(data))
    if not is_large(data):
        rows = [[number(float(x)) for x in row] for row in (data if data.ndim == 2 else [data])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            BETWEEN.join(x.rjust(n, DIGIT) for x, n in zip(row, widths, strict=True))
            for row in rows
        )
    return _range(data)


def _range(data: Any) -> str:
    """Format the minimum and the maximum of an array, and its number of NaNs."""
    valid = data[~np.isnan(data)]
    nans = f"{data.size - valid.size} nan" if valid.size < data.size else ""
    if not valid.size:
        return nans or "empty"
    low, high = float(valid.min()), float(valid.max())
    if low == high and not nans:
        return f"all {number(low)}"
    digits = next((n for n in (3, 6, 17) if f"{low:.{n}g}" != f"{high:.{n}g}"), 3)
    return ", ".join(filter(None, (f"{number(low, digits)} … {number(high, digits)}", nans)))


def is_large(data: Any) -> bool:
    """Return whether an array is too large to show its numbers; its range is shown instead.

    >>> is_large(np.zeros(5)), is_large(np.zeros((4, 4))), is_large(2.0)
    (True, False, False)
    """
    return np.ndim(data) > 2 or np.size(data) == 0 or max(np.shape(data), default=0) > 4


def on_a_line(data: Any) -> str:
    """Format a number, a small array, or the shape and range of a large array, on one line.

    >>> on_a_line(np.array([[1.0, 2.0], [3.0, 4.0]])), on_a_line(np.zeros((8, 8)))
    ('1 2; 3 4', '(8, 8) all 0')
    """
    line = numbers(data).replace(BETWEEN, " ").replace(DIGIT, "").replace("\n", "; ")
    return f"{np.shape(data)} {line}" if np.ndim(data) and is_large(data) else line


def numbers_and_shape(data: Any) -> str:
    """Format a number, or the numbers of an array or their range with its shape, on one line.

    >>> numbers_and_shape(np.array([[1.0], [2.0]])), numbers_and_shape(np.arange(9.0))
    ('1, 2 (shape 2 × 1)', '0 … 8 (shape 9)')
    """
    if np.ndim(data) == 0:
        return number(float(data))
    few = "" if is_large(data) else ", ".join(number(float(x)) for x in np.ravel(data))
    return f"{few or numbers(data)} (shape {shape(np.shape(data))})"


def joined(arrays: Sequence[Any]) -> Any:
    """Flatten and concatenate arrays.

    >>> joined([1.0, np.array([[2.0, 3.0]])]), joined([1.0, 2.0])
    (array([1., 2., 3.]), array([1., 2.]))
    """
    with np.errstate(over="ignore"):  # a long double may exceed float64
        if all(isinstance(a, float | np.generic) for a in arrays):
            return np.array(arrays, float)
        return np.concatenate([np.reshape(np.asarray(a, float), -1) for a in arrays])


def range_of(flat: Any) -> str:
    """Format the range of a flat array, or its only number.

    >>> range_of(np.array([3.0, 1.0, np.nan])), range_of(np.array([2.0]))
    ('1 … 3, 1 nan', '2')
    """
    return number(float(flat[0])) if flat.size == 1 else _range(flat)


def shape(lengths: tuple[int, ...]) -> str:
    """Format a shape; a number's is "".

    >>> shape((8, 1, 28)), shape(())
    ('8 × 1 × 28', '')
    """
    return " × ".join(map(str, lengths))


def counted(n: int, what: str, plural: str = "") -> str:
    """Format a count with its noun; `plural` is for irregular nouns.

    >>> counted(1, "unit"), counted(2000, "unit"), counted(0, "leaf", "leaves")
    ('1 unit', '2,000 units', '0 leaves')
    """
    return f"{n:,} {what if n == 1 else plural or what + 's'}"


def often(n: int) -> str:
    """Format a number of occurrences.

    >>> often(1), often(2000)
    ('once', '2,000 times')
    """
    return "once" if n == 1 else f"{n:,} times"


def several(names: Sequence[str], most: int = LISTED) -> str:
    """Join names with commas; after the first `most`, only count them.

    >>> several(["a", "b"]), several("abcdef")
    ('a, b', 'a, b, c, d and 2 more')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def subscript(place: Iterable[Any]) -> str:
    """Format the index of an element, to follow the name of its array; "" for a number.

    >>> subscript((1, 0)), subscript(())
    ('[1, 0]', '')
    """
    return str([int(i) for i in place] or "")


class Text(str):
    r"""A multi-line text, displayed at a prompt and in a notebook as by `print`.

    >>> Text("a\nb")
    a
    b
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self)}</pre>"


class Table(NamedTuple):
    """A table of results: a title, a heading per column, and rows of any objects.

    >>> print(Table("Sums", ["of", "are"], [["1 and 2", 3]]).text())
    Sums
     of        are
    ───────────────
     1 and 2   3
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def text(self) -> str:
        """Format the table as text, as wide as its cells need, whatever the terminal."""
        from rich import box
        from rich.console import Console
        from rich.table import Table as Rich
        from rich.text import Text

        table = Rich(box=box.SIMPLE_HEAD, show_edge=False, header_style="")
        for column in self.columns:
            table.add_column(Text(column), no_wrap=True)
        for row in self.rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        console = Console(file=StringIO(), width=1000, color_system=None, force_jupyter=False)
        with console.capture() as captured:
            console.print(table)
        lines = [self.title, *captured.get().splitlines()] if self.rows else [self.title]
        return "\n".join(line.rstrip() for line in lines)

    def with_count(self, n: int) -> Table:
        """Return the table with a last row that says how many of `n` rows are omitted."""
        if n == len(self.rows):
            return self
        rest = [f"… {n - len(self.rows):,} more", *[""] * (len(self.columns) - 1)]
        return self._replace(rows=[*self.rows, rest])

    def html(self) -> str:
        """Format the table as escaped HTML."""
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>"
            for row in self.rows
        )
        return f"<p>{escape(self.title)}</p>" + (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        )


PLAINLY = "tinygrad_pool"
"""The name under which `plainly` is registered as an error handler of codecs, like "replace"."""

IN_ASCII = {
    **dict.fromkeys("−–—─", "-"),
    **dict.fromkeys("│├", "|"),
    **dict.fromkeys("‘’′", "'"),
    **dict.fromkeys("“”", '"'),
    **{"└": "`", "×": "*", "·": "*", "÷": "/", "±": "+-", "√": "sqrt ", "∞": "inf"},
    **{"∂": "d", "Σ": "sum", "λ": "lambda", "Λ": "Lambda"},  # Unicode calls the letter LAMDA
    **{"→": "->", "←": "<-", "≥": ">=", "≤": "<=", "≈": "~", "²": "^2", "³": "^3", "ᵀ": ".T"},
}


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks by ASCII: symbols, Greek letters and accents.

    >>> "−2 × é → α ☂".encode("ascii", PLAINLY)
    b'-2 * e -> alpha ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_replacement, error.object[error.start : error.end])), error.end


def written(text: str, stream: object) -> str:
    """Replace the characters of a text that a stream cannot encode."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, PLAINLY).decode(encoding)


def _replacement(character: str) -> str:
    if character in IN_ASCII:
        return IN_ASCII[character]
    if greek := _GREEK.match(unicodedata.name(character, "")):
        return greek[2].capitalize() if greek[1] == "CAPITAL" else greek[2].lower()
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"


codecs.register_error(PLAINLY, plainly)
