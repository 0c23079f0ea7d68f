"""Python's own debugger with two more commands: `node` runs to the next closure, `why` explains."""

from __future__ import annotations

import inspect
import io
import pdb
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

from tinygrad_pool.debugger.breakpoints import nodes_called, whole_number
from tinygrad_pool.debugger.prompt import in_a_line, with_notes
from tinygrad_pool.debugger.vscode import AIDS
from tinygrad_pool.engine.backward import start, topological_order
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.turns import HALF_DONE, Paused, take_turn
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import on_a_line, written
from tinygrad_pool.recording.freshness import before_a_pass
from tinygrad_pool.recording.naming import Named, element_called
from tinygrad_pool.recording.source import quoted
from tinygrad_pool.recording.trace import Trace

HINT = (
    "node goes to the next node's closure, node NAME to that node's, why NAME explains a gradient; "
    "all of pdb's commands work: p g, step, up, where, q"
)

RUNS_ON = -1
"""Pdb's `stoplineno` after `continue`: it stops at no line."""


class Stop(NamedTuple):
    """The next node: how to take its step, and the message to print when its closure is entered."""

    node: Node
    take: Callable[[], object]
    message: str


class ClosurePdb(pdb.Pdb):
    """Pdb over a backward pass: stops once per node, in the first line of its closure.

    NumPy is skipped, and so are modules of this package without closures, so `step` and `next`
    also lead from one closure to the next. `record` records the pass, for `why`.
    """

    def __init__(
        self, named: Named, record: Callable[[], Trace] | None = None, **streams: Any
    ) -> None:
        engine = [
            name
            for name in sys.modules
            if name.startswith("tinygrad_pool")
            and (not name.startswith("tinygrad_pool.rules") or name.rpartition(".")[2] in AIDS)
        ]
        super().__init__(skip=[*engine, "numpy", "numpy.*"], **streams)
        self.named, self.record = named, record
        self.by_node = True
        self.expected: Stop | None = None  # until its closure is called
        self.current: Stop | None = None
        self.entered: FrameType | None = None
        self.turn = self.goal = 0
        self.visited: set[Node] = set()
        self.targets: set[Node] = set()  # for `node NAME`

    def walk(self, stops: Iterable[Stop], one: bool = False) -> bool:
        """Take all steps under Pdb; with `one`, a further step only after the command `node`.

        Returns False if the user quit. An error in a closure is shown post mortem and raised again.
        """

        def take_all() -> bool:
            for stop in stops:
                self.expected = self.current = stop
                self.turn += 1
                self.visited.add(stop.node)
                stop.take()
                self.expected = self.current = None
                if one and not self.by_node:
                    break
            if self.targets:
                self.message("that node was not reached: no gradient arrives there")
            return True

        tracer, on_ctrl_c = sys.gettrace(), signal.getsignal(signal.SIGINT)
        self.by_node, self.current = True, None
        try:
            return bool(self.runcall(take_all))  # None if the user quit
        except Exception as error:
            if not any(
                f.f_code.co_name == "trace_dispatch" for f, _ in walk_tb(error.__traceback__)
            ):
                self._post_mortem(error)  # an error of pdb itself means that its terminal is gone
            raise
        finally:
            sys.settrace(tracer)
            self._release(on_ctrl_c)

    def _release(self, on_ctrl_c: Any) -> None:
        """Release all frames: they hold the graph and, through their tracer, this object."""
        if signal.getsignal(signal.SIGINT) == self.sigint_handler:  # `continue` set it
            signal.signal(signal.SIGINT, on_ctrl_c)
        self.forget()
        self.expected, self.current, self.curframe_locals = None, None, {}
        self.visited, self.targets = set(), set()
        self.named, self.record = Named([], {}), None
        for name, value in vars(self).items():
            if isinstance(value, FrameType):
                setattr(self, name, None)

    def _post_mortem(self, error: Exception) -> None:
        """Show the frames of an error, starting at the closure that raised it."""
        if self.current is not None:
            self.message(f"in the closure of {self.current.message}")
        self.message(f"{type(error).__name__}: {error}; this is where it was raised")
        self.reset()
        self.interaction(None, error.__traceback__)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> Any:
        """Return the stack; after an error, select the frame of the closure."""
        stack, selected = super().get_stack(f, t)
        closure = code_of(self.current.node) if self.current else None
        inside = [i for i, (frame, _) in enumerate(stack) if frame.f_code is closure]
        return stack, inside[-1] if f is None and inside else selected

    def message(self, msg: str, *more: Any, **options: Any) -> None:
        """Write a line, replacing characters that the stream cannot encode."""
        super().message(written(msg, self.stdout), *more, **options)

    def preloop(self) -> None:
        """Show where it stopped before the commands that wait: Python 3.13 queues it after them."""
        self.cmdqueue.sort(key=lambda line: not line.startswith("_pdbcmd"))
        super().preloop()

    def precmd(self, line: str) -> str:
        """Echo a command that was not typed at a terminal."""
        ours = line != "EOF" and not line.startswith("_pdbcmd")  # Pdb's own, from 3.13 on
        if ours and not self.use_rawinput:
            self.message(f"{self.prompt}{line}")
        return super().precmd(line)

    # -- Pdb's hooks while it traces

    def stop_here(self, frame: FrameType) -> bool:
        """While running to a node, stop at its closure only; otherwise stop where Pdb does."""
        if self.by_node:
            stop = self.expected
            is_target = stop is not None and (
                stop.node in self.targets if self.targets else self.turn >= self.goal
            )
            return is_target and frame.f_code is code_of(stop.node)  # type: ignore[union-attr]
        return super().stop_here(frame)

    def user_call(self, frame: FrameType, argument_list: None) -> None:
        """Do not stop at the call of a closure: its first line is next."""
        if not self.by_node:
            super().user_call(frame, argument_list)

    def user_line(self, frame: FrameType) -> None:
        """Print which node it is when its closure is entered."""
        stop = self.expected
        if stop is not None and frame.f_code is code_of(stop.node):
            self.expected, self.by_node, self.entered, self.targets = None, False, frame, set()
            self.message(stop.message)
        super().user_line(frame)

    def user_return(self, frame: FrameType, return_value: Any) -> None:
        """Run to the next closure when one returns, unless after `continue`."""
        super().user_return(frame, return_value)
        if frame is self.entered and self.stoplineno != RUNS_ON:
            self.by_node = True

    def do_node(self, arg: str) -> bool:
        """node [N] or node NAME: run to the closure of the next node of the backward pass.

        With N, run to the Nth next node. NAME is a label, a variable, a rule, a layer or op#number.
        """
        number = whole_number(arg or "1")
        try:
            self.targets = set() if number else self._targets(arg)
        except OptionError as error:
            self.error(in_a_line(str(error)))
            return False
        self.goal = self.turn + (number or 1)
        self.by_node = True
        self.set_step()
        return True

    def do_why(self, arg: str) -> None:
        """why [NAME] or why NAME[i, j]: explain a gradient of the whole pass."""
        here = self.current.node  # type: ignore[union-attr]
        try:
            node, index = element_called(arg, lambda name: self.named.find(name or here))
            self.message(str(self.record().why(node, index)))  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001  # a closure may raise anything
            self.error(in_a_line(with_notes(error)))

    def do_run(self, _: str) -> None:
        """run, restart and back are not available: in pdb, a pass only runs forwards."""
        self.error("in pdb, a pass only runs forwards; quit with q, then start a new pass")

    do_restart = do_back = do_run  # type: ignore[assignment]  # Pdb's parameter is called arg

    def _targets(self, name: str) -> set[Node]:
        """Find the nodes of a name that have not run yet. Raises OptionError if there are none."""
        nodes = {node for node in nodes_called(self.named, name) if node.is_interior}
        if not nodes:
            raise OptionError(f"{name} is a leaf: it has no closure to stop in")
        if not (coming := nodes - self.visited):
            raise OptionError(f"{name} has run already, and in pdb, a pass only runs forwards")
        return coming


