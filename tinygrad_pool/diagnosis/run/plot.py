"""A run as a plot, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.plots import empty_figure
from tinygrad_pool.formatting import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinygrad_pool.diagnosis.run.watching import Run

NAMED = 14
"""So many parameters have their name in the legend."""


def plot_of(run: Run) -> Figure:
    """Plot the norms of a run: the first parameter is the darkest, dashes are events."""
    figure = empty_figure(9.0, 8.0)
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(run.names)))
    axes = figure.subplots(3, sharex=True)
    history, names = run.history, run.names
    with np.errstate(all="ignore"):
        share = history["update"] / history["weight"]
    panels = [("|gradient|", history["gradient"]), ("|update| / |weight|", share)]
    for panel, (what, lines) in zip(axes, [*panels, ("|weight|", history["weight"])], strict=True):
        shown = np.where(np.isfinite(lines) & (lines > 0), lines, np.nan)
        if not np.isnan(shown).all():
            panel.set_yscale("log")
        for i, name in enumerate(names):
            label = plain(name) if i < NAMED else "_"
            panel.plot(history["step"], shown[:, i], color=colours[i], linewidth=1.5, label=label)
        for event in run.events:
            panel.axvline(event.step, color=theme.GRADIENT, linestyle="--", linewidth=1)
        panel.set_ylabel(what, fontsize=13)
        panel.spines[["top", "right"]].set_visible(False)
    for step, kinds in _kinds(run).items():
        across = axes[0].get_xaxis_transform()
        style = {"color": theme.GRADIENT, "ha": "right", "va": "top", "transform": across}
        axes[0].text(step, 1.0, f"{kinds} ", **style)
    axes[-1].set_xlabel("step", fontsize=13)
    more = f"and {len(names) - NAMED:,} more" if len(names) > NAMED else None
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, title=more
    )
    return figure


def _kinds(run: Run) -> dict[int, str]:
    """List what happened, by step."""
    kinds: dict[int, str] = {}
    for event in run.events:
        before = kinds.get(event.step)
        kinds[event.step] = f"{before}, {event.kind}" if before else event.kind
    return kinds
