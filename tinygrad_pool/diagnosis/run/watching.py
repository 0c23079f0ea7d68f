"""Watch a training run: the norms of every step, and a recording of the first bad one."""

from __future__ import annotations

import os
from array import array
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.diagnosis.diagnosis import diagnose
from tinygrad_pool.diagnosis.findings import NOT_FINITE, STATIONARY
from tinygrad_pool.diagnosis.run.history import (
    MISSING,
    VANISHED,
    Event,
    History,
    Limits,
    Norms,
    Point,
    growth,
)
from tinygrad_pool.diagnosis.run.rows import ABSENT, Direction, Row, rows_of
from tinygrad_pool.diagnosis.run.summary import Summary, csv_of, page_of, plot_of
from tinygrad_pool.diagnosis.run.vanishing import cancels, converged
from tinygrad_pool.drawing.theme import Figure
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, GraphError, OptionError
from tinygrad_pool.files import check_folder, check_path, write_whole
from tinygrad_pool.formatting import Table, number, several
from tinygrad_pool.recording.difference import Difference, compare_passes
from tinygrad_pool.recording.recording import Recording, record
from tinygrad_pool.recording.strongest_paths import rms
from tinygrad_pool.rules.arguments import count_of, numbers, real

EACH = 16
"""After how many steps parameters are listed again, since some may have been added. Thousands of
scalars are listed less often, to save time."""

UPHILL = (
    "the first update went uphill, along the gradient: subtract it, as in w.data -= lr * w.grad, "
    "unless the loss is to grow"
)


