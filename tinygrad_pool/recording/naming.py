"""The names of a graph's nodes, and how to find a node by its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from tinygrad_pool.drawing.variables import held_by, values_in
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import several
from tinygrad_pool.rules.arguments import Shape, place_of

Index: TypeAlias = int | Sequence[int] | None
"""The index of one element of a node, or None."""

_ELEMENT = re.compile(r"(.+?) *\[([^\[\]]*)\]?")
_NUMBERED = re.compile(r"(.*)#(\d{1,18})")


class Named:
    """Nodes with their names: labels, variables, module parts, or operation and number."""

    def __init__(self, nodes: list[Node], variables: Mapping[str, Any]) -> None:
        self.nodes = nodes
        self.names = held_by(variables)
        inside = set(nodes)
        outside = [(name, v) for name, v in values_in(variables) if v not in inside]
        self._outside = {v.label: v for _, v in outside} | dict(reversed(outside))
        self._called: dict[Node, str] = {}

    def call(self, node: Node) -> str:
        """Return the name of a node: its label if unique, its variable, or operation and number.

        A part of a module whose label is not unique is called, for example, "conv1.weight".
        """
        label = node.label
        if label and self._times[label] < 2:
            return label
        name = self.names.get(id(node)) or self._called.get(node) or self._placed.get(node)
        if name or node not in self.numbers:
            return name or label or name_of(node)
        return f"{label or node.op or 'leaf'}#{self.numbers[node]}"

    def _alone(self) -> Named:
        """Return the names alone, so that the ledger of a pass does not refer back to the pass."""
        names = Named(self.nodes, {})
        names.names, names._called = self.names, self._called
        return names

    @property
    def variables(self) -> dict[str, Value]:
        """Map the names of variables to the Values that they hold."""
        held = [(self.names.get(id(v)), v) for v in self.nodes]
        return {n: v for n, v in held if n and isinstance(v, Value)}

    @property
    def names_by_id(self) -> dict[int, str]:
        """Map the ids of leaves, and of nodes with a label or a variable, to their names."""
        named = [v for v in self.nodes if v.label or v.is_leaf or id(v) in self.names]
        return {id(v): self.call(v) for v in named}

    def find(self, name: str | Node) -> Node:
        """Find the node with a name, or a Value of that name outside the graph.

        Raises OptionError if there are several, or none; the latter lists similar names.
        """
        if isinstance(name, Node):
            return name
        if not isinstance(name, str):
            raise OptionError(f"needs a Value or the name of a node, got {name!r:.80}")
        found = self._called_so(name)
        if not found and name in self._outside:
            return self._outside[name]
        found = found or self.all_called(name)
        if len(found) > 1:
            names = several([self.call(n) for n in found], 6)
            raise OptionError(f"{name!r} is the name of {len(found)} nodes: {names}")
        return found[0]

    def element(self, name: str | Node, index: Index) -> tuple[Node, Index]:
        """Find a node and the index of an element, which may be part of the name."""
        return element_called(name, self.find) if index is None else (self.find(name), index)

    def all_called(self, name: str) -> list[Node]:
        """List the nodes of a name: a label, a variable, a number, an operation or a layer.

        Raises OptionError, which lists similar names, if there is none.
        """
        if found := self._called_so(name):
            return found
        if name in self._outside:
            raise OptionError(f"{name} is not in this graph; why {name} explains that")
        from difflib import get_close_matches

        near = get_close_matches(name, self.known(), n=4) or self.known()
        more = "" if self.names else "; pass names=locals() to use the names of variables"
        raise OptionError(
            f"no node is called {name!r}; known names: {several(near, 6) or 'none'}{more}"
        )

    def _called_so(self, name: str) -> list[Node]:
        """List the nodes that match a name."""
        named: Any = (lambda n: n.label, lambda n: self.names.get(id(n)), self._placed.get)
        for means in (*named, self.call, lambda n: n.op) if name else ():
            if found := [node for node in self.nodes if means(node) == name]:
                return found
        if numbered := _NUMBERED.fullmatch(name):
            node = dict(enumerate(self.nodes)).get(int(numbered[2]))
            if node is not None and numbered[1] in (node.label, node.op or "leaf"):
                return [node]
        layer = name.replace(".", "/") or "/"
        return [node for node in self.nodes if f"{node.about.scope}/".startswith(f"{layer}/")]

    def known(self) -> list[str]:
        """List the names of all nodes, each once."""
        return list(dict.fromkeys(self.call(node) for node in self.nodes))

    @cached_property
    def numbers(self) -> dict[Node, int]:
        """The number of each node, counted from the oldest; it names unlabelled nodes."""
        return {node: i for i, node in enumerate(self.nodes)}

    @cached_property
    def _times(self) -> Counter[str]:
        return Counter(node.label for node in self.nodes)

    @cached_property
    def _placed(self) -> dict[Node, str]:
        """Name nodes with a label by the scope that makes or first uses them, too."""
        homes = homes_of(self.nodes)
        labelled = [node for node in self.nodes if node.label]
        scopes = {node: node.about.scope or homes.get(node, node).about.scope for node in labelled}
        placed = {n: f"{s.replace('/', '.')}.{n.label}" for n, s in scopes.items() if s}
        times = Counter(placed.values())
        return {node: name for node, name in placed.items() if times[name] == 1}


def element_called(
    name: str | Node, find: Callable[[Any], Node]
) -> tuple[Node, tuple[int, ...] | None]:
    """Find a node by its name, or by that of an element, such as "w[0, 2]", and return the index.

    Raises OptionError if `find` does, or for an index that is not made of integers.
    """
    try:
        return find(name), None
    except OptionError:
        if not (parts := _ELEMENT.fullmatch(str(name))):
            raise
    node = find(parts[1])
    try:
        return node, tuple(map(int, parts[2].split(",")))
    except ValueError:
        raise OptionError(f"[{parts[2]}] is not an index, such as [0, 2]") from None


def place_in(node: Node, index: int | Sequence[int], what: str, called: str) -> Shape:
    """Check the index of one element of a node. Raises OptionError if there is no such element."""
    place = place_of(index, node.shape, f"{what}: index")
    if place is None:
        raise OptionError(f"{what}: {called} of shape {node.shape} has no element {index!r}")
    return place


def homes_of(nodes: list[Node]) -> dict[Node, Node]:
    """Map each leaf to the first node that uses it."""
    homes: dict[Node, Node] = {}
    for node in nodes:
        for p in node.parents:
            if isinstance(p, Node) and not p.parents:
                homes.setdefault(p, node)
    return homes
