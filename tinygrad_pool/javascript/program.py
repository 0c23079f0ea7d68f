"""A graph as a JavaScript program: a function for each kind of node, and the nodes that call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import tinygrad_pool.javascript.primitives  # noqa: F401  # it fills the table of functions
from tinygrad_pool.engine.data import unbroadcast_axes
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.running import call_options
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.formatting import is_large, several
from tinygrad_pool.javascript.tracing import Mask, NotTraced, Tape, Traced, as_json, bare, tidied
from tinygrad_pool.rules.half_precision import add_up
from tinygrad_pool.rules.shaping import cast

MOST = 4_000
"""The most numbers in a graph that a page can compute; it may list 4 times as many constants."""

FLOATS = (np.float64, np.float32)
"""The dtypes of the numbers that a page can compute."""

CLOSE = {8: 1e-9, 4: 1e-4}
"""The largest relative difference between traced and recorded numbers, by item size in bytes."""


Constant: TypeAlias = tuple[Node, int]
"""An operand that is not a Value: the node that uses it, and its place among the operands."""


class Program(NamedTuple):
    """JavaScript functions, and the graph that calls them as JSON data; or why it was refused.

    A function takes operands and constants, and returns its result and its closure. `inputs` are
    the constants that are operands of functions, and can have other numbers. They are the last
    nodes of the graph.
    """

    functions: list[str]
    graph: dict[str, Any]
    inputs: list[Constant]
    refused: str = ""


def program_of(
    nodes: list[Node], steps: Iterable[Step], data: Mapping[Node, Any], names: Mapping[Node, str]
) -> Program:
    """Write both passes of a graph in JavaScript, or return why that is not possible.

    Each rule runs on traced numbers; the results must equal the recorded ones. `data` holds the
    numbers of the nodes.
    """
    try:
        return _Writer(nodes, steps, data, names).program()
    except NotTraced as reason:
        return Program([], {}, [], str(reason))


def constants_of(node: Node) -> list[Constant]:
    """List the operands of a node that are numbers or small arrays, without masks.

    >>> from tinygrad_pool import Value
    >>> [i for _, i in constants_of(Value(2.0) * 3.0)]
    [1]
    """
    raw = [(i, np.asarray(p)) for i, p in enumerate(node.parents) if not isinstance(p, Node)]
    return [(node, i) for i, x in raw if x.dtype.kind in "fiu" and not is_large(x)]


def runtime() -> str:
    """Return the JavaScript functions that every program uses."""
    return files(__package__).joinpath("runtime.js").read_text("utf-8")


class _Writer:
    """Trace the rules of a graph. Nodes with the same code share a function."""

    def __init__(
        self,
        nodes: list[Node],
        steps: Iterable[Step],
        data: Mapping[Node, Any],
        names: Mapping[Node, str],
    ) -> None:
        self.nodes, self.data, self.names = nodes, data, names
        self.steps = {step.node: step for step in steps}
        self.place: dict[Any, int] = {node: i for i, node in enumerate(nodes)}
        self.inputs: list[Constant] = []
        self.functions: dict[str, int] = {}
        self.constants: list[Any] = []
        self.constant_at: dict[str, int] = {}
        self.count = 0  # of numbers in all constants

    def program(self) -> Program:
        """Write the program. Raises NotTraced with the reason if that is not possible."""
        if sum(node.size for node in self.nodes) > MOST:
            raise NotTraced(f"the graph has more than {MOST:,} numbers")
        if stale := set_since(self.nodes):
            names = several([self.names[v] for v in stale])
            raise NotTraced(f"the data of {names} was set after the pass was recorded")
        first = next(iter(self.steps.values()))
        nodes = [self._described(node) for node in self.nodes]
        inputs = [_given(_number_of(node, i)) for node, i in self.inputs]
        graph = {
            "nodes": nodes + inputs,
            "constants": self.constants,
            "seed": [as_json(float(x)) for x in np.ravel(first.upstream)],
            "order": [self.place[node] for node in self.steps],
        }
        return Program([*self.functions], graph, self.inputs)

    def _described(self, node: Node) -> dict[str, Any]:
        """Describe a node: its shape, and its data or the call that computes it."""
        if (kind := np.asarray(node._numbers).dtype) not in FLOATS:
            raise NotTraced(f"{self.names[node]} has dtype {kind}")
        if node.is_leaf:
            return _given(self.data[node])
        text, constants, inputs = self._called(node, constants_of(node))
        self.place |= {one: len(self.place) + i for i, one in enumerate(inputs)}
        self.inputs += inputs
        variables = [p for p in node.parents if isinstance(p, Node)]
        call = {
            "run": self.functions.setdefault(text, len(self.functions)),
            "of": [self.place[p] for p in (*variables, *inputs)],
        }
        if constants:
            call["k"] = [self._constant(x) for x in constants]
        return _shape_of(node._numbers) | call

    def _called(self, node: Node, inputs: list[Constant]) -> tuple[str, list[Any], list[Constant]]:
        """Trace a rule; if it needs plain constants, such as an index, without inputs.

        Returns the function, its constants and its inputs. Raises NotTraced if that is impossible.
        """
        try:
            return *self._traced(node, inputs), inputs
        except Exception as error:  # a rule of the user's may raise anything
            if inputs:
                return self._called(node, [])
            raise NotTraced(
                f"the rule of {self.names[node]} cannot be written in JavaScript: {error}"
            ) from error

    def _constant(self, x: Any) -> int:
        """Return the index of a constant in the list of all; equal constants share one."""
        constant: Any = [*map(as_json, x)] if isinstance(x, list) else as_json(x)
        if (key := repr(constant)) not in self.constant_at:
            self.count += len(x) if isinstance(x, list) else 1
            if self.count > 4 * MOST:
                raise NotTraced(f"it needs more than {4 * MOST:,} constants")
            self.constant_at[key] = len(self.constants)
            self.constants.append(constant)
        return self.constant_at[key]

    def _traced(self, node: Node, inputs: list[Constant]) -> tuple[str, list[Any]]:
        """Trace the rule of a node and its closure; return the function, and its constants.

        The variables are the first operands of the function, and `inputs` the others.
        """
        assert node.rule is not None
        tape, operands, options = Tape(), [*node.parents], dict(call_options(node))
        variables = [(i, self.data[p]) for i, p in enumerate(operands) if isinstance(p, Node)]
        given = dict(variables + [(i, _number_of(node, i)) for _, i in inputs])
        for k, (i, numbers) in enumerate(given.items()):
            operands[i] = Traced(tape, f"x{k}", numbers)
        if "wants" in options:
            options["wants"] = tuple(i in given for i, _ in enumerate(operands))
        with np.errstate(all="ignore"):
            y, closure = node.rule(*operands, **options)
            y_text = _written(y, node, node._numbers, tape)
            in_forward = [*tape.lines]
            step = self.steps.get(node)
            upstream = np.ones(node.shape) if step is None else step.upstream
            sent = closure(Traced(tape, "g", np.asarray(upstream, node.dtype)))
            known = [None] * len(operands) if step is None else step.contributions
            texts = [_contribution(tape, operands[i], sent[i], known[i]) for i in given]
        lines, (y_text, *texts) = tidied(tape.lines, [y_text, *texts])
        forward = "".join(f"const {t} = {lines[t]}; " for t in in_forward if t in lines)
        rest = [f"const {t} = {text}; " for t, text in lines.items() if t not in in_forward]
        closure_text = f"(g) => {{ {''.join(rest)}return [{', '.join(texts)}]; }}"
        head = f"([{', '.join(f'x{k}' for k, _ in enumerate(given))}], k) => {{ {forward}"
        return f"{head}return [{y_text}, {closure_text}]; }}", tape.constants


def _number_of(node: Node, i: int) -> Any:
    """Return a constant operand as floats. A Python number has the precision of the result."""
    x = np.asarray(node.parents[i])
    is_ours = isinstance(node.parents[i], np.ndarray | np.generic) and x.dtype in FLOATS
    return x if is_ours else x.astype(node.dtype)


def _shape_of(x: Any) -> dict[str, Any]:
    """Describe the shape and the precision of numbers."""
    x = np.asarray(x)
    return {"shape": list(x.shape)} | ({"single": True} if x.dtype == np.float32 else {})


def _given(x: Any) -> dict[str, Any]:
    """Describe a leaf or a constant by its numbers."""
    return _shape_of(x) | {"data": [as_json(float(one)) for one in np.ravel(x)]}


def _written(x: Any, node: Node | Traced, recorded: Any, tape: Tape) -> str:
    """Write a result in a node's dtype. Raises NotTraced unless it equals the recorded one."""
    if isinstance(x, Mask):
        raise NotTraced("its result is a mask, not a number")
    _check(bare(x), recorded, node)
    if isinstance(x, Traced):
        return str(cast(x, dtype=node.dtype).text)
    return tape.constant(x)


def _contribution(tape: Tape, p: Traced, c: Any, recorded: Any) -> str:
    """Write a contribution in its operand's shape and dtype, or null."""
    if c is None:
        return "null"
    axes = unbroadcast_axes(p.shape, np.shape(bare(c)))
    if axes:
        c = np.reshape(add_up(c, axes), p.shape)
    return _written(c, p, c if recorded is None else recorded, tape)


def _check(x: Any, recorded: Any, node: Node | Traced) -> None:
    """Raise NotTraced unless numbers equal the recorded ones, up to rounding."""
    recorded = bare(recorded)
    if np.shape(x) != node.shape:
        raise NotTraced(f"its shape is {np.shape(x)} when it runs again")
    scale = np.nanmax(np.abs(np.where(np.isfinite(recorded), recorded, 0.0)), initial=0.0)
    near = CLOSE[node.dtype.itemsize]
    if not np.allclose(x, recorded, rtol=near, atol=near * scale, equal_nan=True):
        raise NotTraced("it gives different numbers when it runs again")
