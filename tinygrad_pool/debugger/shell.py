"""The backward debugger: a prompt at which a pass is walked, node by node, in both directions."""

from __future__ import annotations

import cmd
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_pool.debugger import breakpoints, looking
from tinygrad_pool.debugger.breakpoints import Breakpoint, Test
from tinygrad_pool.debugger.recording import Recording, record
from tinygrad_pool.debugger.source import listing
from tinygrad_pool.engine import Value
from tinygrad_pool.errors import OptionError, TinygradPoolError, ToolError
from tinygrad_pool.graph import Step
from tinygrad_pool.node import Node

SHORT = {
    "n": "node",
    "b": "break",
    "c": "continue",
    "rb": "run_back",
    "run-back": "run_back",
    "u": "until",
    "g": "goto",
    "w": "where",
    "s": "show",
    "l": "list",
    "y": "why",
    "q": "quit",
    "?": "help",
    "EOF": "quit",
}


class Shell(cmd.Cmd):
    """Commands over a Recording. Each answers in text, and none loses the place."""

    prompt = "(backward) "
    doc_header = "Commands (help COMMAND tells more)"

    def __init__(self, passed: Recording, **streams: Any) -> None:
        super().__init__(**streams)
        self.use_rawinput = not streams.get("stdin")
        self.passed = passed
        self.breaks: dict[int, Breakpoint] = {}

    # -- how commands are read

    def precmd(self, line: str) -> str:
        """Let short names stand for long ones."""
        word, _, rest = line.strip().partition(" ")
        return f"{SHORT.get(word, word)} {rest}".strip()

    def onecmd(self, line: str) -> bool:
        """Run a command; a mistake is answered in one line."""
        try:
            return bool(super().onecmd(line))
        except TinygradPoolError as error:
            self.say(str(error))
        return False

    def emptyline(self) -> bool:
        """Do nothing for an empty line."""
        return False

    def default(self, line: str) -> None:
        """Answer to what is no command."""
        self.say(f"there is no command {line.split(maxsplit=1)[0]!r}; help lists them")

    def completenames(self, text: str, *_: Any) -> list[str]:
        """Complete commands."""
        return [name.replace("_", "-") for name in super().completenames(text)]

    def completedefault(self, text: str, *_: Any) -> list[str]:
        """Complete names of nodes."""
        return [name for name in self.passed.known() if name.startswith(text)]

    def say(self, text: str) -> None:
        """Write an answer."""
        self.stdout.write(f"{text}\n")

    # -- moving

    def do_node(self, argument: str) -> None:
        """node [N]: take the next step, or N of them. One step is one node."""
        for _ in range(_natural(argument, "node")):
            if self.passed.next() is None:
                break
        self.here()

    def do_back(self, argument: str) -> None:
        """back [N]: undo a step, exactly, or N of them."""
        for _ in range(_natural(argument, "back")):
            self.passed.back()
        self.here()

    def do_continue(self, _: str) -> None:
        """continue: step on to the next breakpoint, or to the end."""
        self._run(self.passed.next, ())

    def do_run_back(self, _: str) -> None:
        """run-back: undo steps to the last breakpoint, or to the start."""
        self._run(self._undo, ())

    def do_until(self, argument: str) -> None:
        """until NAME or until LINE: step on to a node, a rule, or what a line of source made."""
        if not argument:
            raise OptionError("until: needs the name of a node or a rule, or a line of source")
        holds = breakpoints.at_place(self.passed, argument)
        self._run(self.passed.next, (Breakpoint(argument, holds),))

    def do_goto(self, argument: str) -> None:
        """goto N: go to the place after N steps, forwards or backwards."""
        self.passed.seek(_natural(argument, "goto", least=0))
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
        """quit: leave. Gradients stay as they are at this place."""
        return True

    def _undo(self) -> Step | None:
        self.passed.back()
        return self.passed.step

    def _run(self, move: Callable[[], Step | None], more: tuple[Breakpoint, ...]) -> None:
        """Move until a breakpoint stops, or the end is there."""
        while (step := move()) is not None:
            met = [b for b in (*more, *self.breaks.values()) if b.stops(step)]
            for b in met:
                if b not in more:
                    self.say(f"breakpoint {b}")
                if b.once:
                    self.breaks.pop(b.number, None)
            if met:
                break
        self.here()

    # -- stopping

    def do_break(self, argument: str) -> None:
        """break NAME [if EXPR] or break FILE:LINE: stop at a node, a rule, or what a line made.

        A node is named by its label, its variable, or op#number. EXPR may use g, the gradient that
        arrived, data, op, label and np: break mul if abs(g) > 1
        """
        self._break(argument, once=False)

    def do_tbreak(self, argument: str) -> None:
        """tbreak NAME [if EXPR]: as break, but stop once."""
        self._break(argument, once=True)

    def do_bnan(self, _: str) -> None:
        """bnan: stop where a NaN or an infinity arrives or is sent."""
        self._add("a NaN or an infinity", breakpoints.at_nan())

    def do_bzero(self, _: str) -> None:
        """bzero: stop where something arrives and nothing but zeros is sent."""
        self._add("nothing sent", breakpoints.at_zero())

    def do_bgrad(self, argument: str) -> None:
        """bgrad EXPR: stop where an expression of the gradient that arrived holds: abs(g) > 10."""
        if not argument:
            raise OptionError("bgrad: needs an expression of g, as in bgrad abs(g) > 10")
        self._add(argument, breakpoints.at_gradient(argument))

    def do_watch(self, argument: str) -> None:
        """watch NAME: stop at each accumulation into a node's gradient."""
        self._add(f"into {argument}", breakpoints.at_change(self.passed, argument))

    def do_condition(self, argument: str) -> None:
        """condition N [EXPR]: let breakpoint N stop only where EXPR holds; without EXPR always."""
        which, _, expression = argument.partition(" ")
        if expression:
            breakpoints.evaluate(expression, None)
        self._breakpoint(which).condition = expression

    def do_ignore(self, argument: str) -> None:
        """ignore N TIMES: pass by breakpoint N that many times."""
        which, _, times = argument.partition(" ")
        b = self._breakpoint(which)
        b.ignored, b.hits = _natural(times, "ignore", least=0), 0

    def do_delete(self, argument: str) -> None:
        """delete [N]: forget breakpoint N, or all of them."""
        if argument:
            del self.breaks[self._breakpoint(argument).number]
        else:
            self.breaks.clear()

    def do_info(self, _: str) -> None:
        """info: list the breakpoints, and say where we are."""
        for b in self.breaks.values():
            self.say(f"breakpoint {b}")
        self.say(f"{self.passed.position} of {len(self.passed)} steps taken")

    def _break(self, argument: str, once: bool) -> None:
        name, _, condition = (part.strip() for part in argument.partition(" if "))
        if not name:
            raise OptionError("break: needs the name of a node or a rule, or a line of source")
        if condition:
            breakpoints.evaluate(condition, None)
        self._add(name, breakpoints.at_place(self.passed, name), once, condition)

    def _add(self, what: str, holds: Test, once: bool = False, condition: str = "") -> None:
        b = Breakpoint(what, holds, once)
        b.condition = condition
        self.breaks[b.number] = b
        self.say(f"breakpoint {b}")

    def _breakpoint(self, which: str) -> Breakpoint:
        found = self.breaks.get(int(which)) if which.isdecimal() else None
        if found is None:
            listed = ", ".join(map(str, self.breaks)) or "none"
            raise OptionError(f"no breakpoint {which!r}; there is {listed}")
        return found

    # -- looking

    def do_where(self, _: str) -> None:
        """where: show a path from the loss to here, with what arrived at each node."""
        self.say(looking.where(self.passed))

    def do_show(self, argument: str) -> None:
        """show [NAME]: show a node's data and gradient, its operands, and what it sends them."""
        self.say(looking.show(self.passed, self._node(argument)))

    def do_contrib(self, argument: str) -> None:
        """contrib [NAME]: list what a step made of each operand's gradient, old -> new."""
        self.say(looking.contributions(self.passed, self._node(argument)))

    def do_jac(self, argument: str) -> None:
        """jac [NAME]: show the local derivatives of a node by its operands: its weights."""
        self.say(looking.local_derivatives(self.passed, self._node(argument)))

    def do_why(self, argument: str) -> None:
        """why [NAME] or why NAME[i, j]: explain a gradient, and why it is zero, NaN or infinite."""
        node, index = self._element(argument)
        self.say(str(self.passed.why(node, index)))

    def do_paths(self, argument: str) -> None:
        """paths NAME or paths NAME[i, j]: write out the chain rule, a product for every path."""
        from tinygrad_pool.debugger.chain import derive

        node, index = self._element(argument)
        self.say(str(derive(self.passed.loss, node, index, names=self.passed.variables)))  # type: ignore[arg-type]

    def do_list(self, argument: str) -> None:
        """list [NAME]: show your source around the line that made the node of this step."""
        line = self._node(argument).about.line
        if line is None:
            self.say("lines are known only of graphs that are built under tg.traced(); the steps:")
            self.do_steps("")
        else:
            self.say(listing(line, coloured=self.stdout.isatty()))

    def do_steps(self, _: str) -> None:
        """steps: list the steps around here."""
        self.say(looking.steps(self.passed))

    def do_draw(self, argument: str) -> None:
        """draw [FILE]: draw the graph as it is here, this step lit, to a file (backward.svg)."""
        from tinygrad_pool.drawing import draw, render

        words = shlex.split(argument) or ["backward.svg"]
        step = self.passed.step
        lit = [step.node] if step else []
        graph = draw(self.passed.loss, highlight=lit, names=self.passed.variables)  # type: ignore[arg-type]
        self.say(f"{render(graph, words[0])} shows the graph after {self.passed.position} steps")

    def do_pdb(self, argument: str) -> None:
        """pdb [NAME]: enter a node's closure in Python's own debugger, with what arrived there."""
        import pdb

        node = self._node(argument)
        step = self.passed.step_of(node)
        if step is None or node._closure is None:
            raise OptionError(
                f"pdb: {looking.title(self.passed, node)} has no step, and so no closure to enter"
            )
        tracer = sys.gettrace()
        try:
            pdb.Pdb(stdin=self.stdin, stdout=self.stdout).runcall(node._closure, step.upstream)
        finally:
            sys.settrace(tracer)  # pragma: no cover  # pdb's continue dropped it: nobody sees this

    def here(self) -> None:
        """Say where we are."""
        self.say(looking.here(self.passed))

    def _element(self, argument: str) -> tuple[Node, tuple[int, ...] | None]:
        """Read NAME or NAME[i, j]; without a name it is the node of this step."""
        name, _, place = argument.rstrip("]").partition("[")
        if not place:
            return self._node(name.strip()), None
        try:
            return self._node(name.strip()), tuple(int(part) for part in place.split(","))
        except ValueError as error:
            if isinstance(error, TinygradPoolError):
                raise
            raise OptionError(f"[{place}] is no index, as [0, 2] is one") from None

    def _node(self, name: str) -> Node:
        """Find the node that is asked for, by default the one of this step."""
        if name:
            return self.passed.find(name)
        return self.passed.loss if self.passed.step is None else self.passed.step.node


