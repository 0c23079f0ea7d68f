"""A graph as a program in JavaScript: a function for each kind of node, and which nodes use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

import tinygrad_pool.javascript.primitives  # noqa: F401  # it fills the table of functions
from tinygrad_pool.engine.data import unbroadcast_axes
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.running import call_options
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import several
from tinygrad_pool.javascript.tracing import Choice, NotTraced, Tape, Traced, as_json, bare, tidied
from tinygrad_pool.rules.reductions import add_up
from tinygrad_pool.rules.shaping import cast

MOST = 4_000
"""The most numbers of a graph that a page computes, and the most places of cells that it lists."""

CLOSE = {8: 1e-9, 4: 1e-4}
"""How near what was traced comes to what was recorded, by the bytes of a number."""


class Program(NamedTuple):
    """Functions in JavaScript, and the nodes that call them, as plain data; or why there are none.

    A function takes its operands and constants, and returns its result and its closure.
    """

    functions: list[str]
    told: dict[str, Any]
    refused: str = ""


def program_of(
    nodes: list[Node], steps: Iterable[Step], data: Mapping[Node, Any], called: Mapping[Node, str]
) -> Program:
    """Write both passes of a graph in JavaScript; of one that has to be refused, say why.

    Each rule runs once more, on traced numbers, and what it makes of them has to be what was
    recorded. `data` are the numbers of leaves.
    """
    try:
        return _Writer(nodes, steps, data, called).program()
    except NotTraced as why:
        return Program([], {}, str(why))


def runtime() -> str:
    """Return the functions that such a program needs."""
    return files(__package__).joinpath("runtime.js").read_text("utf-8")


class _Writer:
    """Trace the rules of a graph, each kind of node once in the text."""

    def __init__(
        self,
        nodes: list[Node],
        steps: Iterable[Step],
        data: Mapping[Node, Any],
        called: Mapping[Node, str],
    ) -> None:
        self.nodes, self.data, self.called = nodes, data, called
        self.steps = {step.node: step for step in steps}
        self.place = {node: i for i, node in enumerate(nodes)}
        self.functions: dict[str, int] = {}
        self.constants: dict[str, int] = {}
        self.listed: list[Any] = []
        self.count = 0

    def program(self) -> Program:
        """Write the program. Raises NotTraced, which says what stands in the way."""
        if sum(node.size for node in self.nodes) > MOST:
            raise NotTraced(f"there are more than {MOST:,} numbers in it")
        if stale := set_since(self.nodes):
            raise NotTraced(f"data of {several([self.called[v] for v in stale])} was set since")
        told = {
            "nodes": [self._told(node) for node in self.nodes],
            "constants": self.listed,
            "seed": [as_json(float(x)) for x in np.ravel(self._seed())],
            "order": [self.place[node] for node in self.steps],
        }
        return Program([*self.functions], told)

    def _seed(self) -> Any:
        first = next(iter(self.steps.values()), None)
        return np.ones(self.nodes[-1].shape) if first is None else first.upstream

    def _told(self, node: Node) -> dict[str, Any]:
        """Describe a node: its shape, and its numbers or how they are computed."""
        told: dict[str, Any] = {"shape": list(node.shape)}
        kind = np.asarray(node._numbers).dtype
        if kind not in (np.float64, np.float32):
            raise NotTraced(f"{self.called[node]} is of {kind}")
        if kind == np.float32:
            told["single"] = True
        if node.is_leaf:
            return told | {"data": [as_json(float(x)) for x in np.ravel(self.data[node])]}
        try:
            text, constants = self._traced(node)
        except Exception as error:  # a rule of the user's may raise anything
            raise NotTraced(
                f"the rule of {self.called[node]} cannot be written: {error}"
            ) from error
        return told | {
            "run": self.functions.setdefault(text, len(self.functions)),
            "of": [self.place[p] for p in node.parents if isinstance(p, Node)],
            "k": [self._constant(x) for x in constants],
        }

    def _constant(self, x: Any) -> int:
        """Return the place of a constant in the list of all; equal ones share one."""
        said: Any = [*map(as_json, x)] if isinstance(x, list) else as_json(x)
        if (key := repr(said)) not in self.constants:
            self.count += len(x) if isinstance(x, list) else 1
            if self.count > 4 * MOST:
                raise NotTraced("it looks at too many places")
            self.constants[key] = len(self.listed)
            self.listed.append(said)
        return self.constants[key]

    def _traced(self, node: Node) -> tuple[str, list[Any]]:
        """Trace the rule of a node and its closure; return the function, and its constants."""
        assert node.rule is not None
        tape, operands, names = Tape(), list[Any](), list[str]()
        for p in node.parents:
            if isinstance(p, Node):
                names.append(f"x{len(names)}")
                numbers = self.data[p] if p.is_leaf else p._numbers
                operands.append(Traced(tape, names[-1], numbers))
            else:
                operands.append(p)
        with np.errstate(all="ignore"):
            y, closure = node.rule(*operands, **call_options(node))
            y_text = _written(y, node, node._numbers, tape)
            forth = len(tape.lines)
            step = self.steps.get(node)
            upstream = np.ones(node.shape) if step is None else step.upstream
            sent = closure(Traced(tape, "g", np.asarray(upstream, node.dtype)))
            texts = [
                _contribution(tape, p, c, step and step.contributions[i])
                for i, (p, c) in enumerate(zip(node.parents, sent, strict=True))
                if isinstance(p, Node)
            ]
        before = [*tape.lines][:forth]
        lines, (y_text, *texts) = tidied(tape.lines, [y_text, *texts])
        there = "".join(f"const {t} = {lines[t]}; " for t in before if t in lines)
        back = "".join(f"const {t} = {text}; " for t, text in lines.items() if t not in before)
        closure_text = f"(g) => {{ {back}return [{', '.join(texts)}]; }}"
        head = f"([{', '.join(names)}], k) => {{ {there}"
        return f"{head}return [{y_text}, {closure_text}]; }}", tape.constants


def _written(x: Any, node: Node, recorded: Any, tape: Tape) -> str:
    """Write a result in a node's shape and dtype, if it is what was recorded."""
    if isinstance(x, Choice):
        raise NotTraced("its result is no number")
    _check(bare(x), recorded, node)
    if isinstance(x, Traced):
        return str(cast(x, dtype=node.dtype).text)
    return tape.constant(x)


def _contribution(tape: Tape, p: Node, c: Any, recorded: Any) -> str:
    """Write a contribution in its operand's shape and dtype; null where there is none."""
    if c is None:
        return "null"
    axes = unbroadcast_axes(p.shape, np.shape(bare(c)))
    if axes:
        c = np.reshape(add_up(c, axes), p.shape)
    return _written(c, p, c if recorded is None else recorded, tape)


def _check(x: Any, recorded: Any, node: Node) -> None:
    """Raise NotTraced unless numbers are those of the pass, or very near."""
    recorded = bare(recorded)
    if np.shape(x) != node.shape:
        raise NotTraced(f"it gives shape {np.shape(x)} when it runs again")
    scale = np.nanmax(np.abs(np.where(np.isfinite(recorded), recorded, 0.0)), initial=0.0)
    near = CLOSE[node.dtype.itemsize]
    if not np.allclose(x, recorded, rtol=near, atol=near * scale, equal_nan=True):
        raise NotTraced("it gives other numbers when it runs again")
