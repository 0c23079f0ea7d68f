"""The requests of an editor to a recorded pass: to move, to stop, to show and to change data."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.breakpoints import Breakpoint
from tinygrad_pool.debugger.dap.stops import Arguments, Body, EditorBreakpoint, Stops, known_path
from tinygrad_pool.debugger.dap.variables import Variables, frames_of, numbers_in, part_of
from tinygrad_pool.debugger.dap.wire import Wire
from tinygrad_pool.debugger.prompt import SHORT, commands_in, with_notes
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError, TinygradPoolError
from tinygrad_pool.recording import views
from tinygrad_pool.recording.recording import Recording

THREAD = 1

MOST = 200
"""The most completions to offer."""


class Console(Shell):
    """The prompt for the debug console: returns its answers."""

    def __init__(
        self, recording: Recording, names: Mapping[str, Any], asked_to_stop: Callable[[], bool]
    ) -> None:
        self.printed = io.StringIO()
        super().__init__(recording, names, stdin=io.StringIO(), stdout=self.printed)
        self.asked_to_stop = asked_to_stop
        self.has_quit = False

    def do_pdb(self, name: str) -> None:
        """pdb [NAME]: enter a node's closure in Python's own debugger, at a terminal."""
        at = "tinygrad-pool debug SCRIPT.py"
        raise OptionError(f"pdb needs a terminal: {at}, then pdb {name or 'NAME'}")

    def answer(self, text: str) -> str:
        """Run commands, and return what they printed."""
        self.hit = []
        for line in commands_in(text):
            if self.onecmd(self.precmd(line)):
                self.has_quit = True
                break
        answer = self.printed.getvalue()
        self.printed.seek(0)
        self.printed.truncate()
        return answer

    def completions(self, text: str, end: int) -> list[dict[str, Any]]:
        """List the completions of a line at a column: commands, or names of nodes."""
        before = text[:end]
        word = re.split(r"[ \t\n=\[]", before)[-1]
        start = len(before) - len(word)
        if typed := before[:start].split():
            command = SHORT.get(typed[0], typed[0])
            complete = getattr(self, f"complete_{command}", self.completedefault)
            names = complete(word, before, start, len(before))
        else:
            names = self.completenames(word)
        return [{"label": name, "start": start, "length": len(word)} for name in names[:MOST]]


class Session:
    """A recorded pass in an editor. A request is answered first; its effects follow."""

    def __init__(
        self,
        recording: Recording,
        names: Mapping[str, Any],
        wire: Wire,
        first: int,
        asked_to_stop: Callable[[], bool],
    ) -> None:
        self.wire, self.first = wire, first
        self.console = Console(recording, names, asked_to_stop)
        self.stops = Stops(self.console, first, lambda line: self.wire.output(f"{line}\n"))
        self._then: Callable[[], None] | None = None
        recording.seek(min(1, len(recording)))  # fill the caches now, not at the first step
        views.contributions(recording, recording.node)
        views.where(recording)
        recording.seek(0)
        self.variables = Variables(recording)
        self.hit: list[Breakpoint] = []
        self.over = False

    @property
    def recording(self) -> Recording:
        """The current pass: the recorded one, or a replay of it."""
        return self.console.recording

    def follow(self) -> None:
        """Carry out the last request, now that it has been answered."""
        then, self._then = self._then, None
        if then is not None:
            then()
        if self.console.has_quit:
            self.end()

    def end(self) -> None:
        """Send the events that end a session, unless they have been sent."""
        if not self.over:
            self.over = True
            self.wire.tell("exited", exitCode=0)
            self.wire.tell("terminated")

    def enter(self, stop: bool) -> None:
        """Start before the first step: stop there, or run to the first breakpoint."""
        if stop:
            self._stopped("entry", views.here(self.recording) + "\n")
        else:
            self._move("continue", "step")

    def _stopped(self, reason: str, output: str) -> None:
        """Report a stop and its reason; references to variables of earlier stops become invalid."""
        self.wire.output(output)
        self.variables = Variables(self.recording)
        self.hit = self.console.hit
        details: Body = {}
        if self.hit:
            first = self.hit[0]
            reason = first.reason if isinstance(first, EditorBreakpoint) else "breakpoint"
            details = {"text": first.title, "description": first.title}
            details["hitBreakpointIds"] = [b.number for b in self.hit]
        self.wire.tell("stopped", reason=reason, threadId=THREAD, allThreadsStopped=True, **details)

    def _move(self, command: str, reason: str) -> None:
        output = self.console.answer(command)
        self._stopped("pause" if self.console.asked_to_stop() else reason, output)

    def will(self, command: str, reason: str = "step") -> None:
        """Run a command of the prompt after the request has been answered."""
        self._then = partial(self._move, command, reason)

    # -- moving

    def go_on(self, _: Arguments) -> Body:
        """Run to the next breakpoint or to the end; at the end, end the session."""
        if self.recording.position == len(self.recording):
            self._then = self.end
        else:
            self.will("continue")
        return {"allThreadsContinued": True}

    def step_out(self, _: Arguments) -> None:
        """Run to the next node that was made in another function call."""
        self._then = self._leave

    def _leave(self) -> None:
        about = self.recording.node.about
        call = about.line and about.line.function, about.callers
        position = self.recording.position
        while position < len(self.recording) and not self.console.asked_to_stop():
            position += 1
            about = self.recording.steps[position - 1].node.about
            if (about.line and about.line.function, about.callers) != call:
                break
        self._move(f"goto {position}", "step")

    def restart_frame(self, arguments: Arguments) -> None:
        """Go to the step of a frame's node."""
        self.will(f"goto {self.recording.positions.get(self._frame(arguments), 0)}", "goto")

    def goto_targets(self, arguments: Arguments) -> Body:
        """List the steps of the nodes that a line made."""
        file = known_path(self.recording, arguments["source"]["path"])
        line = arguments["line"] + 1 - self.first
        targets = [
            {"id": i, "label": f"{i}: {views.title(self.recording, step.node)}"}
            for i, step in enumerate(self.recording, 1)
            if (made := step.node.about.line) and (made.file, made.number) == (file, line)
        ]
        return {"targets": [target | {"line": arguments["line"]} for target in targets]}

    def goto(self, arguments: Arguments) -> None:
        """Go to one of the steps that were listed."""
        self.will(f"goto {arguments['targetId']}", "goto")

    # -- looking

    def threads(self, _: Arguments) -> Body:
        """Return the only thread, named by the position in the pass."""
        name = f"backward: {self.recording.position} of {len(self.recording)}"
        return {"threads": [{"id": THREAD, "name": name}]}

    def stack(self, arguments: Arguments) -> Body:
        """Return the path from here up to the loss."""
        start, levels = (max(0, arguments.get(key) or 0) for key in ("startFrame", "levels"))
        return frames_of(self.recording, self.recording.node, start, levels, self.first)

    def scopes(self, arguments: Arguments) -> Body:
        """Return the groups of variables of a frame's node."""
        return {"scopes": self.variables.scopes(self._frame(arguments))}

    def list_variables(self, arguments: Arguments) -> Body:
        """Return the variables below a reference."""
        children = self.variables.children(arguments["variablesReference"], part_of(arguments))
        return {"variables": children}

    def data_info(self, arguments: Arguments) -> Body:
        """Return which gradient a data breakpoint at a variable, or a name, would watch."""
        name, reference = arguments["name"], arguments.get("variablesReference")
        node = self.variables.find(reference, name).node if reference else self.recording.find(name)
        if node is None:
            return {"dataId": None, "description": f"{name} has no gradient to watch"}
        called = self.recording.call(node)
        description = f"changes to the gradient of {called}"
        return {"dataId": called, "description": description, "accessTypes": ["write"]}

    def exception(self, _: Arguments) -> Body:
        """Return which exception filter stopped the pass, and explain the gradients there."""
        node = self.recording.node
        title = ", ".join(b.title for b in self.hit) or "no exception"
        parents = dict.fromkeys(p for p in node.parents if isinstance(p, Node))
        whys = [str(self.recording.why(n)) for n in (node, *parents)]
        details = {"message": title, "stackTrace": "\n".join(whys)}
        return {
            "exceptionId": title,
            "description": views.here(self.recording),
            "breakMode": "always",
            "details": details,
        }

    # -- asking and changing

    def evaluate(self, arguments: Arguments) -> Body:
        """Run a command of the prompt, or show a node or the value of an expression."""
        text = arguments["expression"]
        if arguments.get("context", "repl") != "repl":
            return self._value_of(text, arguments)
        if "frameId" in arguments:
            self.console.selected = self._frame(arguments)
        before = self.recording, self.recording.position
        answer = self.console.answer(text)
        if (self.recording, self.recording.position) != before:
            self._then = partial(self._stopped, "goto", "")
        return {"result": answer.rstrip("\n"), "variablesReference": 0}

    def _value_of(self, text: str, arguments: Arguments) -> Body:
        node = self._frame(arguments) if "frameId" in arguments else self.recording.node
        step = self.recording.step_of(node) or Step(node, None, ())
        try:
            variable = self.variables.of_node(*self.console.element(text))
        except OptionError:
            names = breakpoints.names_at(self.recording, step)
            if arguments["context"] != "hover":  # under the mouse, a name may be a local one
                names = {**self.console.names, **names}
            variable = numbers_in(text, breakpoints.evaluate(text, names))
        shown = self.variables.to_json(variable)
        return {"result": shown["value"], "variablesReference": shown["variablesReference"]}

    def completions(self, arguments: Arguments) -> Body:
        """List completions for the debug console."""
        end = arguments["column"] - self.first
        return {"targets": self.console.completions(arguments["text"], end)}

    def set_variable(self, arguments: Arguments) -> Body:
        """Change a node's data and replay the pass, from the same position."""
        variable = self.variables.find(arguments["variablesReference"], arguments["name"])
        node, index = variable.node, variable.element
        if node is None:
            raise OptionError(
                f"{variable.name} is computed and cannot be set; set the data of a node"
            )
        before = self.recording
        now = before.data_of(node) if index is None else before.data_of(node)[index]
        then = self.console.note(node, index, arguments["value"], now)
        try:
            self.console.do_replay("")
        except Exception as error:  # whatever a rule raises
            before.set(node, None)
            if isinstance(error, TinygradPoolError):
                raise
            raise OptionError(with_notes(error)) from error
        finally:
            output = self.console.answer("")
        self._then = partial(self._stopped, "goto", output)
        return {"value": then, "variablesReference": 0}

    def _frame(self, arguments: Arguments) -> Node:
        number = int(arguments["frameId"])
        if not 0 < number <= len(self.recording.nodes):
            raise OptionError(f"there is no frame {number}")
        return self.recording.nodes[number - 1]
