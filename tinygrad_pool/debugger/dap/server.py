"""The server of an editor's session, from launch to exit: it reads, runs the script and answers."""

from __future__ import annotations

import _thread
import contextlib
import io
from collections import deque
from collections.abc import Callable, Mapping
from queue import Queue
from threading import Lock, Thread
from typing import Any, TypeAlias

from tinygrad_pool.debugger.dap.session import Session
from tinygrad_pool.debugger.dap.stops import FILTERS, Arguments, Body
from tinygrad_pool.debugger.dap.wire import Request, Wire
from tinygrad_pool.errors import OptionError, TinygradPoolError
from tinygrad_pool.recording.freshness import before_a_pass
from tinygrad_pool.recording.recording import Recording

Loaded: TypeAlias = tuple[Recording, Mapping[str, Any]]

LEAVE = ("disconnect", "terminate")
GONE = Request("disconnect")
"""Stands for a client that is no longer there."""

CAPABILITIES: dict[str, Any] = {
    "supportsConfigurationDoneRequest": True,
    "supportsStepBack": True,
    "supportsConditionalBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsFunctionBreakpoints": True,
    "supportsDataBreakpoints": True,
    "supportsBreakpointLocationsRequest": True,
    "supportsExceptionInfoRequest": True,
    "supportsExceptionFilterOptions": True,
    "exceptionBreakpointFilters": [
        {
            "filter": name,
            "label": what[0].upper() + what[1:],
            "default": name in ("nan", "infinity"),
            "supportsCondition": True,
            "conditionDescription": "an expression of g, data, op and label",
        }
        for name, (what, _) in FILTERS.items()
    ],
    "supportsEvaluateForHovers": True,
    "supportsSetVariable": True,
    "supportsCompletionsRequest": True,
    "completionTriggerCharacters": [" "],
    "supportsGotoTargetsRequest": True,
    "supportsRestartFrame": True,
    "supportsDelayedStackTraceLoading": True,
    "supportsTerminateRequest": True,
}
"""What this server can do, for a client that asks."""


REQUESTS: dict[str, Callable[[Session, Arguments], Body | None]] = {
    "breakpointLocations": lambda session, given: session.stops.lines_with_nodes(given),
    "completions": Session.completions,
    "continue": Session.go_on,
    "dataBreakpointInfo": Session.data_info,
    "evaluate": Session.evaluate,
    "exceptionInfo": Session.exception,
    "goto": Session.goto,
    "gotoTargets": Session.goto_targets,
    "next": lambda session, _: session.will("node"),
    "pause": lambda *_: None,  # a run that was asked to stop has stopped already
    "restartFrame": Session.restart_frame,
    "reverseContinue": lambda session, _: session.will("run-back"),
    "scopes": Session.scopes,
    "setBreakpoints": lambda session, given: session.stops.set_lines(given),
    "setDataBreakpoints": lambda session, given: session.stops.set_data(given),
    "setExceptionBreakpoints": lambda session, given: session.stops.set_filters(given),
    "setFunctionBreakpoints": lambda session, given: session.stops.set_functions(given),
    "setVariable": Session.set_variable,
    "stackTrace": Session.stack,
    "stepBack": lambda session, _: session.will("back"),
    "stepIn": lambda session, _: session.will("node"),
    "stepOut": Session.step_out,
    "threads": Session.threads,
    "variables": Session.list_variables,
}
"""What a session answers, by the names of the protocol."""


