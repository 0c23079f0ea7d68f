"""Plots, drawn with matplotlib, which the extra [plot] installs."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.drawing import theme as look
from tinygrad_pool.drawing.theme import Axes, Figure
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.functional.operations import maximum
from tinygrad_pool.rules.arguments import choice


def kink(x2: float = 1.0, theme: str = "light") -> "Figure":
    """Plot max(x₁, x₂) against x₁ for a fixed x₂, and its derivative, both computed by the engine.

    The slope is 0 left of the kink and 1 right of it; at x₁ = x₂ the one-sided derivatives differ,
    so the derivative does not exist (figure F3 of the derivation).

    Raises OptionError if `theme` is not "light" or "dark", ToolError without matplotlib.
    """
    x1 = Value(x2 + np.linspace(-2.0, 2.0, 401))
    y = maximum(x1, x2)
    y.backward(gradient=np.ones(y.shape))
    left, right = x1.data < x2 - 1e-9, x1.data > x2 + 1e-9
    figure, (above, below) = axes_of(2, height=5.4, sharex=True, width=6.0)
    above.plot(x1.data, y.data, color=look.INK, linewidth=3)
    above.axvline(x2, color=look.FAINT, linestyle=":")
    above.set_ylabel("max(x₁, x₂)")
    for name, side, end in (("left", left, -1), ("right", right, 0)):
        slope = float(x1.grad[side][end])
        below.plot(x1.data[side], x1.grad[side], color=look.INK, linewidth=3)
        below.plot(x2, slope, "o", markerfacecolor="white", color=look.INK, markersize=9)
        aside, align = ((12, 9), "left") if name == "left" else ((-12, -9), "right")
        place: dict[str, Any] = {"textcoords": "offset points", "ha": align, "va": "center"}
        below.annotate(f"from the {name}: {slope:g}", (x2, slope), aside, **place, fontsize=13)
    below.axvline(x2, color=look.FAINT, linestyle=":")
    below.set_ylabel("∂ max / ∂x₁")
    below.set_xlabel(f"x₁   (x₂ = {x2:g} held fixed)")
    return plot_in_theme(figure, theme)


def loss_curve(
    losses: Sequence[float], accuracies: Sequence[float] = (), theme: str = "light"
) -> "Figure":
    """Plot the loss of every epoch, and the accuracies below if there are any.

    Raises OptionError if `theme` is not "light" or "dark", ToolError without matplotlib.
    """
    figure, axes = axes_of(2 if accuracies else 1, height=6.0 if accuracies else 4.0, sharex=True)
    epochs = np.arange(1, len(losses) + 1)
    axes[0].plot(epochs, losses, marker="o", color=look.INK, linewidth=3)
    axes[0].set_ylabel("training loss")
    axes[0].set_ylim(bottom=0)
    if accuracies:
        axes[1].plot(epochs, np.multiply(accuracies, 100), marker="o", color=look.INK)
        axes[1].set_ylabel("test accuracy, %")
    axes[-1].set_xlabel("epoch")
    axes[-1].locator_params(axis="x", integer=True)
    return plot_in_theme(figure, theme)


def decision_boundary(
    score: Callable[[list[float]], Any],
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    theme: str = "light",
) -> "Figure":
    """Plot the region where `score` of a point is positive, and points with labels −1 and 1.

    Raises OptionError if `theme` is not "light" or "dark", ToolError without matplotlib.
    """
    (left, bottom), (right, top) = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    xs, ys = np.linspace(left, right, 50), np.linspace(bottom, top, 50)
    scores = [[float(score([float(x), float(y)])) for x in xs] for y in ys]
    figure, (axes,) = axes_of(1, height=5.0)
    limits = [min(map(min, scores)) - 1, 0.0, max(map(max, scores)) + 1]
    ground = look.DARK[look.PAPER] if theme == "dark" else look.PAPER  # the theme skips areas
    areas = [look.mixed(colour, 0.2, ground) for colour in (look.NEGATIVE, look.POSITIVE)]
    axes.contourf(xs, ys, scores, levels=limits, colors=areas)
    for label, marker, colour in ((-1, "o", look.NEGATIVE), (1, "s", look.POSITIVE)):
        chosen = points[labels == label]
        axes.scatter(chosen[:, 0], chosen[:, 1], marker=marker, color=colour, edgecolor="white")
    axes.set_aspect("equal")
    return plot_in_theme(figure, theme)


TICKS = 12
"""The most nodes to name along the axis."""


def by_depth(
    sizes: Sequence[float],
    names: Mapping[int, str],
    sharpest: Sequence[tuple[int, int, str]],
    title: str,
    theme: str = "light",
) -> "Figure":
    """Plot the size of a gradient along a path, from the loss on the left; mark the sharpest steps.

    `names` maps positions on the path to names of nodes. Each of the `sharpest` steps is the
    position where it begins, the position where it ends, and its text; it is marked by its rank.

    Raises OptionError if `theme` is not "light" or "dark", ToolError without matplotlib.
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
    ticks = sorted(names, reverse=True)[:: ceil(len(names) / TICKS) or 1]
    axes.set_xticks(ticks, [names[i] for i in ticks], rotation=30, ha="right")
    figure.suptitle(title, fontsize=13)
    if sharpest:
        axes.legend(title="sharpest steps", fontsize=11, frameon=False, alignment="left")
    return plot_in_theme(figure, theme)


KINDS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")
"""The properties of parts of a plot that are colours."""


def plot_in_theme(figure: "Figure", name: str) -> "Figure":
    """Change every colour of a plot to that of a theme.

    Raises OptionError for an unknown theme.
    """
    from matplotlib.colors import to_hex, to_rgba_array

    choice(name, look.THEMES, "theme")
    if name == "dark":
        for part in figure.findobj(lambda part: not hasattr(part, "patch")):  # patches are listed
            known = [kind for kind in KINDS if hasattr(part, f"get_{kind}")]
            before = {kind: to_rgba_array(getattr(part, f"get_{kind}")()) for kind in known}
            for kind, colours in before.items():
                if dark := [look.darkened(to_hex(colour)) for colour in colours if colour[3]]:
                    getattr(part, f"set_{kind}")(dark[0] if len(dark) == 1 else dark)
    return figure


def empty_figure(width: float, height: float) -> "Figure":
    """Make an empty figure; the size is in inches. Raises ToolError without matplotlib."""
    try:
        from tinygrad_pool.drawing.figure import Plot
    except ImportError:
        raise ToolError("a plot needs matplotlib: pip install 'tinygrad_pool[plot]'") from None
    return Plot(figsize=(width, height), layout="constrained", dpi=150)


def axes_of(
    rows: int, height: float, sharex: bool = False, width: float = 8.0
) -> tuple["Figure", "Sequence[Axes]"]:
    """Make a figure with axes in `rows`. Raises ToolError without matplotlib."""
    figure = empty_figure(width, height)
    axes = figure.subplots(rows, squeeze=False, sharex=sharex)[:, 0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=12)
        each.xaxis.label.set_size(14)
        each.yaxis.label.set_size(14)
    return figure, list(axes)
