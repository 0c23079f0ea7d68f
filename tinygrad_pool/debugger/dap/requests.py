"""The requests that a session answers, by their names in the protocol."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_pool.debugger.dap import breakpoint_requests
from tinygrad_pool.debugger.dap.session import Arguments, Body, Session

REQUESTS: dict[str, Callable[[Session, Arguments], Body | None]] = {
    "breakpointLocations": breakpoint_requests.lines_with_nodes,
    "completions": Session.completions,
    "continue": Session.go_on,
    "dataBreakpointInfo": breakpoint_requests.data_info,
    "evaluate": Session.evaluate,
    "exceptionInfo": Session.exception,
    "goto": Session.goto,
    "gotoTargets": Session.goto_targets,
    "next": Session.step,
    "pause": Session.pause,
    "restartFrame": Session.restart_frame,
    "reverseContinue": Session.run_back,
    "scopes": Session.scopes,
    "setBreakpoints": breakpoint_requests.set_lines,
    "setDataBreakpoints": breakpoint_requests.set_data,
    "setExceptionBreakpoints": breakpoint_requests.set_filters,
    "setFunctionBreakpoints": breakpoint_requests.set_functions,
    "setVariable": Session.set_variable,
    "stackTrace": Session.stack,
    "stepBack": Session.step_back,
    "stepIn": Session.step,
    "stepOut": Session.step_out,
    "threads": Session.threads,
    "variables": Session.list_variables,
}