def code_of(node: Node) -> CodeType | None:
    """Return the code of a node's closure; None if it is not a Python function."""
    closure: Any = inspect.unwrap(node._closure) if node._closure else None
    while isinstance(closure, partial):
        closure = closure.func
    if callable(closure) and not hasattr(closure, "__code__"):
        closure = closure.__call__  # of an object
    return getattr(closure, "__code__", None)


def debug_in_pdb(
    loss: Value, gradient: Any, names: Mapping[str, Any] | None, commands: list[str], prompt: bool
) -> None:
    """Run the backward pass under Pdb. If the user quits, every gradient is restored.

    The commands run first; without a `prompt`, Pdb quits after them.
    """
    check_value(loss, "debug")
    nodes = topological_order(loss)
    named = Named(nodes, {} if names is None else names)
    streams = {} if prompt else {"stdin": io.StringIO(), "stdout": sys.stdout}
    debugger = ClosurePdb(named, partial(_recorded, loss, gradient, names), **streams)
    debugger.cmdqueue += commands
    take_turn(loss, nodes)
    before = {node: node._grad for node in nodes}
    debugger.message(HINT)
    for line in before_a_pass(named.call, nodes):
        debugger.message(line)
    finished = False
    try:
        finished = debugger.walk(_running_steps(loss, named, gradient))
    finally:
        if not finished:
            for node, grad in before.items():
                node._grad = grad
    end = "the pass is complete" if finished else "the pass was quit; all gradients are restored"
    debugger.message(end)


def _recorded(loss: Value, gradient: Any, names: Mapping[str, Any] | None) -> Trace:
    """Record a pass, and leave those that are paused in its nodes as they are."""
    paused = [*HALF_DONE]
    HALF_DONE.clear()
    try:
        return Trace(loss, gradient, names)
    finally:
        HALF_DONE.update(paused)


def _running_steps(loss: Value, named: Named, gradient: Any) -> Iterator[Stop]:
    """Yield the steps of a pass that runs as they are taken, not of a recorded one."""
    walk, paused = start(loss, gradient), Paused(loss, named.nodes)

    def take() -> None:
        paused.check()
        paused.pause(next(walk)[0])

    nodes = [node for node in reversed(named.nodes) if node.is_interior]
    for i, node in enumerate(nodes, 1):
        if node._grad is not None:
            name = f"step {i} of {len(nodes)}: {named.call(node)}"
            yield Stop(node, take, arrival(name, node, node._grad))


def arrival(name: str, node: Node, upstream: Any) -> str:
    """Describe the gradient that arrives at a node, and quote the line of source that made it."""
    line = f"\n  {quoted(node.about.line)}" if node.about.line else ""
    return f"{name} gets {on_a_line(upstream)}{line}"
