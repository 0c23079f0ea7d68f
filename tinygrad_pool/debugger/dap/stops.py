"""Breakpoints that an editor sets; hit counts and log points beside the prompt's conditions."""

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
"""What to call it, where it is, and what the editor says beside that."""

FILTERS: dict[str, tuple[str, Callable[[Trace], Test]]] = {
    "nan": ("a NaN", lambda _: breakpoints.at_numbers(np.isnan)),
    "infinity": ("an infinity", lambda _: breakpoints.at_numbers(np.isinf)),
    "zero": ("nothing but zeros sent", lambda _: breakpoints.stays),
    "vanishing": ("less than 1/1000 sent on", lambda _: breakpoints.vanishes),
}
"""What counts as an exception in a pass."""

_COMPARED: dict[str, Callable[[int, int], Any]] = {
    **dict.fromkeys(("", "=", "=="), operator.eq),
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "%": lambda hits, n: hits % n == 0,
}


class EditorBreakpoint(Breakpoint):
    """A breakpoint that stops at some of its hits, or writes a line instead of stopping."""

    def __init__(self, reason: str, place: Place, log: Callable[[str], None]) -> None:
        what, test, given = place
        super().__init__(what, test)
        self.reason, self.log = reason, log
        condition, hits, message = (
            given.get(key) or "" for key in ("condition", "hitCondition", "logMessage")
        )
        self.key = what, condition, hits, message
        self.condition, self.message = condition, message
        self.counts = counted_hits(hits)
        if condition:
            breakpoints.check_condition(condition)

    def stops(self, step: Step) -> bool:
        """Return whether to stop here; count, and write a log point's line."""
        if not super().stops(step) or not self.counts(self.hits):
            return False
        if self.message:
            self.log(filled(self.message, step))
        return not self.message


class Stops:
    """The breakpoints of an editor, among those of its prompt; each kind is set as a whole.

    The editor counts lines from `first`.
    """

    def __init__(self, shell: SteppingCommands, first: int, log: Callable[[str], None]) -> None:
        self.shell, self.first, self.log = shell, first, log
        self.kinds: dict[tuple[str, str], list[EditorBreakpoint]] = {}

    def set_lines(self, arguments: Arguments) -> Body:
        """Set the breakpoints of a file."""
        path = arguments["source"]["path"]
        given = arguments.get("breakpoints") or ()
        places = []
        for b in given:
            number = b["line"] + 1 - self.first
            test = partial(_at_line, path=path, number=number)
            places.append((f"{os.path.basename(path)}:{number}", test, b))  # noqa: PTH119
        set_now = self._set_all("breakpoint", places, path)["breakpoints"]
        pairs = zip(set_now, given, strict=True)
        return {"breakpoints": [b | {"line": own["line"]} for b, own in pairs]}

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
            (f"into {b['dataId']}", partial(breakpoints.at_change, name=b["dataId"]), b)
            for b in arguments["breakpoints"]
        ]
        return self._set_all("data breakpoint", places)

    def set_filters(self, arguments: Arguments) -> Body:
        """Set what counts as an exception."""
        wanted = [{"filterId": name} for name in arguments.get("filters") or ()]
        wanted += arguments.get("filterOptions") or ()
        for b in wanted:
            if b["filterId"] not in FILTERS:
                raise OptionError(f"there is no exception filter {b['filterId']!r}")
        return self._set_all("exception", [(*FILTERS[b["filterId"]], b) for b in wanted])

    def lines_with_nodes(self, arguments: Arguments) -> Body:
        """List the lines at which a breakpoint would stop."""
        file = known_path(self.shell.passed, arguments["source"]["path"])
        begin = arguments["line"] + 1 - self.first
        end = arguments.get("endLine", arguments["line"]) + 1 - self.first
        lines = sorted(n for n in _files_of(self.shell.passed)[file] if begin <= n <= end)
        return {"breakpoints": [{"line": n - 1 + self.first} for n in lines]}

    def _set_all(self, reason: str, places: Iterable[Place], file: str = "") -> Body:
        """Set all breakpoints of a kind, or of a file; those that were there keep their count."""
        there = {b.key: b for b in self.kinds.get((reason, file), [])}
        for b in there.values():
            self.shell.breaks.pop(b.number, None)
        kept = self.kinds[reason, file] = []
        return {"breakpoints": [self._set(reason, place, there, kept) for place in places]}

    def _set(
        self, reason: str, place: Place, there: dict[Any, EditorBreakpoint], kept: list[Any]
    ) -> Body:
        try:
            b = EditorBreakpoint(reason, place, self.log)
            b = there.get(b.key, b)
            if b.number:
                self.shell.breaks[b.number] = b
            else:
                self.shell.put(b)
        except OptionError as error:
            return {"verified": False, "message": str(error)}
        b.watched = place[2].get("dataId", "")
        kept.append(b)
        return {"verified": True, "id": b.number}


def _at_line(passed: Trace, path: str, number: int) -> Test:
    """Stop at a line of a file, which an editor may know by another path than Python does."""
    return breakpoints.at_line(passed, known_path(passed, path), number)


def known_path(passed: Trace, path: str) -> str:
    """Return the path under which the nodes of a pass know a file.

    Raises OptionError if none was made there.
    """
    wanted = os.path.realpath(path)
    for file in _files_of(passed):
        if os.path.realpath(file) == wanted:
            return file
    raise OptionError(f"no node of this pass was made in {os.path.basename(path)}")  # noqa: PTH119


def _files_of(passed: Trace) -> dict[str, set[int]]:
    """Map each file to those of its lines that made nodes, or called what did."""
    found: dict[str, set[int]] = {}
    for about in {node.about for node in passed.nodes if node.parents and node.about.line}:
        for line in filter(None, (about.line, *about.callers)):
            found.setdefault(line.file, set()).add(line.number)
    return found


def counted_hits(text: str) -> Callable[[int], bool]:
    """Read at which hits to stop: 3, >= 3, % 3. Raises OptionError.

    >>> [n for n in range(1, 8) if counted_hits("% 3")(n)]
    [3, 6]
    """
    if not text.strip():
        return lambda _: True
    read = re.fullmatch(r"\s*(==|=|>=|<=|>|<|%|)\s*(\d{1,9})\s*", text)
    if read is None or (read[1] == "%" and not int(read[2])):
        raise OptionError(f"a hit count must look like 3, >= 3 or % 3, got {text!r}")
    compare, n = _COMPARED[read[1]], int(read[2])
    return lambda hits: bool(compare(hits, n))


def filled(message: str, step: Step) -> str:
    """Write a log point's line: {expression} of what is known at a step.

    A mistake in it is written there.
    """

    def value(found: re.Match[str]) -> str:
        try:
            x = breakpoints.evaluate(found[1], breakpoints.of_step(step))
            return on_a_line(x) if isinstance(x, int | float | np.ndarray | np.number) else str(x)
        except Exception as error:  # noqa: BLE001  # of whatever a user's expression made
            return f"{{{error}}}"

    return re.sub(r"\{([^{}]+)\}", value, message)
