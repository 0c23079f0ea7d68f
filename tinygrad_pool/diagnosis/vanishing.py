"""Gradients that vanish or explode by degrees, on the way down through layers or through time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from math import isfinite

from tinygrad_pool.diagnosis.findings import PARTLY_LOST, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.node import Node
from tinygrad_pool.recording.gains import GainPath, decades_between
from tinygrad_pool.recording.strongest_paths import LEAST, Depth

HELP = {
    "vanishing": "steeper activations, larger initial weights, shortcuts or gates help",
    "exploding": "smaller initial weights, or clipped gradients, help",
}


def by_degrees(survey: Survey, found: list[Finding]) -> list[Finding]:
    """Add the path along which gradients vanish or explode: to what was `found`, or as a finding.

    A path begins where the first parameter is used, since what is above, such as a mean over the
    batch, all gradients have in common. It is taken to the largest gradient of each depth.
    """
    paths = {_kind(path): path for path in _paths(survey)}
    told = [
        f._replace(why=f"{f.why}. {paths[f.kind].summary()}: {paths[f.kind].reasons()}")
        if f.kind in paths
        else f
        for f in found
    ]
    known = {f.kind for f in found}
    return told + [_finding(kind, path) for kind, path in paths.items() if kind not in known]


def _paths(survey: Survey) -> Iterator[GainPath]:
    """Find the path that shrinks most, and the one that grows most, if they do so much."""
    strongest = survey.ledger.strongest
    deep = _deep(survey, strongest.layers(_leaves(survey)))
    size = strongest.size
    found = {n: decades_between(size(top), size(n)) for n, top in deep.items()}
    decades = {n: x for n, x in found.items() if isfinite(x)}
    ends = (min, max) if decades else ()
    for end in dict.fromkeys(pick(decades, key=decades.__getitem__) for pick in ends):
        path = strongest.gains(deep[end], end, survey.call)
        if path.by_degrees:
            yield path.between_names()


def _leaves(survey: Survey) -> Set[Node]:
    """Collect the parameters; if none were given, all leaves that cannot be inputs."""
    if survey.given:
        return survey.wanted.keys()
    inputs = set(survey.inputs())
    return {v for v in survey.nodes if v.rule is None and v not in inputs}


def _deep(survey: Survey, depths: Mapping[Node, Depth]) -> dict[Node, Node]:
    """Choose the node of the largest gradient of each row and depth, and the top of its path."""
    largest: dict[tuple[str, int], tuple[float, Node]] = {}
    for node, (layers, _) in depths.items():
        key = survey.row(node), layers
        if layers >= LEAST:
            size = survey.ledger.strongest.size(node)
            if size > largest.get(key, (0.0,))[0]:
                largest[key] = size, node
    return {node: top for _, node in largest.values() if (top := depths[node].top) is not None}


def _kind(path: GainPath) -> str:
    return "exploding" if path.decades > 0 else "vanishing"


def _finding(kind: str, path: GainPath) -> Finding:
    name = " … ".join(path.call(path.nodes[end]) for end in (0, -1))
    why = f"{path.reasons()}. {HELP[kind].capitalize()}"
    return Finding(
        kind, PARTLY_LOST, name, path.summary(names=False), why, (path.nodes[0], path.nodes[-1])
    )