class Server:
    """One session: a script is launched, its backward pass recorded, and walked.

    `load` makes a recording of what a launch request says, with the names of the script. What that
    prints becomes output of the session, since the streams of this process may carry the protocol.
    `interrupt` ends the script if the client leaves while it runs.
    """

    def __init__(
        self,
        wire: Wire,
        load: Callable[[Mapping[str, Any]], Loaded],
        interrupt: Callable[[], None] = _thread.interrupt_main,
    ) -> None:
        self.wire, self.load, self.interrupt = wire, load, interrupt
        self.session: Session | None = None
        self._heard: Queue[Request] = Queue()
        self._waiting: deque[Request] = deque()
        self._first, self._over, self._stop_on_entry = 1, False, True
        self._loading, self._lock = False, Lock()

    def serve(self) -> None:
        """Answer requests until the client disconnects, or is gone."""
        listener = Thread(target=self._listen, daemon=True)
        listener.start()
        out, err = output_to(self.wire, "stdout"), output_to(self.wire, "stderr")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            while not self._over:
                self._handle(self._waiting.popleft() if self._waiting else self._heard.get())
                out.flush()
                err.flush()
        if self.session is not None:
            self.session.passed.seek(0)
        listener.join(1.0)

    def _listen(self) -> None:
        """Read requests, beside whatever runs; after the last there is nothing to read."""
        for request in self.wire.requests():
            self._hear(request)
            if request.command in LEAVE[:1]:
                return
        self._hear(GONE)

    def _hear(self, request: Request) -> None:
        with self._lock:
            self._heard.put(request)
            if self._loading and self._is_left():
                self._loading = False
                self.interrupt()

    def _is_left(self) -> bool:
        """Return whether the client leaves, and asks for nothing before."""
        self.asked_to_stop()
        commands = [r.command for r in self._waiting if r.command != "pause"]
        return bool(commands) and commands[0] in LEAVE

    def asked_to_stop(self) -> bool:
        """Return whether the client asks to pause, or leaves."""
        while not self._heard.empty():
            self._waiting.append(self._heard.get())
        return any(request.command in ("pause", *LEAVE) for request in self._waiting)

    def _handle(self, request: Request) -> None:
        """Answer a request, whatever goes wrong with it."""
        if request.damage:
            self.wire.output(f"tinygrad-pool dap: ignored {request.damage}\n", "important")
            return
        own = {"initialize": self._initialize, "launch": self._launch, "disconnect": self._leave}
        own |= {"terminate": self._terminate, "configurationDone": self._configured}
        answer = own.get(request.command, self._ask)
        if said := _mistake_in(lambda: answer(request)):
            self.wire.refuse(request, f"{request.command}: {said}")
        elif (session := self.session) and (said := _mistake_in(session.follow)):
            self.wire.output(f"{request.command}: {said}\n", "stderr")

    def _ask(self, request: Request) -> None:
        """Ask the session. Raises OptionError where there is none, or no such request."""
        ask = REQUESTS.get(request.command)
        if ask is None:
            raise OptionError("this adapter does not know the request")
        session = self._launched()
        if session.over:
            raise OptionError("the session has ended; start another")
        self.wire.answer(request, ask(session, request.arguments) or {})

    def _launched(self) -> Session:
        if self.session is None:
            raise OptionError("no script has been launched")
        return self.session

    def _initialize(self, request: Request) -> None:
        self._first = int(request.arguments.get("linesStartAt1", True))
        self.wire.answer(request, CAPABILITIES)

    def _launch(self, request: Request) -> None:
        """Run the script, and record its pass; an error of the script is output, line first."""
        if self.session is not None:
            raise OptionError("a script was launched already; start another session")
        self._stop_on_entry = bool(request.arguments.get("stopOnEntry", True))
        try:
            passed, names = self._loaded(request.arguments)
        except TinygradPoolError as error:
            self.wire.output(f"{error}\n", "stderr")
            self.wire.refuse(request, str(error))
            self.wire.tell("exited", exitCode=1)
            self.wire.tell("terminated")
            return
        self.session = Session(passed, names, self.wire, self._first, self.asked_to_stop)
        self.wire.answer(request, {})
        for line in before_a_pass(passed.call, passed.nodes):
            self.wire.output(f"{line}\n")
        if request.arguments.get("noDebug"):
            self.session.end()
        else:
            self.wire.tell("initialized")

    def _loaded(self, arguments: Mapping[str, Any]) -> Loaded:
        with self._lock:
            if self._is_left():
                raise KeyboardInterrupt
            self._loading = True
        try:
            return self.load(arguments)
        finally:
            with self._lock:
                self._loading = False

    def _configured(self, request: Request) -> None:
        session = self._launched()
        self.wire.answer(request, {})
        session.enter(self._stop_on_entry)

    def _terminate(self, request: Request) -> None:
        self.wire.answer(request, {})
        if self.session is None:
            self.wire.tell("terminated")
        else:
            self.session.end()

    def _leave(self, request: Request) -> None:
        self._over = True
        self.wire.answer(request, {})


def _mistake_in(work: Callable[[], None]) -> str:
    """Do some work; return what was wrong with it, or ""."""
    try:
        work()
    except TinygradPoolError as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"
    except KeyError as error:
        return f"needs the argument {error}"
    except (AttributeError, TypeError, ValueError) as error:
        return f"its arguments do not fit: {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  # nothing ends a session but its client
        return f"{type(error).__name__}: {error}"
    return ""


def output_to(wire: Wire, category: str) -> io.TextIOWrapper:
    """Return a stream like Python's own, of which each line becomes output of the session."""
    stream = _Output(wire, category)
    return io.TextIOWrapper(stream, "utf-8", "backslashreplace", "", line_buffering=True)  # type: ignore[arg-type]  # it has no name


class _Output(io.RawIOBase):
    def __init__(self, wire: Wire, category: str) -> None:
        self._wire, self._category = wire, category

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._wire.output(bytes(data).decode("utf-8", "replace"), self._category)
        return len(data)
