"""Fold a graph that is too large to be read: many nodes become one, with a count.

Four ways. By scopes: nodes that were recorded one after the other in one scope are one. By layers:
the same with the outermost scopes. By forms: nodes with the same operation on operands of the same
form are one, and so is a run of the same operation, as in a long sum. By turns: all turns of a loop
are one. In each what is left has no circles, and every edge stands for edges of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from tinygrad_pool.drawing.labels import weights_in
from tinygrad_pool.engine.node import Node


class Group(NamedTuple):
    """Nodes drawn as one, oldest first, and the groups that their operands are in, in order.

    Of nodes that were not computed here, `kind` is "weight", "leaf" or "cut off".
    """

    nodes: list[Node]
    sources: list[int]
    kind: str


FEW = 300
"""A folded graph has at most so many boxes, if there is a way."""


class Folded(NamedTuple):
    """A folded graph, and what it was folded by: one of the names in WAYS."""

    by: str
    groups: list[Group]


def folded(nodes: list[Node], by: str = "", called: Mapping[int, str] = {}) -> Folded:
    """Fold a graph in a way, or the first that leaves few boxes: by layers, by forms, by turns.

    `called` is how Values without a label are called, by their id.
    """
    if not by and layer_count(nodes) <= FEW:
        by = "layers"
    if not by:
        if len(groups := by_form(nodes, called)) <= FEW:
            return Folded("forms", groups)
        by = "turns"
    return Folded(by, WAYS[by](nodes, called))


def coarser(nodes: list[Node]) -> Iterator[str]:
    """List the ways to fold a graph of which each leaves fewer boxes than those before."""
    least = min(len(nodes), FEW + 1)
    for way, fold in WAYS.items():
        boxes = len(fold(nodes))
        if boxes < least:
            least = boxes
            yield way


def by_scopes(nodes: list[Node], called: Mapping[int, str] = {}) -> list[Group]:
    """Fold what was recorded in one go in one scope; the rest stays as it is."""
    return by_layers(nodes, called, lambda node: node.about.scope)


def by_layers(
    nodes: list[Node],
    called: Mapping[int, str] = {},
    layer: Callable[[Node], str] = lambda node: node.about.scope.split("/")[0],
) -> list[Group]:
    """Fold what was recorded in one go in one outermost scope; the rest stays as it is.

    A weight is in the layer that used it first: a later one would close a circle.
    """
    keys: dict[Node, Any] = {}
    visit, last = 0, ""
    for node in nodes:
        scope = layer(node)
        if node.parents:
            visit += scope != last
            last = scope
            keys[node] = (scope, visit) if scope else node
    weights = weights_in(nodes, called)
    waiting = {*weights}
    for node in nodes:
        for p in node.parents:
            if isinstance(p, Node) and p in waiting:
                waiting.remove(p)
                if isinstance(keys[node], tuple):
                    keys[p] = keys[node]
    return _grouped(nodes, keys, weights)


def layer_count(nodes: list[Node]) -> int:
    """Count the boxes that by_layers would make, leaves apart."""
    visits = alone = 0
    last = ""
    for node in nodes:
        if node.parents:
            scope = node.about.scope
            alone += not scope
            visits += bool(scope) and scope != last
            last = scope
    return visits + alone


def by_form(nodes: list[Node], called: Mapping[int, str] = {}) -> list[Group]:
    """Fold nodes that were computed in the same way, and runs of one operation.

    A node joins the run of an operand that does the same on the same others, and that nobody else
    uses.
    """
    user: dict[Node, Node | None] = {}
    for node in nodes:
        for p in node.parents:
            if isinstance(p, Node):
                user[p] = node if user.get(p, node) is node else None
    forms: dict[Any, int] = {}
    found: list[tuple[str, tuple[Any, ...]]] = []
    keys: dict[Node, Any] = {}
    for node in nodes:
        if not (operands := node.parents):
            continue
        op = node.op
        form = tuple([keys.get(p, "leaf") if isinstance(p, Node) else "constant" for p in operands])
        for p, key in zip(operands, form, strict=True):
            if type(key) is int and user[p] is node:  # computed, and for nobody else
                its_op, others = found[key]
                if its_op == op and all(k == key or k in others for k in form):
                    keys[node] = key
                    break
        else:
            keys[node] = forms.setdefault((op, form), len(found))
            if keys[node] == len(found):
                found.append((op, form))
    return _grouped(nodes, keys, weights_in(nodes, called))


def by_turns(nodes: list[Node], called: Mapping[int, str] = {}) -> list[Group]:
    """Fold the turns of loops: nodes of the same operation on the same ones, round and round.

    These may lead to themselves by way of others, in a circle, which is then one group.
    """

    def kind(p: Any) -> Any:
        return "constant" if not isinstance(p, Node) else p.op if p.parents else "leaf"

    steps = {n: (n.op, frozenset(map(kind, n.parents))) for n in nodes if n.parents}
    after: dict[Any, set[Any]] = {step: set() for step in steps.values()}
    for node, step in steps.items():
        for p in node.parents:
            if isinstance(p, Node) and p in steps:
                after[steps[p]].add(step)
    reached = {step: _reached(after, step) for step in after}
    circle = {
        step: next((first for first in after if first in ways and step in reached[first]), step)
        for step, ways in reached.items()
    }
    keys = {node: circle[step] for node, step in steps.items()}
    return _grouped(nodes, keys, weights_in(nodes, called))


WAYS = {"scopes": by_scopes, "layers": by_layers, "turns": by_turns, "forms": by_form}


def _reached(after: dict[Any, set[Any]], start: Any) -> set[Any]:
    """Find all that follows, near or far."""
    found: set[Any] = set()
    waiting = [start]
    while waiting:
        fresh = after[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found


def _grouped(nodes: list[Node], keys: dict[Node, Any], weights: Set[Node]) -> list[Group]:
    """Gather nodes by key; leaves, which have none, by the groups that use them."""
    users: dict[Node, set[Any]] = {}
    for node in nodes:
        for p in node.parents:
            if isinstance(p, Node) and p not in keys:
                users.setdefault(p, set()).add(keys[node])
    for leaf in nodes:
        if leaf not in keys:
            kind = "cut off" if leaf.rule else "weight" if leaf in weights else "leaf"
            keys[leaf] = (kind, frozenset(users.get(leaf, ())))
    members: dict[Any, list[Node]] = {}
    for node in nodes:
        members.setdefault(keys[node], []).append(node)
    home = {node: i for i, some in enumerate(members.values()) for node in some}
    groups = []
    for i, (key, some) in enumerate(members.items()):
        inner = [p for node in some for p in node.parents if isinstance(p, Node)]
        sources = [k for k in dict.fromkeys(home[p] for p in inner if p in home) if k != i]
        kind = "" if any(node.parents for node in some) else key[0]
        groups.append(Group(some, sources, kind))
    return groups
