"""Choices and numbers that plain Python made of the data of Values, which no gradient sees."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator

from tinygrad_pool.diagnosis.findings import NO_GRADIENT, PARTLY_LOST, SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.context import THROUGH, Choice, Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.python_protocol import TAKEN
from tinygrad_pool.formatting import LISTED, several
from tinygrad_pool.recording.flow import Source, source_of
from tinygrad_pool.recording.forks import (
    PICKING,
    Fork,
    fork_at,
    forks_by_data,
    has_constant,
    lines_of,
)
from tinygrad_pool.recording.freshness import made_plain, takes_number
from tinygrad_pool.recording.source import quoted


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
    code = f"`{code}`: " if code else ""
    why = "what was not chosen is not in the graph, and no gradient will ever reach it"
    if all_inside:
        why = "the choice is not in the graph, and stays as it is when data changes"
    helps = f"{node} is the node that keeps all" if node else "tg.where and tg.maximum are nodes"
    severity = PARTLY_LOST if node and not all_inside else SUSPICIOUS
    why = f"{code}{why}; {helps}"
    return Finding("python choice", severity, str(line), says, why, tuple(nodes))


def _goes_on(survey: Survey, source: Source, fork: Fork, made: list[int]) -> bool:
    """Return whether what was chosen reaches a line that made a node, or is the loss itself.

    A loop that checks its loss to decide whether to go on is not a choice of the network.
    """
    lines, loss = (fork.begin, fork.end), survey.passed.names.get(id(survey.loss))
    if fork.what != "while" and loss in source.made_by(*lines):
        return True
    return bool(source.reached(*lines, made))


def taken_for_numbers(survey: Survey) -> Iterator[Finding]:
    """Report lines where a Value was turned into a number that entered the graph as a constant.

    That is severe if a parameter is nowhere else in the graph; otherwise it may be intended.
    """
    constants: dict[Line, Node] = {}
    for node in survey.nodes:
        if node.about.line and has_constant(node):
            constants.setdefault(node.about.line, node)
    asked = [*survey.wanted, *survey.nodes, *sorted(TAKEN, key=lambda v: v._order)]
    for (line, how), nodes in _by_line(asked).items():
        user = next((constants[made] for made in _lines_from(line, constants)), None)
        if user is None:
            continue
        leaves = [node for node in nodes if not node.parents]
        lost = [leaf for leaf in leaves if leaf not in survey.inside]
        leaves = lost or leaves
        says = f"{made_plain(how)} of it, which went into {survey.call(user)}"
        helps = "v.exp(), np.exp(v) and the like are nodes"
        if how.startswith("np."):
            helps = "v + (y - v.data) has the numbers of such a result y, and the gradient of v"
        helps = helps if lost else "that may be intended"
        why = f"no gradient goes back through a number, at {quoted(line)}; {helps}"
        severity = NO_GRADIENT if lost else SUSPICIOUS
        names = several([survey.call(leaf) for leaf in leaves])
        yield Finding("cut off", severity, names, says, why, tuple(leaves))


def _by_line(nodes: list[Node]) -> dict[tuple[Line, str], list[Node]]:
    """Group Values by the line that turned them, or what was computed from them, into a number."""
    found: dict[tuple[Line, str], list[Node]] = {}
    for node in dict.fromkeys(nodes):
        for choice in node.about.choices:
            if takes_number(choice) and choice.line:
                found.setdefault((choice.line, choice.relation), []).append(node)
    return found


def _lines_from(line: Line, made: Iterable[Line]) -> list[Line]:
    """Return the lines that use the result of a line; without its source, the line itself."""
    source = source_of(line.file)
    if source is None:
        return [other for other in made if other == line]
    here = {other.number: other for other in made if other.file == line.file}
    return [here[n] for n in source.reached(*source.statement_of(line.number), here)]
