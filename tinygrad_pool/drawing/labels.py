"""How numbers, names and operations read in a picture. All text is escaped for Graphviz's HTML."""

import re
from html import escape
from typing import Any

import numpy as np

from tinygrad_pool.engine.node import Node

LONGEST = 40
DIGIT = "\N{FIGURE SPACE}"
"""As wide as a digit: columns of numbers stay below each other."""

SIGNS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "neg": "−",
    "power": "**",
    "square": "x²",
    "sqrt": "√",
    "sum": "Σ",
    "weighted_sum": "Σ w x + b",
    "matmul": "@",
    "sigmoid": "σ",
    "abs": "|x|",
    "maximum": "max",
    "minimum": "min",
    "getitem": "[ ]",
}
_NAME = re.compile(r"([^\W\d_]+)_?(\d+(?:,\d+)?)?(\(\d+\))?")
_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_HIGH = str.maketrans("()0123456789", "⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹")


def text(given: str) -> str:
    r"""Make a text fit for a label written in Graphviz's HTML, which reads backslashes, too.

    >>> print(text(r"a<b> & \Gamma"))
    a&lt;b&gt; &amp; \\Gamma
    """
    return escape(plain(given)).replace("\\", r"\\")


def plain(given: str) -> str:
    """Keep a text on one line, and cut it where it would spoil a picture.

    >>> plain("two" + chr(10) + "lines")
    'two lines'
    """
    shown = "".join(c if c.isprintable() else " " for c in given[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def typeset(label: str) -> str:
    """Set a name as the derivation does: w12 with an index, z1(2) with index and layer.

    >>> typeset("z1(2)"), typeset("w12"), typeset("loss")
    ('z₁⁽²⁾', 'w₁₂', 'loss')
    """
    match = _NAME.fullmatch(label)
    if match is None or not (match[2] or match[3]):
        return plain(label)
    name, index, layer = match.groups(default="")
    return name + index.translate(_LOW) + layer.translate(_HIGH)


def number(x: float, digits: int = 4) -> str:
    """Write a number in four significant digits, with a real minus sign; up to a million, in full.

    >>> number(-0.123456), number(-0.0), number(12345.6), number(1e9)
    ('−0.1235', '0', '12346', '1e+09')
    """
    if 1e3 <= abs(x) < 1e6:
        digits = max(digits, len(f"{abs(x):.0f}"))
    return f"{x + 0.0:.{digits}g}".replace("-", "−").replace("e−", "e-")


def numbers(data: Any) -> str:
    """Write a number, a small array row by row, or the range of a large one.

    >>> numbers(np.array([[1.0, 2.0], [3.0, 4.0]]))
    '1&nbsp; 2<BR/>3&nbsp; 4'
    >>> numbers(np.arange(64.0).reshape(8, 8))
    '0 … 63'
    """
    if np.ndim(data) == 0:
        return number(float(data))
    if not is_large(data):
        rows = [[number(float(x)) for x in row] for row in (data if data.ndim == 2 else [data])]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "<BR/>".join(
            "&nbsp; ".join(x.rjust(n, DIGIT) for x, n in zip(row, wide, strict=True))
            for row in rows
        )
    known = data[~np.isnan(data)]
    ends = (
        [number(float(end), digits=3) for end in (known.min(), known.max())] if known.size else []
    )
    nans = f"{data.size - known.size} nan" if known.size < data.size else ""
    return ", ".join(part for part in (" … ".join(ends), nans) if part) or "empty"


def joined(arrays: list[Any]) -> Any:
    """Put all numbers of some arrays in a row.

    >>> joined([1.0, np.array([[2.0, 3.0]])]), joined([1.0, 2.0])
    (array([1., 2., 3.]), array([1., 2.]))
    """
    if all(isinstance(a, float | np.generic) for a in arrays):
        return np.array(arrays, float)
    return np.concatenate([np.reshape(np.asarray(a, float), -1) for a in arrays])


def range_of(flat: Any) -> str:
    """Write the range of many numbers in a row, or the only one."""
    return numbers(flat[0] if flat.size == 1 else np.resize(flat, max(5, flat.size)))


def on_a_line(data: Any) -> str:
    """Write a number, a small array, or the shape and range of a large one, on one line of text.

    >>> on_a_line(np.array([[1.0, 2.0], [3.0, 4.0]])), on_a_line(np.zeros((8, 8)))
    ('1 2; 3 4', '(8, 8) 0 … 0')
    """
    shown = numbers(data).replace("&nbsp;", "").replace(DIGIT, "").replace("<BR/>", "; ")
    return f"{np.shape(data)} {shown}" if np.ndim(data) and is_large(data) else shown


def is_large(data: Any) -> bool:
    """Tell whether an array is too large to be written out: then its shape and range stand for it.

    >>> is_large(np.zeros(5)), is_large(np.zeros((4, 4))), is_large(2.0)
    (True, False, False)
    """
    return np.ndim(data) > 2 or np.size(data) == 0 or max(np.shape(data), default=0) > 4


def shape(lengths: tuple[int, ...]) -> str:
    """Write a shape as a picture shows it.

    >>> shape((8, 1, 28))
    '8 × 1 × 28'
    """
    return " × ".join(map(str, lengths))


def sign(node: Node) -> str:
    """Name the operation of a node by its mathematical sign, and a pooling by its window.

    >>> from tinygrad_pool import Value
    >>> sign(Value(2.0) * 3.0)
    '×'
    """
    windows = node.options.get("windows")
    name = node.op.replace("_", " ")
    return f"{name} {'×'.join(map(str, windows.kernel))}" if windows else SIGNS.get(node.op, name)
