"""Where a gradient vanishes or explodes: the gain of each step on a path down from the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from math import inf, log10, nan
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.drawing.theme import Figure
from tinygrad_pool.engine.context import Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import Table, counted, number, several
from tinygrad_pool.recording.source import made_at, quoted
from tinygrad_pool.rules.arguments import choice
from tinygrad_pool.rules.traits import traits_of

NAMED = 3
LONG = 16
"""Fewer steps than these are joined between two names, whatever their share of a path."""

BY = ("node", "rule", "layer", "line", "turn")
TREND = 1000.0
"""Gradients vanish or explode if those of the first and the last layer differ by this factor: an
update that changes one layer by a hundredth then changes the other not at all, or tenfold.
Different widths and inputs alone cause factors of 10 to 100."""

ALIKE = 1.1
"""A step stands out if its power of ten is so many times that of the step at the top quarter."""

SAME = 0.005
"""Smaller powers of ten are written as × 1."""

LARGEST = 300
"""A gain beyond 10 to this power may not fit a float, though the gradients at both ends do."""

PART = 0.25
"""Steps that are repeated equally often form a loop if they are this part of the path."""


class Gain(NamedTuple):
    """One step down a path: `|grad|` = √Σ g² of a node, `before`, and of the one `below`, `after`.

    `after` includes the contributions of other paths; `sent` is that of this path alone. `turn`
    counts the `turns` of a loop from 1, in forward order; both are 0 outside a loop.
    """

    node: Node
    below: Node
    before: float
    after: float
    turn: int = 0
    turns: int = 0
    sent: float = nan

    @property
    def cancelled(self) -> float:
        """The power of ten lost where paths meet and cancel; 0 if at least half is left."""
        lost = decades_between(self.sent, self.after)
        return lost if lost < -log10(2) else 0.0

    @property
    def decades(self) -> float:
        """The gain as a power of ten."""
        return decades_between(self.before, self.after)

    @property
    def line(self) -> Line | None:
        """The source line of the step, if the graph was built under `traced`."""
        return self.node.about.line

    @property
    def leaves(self) -> list[Node]:
        """The leaves that a product multiplies the gradient by."""
        if traits_of(self.node.rule).unit != "product":
            return []
        others = (leaf_below(p) for p in self.node.parents if isinstance(p, Node))
        return [p for p in others if p.is_leaf and p is not self.below]


class GainPath:
    """The `steps` of the strongest path to a node, and how `|grad|` changes. Prints a summary."""

    def __init__(
        self,
        nodes: list[Node],
        sizes: list[float],
        call: Callable[[Node], str],
        sent: list[float] | None = None,
    ) -> None:
        self.nodes, self.sizes, self.call = nodes, sizes, call
        self.sent = sent or [nan] * (len(nodes) - 1)
        pairs = zip(pairwise(nodes), pairwise(sizes), self.sent, strict=True)
        self.steps = _in_turns([Gain(*ends, *lengths, sent=c) for ends, lengths, c in pairs])

    @property
    def decades(self) -> float:
        """The gain of the whole path as a power of ten."""
        return decades_between(self.sizes[0], self.sizes[-1])

    @property
    def _sign(self) -> int:
        return 1 if self.decades > 0 else -1

    @property
    def by_degrees(self) -> bool:
        """Whether the gradient vanishes or explodes, and repeated rules cause it."""
        repeated = sum(sum(gains) for gains in self._groups("rule").values() if gains[1:])
        found = (self.decades * self._sign, repeated * self._sign)
        return all(log10(TREND) < x < inf for x in found)  # not if one is NaN

    def flattest(self) -> str:
        """Write which step, other than the last, shrinks the gradient most by a slope of nearly 0.

        "" if none shrinks it by a factor of TREND. Constant factors above the first weight are
        skipped, as they only scale the loss.
        """
        least, under = -log10(TREND), False
        found: list[tuple[float, Gain, str]] = []
        for s in self.steps[:-1]:
            if s.decades < least and (flat := self._flat(s, under)):
                found.append((s.decades, s, flat))
            under |= bool(s.leaves)
        if not found:
            return ""
        _, s, flat = min(found, key=itemgetter(0))
        step = GainPath([s.node, s.below], [s.before, s.after], self.call)
        return f"{step.summary()}: {flat} there{made_at(s.node)}"

    def _flat(self, s: Gain, constants: bool) -> str:
        """Explain why a local derivative is nearly 0; "" if it is not."""
        of, operands = traits_of(s.node.rule), s.node.parents
        if of.vanishes and (of.sparsity == "elementwise" or of.unit == "softmax"):
            return f"the local derivative of {s.node.op} is nearly 0"
        others = [p for p in operands if p is not s.below] if of.unit == "product" else []
        if len(others) != 1 or len(operands) != 2:  # a square has none
            return ""
        other, known = others[0], isinstance(others[0], Node)
        largest = float(np.abs(other._numbers if known else other).max(initial=0.0))
        if (known or constants) and largest < 1 / TREND:
            name = f", {self.call(leaf_below(other))}," if known else ""
            return f"the other factor{name} is no larger than {number(largest)}"
        return ""

    def between_names(self) -> GainPath:
        """Return the part from the first to the last node with a name.

        The whole path if fewer than two have one, or if that part alone shows no trend.
        """
        named = self._named
        if not named[1:]:
            return self
        ends = slice(named[0], named[-1] + 1)
        sent = self.sent[named[0] : named[-1]]
        cut = GainPath(self.nodes[ends], self.sizes[ends], self.call, sent)
        return cut if cut.by_degrees else self

    def hops(self) -> list[Gain]:
        """List the steps, those between two nodes with names joined into one.

        They are not joined where that would hide most of a long path.
        """
        last = len(self.steps)
        cuts = [i for i in self._named if 0 < i < last]
        if not cuts or max(k - i for i, k in pairwise([0, *cuts, last])) > max(LONG, last / 2):
            return self.steps
        parts = (self.steps[i:k] for i, k in pairwise([0, *cuts, last]))
        return [s[0]._replace(below=s[-1].below, after=s[-1].after) for s in parts]

    def sharpest(self, most: int = NAMED) -> list[Gain]:
        """List the steps between named nodes that shrink or grow the gradient most.

        Only steps that stand out are listed: none if many have about the same gain.
        """
        found = sorted(self.hops(), key=lambda s: -self._sign * s.decades)
        rivals = found[max(1, len(found) // 4) :][:1]
        least = max((ALIKE * s.decades * self._sign for s in rivals), default=-inf)
        return [s for s in found[:most] if s.decades * self._sign > least]

    @property
    def _named(self) -> list[int]:
        return [i for i, node in enumerate(self.nodes) if "#" not in self.call(node)]

    def by(self, what: str) -> Table:
        """Tabulate the gains by "node", "rule", "layer", "line" of the source, or "turn" of a loop.

        Raises OptionError for anything else.
        """
        choice(what, BY, "by:")
        rows = [
            [name, len(gains), times(sum(gains) / len(gains)), times(sum(gains))]
            for name, gains in self._groups(what).items()
        ]
        return Table(f"{self.summary()}:", [what, "steps", "each", "in all"], rows)

    def summary(self, names: bool = True) -> str:
        """Write `|grad|` at both ends of the path, and the gain between them."""
        at = [f" at {self.call(self.nodes[end])}" if names else "" for end in (0, -1)]
        how = "grows" if self.decades > SAME else "shrinks" if self.decades < -SAME else "changes"
        return (
            f"|grad| {how} from {self.sizes[0]:.2g}{at[0]} to {self.sizes[-1]:.2g}{at[1]}, "
            f"{times(self.decades)} in {counted(len(self.steps), 'step')}"
        )

    def reasons(self) -> str:
        """Write which rules do it, and the sharpest step.

        Rules that change `|grad|` by less than a factor of 2 in all are left out.
        """
        groups = sorted(self._groups("rule").items(), key=lambda group: -abs(sum(group[1])))
        factors = [
            f"{op} {times(sum(gains) / len(gains))}" + f" ({len(gains):,} times)" * (len(gains) > 1)
            for op, gains in groups
            if abs(sum(gains)) > log10(2) - SAME
        ]
        if not factors:
            return "no rule changes it by a factor of 2 or more"
        sharpest = [f"sharpest at {self.place(s)}" for s in self.sharpest(1)]
        return "; ".join([several(factors), *(sharpest or ["no step stands out"])])

    def place(self, s: Gain, source: bool = True) -> str:
        """Write where a step is: "h4 → h3, × 7100, through W4, in turn 4 of 50, at net.py:12"."""
        begin, end = self._places(s)
        leaves = dict.fromkeys(leaf for part in self.steps[begin:end] for leaf in part.leaves)
        parts = [f"{self.call(s.node)} → {self.call(s.below)}", times(s.decades)]
        parts += [f"through {several([*map(self.call, leaves)])}"] if leaves else []
        shared = any(sum(leaf in part.leaves for part in self.steps) > 1 for leaf in leaves)
        looped = not s.node.about.scope and (shared or (not leaves and s.below.is_interior))
        parts += [f"in turn {s.turn} of {s.turns}"] if s.turn and looped else []
        parts += [f"at {quoted(s.line)}"] if s.line and source else []
        return ", ".join(parts)

    def _groups(self, what: str) -> dict[str, list[float]]:
        """Group the gains of the steps, as powers of ten."""
        groups: dict[str, list[float]] = {}
        for s in self.steps:
            if what == "node":
                name = f"{self.call(s.node)} → {self.call(s.below)}"
            elif what == "rule":
                name = s.node.op
            elif what == "layer":
                name = s.node.about.scope.replace("/", ".") or "outside"
            elif what == "line":
                name = quoted(s.line) or "not known without tg.traced()"
            else:
                name = f"{s.turn} of {s.turns}" if s.turn else "outside"
            cancelled = s.cancelled if what in ("node", "rule") else 0.0
            groups.setdefault(name, []).append(s.decades - cancelled)
            if cancelled:
                groups.setdefault("paths that cancel", []).append(cancelled)
        return groups

    def plot(self, theme: str = "light") -> Figure:
        """Plot `|grad|` by depth on a log scale, and name the sharpest steps.

        `theme` is "light" or "dark". Raises OptionError for another, ToolError without matplotlib.
        """
        from tinygrad_pool.drawing.plots import by_depth

        scopes: dict[str, int] = {}
        for i, node in enumerate(self.nodes):
            scopes.setdefault(node.about.scope, i)
        names = {i: scope for scope, i in scopes.items() if scope}
        names |= {i: self.call(self.nodes[i]) for i in self._named}
        names |= {end: self.call(self.nodes[end]) for end in (0, len(self.steps))}
        marks = [(*self._places(s), self.place(s, source=False)) for s in self.sharpest()]
        return by_depth(self.sizes, names, marks, self.summary(), theme)

    def _places(self, s: Gain) -> tuple[int, int]:
        return self.nodes.index(s.node), self.nodes.index(s.below)

    def __repr__(self) -> str:
        return f"{self.summary()}\n{self.reasons()}"


def _in_turns(steps: list[Gain]) -> list[Gain]:
    """Find the loop, steps that are repeated equally often, and number its turns."""
    keys = [(s.node.rule, s.line) for s in steps]
    total = Counter(keys)
    often = Counter(n for n in total.values() if n > 1)
    large = [n for n in often if n * often[n] >= PART * len(steps)]
    if not large:
        return steps
    most = max(large, key=lambda n: (often[n], -n))
    seen, found = Counter[Any](), []
    for s, key in zip(reversed(steps), reversed(keys), strict=True):
        turn = 1 + seen[key] * most // total[key]
        seen[key] += 1
        found.append(s._replace(turn=turn, turns=most) if total[key] >= most else s)
    return found[::-1]


def decades_between(before: float, after: float) -> float:
    """Return log₁₀(after / before); NaN if one of them is 0 or not finite.

    >>> decades_between(5e-324, 5e300) > 600, decades_between(0.0, 1.0)
    (True, nan)
    """
    return log10(after) - log10(before) if 0 < before < inf and 0 < after < inf else nan


def times(decades: float) -> str:
    """Write a factor, given as a power of ten.

    >>> times(3.8512), times(-0.31), times(-400)
    ('× 7100', '× 0.49', '× 1e-400')
    """
    if abs(decades) > LARGEST:
        return f"× 1e{decades:.0f}"
    return f"× {number(float(f'{10**decades:.2g}'))}"


def leaf_below(node: Node) -> Node:
    """Skip nodes that only move numbers, such as reshape, down to their operand."""
    while traits_of(node.rule).unit == "move" and isinstance([*node.parents, None][0], Node):
        node = node.parents[0]
    return node
