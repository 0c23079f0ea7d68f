"""Commands that move through a pass, and commands that set breakpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.breakpoints import Breakpoint, Test, whole_number
from tinygrad_pool.debugger.prompt import Prompt
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import counted, on_a_line
from tinygrad_pool.recording import views
from tinygrad_pool.recording.origins import not_finite
from tinygrad_pool.recording.recording import Recording
from tinygrad_pool.recording.trace import Trace


class SteppingCommands(Prompt):
    """A prompt with commands that step, forwards and backwards, and with breakpoints."""

    def __init__(
        self, recording: Recording, names: Mapping[str, Any] | None = None, **streams: Any
    ) -> None:
        super().__init__(recording, names, **streams)
        self.breaks: dict[int, Breakpoint] = {}
        self.hit: list[Breakpoint] = []  # at the last stop
        self.numbers = count(1)
        self.asked_to_stop: Callable[[], bool] = lambda: False  # a prompt has Ctrl-C

    def do_node(self, argument: str) -> None:
        """node [N] or node NAME: take the next step, or N steps; with a NAME, run until that node.

        One step is the backward closure of one node.
        """
        if self._is_name(argument):
            self.do_until(argument)
        else:
            self._seek(self.recording.position + natural(argument, "node"))

    def do_back(self, argument: str) -> None:
        """back [N]: undo the last step, or the last N steps."""
        self._seek(self.recording.position - natural(argument, "back"))

    def do_continue(self, _: str) -> None:
        """continue: run to the next breakpoint, or to the end."""
        self._run(self.recording.next, ())
        if self.breaks and not self.hit and self.recording.position == len(self.recording):
            self.say("stopped at no breakpoint: this is the end of the pass")

    def do_run_back(self, _: str) -> None:
        """run-back: run backwards to the previous breakpoint, or to the start."""
        self._run(self._undo, ())

    def do_until(self, argument: str) -> None:
        """until NAME or until LINE: run to a node, a rule, a layer, or a line of source."""
        if not argument:
            raise OptionError("until: needs the name of a node or a rule, or a line of source")
        place = Breakpoint(argument, partial(breakpoints.at_place, place=self.called(argument)))
        place.arm(self.recording)
        self._run(self.recording.next, (place,))
        if not place.hits and self.recording.position == len(self.recording):
            self.say(f"{argument} was not reached: this is the end of the pass")

    def do_goto(self, argument: str) -> None:
        """goto N or goto NAME: go to step N or to a node's step, forwards or backwards."""
        if not argument:
            raise OptionError("goto: needs a step, as in goto 3; p g shows the gradient")
        if self._is_name(argument):
            node = self._node(argument)
            n = self.recording.positions.get(node)
            if n is None:
                self.recording.all_called(argument)  # raises an error for a Value outside the graph
                raise OptionError(
                    f"goto: {views.title(self.recording, node)} has no step of its own; until "
                    f"{argument} runs to the step that adds to its grad"
                )
        else:
            n = natural(argument, "goto", least=0)
            if n > (last := len(self.recording)):
                raise OptionError(f"goto: needs a step from 0 to {last}, got {argument!r}")
        self._seek(n)

    def do_finish(self, _: str) -> None:
        """finish: run to the end, ignoring breakpoints."""
        self._seek(len(self.recording))

    def do_restart(self, _: str) -> None:
        """restart: go back to before the first step. Breakpoints are kept."""
        self._seek(0)

    def do_quit(self, _: str) -> bool:
        """quit: leave. Unless the pass is at its end, every gradient is restored."""
        return True

    def _is_name(self, argument: str) -> bool:
        """Return whether an argument is a name, known or not, and not a number."""
        if not argument or whole_number(argument) is not None:
            return False
        return argument.isidentifier() or self.called(argument) in self.completedefault("")

    def _seek(self, position: int) -> None:
        """Go to a position, or to the nearest end, and show the step."""
        self.hit = []
        self.recording.seek(min(max(0, position), len(self.recording)))
        self.here()

    def _undo(self) -> Step | None:
        self.recording.back()
        return self.recording.step

    def _run(self, move: Callable[[], Step | None], more: tuple[Breakpoint, ...]) -> None:
        """Move to the next breakpoint, or to the end."""
        self.hit = []
        while not (self.hit or self.asked_to_stop()) and (step := move()) is not None:
            self.hit = [b for b in (*more, *self.breaks.values()) if self._stops(b, step)]
            for b in self.hit:
                if b not in more:
                    self.say(f"breakpoint {b}")
                if b.watched:
                    nodes = self.recording.all_called(b.watched)
                    self.say(views.listed(self.recording, self.recording.changed(), nodes))
                if b.once:
                    self.breaks.pop(b.number, None)
        self.here()

    def _stops(self, b: Breakpoint, step: Step) -> bool:
        """Check a breakpoint; stop and report it if its condition raises an error."""
        try:
            return b.stops(step)
        except OptionError as error:
            self.say(f"in breakpoint {b.number}, {error}")
            return True

    # -- stopping

    def do_break(self, argument: str) -> None:
        """break NAME [if EXPR] or break FILE:LINE: stop at a node, a rule, a layer or a line.

        A node is named by its label, its variable, or op#number. EXPR may use g (the gradient that
        arrived), data, op, label and np: break mul if abs(g) > 1. Alone, break lists breakpoints.
        """
        if self.breaks and not argument:
            self.say("\n".join(f"breakpoint {b}" for b in self.breaks.values()))
        else:
            self._break(argument, once=False)

    def do_tbreak(self, argument: str) -> None:
        """tbreak NAME [if EXPR]: like break, but stop only once."""
        self._break(argument, once=True)

    def do_bnan(self, _: str) -> None:
        """bnan: stop where a NaN or an infinity arrives or is sent."""
        self._add("a NaN or an infinity", lambda _: breakpoints.at_numbers(not_finite))

    def do_bzero(self, _: str) -> None:
        """bzero: stop where a gradient arrives but only zeros are sent on."""
        self._add("only zeros sent", lambda _: breakpoints.sends_only_zeros)

    def do_bgrad(self, argument: str) -> None:
        """bgrad EXPR: stop where a condition on the arriving gradient g is true: abs(g) > 10."""
        if not argument:
            raise OptionError("bgrad: needs a condition on g, as in bgrad abs(g) > 10")
        breakpoints.check_condition(argument)
        self._add(argument, lambda _: partial(breakpoints.is_true, argument))

    def do_watch(self, argument: str) -> None:
        """watch NAME: stop where something is added to a node's gradient; show old -> new."""
        if not argument:
            raise OptionError("watch: needs the name of a node, as in watch w12")
        name = self.called(argument)
        b = self._add(f"gradient of {name}", partial(breakpoints.at_change, name=name))
        b.watched = name

    def do_condition(self, argument: str) -> None:
        """condition N [EXPR]: stop at breakpoint N only if EXPR is true; without EXPR, always."""
        which, _, expression = argument.partition(" ")
        b = self._breakpoint(which, "condition 1 g > 0")
        if expression:
            breakpoints.check_condition(expression)
        b.condition = expression
        self.say(f"breakpoint {b}")

    def do_ignore(self, argument: str) -> None:
        """ignore N TIMES: ignore the next TIMES hits of breakpoint N."""
        which, _, times = argument.partition(" ")
        b = self._breakpoint(which, "ignore 1 3")
        b.ignored = natural(times, "ignore", least=0)
        self.say(f"breakpoint {b}")

    def do_delete(self, argument: str) -> None:
        """delete [N]: delete breakpoint N, or all breakpoints."""
        if argument:
            del self.breaks[self._breakpoint(argument, "delete 1").number]
        else:
            self.breaks.clear()

    def do_info(self, _: str) -> None:
        """info: list breakpoints and changed data, and show the position."""
        for b in self.breaks.values():
            self.say(f"breakpoint {b}")
        for name, data in self.recording.changes.items():
            self.say(f"set for the next replay: {name} = {on_a_line(data)}")
        if self.drawn:
            self.say(f"{self.drawn} is updated at each step; draw off stops that")
        replay = "" if self.recording is self.recorded else " in a replay; revert leaves it"
        steps = counted(len(self.recording), "step")
        self.say(f"{self.recording.position} of {steps} taken{replay}")

    def _break(self, argument: str, once: bool) -> None:
        name, condition = self._split_at(argument, " if ")
        if not condition:
            name, condition = self._split_at(name, ",")  # as in pdb
        if name.endswith(" if"):
            raise OptionError("break: needs an expression after if, as in break z1 if g > 0")
        if not name:
            raise OptionError("break: needs the name of a node or a rule, or a line of source")
        if condition:
            breakpoints.check_condition(condition)
        name = self.called(name)
        self._add(name, partial(breakpoints.at_place, place=name), once, condition)

    def _add(
        self, title: str, test: Callable[[Trace], Test], once: bool = False, condition: str = ""
    ) -> Breakpoint:
        b = Breakpoint(title, test, once)
        b.condition = condition
        self.put(b)
        self.say(f"breakpoint {b}")
        return b

    def put(self, b: Breakpoint) -> None:
        """Number a breakpoint and add it. Raises OptionError if it matches nothing."""
        b.arm(self.recording)
        b.number = next(self.numbers)
        self.breaks[b.number] = b

    def _breakpoint(self, which: str, example: str) -> Breakpoint:
        if not which:
            command, *_ = example.split()
            raise OptionError(f"{command}: needs the number of a breakpoint, as in {example}")
        b = self.breaks.get(whole_number(which) or 0)
        if b is None:
            listed = ", ".join(map(str, self.breaks)) or "none"
            raise OptionError(f"there is no breakpoint {which!r}; existing breakpoints: {listed}")
        return b


def natural(argument: str, command: str, least: int = 1) -> int:
    """Read an integer; the default is 1 if 1 is the least. Raises OptionError otherwise."""
    n = 1 if least == 1 and not argument else whole_number(argument)
    if n is None or n < least:
        raise OptionError(f"{command}: needs an integer, {least} or more, got {argument!r}")
    return n
