"""Places where plain Python compared Values or made numbers of them, which gives no gradient."""

from __future__ import annotations

import linecache
from collections.abc import Iterator

from tinygrad_pool.diagnosis.findings import NO_GRADIENT, PARTLY_LOST, SUSPICIOUS, Finding, grouped
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.context import THROUGH, Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.python_protocol import TAKEN
from tinygrad_pool.formatting import LISTED
from tinygrad_pool.recording.flow import Source, source_of
from tinygrad_pool.recording.forks import (
    PICKING,
    Fork,
    fork_at,
    forks_by_data,
    has_constant,
    lines_from,
    lines_of,
)
from tinygrad_pool.recording.freshness import made_plain, takes_number
from tinygrad_pool.recording.source import quoted


def choices_of_python(survey: Survey) -> Iterator[Finding]:
    """Report lines where Python chose, by a Value's data, what the network is computed from.

    What was chosen must reach a line that made a node: a loop that checks its loss, or counts right
    answers, is not reported.
    """
    pairs = [
        (node, choice)
        for node in survey.nodes
        for choice in node.about.choices
        if choice.line and not (choice.other == THROUGH and takes_number(choice))
    ]
    by_line = grouped(pairs, lambda pair: pair[1].line)
    times = {node._order for node in survey.nodes}
    for line, choices in by_line.items():
        asked = [(node, choice) for node, choice in choices if choice.other != THROUGH]
        through = not asked
        if through:  # of a node and its operands, name the node only
            below = {p for node, _ in choices for p in node.parents if isinstance(p, Node)}
            asked = [(node, choice) for node, choice in choices if node not in below]
        alone = [node for node, choice in asked if choice.rival not in times]
        nodes = alone or [node for node, _ in asked]
        source = source_of(line.file)
        if source is None:
            compared = any(type(c.answer) is bool and not takes_number(c) for _, c in asked)
            if compared and alone and alone != [survey.loss] and not through:
                yield _finding(survey, line, "comparison", nodes)
            continue
        fork = fork_at(source, line.number)
        picks = fork is not None and fork.what in PICKING
        asked_the_loss = nodes == [survey.loss] and not picks
        made = [] if asked_the_loss else lines_of(survey.nodes, line.file)
        if fork and _goes_on(survey, source, fork, made):
            yield _finding(survey, line, fork.what, nodes, not alone, through)
    known = {(line.file, line.number) for line in by_line}
    for file, fork in forks_by_data(survey.nodes):
        if (file, fork.first) not in known:
            known.add((file, fork.first))
            yield _finding(survey, Line(file, fork.first, ""), fork.what, [])


def _finding(
    survey: Survey,
    line: Line,
    what: str,
    nodes: list[Node],
    all_inside: bool = False,
    through: bool = False,
) -> Finding:
    names = ", ".join(survey.call(node) for node in nodes[:LISTED]) or "a Value"
    names = names if len(nodes) <= LISTED else f"{len(nodes):,} Values"
    operation = PICKING.get(what, "")
    says = f"Python's {what} chose by the data of {'a Value computed from ' * through}{names}"
    code = linecache.getline(line.file, line.number).strip()
    code = f"`{code}`: " if code else ""
    why = "what was not chosen is not in the graph, so it gets no gradient"
    if all_inside:
        why = "the choice is not in the graph, and remains the same when it is run on other data"
    fix = f"{operation}, which keeps" if operation else "tg.where or tg.maximum, which keep"
    severity = PARTLY_LOST if operation and not all_inside else SUSPICIOUS
    why = f"{code}{why}. Use {fix} all of them in the graph"
    return Finding("python choice", severity, str(line), says, why, tuple(nodes))


def _goes_on(survey: Survey, source: Source, fork: Fork, made: list[int]) -> bool:
    """Return whether what was chosen reaches a line that made a node, or is the loss itself.

    A `while` that checks its loss does not choose the loss.
    """
    lines, loss = (fork.begin, fork.end), survey.recording.names.get(id(survey.loss))
    made_names = {name.partition("@")[0] for name in source.made_by(*lines)}
    if fork.what != "while" and loss in made_names:
        return True
    return bool(source.reached(*lines, made))


def taken_for_numbers(survey: Survey) -> Iterator[Finding]:
    """Report lines where a Value was turned into a number that became a constant of the graph.

    That is severe if a parameter is not in the graph otherwise; if it is, it may be intended.
    """
    constants: dict[Line, Node] = {}
    for node in survey.nodes:
        if node.about.line and has_constant(node):
            constants.setdefault(node.about.line, node)
    asked = [*survey.parameters, *survey.nodes, *sorted(TAKEN, key=lambda v: v._order)]
    pairs = [
        (node, choice)
        for node in dict.fromkeys(asked)
        for choice in node.about.choices
        if choice.line and takes_number(choice)
    ]
    for (line, how), taken in grouped(pairs, lambda p: (p[1].line, p[1].relation)).items():
        user = next((constants[made] for made in lines_from(line, constants)), None)
        if user is None:
            continue
        leaves = [node for node, _ in taken if not node.parents]
        lost = [leaf for leaf in leaves if leaf not in survey.inside]
        leaves = lost or leaves
        says = f"{made_plain(how)} of it, which went into {survey.call(user)}"
        fix = "Use the Value itself, and functions that make nodes, such as v.exp() or np.exp(v)"
        if how.startswith("np."):
            fix = f"To pass gradients through y = {how}(v), write v + (y - v.data)"
        fix = fix if lost else "That is fine if it is intended"
        why = f"no gradient flows back through a plain number, at {quoted(line)}. {fix}"
        severity = NO_GRADIENT if lost else SUSPICIOUS
        names = survey.names(leaves)
        yield Finding("cut off", severity, names, says, why, tuple(leaves))
