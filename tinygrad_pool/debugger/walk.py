"""A backward pass that was recorded: walked in both directions, and asked for reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, NamedTuple, Self, overload

import numpy as np

from tinygrad_pool.debugger.naming import Named
from tinygrad_pool.debugger.reasons import Explanation, Ledger
from tinygrad_pool.engine import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.graph import Step, ancestors, start, step_of
from tinygrad_pool.node import Node
from tinygrad_pool.rerun import changed
from tinygrad_pool.rules.axes import whole


class Change(NamedTuple):
    """What one step made of a node's gradient; None is "not computed"."""

    node: Node
    before: Any
    after: Any


class Steps(Sequence[Step]):
    """The steps of a pass, each made when it is looked at: kept flat, many cost little."""

    def __init__(self, flat: list[Any]) -> None:
        self._flat = flat  # node, upstream, contributions, node, …
        self._last: tuple[int, Step | None] = -1, None

    def __len__(self) -> int:
        return len(self._flat) // 3

    def __iter__(self) -> Iterator[Step]:
        return map(Step, *(self._flat[i::3] for i in range(3)))

    @overload
    def __getitem__(self, place: int) -> Step: ...
    @overload
    def __getitem__(self, place: slice) -> list[Step]: ...
    def __getitem__(self, place: int | slice) -> Step | list[Step]:
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        i = range(len(self))[place]
        known, step = self._last
        if known != i or step is None:  # the same one, each time it is asked for
            step = Step(*self._flat[3 * i : 3 * i + 3])
            self._last = i, step
        return step


