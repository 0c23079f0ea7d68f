"""Breakpoints set by an editor, with hit counts and log messages in addition to conditions."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.breakpoints import Breakpoint, Test
from tinygrad_pool.debugger.stepping_commands import SteppingCommands
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import on_a_line
from tinygrad_pool.recording.trace import Trace

Arguments = Mapping[str, Any]
Body = dict[str, Any]
Place = tuple[str, Callable[[Trace], Test], Mapping[str, Any]]
"""Title and test of a breakpoint, and its entry in the editor's request."""

FILTERS: dict[str, tuple[str, Callable[[Trace], Test]]] = {
    "nan": ("a NaN", lambda _: breakpoints.at_numbers(np.isnan)),
    "infinity": ("an infinity", lambda _: breakpoints.at_numbers(np.isinf)),
    "zero": ("only zeros sent on", lambda _: breakpoints.sends_only_zeros),
    "vanishing": ("less than 1/1000 sent on", lambda _: breakpoints.vanishes),
}
"""Exceptions that an editor can stop at."""

_COMPARISONS: dict[str, Callable[[int, int], Any]] = {
    **dict.fromkeys(("", "=", "=="), operator.eq),
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "%": lambda hits, n: hits % n == 0,
}


class EditorBreakpoint(Breakpoint):
    """A breakpoint with a condition on its hit count; with a message, it logs and does not stop."""

    def __init__(self, reason: str, place: Place, log: Callable[[str], None]) -> None:
        title, test, entry = place
        super().__init__(title, test)
        self.reason, self.log = reason, log
        condition, hits, message = (
            entry.get(key) or "" for key in ("condition", "hitCondition", "logMessage")
        )
        self.key = title, condition, hits, message
        self.condition, self.message = condition, message
        self.is_due = hit_condition(hits)
        if condition:
            breakpoints.check_condition(condition)

    def stops(self, step: Step) -> bool:
        """Count a hit, log the message if there is one, and return whether to stop."""
        if not super().stops(step) or not self.is_due(self.hits):
            return False
        if self.message:
            self.log(filled(self.message, step))
        return not self.message


class Stops:
    """The breakpoints of an editor; each request replaces all breakpoints of one kind.

    They are added to those of the prompt. The editor counts lines from `first`.
    """

    def __init__(self, shell: SteppingCommands, first: int, log: Callable[[str], None]) -> None:
        self.shell, self.first, self.log = shell, first, log
        self.kinds: dict[tuple[str, str], list[EditorBreakpoint]] = {}

    def set_lines(self, arguments: Arguments) -> Body:
        """Set the breakpoints at lines of a file."""
        path = arguments["source"]["path"]
        entries = arguments.get("breakpoints") or ()
        places = []
        for b in entries:
            number = b["line"] + 1 - self.first
            test = partial(_at_line, path=path, number=number)
            places.append((f"{os.path.basename(path)}:{number}", test, b))  # noqa: PTH119
        answers = self._set_all("breakpoint", places, path)["breakpoints"]
        pairs = zip(answers, entries, strict=True)
        return {"breakpoints": [answer | {"line": entry["line"]} for answer, entry in pairs]}

    def set_functions(self, arguments: Arguments) -> Body:
        """Set breakpoints at rules or nodes, by name."""
        places = [
            (b["name"], partial(breakpoints.at_name, name=b["name"]), b)
            for b in arguments["breakpoints"]
        ]
        return self._set_all("function breakpoint", places)

    def set_data(self, arguments: Arguments) -> Body:
        """Set breakpoints where something is added to a gradient."""
        places = [
            (f"gradient of {b['dataId']}", partial(breakpoints.at_change, name=b["dataId"]), b)
            for b in arguments["breakpoints"]
        ]
        return self._set_all("data breakpoint", places)

    def set_filters(self, arguments: Arguments) -> Body:
        """Set the exceptions to stop at."""
        filters = [{"filterId": name} for name in arguments.get("filters") or ()]
        filters += arguments.get("filterOptions") or ()
        for b in filters:
            if b["filterId"] not in FILTERS:
                raise OptionError(f"there is no exception filter {b['filterId']!r}")
        return self._set_all("exception", [(*FILTERS[b["filterId"]], b) for b in filters])

    def lines_with_nodes(self, arguments: Arguments) -> Body:
        """List the lines at which a breakpoint can stop."""
        file = known_path(self.shell.recording, arguments["source"]["path"])
        begin = arguments["line"] + 1 - self.first
        end = arguments.get("endLine", arguments["line"]) + 1 - self.first
        lines = sorted(n for n in _files_of(self.shell.recording)[file] if begin <= n <= end)
        return {"breakpoints": [{"line": n - 1 + self.first} for n in lines]}

    def _set_all(self, reason: str, places: Iterable[Place], file: str = "") -> Body:
        """Replace all breakpoints of a kind, or of a file; unchanged ones keep their hit count."""
        old = {b.key: b for b in self.kinds.get((reason, file), [])}
        for b in old.values():
            self.shell.breaks.pop(b.number, None)
        new = self.kinds[reason, file] = []
        return {"breakpoints": [self._set(reason, place, old, new) for place in places]}

    def _set(
        self, reason: str, place: Place, old: dict[Any, EditorBreakpoint], new: list[Any]
    ) -> Body:
        """Set one breakpoint, and append it to the new ones; return the answer to the editor."""
        try:
            b = EditorBreakpoint(reason, place, self.log)
            b = old.get(b.key, b)
            if b.number:
                self.shell.breaks[b.number] = b
            else:
                self.shell.put(b)
        except OptionError as error:
            return {"verified": False, "message": str(error)}
        b.watched = place[2].get("dataId", "")
        new.append(b)
        return {"verified": True, "id": b.number}


