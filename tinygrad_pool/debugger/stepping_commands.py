"""Commands that move along a pass, and commands that set breakpoints."""

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
from tinygrad_pool.formatting import on_a_line
from tinygrad_pool.recording import views
from tinygrad_pool.recording.origins import not_finite
from tinygrad_pool.recording.recording import Recording
from tinygrad_pool.recording.trace import Trace


class SteppingCommands(Prompt):
    """Commands that step, forwards and backwards, and breakpoints."""

    def __init__(
        self, passed: Recording, names: Mapping[str, Any] | None = None, **streams: Any
    ) -> None:
        super().__init__(passed, names, **streams)
        self.breaks: dict[int, Breakpoint] = {}
        self.met: list[Breakpoint] = []  # at the last stop
        self.numbers = count(1)
        self.asked_to_stop: Callable[[], bool] = lambda: False  # a prompt has Ctrl-C

    def do_node(self, argument: str) -> None:
        """node [N] or node NAME: take the next step, or N of them; or go on, as until NAME.

        One step is one node.
        """
        if self._is_name(argument):
            self.do_until(argument)
        else:
            self._seek(self.passed.position + natural(argument, "node"))

    def do_back(self, argument: str) -> None:
        """back [N]: undo a step, exactly, or N of them."""
        self._seek(self.passed.position - natural(argument, "back"))

    def do_continue(self, _: str) -> None:
        """continue: step on to the next breakpoint, or to the end."""
        self._run(self.passed.next, ())
        if self.breaks and not self.met and self.passed.position == len(self.passed):
            self.say("no breakpoint was met: this is the end")

    def do_run_back(self, _: str) -> None:
        """run-back: undo steps to the last breakpoint, or to the start."""
        self._run(self._undo, ())

    def do_until(self, argument: str) -> None:
        """until NAME or until LINE: step on to a node, a rule, or what a line of source made."""
        if not argument:
            raise OptionError("until: needs the name of a node or a rule, or a line of source")
        place = Breakpoint(argument, partial(breakpoints.at_place, place=self.called(argument)))
        place.arm(self.passed)
        self._run(self.passed.next, (place,))
        if not place.hits and self.passed.position == len(self.passed):
            self.say(f"{argument} was not met: this is the end")

    def do_goto(self, argument: str) -> None:
        """goto N or goto NAME: go to the place after N steps, or to a node's step; both ways."""
        if not argument:
            raise OptionError("goto: needs a number of steps, as in goto 3; p g shows the gradient")
        if self._is_name(argument):
            node = self._node(argument)
            n = self.passed.positions.get(node)
            if n is None:
                who = views.title(self.passed, node)
                raise OptionError(f"goto: {who} takes no step; until goes to where its grad grows")
        else:
            n = natural(argument, "goto", least=0)
        self.passed.seek(n)
        self.here()

    def do_finish(self, _: str) -> None:
        """finish: step on to the end, past all breakpoints."""
        self.passed.seek(len(self.passed))
        self.here()

    def do_restart(self, _: str) -> None:
        """restart: go back to before the first step. Breakpoints stay."""
        self.passed.seek(0)
        self.here()

    def do_quit(self, _: str) -> bool:
        """quit: leave. Gradients are as before; at the end of the pass, as it leaves them."""
        return True

    def _is_name(self, argument: str) -> bool:
        """Return whether an argument is no number but what a node or a rule is called."""
        if not argument or whole_number(argument) is not None:
            return False
        return self.called(argument) in self.completedefault("")

    def _seek(self, position: int) -> None:
        """Go to a position, at most to the end, and show where we are."""
        self.met = []
        self.passed.seek(min(max(0, position), len(self.passed)))
        self.here()

    def _undo(self) -> Step | None:
        self.passed.back()
        return self.passed.step

    def _run(self, move: Callable[[], Step | None], more: tuple[Breakpoint, ...]) -> None:
        """Move until a breakpoint stops, or to the end."""
        self.met = []
        while not self.asked_to_stop() and (step := move()) is not None:
            met = [b for b in (*more, *self.breaks.values()) if self._stops(b, step)]
            self.met = met
            for b in met:
                if b not in more:
                    self.say(f"breakpoint {b}")
                if b.watched:
                    nodes = self.passed.all_called(b.watched)
                    self.say(views.listed(self.passed, self.passed.changed(), nodes))
                if b.once:
                    self.breaks.pop(b.number, None)
            if met:
                break
        self.here()

    def _stops(self, b: Breakpoint, step: Step) -> bool:
        """Check a breakpoint; if its condition raises, stop and report it."""
        try:
            return b.stops(step)
        except OptionError as error:
            self.say(f"in breakpoint {b.number}, {error}")
            return True

    # -- stopping

    def do_break(self, argument: str) -> None:
        """break NAME [if EXPR] or break FILE:LINE: stop at a node, a rule, or what a line made.

        A node is named by its label, its variable, or op#number. EXPR may use g, the gradient that
        arrived, data, op, label and np: break mul if abs(g) > 1. Alone it lists what there is.
        """
        if self.breaks and not argument:
            self.say("\n".join(f"breakpoint {b}" for b in self.breaks.values()))
        else:
            self._break(argument, once=False)

    def do_tbreak(self, argument: str) -> None:
        """tbreak NAME [if EXPR]: as break, but stop once."""
        self._break(argument, once=True)

    def do_bnan(self, _: str) -> None:
        """bnan: stop where a NaN or an infinity arrives or is sent."""
        self._add("a NaN or an infinity", lambda _: breakpoints.at_numbers(not_finite))

    def do_bzero(self, _: str) -> None:
        """bzero: stop where something arrives and nothing but zeros is sent."""
        self._add("nothing sent", lambda _: breakpoints.stays)

    def do_bgrad(self, argument: str) -> None:
        """bgrad EXPR: stop where an expression of the gradient that arrived holds: abs(g) > 10."""
        if not argument:
            raise OptionError("bgrad: needs an expression of g, as in bgrad abs(g) > 10")
        breakpoints.check_condition(argument)
        self._add(argument, lambda _: partial(breakpoints.is_true, argument))

    def do_watch(self, argument: str) -> None:
        """watch NAME: stop where a node's gradient grows, and show old -> new."""
        if not argument:
            raise OptionError("watch: needs the name of a node, as in watch w12")
        name = self.called(argument)
        b = self._add(f"into {name}", partial(breakpoints.at_change, name=name))
        b.watched = name

    def do_condition(self, argument: str) -> None:
        """condition N [EXPR]: let breakpoint N stop only where EXPR holds; without EXPR always."""
        which, _, expression = argument.partition(" ")
        b = self._breakpoint(which, "condition 1 g > 0")
        if expression:
            breakpoints.check_condition(expression)
        b.condition = expression
        self.say(f"breakpoint {b}")

    def do_ignore(self, argument: str) -> None:
        """ignore N TIMES: skip breakpoint N that many times."""
        which, _, times = argument.partition(" ")
        b = self._breakpoint(which, "ignore 1 3")
        b.ignored = natural(times, "ignore", least=0)
        self.say(f"breakpoint {b}")

    def do_delete(self, argument: str) -> None:
        """delete [N]: forget breakpoint N, or all of them."""
        if argument:
            del self.breaks[self._breakpoint(argument, "delete 1").number]
        else:
            self.breaks.clear()

    def do_info(self, _: str) -> None:
        """info: list the breakpoints and what is set, and show where we are."""
        for b in self.breaks.values():
            self.say(f"breakpoint {b}")
        for name, data in self.passed.changes.items():
            self.say(f"set for the next replay: {name} = {on_a_line(data)}")
        if self.drawn:
            self.say(f"{self.drawn} follows each step; draw off ends that")
        of = "" if self.passed is self.recorded else " of a replay; revert leaves it"
        self.say(f"{self.passed.position} of {len(self.passed)} steps taken{of}")

    def _break(self, argument: str, once: bool) -> None:
        name, condition = self._parted(argument, " if ")
        if not condition:
            name, condition = self._parted(name, ",")  # as in pdb
        if name.endswith(" if"):
            raise OptionError("break: needs an expression after if, as in break z1 if g > 0")
        if not name:
            raise OptionError("break: needs the name of a node or a rule, or a line of source")
        if condition:
            breakpoints.check_condition(condition)
        name = self.called(name)
        self._add(name, partial(breakpoints.at_place, place=name), once, condition)

    def _add(
        self, what: str, test: Callable[[Trace], Test], once: bool = False, condition: str = ""
    ) -> Breakpoint:
        b = Breakpoint(what, test, once)
        b.condition = condition
        self.put(b)
        self.say(f"breakpoint {b}")
        return b

    def put(self, b: Breakpoint) -> None:
        """Let a breakpoint stop here, under a number. Raises OptionError if there is no place."""
        b.arm(self.passed)
        b.number = next(self.numbers)
        self.breaks[b.number] = b

    def _breakpoint(self, which: str, example: str) -> Breakpoint:
        if not which:
            command, *_ = example.split()
            raise OptionError(f"{command}: needs the number of a breakpoint, as in {example}")
        found = self.breaks.get(whole_number(which) or 0)
        if found is None:
            listed = ", ".join(map(str, self.breaks)) or "none"
            raise OptionError(f"there is no breakpoint {which!r}; existing breakpoints: {listed}")
        return found


def natural(argument: str, command: str, least: int = 1) -> int:
    """Read a count, by default 1. Raises OptionError for anything else."""
    n = 1 if least == 1 and not argument else whole_number(argument)
    if n is None or n < least:
        raise OptionError(f"{command}: needs a whole number from {least}, got {argument!r}")
    return n
