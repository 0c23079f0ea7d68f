"""The backward debugger: a prompt to walk a pass node by node, in both directions."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.closure_pdb import ClosurePdb, Stop, debug_in_pdb, says
from tinygrad_pool.debugger.colours import coloured, wants_colours
from tinygrad_pool.debugger.prompt import (
    can_ask,
    commands_in,
    completing,
    draw_step,
    in_a_line,
    split,
)
from tinygrad_pool.debugger.stepping_commands import SteppingCommands, natural
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ToolError
from tinygrad_pool.files import check_folder, kind_of, write_whole
from tinygrad_pool.formatting import counted, is_large, on_a_line, several
from tinygrad_pool.recording import views
from tinygrad_pool.recording.difference import compare_passes
from tinygrad_pool.recording.freshness import before_a_pass
from tinygrad_pool.recording.naming import place_in
from tinygrad_pool.recording.recording import Recording, record
from tinygrad_pool.recording.source import listing
from tinygrad_pool.rules.arguments import flag

LISTED = 300
"""The most numbers of an array that print shows; of more, those at its ends."""


class Shell(SteppingCommands):
    """All commands: those that step, those that look around, and those that ask what if."""

    # -- looking

    def do_where(self, _: str) -> None:
        """where: show the way from the loss to here, and what arrived."""
        self.say(views.where(self.passed))

    def do_up(self, argument: str) -> None:
        """up [N]: select the node above, where the gradient came from; or the Nth above.

        show, why and print mean it.
        """
        self._select(-natural(argument, "up"), "the loss: nothing is above it")

    def do_down(self, argument: str) -> None:
        """down [N]: select the node below again, or the Nth below, after up."""
        self._select(natural(argument, "down"), "the node of this step: back undoes steps")

    def _select(self, by: int, end: str) -> None:
        """Select another node of the path from the loss to that of this step, at most its end."""
        path = views.path_to(self.passed, self.passed.node)
        here = path.index(self._node(""))
        place = min(max(here + by, 0), len(path) - 1)
        if place == here:
            self.say(f"this is {end}")
            return
        self.selected = path[place]
        self.say(views.show(self.passed, self.selected))

    def do_print(self, argument: str) -> None:
        """print EXPR: evaluate an expression; it may use g, data, op, label, np and your names.

        g is the gradient that arrived at this node. A name is a Value: print w12.grad * 2
        """
        if not argument:
            raise OptionError("print: needs an expression, as in print g * data")
        found = self._evaluated(argument)
        of_numpy = isinstance(found, np.generic | np.ndarray)
        numbers = found.dtype.kind in "fiu" if of_numpy else type(found) in (float, int)
        self.say(on_a_line(found) if numbers else in_a_line((str if of_numpy else repr)(found)))
        if numbers and is_large(found):
            ends = 3 if found.ndim < 3 else 1
            self.say(np.array2string(found, precision=4, threshold=LISTED, edgeitems=ends))

    def _evaluated(self, expression: str, **more: Any) -> Any:
        """Evaluate an expression of the selected node's step, of nodes and of what has a name."""
        node = self._node("")
        step = self.passed.step_of(node) or Step(node, node.grad, ())
        known = {**self.names, **breakpoints.names_at(self.passed, step), **more}
        return breakpoints.evaluate(expression, known)

    def do_show(self, argument: str) -> None:
        """show [NAME]: show a node's data and gradient, and what it sends."""
        self.say(views.show(self.passed, self._node(argument)))

    def do_contrib(self, argument: str) -> None:
        """contrib [NAME]: list what a step made of each operand's gradient, old -> new."""
        self.say(views.contributions(self.passed, self._node(argument)))

    def do_gains(self, argument: str) -> None:
        """gains [NAME]: show what each rule does to |grad| on the way to a node."""
        path = self.passed.gains(self._node(argument))
        self.say(path.by("rule").text())
        self.say(str(path).partition("\n")[2])

    def do_check(self, _: str) -> None:
        """check: compare closures with the slopes of their rules. Leaves set since are listed."""
        self.say(str(self.passed.check()))
        if stale := self.passed.stale():
            self.say(f"set since this pass: {several([self.passed.call(v) for v in stale])}")

    def do_jac(self, argument: str) -> None:
        """jac [NAME]: show the local derivatives of a node by its operands: its weights."""
        self.say(views.local_derivatives(self.passed, self._node(argument)))

    def do_why(self, argument: str) -> None:
        """why [NAME] or why NAME[i, j]: explain a gradient, and why it is zero, NaN or infinite."""
        node, index = self.element(argument)
        self.say(str(self.passed.why(node, index)))

    def do_paths(self, argument: str) -> None:
        """paths NAME or paths NAME[i, j]: write out the chain rule, a product for every path."""
        from tinygrad_pool.recording.chain_rule import derive

        node, index = self.element(argument)
        self.say(str(derive(self.passed.loss, node, index, names=self.passed.variables)))  # type: ignore[arg-type]

    def do_list(self, argument: str) -> None:
        """list [NAME]: show your source around the line that made this node."""
        line = self._node(argument).about.line
        if line is None:
            self.say("lines are known only of graphs that are built under tg.traced(); the steps:")
            self.do_steps("")
        else:
            self.say(listing(line, coloured=wants_colours(self.stdout)), {})

    def do_steps(self, _: str) -> None:
        """steps: list the steps around here."""
        self.say(views.steps(self.passed))

    def do_draw(self, argument: str) -> None:
        """draw [FILE]: draw the graph as it is here, this step lit (backward.svg).

        The file is drawn again at each step, until draw off. A page (.html) reloads itself.
        """
        words = split(argument) or ["backward.svg"]
        if words == ["off"]:
            self.drawn = ""
            return
        path = draw_step(self.passed, words[0])
        self.drawn = words[0]
        taken = counted(self.passed.position, "step")
        self.say(f"{path} shows the graph after {taken}; it follows each step")

    def do_pdb(self, argument: str) -> None:
        """pdb [NAME]: enter a node's closure in Python's own debugger.

        In it, node goes on to the closure of the next node, and this prompt follows; q comes back.
        """
        node = self._node(argument)
        if self.passed.step_of(node) is None:
            raise OptionError(
                f"pdb: {views.title(self.passed, node)} takes no step in this pass, so it has no "
                "closure to enter"
            )
        given = {} if self.use_rawinput else {"stdin": self.stdin, "stdout": self.stdout}
        with completing():
            debugger = ClosurePdb(self.passed, **given)
            debugger.walk(self._closures_from(node), one=True)
        self.here()

    def _closures_from(self, node: Node) -> Iterator[Stop]:
        """Go through the steps from a node on, and call each closure once more."""
        steps = self.passed.steps
        first = self.passed.positions[node]
        for i, step in enumerate(steps[first - 1 :], first):
            self.passed.seek(i)
            closure, g = step.node._closure, step.upstream
            assert closure is not None
            name = f"{i} of {len(steps)}: {views.title(self.passed, step.node)}"
            yield Stop(step.node, partial(closure, g), says(name, step.node, g))

    # -- what if

    def do_set(self, argument: str) -> None:
        """set NAME = VALUE or set NAME[i, j] = VALUE: other data for a node, at the next replay.

        VALUE may use what print may, and data, the present number: set w12 = data - 0.1 * w12.grad.
        A computed node gets a constant added, so that gradients still flow through it. None takes
        back what was set; set alone lists it.
        """
        if not argument:
            listed = [f"{name} = {on_a_line(data)}" for name, data in self.passed.changes.items()]
            self.say("\n".join(listed) or "nothing is set")
            return
        name, expression = self._parted(argument, "=")
        if not name or not expression:
            raise OptionError("set: needs a name and a value, as in set w12 = 0.5")
        node, index = self.element(name)
        now = node.data
        if index is not None:
            now = float(np.asarray(now)[place_in(node, [*index], "set", self.passed.call(node))])
        then = self.note(node, index, expression, now)
        self.say(f"{name} is {then} at the next replay; it was {on_a_line(now)}")

    def note(self, node: Node, index: tuple[int, ...] | None, expression: str, now: Any) -> str:
        """Set what an expression makes of the present data, for a replay; return it as text."""
        value = self._evaluated(expression, data=now)
        value = value.data if isinstance(value, Value) else value
        self.passed.set(node, value, index)
        return on_a_line(now if value is None else np.asarray(value, float))

    def do_replay(self, _: str) -> None:
        """replay: run both passes with what is set, and show what changed."""
        if not self.passed.changes:
            raise OptionError("replay: nothing is set; set NAME = VALUE first")
        before = self.passed
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            after = before.replay()
        before._noted.clear()  # it was for this replay; revert goes back to a pass without it
        self._go_on_with(after)
        self.say(str(compare_passes(before, after)))
        for message in dict.fromkeys(str(warning.message) for warning in told):
            self.say(message)
        if not any(node.about.line for node in after.nodes if node.parents):
            self.say("not looked at: choices of Python's if and max; build it under tg.traced()")

    def do_revert(self, _: str) -> None:
        """revert: go back to the pass as it was recorded, before any replay."""
        self._go_on_with(self.recorded)

    def _go_on_with(self, passed: Recording) -> None:
        """Walk another pass from the same position; breakpoints stay."""
        position = self.passed.position
        self.passed.seek(0)
        self.passed = passed
        passed.seek(min(position, len(passed)))
        for b in self.breaks.values():
            try:
                b.arm(passed)
            except OptionError:
                b.holds = lambda _: False
                self.say(f"this pass has no place for breakpoint {b}")
        self.here()

    def do_save(self, argument: str) -> None:
        """save FILE: write a page that plays it (.html), or its steps (.txt)."""
        words = split(argument)
        if len(words) != 1 or kind_of(words[0]) not in ("html", "htm", "txt"):
            raise OptionError(f"save: needs a file name ending in .html or .txt, got {argument!r}")
        path, position = check_folder(words[0]), self.passed.position
        if kind_of(path) == "txt":
            told = []
            for place in range(len(self.passed) + 1):
                self.passed.seek(place)
                told.append(views.here(self.passed))
            self.passed.seek(position)
            write_whole(path, "\n".join(told) + "\n")
        else:
            self.passed.to_html(path)
        self.say(f"{path} holds the pass")


