"""The steps of a recorded pass, and the gradients after each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn, SupportsIndex, overload

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step, refuse_copy


class Change(NamedTuple):
    """A node's gradient before and after one step; None if it is not computed."""

    node: Node
    before: Any
    after: Any


class Steps(Sequence[Step]):
    """The steps of a pass, stored flat and built on access to save memory."""

    def __init__(self, flat: list[Any]) -> None:
        self._flat = flat  # node, upstream, contributions, node, …
        self._last: tuple[int, Step | None] = -1, None

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        refuse_copy("a recording")

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
        if known != i or step is None:  # the same object for repeated access
            step = Step(*self._flat[3 * i : 3 * i + 3])
            self._last = i, step
        return step


class Sums:
    """The gradients after each step, without changing any node; `before` are those at the start."""

    def __init__(self, nodes: list[Node], before: list[Any], seed: Any, steps: Steps) -> None:
        self.before = before
        self._now = dict(zip(nodes, before, strict=True))
        self._flat: list[Any] = []  # node, before, after, node, …
        self._ends: list[int] = []  # where each step's part of it ends
        self._note({v: seed if v is nodes[-1] else None for v in nodes if v.is_interior})
        for node, _, contributions in steps:
            after: dict[Node, Any] = {}
            for p, c in zip(node.parents, contributions, strict=True):
                if c is not None:
                    after[p] = _sum(p, after.get(p, self._now[p]), c)
            self._note(after)
            self._ends.append(len(self._flat))

    def _note(self, after: dict[Node, Any]) -> None:
        for node, grad in after.items():
            if grad is not self._now[node]:
                self._flat += (node, self._now[node], grad)
                self._now[node] = grad

    def of(self, step: int) -> list[Change]:
        """List the gradients that a step changes, in the order of its operands."""
        own = self._flat[self._ends[step - 1] if step else 0 : self._ends[step]]
        return [Change(*own[i : i + 3]) for i in range(0, len(own), 3)]

    def at(self, position: int) -> list[Any]:
        """List the gradients of all nodes after `position` steps, in the order of the nodes."""
        now = dict(zip(self._now, self.before, strict=True))
        for step in range(position):
            now.update((node, after) for node, _, after in self.of(step))
        return [*now.values()]

    @property
    def last(self) -> dict[Node, Any]:
        """The final gradient of each node whose gradient changes."""
        return dict(zip(self._flat[::3], self._flat[2::3], strict=True))


def _sum(node: Node, before: Any, c: Any) -> Any:
    """Add a contribution as a pass does. A leaf gets a copy, as its gradient may be written to."""
    if before is not None:
        with np.errstate(all="ignore"):  # the pass itself warned
            return before + c
    return np.array(c) if node.is_leaf and isinstance(c, np.ndarray) else c
