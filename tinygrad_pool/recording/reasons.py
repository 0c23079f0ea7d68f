"""Explain a gradient: list its contributions, and trace a zero or a NaN to its origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.formatting import number, several, subscript
from tinygrad_pool.recording.freshness import numbers_taken, was_set
from tinygrad_pool.recording.gains import TREND
from tinygrad_pool.recording.ledger import Entry, GradientExplainer, Reason, flat, in_common
from tinygrad_pool.recording.links import Known, number_at
from tinygrad_pool.recording.naming import place_in
from tinygrad_pool.recording.origins import behind_data, behind_gradient, behind_rounding, cancelled
from tinygrad_pool.recording.source import made_at
from tinygrad_pool.rules.traits import traits_of

LISTED = 8

SINGLY = 3
"""Zeros of one node are explained one by one up to this number, and in one line beyond."""

PLACES = 2000
"""How many elements are searched for the origin of a zero; a cause says if there are more."""


class Explanation(NamedTuple):
    """The explanation of one gradient, which is the sum of its `entries`.

    `causes` explain why it is zero, tiny, huge, not finite or not computed. `notes` warn of a
    gradient left by earlier passes, and of data set since the forward pass.
    """

    name: str
    grad: float | None
    entries: list[Entry]
    causes: list[str]
    notes: list[str]
    call: Callable[[Node], str]

    def __repr__(self) -> str:
        shown = "not computed" if self.grad is None else number(self.grad)
        lines = [f"grad of {self.name} is {shown}"]
        rows = self._rows()
        if len(rows) > LISTED:  # zeros come last
            rows = ([row for row in rows if row[0].contribution] or rows)[:LISTED]
        hidden = len(self.entries) - sum(map(len, rows))
        if len(self.entries) > 1:
            first, *others = [number(e.contribution) for e, *more in rows if not more] or ["0"]
            added = (f" − {x[1:]}" if x.startswith("−") else f" + {x}" for x in others)
            left_out = len(others) + 1 < len(self.entries)
            more = f" + … ({len(self.entries):,} in all)" if left_out else ""
            lines[0] += f" = {first}{''.join(added)}{more}"
        lines += [self._line(row) for row in rows]
        if hidden:
            zeros = "" if self.entries[LISTED].contribution else ", all 0"
            lines.append(f"  … and {hidden:,} more{zeros}")
        lines += [f"  {'' if c.startswith('…') else 'because '}{c}" for c in self.causes]
        return "\n".join([*lines, *(f"  but {note}" for note in self.notes)])

    def _rows(self) -> list[list[Entry]]:
        """Group the entries by line: many zeros of one node and kind of reason share one."""
        zeros: dict[tuple[Node, str], list[Entry]] = {}
        for e in self.entries:
            if e.reason:
                zeros.setdefault((e.node, e.reason.kind), []).append(e)
        rows = [[e] for e in self.entries if not e.reason]
        for group in zeros.values():
            rows += [group] if len({e.unit for e in group}) > SINGLY else [[e] for e in group]
        return rows

    def _line(self, row: list[Entry]) -> str:
        e = row[0]
        if len(row) > 1:
            units = f"{_share(len({x.unit for x in row}), e.node)} units of {self.call(e.node)}"
            return f"  from {units}: 0   {in_common([x.reason for x in row])}"
        sent = f"{number(e.upstream)} × {number(e.local)} = {number(e.contribution)}"
        why = f"   {e.reason}" if e.reason else ""
        return f"  from {self.call(e.node)}{subscript(e.unit)}: {sent}{why}"


def explain(
    ledger: GradientExplainer,
    node: Node,
    index: int | Sequence[int] | None,
    left: Mapping[Node, Any] | None = None,
) -> Explanation:
    """Explain the gradient of one element of a node, by default the one of largest magnitude.

    `left` maps leaves to the gradients that earlier passes left in them.

    Raises OptionError if there is no such element.
    """
    g = ledger.grads.get(node)
    if not node.size:
        return Explanation(ledger.call(node), None, [], ["it has no elements"], [], ledger.call)
    cell = _cell(ledger, node, index, g)
    grad = None if g is None else number_at(g, cell)
    with np.errstate(all="ignore"):
        entries = ledger.entries(node, cell)
        causes = _causes(ledger, node, cell, grad, entries)
    notes = _left(ledger, node, cell, grad, left or {}) + _stale(ledger, node, entries)
    return Explanation(ledger.at(node, cell), grad, entries, causes, notes, ledger.call)


def _causes(
    ledger: GradientExplainer, node: Node, cell: int, grad: float | None, entries: list[Entry]
) -> list[str]:
    """Explain why a gradient is not computed, not finite, zero, tiny or huge; [] otherwise."""
    if node not in ledger.nodes:
        taken = "".join(f"; {how}" for how in numbers_taken(node))
        taken += "; why(v, i) explains an element of v" if node.op == "getitem" else ""
        lost = "it was not used, it was detached, or only its numbers were used, as with v.data"
        return [f"the loss does not depend on it: {lost}{taken}"]
    if node is ledger.loss:
        causes = ["the backward pass starts here"]
        if not np.isfinite(x := number_at(node._numbers, cell)):
            causes.append(f"its data is {number(x)}: {behind_data(ledger, node, cell).says}")
        return causes
    if grad is None:
        return ["no node that uses it sends it a gradient"]
    if not np.isfinite(grad):
        return [behind_gradient(ledger, node, cell).says]
    if not grad:
        nothing = [e for e in entries if not e.contribution]
        origins = _origins(ledger, node, cell, nothing) if nothing or not entries else []
        return ["the contributions cancel"] * (len(nothing) < len(entries)) + origins
    return _by_rounding(ledger, node, cell, entries) or _by_degrees(ledger, node)


def _by_rounding(
    ledger: GradientExplainer, node: Node, cell: int, entries: list[Entry]
) -> list[str]:
    """Explain a gradient that is only the rounding error of a cancellation; [] otherwise."""
    found = behind_rounding(ledger, ledger.strongest.above.get(node, node))
    found = found or cancelled(ledger, node, cell, [e.contribution for e in entries])
    return [f"{found.says}; their magnitudes add up to {number(found.terms)}"] if found else []


def _by_degrees(ledger: GradientExplainer, node: Node) -> list[str]:
    """Explain which steps make a gradient vanish or explode on the way down; [] otherwise."""
    end = ledger.strongest.above.get(node) if node.is_leaf else node
    depth = None if end is None else ledger.depths.get(end)
    if end is not None and depth is not None and depth.top is not None:
        path = ledger.strongest.gains(depth.top, end, ledger.call).between_names()
        if path.by_degrees:
            return [f"{path.summary()}: {path.reasons()}"]
    strongest = ledger.strongest
    if not strongest.size(node) * TREND < strongest.size(ledger.loss):
        return []  # another factor on the path, as of a logarithm, makes up for a small one
    flattest = strongest.gains(ledger.loss, node, ledger.call).flattest()
    return [flattest] if flattest else []


def _left(
    ledger: GradientExplainer, node: Node, cell: int, grad: float | None, left: Mapping[Node, Any]
) -> list[str]:
    """Note what earlier passes left in a gradient."""
    x = number_at(left[node], cell) if node in left else 0.0
    if not x:
        return []
    total = "" if grad is None else f", so that it is {number(x + grad)} after this one"
    held = f"earlier passes left {number(x)} in {ledger.at(node, cell)}.grad"
    return [f"{held}{total}; zero_grad() clears it"]


def _stale(ledger: GradientExplainer, node: Node, entries: list[Entry]) -> list[str]:
    """Note data that was set after the nodes around this one were computed from it."""
    stale = set_since(ledger.nodes)
    users = dict.fromkeys(e.node for e in entries)
    near = [node, *(p for v in users for p in v.parents if isinstance(p, Node))]
    return [
        was_set(ledger.call, leaf, user)
        for leaf, user in stale.items()
        if any(p is leaf or np.may_share_memory(p._numbers, leaf._numbers) for p in near)
    ]


def _origins(ledger: GradientExplainer, node: Node, cell: int, entries: list[Entry]) -> list[str]:
    """Follow zeros upwards to the origin of each."""
    causes: dict[tuple[Node, Node, str], list[tuple[int, Entry]]] = {}  # see `_between`
    alone: dict[tuple[Node, bool], list[int]] = {}  # elements that get nothing, or what cancels
    texts: dict[str, str] = {}  # each with the operation that it is about
    known: Known = {}
    seen, waiting, searched = {(node, cell)}, [(node, cell)], 0
    while waiting and searched < PLACES:  # depth first, to reach a cause before the search stops
        searched += 1
        below, at = waiting.pop()
        found = ledger.entries(below, at, known) if below is not node else entries
        cancels = any(e.contribution for e in found)
        if cancels or not found:
            alone.setdefault((below, cancels), []).append(at)
            continue
        for e in found:
            if e.upstream or not e.local:
                causes.setdefault((below, e.node, e.reason.kind), []).append((at, e))
            elif e.node is ledger.loss:
                texts["the backward pass started with gradient 0"] = ""
            elif len(waiting) < PLACES and (place := (e.node, e.cell)) not in seen:
                seen.add(place)
                waiting.append(place)
    for (below, above, _), zeros in causes.items():
        texts |= dict.fromkeys(_between(ledger, below, above, zeros, not waiting), above.op)
    for (below, cancels), cells in alone.items():
        texts |= dict.fromkeys(_alone(ledger, below, cells, not waiting, cancels), "")
    return _shortened(texts, searched if waiting else 0)


def _between(
    ledger: GradientExplainer,
    below: Node,
    above: Node,
    zeros: list[tuple[int, Entry]],
    complete: bool,
) -> list[str]:
    """Explain zeros between two nodes, which have one kind of reason: one by one, or all in one."""
    cells, units = {at for at, _ in zeros}, {e.cell for _, e in zeros}
    if max(len(cells), len(units)) <= SINGLY:
        return [ledger.cause(below, at, e) + made_at(above) for at, e in zeros]
    what = ledger.call(below) if len(cells) > 1 else ledger.at(below, *cells)
    source = ledger.call(above) if len(units) > 1 else ledger.at(above, *units)
    if len(cells) > 1:
        source += f" at {_share(len(cells), below, complete)} elements"
    else:
        source = f"{_share(len(units), above, complete)} units of {source}"
    reason = in_common([e.reason for _, e in zeros])
    return [f"{what} gets nothing from {source}: {reason}{made_at(above)}"]


def _share(n: int, node: Node, complete: bool = True) -> str:
    more = "" if complete else " or more"
    return f"all {n:,}" if n == node.size else f"{n:,}{more} of {node.size:,}"


def _alone(
    ledger: GradientExplainer, node: Node, cells: list[int], complete: bool, cancel: bool
) -> Iterator[str]:
    """Explain elements that receive no contribution, or some that cancel: singly, or all in one."""
    names = {ledger.at(node, cell): [cell] for cell in cells}
    if len(cells) > SINGLY:
        names = {f"{_share(len(cells), node, complete)} elements of {ledger.call(node)}": cells}
    for name, own in names.items():
        yield f"the contributions to {name} cancel" if cancel else _unseen(ledger, node, name, own)


def _unseen(ledger: GradientExplainer, node: Node, name: str, cells: list[int]) -> str:
    """Explain elements that receive no contribution, though their array is used."""
    users = list(dict.fromkeys(step.node for step, _ in ledger.users.get(node, ())))
    listed = several([*map(ledger.call, users)], LISTED)
    gets, are = ("get", "are") if cells[1:] else ("gets", "is")
    if not any(user.size for user in users):
        return f"{name} {gets} nothing from {listed}: it has no elements"
    if all(traits_of(user.rule).sparsity for user in users):
        return f"{name} {are} not used by {listed}{made_at(node)}"
    offs = (traits_of(user.rule).off or f"{flat(user)} at {{x}}" for user in users)
    kind = " and ".join(dict.fromkeys(offs))
    reason = in_common([Reason(kind, number_at(node._numbers, cell)) for cell in cells])
    return f"{name} {gets} nothing from {listed}: {reason}{made_at(users[0])}"


def _shortened(causes: Mapping[str, str], searched: int) -> list[str]:
    """Keep the first causes, at least one of each operation if they fit, and count the others."""
    times: Counter[str] = Counter()
    rank = {}
    for cause, op in causes.items():
        rank[cause] = times[op]
        times[op] += 1
    kept = {*sorted(causes, key=rank.__getitem__)[:LISTED]}
    shown = [cause for cause in causes if cause in kept]
    if hidden := len(causes) - len(shown):
        shown.append(f"… and {hidden:,} more")
    if searched:
        shown.append(f"… there may be more: the search stopped after {searched:,} elements")
    return shown


def _cell(ledger: GradientExplainer, node: Node, index: int | Sequence[int] | None, g: Any) -> int:
    """Return the flat index of an element, by default the one with the largest gradient."""
    if index is None:
        return 0 if g is None else int(np.abs(np.nan_to_num(g, nan=np.inf)).argmax())
    place = place_in(node, index, "why", ledger.call(node))
    return int(np.ravel_multi_index(place, node.shape))
