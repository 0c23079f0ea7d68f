"""The box of a node: its titles on top, and the requested rows below."""

from collections.abc import Callable, Collection, Sequence
from html import escape
from typing import Any

import numpy as np

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.heat import heat
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import BETWEEN, is_large, numbers, plain, shape


def node_box(
    node: Node,
    titles: Sequence[str],
    show: Collection[str],
    fill: str,
    border: int,
    width: int = 0,
    heat: Callable[[Any], str] = heat,
) -> str:
    """Write a node as an HTML table at least `width` points wide."""
    heading = "&nbsp; ".join(f"<B>{text(title)}</B>" for title in titles if title)
    large = is_large(node.data)
    kind = [shape(node.shape)] if "shape" in show or large else []
    kind += [str(node.dtype)] if "dtype" in show else []
    small_picture = heat if large and "heat" in show else lambda _: ""
    data = numbers(node.data) if {"data", "grad"} & {*show} else ""
    arrays = []
    if "data" in show:
        arrays.append(("data", data, theme.INK, small_picture(node.data)))
    if "grad" in show and node.has_grad:
        g = node.grad
        arrays.append(("grad", numbers(g), theme.of_signs(g), small_picture(g)))
    elif "grad" in show:
        rest = data.count("\n") if width else 0  # leave room for the gradient
        arrays.append(("grad", "–" + "\n\u00a0" * rest, theme.SOFT, ""))
    rows = [row(fill, heading or ("weight" if fill == theme.WEIGHT else "leaf"))]
    if any(kind):
        rows.append(row(theme.PAPER, " &nbsp;".join(part for part in kind if part), theme.SOFT))
    for key, shown, colour, picture in arrays:
        in_lines = colour and (width or "\n" not in shown)  # on slides, whose numbers stay in place
        content = lines(shown) if in_lines else in_columns(shown, colour)
        rows.append(row(theme.PAPER, content, colour or theme.SOFT, key))
        if picture:
            rows.append(f'<TR><TD COLSPAN="2" BGCOLOR="{theme.PAPER}">{picture}</TD></TR>')
    return table(_widened(rows, width and width - 2 * border), border)


def name_box(name: str, leaf: Node, fill: str) -> str:
    """Write the name of a leaf whose box is elsewhere, or its numbers if it has no name."""
    shown = f"<B>{text(name)}</B>" if name else in_columns(numbers(leaf.data), theme.INK)
    return table([row(fill, shown)], 0)


def constant_box(constant: Any, show: Collection[str], width: int = 0) -> str:
    """Write a constant operand: a grey box with its numbers, at least `width` points wide."""
    large = is_large(constant)
    shown = f"{shape(np.shape(constant))}\n{numbers(constant)}" if large else numbers(constant)
    rows = [row(theme.CONSTANT, lines(shown) if large else in_columns(shown, theme.INK))]
    if large and "heat" in show and (picture := heat(constant)):
        rows.append(f'<TR><TD COLSPAN="2" BGCOLOR="{theme.CONSTANT}">{picture}</TD></TR>')
    return table(_widened(rows, width), 0)


def text(label: str) -> str:
    r"""Escape a label for Graphviz's HTML, in which backslashes count, too; cut it if it is long.

    >>> print(text(r"a<b> & \Gamma"))
    a&lt;b&gt; &amp; \\Gamma
    """
    return escape(plain(label)).replace("\\", r"\\")


def lines(numbers: str) -> str:
    r"""Write lines of numbers in Graphviz's HTML, with its line breaks and spaces.

    >>> lines("1\u00a0 2\n3\u00a0 4")
    '1&nbsp; 2<BR/>3&nbsp; 4'
    """
    return numbers.replace("\N{NO-BREAK SPACE}", "&nbsp;").replace("\n", "<BR/>")


def in_columns(numbers: str, colour: str = "") -> str:
    """Write numbers in aligned columns; without a `colour`, each in the colour of its sign."""
    in_text = "nan" in numbers and not any(part in numbers for part in (BETWEEN, "\n"))
    if in_text or (colour and "\n" not in numbers):
        return lines(numbers)
    rows = [[_cell(word, colour) for word in line.split()] for line in numbers.split("\n")]
    gap = f'<TD WIDTH="{12 if BETWEEN in numbers else 6}"></TD>'  # blanks would be misjudged
    cells = "".join(f"<TR>{gap.join(row)}</TR>" for row in rows)
    return f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>'


def _cell(word: str, colour: str) -> str:
    colour = colour or _colour(word)
    return f'<TD ALIGN="RIGHT"><FONT COLOR="{colour}">{word}</FONT></TD>'


def _colour(shown: str) -> str:
    if shown in ("0", "−0", "…"):
        return theme.SOFT
    return theme.NEGATIVE if shown.startswith("−") else theme.POSITIVE


def row(fill: str, content: str, colour: str = theme.INK, key: str = "") -> str:
    """Write a row: a key and its content, or without a key the content across both columns."""
    left = f'<TD ALIGN="LEFT"><FONT COLOR="{theme.SOFT}">{key}</FONT></TD>'
    left, span = (left, "") if key else ("", ' COLSPAN="2"')
    content = content.replace("…", "...") if key else content  # as wide as Graphviz assumes
    return (
        f'<TR>{left}<TD{span} BGCOLOR="{fill}" ALIGN="{"RIGHT" if key else "CENTER"}">'
        f'<FONT COLOR="{colour}">{content}</FONT></TD></TR>'
    )


def _widened(rows: list[str], width: int) -> list[str]:
    return [rows[0].replace("<TD", f'<TD WIDTH="{width}"', 1), *rows[1:]] if width else rows


def table(rows: list[str], border: int) -> str:
    """Write a box with some rows."""
    return (
        f'<<TABLE BORDER="{border}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" '
        f'COLOR="{theme.INK}" BGCOLOR="{theme.PAPER}">{"".join(rows)}</TABLE>>'
    )
