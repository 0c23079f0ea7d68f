"""A recorded backward pass that can be stepped through both ways, and explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import inf
from operator import is_
from typing import Any, NoReturn, Self, SupportsIndex

import numpy as np

from tinygrad_pool.engine.backward import start, topological_order
from tinygrad_pool.engine.data import copied
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.steps import Step, refuse_copy, step_of
from tinygrad_pool.engine.turns import HALF_DONE, TURN, between_passes, take_turn
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted
from tinygrad_pool.recording.freshness import left_before
from tinygrad_pool.recording.gains import GainPath
from tinygrad_pool.recording.ledger import GradientExplainer
from tinygrad_pool.recording.naming import Index, Named
from tinygrad_pool.recording.reasons import Explanation, explain
from tinygrad_pool.recording.steps import Change, Steps, Sums
from tinygrad_pool.rules.arguments import count_of


class Trace(Named):
    """A backward pass, step by step. At `position` n, every `.grad` is as it is after n steps.

    Position 0 is before the pass: all gradients are as they were before it left that position. The
    last position is what `backward()` leaves, bit for bit. In between, the pass is half done: it
    goes back to position 0 when another pass begins in the same nodes, or when it is deleted.
    """

    _position = 0

    def __init__(
        self, loss: Value, gradient: Any = None, names: Mapping[str, Any] | None = None
    ) -> None:
        check_value(loss, "record")
        super().__init__(topological_order(loss), {} if names is None else names)
        self.loss, self.gradient = loss, gradient
        self._kept = {  # data of leaves, and of nodes that may be views of them
            node: copied(node._numbers)
            for node in self.nodes
            if node.is_leaf or getattr(node._numbers, "base", None) is not None
        }
        self._before: list[Any] | None = None  # the gradients at position 0, while at another
        self._known: Sums | None = None
        with TURN:
            before = [node._grad for node in self.nodes]
            try:
                self.steps = self._run()
            finally:
                _give(self.nodes, before)

    def _run(self) -> Steps:
        """Run the pass once, and keep each step."""
        walk = start(self.loss, self.gradient, nodes=self.nodes)
        self._seed = self.loss._grad
        steps: list[Any] = []
        for step in walk:
            steps += step if type(step[1]) is float else step_of(*step)
        return Steps(steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.seek(0)

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        refuse_copy("a recording")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({counted(len(self), 'step')}, at {self.position})"

    @property
    def step(self) -> Step | None:
        """The step taken last; None before the first."""
        return self.steps[self.position - 1] if self.position else None

    @property
    def node(self) -> Node:
        """The node of the last step; before the first, the loss."""
        return self.loss if self.step is None else self.step.node

    @property
    def position(self) -> int:
        """The number of steps done. `seek` changes it."""
        return self._position

    def seek(self, position: int) -> Step | None:
        """Go to a position, forwards or backwards, and return the step that leads there.

        Raises OptionError for a position that does not exist.
        """
        n = count_of(position, "seek: position")
        if not 0 <= n <= len(self):
            raise OptionError(f"seek: position must be in 0 … {len(self)}, got {position!r}")
        with TURN:
            if n != self.position and self.position in (0, len(self)):
                self._set_out()
            try:
                while self.position < n:
                    for node, _, after in self._sums().of(self.position):
                        node._grad = after
                    self._position += 1
                while self.position > n:
                    self._position -= 1
                    for node, before, _ in reversed(self._sums().of(self.position)):
                        node._grad = before
            except KeyboardInterrupt:
                self._settle()
                raise
            if n in (0, len(self)):
                self._arrive()
        return self.step

    def _set_out(self) -> None:
        """Leave the start or the end. The pass adds to the present gradients."""
        take_turn(self.loss, self.nodes, but=self)
        if self._before is None:
            self._before = [node._grad for node in self.nodes]
            pairs = zip(self._before, self._known.before, strict=True) if self._known else ()
            if any(g is not known or isinstance(g, np.ndarray) for g, known in pairs):
                self._known = None  # an array may have been written to
        HALF_DONE.add(self)

    def _arrive(self) -> None:
        """Arrive at the start or the end, where the pass is not half done."""
        HALF_DONE.discard(self)
        if not self.position:
            self._before = None

    @property
    def waiting(self) -> list[Node]:
        """The nodes that have not taken their step yet."""
        return [step.node for step in self.steps[self.position :]]

    def began_with(self) -> dict[Node, Any]:
        """Return the gradients at position 0."""
        before = self._before or [node._grad for node in self.nodes]
        return dict(zip(self.nodes, before, strict=True))

    def give_way(self, _: Node, /) -> None:
        """Go back to position 0, as another pass begins. Gradients set by others are kept."""
        sums = self._sums()
        for node, before, left in zip(self.nodes, sums.before, sums.at(self.position), strict=True):
            if node._grad is left:
                node._grad = before
        self._position = 0
        self._arrive()

    def __del__(self) -> None:
        if 0 < self.position < len(self):
            self.give_way(self.loss)

    def _settle(self) -> None:
        """Restore every gradient at this position after an interrupted step."""
        position, self._position = self.position, 0
        _give(self.nodes, self._before or [])
        self.seek(position)

    def next(self) -> Step | None:
        """Take a step and return it; at the end, return None."""
        return self.seek(self.position + 1) if self.position < len(self) else None

    def back(self) -> Step | None:
        """Undo a step and return it; at the start, return None."""
        undone = self.step
        self.seek(max(0, self.position - 1))
        return undone

    def changed(self) -> list[Change]:
        """List the gradients that the last step changed, in the order of its operands."""
        return self._sums().of(self.position - 1) if self.position else []

    def step_of(self, node: Node) -> Step | None:
        """Return the step in which a node sends its contributions; None if it has none."""
        n = self.positions.get(node)
        return None if n is None else self.steps[n - 1]

    def changed_by(self, node: Node) -> list[Change]:
        """List the gradients that a node's step changes, in the order of its operands."""
        n = self.positions.get(node)
        return [] if n is None else self._sums().of(n - 1)

    def accumulations(self) -> Iterator[list[Change]]:
        """Yield what each step changes, in order. The first step also clears interior gradients."""
        return map(self._sums().of, range(len(self)))

    @property
    def last(self) -> dict[Node, Any]:
        """The final value of each gradient that the pass changes."""
        return self._sums().last

    def _sums(self) -> Sums:
        """Return the gradients after each step. At position 0, they add to the present ones."""
        before = self._before
        if before is None:
            before = [node._grad for node in self.nodes]
            if self._known and not all(map(is_, before, self._known.before)):
                self._known = None
        if self._known is None:
            self._known = Sums(self.nodes, before, self._seed, self.steps)
        return self._known

    @cached_property
    def positions(self) -> dict[Node, int]:
        """The position after each node's step; nodes without a step are missing."""
        return {step.node: n for n, step in enumerate(self.steps, 1)}

    @cached_property
    def above(self) -> dict[Node, Node]:
        """The first node above each that sent it a nonzero contribution, or otherwise 0."""
        sent: dict[Node, Node] = {}
        nothing_sent: dict[Node, Node] = {}
        for node, _, contributions in self.steps:
            for p, c in zip(node.parents, contributions, strict=True):
                if c is not None and p not in sent:
                    sends = c if type(c) is float else np.any(c)
                    (sent if sends else nothing_sent).setdefault(p, node)
        return nothing_sent | sent

    def data_of(self, node: Node) -> Any:
        """Return the data of a node when the pass was recorded, whatever was set since."""
        return self._kept.get(node, node._numbers)

    @cached_property
    def gradients(self) -> dict[Node, Any]:
        """The gradients of this pass alone, of the nodes that it reaches."""
        seed = np.ones(self.loss.shape) if self.gradient is None else self.gradient
        found: dict[Node, Any] = {self.loss: self.steps[0].upstream if self.steps else seed}
        with np.errstate(all="ignore"):  # the pass itself warned
            for step in self.steps:
                for p, c in zip(step.node.parents, step.contributions, strict=True):
                    if isinstance(p, Node) and c is not None:
                        found[p] = found[p] + c if p in found else c
        return found

    def why(self, node: str | Node, index: Index = None) -> Explanation:
        """Explain a gradient of the whole pass: each contribution, and the cause of a zero or NaN.

        `index` selects an element of an array, as "w[0, 2]" does; the default is the element with
        the largest gradient.

        Raises OptionError for a node or an element that does not exist.
        """
        return explain(self.ledger, *self.element(node, index), self.left)

    def gains(self, node: str | Node) -> GainPath:
        """Measure how much each step on the strongest path from the loss to a node scales `|grad|`.

        The path reaches each node from the one above that sends it the largest contribution.

        Raises OptionError for a node that does not exist, or where a gradient on the path is 0 or
        not finite.

        >>> w, z = Value(0.5, label="w"), Value(1.0, label="x")
        >>> for _ in range(20):
        ...     z = (w * z).tanh()
        >>> print(Trace(z).gains("x"))
        |grad| shrinks from 1 at tanh#41 to 7e-07 at x, × 7e-07 in 40 steps
        mul × 0.5 (20 times); no step stands out
        """
        found = self.find(node)
        if found is self.loss:
            raise OptionError(
                f"gains: needs a node below {self.call(found)}, where the pass starts"
            )
        if found not in self.gradients:
            raise OptionError(f"gains: {' '.join(str(self.why(found)).split())}")
        strongest = self.ledger.strongest
        end = strongest.up(found, self.loss)[-1]
        if end is not self.loss or not 0 < strongest.size(found) < inf:
            lost = self.call(found if end is self.loss else end)
            raise OptionError(
                f"gains: the gradient of {lost} is 0 or not finite; why({lost!r}) explains that"
            )
        return strongest.gains(self.loss, found, self.ledger.call)

    @property
    def left(self) -> dict[Node, Any]:
        """What earlier passes left in the gradients of leaves, to which this one adds."""
        computed = self.loss.is_interior  # other passes add to the gradient of a leaf
        before = self.began_with() if self._before else between_passes(self.nodes)
        ran = computed and not self._before and before[self.loss] is not None
        return left_before(before, self.gradients, ran)

    @cached_property
    def ledger(self) -> GradientExplainer:
        """The explainer of the whole pass."""
        return GradientExplainer(
            self.loss, self.nodes, self.steps, self.gradients, self._alone().call
        )


def _give(nodes: list[Node], grads: list[Any]) -> None:
    for node, grad in zip(nodes, grads, strict=True):
        node._grad = grad
