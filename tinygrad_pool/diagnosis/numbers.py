"""Values that were turned into plain numbers, as by float(v) or np.sign(v), before the loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinygrad_pool.diagnosis.findings import NO_GRADIENT, SUSPICIOUS, Finding
from tinygrad_pool.diagnosis.survey import Survey
from tinygrad_pool.engine.context import Line
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.python_protocol import TAKEN
from tinygrad_pool.formatting import several
from tinygrad_pool.recording.flow import source_of
from tinygrad_pool.recording.forks import has_constant
from tinygrad_pool.recording.freshness import made_plain, takes_number
from tinygrad_pool.recording.source import quoted


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
        user = next((constants[made] for made in _goes_on(line, constants)), None)
        if user is not None:
            leaves = [node for node in nodes if not node.parents]
            lost = [leaf for leaf in leaves if leaf not in survey.inside]
            yield _finding(survey, line, how, user, lost or leaves, bool(lost))


def _finding(
    survey: Survey, line: Line, how: str, user: Node, leaves: list[Node], lost: bool
) -> Finding:
    names = several([survey.call(leaf) for leaf in leaves])
    says = f"{made_plain(how)} of it, which went into {survey.call(user)}"
    why = f"no gradient goes back through a number, at {quoted(line)}"
    helps = "v.exp(), np.exp(v) and the like are nodes"
    if how.startswith("np."):
        helps = "v + (y - v.data) has the numbers of such a result y, and the gradient of v"
    severity = NO_GRADIENT if lost else SUSPICIOUS
    why += f"; {helps if lost else 'that may be intended'}"
    return Finding("cut off", severity, names, says, why, tuple(leaves))


def _by_line(nodes: list[Node]) -> dict[tuple[Line, str], list[Node]]:
    """Group Values by the line that turned them, or what was computed from them, into a number."""
    found: dict[tuple[Line, str], list[Node]] = {}
    for node in dict.fromkeys(nodes):
        for choice in node.about.choices:
            if takes_number(choice) and choice.line:
                found.setdefault((choice.line, choice.relation), []).append(node)
    return found


def _goes_on(line: Line, made: Iterable[Line]) -> list[Line]:
    """Return the lines that use the result of a line; without its source, the line itself."""
    source = source_of(line.file)
    if source is None:
        return [other for other in made if other == line]
    here = {other.number: other for other in made if other.file == line.file}
    return [here[n] for n in source.reached(*source.statement_of(line.number), here)]
