"""Breakpoints that an editor sets: hit counts and log points beside the prompt's conditions."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.breakpoints import Breakpoint, Test
from tinygrad_pool.debugger.stepping_commands import SteppingCommands
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import on_a_line
from tinygrad_pool.recording.trace import Trace

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
    "": operator.eq,
    "=": operator.eq,
    "==": operator.eq,
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
    """The breakpoints of an editor, among those of its prompt; each kind is set as a whole."""

    def __init__(self, shell: SteppingCommands, log: Callable[[str], None]) -> None:
        self.shell, self.log = shell, log
        self.kinds: dict[tuple[str, str], list[EditorBreakpoint]] = {}

    def set(self, reason: str, places: Iterable[Place], file: str = "") -> list[dict[str, Any]]:
        """Set all breakpoints of a kind, or of a file; those that were there keep their count."""
        there = {b.key: b for b in self.kinds.get((reason, file), [])}
        for b in there.values():
            self.shell.breaks.pop(b.number, None)
        kept = self.kinds[reason, file] = []
        return [self._set(reason, place, there, kept) for place in places]

    def _set(
        self, reason: str, place: Place, there: dict[Any, EditorBreakpoint], kept: list[Any]
    ) -> dict[str, Any]:
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


def known_path(passed: Trace, path: str) -> str:
    """Return the path under which the nodes of a pass know a file.

    Raises OptionError if none was made there.
    """
    wanted = os.path.realpath(path)
    for file in files_of(passed):
        if os.path.realpath(file) == wanted:
            return file
    raise OptionError(f"no node of this pass was made in {os.path.basename(path)}")  # noqa: PTH119


def files_of(passed: Trace) -> dict[str, set[int]]:
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
