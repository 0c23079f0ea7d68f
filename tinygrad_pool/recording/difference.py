"""Compare two backward passes: their data, gradients and winners."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.data import abs_difference
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import GraphError
from tinygrad_pool.formatting import Table, counted, number
from tinygrad_pool.recording.moved_winners import Moved, moved_between
from tinygrad_pool.recording.recording import Recording, record

LISTED = 20


class Row(NamedTuple):
    """One node in both passes. A gradient is None if it is not computed, and then compares as 0.

    `change` is the largest difference of data or gradient: 0 if nothing differs, ∞ if the shapes
    differ or only one of two numbers is NaN.
    """

    name: str
    before: Any
    after: Any
    grad_before: Any
    grad_after: Any
    change: float


class Difference(NamedTuple):
    """The differences between two passes.

    `rows` are the nodes in both, largest change first. `moved` lists the units whose winner
    changed. `only_before` and `only_after` name the nodes of one pass only; `left_out` counts the
    unnamed nodes without a partner.
    """

    rows: list[Row]
    moved: list[Moved]
    only_before: list[str]
    only_after: list[str]
    left_out: int

    def table(self) -> Table:
        """Tabulate the nodes that differ, largest change first."""
        rows = [row for row in self.rows if row.change]
        if not self.rows:
            return Table("Nothing to compare: no node is known to be in both passes.", (), [])
        if not rows:
            return Table(f"No difference in {counted(len(self.rows), 'node')}.", (), [])
        data = sum(_far(row.before, row.after) > 0 for row in rows)
        grads = sum(_far(row.grad_before, row.grad_after) > 0 for row in rows)
        return Table(
            f"{counted(len(self.rows), 'node')} compared: the data of {data:,} and the gradients "
            f"of {grads:,} differ:",
            ("node", "data", "gradient"),
            [
                (r.name, _cell(r.before, r.after), _cell(r.grad_before, r.grad_after))
                for r in rows[:LISTED]
            ],
        )

    def notes(self) -> list[str]:
        """List changed winners, nodes that could not be compared, and how much is not shown."""
        lines = _more(sum(row.change > 0 for row in self.rows))
        lines += [*map(str, self.moved[:LISTED]), *_more(len(self.moved))]
        for which, names in (("first", self.only_before), ("second", self.only_after)):
            if names:
                more = ", …" if len(names) > LISTED else ""
                lines.append(f"only in the {which} pass: {', '.join(names[:LISTED])}{more}")
        if self.left_out:
            lines.append(
                f"not compared: {counted(self.left_out, 'unnamed node')} without a partner"
            )
        return lines

    def __repr__(self) -> str:
        return "\n".join([self.table().text(), *self.notes()])

    def _repr_html_(self) -> str:
        notes = (Table(note, (), []).html() for note in self.notes())
        return self.table().html() + "".join(notes)


def compare_passes(pass_a: Recording | Value, pass_b: Recording | Value) -> Difference:
    """Compare two backward passes node by node: data, gradients, and the winner of each maximum.

    Nodes are matched by label or variable. Nodes without a name are matched by number if both
    graphs have the same structure, or one is a replay of the other. NaN equals NaN. A Value is
    recorded first. Leaves are compared as they were when each pass was recorded.

    Raises as `record` does; GraphError if a leaf changed before its pass was recorded.

    >>> from tinygrad_pool import maximum
    >>> recording = record(maximum(Value(0.0, label="z1"), Value(2.5, label="z3")) * 3.0)
    >>> recording.set("z1", 5.0)
    >>> print(compare_passes(recording, recording.replay()).moved[0])
    maximum#2: z3 (2.5) won, now z1 (5) does; the whole δ = 3 goes to z1
    """
    a, b = (p if isinstance(p, Recording) else record(p) for p in (pass_a, pass_b))
    _refuse_changed(a)
    _refuse_changed(b)
    pairs = matched(a, b)
    rows = [_row(name, a, x, b, y) for name, x, y in pairs]
    of_a, of_b = {x for _, x, _ in pairs}, {y for _, _, y in pairs}
    only_a = [own_name(a, x) for x in a.nodes if x not in of_a]
    only_b = [own_name(b, y) for y in b.nodes if y not in of_b]
    return Difference(
        sorted(rows, key=lambda row: -row.change),
        moved_between(a, b, pairs),
        [*filter(None, only_a)],
        [*filter(None, only_b)],
        0 if a.origin is b.origin else (only_a + only_b).count(""),
    )


def matched(a: Recording, b: Recording) -> list[tuple[str, Node, Node]]:
    """Pair nodes by label or variable; unnamed ones by number, if the structures are equal.

    In a replay, every node is paired by name with the node that it replays.

    >>> from tinygrad_pool import Value
    >>> E, F = (Value(x, label="x").exp() * 2.0 for x in (1.0, 3.0))
    >>> [name for name, _, _ in matched(record(E), record(F))]
    ['x', 'exp#1', 'mul#2']
    """
    kin = a.origin is b.origin
    of_a, of_b = _keyed(a, kin), _keyed(b, kin)
    partner = {x: of_b[key] for key, x in of_a.items() if key in of_b}
    taken = set(partner.values())
    if not kin and _form(a) == _form(b):
        for x, y in zip(a.nodes, b.nodes, strict=True):
            if x not in partner and y not in taken:
                partner[x] = y
                taken.add(y)
    times = Counter(map(a.call, a.nodes))
    pairs = []
    for x, y in ((x, partner[x]) for x in a.nodes if x in partner):
        name = a.call(x) if own_name(a, x) else b.call(y)
        pairs.append((f"{name}#{a.numbers[x]}" if times[name] > 1 else name, x, y))
    return pairs


def own_name(recording: Recording, node: Node) -> str:
    """Return a node's label or variable; "" if it has neither."""
    return node.label or recording.names.get(id(node), "")


