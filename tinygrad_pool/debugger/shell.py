"""The backward debugger: a prompt that steps through a pass node by node, in both directions."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_pool.debugger import breakpoints
from tinygrad_pool.debugger.closure_pdb import ClosurePdb, Stop, arrival, debug_in_pdb
from tinygrad_pool.debugger.prompt import commands_in, draw_step, in_a_line, split
from tinygrad_pool.debugger.stepping_commands import SteppingCommands, natural
from tinygrad_pool.debugger.terminal import can_ask, coloured, completing, wants_colours
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
"""`print` shows all numbers of an array up to this size, and only its corners beyond."""


class Shell(SteppingCommands):
    """The prompt with all its commands: to step, to look around, and to ask "what if"."""

    # -- looking

    def do_where(self, _: str) -> None:
        """where: show the path from the loss to this node, with the gradients."""
        self.say(views.where(self.recording))

    def do_up(self, argument: str) -> None:
        """up [N]: select the next node on the path to the loss, or the Nth.

        That is where the gradient came from. show, why and print then use the selected node.
        """
        self._select(-natural(argument, "up"), "the loss: nothing is above it")

    def do_down(self, argument: str) -> None:
        """down [N]: after up, select the next node on the way back, or the Nth."""
        self._select(natural(argument, "down"), "the node of this step: back undoes steps")

    def _select(self, by: int, end: str) -> None:
        """Select a node of the path from the loss to the node of this step."""
        path = views.path_to(self.recording, self.recording.node)
        here = path.index(self._node(""))
        target = min(max(here + by, 0), len(path) - 1)
        if target == here:
            self.say(f"this is {end}")
            return
        self.selected = path[target]
        self.say(views.show(self.recording, self.selected))

    def do_print(self, argument: str) -> None:
        """print EXPR: evaluate an expression. It may use g, data, op, label, np and your names.

        g is the gradient that arrived at this node. Nodes are Values: print w12.grad * 2
        """
        if not argument:
            raise OptionError("print: needs an expression, as in print g * data")
        result = self._evaluate(argument)
        of_numpy = isinstance(result, np.generic | np.ndarray)
        numbers = result.dtype.kind in "fiu" if of_numpy else type(result) in (float, int)
        self.say(on_a_line(result) if numbers else in_a_line((str if of_numpy else repr)(result)))
        if numbers and is_large(result):
            ends = 3 if result.ndim < 3 else 1
            self.say(np.array2string(result, precision=4, threshold=LISTED, edgeitems=ends))

    def _evaluate(self, expression: str, **more: Any) -> Any:
        """Evaluate an expression with the user's names, names of nodes, and those of the step."""
        node = self._node("")
        step = self.recording.step_of(node) or Step(node, node.grad, ())
        names = {**self.names, **breakpoints.names_at(self.recording, step), **more}
        return breakpoints.evaluate(expression, names)

    def do_show(self, argument: str) -> None:
        """show [NAME]: show a node's data, its gradient, and what it sends."""
        self.say(views.show(self.recording, self._node(argument)))

    def do_contrib(self, argument: str) -> None:
        """contrib [NAME]: show how a step changed each operand's gradient, old -> new."""
        self.say(views.contributions(self.recording, self._node(argument)))

    def do_gains(self, argument: str) -> None:
        """gains [NAME]: show how each rule scales |grad| on the path to a node."""
        path = self.recording.gains(self._node(argument))
        self.say(path.by("rule").text())
        self.say(path.reasons())

    def do_check(self, _: str) -> None:
        """check: compare each closure with finite differences. Lists leaves set since the pass."""
        self.say(str(self.recording.check()))
        if stale := self.recording.stale():
            self.say(f"set since this pass: {several([self.recording.call(v) for v in stale])}")

    def do_jac(self, argument: str) -> None:
        """jac [NAME]: show the local derivatives of a node, one per operand."""
        self.say(views.local_derivatives(self.recording, self._node(argument)))

    def do_why(self, argument: str) -> None:
        """why [NAME] or why NAME[i, j]: explain a gradient, and why it is zero, NaN or infinite."""
        node, index = self.element(argument)
        self.say(str(self.recording.why(node, index)))

    def do_paths(self, argument: str) -> None:
        """paths NAME or paths NAME[i, j]: write out the chain rule, one product per path."""
        from tinygrad_pool.recording.chain_rule import derive

        node, index = self.element(argument)
        names = {self.recording.call(node): node} | self.recording.variables
        self.say(str(derive(self.recording.loss, node, index, names=names)))  # type: ignore[arg-type]

    def do_list(self, argument: str) -> None:
        """list [NAME]: show your source around the line that made a node."""
        line = self._node(argument).about.line
        if line is None:
            self.say("lines are recorded only under tg.traced(); the steps near this one:")
            self.do_steps("")
        else:
            self.say(listing(line, coloured=wants_colours(self.stdout)), {})

    def do_steps(self, _: str) -> None:
        """steps: list the steps near this one."""
        self.say(views.steps(self.recording))

    def do_draw(self, argument: str) -> None:
        """draw [FILE]: draw the graph at this step, to backward.svg by default.

        The node of the step is highlighted. The file is updated at each step, until draw off. A
        page (.html) reloads itself.
        """
        file, *more = split(argument) or ["backward.svg"]
        if more:
            raise OptionError(f"draw: needs one file name or off, got {argument!r}")
        if file == "off":
            self.drawn = ""
            return
        path = draw_step(self.recording, file)
        self.drawn = file
        taken = counted(self.recording.position, "step")
        self.say(f"{path} shows the graph after {taken}, and is updated at each step")

    def do_pdb(self, argument: str) -> None:
        """pdb [NAME]: enter a node's closure in Python's own debugger.

        There, node runs to the closure of the next node, and q comes back to this prompt. Commands
        after a semicolon are for pdb.
        """
        node = self._node(argument)
        if self.recording.step_of(node) is None:
            raise OptionError(
                f"pdb: {views.title(self.recording, node)} has no step in this pass, so there is "
                "no closure to enter"
            )
        streams = {} if self.use_rawinput else {"stdin": self.stdin, "stdout": self.stdout}
        with completing():
            debugger = ClosurePdb(self.recording, lambda: self.recording, **streams)
            debugger.cmdqueue = self.cmdqueue  # the commands after pdb are for it
            debugger.walk(self._closures_from(node), one=True)
        self.here()

    def _closures_from(self, node: Node) -> Iterator[Stop]:
        """Yield the steps from a node on; taking one calls its closure again."""
        steps = self.recording.steps
        first = self.recording.positions[node]
        for i, step in enumerate(steps[first - 1 :], first):
            self.recording.seek(i)
            closure, g = step.node._closure, step.upstream
            assert closure is not None
            name = f"{i} of {len(steps)}: {views.title(self.recording, step.node)}"
            yield Stop(step.node, partial(closure, g), arrival(name, step.node, g))

    # -- what if

    def do_set(self, argument: str) -> None:
        """set NAME = VALUE or set NAME[i, j] = VALUE: change data for the next replay.

        VALUE may use the same names as print; data is the old number, as in
        set w12 = data - 0.1 * w12.grad. To a computed node, the difference is added as a constant,
        so that gradients still flow through it. set NAME = None undoes a change; set alone lists
        all changes.
        """
        if not argument:
            listed = [
                f"{name} = {on_a_line(data)}" for name, data in self.recording.changes.items()
            ]
            self.say("\n".join(listed) or "nothing is set")
            return
        name, expression = self._split_at(argument, "=")
        if not name or not expression:
            raise OptionError("set: needs a name and a value, as in set w12 = 0.5")
        node, index = self.element(name)
        now = node.data
        if index is not None:
            now = float(np.asarray(now)[place_in(node, [*index], "set", self.recording.call(node))])
        then = self.note(node, index, expression, now)
        self.say(f"{name} will be {then} in the next replay (now {on_a_line(now)})")

    def note(self, node: Node, index: tuple[int, ...] | None, expression: str, now: Any) -> str:
        """Set a node's data for the next replay by an expression; return the new data as text."""
        value = self._evaluate(expression, data=now)
        value = value.data if isinstance(value, Value) else value
        self.recording.set(node, value, index)
        return on_a_line(now if value is None else np.asarray(value, float))

    def do_replay(self, _: str) -> None:
        """replay: run both passes with the changed data, and compare."""
        if not self.recording.changes:
            raise OptionError("replay: nothing is set; set NAME = VALUE first")
        before = self.recording
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            after = before.replay()
        before._noted.clear()  # the changes are in the replay; revert starts without them
        self._switch_to(after)
        self.say(str(compare_passes(before, after)))
        for message in dict.fromkeys(str(warning.message) for warning in raised):
            self.say(message)
        if not any(node.about.line for node in after.nodes if node.parents):
            self.say("Python's own if and max were not checked: that needs tg.traced()")

    def do_revert(self, _: str) -> None:
        """revert: go back to the pass as recorded, before any replay."""
        self._switch_to(self.recorded)

    def _switch_to(self, recording: Recording) -> None:
        """Continue in another pass, at the same position and with the same breakpoints."""
        position = self.recording.position
        self.recording.seek(0)
        self.recording = recording
        recording.seek(min(position, len(recording)))
        for b in self.breaks.values():
            try:
                b.arm(recording)
            except OptionError:
                b.matches = lambda _: False
                self.say(f"nothing in this pass matches breakpoint {b}")
        self.here()

    def do_save(self, argument: str) -> None:
        """save FILE: write a page that plays the pass (.html) or its steps (.txt)."""
        words = split(argument)
        if len(words) != 1 or kind_of(words[0]) not in ("html", "txt"):
            raise OptionError(f"save: needs a file name ending in .html or .txt, got {argument!r}")
        path, position = check_folder(words[0]), self.recording.position
        if kind_of(path) == "txt":
            steps = []
            for n in range(len(self.recording) + 1):
                self.recording.seek(n)
                steps.append(views.here(self.recording))
            self.recording.seek(position)
            write_whole(path, "\n".join(steps) + "\n")
        else:
            self.recording.to_html(path)
        self.say(f"the pass is saved in {path}")


