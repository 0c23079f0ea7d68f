"""Choices that plain Python made from the data of Values, which no gradient sees."""

from __future__ import annotations

import linecache
from collections.abc import Iterator

from tinygrad_pool.diagnosis.findings import PARTLY_LOST, SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.context import THROUGH, Choice, Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import LISTED
from tinygrad_pool.recording.flow import Source, source_of
from tinygrad_pool.recording.forks import PICKING, Fork, fork_at, forks_by_data, lines_of
from tinygrad_pool.recording.freshness import takes_number


def choices_of_python(survey: Survey) -> Iterator[Finding]:
    """Report lines where Python chose, from a Value's data, what the network continues with.

    A loop that checks its loss, or counts, is not a choice of the network: what was chosen must
    reach a line that made a node of it.
    """
    seen: dict[Line, list[tuple[Node, Choice]]] = {}
    for node in survey.nodes:
        for choice in node.about.choices:
            if choice.line and not (choice.other == THROUGH and takes_number(choice)):
                seen.setdefault(choice.line, []).append((node, choice))
    times = {node._order for node in survey.nodes}
    for line, some in seen.items():
        asked = [(node, choice) for node, choice in some if choice.other != THROUGH]
        through = not asked
        if through:  # leave out what others of these were computed from
            below = {p for node, _ in some for p in node.parents if isinstance(p, Node)}
            asked = [(node, choice) for node, choice in some if node not in below]
        alone = [node for node, choice in asked if choice.rival not in times]
        nodes = alone or [node for node, _ in asked]
        source = source_of(line.file)
        if source is None:
            if alone and alone != [survey.loss] and not through:
                yield _finding(survey, line, "comparison", nodes)
            continue
        fork = fork_at(source, line.number)
        picks = fork is not None and fork.what in PICKING
        asked_the_loss = nodes == [survey.loss] and not picks
        made = [] if asked_the_loss else lines_of(survey.nodes, line.file)
        if fork and _goes_on(survey, source, fork, made):
            yield _finding(survey, line, fork.what, nodes, not alone, through)
    known = {(line.file, line.number) for line in seen}
    for file, fork in forks_by_data(survey.nodes):
        if (file, fork.first) not in known:
            yield _finding(survey, Line(file, fork.first, ""), fork.what, [])


def _finding(
    survey: Survey,
    line: Line,
    what: str,
    nodes: list[Node],
    all_inside: bool = False,
    through: bool = False,
) -> Finding:
    few = ", ".join(survey.call(node) for node in nodes[:LISTED]) or "a Value"
    names = few if len(nodes) <= LISTED else f"{len(nodes):,} Values"
    node = PICKING.get(what, "")
    says = f"Python's {what} chose by the data of {'what came of ' * through}{names}"
    code = linecache.getline(line.file, line.number).strip()
    quoted = f"`{code}`: " if code else ""
    why = "what was not chosen is not in the graph, and no gradient will ever reach it"
    if all_inside:
        why = "the choice is not in the graph, and stays as it is when data changes"
    helps = f"{node} is the node that keeps all" if node else "tg.where and tg.maximum are nodes"
    severity = PARTLY_LOST if node and not all_inside else SUSPICIOUS
    why = f"{quoted}{why}; {helps}"
    return Finding("python choice", severity, str(line), says, why, tuple(nodes))


def _goes_on(survey: Survey, source: Source, fork: Fork, made: list[int]) -> bool:
    """Return whether what was chosen reaches a line that made a node, or is the loss itself.

    A loop that checks its loss to decide whether to go on is not a choice of the network.
    """
    lines, loss = (fork.begin, fork.end), survey.passed.names.get(id(survey.loss))
    if fork.what != "while" and loss in source.made_by(*lines):
        return True
    return bool(source.reached(*lines, made))