def _at_line(recording: Trace, path: str, number: int) -> Test:
    """Stop at a line of a file, for which the editor and Python may use different paths."""
    return breakpoints.at_line(recording, known_path(recording, path), number)


def known_path(recording: Trace, path: str) -> str:
    """Return the path that the nodes of a pass have for a file.

    Raises OptionError if no node was made in the file.
    """
    real = os.path.realpath(path)
    for file in _files_of(recording):
        if os.path.realpath(file) == real:
            return file
    raise OptionError(f"no node of this pass was made in {os.path.basename(path)}")  # noqa: PTH119


def _files_of(recording: Trace) -> dict[str, set[int]]:
    """Map each file to its lines that made nodes, directly or in a call."""
    lines: dict[str, set[int]] = {}
    for about in {node.about for node in recording.nodes if node.parents and node.about.line}:
        for line in filter(None, (about.line, *about.callers)):
            lines.setdefault(line.file, set()).add(line.number)
    return lines


def hit_condition(text: str) -> Callable[[int], bool]:
    """Read a condition on the number of hits, such as 3, >= 3 or % 3. Raises OptionError.

    >>> [n for n in range(1, 8) if hit_condition("% 3")(n)]
    [3, 6]
    """
    if not text.strip():
        return lambda _: True
    match = re.fullmatch(r"\s*(==|=|>=|<=|>|<|%|)\s*(\d{1,9})\s*", text)
    if match is None or (match[1] == "%" and not int(match[2])):
        raise OptionError(f"a hit count must look like 3, >= 3 or % 3, got {text!r}")
    compare, n = _COMPARISONS[match[1]], int(match[2])
    return lambda hits: bool(compare(hits, n))


def filled(message: str, step: Step) -> str:
    """Replace each {expression} in a log message by its value at a step, or by its error."""

    def value(match: re.Match[str]) -> str:
        try:
            x = breakpoints.evaluate(match[1], breakpoints.of_step(step))
            return on_a_line(x) if isinstance(x, int | float | np.ndarray | np.number) else str(x)
        except Exception as error:  # noqa: BLE001  # str() of a user's object may raise anything
            return f"{{{error}}}"

    return re.sub(r"\{([^{}]+)\}", value, message)
