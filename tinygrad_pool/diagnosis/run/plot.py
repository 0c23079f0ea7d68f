"""A run as a plot, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_pool.diagnosis.run.summary import Summary
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.plots import empty_figure, plot_in_theme
from tinygrad_pool.formatting import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


WHAT = ("|gradient|", "|update| / |weight|", "|weight|")
NAMED = 14
"""How many parameters have their name in the legend."""


def plot_of(run: Summary, name: str = "light") -> Figure:
    """Plot the norms of a run in a theme: the first parameter is the darkest, dashes are events.

    Zeros, which no log scale has, lie on a line below the others.
    """
    figure = empty_figure(9.0, 8.0)
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(run.names)))
    axes = figure.subplots(3, sharex=True)
    names, steps = run.names, [point.step for point in run.points]
    g, _, w = run.norms
    panels = zip(axes, WHAT, (g, run.shares, w), strict=True)
    for panel, what, lines in panels:
        positive = lines[np.isfinite(lines) & (lines > 0)]
        zero = 10.0 ** (np.floor(np.log10(positive.min(initial=1.0))) - 1.5)  # at no tick
        shown = np.where(np.isfinite(lines) & (lines >= 0), np.maximum(lines, zero), np.nan)
        panel.set_yscale("log")
        for i, parameter in enumerate(names):
            label = plain(parameter) if i < NAMED else "_"
            style = {"linewidth": 1.5, "marker": ".", "markersize": 3}  # a lone point is seen, too
            panel.plot(steps, shown[:, i], color=colours[i], label=label, **style)
        if np.any(lines == 0):
            panel.axhline(zero, color=theme.FAINT, linewidth=1)
            across = panel.get_yaxis_transform()
            panel.text(-0.012, zero, "0", ha="right", va="center", transform=across)
            panel.set_ylim(bottom=zero / 2)
        for event in run.events:
            panel.axvline(event.step, color=theme.NOT_A_NUMBER, linestyle="--", linewidth=1)
        panel.set_ylabel(what, fontsize=13)
        panel.spines[["top", "right"]].set_visible(False)
    for step in {event.step for event in run.events}:
        kinds = ", ".join(event.kind for event in run.events if event.step == step)
        across = axes[0].get_xaxis_transform()
        style = {"color": theme.NOT_A_NUMBER, "ha": "right", "va": "top", "transform": across}
        axes[0].text(step, 1.0, f"{kinds} ", **style)
    axes[-1].set_xlabel("step", fontsize=13)
    more = f"and {len(names) - NAMED:,} more" if len(names) > NAMED else None
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, title=more
    )
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    return plot_in_theme(figure, name)
