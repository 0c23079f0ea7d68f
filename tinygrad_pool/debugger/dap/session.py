"""What an editor asks of a recorded pass: to move, to stop, to show and to change."""

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
from tinygrad_pool.debugger.prompt import SHORT, commands_in
from tinygrad_pool.debugger.shell import Shell
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError, TinygradPoolError
from tinygrad_pool.recording import views
from tinygrad_pool.recording.recording import Recording

THREAD = 1

MOST = 200
"""The most completions that are offered."""


class Console(Shell):
    """The prompt of a pass, whose answers are returned."""

    def __init__(
        self, passed: Recording, names: Mapping[str, Any], asked_to_stop: Callable[[], bool]
    ) -> None:
        self.written = io.StringIO()
        super().__init__(passed, names, stdin=io.StringIO(), stdout=self.written)
        self.asked_to_stop = asked_to_stop
        self.left = False

    def do_pdb(self, _: str) -> None:
        """Pdb NAME: enter a node's closure in Python's own debugger, at a terminal."""
        raise OptionError("pdb asks at a terminal: tinygrad-pool debug SCRIPT.py, then pdb NAME")

    def answer(self, text: str) -> str:
        """Run commands, and return what they said."""
        self.met = []
        for line in commands_in(text):
            if self.onecmd(self.precmd(line)):
                self.left = True
                break
        said = self.written.getvalue()
        self.written.seek(0)
        self.written.truncate()
        return said

    def completions(self, text: str, end: int) -> list[dict[str, Any]]:
        """List what can stand before a column of a line: commands, or names of nodes."""
        before = text[:end]
        word = re.split(r"[ \t\n=\[]", before)[-1]
        begun = before[: len(before) - len(word)].strip()
        if begun:
            command = SHORT.get(begun.split()[0], begun.split()[0])
            complete = getattr(self, f"complete_{command}", self.completedefault)
            names = complete(word, before, len(before) - len(word), len(before))
        else:
            names = self.completenames(word)
        start = len(before) - len(word)
        return [{"label": name, "start": start, "length": len(word)} for name in names[:MOST]]


