"""What a page needs to compute a pass by itself: a program, and facts about its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import plain
from tinygrad_pool.javascript import program_of
from tinygrad_pool.javascript.tracing import as_json
from tinygrad_pool.recording.forks import deciding
from tinygrad_pool.recording.ledger import UNDERFLOW, flat
from tinygrad_pool.recording.source import quoted
from tinygrad_pool.recording.symbols import symbol_of
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arithmetic import power
from tinygrad_pool.rules.elementwise import relu
from tinygrad_pool.rules.traits import traits_of

MOST = 300
"""In graphs of so many nodes numbers can be changed: in larger ones, boxes do not show any."""


class Instrument(NamedTuple):
    """The functions of a page that computes, and what it is told; or why its numbers are fixed."""

    functions: list[str]
    told: dict[str, Any] | None
    fixed: str


def instrument_of(passed: Trace) -> Instrument:
    """Make a program of a recorded pass, or say why a page cannot compute it."""
    if len(passed.nodes) > MOST:
        return Instrument([], None, f"the graph has more than {MOST} nodes")
    if not len(passed):
        return Instrument([], None, "there is nothing to compute")
    names = {node: passed.call(node) for node in passed.nodes}
    data = {node: passed.data_of(node) for node in passed.nodes}
    program = program_of(passed.nodes, passed.steps, data, names)
    if program.refused:
        return Instrument([], None, program.refused)
    called = passed.given
    kept = kept_by(passed)
    facts = [_facts(passed, node, names, called) for node in passed.nodes]
    for node, told in zip(passed.nodes, program.graph["nodes"], strict=True):
        if node in kept:
            told["kept"] = [as_json(float(x)) for x in np.ravel(kept[node])]
    told = {"program": program.graph, "facts": facts, "forks": [*_forks(passed, names)]}
    return Instrument(program.functions, told, "")


def _forks(passed: Trace, names: Mapping[Node, str]) -> Iterator[dict[str, Any]]:
    """List what Python's own `if` asked, so that the page sees when the answer would differ."""
    asked = {choice.line: (node, choice, rival) for node, choice, rival in deciding(passed.nodes)}
    for node, choice, rival in asked.values():
        with suppress(ValueError):  # of what is not a number
            yield {
                "node": passed.number(node),
                "relation": choice.relation,
                "answer": choice.answer,
                "other": as_json(float(choice.other or 0)) if rival is None else None,
                "rival": None if rival is None else passed.number(rival),
                "says": f"Python chose by the data of {names[node]} at {quoted(choice.line)}",
            }


def kept_by(passed: Trace) -> dict[Node, Any]:
    """Find the gradients that leaves had before the pass, which adds to them."""
    changes = [*chain(*passed.accumulations())]
    first = {change.node: change.before for change in reversed(changes)}
    return {node: g for node, g in first.items() if g is not None and node.is_leaf}


def _facts(
    passed: Trace, node: Node, names: Mapping[Node, str], called: Mapping[int, str]
) -> dict[str, Any]:
    """Return what the page has to say about a node."""
    told: dict[str, Any] = {"name": plain(names[node])}
    if not node.is_interior:
        return told
    traits = traits_of(node.rule)
    variables = [i for i, p in enumerate(node.parents) if isinstance(p, Node)]
    told["flat"] = flat(node)
    if node.rule in UNDERFLOW and not node.shape:
        told["factors"] = [_rival(passed, p, names) for p in node.parents]
        told["ones"] = node.rule is not power
    if traits.off:
        told["off"] = traits.off
    if not node.shape:
        alone = [not np.shape(p._numbers if isinstance(p, Node) else p) for p in node.parents]
        told["symbols"] = [symbol_of(node, i, called) if alone[i] else "" for i in variables]
    if traits.unit in ("squash", "largest") and len(node.parents) == 1 and not traits.paid:
        told["bends"] = True
    if traits.chooses:
        told["chooses"], told["ties"] = traits.unit, node.options.get("ties", "first")
    if traits.chooses and traits.sparsity == "elementwise":
        rivals: list[Any] = [*node.parents] if node.rule is not relu else [0.0, *node.parents]
        told["rivals"] = [_rival(passed, p, names) for p in rivals]
        told["places"] = [i + (node.rule is relu) for i in variables]
    return told


def _rival(passed: Trace, p: Any, names: Mapping[Node, str]) -> dict[str, Any]:
    """Describe a candidate of a maximum: a node by its number, or a constant."""
    if isinstance(p, Node):
        return {"node": passed.number(p), "name": plain(names[p])}
    return {"constant": as_json(float(p)) if np.ndim(p) == 0 else None, "name": "a constant"}
