"""Fold a graph that is too large to read: draw several nodes as one, with a count.

There are four ways. By scopes: consecutive nodes of one scope are one. By layers: the same for the
outermost scopes. By forms: nodes with the same operation on operands of the same form are one, and
so is a run of one operation, as in a long sum. By turns: all turns of a loop are one. The folded
graph never has cycles, and each of its edges represents edges of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from itertools import groupby
from typing import Any, NamedTuple

from tinygrad_pool.derivatives.leaf_roles import weights_in
from tinygrad_pool.drawing.layout import shared
from tinygrad_pool.engine.node import Node


class Group(NamedTuple):
    """Nodes drawn as one, oldest first, and the indices of the groups of their operands, in order.

    `kind` is "weight", "leaf" or "cut off" for nodes without operands, otherwise "".
    """

    nodes: list[Node]
    sources: list[int]
    kind: str

    @property
    def computed(self) -> list[Node]:
        """The nodes that have operands."""
        return [node for node in self.nodes if node.parents]

    @property
    def scope(self) -> str:
        """The innermost scope that all computed nodes share, or ""."""
        return shared([node.about.scope for node in self.computed])


FEW = 300
"""The number of boxes that a folded graph should not exceed."""


class Folded(NamedTuple):
    """A folded graph, and how it was folded: one of the names in WAYS."""

    by: str
    groups: list[Group]


def folded(nodes: list[Node], by: str = "", called: Mapping[int, str] = {}) -> Folded:
    """Fold a graph in a given way, or in the first of layers, forms and turns with few boxes.

    `called` maps ids of Values without a label to their names.
    """
    if not by and layer_count(nodes) <= FEW:
        by = "layers"
    if not by:
        if len(groups := by_form(nodes, called)) <= FEW:
            return Folded("forms", groups)
        by = "turns"
    return Folded(by, WAYS[by](nodes, called))


def coarser(nodes: list[Node]) -> Iterator[str]:
    """Yield ways to fold a graph, each with fewer boxes than the ways before it."""
    least = min(len(nodes), FEW + 1)
    for way, fold in WAYS.items():
        boxes = len(fold(nodes))
        if boxes < least:
            least = boxes
            yield way


def by_scopes(nodes: list[Node], called: Mapping[int, str] = {}) -> list[Group]:
    """Fold consecutive nodes of one scope; nodes without a scope stay single."""
    return by_layers(nodes, called, lambda node: node.about.scope)


def by_layers(
    nodes: list[Node],
    called: Mapping[int, str] = {},
    layer: Callable[[Node], str] = lambda node: node.about.scope.split("/")[0],
) -> list[Group]:
    """Fold consecutive nodes of one outermost scope; nodes without a scope stay single.

    A weight is in the layer that uses it. One that several layers use is outside: an edge from one
    of them to another would look like data that flows.
    """
    keys: dict[Node, Any] = {}
    computed = (node for node in nodes if node.parents)
    for visit, (scope, run) in enumerate(groupby(computed, layer)):
        keys |= {node: (scope, visit) if scope else node for node in run}
    weights = weights_in(nodes, called)
    users: dict[Node, set[Any]] = {}
    for node in keys:
        for p in node.parents:
            if isinstance(p, Node) and p in weights:
                users.setdefault(p, set()).add(keys[node])
    keys |= {w: key for w, (key, *more) in users.items() if not more and isinstance(key, tuple)}
    return _grouped(nodes, keys, weights)


def layer_count(nodes: list[Node]) -> int:
    """Count the runs of nodes in one scope: by_layers makes as many boxes of them at most."""
    runs = groupby(node.about.scope for node in nodes if node.parents)
    return sum(1 if scope else len([*run]) for scope, run in runs)


def by_form(nodes: list[Node], called: Mapping[int, str] = {}) -> list[Group]:
    """Fold nodes of the same form, and runs of one operation.

    A node joins the run of an operand if that has the same operation, the same other operands, and
    no other users.
    """
    user: dict[Node, Node | None] = {}
    for node in nodes:
        for p in node.parents:
            if isinstance(p, Node):
                user[p] = node if user.get(p, node) is node else None
    numbers: dict[Any, int] = {}
    forms: list[tuple[str, tuple[Any, ...]]] = []
    keys: dict[Node, Any] = {}
    for node in nodes:
        if not (operands := node.parents):
            continue
        op = node.op
        form = tuple([keys.get(p, "leaf") if isinstance(p, Node) else "constant" for p in operands])
        for p, key in zip(operands, form, strict=True):
            if type(key) is int and user[p] is node:  # computed, and not used elsewhere
                its_op, others = forms[key]
                if its_op == op and all(k == key or k in others for k in form):
                    keys[node] = key
                    break
        else:
            keys[node] = numbers.setdefault((op, form), len(forms))
            if keys[node] == len(forms):
                forms.append((op, form))
    return _grouped(nodes, keys, weights_in(nodes, called))


def by_turns(nodes: list[Node], called: Mapping[int, str] = {}) -> list[Group]:
    """Fold the turns of loops: nodes with the same operation on operands of the same kinds.

    If such steps lead back to themselves through others, the whole cycle is one group.
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
    cycle = {
        step: next((first for first in after if first in later and step in reached[first]), step)
        for step, later in reached.items()
    }
    keys = {node: cycle[step] for node, step in steps.items()}
    return _grouped(nodes, keys, weights_in(nodes, called))


WAYS = {"scopes": by_scopes, "layers": by_layers, "turns": by_turns, "forms": by_form}


def _reached(after: dict[Any, set[Any]], start: Any) -> set[Any]:
    """Find everything that can be reached from a start."""
    reached: set[Any] = set()
    waiting = [start]
    while waiting:
        new = after[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def _grouped(nodes: list[Node], keys: dict[Node, Any], weights: Set[Node]) -> list[Group]:
    """Group nodes by their keys; group leaves, which have no key, by the groups that use them."""
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
    index = {node: i for i, group in enumerate(members.values()) for node in group}
    groups = []
    for i, (key, group) in enumerate(members.items()):
        operands = [p for node in group for p in node.parents if isinstance(p, Node)]
        sources = [k for k in dict.fromkeys(index[p] for p in operands if p in index) if k != i]
        kind = "" if any(node.parents for node in group) else key[0]
        groups.append(Group(group, sources, kind))
    return groups
