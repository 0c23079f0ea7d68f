"""Show a run: its table, its plot, and its page with a slider over the steps."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.findings import FEW
from tinygrad_pool.diagnosis.run.history import Event, Norms, Point
from tinygrad_pool.diagnosis.run.rows import ABSENT
from tinygrad_pool.drawing import theme
from tinygrad_pool.drawing.page import extra_of, page
from tinygrad_pool.drawing.plots import empty_figure, plot_in_theme
from tinygrad_pool.drawing.theme import Figure
from tinygrad_pool.drawing.words import Caption, with_caption
from tinygrad_pool.formatting import LONGEST, Table, counted, number, plain, several
from tinygrad_pool.rules.arguments import text

LISTED = 40
COLUMNS = (
    "parameter",
    "numbers",
    "|gradient|",
    "smallest",
    "largest",
    "update / weight",
    "|weight|",
)

FRAME = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}"></svg>'
WIDE, HIGH = 640, 400
"""The size of the picture, in the units in which the script draws."""

WHAT = ("|gradient|", "|update| / |weight|", "|weight|")
NAMED = 14
"""How many parameters the legend names."""


class Summary(NamedTuple):
    """What is shown of a run: the number of steps, the steps kept, their norms, and the events.

    `norms` are those of gradient, update and weight, of shape (3, steps, parameters), and −1 if not
    computed.
    """

    steps: int
    names: list[str]
    points: list[Point]
    norms: NDArray[np.float64]
    events: list[Event]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The size of each update relative to the weights; −1 if there was no update."""
        _, update, w = self.norms
        with np.errstate(all="ignore"):
            return np.where(update == ABSENT, ABSENT, update / w)

    def unmoved(self, cancelling: Collection[str] = ()) -> list[str]:
        """Name the parameters that have a gradient, but that no update of FEW or more moved."""
        g, update, _ = self.norms
        moved = (update != 0) & (update != ABSENT)
        still = (np.sum(update == 0, axis=0) >= FEW) & ~moved.any(axis=0) & (g > 0).any(axis=0)
        names = [self.names[i] for i in np.flatnonzero(still) if self.names[i] not in cancelling]
        why = (
            "frozen, replaced, not passed to the optimizer, updated before backward() or by p -= g "
            "outside no_grad, or the updates are below the precision of the dtype"
        )
        return [f"no update moved {several(names)}, despite a gradient: {why}"] if names else []

    def table(self, sizes: Mapping[str, int]) -> Table:
        """Lay out each parameter: gradients and weights from the first step to the last.

        "update / weight" is a median over the steps.
        """
        title = f"Watched {counted(self.steps, 'step')}"
        if self.points:
            first, last = (number(self.points[i].loss) for i in (0, -1))
            title += f": the loss went from {first} to {last}"
        rows, shares = [], self.shares
        for i, name in enumerate(self.names[:LISTED]):
            size = f"{sizes[name]:,}" if name in sizes else "–"
            rows.append((name, size, *_cells(self.norms[:, :, i], shares[:, i])))
        return Table(title, COLUMNS, rows).with_count(len(self.names))


def _cells(norms: Any, shares: Any) -> tuple[str, ...]:
    g, _, w = norms
    finite = g[(g != ABSENT) & np.isfinite(g)]
    ends = ["–", "–"]
    if finite.size:
        ends = [number(float(end), digits=3) for end in (finite.min(), finite.max())]
    known = shares[np.isfinite(shares) & (shares != ABSENT)]
    share = number(float(np.median(known)), digits=2) if known.size else "–"
    return (_from_to(g), *ends, share, _from_to(w))


def _from_to(sizes: Any) -> str:
    """Write the first size that was computed, and that of the last step."""
    computed = sizes[sizes != ABSENT]
    if not computed.size:
        return "–"
    last = "–" if sizes[-1] == ABSENT else number(float(sizes[-1]), digits=3)
    return f"{number(float(computed[0]), digits=3)} → {last}"


def plot_of(run: Summary, name: str = "light") -> Figure:
    """Plot the norms of a run in a theme: the first parameter is darkest, dashed lines are events.

    Zeros, which a log scale cannot show, lie on a line below the others.
    """
    figure = empty_figure(9.0, 8.0)
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.linspace(0.0, 0.7, len(run.names)))
    axes = figure.subplots(3, sharex=True)
    names, steps = run.names, [point.step for point in run.points]
    g, _, w = run.norms
    panels = zip(axes, WHAT, (g, run.shares, w), strict=True)
    for panel, what, lines in panels:
        positive = lines[np.isfinite(lines) & (lines > 0)]
        low, high = np.log10([positive.min(initial=1.0), positive.max(initial=1.0)])
        zero = 10.0 ** max(-323, np.floor(low) - max(1.5, (high - low) / 8))
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
            _, top = panel.get_ylim()
            panel.set_yticks([y for y in panel.get_yticks() if 10.0 ** np.floor(low) <= y <= top])
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


def csv_of(run: Summary) -> str:
    """Write the norms of a run, a line for each step and parameter."""
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["step", "loss", "parameter", *Norms._fields])
    for i, point in enumerate(run.points):
        for k, name in enumerate(run.names):
            norms = ["" if x == ABSENT else repr(float(x)) for x in run.norms[:, i, k]]
            writer.writerow([point.step, repr(point.loss), name, *norms])
    return lines.getvalue()


def page_of(run: Summary, title: str) -> str:
    """Write the page of a run."""
    text(title, "to_html: title")
    rows, steps = counted(len(run.names), "parameter"), counted(run.steps, "step")
    events = "; ".join(event.says for event in run.events) or "nothing went wrong"
    text_ = f"{steps}, {rows}: {events}. |x| is √(Σ x² / n)."
    caption = Caption(plain(title, 4 * LONGEST), text_)
    extra = extra_of(__package__ or "", "run", _to_json(run))
    return page(with_caption(FRAME.format(WIDE, HIGH), caption), caption, extra)


def _to_json(run: Summary) -> dict[str, Any]:
    """Return the data of the page's script."""
    g, _, w = run.norms
    return {
        "names": [plain(name) for name in run.names],
        "steps": [point.step for point in run.points],
        "loss": _numbers([point.loss for point in run.points]),
        "gradient": [_numbers(row, ABSENT) for row in g],
        "share": [_numbers(row, ABSENT) for row in run.shares],
        "weight": [_numbers(row, ABSENT) for row in w],
        "events": [{"step": e.step, "says": e.says, "why": e.why} for e in run.events],
    }


def _numbers(row: Iterable[float], absent: float = np.nan) -> list[float | str | None]:
    """Round numbers to eight digits; NaN and infinities become text, `absent` becomes null."""
    return [
        None if x == absent else float(f"{x:.8g}") if np.isfinite(x) else str(float(x)) for x in row
    ]