def _keyed(recording: Recording, kin: bool) -> dict[tuple[str, int], Node]:
    """Key nodes by name, and by a count where several share one."""
    keyed: dict[tuple[str, int], Node] = {}
    times: Counter[str] = Counter()
    for node in recording.nodes:
        if name := recording.call(node) if kin else own_name(recording, node):
            keyed[name, times[name]] = node
            times[name] += 1
    return keyed


def _form(recording: Recording) -> list[Any]:
    """Describe the structure of a graph: each node's operation and the numbers of its operands."""
    return [
        (n.op, [recording.numbers[p] if isinstance(p, Node) else None for p in n.parents])
        for n in recording.nodes
    ]


def _refuse_changed(recording: Recording) -> None:
    """Raise GraphError if a leaf was set after it was used and before the pass was recorded."""
    for node in recording.nodes:
        for p in node.parents:
            leaf = isinstance(p, Node) and p.is_leaf
            if leaf and node._order < p._assigned < recording.time:
                raise GraphError(
                    f"compare_passes: the data of {name_of(p)} changed after {name_of(node)} "
                    "was computed from it; call record before changing data"
                )


def _row(name: str, a: Recording, x: Node, b: Recording, y: Node) -> Row:
    data = a.data_of(x), b.data_of(y)
    grads = a.gradients.get(x), b.gradients.get(y)
    return Row(name, *data, *grads, max(_far(*data), _far(*grads)))


def _far(before: Any, after: Any) -> float:
    """Return the largest difference; a gradient that is not computed counts as 0."""
    if type(before) is type(after) is float and before == after:
        return 0.0
    before, after = _same_shape(before, after)
    if np.shape(before) != np.shape(after):
        return float(np.inf)
    return float(abs_difference(before, after).max(initial=0.0))


def _same_shape(before: Any, after: Any) -> tuple[Any, Any]:
    """Replace a gradient that is not computed by zeros."""
    zeros = np.zeros(np.shape(after if before is None else before))
    return zeros if before is None else before, zeros if after is None else after


def _cell(before: Any, after: Any) -> str:
    """Write a number before and after; for an array its shape and the largest difference."""
    if before is None and after is None:
        return "–"
    dashes = [before is None, after is None]
    before, after = _same_shape(before, after)
    if np.shape(before) != np.shape(after):
        return f"shape {np.shape(before)} → {np.shape(after)}"
    differences = abs_difference(before, after)
    lengths = f"{differences.shape}: " if differences.shape else ""
    if not differences.any():
        return f"{lengths}equal" if lengths else number(float(before))
    place = tuple(int(k) for k in np.unravel_index(differences.argmax(), differences.shape))
    old, new = (
        "–" if dash else number(float(np.asarray(x)[place]))
        for dash, x in zip(dashes, (before, after), strict=True)
    )
    at = f"{lengths}{list(place)} " if lengths else ""
    return f"{at}{old} → {new}" + (f" (by {differences[place]:.2g})" if old == new else "")


def _more(count: int) -> list[str]:
    return [f"… and {count - LISTED:,} more"] if count > LISTED else []
