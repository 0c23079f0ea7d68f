"""Frames around the nodes of a scope: which node is in which, and what leads into a frame."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, takewhile
from typing import TypeAlias

from tinygrad_pool.engine.node import Node

Use: TypeAlias = tuple[Node, int]
"""A node, and the place of one of its operands."""
VISIT = "\0"
"""Stands between the name of a frame and the number of the visit, from the second on."""


def frames_of(path: str) -> list[str]:
    """List the frames that a path leads through, the outermost first.

    >>> frames_of("net/conv1"), frames_of("")
    (['net', 'net/conv1'], [])
    """
    return [*accumulate(path.split("/"), "{}/{}".format)] if path else []


def scopes_of(nodes: Sequence[Node]) -> dict[Node, str]:
    """Find the frame of each node: its scope, or for a leaf without one what its users share.

    A layer that is called once more on what was computed from it has a frame for each visit.
    """
    visits = _visits(nodes)
    users: dict[Node, list[str]] = {}
    scopes = {}
    for node in reversed(nodes):
        scopes[node] = visits.get(node, node.about.scope)
        if not (node.parents or node.about.scope):
            scopes[node] = shared(users.get(node, []))
        for p in node.parents:
            if isinstance(p, Node):
                users.setdefault(p, []).append(scopes[node])
    return scopes


def shared(scopes: list[str]) -> str:
    """Find the innermost scope that holds all of these."""
    levels = zip(*(scope.split("/") for scope in scopes), strict=False)
    return "/".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _visits(nodes: Sequence[Node]) -> dict[Node, str]:
    """Name visits of outermost scopes by a number: the next if it needs what came in between."""
    place = {node: k for k, node in enumerate(nodes)}
    begun: dict[str, tuple[int, int]] = {}
    computed = [node for node in nodes if node.parents]
    found: dict[Node, str] = {}
    for outer, run in groupby(computed, lambda node: node.about.scope.split("/")[0]):
        some = [*run]
        if not outer:
            continue
        start, visit = begun.get(outer, (place[some[0]], 1))
        sources = {p for n in some for p in n.parents if isinstance(p, Node) and p.parents}
        between = (p for p in sources - {*some} if p.about.scope.split("/")[0] != outer)
        if any(place.get(p, -1) > start for p in between):
            start, visit = place[some[0]], visit + 1
        begun[outer] = start, visit
        if visit > 1:
            inner = ((node, node.about.scope.removeprefix(outer)) for node in some)
            found |= {node: f"{outer}{VISIT}{visit}{rest}" for node, rest in inner}
    return found


class Entries(dict[str, list[Node]]):
    """The nodes that lead into each frame from outside, oldest first."""

    def __init__(self, nodes: Sequence[Node], scopes: Mapping[Node, str]) -> None:
        self.place = {node: k for k, node in enumerate(nodes)}
        self.scopes = scopes
        for node in nodes:
            here = [p for p in node.parents if isinstance(p, Node) and p in scopes and p.parents]
            for p in here:
                for frame in {*frames_of(scopes[node])} - {*frames_of(scopes[p])}:
                    self.setdefault(frame, []).append(p)

    def before(self, user: Node, frame: str) -> Node | None:
        """Find the last that leads into a frame and was computed before a node.

        What only that node uses may stand behind it, and should, or frames overlap in columns.
        """
        earlier = (p for p in self.get(frame, ()) if self.place[p] < self.place[user])
        return max(earlier, key=self.place.__getitem__, default=None)

    def behind(self, again: Collection[Use] = ()) -> Iterator[tuple[Node, Use]]:
        """Put what only stands beside its user behind the last that leads into their frame.

        Those are constants, leaves by their first use, and uses of what stands `again`.
        """
        seen = set()
        for node in self.place:
            for i, p in enumerate(node.parents):
                frame = self.scopes[node]
                if isinstance(p, Node) and (node, i) not in again:
                    if p.parents or p in seen or p not in self.scopes:
                        continue
                    frame = self.scopes[p]
                    seen.add(p)
                before = self.before(node, frame)
                if before is not None:
                    yield before, (node, i)