class Session:
    """A pass that an editor walks. A request is answered first; then comes what it sets off."""

    def __init__(
        self,
        passed: Recording,
        names: Mapping[str, Any],
        wire: Wire,
        first: int,
        asked_to_stop: Callable[[], bool],
    ) -> None:
        self.wire, self.first = wire, first
        self.console = Console(passed, names, asked_to_stop)
        self.stops = Stops(self.console, first, lambda line: self.wire.output(f"{line}\n"))
        self._then: Callable[[], None] | None = None
        passed.seek(min(1, len(passed)))  # sums and names are made now, not at the first step
        views.contributions(passed, passed.node)
        views.where(passed)
        passed.seek(0)
        self.variables = Variables(passed)
        self.met: list[Breakpoint] = []
        self.over = False

    @property
    def passed(self) -> Recording:
        """The pass that is walked: the recorded one, or a replay of it."""
        return self.console.passed

    def follow(self) -> None:
        """Do what the last request set off, now that it is answered."""
        then, self._then = self._then, None
        if then is not None:
            then()
        if self.console.left:
            self.end()

    def end(self) -> None:
        """Send the events that end a session, once."""
        if not self.over:
            self.over = True
            self.wire.tell("exited", exitCode=0)
            self.wire.tell("terminated")

    def enter(self, stop: bool) -> None:
        """Begin before the first step: stop there, or run to the first breakpoint."""
        if stop:
            self._stopped("entry", views.here(self.passed) + "\n")
        else:
            self._move("continue", "step")

    def _stopped(self, reason: str, said: str) -> None:
        """Report a stop and its reason, and forget what was shown before it."""
        self.wire.output(said)
        self.variables = Variables(self.passed)
        self.met = self.console.met
        why: Body = {}
        if self.met:
            first = self.met[0]
            reason = first.reason if isinstance(first, EditorBreakpoint) else "breakpoint"
            why = {"text": first.what, "description": first.what}
            why["hitBreakpointIds"] = [b.number for b in self.met]
        self.wire.tell("stopped", reason=reason, threadId=THREAD, allThreadsStopped=True, **why)

    def _move(self, command: str, reason: str) -> None:
        said = self.console.answer(command)
        self._stopped("pause" if self.console.asked_to_stop() else reason, said)

    def will(self, command: str, reason: str = "step") -> None:
        """Run a command of the prompt when the request is answered."""
        self._then = partial(self._move, command, reason)

    # -- moving

    def go_on(self, _: Arguments) -> Body:
        """Run to the next breakpoint, or to the end; from there, end."""
        if self.passed.position == len(self.passed):
            self._then = self.end
        else:
            self.will("continue")
        return {"allThreadsContinued": True}

    def step_out(self, _: Arguments) -> None:
        """Go on to the next node that another call of a function made."""
        self._then = self._leave

    def _leave(self) -> None:
        about = self.passed.node.about
        call = about.line and about.line.function, about.callers
        position = self.passed.position
        while position < len(self.passed) and not self.console.asked_to_stop():
            position += 1
            made = self.passed.steps[position - 1].node.about
            if (made.line and made.line.function, made.callers) != call:
                break
        self._move(f"goto {position}", "step")

    def restart_frame(self, arguments: Arguments) -> None:
        """Go to the step of a frame's node."""
        self.will(f"goto {self.passed.positions.get(self._frame(arguments), 0)}", "goto")

    def goto_targets(self, arguments: Arguments) -> Body:
        """List the steps of what a line made."""
        file = known_path(self.passed, arguments["source"]["path"])
        line = arguments["line"] + 1 - self.first
        targets = [
            {"id": i, "label": f"{i}: {views.title(self.passed, step.node)}"}
            for i, step in enumerate(self.passed, 1)
            if (made := step.node.about.line) and (made.file, made.number) == (file, line)
        ]
        return {"targets": [target | {"line": arguments["line"]} for target in targets]}

    def goto(self, arguments: Arguments) -> None:
        """Go to one of the steps that were listed."""
        self.will(f"goto {arguments['targetId']}", "goto")

    # -- looking

    def threads(self, _: Arguments) -> Body:
        """Name the one thread for the place in the pass."""
        name = f"backward: {self.passed.position} of {len(self.passed)}"
        return {"threads": [{"id": THREAD, "name": name}]}

    def stack(self, arguments: Arguments) -> Body:
        """Return the path from here up to the loss."""
        start, levels = (max(0, arguments.get(key) or 0) for key in ("startFrame", "levels"))
        return frames_of(self.passed, self.passed.node, start, levels, self.first)

    def scopes(self, arguments: Arguments) -> Body:
        """Return what there is to see of a frame's node."""
        return {"scopes": self.variables.scopes(self._frame(arguments))}

    def list_variables(self, arguments: Arguments) -> Body:
        """Return the variables below a reference."""
        if arguments.get("filter") == "named" and "count" not in arguments:
            arguments = {"variablesReference": arguments["variablesReference"]}
        found = self.variables.children(arguments["variablesReference"], part_of(arguments))
        return {"variables": found}

    def data_info(self, arguments: Arguments) -> Body:
        """Return which gradient to watch at a variable, or at a name."""
        name, reference = arguments["name"], arguments.get("variablesReference")
        node = self.variables.find(reference, name).node if reference else self.passed.find(name)
        if node is None:
            return {"dataId": None, "description": f"{name} has no gradient to watch"}
        called = self.passed.call(node)
        told = f"what is added to the gradient of {called}"
        return {"dataId": called, "description": told, "accessTypes": ["write"]}

    def exception(self, _: Arguments) -> Body:
        """Return what made an exception, and why."""
        node = self.passed.node
        met = ", ".join(b.what for b in self.met) or "no exception"
        parents = dict.fromkeys(p for p in node.parents if isinstance(p, Node))
        whys = [str(self.passed.why(n)) for n in (node, *parents)]
        details = {"message": met, "stackTrace": "\n".join(whys)}
        return {
            "exceptionId": met,
            "description": views.here(self.passed),
            "breakMode": "always",
            "details": details,
        }

    # -- asking and changing

    def evaluate(self, arguments: Arguments) -> Body:
        """Run a command of the prompt, or show a node or an expression of what is known here."""
        text = arguments["expression"]
        if arguments.get("context", "repl") != "repl":
            return self._value_of(text, arguments)
        if "frameId" in arguments:
            self.console.selected = self._frame(arguments)
        before = self.passed, self.passed.position
        said = self.console.answer(text)
        if (self.passed, self.passed.position) != before:
            self._then = partial(self._stopped, "goto", "")
        return {"result": said.rstrip("\n"), "variablesReference": 0}

    def _value_of(self, text: str, arguments: Arguments) -> Body:
        node = self._frame(arguments) if "frameId" in arguments else self.passed.node
        step = self.passed.step_of(node) or Step(node, None, ())
        try:
            found = self.variables.of_node(*self.console.element(text))
        except OptionError:
            known = breakpoints.names_at(self.passed, step)
            if arguments["context"] != "hover":  # at the mouse, a name may be a function's own
                known = {**self.console.names, **known}
            x = breakpoints.evaluate(text, known)
            found = numbers_in(text, x)
        told = self.variables.shown(found)
        return {"result": told["value"], "variablesReference": told["variablesReference"]}

    def completions(self, arguments: Arguments) -> Body:
        """List what can be typed in the debug console."""
        end = arguments["column"] - self.first
        return {"targets": self.console.completions(arguments["text"], end)}

    def set_variable(self, arguments: Arguments) -> Body:
        """Give a node other data and replay the pass, from the same place."""
        found = self.variables.find(arguments["variablesReference"], arguments["name"])
        node = found.node
        if node is None:
            raise OptionError(f"{found.name} is computed and cannot be set; set the data of a node")
        before = self.passed
        now = before.data_of(node) if found.place is None else before.data_of(node)[found.place]
        then = self.console.note(node, found.place, arguments["value"], now)
        try:
            self.console.do_replay("")
        except Exception as error:  # whatever a rule raises
            before.set(node, None)
            if isinstance(error, TinygradPoolError):
                raise
            told = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
            raise OptionError(told) from error
        finally:
            said = self.console.answer("")
        self._then = partial(self._stopped, "goto", said)
        return {"value": then, "variablesReference": 0}

    def _frame(self, arguments: Arguments) -> Node:
        number = int(arguments["frameId"])
        if not 0 < number <= len(self.passed.nodes):
            raise OptionError(f"there is no frame {number}")
        return self.passed.nodes[number - 1]
