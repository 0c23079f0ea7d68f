"""Record a backward pass, replay it with other numbers, and show it on a page."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_pool.engine.habits import OF_RECORDINGS
from tinygrad_pool.engine.node import Node, next_id
from tinygrad_pool.engine.numpy_protocol import Habit, WithHabits
from tinygrad_pool.engine.rerun import changed, rerun
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import check_path, write_whole
from tinygrad_pool.formatting import subscript
from tinygrad_pool.recording.closures import ClosureCheck
from tinygrad_pool.recording.forks import choices_undone
from tinygrad_pool.recording.naming import Index, place_in
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arithmetic import nudge

if TYPE_CHECKING:
    from tinygrad_pool.drawing.computation import Direction
    from tinygrad_pool.recording.player import Start
    from tinygrad_pool.recording.player.widget import PlayerWidget


class Recording(WithHabits, Trace):
    """A backward pass to step through, to replay with other numbers, and to show on a page.

    `len(recording)` counts its `steps`, which are listed in order, as are the `nodes` of its graph.
    """

    vars().update({name: Habit("a Recording", name) for name in OF_RECORDINGS})

    def __init__(
        self, loss: Value, gradient: Any = None, names: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(loss, gradient, names)
        self._noted: dict[Node, Any] = {}
        self.origin, self.time = object(), next_id()

    def set(self, node: str | Node, value: Any, index: Index = None) -> None:
        """Set other numbers for a node in the next `replay`. Nothing changes until then.

        `index` selects an element of an array, as "w[0, 2]" does. The value None withdraws an
        earlier `set`.

        Raises OptionError for a node or an element that does not exist; DataError and ShapeError
        for numbers that do not fit.
        """
        found, index = self.element(node, index)
        if found not in self.numbers:
            raise OptionError(f"set: {self.call(found)} is not in this graph")
        name, noted = f"set {self.call(found)}", self._noted.get(found, {})
        if index is None:
            self._noted.pop(found, None)
            if value is not None:
                self._noted[found] = changed(found._numbers, value, name)
            return
        place = place_in(found, index, "set", self.call(found))
        elements = isinstance(noted, Mapping)
        if value is None and elements:
            self._noted[found] = {k: x for k, x in noted.items() if k != place}
            return
        own = float(np.asarray(found._numbers)[place])
        new = {place: changed(0.0, own if value is None else value, f"{name}: an element")}
        self._noted[found] = {**noted, **new} if elements else changed(noted, new, name)

    @property
    def changes(self) -> dict[str, Any]:
        """The numbers set for the next replay, by name; an element as "w[0, 2]"."""
        listed: dict[str, Any] = {}
        for node, noted in self._noted.items():
            name = self.call(node)
            if isinstance(noted, Mapping):
                listed |= {name + subscript(k): n for k, n in noted.items()}
            else:
                listed[name] = noted
        return listed

    def replay(self) -> Recording:
        """Run the graph again, forward and backward, with the numbers that were `set`.

        The replay has new nodes: see `tinygrad_pool.engine.rerun`. Leaves have their present data,
        names are kept, and this recording does not change. If `set` changes an interior node z1,
        the node before that change is called "z1 as computed".

        >>> w, x = Value(2.0, label="w"), Value(3.0, label="x")
        >>> recording = record(w * x)
        >>> recording.set("x", 5.0)
        >>> again = recording.replay()
        >>> recording.gradients[w], again.gradients[again.find("w")]
        (3.0, 5.0)
        """
        fresh = rerun(self.loss, self._noted)
        for undone in choices_undone(fresh):
            warnings.warn(f"replay: {undone}", stacklevel=2)
        names = {n: new for old, new in fresh.items() if (n := self.names.get(id(old)))}
        outside = {n: v for n, v in self._outside.items() if n}
        again = Recording(fresh[self.loss], self.gradient, outside | names)
        again.origin = self.origin
        again._called = {new: self.call(old) for old, new in fresh.items()}
        for new in set(fresh.values()):
            if new.rule is nudge:
                again._called.setdefault(new.parents[0], f"{again.call(new)} as computed")
        return again

    def check(self) -> ClosureCheck:
        """Compare every closure of this pass with finite differences of its rule.

        Each rule is run again in float64 on the numbers of this pass, with its operands moved a
        little to either side. At a kink, anything between the slopes on the left and on the right
        is accepted. Returns the wrong closures, and prints as text.

        >>> from tinygrad_pool import lift
        >>> def cube(x):
        ...     return x**3, lambda g: (2 * g * x**2,)
        >>> x = Value(2.0, label="x")
        >>> record(lift(cube)(x)).check()
        1 closure compared with finite differences: 1 wrong
          cube#1: its closure sends 8 to x, but finite differences of cube give 12.00
        """
        return ClosureCheck(self, self.steps)

    def stale(self) -> list[Node]:
        """List the leaves whose data has changed since this pass was computed.

        >>> w = Value(2.0, label="w")
        >>> recording = record(w * 3.0)
        >>> w.data = 5.0
        >>> [leaf.label for leaf in recording.stale()]
        ['w']
        """
        since = set_since(self.nodes)
        return [
            leaf
            for leaf in self.nodes
            if leaf in since
            or (leaf.is_leaf and not np.array_equal(self.data_of(leaf), leaf.data, equal_nan=True))
        ]

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        direction: Direction | None = None,
        title: str = "",
        start: Start = "play",
    ) -> Path:
        """Write a page that plays the pass: play, pause, step, back, and each node's contributions.

        In a graph of up to 300 nodes and 4,000 numbers, the reader can change the numbers of
        leaves: the page then computes both passes again with the same rules, and shows kinks and
        margins. If it cannot compute a graph, it says why. The reader can also predict what each
        step sends, and learn which mistake leads to a wrong answer; `start="predict"` opens the
        page in that mode.

        The page is one file, needs no network, and fits any frame. Directions and folding are as in
        `tg.draw`; by default a small graph is drawn in the direction that fits a screen better. The
        file is written whole or not at all, and the position of the recording does not change.

        Raises OptionError for an unknown direction or start, OutputError if the file cannot be
        written, ToolError if no Graphviz can draw the graph.
        """
        from tinygrad_pool.recording.player import page_of

        path = check_path(path, "to_html", "html")
        return write_whole(path, page_of(self, direction, title, start))

    def widget(
        self, *, direction: Direction | None = None, title: str = "", start: Start = "play"
    ) -> PlayerWidget:
        """Show the page of `to_html` in a notebook, and synchronize its step with Python.

        `widget.step` is the step that the page shows, at first the position of this recording.
        Setting it moves the page; when the reader moves the page, it changes and its observers are
        called. The recording itself moves only if an observer moves it, for example
        `widget.observe(lambda change: recording.seek(change.new), "step")`.

        Needs the extra [widget]. Raises ToolError without it, or if no Graphviz can draw the graph;
        OptionError for an unknown direction or start.
        """
        extra("anywidget", "widget", "widget")
        from tinygrad_pool.recording.player import page_of
        from tinygrad_pool.recording.player.widget import PlayerWidget

        return PlayerWidget(self, page_of(self, direction, title, start, "widget"))

    def _repr_html_(self) -> str:
        from tinygrad_pool.recording.player import frame_of

        return frame_of(self)


def record(
    loss: Value, gradient: Any = None, *, names: Mapping[str, Any] | None = None
) -> Recording:
    """Record a backward pass, to step through it both ways and to explain its gradients.

    Recording leaves every `.grad` as it is. At position n, `.grad` is as it is after n steps, and
    at the last position as `backward()` leaves it. `names=locals()` names Values by their
    variables.

    Raises as `Value.backward` does.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> recording = record((a * b).exp())
    >>> step = recording.seek(1)
    >>> step.node.op, a.has_grad, recording.next().node.op, round(a.grad, 1)
    ('exp', False, 'mul', 1210.3)
    """
    return Recording(loss, gradient, names)