def _first_words(shell: Shell) -> str:
    """Return where we are and what to try first."""
    passed = shell.passed
    leaf = next((passed.call(v) for v in passed.nodes if v.is_leaf and v.label), "NAME")
    made = passed.loss.about.line
    at = f", made at {made}" if made else ""
    return (
        f"{counted(len(passed), 'step')} back from {passed.call(passed.loss)} = "
        f"{on_a_line(passed.loss.data)}{at}\n"
        f"n takes a step, rn undoes one, w shows the way here, why {leaf} explains a gradient;\n"
        "help lists all commands, q leaves"
    )


def debug(
    loss: Value,
    gradient: Any = None,
    *,
    names: Mapping[str, Any] | None = None,
    commands: str = "",
    pdb: bool = False,
) -> None:
    """Step through a backward pass at a prompt, forwards and backwards, one node at a time.

    `node` takes a step, `back` undoes one, `why NAME` explains a gradient, `help` lists the rest.
    `names=locals()` calls Values by their variables. `commands` are run first, one per line or
    separated by `;`; without a terminal nothing else is run. With pdb=True, Python's own debugger
    stops in the closure of each node while the pass runs, and `node` goes to the next one. After
    quitting before the end of the pass, every gradient is as before.

    Raises as `Value.backward` does; ToolError without a terminal and without commands.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> debug((a * b).relu(), commands="node; why a; back")
    1 of 2: relu#3 gets 1
      sends 0 to mul#2, whose grad is now 0
    grad of a is 0
      from mul#2: 0 × −3 = 0   the upstream gradient is 0
      because mul#2 gets nothing from relu#3: the relu is off: its input is −6
    before the first of 2 steps; type node to take it
    """
    if not isinstance(commands, str):
        raise OptionError(
            f"debug: commands must be text, as in commands='node; why a', got {commands!r:.80}"
        )
    asks = can_ask()
    if not commands and not asks:
        raise ToolError(
            "debug: needs a terminal for its prompt; without one, give commands='node; why a' "
            "(in a shell -c 'node; why a'), or use tg.record(loss) in a program"
        )
    with completing():
        if flag(pdb, "debug: pdb"):
            debug_in_pdb(loss, gradient, names, commands_in(commands), asks)
        else:
            _ask(record(loss, gradient, names=names), names, commands_in(commands), asks)


def _ask(passed: Recording, names: Mapping[str, Any] | None, lines: list[str], asks: bool) -> None:
    """Run commands, then ask for more; leave gradients as they were, or as the pass leaves them."""
    shell = Shell(passed, names, stdout=sys.stdout)
    for line in before_a_pass(passed.call, passed.nodes):
        shell.say(line)
    try:
        for line in lines:
            if shell.onecmd(shell.precmd(line)):
                return
        if asks:
            shell.cmdloop(coloured(_first_words(shell), sys.stdout))
    finally:
        if shell.passed.position < len(shell.passed):
            shell.passed.seek(0)
