"""What an editor asks about breakpoints: to set all of a kind, and where some can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.breakpoints import Test
from tinygrad_pool.debugger.dap.stops import FILTERS, files_of, known_path
from tinygrad_pool.errors import OptionError
from tinygrad_pool.recording.trace import Trace

if TYPE_CHECKING:
    from tinygrad_pool.debugger.dap.session import Session

Arguments = Mapping[str, Any]
Body = dict[str, Any]


def set_lines(session: Session, arguments: Arguments) -> Body:
    """Set the breakpoints of a file."""
    path = arguments["source"]["path"]
    given = arguments.get("breakpoints") or ()
    places = []
    for b in given:
        number = b["line"] + 1 - session.first
        test = partial(_at_line, path=path, number=number)
        places.append((f"{os.path.basename(path)}:{number}", test, b))  # noqa: PTH119
    set_now = session.stops.set("breakpoint", places, path)
    return {
        "breakpoints": [b | {"line": own["line"]} for b, own in zip(set_now, given, strict=True)]
    }


def _at_line(passed: Trace, path: str, number: int) -> Test:
    """Stop at a line of a file, which an editor may know by another path than Python does."""
    return breakpoints.at_line(passed, known_path(passed, path), number)


def set_functions(session: Session, arguments: Arguments) -> Body:
    """Set breakpoints at rules or nodes, by name."""
    return _set(session, "function breakpoint", [_named(b) for b in arguments["breakpoints"]])


def _named(b: Arguments) -> tuple[str, Callable[[Any], Any], Arguments]:
    return b["name"], partial(breakpoints.at_name, name=b["name"]), b


def set_data(session: Session, arguments: Arguments) -> Body:
    """Set breakpoints where something is added to a gradient."""
    places = [
        (f"into {b['dataId']}", partial(breakpoints.at_change, name=b["dataId"]), b)
        for b in arguments["breakpoints"]
    ]
    return _set(session, "data breakpoint", places)


def set_filters(session: Session, arguments: Arguments) -> Body:
    """Set what counts as an exception."""
    wanted = [{"filterId": name} for name in arguments.get("filters") or ()]
    wanted += arguments.get("filterOptions") or ()
    for b in wanted:
        if b["filterId"] not in FILTERS:
            raise OptionError(f"there is no exception filter {b['filterId']!r}")
    places = [(*FILTERS[b["filterId"]], b) for b in wanted]
    return _set(session, "exception", places)


def _set(session: Session, reason: str, places: list[Any]) -> Body:
    return {"breakpoints": session.stops.set(reason, places)}


def lines_with_nodes(session: Session, arguments: Arguments) -> Body:
    """List the lines at which a breakpoint would stop."""
    file = known_path(session.passed, arguments["source"]["path"])
    begin = arguments["line"] + 1 - session.first
    end = arguments.get("endLine", arguments["line"]) + 1 - session.first
    lines = sorted(n for n in files_of(session.passed)[file] if begin <= n <= end)
    return {"breakpoints": [{"line": n - 1 + session.first} for n in lines]}


def data_info(session: Session, arguments: Arguments) -> Body:
    """Return which gradient to watch at a variable, or at a name."""
    name, reference = arguments["name"], arguments.get("variablesReference")
    node = session.variables.find(reference, name).node if reference else session.passed.find(name)
    if node is None:
        return {"dataId": None, "description": f"{name} has no gradient to watch"}
    called = session.passed.call(node)
    told = f"what is added to the gradient of {called}"
    return {"dataId": called, "description": told, "accessTypes": ["write"]}
