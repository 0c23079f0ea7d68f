"""The server of an editor's session, from launch to exit: runs the script, answers requests."""

from __future__ import annotations

import _thread
import contextlib
import io
import signal
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from queue import Queue
from threading import Condition, Thread, main_thread
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
"""Queued when the client has closed the connection."""
INTERRUPT: Callable[[], None] = (
    partial(signal.pthread_kill, main_thread().ident or 0, signal.SIGINT)
    if hasattr(signal, "pthread_kill")
    else _thread.interrupt_main  # which wakes a thread that sleeps only on Windows
)
"""Interrupts the script, also while it sleeps."""
TRIES = 3
"""How often: a signal just before a script falls asleep does not wake it."""

SUPPORTED = (
    *("supportsConfigurationDoneRequest", "supportsTerminateRequest", "supportsStepBack"),
    *("supportsGotoTargetsRequest", "supportsRestartFrame", "supportsDelayedStackTraceLoading"),
    *("supportsConditionalBreakpoints", "supportsHitConditionalBreakpoints", "supportsLogPoints"),
    *("supportsFunctionBreakpoints", "supportsDataBreakpoints", "supportsExceptionInfoRequest"),
    *("supportsBreakpointLocationsRequest", "supportsExceptionFilterOptions"),
    *("supportsEvaluateForHovers", "supportsSetVariable", "supportsCompletionsRequest"),
)

CAPABILITIES: dict[str, Any] = {
    **dict.fromkeys(SUPPORTED, True),
    "exceptionBreakpointFilters": [
        {
            "filter": name,
            "label": title[0].upper() + title[1:],
            "default": name in ("nan", "infinity"),
            "supportsCondition": True,
            "conditionDescription": "an expression of g, data, op and label",
        }
        for name, (title, _) in FILTERS.items()
    ],
    "completionTriggerCharacters": [" "],
}
"""The answer to an initialize request."""


REQUESTS: dict[str, Callable[[Session, Arguments], Body | None]] = {
    "breakpointLocations": lambda session, arguments: session.stops.lines_with_nodes(arguments),
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
    "setBreakpoints": lambda session, arguments: session.stops.set_lines(arguments),
    "setDataBreakpoints": lambda session, arguments: session.stops.set_data(arguments),
    "setExceptionBreakpoints": lambda session, arguments: session.stops.set_filters(arguments),
    "setFunctionBreakpoints": lambda session, arguments: session.stops.set_functions(arguments),
    "setVariable": Session.set_variable,
    "stackTrace": Session.stack,
    "stepBack": lambda session, _: session.will("back"),
    "stepIn": lambda session, _: session.will("node"),
    "stepOut": Session.step_out,
    "threads": Session.threads,
    "variables": Session.list_variables,
}
"""The requests that a session answers, by their names in the protocol."""


class Server:
    """One session: launches a script, records its backward pass, and steps through it.

    `load` runs the script of a launch request, and returns the recording and the script's names.
    The output of the script is sent to the client, since the streams of this process may carry the
    protocol. `interrupt` stops the script if the client leaves while it runs.
    """

    def __init__(
        self,
        wire: Wire,
        load: Callable[[Mapping[str, Any]], Loaded],
        interrupt: Callable[[], None] = INTERRUPT,
    ) -> None:
        self.wire, self.load, self.interrupt = wire, load, interrupt
        self.session: Session | None = None
        self._heard: Queue[Request] = Queue()
        self._waiting: deque[Request] = deque()
        self._first, self._over, self._stop_on_entry = 1, False, True
        self._loading, self._lock = False, Condition()

    def serve(self) -> None:
        """Answer requests until the client disconnects or closes the connection."""
        listener = Thread(target=self._listen, daemon=True)
        listener.start()
        out, err = output_to(self.wire, "stdout"), output_to(self.wire, "stderr")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            while not self._over:
                self._handle(self._waiting.popleft() if self._waiting else self._heard.get())
                out.flush()
                err.flush()
        if self.session is not None:
            self.session.recording.seek(0)
        listener.join(1.0)

    def _listen(self) -> None:
        """Read requests in a thread, until the client disconnects."""
        for request in self.wire.requests():
            self._hear(request)
            if request.command in LEAVE[:1]:
                return
        self._hear(GONE)

    def _hear(self, request: Request) -> None:
        with self._lock:
            self._heard.put(request)
            for _ in range(TRIES):
                if self._loading and self._is_left():
                    self.interrupt()
                    self._lock.wait(1.0)

    def _is_left(self) -> bool:
        """Return whether the next request to answer is to disconnect or to terminate."""
        self.asked_to_stop()
        commands = [r.command for r in self._waiting if r.command != "pause"]
        return bool(commands) and commands[0] in LEAVE

    def asked_to_stop(self) -> bool:
        """Return whether the client has asked to pause, or to end the session."""
        while not self._heard.empty():
            self._waiting.append(self._heard.get())
        return any(request.command in ("pause", *LEAVE) for request in self._waiting)

    def _handle(self, request: Request) -> None:
        """Answer a request; report every error to the client."""
        if request.damage:
            self.wire.output(f"tinygrad-pool dap: ignored {request.damage}\n", "important")
            return
        own = {"initialize": self._initialize, "launch": self._launch, "disconnect": self._leave}
        own |= {"terminate": self._terminate, "configurationDone": self._configured}
        answer = own.get(request.command, self._ask)
        if message := _error_of(lambda: answer(request)):
            self.wire.refuse(request, f"{request.command}: {message}")
        elif (session := self.session) and (message := _error_of(session.follow)):
            self.wire.output(f"{request.command}: {message}\n", "stderr")

    def _ask(self, request: Request) -> None:
        """Let the session answer. Raises OptionError without one, or for an unknown request."""
        ask = REQUESTS.get(request.command)
        if ask is None:
            raise OptionError("this adapter does not support the request")
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
        """Run the script and record its backward pass; report an error of the script."""
        if self.session is not None:
            raise OptionError("a script was launched already; start another session")
        self._stop_on_entry = bool(request.arguments.get("stopOnEntry", True))
        try:
            recording, names = self._loaded(request.arguments)
        except TinygradPoolError as error:
            self.wire.output(f"{error}\n", "stderr")
            self.wire.refuse(request, str(error))
            self.wire.tell("exited", exitCode=1)
            self.wire.tell("terminated")
            return
        self.session = Session(recording, names, self.wire, self._first, self.asked_to_stop)
        self.wire.answer(request, {})
        for line in before_a_pass(recording.call, recording.nodes):
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
                self._lock.notify()

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


def _error_of(work: Callable[[], None]) -> str:
    """Call a function; return the message of its error, or ""."""
    try:
        work()
    except TinygradPoolError as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"
    except KeyError as error:
        return f"needs the argument {error}"
    except (AttributeError, TypeError, ValueError) as error:
        return f"invalid arguments: {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  # only the client ends a session
        return f"{type(error).__name__}: {error}"
    return ""


def output_to(wire: Wire, category: str) -> io.TextIOWrapper:
    """Return a text stream like Python's own that sends each line to the client."""
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