def debug(
    loss: Value,
    gradient: Any = None,
    *,
    names: Mapping[str, Any] | None = None,
    commands: str = "",
) -> None:
    """Step through a backward pass at a prompt, forwards and backwards, one node at a time.

    `node` takes a step, `back` undoes one, `why NAME` explains a gradient, `help` lists the rest.
    `names=locals()` calls Values by their variables. `commands` are run first, one a line or
    separated by `;`; without a terminal they are all that is run.

    Raises as `Value.backward` does; ToolError without a terminal and without commands.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> debug((a * b).relu(), commands="node; why a; back")
    1 of 2: relu#3 gets 1
      sends 0 to mul#2, whose grad is 0 now
    grad of a is 0 = 0
      from mul#2: 0 × −3 = 0   nothing arrived there
      because mul#2 gets nothing from relu#3: the relu is off: its input is −6
    before the first of 2 steps; node takes it
    """
    if not commands and not sys.stdin.isatty():
        raise ToolError(
            "debug: needs a terminal to ask at; commands='node; why a' runs some without one, "
            "and tg.record(loss) is the same for a program"
        )
    shell = Shell(record(loss, gradient, names=names), stdout=sys.stdout)
    for line in commands.replace("\n", ";").split(";"):
        if line.strip() and shell.onecmd(shell.precmd(line)):
            return
    if sys.stdin.isatty():
        shell.cmdloop(f"{len(shell.passed)} steps from {shell.passed.call(loss)}; help, quit")


def _natural(argument: str, command: str, least: int = 1) -> int:
    if not argument and least == 1:
        return 1
    if not argument.isdecimal() or int(argument) < least:
        raise OptionError(f"{command}: needs a whole number from {least}, got {argument!r}")
    return int(argument)
