"""A backward pass that was recorded: it can be walked in both directions, and asked for reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.debugger.reasons import Explanation, Ledger
from tinygrad_pool.engine import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.graph import Step, ancestors, start
from tinygrad_pool.node import Node, name_of, tick
from tinygrad_pool.rerun import changed, rerun
from tinygrad_pool.rules.arithmetic import nudge
from tinygrad_pool.rules.axes import place_of, whole


class Change(NamedTuple):
    """What one step made of a node's gradient; None is "not computed"."""

    node: Node
    before: Any
    after: Any


class Recording:
    """A backward pass, step by step. At `position` n, every `.grad` is as it is after n steps.

    Position 0 is before the pass: all gradients are what they were. The last position is what
    `backward()` leaves, bit for bit.
    """

    def __init__(
        self, loss: Value, gradient: Any = None, names: Mapping[str, Any] | None = None
    ) -> None:
        if not isinstance(loss, Value):
            raise DataError(f"record: needs a Value, got {type(loss).__name__}")
        self.loss, self.gradient = loss, gradient
        self.nodes = ancestors(loss)
        self.names = {id(v): n for n, v in (names or {}).items() if isinstance(v, Value)}
        self.steps: list[Step] = []
        self.position = 0
        self._changes: list[list[Change]] = []
        self._noted: dict[Node, Any] = {}
        self._called: dict[Node, str] = {}
        self.origin, self.time = object(), tick()
        self._kept = {node: changed(node._data, {}, "") for node in self.nodes if _may_change(node)}
        before = {node: node._grad for node in self.nodes}
        try:
            self._run(gradient, before)
        finally:
            for node, grad in before.items():
                node._grad = grad

    def _run(self, gradient: Any, before: Mapping[Node, Any]) -> None:
        """Carry out the pass once, and note what each step changes."""
        walk = start(self.loss, gradient, shown=True)
        now = {node: node._grad for node in self.nodes}
        changes = [Change(n, old, now[n]) for n, old in before.items() if now[n] is not old]
        for node, upstream, contributions in walk:
            for p in dict.fromkeys(p for p in node.parents if isinstance(p, Node)):
                if p._grad is not now[p]:
                    changes.append(Change(p, now[p], p._grad))
                    now[p] = p._grad
            self.steps.append(Step(node, upstream, contributions))
            self._changes.append(changes)
            changes = []

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seek(0)

    def __repr__(self) -> str:
        return f"Recording({len(self)} steps, at {self.position})"

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
            for change in self._changes[self.position]:
                change.node._grad = change.after
            self.position += 1
        while self.position > n:
            self.position -= 1
            for change in reversed(self._changes[self.position]):
                change.node._grad = change.before
        return self.step

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
        return self._changes[self.position - 1] if self.position else []

    def step_of(self, node: Node) -> Step | None:
        """Return the step in which a node hands on its gradient; None if it has none."""
        position = self._positions.get(node)
        return None if position is None else self.steps[position]

    def changed_by(self, node: Node) -> list[Change]:
        """List the gradients that a node's step changes, in the order of its operands."""
        position = self._positions.get(node)
        return [] if position is None else self._changes[position]

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
                    total = found[p] + c if p in found else c
                    found[p] = np.asarray(total) if isinstance(total, np.generic) else total
        return found

    def call(self, node: Node) -> str:
        """Name a node: its label, the variable that holds it, or its operation and number."""
        name = node.label or self.names.get(id(node)) or self._called.get(node)
        return name or f"{node.op or 'leaf'}#{self.number(node)}"

    def number(self, node: Node) -> int:
        """Count a node from the oldest, so that one without a label can be asked for."""
        return self._numbers[node]

    @cached_property
    def _numbers(self) -> dict[Node, int]:
        return {node: i for i, node in enumerate(self.nodes)}

    def find(self, name: str | Node) -> Node:
        """Find a node by its label, its variable, `op#7`, or its operation if there is one such.

        Raises OptionError, which lists names that come near.
        """
        if isinstance(name, Node):
            return name
        for means in (
            lambda n: n.label,
            lambda n: self.names.get(id(n)),
            self.call,
            lambda n: n.op,
        ):
            found = [node for node in self.nodes if means(node) == name]
            if len(found) == 1:
                return found[0]
            if found:
                several = ", ".join(f"{n.op or 'leaf'}#{self.number(n)}" for n in found[:6])
                more = " …" if len(found) > 6 else ""
                raise OptionError(f"{name!r} is the name of {len(found)} nodes: {several}{more}")
        from difflib import get_close_matches

        near = get_close_matches(name, self.known(), n=4) or self.known()[:6]
        raise OptionError(f"no node is called {name!r}; there is {', '.join(near) or 'none'}")

    def known(self) -> list[str]:
        """List the names that nodes can be asked for by, labels first."""
        return list(dict.fromkeys(self.call(node) for node in self.nodes))

    def why(self, node: str | Node, index: int | Sequence[int] | None = None) -> Explanation:
        """Explain a gradient of the whole pass: what arrived on each path, and why it is zero.

        `index` selects an element of an array; by default, the one of largest gradient.

        Raises OptionError for a node or an element that there is not.
        """
        return self._ledger.explain(self.find(node), index)

    def set(self, node: str | Node, value: Any, index: int | Sequence[int] | None = None) -> None:
        """Note other numbers for a node: what if? Nothing changes until `replay`.

        `index` selects an element of an array. None as a value takes back what was noted.

        Raises OptionError for a node or an element that there is not; DataError and ShapeError for
        numbers that do not fit.
        """
        found = self.find(node)
        if found not in self._numbers:
            raise OptionError(f"set: {name_of(found)} is not in this pass")
        what, noted = f"set {self.call(found)}", self._noted.get(found, {})
        if value is None:
            self._noted.pop(found, None)
            return
        if index is None:
            self._noted[found] = changed(found._data, value, what)
            return
        place = place_of(index, found.shape, f"{what}: index")
        if place is None:
            raise OptionError(f"{what}: shape {found.shape} has no element {index!r}")
        more = {place: changed(0.0, value, f"{what}: an element")}
        some = isinstance(noted, Mapping)
        self._noted[found] = {**noted, **more} if some else changed(noted, more, what)

    @property
    def changes(self) -> dict[str, Any]:
        """What was noted by `set`, by name; one element as "w[0, 2]"."""
        listed: dict[str, Any] = {}
        for node, noted in self._noted.items():
            name = self.call(node)
            if isinstance(noted, Mapping):
                listed |= {f"{name}[{', '.join(map(str, k))}]": n for k, n in noted.items()}
            else:
                listed[name] = noted
        return listed

    def replay(self) -> Recording:
        """Run the graph again, forward and backward, with the numbers that were `set`.

        The graph is a fresh one: see `tinygrad_pool.rerun`. Leaves have the data that they have
        now, names are kept, and nothing in this recording changes. What was computed before it was
        moved by `set` is called "z1 as computed".

        >>> w, x = Value(2.0, label="w"), Value(3.0, label="x")
        >>> passed = record(w * x)
        >>> passed.set("x", 5.0)
        >>> again = passed.replay()
        >>> passed.gradients[w], again.gradients[again.find("w")]
        (3.0, 5.0)
        """
        fresh = rerun(self.loss, self._noted)
        names = {n: new for old, new in fresh.items() if (n := self.names.get(id(old)))}
        again = Recording(fresh[self.loss], self.gradient, names)
        again.origin = self.origin
        again._called = {new: self.call(old) for old, new in fresh.items()}
        for new in set(fresh.values()):
            if new.rule is nudge:
                again._called.setdefault(new.parents[0], f"{again.call(new)} as computed")
        return again

    @cached_property
    def _ledger(self) -> Ledger:
        final: dict[Node, Any] = {}
        for changes in self._changes:
            final.update((change.node, change.after) for change in changes)
        return Ledger(self.loss, self.nodes, self.steps, final, self.call)


def _may_change(node: Node) -> bool:
    """Tell whether a node's data can be set, or may be a view of what can."""
    return node._closure is None or getattr(node._data, "base", None) is not None


def record(
    loss: Value, gradient: Any = None, *, names: Mapping[str, Any] | None = None
) -> Recording:
    """Record a backward pass, to walk through it in both directions and to ask it why.

    Nothing changes until it is moved: then every `.grad` is as it is after that many steps, and at
    the last position as `backward()` leaves it. `names=locals()` calls Values by their variables.

    Raises as `Value.backward` does.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> passed = record((a * b).exp())
    >>> step = passed.seek(1)
    >>> step.node.op, a.has_grad, passed.next().node.op, round(a.grad, 1)
    ('exp', False, 'mul', 1210.3)
    """
    return Recording(loss, gradient, names)
