"""Python's own debugger with one more command: `node` goes to the closure of the next node."""

from __future__ import annotations

import inspect
import io
import pdb
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

from tinygrad_pool.debugger.breakpoints import whole_number
from tinygrad_pool.debugger.prompt import in_a_line
from tinygrad_pool.debugger.vscode import AIDS
from tinygrad_pool.engine.backward import start, topological_order
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.turns import Paused, take_turn
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.formatting import on_a_line, written
from tinygrad_pool.recording.freshness import before_a_pass
from tinygrad_pool.recording.naming import Named
from tinygrad_pool.recording.source import quoted

HINT = (
    "node goes to the next node's closure, node NAME to that node's; "
    "all of pdb's commands work: p g, step, up, where, q"
)

RUNS_ON = -1
"""Where Pdb stops next after `continue`: at no line."""


class Stop(NamedTuple):
    """The node that is next: how to take its step, and what to print on arrival."""

    node: Node
    take: Callable[[], object]
    says: str


class ClosurePdb(pdb.Pdb):
    """Pdb over a backward pass: it stops once per node, in the first line of its closure.

    Modules of this package other than rules are skipped, so that `step` and `next` also go from
    closure to closure.
    """

    def __init__(self, named: Named | None = None, **streams: Any) -> None:
        engine = [
            name
            for name in sys.modules
            if name.startswith("tinygrad_pool")
            and (not name.startswith("tinygrad_pool.rules") or name.rpartition(".")[2] in AIDS)
        ]
        super().__init__(skip=engine, **streams)
        self.named = named or Named([], {})
        self.by_node = True
        self.waits: Stop | None = None  # for its closure to be called
        self.taking: Stop | None = None
        self.entered: FrameType | None = None
        self.turn = self.goal = 0
        self.gone: set[Node] = set()
        self.targets: set[Node] = set()  # for `node NAME`
        self.done = False

    def walk(self, stops: Iterable[Stop], one: bool = False) -> bool:
        """Take the steps, stopping where asked; with `one`, go on to the next only after `node`.

        Returns False if the user quit. An error in a closure is shown after it happened, and raised
        again.
        """

        def take_all() -> None:
            for stop in stops:
                self.waits = self.taking = stop
                self.turn += 1
                self.gone.add(stop.node)
                stop.take()
                self.waits = self.taking = None
                if one and not self.by_node:
                    break
            if self.targets:
                self.message("that node was not met: no gradient arrives there")
            self.done = True

        tracer, on_ctrl_c = sys.gettrace(), signal.getsignal(signal.SIGINT)
        self.by_node, self.done, self.taking = True, False, None
        try:
            self.runcall(take_all)
        except Exception as error:
            if not any(
                f.f_code.co_name == "trace_dispatch" for f, _ in walk_tb(error.__traceback__)
            ):
                self._look_back(error)  # pdb's own error means that its terminal is gone
            raise
        finally:
            sys.settrace(tracer)
            self._let_go(on_ctrl_c)
        return self.done

    def _let_go(self, on_ctrl_c: Any) -> None:
        """Release all frames: they hold the graph and, through their tracer, this object."""
        if signal.getsignal(signal.SIGINT) == self.sigint_handler:  # `continue` set it
            signal.signal(signal.SIGINT, on_ctrl_c)
        self.forget()
        self.waits, self.taking, self.curframe_locals = None, None, {}
        self.gone, self.targets, self.named = set(), set(), Named([], {})
        for name, held in vars(self).items():
            if isinstance(held, FrameType):
                setattr(self, name, None)

    def _look_back(self, error: Exception) -> None:
        """Show the frames of an error, starting at the closure that raised it."""
        if self.taking is not None:
            self.message(f"in the closure of {self.taking.says}")
        self.message(f"{type(error).__name__}: {error}; this is where it was raised")
        self.reset()
        self.interaction(None, error.__traceback__)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> Any:
        """List the frames of an error, the closure's first, without NumPy's."""
        stack, place = super().get_stack(f, t)
        closure = code_of(self.taking.node) if self.taking else None
        inside = [i for i, (frame, _) in enumerate(stack) if frame.f_code is closure]
        return stack, inside[-1] if f is None and inside else place

    def message(self, msg: str, *more: Any, **options: Any) -> None:
        """Write a line in the characters that the stream has."""
        super().message(written(msg, self.stdout), *more, **options)

    def precmd(self, line: str) -> str:
        """Show a command that was not typed."""
        typed = line != "EOF" and not line.startswith("_pdbcmd")  # Pdb's own, from 3.13 on
        if typed and not self.use_rawinput:
            self.message(line)
        return super().precmd(line)

    # -- Pdb's hooks while it traces

    def stop_here(self, frame: FrameType) -> bool:
        """Stop at the expected closure; otherwise as Pdb does."""
        if self.by_node:
            stop = self.waits
            wanted = stop is not None and (
                stop.node in self.targets if self.targets else self.turn >= self.goal
            )
            return wanted and frame.f_code is code_of(stop.node)  # type: ignore[union-attr]
        return super().stop_here(frame)

    def user_call(self, frame: FrameType, argument_list: None) -> None:
        """Skip the call itself: the first line follows."""
        if not self.by_node:
            super().user_call(frame, argument_list)

    def user_line(self, frame: FrameType) -> None:
        """Print which node this is."""
        stop = self.waits
        if stop is not None and frame.f_code is code_of(stop.node):
            self.waits, self.by_node, self.entered, self.targets = None, False, frame, set()
            self.message(stop.says)
        super().user_line(frame)

    def user_return(self, frame: FrameType, return_value: Any) -> None:
        """Go on to the next closure where one ends, unless everything is to run."""
        super().user_return(frame, return_value)
        if frame is self.entered and self.stoplineno != RUNS_ON:
            self.by_node = True

    def user_exception(
        self,
        frame: FrameType,
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
    ) -> None:
        """Stop only where the closure itself raises, not where NumPy catches its own errors."""
        if not frame.f_globals.get("__name__", "").startswith("numpy"):
            super().user_exception(frame, exc_info)  # type: ignore[arg-type]  # None at times

    def do_node(self, arg: str) -> bool:
        """node [N] or node NAME: go on to the next node of the backward pass, into its closure.

        N is for the Nth next; NAME is a label, a variable, a rule, or an operation and a number.
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

    def do_run(self, _: str) -> None:
        """run: begin a script anew; not in a pass, which only runs forwards."""
        self.error("in pdb a pass only runs forwards; q leaves it, and the next begins anew")

    def do_restart(self, arg: str) -> None:
        """restart: as run."""
        self.do_run(arg)

    def do_back(self, arg: str) -> None:
        """back: as run."""
        self.do_run(arg)

    def _targets(self, name: str) -> set[Node]:
        """Find the nodes of a name that are still to come. Raises OptionError if there are none."""
        rule = name.removesuffix("_backward")
        called = [node for node in self.named.nodes if node.op == rule != name]
        found = [node for node in called or self.named.all_called(name) if node.is_interior]
        if not found:
            raise OptionError(f"{name} is a leaf: it has no closure to stop in")
        coming = set(found) - self.gone
        if not coming:
            raise OptionError(
                f"{name} has been passed already, and in pdb a pass only runs forwards"
            )
        return coming


def code_of(node: Node) -> CodeType | None:
    """Return the code of a node's closure; None if it is not a Python function."""
    closure = inspect.unwrap(node._closure) if node._closure else None
    return getattr(closure, "__code__", None)


