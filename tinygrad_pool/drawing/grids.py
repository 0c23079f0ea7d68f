"""Draw pooling on a grid: the cells of a plane, the windows over them, and the winners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product
from string import ascii_lowercase
from textwrap import shorten, wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.planes import Plane, is_pool, plane_of
from tinygrad_pool.drawing import theme as look
from tinygrad_pool.drawing.plots import empty_figure, plot_in_theme
from tinygrad_pool.drawing.theme import Axes, Figure
from tinygrad_pool.drawing.variables import held_by
from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import AxisError, OptionError, ShapeError
from tinygrad_pool.formatting import number, plain, shape
from tinygrad_pool.rules.arguments import Shape, place_of

LARGEST, FEW = 12, 4
LINE, A_LETTER = 70, 0.13
"""The letters in a line of the legend; the width of a letter of a title, in cells."""
WITHIN, TAGGED = 70, 8
"""The largest font size of a number in a cell, times its letters; the most letters of a tag."""
TAG = "window"
"""The gid of a text that names a window."""
COLOURS = ("#009E73", "#CC79A7", "#5D3A9B", "#8C8C00", "#00A0A8", "#7A4A2B", "#4D4D4D", "#C2185B")
"""Colours of windows; blue and orange are for signs."""


def draw_windows(
    node: Value,
    plane: int | Sequence[int] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
    theme: str = "light",
) -> Figure:
    """Draw a pooled plane: the cells and windows on the left, the pooled units on the right.

    A cell shows its number and, after a backward pass, its gradient below. Each window has a colour
    and a letter, as has its unit. A winner is filled with the colour, and shows the letters of the
    windows that it won, and their number if there are several. Padding is dotted, as are the cells
    that windows reach beyond it by `ceil_mode`. Cells in no window are hatched. `plane` is an index
    into the leading axes, by default the first plane. `names=locals()` names both sides without a
    label by their variables. `theme` is "light" or "dark".

    Raises DataError if `node` is not a Value, OptionError if it is not pooled or for an invalid
    plane or theme, ShapeError for three pooled axes or more than 12 cells on one, ToolError without
    matplotlib.

    >>> from tinygrad_pool import max_pool2d
    >>> figure = draw_windows(max_pool2d(Value(np.eye(4), label="x"), 2))
    >>> [axes.get_title() for axes in figure.axes]
    ['x, 4 × 4', 'max_pool2d, 2 × 2']
    """
    check_value(node, "draw_windows")
    if not is_pool(node):
        raise OptionError(f"draw_windows: needs a pooled Value, got {name_of(node)}")
    x, ndim = node.parents[0], len(node.options["windows"].axes)
    space = x.shape[-ndim:]
    if ndim > 2 or max(space) > LARGEST:
        raise ShapeError(
            f"draw_windows: draws planes of one or two axes with at most {LARGEST} cells on each, "
            f"got {space}"
        )
    index = _index(plane, x.shape[:-ndim])
    shown, called = plane_of(node, index), held_by(names)
    titles = [
        f"{plain(x.label or called.get(id(x), 'input'))}{[*index] or ''}, {shape(shown.x.shape)}",
        f"{plain(node.label or called.get(id(node), node.op))}, {shape(shown.y.shape)}",
    ]
    cells = [shown.x.shape[1] + sum(shown.rims[1]), shown.y.shape[1]]
    sides = [max(n, A_LETTER * len(title)) for n, title in zip(cells, titles, strict=True)]
    down = max(shown.x.shape[0] + sum(shown.rims[0]), shown.y.shape[0])
    legend = _legend(shown)
    around = 1.1 + 0.2 * len(legend.splitlines())
    figure = empty_figure(max(6.0, 1.5 + 0.95 * sum(sides)), around + 0.95 * down)
    left, right = figure.subplots(1, 2, width_ratios=sides)
    _draw_cells(left, shown)
    _draw_units(right, shown)
    for axes, title, n, side in zip((left, right), titles, cells, sides, strict=True):
        start, end = axes.get_xlim()
        axes.set_xlim(start - (side - n) / 2, end + (side - n) / 2)
        axes.set_title(title, fontsize=15, parse_math=False)
        axes.set_aspect("equal")
        axes.axis("off")
    figure.set_layout_engine("constrained", h_pad=0.15, w_pad=0.15)
    figure.supxlabel(legend, fontsize=11, color=look.SOFT)
    return plot_in_theme(figure, theme)


def _index(plane: int | Sequence[int] | None, lead: Shape) -> Shape:
    if 0 in lead:
        raise OptionError(f"draw_windows: leading axes of {lead} have no plane")
    with suppress(AxisError):
        index = (0,) * len(lead) if plane is None else plane
        if (place := place_of(index, lead, "draw_windows: plane")) is not None:
            return place
    raise OptionError(f"draw_windows: plane must be an index into {lead}, got {plane!r}")


def _draw_cells(axes: Axes, shown: Plane) -> None:
    """Draw the cells with their numbers, the padding around them, and the outlines of windows."""
    rows, columns = shown.x.shape
    (top, bottom), (left, right) = shown.rims
    wins, seen = shown.links.wins(), np.isin(np.arange(shown.x.size), shown.links.cell)
    carrying = shown.links.carrying()
    for i, j in product(range(-top, rows + bottom), range(-left, columns + right)):
        if not (0 <= i < rows and 0 <= j < columns):
            _square(axes, i, j, linestyle=":", edgecolor=look.FAINT)
            continue
        k = i * columns + j
        won = shown.chooses and wins[k]
        winner = carrying.unit[carrying.cell == k]
        fill = _pale(int(winner[0])) if won else look.PAPER
        hatch = None if seen[k] else "////"
        _square(axes, i, j, facecolor=fill, edgecolor=look.FAINT, hatch=hatch)
        _write(axes, i, j, shown.x[i, j], shown.grads[0], bold=bool(won))
        if won:
            names = " ".join(_letter(int(unit)) for unit in winner)
            _tag(axes, i, j, shorten(names, TAGGED, placeholder="…"))
        if won and wins[k] > 1:
            place: dict[str, Any] = {"ha": "right", "va": "bottom", "zorder": 4}
            axes.text(j + 0.34, i + 0.36, f"×{wins[k]}", fontsize=10, **place)
    for unit in _outlined(shown):
        _outline(axes, shown, unit)
    axes.set_xlim(-left - 0.6, columns + right - 0.4)
    axes.set_ylim(rows + bottom - 0.4, -top - 0.6)


def _outlined(shown: Plane) -> range:
    """List the windows to outline: all, or only the first if many overlap."""
    return range(1) if shown.overlap and shown.y.size > FEW else range(shown.y.size)


def _outline(axes: Axes, shown: Plane, unit: int) -> None:
    """Draw a window as a box around its cells, with insets that differ for overlapping windows."""
    from matplotlib.patches import Rectangle

    inset = 0.46 - 0.03 * (unit % FEW if shown.overlap else 0)
    (top, bottom), (left, right) = shown.spans(unit)
    corner, size = (left - inset, top - inset), (right - left + 2 * inset, bottom - top + 2 * inset)
    box = Rectangle(corner, *size, fill=False, edgecolor=_colour(unit), linewidth=2.1, zorder=3)
    axes.add_patch(box)
    if not shown.chooses:
        _tag(axes, top, left, _letter(unit))


def _draw_units(axes: Axes, shown: Plane) -> None:
    """Draw the pooled units, each in the colour of its window."""
    rows, columns = shown.y.shape
    for unit, (i, j) in enumerate(np.ndindex(rows, columns)):
        paint: dict[str, Any] = {"facecolor": _pale(unit), "edgecolor": _colour(unit)}
        _square(axes, i, j, size=0.84, linewidth=2.4, **paint)
        _write(axes, i, j, float(shown.y[i, j]), shown.grads[1], bold=True)
        if shown.y.size > 1:
            _tag(axes, i, j, _letter(unit))
    axes.set_xlim(-0.6, columns - 0.4)
    axes.set_ylim(rows - 0.4, -0.6)


def _square(axes: Axes, i: int, j: int, size: float = 1.0, **options: Any) -> None:
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = {"facecolor": "none", "linewidth": 1.0, **options}
    axes.add_patch(Rectangle((j - size / 2, i - size / 2), size, size, **look))


def _write(
    axes: Axes, i: int, j: int, value: float, grads: NDArray[Any] | None, bold: bool
) -> None:
    """Write a number into a cell, and its gradient below if there is one."""

    def write(down: float, x: float, size: float, **options: Any) -> None:
        shown = number(float(x), 3)
        size = min(size, WITHIN / len(shown))
        axes.text(j, i + down, shown, fontsize=size, ha="center", va="center", zorder=4, **options)

    write(0.0 if grads is None else -0.07, value, 13, fontweight="bold" if bold else "normal")
    if grads is not None:
        write(0.12, grads[i, j], 11, color=look.of_sign(grads[i, j]))


def _tag(axes: Axes, i: int, j: int, name: str) -> None:
    """Write the letters of windows into the corner of a cell or unit."""
    place: dict[str, Any] = {"va": "top", "zorder": 4}  # above the boxes of windows
    axes.text(j - 0.34, i - 0.35, name, fontsize=11, color=look.SOFT, gid=TAG, **place)


def _letter(unit: int) -> str:
    """Name a window, for readers who do not see its colour: a to z, then aa, ab and so on."""
    return (_letter(unit // 26 - 1) if unit >= 26 else "") + ascii_lowercase[unit % 26]


def _legend(shown: Plane) -> str:
    wins, seen = shown.links.wins(), np.unique(shown.links.cell)
    all_boxed = len(_outlined(shown)) == shown.y.size
    boxed = "a box is a window" if all_boxed else "the box is the first window"
    parts = [boxed, "a unit has its window's colour and letter"]
    parts += ["a filled cell won"] if shown.chooses else []
    parts += ["×2: it won two windows"] if shown.chooses and wins.max(initial=0) > 1 else []
    if any(map(any, shown.rims)):
        padded = any(map(any, shown.windows.padding))
        parts += ["dotted: padding" if padded else "dotted: beyond the input"]
    parts += ["hatched: in no window"] if len(seen) < shown.x.size else []
    backward = any(g is not None for g in shown.grads)
    parts += ["small numbers: gradients, blue above 0, orange below"] if backward else []
    legend = "; ".join(part.replace(" ", "\xa0") for part in parts)
    return "\n".join(wrap(legend, LINE)).replace("\xa0", " ")


def _colour(unit: int) -> str:
    return COLOURS[unit % len(COLOURS)]


def _pale(unit: int) -> str:
    """Mix a window's colour with white, as a background for text."""
    return look.mixed(_colour(unit), 0.3)