class Run:
    """A training run that is watched: call `step(loss)` in every step, then print the run.

    `events` lists the first step of each kind of trouble. `recordings` maps a step to its pass, for
    the steps that were asked for and those with events.
    """

    def __init__(
        self, parameters: Any, limits: Limits, recorded: Container[int], points: int
    ) -> None:
        self._parameters = list(parameters) if isinstance(parameters, Iterator) else parameters
        self._limits, self._recorded = limits, recorded
        self.steps = 0
        self.events: list[Event] = []
        self.recordings: dict[int, Recording] = {}
        self._history, self._direction = History(points), Direction()
        self._rows: list[Row] = []
        self._harmless: set[str] = set()  # parameters whose gradients may be small
        self._open = False  # whether the update of the last step is still to come
        self._read()
        for row in self._rows:
            row.keep(row.weights())

    def step(self, loss: Value) -> Event | None:
        """Measure a step of training: call it after `loss.backward()`, before the update.

        Returns the first event of this step, or None, so that a loop can stop. It may also be
        called after the update; but if that changed arrays in place, the pass cannot be recorded.

        Raises DataError if `loss` is not a Value; GraphError before its backward pass, and in the
        first step if the loss depends on no watched parameter.
        """
        if not isinstance(loss, Value):
            raise DataError(f"watch: step: needs the loss, a Value, got {type(loss).__name__}")
        if not loss.has_grad:
            raise GraphError(
                f"watch: step: {name_of(loss)} has no gradient yet; call step(loss) after "
                "loss.backward(), before the weights are updated"
            )
        if not self.steps:
            self._check(loss)
        if self.steps % self._each == self._each - 1:
            self._read()
        updated = any(row.changed_after(loss._order) for row in self._rows)
        point = self._measured(loss, updated)
        events = self._found(loss, point, updated)
        self._history.add(point)
        self.events += events
        self.steps += 1
        return events[0] if events else None

    def _check(self, loss: Value) -> None:
        """Raise GraphError if the loss depends on none of the parameters."""
        watched = [v for row in self._rows for v in row.values]
        if {*watched}.isdisjoint(topological_order(loss)):
            raise GraphError(
                f"watch: step: the loss depends on no parameter that is watched: "
                f"{several(self.names) or 'there is none'}; watch those that it was computed from"
            )

    def _read(self) -> None:
        """List the parameters: some may have been added or replaced."""
        old = {row.name: row for row in self._rows}
        self._rows = rows_of(self._parameters)
        for i, row in enumerate(self._rows):
            before = old.get(row.name)
            if before is not None and before.values == row.values:
                self._rows[i] = before
            elif before is not None:
                row.go_on(before)
            self._history.names.setdefault(row.name, len(self._history.names))
        self._each = max(EACH, sum(len(row.values) for row in self._rows) // EACH)

    def _measured(self, loss: Value, updated: bool) -> Point:
        """Measure gradients, weights, and the update of this step or of the last."""
        with np.errstate(all="ignore"):
            self._direction.look(self._rows, updated)
            mean = float(np.mean(loss._numbers) if loss.shape else loss._numbers)
        measured = {row: row.measured() for row in self._rows}
        if any(row.is_stuck for row in self._rows):
            self._read()
            measured = {row: measured.get(row) or row.measured() for row in self._rows}
        names, last = self._history.names, self._history.last
        none = array("d", [ABSENT]) * len(names)
        g, moved, w = none[:], none[:], none[:]
        for row, sizes in measured.items():
            i = names[row.name]
            g[i], moved[i], w[i] = sizes
        if not updated:
            if self._open and last is not None:
                last.norms.update[:] = moved[: len(last.norms.update)]
            moved = none
        self._open = not updated
        return Point(self.steps, mean, Norms(g, moved, w))

    def _found(self, loss: Value, point: Point, updated: bool) -> list[Event]:
        """Explain new kinds of trouble, and record the pass of such a step, or on request."""
        if self._limits.hold(point) and self.steps not in self._recorded:
            return []
        known = {event.kind for event in self.events}
        with np.errstate(all="ignore"):
            broken = self._limits.broken(point, self.names, updated, self._harmless)
            bad = [event for event in broken if event.kind not in known]
            why = ""
            if bad or self.steps in self._recorded:
                named = {row.name: row.values[0] for row in self._rows if len(row.values) == 1}
                try:
                    self.recordings[self.steps] = record(loss, loss.grad, names=named)
                except GraphError as error:
                    why = f"not recorded, call step(loss) before the update: {error}"
            if VANISHED in [event.kind for event in bad] and self._find_harmless():
                return self._found(loss, point, updated)
            if bad:
                self._history.kept.add(self.steps)
            return [self._explained(loss, event, point, why) for event in bad]

    def _find_harmless(self) -> bool:
        """Find parameters whose contributions cancel, or that learned until the fit converged.

        These do not count as vanished; but if contributions to all cancel, nothing was learned.
        """
        recording, g = self.recordings.get(self.steps), self._history.table()[0]
        if recording is None:
            return False
        limit, learned = self._limits.vanish, g.max(axis=0, initial=0.0) >= self._limits.vanish
        harmless = self._harmless | {
            row.name
            for row in self._rows
            if all(
                cancels(recording, v, limit)
                or (learned[self._history.names[row.name]] and converged(recording, v))
                for v in row.values
            )
        }
        if harmless == self._harmless or (len(harmless) == len(self._rows) and not learned.any()):
            return False
        self._harmless = harmless
        if self.steps not in self._recorded:
            del self.recordings[self.steps]
        return True

    def _explained(self, loss: Value, event: Event, point: Point, why: str) -> Event:
        recording, lost = self.recordings.get(self.steps), event.kind == VANISHED
        last = self._history.last
        if event.kind == MISSING:
            why = "zero_grad() was called after backward(), or no watched parameter is in the loss"
        elif event.what == "weight":
            by = last if self._open and last else point
            why = growth(last, by, self._history.names[event.name])
        elif recording is not None:
            rows = {row.name: row for row in self._rows}
            node = rows[event.name].worst(smallest=lost) if event.name else loss
            why = self._reason(recording, node, lost)
            if self._direction.uphill:
                why += f"\n{UPHILL}"
            else:
                why += self._history.large_update()
        return event._replace(why=why, recording=recording)

    def _reason(self, recording: Recording, node: Value, lost: bool) -> str:
        """Explain the loss, or a gradient that was lost, by a finding, or by `Recording.why`."""
        of_loss = node is recording.loss
        size = rms(np.asarray(recording.gradients.get(node, 0.0)))
        if lost and size >= self._limits.vanish:
            computed = f"backward() computed a gradient of {number(size)}, but it was changed later"
            return f"{computed}: check how gradients are clipped or scaled"
        if lost or of_loss:
            parameters = [v for row in self._rows for v in row.values]
            for f in diagnose(recording.loss, recording.gradient, parameters=parameters).findings:
                if node in f.nodes or (of_loss and f.kind == NOT_FINITE):
                    return f"{f}\n{f.why}"
        return str(recording.why(node))

    def compare(self, step_a: int, step_b: int) -> Difference:
        """Compare the passes of two recorded steps, node by node: see `compare_passes`.

        Raises OptionError if a step was not recorded.
        """
        for step in (step_a, step_b):
            if count_of(step, "compare: step") not in self.recordings:
                known = ", ".join(map(str, sorted(self.recordings))) or "none"
                raise OptionError(
                    f"compare: step {step!r} was not recorded; recorded steps: {known}. watch(net, "
                    "recorded=[…]) chooses them, if step(loss) comes before the update"
                )
        return compare_passes(self.recordings[step_a], self.recordings[step_b])

    @property
    def history(self) -> dict[str, NDArray[np.float64]]:
        """The steps that are kept: "step", "loss", and norms of shape (steps, parameters).

        The norms are "gradient", "update" and "weight"; NaN if not computed.
        """
        shown = self.summary()
        norms = np.where(shown.norms == ABSENT, np.nan, shown.norms)
        return {
            "step": np.array([p.step for p in shown.points], float),
            "loss": np.array([p.loss for p in shown.points], float),
            **dict(zip(Norms._fields, norms, strict=True)),
        }

    @property
    def names(self) -> list[str]:
        """The names of the parameters, in the order of `history`."""
        return list(self._history.names)

    def summary(self) -> Summary:
        """Return what is shown of the run, with the update since the last step if there was one."""
        last = self._history.last
        if self._open and last is not None:
            moved = [(self._history.names[row.name], row.distance()) for row in self._rows]
            if any(distance > 0 for _, distance in moved):
                for i, distance in moved:
                    last.norms.update[i] = distance
        points, norms = self._history.points, self._history.table()
        return Summary(self.steps, self.names, points, norms, self.events)

    @property
    def notes(self) -> list[str]:
        """Notes on parameters without an update or a gradient, and on a first update uphill."""
        run, uphill = self.summary(), self._direction.uphill and not self.events
        largest = dict(zip(run.names, run.norms[0].max(axis=0, initial=0.0), strict=True))
        zeros = [name for name in sorted(self._harmless) if largest[name] < self._limits.vanish]
        zero = f"the contributions to {several(zeros, 3)} cancel: {STATIONARY}"
        return [*run.unmoved(zeros), *[zero] * bool(zeros), *[UPHILL] * bool(uphill)]

    def table(self) -> Table:
        """Tabulate each parameter with its norms."""
        return self.summary().table({row.name: row.size for row in self._rows})

    def __str__(self) -> str:
        return "\n".join([self.table().text(), *map(str, self.events), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = (Table(str(note), (), []).html() for note in (*self.events, *self.notes))
        return self.table().html() + "".join(notes)

    def plot(self, *, theme: str = "light") -> Figure:
        """Plot the norms by step, on log scales, with a line for each parameter and event.

        `theme` is "light" or "dark". Raises OptionError for others, ToolError without matplotlib.
        """
        return plot_of(self.summary(), theme)

    draw = plot

    def to_html(self, path: str | os.PathLike[str], *, title: str = "Training run") -> Path:
        """Write a page with a slider over the steps: one file, which needs no network.

        Raises OutputError if the file cannot be written, or does not end in .html.
        """
        path = check_path(path, "to_html", "html")
        return write_whole(path, page_of(self.summary(), title))

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the norms to a file, a line for each step and parameter; empty if not computed.

        Raises OutputError if the file cannot be written.
        """
        return write_whole(check_folder(path), csv_of(self.summary()))


def watch(
    parameters: Any,
    *,
    vanish: float = 1e-8,
    explode: float = 1e4,
    recorded: Container[int] = (0,),
    points: int = 1000,
) -> Run:
    """Watch a training run: call `.step(loss)` on the result in every step, after backward().

    `parameters` is a module, a Value, or lists and dicts of these; parameters added later are found
    within 16 steps. Each step measures the norms √(Σ x² / n) of gradient, update and weight, for
    each array, and for the scalars of each layer together. The update of an array above 8,192
    numbers is measured on some thousands of them, to about two digits.

    The first step in which a norm is NaN or infinite, a gradient is below `vanish`, or a gradient
    or a weight is above `explode`, is recorded and explained. The steps in `recorded` are recorded,
    too, for `compare`. About `points` steps are kept: every second, fourth, … of a long run.

    Raises DataError if something is not a parameter; OptionError for options out of range.

    >>> w = Value(2.0, label="w")
    >>> run = watch(w)
    >>> for _ in range(3):
    ...     w.zero_grad()
    ...     E = (w * 3.0) ** 2
    ...     E.backward()
    ...     bad = run.step(E)
    ...     w.data -= 0.1 * w.grad
    >>> run.steps, run.names, run.history["gradient"][:, 0]
    (3, ['w'], array([36.  , 28.8 , 23.04]))
    """
    limits = Limits(real(vanish, "watch: vanish", 0.0), real(explode, "watch: explode", 0.0))
    (most,) = numbers("watch", "points", points, 1, least=2)
    steps: Any = recorded
    if isinstance(steps, str) or not isinstance(steps, Container):
        raise OptionError(f"watch: recorded must be a collection of steps, got {recorded!r}")
    return Run(parameters, limits, recorded, most)