class Walk(Named):
    """A backward pass, step by step. At `position` n, every `.grad` is as it is after n steps.

    Position 0 is before the pass: all gradients are what they were. The last position is what
    `backward()` leaves, bit for bit.
    """

    def __init__(
        self, loss: Value, gradient: Any = None, names: Mapping[str, Any] | None = None
    ) -> None:
        if not isinstance(loss, Value):
            raise DataError(f"record: needs a Value, got {type(loss).__name__}")
        super().__init__(ancestors(loss), names or {})
        self.loss, self.gradient = loss, gradient
        self.position = 0
        self._kept = {node: changed(node._data, {}, "") for node in self.nodes if _may_change(node)}
        self._before = [node._grad for node in self.nodes]
        try:
            walk = start(loss, gradient, nodes=self.nodes)
            self._begun = [node._grad for node in self.nodes]
            self._run(walk)
        finally:
            for node, grad in zip(self.nodes, self._before, strict=True):
                node._grad = grad

    def _run(self, walk: Iterable[tuple[Any, ...]]) -> None:
        """Carry out the pass once, and keep each step, and what its operands have after it."""
        steps: list[Any] = []
        self._after: list[Any] = []
        take, note = steps.extend, self._after.append
        for step in walk:
            take(step if type(step[1]) is float else step_of(*step))
            for p in step[0].parents:
                if isinstance(p, Node):
                    note(p._grad)
        self.steps = Steps(steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seek(0)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} steps, at {self.position})"

    @property
    def step(self) -> Step | None:
        """The step that was taken last; None before the first."""
        return self.steps[self.position - 1] if self.position else None

    def seek(self, position: int) -> Step | None:
        """Go to a position, forwards or backwards, and return the step that led there.

        Raises OptionError for a position that there is not.
        """
        n = whole(position, "seek: position")
        if not 0 <= n <= len(self):
            raise OptionError(f"seek: position must be in 0 … {len(self)}, got {position!r}")
        while self.position < n:
            for node, _, after in self._changes_of(self.position):
                node._grad = after
            self.position += 1
        while self.position > n:
            self.position -= 1
            for node, before, _ in reversed(self._changes_of(self.position)):
                node._grad = before
        return self.step

    def settle(self) -> None:
        """Set every gradient as it is at this position, after a step was interrupted midway."""
        position, self.position = self.position, 0
        for node, grad in zip(self.nodes, self._before, strict=True):
            node._grad = grad
        self.seek(position)

    def next(self) -> Step | None:
        """Take a step, and return it; at the end stay, and return None."""
        return self.seek(self.position + 1) if self.position < len(self) else None

    def back(self) -> Step | None:
        """Undo a step, and return it; at the start stay, and return None."""
        undone = self.step
        self.seek(max(0, self.position - 1))
        return undone

    def changed(self) -> list[Change]:
        """List the gradients that the last step changed, in the order of its operands."""
        return self._changes_of(self.position - 1) if self.position else []

    def step_of(self, node: Node) -> Step | None:
        """Return the step in which a node hands on its gradient; None if it has none."""
        position = self._positions.get(node)
        return None if position is None else self.steps[position]

    def changed_by(self, node: Node) -> list[Change]:
        """List the gradients that a node's step changes, in the order of its operands."""
        position = self._positions.get(node)
        return [] if position is None else self._changes_of(position)

    def accumulations(self) -> Iterator[list[Change]]:
        """List what each step changes, in order; the first begins with what the pass forgot."""
        return map(self._changes_of, range(len(self)))

    @cached_property
    def last(self) -> dict[Node, Any]:
        """What the pass leaves in each gradient that it changes."""
        flat, _ = self._changes
        return dict(zip(flat[::3], flat[2::3], strict=True))

    def _changes_of(self, position: int) -> list[Change]:
        flat, ends = self._changes
        own = flat[ends[position - 1] if position else 0 : ends[position]]
        return [Change(*own[i : i + 3]) for i in range(0, len(own), 3)]

    @cached_property
    def _changes(self) -> tuple[list[Any], list[int]]:
        """What the steps change, as node, before, after, node, …; and where those of each end."""
        now = dict(zip(self.nodes, self._before, strict=True))
        flat: list[Any] = []
        ends = []

        def note(node: Node, after: Any) -> None:
            if after is not now[node]:
                flat.extend((node, now[node], after))
                now[node] = after

        for node, after in zip(self.nodes, self._begun, strict=True):
            note(node, after)
        afters = iter(self._after)
        for step in self.steps:
            for p in step.node.parents:
                if isinstance(p, Node):
                    note(p, next(afters))
            ends.append(len(flat))
        return flat, ends

    @cached_property
    def _positions(self) -> dict[Node, int]:
        return {step.node: i for i, step in enumerate(self.steps)}

    def data_of(self, node: Node) -> Any:
        """Return the data that a node had when the pass was recorded, whatever was set since."""
        return self._kept.get(node, node._data)

    @cached_property
    def gradients(self) -> dict[Node, Any]:
        """The gradients of this pass alone, without what leaves had before; of no other node."""
        seed = np.ones(self.loss.shape) if self.gradient is None else self.gradient
        found: dict[Node, Any] = {self.loss: self.steps[0].upstream if self.steps else seed}
        for step in self.steps:
            for p, c in zip(step.node.parents, step.contributions, strict=True):
                if isinstance(p, Node) and c is not None:
                    found[p] = found[p] + c if p in found else c
        return found

    def why(self, node: str | Node, index: int | Sequence[int] | None = None) -> Explanation:
        """Explain a gradient of the whole pass: what arrived on each path, and why it is zero.

        `index` selects an element of an array; by default, the one of largest gradient.

        Raises OptionError for a node or an element that there is not.
        """
        return self.ledger.explain(self.find(node), index)

    @cached_property
    def ledger(self) -> Ledger:
        """The whole pass, to be asked for reasons."""
        return Ledger(self.loss, self.nodes, self.steps, self.gradients, self.alone().call)


def _may_change(node: Node) -> bool:
    """Tell whether a node's data can be set, or may be a view of what can."""
    return node._closure is None or getattr(node._data, "base", None) is not None
