"""|grad| by depth, on a log scale, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

from tinygrad_pool.drawing import theme as look
from tinygrad_pool.drawing.plots import axes_of, plot_in_theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = 12
"""So many nodes at most are named along the axis."""


def by_depth(
    sizes: Sequence[float],
    names: Mapping[int, str],
    sharpest: Sequence[tuple[int, int, str]],
    title: str,
    theme: str = "light",
) -> Figure:
    """Plot the size of a gradient along a path, from the loss on the left; mark the sharpest steps.

    `names` are those of the nodes that have one, by their place. Each of the `sharpest` is the
    place where it begins, the one where it ends, and its text; the number in the picture is its
    rank.

    Raises OptionError for an unknown theme, ToolError without matplotlib.
    """
    figure, (axes,) = axes_of(1, height=5.4)
    axes.plot(range(len(sizes)), sizes, color=look.INK, linewidth=2)
    for rank, (begin, end, text) in enumerate(sharpest, 1):
        line = sizes[begin : end + 1]
        places = range(begin, end + 1)
        axes.plot(places, line, color=look.LIT, linewidth=9, label=f"{rank}: {text}", zorder=1)
        middle = (begin + end) / 2, line[0] ** 0.5 * line[-1] ** 0.5
        beside = (10, 4) if line[-1] < line[0] else (10, -14)
        axes.annotate(f"{rank}", middle, beside, textcoords="offset points", fontsize=14)
    axes.set_yscale("log")
    axes.set_ylabel("|grad|, log scale")
    axes.set_xlabel("steps down from the loss →")
    axes.grid(axis="y", color=look.FAINT, alpha=0.3)
    written = sorted(names, reverse=True)[:: ceil(len(names) / TICKS) or 1]
    axes.set_xticks(written, [names[i] for i in written], rotation=30, ha="right")
    figure.suptitle(title, fontsize=13)
    if sharpest:
        axes.legend(title="sharpest steps", fontsize=11, frameon=False, alignment="left")
    return plot_in_theme(figure, theme)
