"""Match the nodes of two recorded passes."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from tinygrad_pool.engine.node import Node
from tinygrad_pool.recording.recording import Recording


class Matched(NamedTuple):
    """The nodes of two passes: pairs with a name, and those without a partner."""

    pairs: list[tuple[str, Node, Node]]
    only_a: list[Node]
    only_b: list[Node]


def matched(a: Recording, b: Recording) -> Matched:
    """Pair nodes by label or variable; those without a name by number, if the forms are equal.

    Of replays, and what they replay, every node has a partner that goes by its name.

    >>> from tinygrad_pool import Value
    >>> from tinygrad_pool.recording.recording import record
    >>> E, F = (Value(x, label="x").exp() * 2.0 for x in (1.0, 3.0))
    >>> [name for name, _, _ in matched(record(E), record(F)).pairs]
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
        pairs.append((f"{name}#{a.number(x)}" if times[name] > 1 else name, x, y))
    return Matched(
        pairs, [x for x in a.nodes if x not in partner], [y for y in b.nodes if y not in taken]
    )


def own_name(recording: Recording, node: Node) -> str:
    """Return a node's label or variable, and "" if it has neither."""
    return node.label or recording.names.get(id(node), "")


def _keyed(recording: Recording, kin: bool) -> dict[tuple[str, int], Node]:
    """Key nodes by their names, and by a count where several have one name."""
    keyed: dict[tuple[str, int], Node] = {}
    times: Counter[str] = Counter()
    for node in recording.nodes:
        if name := recording.call(node) if kin else own_name(recording, node):
            keyed[name, times[name]] = node
            times[name] += 1
    return keyed


def _form(recording: Recording) -> list[Any]:
    """Describe each node by its operation and the numbers of its operands."""
    return [
        (n.op, [recording.number(p) if isinstance(p, Node) else None for p in n.parents])
        for n in recording.nodes
    ]