def debug_in_pdb(
    loss: Value, gradient: Any, names: Mapping[str, Any] | None, commands: list[str], asks: bool
) -> None:
    """Run the backward pass under Pdb. If it is quit, every gradient is as it was before.

    Commands are run first; unless it `asks`, it quits after them.
    """
    check_value(loss, "debug")
    nodes = topological_order(loss)
    named = Named(nodes, {} if names is None else names)
    if asks:
        debugger = ClosurePdb(named)
        debugger.cmdqueue += commands
    else:
        script = "".join(f"{command.strip()}\n" for command in commands)
        debugger = ClosurePdb(named, stdin=io.StringIO(script), stdout=sys.stdout)
    take_turn(loss, nodes)
    before = {node: node._grad for node in nodes}
    debugger.message(HINT)
    for line in before_a_pass(named.call, nodes):
        debugger.message(line)
    finished = False
    try:
        finished = debugger.walk(_live(loss, named, gradient))
    finally:
        if not finished:
            for node, grad in before.items():
                node._grad = grad
    end = "the pass is done" if finished else "the pass was quit; gradients are as before it"
    debugger.message(end)


def _live(loss: Value, named: Named, gradient: Any) -> Iterator[Stop]:
    """Take the steps of a running pass, not of a recorded one."""
    walk, half = start(loss, gradient), Paused(loss, named.nodes)

    def take() -> None:
        half.check()
        half.pause(next(walk)[0])

    coming = [node for node in reversed(named.nodes) if node.is_interior]
    for i, node in enumerate(coming, 1):
        if node._grad is not None:
            name = f"step {i} of {len(coming)}: {named.call(node)}"
            yield Stop(node, take, says(name, node, node._grad))


def says(name: str, node: Node, upstream: Any) -> str:
    """Describe what arrives at a node, and which line of source made it."""
    line = f"\n  {quoted(node.about.line)}" if node.about.line else ""
    return f"{name} gets {on_a_line(upstream)}{line}"
