"""What a page needs to compute a pass: a program, and facts about its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import plain
from tinygrad_pool.javascript import Constant, program_of
from tinygrad_pool.javascript.tracing import as_json
from tinygrad_pool.recording.forks import deciding
from tinygrad_pool.recording.ledger import UNDERFLOW, flat
from tinygrad_pool.recording.source import made_at, quoted
from tinygrad_pool.recording.symbols import symbol_of
from tinygrad_pool.recording.trace import Trace
from tinygrad_pool.rules.arithmetic import power
from tinygrad_pool.rules.elementwise import relu
from tinygrad_pool.rules.traits import traits_of

MOST = 300
"""The most nodes of a graph whose numbers can be changed; boxes of larger ones show none."""

ZERO = {"constant": 0, "name": "a constant"}
"""The candidate of a relu that is not an operand."""


class Instrument(NamedTuple):
    """The functions and data of a page that computes, or the reason why its numbers are fixed."""

    functions: list[str]
    data: dict[str, Any] | None
    fixed: str


def instrument_of(recording: Trace) -> Instrument:
    """Return the program of a recorded pass, or why a page cannot compute it."""
    if len(recording.nodes) > MOST:
        return Instrument([], None, f"the graph has more than {MOST} nodes")
    if not len(recording):
        return Instrument([], None, "there is nothing to compute")
    names = {node: recording.call(node) for node in recording.nodes}
    data = {node: recording.data_of(node) for node in recording.nodes}
    program = program_of(recording.nodes, recording.steps, data, names)
    if program.refused:
        return Instrument([], None, program.refused)
    place = {one: len(names) + i for i, one in enumerate(program.inputs)}
    kept = kept_by(recording)
    alone = {(node, i): k for (node, i), k in place.items() if not np.shape(node.parents[i])}
    # in symbols, the page writes the present number of node k for \1k, which no name contains
    called = recording.names_by_id | {one: f"(\1{k})" for one, k in alone.items()}
    facts = [_facts(recording, node, place, called) for node in recording.nodes]
    facts += [_constant(recording, *one) for one in program.inputs]
    for node, entry in zip(recording.nodes, program.graph["nodes"], strict=False):
        if node in kept:
            entry["kept"] = [as_json(float(x)) for x in np.ravel(kept[node])]
    page = {"program": program.graph, "facts": facts, "forks": [*_forks(recording)]}
    return Instrument(program.functions, page, "")


def _constant(recording: Trace, node: Node, i: int) -> dict[str, Any]:
    """Return the id of a constant's box, and its name, after the node that uses it."""
    places = [k for k, p in enumerate(node.parents) if not isinstance(p, Node)]
    which = f" ({places.index(i) + 1} of {len(places)})" if len(places) > 1 else ""
    name = f"constant in {plain(recording.call(node))}{which}"
    return {"id": f"n{recording.numbers[node]}c{i}", "name": name}


def _forks(recording: Trace) -> Iterator[dict[str, Any]]:
    """List the comparisons made by Python's `if`, so that the page can warn of other outcomes."""
    by_line = {found[1].line: found for found in deciding(recording.nodes)}
    for node, choice, rival in by_line.values():
        asked = f"the data of {recording.call(node)} at {quoted(choice.line)}"
        with suppress(ValueError):  # compared with something that is not a number
            yield {
                "node": recording.numbers[node],
                "relation": choice.relation,
                "answer": choice.answer,
                "other": as_json(float(choice.other or 0)) if rival is None else None,
                "rival": None if rival is None else recording.numbers[rival],
                "says": f"Python chose by {asked}",
            }


def kept_by(recording: Trace) -> dict[Node, Any]:
    """Return the gradients that leaves had before the pass, which adds to them."""
    before, changed = recording.began_with(), recording.last
    return {v: g for v, g in before.items() if g is not None and v.is_leaf and v in changed}


def _facts(
    recording: Trace, node: Node, place: Mapping[Constant, int], called: Mapping[Any, str]
) -> dict[str, Any]:
    """Return the facts about a node that the page needs for its explanations."""
    fact: dict[str, Any] = {"name": plain(recording.call(node))}
    if not node.is_interior:
        return fact
    traits = traits_of(node.rule)
    variables = [i for i, p in enumerate(node.parents) if isinstance(p, Node)]
    fact["op"], rivals = node.op, traits.chooses and traits.sparsity == "elementwise"
    if node.about.line:
        fact["made"] = made_at(node)
    if traits.off:
        fact["off"] = traits.off
    elif not rivals:
        fact["flat"] = flat(node)
    operands = [_rival(recording, node, i, place) for i, _ in enumerate(node.parents)]
    if node.rule in UNDERFLOW and not node.shape:
        fact["factors"], fact["ones"] = operands, node.rule is not power
    if not node.shape:
        fact["symbols"] = [
            "" if node.parents[i].shape else symbol_of(node, i, called) for i in variables
        ]
    if traits.unit in ("squash", "largest") and len(node.parents) == 1 and not traits.paid:
        fact["bends"] = True
    if traits.chooses:
        fact["chooses"], fact["ties"] = traits.unit, node.options.get("ties", "first")
    if rivals:
        fact["rivals"] = [ZERO, *operands] if node.rule is relu else operands
        fact["places"] = [i + (node.rule is relu) for i in variables]
    return fact


def _rival(recording: Trace, node: Node, i: int, place: Mapping[Constant, int]) -> dict[str, Any]:
    """Describe an operand: by its number in the program, or as a constant that is fixed."""
    p = node.parents[i]
    if isinstance(p, Node):
        return {"node": recording.numbers[p], "name": plain(recording.call(p))}
    if (node, i) in place:
        return {"node": place[node, i], "name": "a constant"}
    return {"constant": as_json(float(p)) if np.ndim(p) == 0 else None, "name": "a constant"}
