"""|grad| by depth, on a log scale, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

from tinygrad_pool.drawing import theme as look
from tinygrad_pool.drawing.plots import empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
    look.check(theme)
    paper, ink, soft, red = (
        look.DARK[colour] if theme == "dark" else colour
        for colour in (look.PAPER, look.INK, look.SOFT, look.GRADIENT)
    )
    figure = empty_figure(9.6, 5.4)
    figure.set_facecolor(paper)
    axes = figure.subplots()
    axes.set_facecolor(paper)
    axes.plot(range(len(sizes)), sizes, color=ink, linewidth=2, zorder=2)
    for rank, (begin, end, text) in enumerate(sharpest, 1):
        places = range(begin, end + 1)
        line = [sizes[i] for i in places]
        axes.plot(places, line, color=red, linewidth=4, label=f"{rank}: {text}", zorder=3)
        axes.annotate(
            f"{rank}",
            ((begin + end) / 2, (line[0] * line[-1]) ** 0.5),
            (9, 5),
            textcoords="offset points",
            color=red,
            fontsize=14,
            fontweight="bold",
        )
    axes.set_yscale("log")
    figure.suptitle(title, color=ink, fontsize=13)
    axes.set_ylabel("|grad|, log scale", color=ink, fontsize=14)
    axes.set_xlabel("steps down from the loss  →", color=ink, fontsize=14)
    _name_places(axes, names)
    _in_colours(axes, ink, soft)
    if sharpest:
        legend = axes.legend(
            title="sharpest steps", fontsize=11, frameon=False, labelcolor=ink, alignment="left"
        )
        legend.get_title().set_color(ink)
    return figure


def _name_places(axes: Axes, names: Mapping[int, str]) -> None:
    """Write the names of nodes along the axis; of many, some evenly apart, the last one too."""
    places = sorted(names, reverse=True)[:: ceil(len(names) / TICKS) or 1]
    if places:
        axes.set_xticks(places, [names[i] for i in places], rotation=30, ha="right")


def _in_colours(axes: Axes, ink: str, soft: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(soft)
    axes.tick_params(which="both", colors=ink, labelsize=11)
    axes.grid(axis="y", color=soft, alpha=0.25)