def _introduction(shell: Shell) -> str:
    """Return the first lines at a terminal: the pass, and what to type first."""
    recording = shell.recording
    leaf = next((recording.call(v) for v in recording.nodes if v.is_leaf and v.label), "NAME")
    made = recording.loss.about.line
    at = f", made at {made}" if made else ""
    return (
        f"{counted(len(recording), 'step')} back from {recording.call(recording.loss)} = "
        f"{on_a_line(recording.loss.data)}{at}\n"
        f"n takes a step, rn undoes it, w shows the path here, why {leaf} explains a gradient;\n"
        "help lists all commands, q quits"
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

    `node` takes a step, `back` undoes it, `why NAME` explains a gradient, and `help` lists all
    commands. `names=locals()` names Values by their variables. `commands` run first, one per line
    or separated by `;`; without a terminal, nothing else runs. With pdb=True, Python's own debugger
    stops in the closure of each node while the pass runs, and `node` runs to the next one. If you
    quit before the end of the pass, every gradient is restored.

    Raises the same errors as `Value.backward`; ToolError without a terminal and without commands.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> debug((a * b).relu(), commands="node; why a; back")
    1 of 2: relu#3 gets 1
      sends 0 to mul#2, whose grad is now 0
    grad of a is 0
      from mul#2: 0 × −3 = 0   the upstream gradient is 0
      because mul#2 gets nothing from relu#3: the relu is off, as its input is −6
    before the first of 2 steps; type node to take it
    """
    if not isinstance(commands, str):
        raise OptionError(
            f"debug: commands must be text, as in commands='node; why a', got {commands!r:.80}"
        )
    prompt = can_ask()
    if not commands and not prompt:
        raise ToolError(
            "debug: needs a terminal for its prompt; without one, pass commands='node; why a' "
            "(in a shell: -c 'node; why a'), or use tg.record(loss) in a program"
        )
    with completing():
        if flag(pdb, "debug: pdb"):
            debug_in_pdb(loss, gradient, names, commands_in(commands), prompt)
        else:
            streams = {} if prompt else {"stdin": io.StringIO()}
            recording = record(loss, gradient, names=names)
            shell = Shell(recording, names, stdout=sys.stdout, **streams)
            _run(shell, commands_in(commands), prompt)


def _run(shell: Shell, lines: list[str], prompt: bool) -> None:
    """Run the commands, then prompt for more. Before the end of the pass, restore all gradients."""
    for line in before_a_pass(shell.recording.call, shell.recording.nodes):
        shell.say(line)
    try:
        shell.cmdqueue += lines
        while shell.cmdqueue:
            if shell.onecmd(shell.precmd(shell.cmdqueue.pop(0))):
                return
        if prompt:
            shell.cmdloop(coloured(_introduction(shell), sys.stdout))
    finally:
        if shell.recording.position < len(shell.recording):
            shell.recording.seek(0)
