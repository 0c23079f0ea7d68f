"""A graph as a straight-line program: a line for each node, forward and then backward.

The graph runs once while it is written, so that the text converts numbers where the engine does.
The result of Python numbers becomes a Python float, a result without axes a NumPy scalar, and a
contribution to an operand that was broadcast is summed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np

from tinygrad_pool.codegen.conversions import KEEPERS, fitted, keeper_of
from tinygrad_pool.codegen.spelling import WIDTH, Names, dtype_of, filled, spelled
from tinygrad_pool.engine.data import to_result
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.rerun import run_forward
from tinygrad_pool.engine.running import call_options
from tinygrad_pool.engine.vjp import unbroadcast, vjp
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.rule import Backward, Rule
from tinygrad_pool.rules.windows import AdaptiveWindows, Windows

FORMS = ("{}_backward", "g_{}", "to_{}")
"""The names derived from a node's: its closure, its gradient, and a contribution to it."""

RESERVED = ("np", "float", "slice", "Windows", "AdaptiveWindows", *KEEPERS, "run", "_")


class Writer:
    """Run both passes of a graph, and write a line for each node.

    `nodes` are in topological order, and g is the gradient of the last one, the loss. `variables`
    are names of nodes without a label, and of constants. `given` has objects without source text.
    """

    def __init__(self, nodes: list[Node], g: Any, variables: Mapping[Any, str]) -> None:
        self.names = Names(RESERVED)
        self.variables = variables
        self.imports: dict[str, set[str]] = {}
        self.given: dict[str, Any] = {}
        self.keepers: set[str] = set()
        self.windows: dict[Any, str] = {}
        self.window_lines: list[str] = []
        self.forward: dict[Node, list[str]] = {}
        self.seed: list[str] = []
        self.backward: dict[Node, list[str]] = {}
        self.reached: dict[Node, list[Node]] = {}
        self.on_numpy: set[Node] = set()  # nodes that need NumPy numbers, as for 1 / 0.0
        self.calls: dict[Node, tuple[str, list[str]]] = {}
        self._grads: dict[Node, Any] = {}
        self._closures: dict[Node, Backward] = {}
        self._constants: dict[int, str] = {}
        rules = dict.fromkeys(node.rule for node in nodes if node.is_interior)
        self._rules = {rule: self._import(rule) for rule in rules if rule is not None}
        self.name = {node: self._name(node) for node in nodes}
        with np.errstate(all="ignore"):
            run_forward(nodes[-1], self._forward)
            self._seed(nodes[-1], g)
            for node in reversed(nodes):
                if node in self._closures and node in self._grads:
                    self._backward(node)
        unreached = (node for node in nodes if node.is_leaf and node not in self._grads)
        self.zeros = {leaf: _zeros_like(leaf, self.name[leaf]) for leaf in unreached}
        self._closures.clear()
        self._grads.clear()

    @property
    def forward_lines(self) -> list[str]:
        """The lines that compute the loss."""
        return [line for lines in self.forward.values() for line in lines]

    @property
    def backward_lines(self) -> list[str]:
        """The lines that compute every gradient."""
        lines = [*self.seed, *(line for lines in self.backward.values() for line in lines)]
        for leaf, zeros in self.zeros.items():
            lines.append(f"    g_{self.name[leaf]} = {zeros}  # nothing is sent to it")
        return lines

    # -- names

    def _import(self, rule: Rule) -> str:
        """Name a rule. A rule that cannot be imported becomes a parameter."""
        name = self.names.new(rule.__name__)
        module = sys.modules.get(rule.__module__)
        if rule.__module__ == "__main__" or getattr(module, rule.__name__, None) is not rule:
            self.given[name] = rule
        else:
            alias = rule.__name__ if name == rule.__name__ else f"{rule.__name__} as {name}"
            self.imports.setdefault(rule.__module__, set()).add(alias)
        return name

    def _name(self, node: Node) -> str:
        label = node.label or self.variables.get(id(node), "")
        if label:
            return self.names.new(label, *FORMS)
        return self.names.numbered(node.op or "leaf", *FORMS)

    # -- forward

    def _forward(self, node: Node, operands: list[Any]) -> Any:
        """Run a node's rule and write its line. Returns the node's data."""
        if node.rule is None or node.is_leaf:
            return node._numbers
        texts = [
            self.name[p] if isinstance(p, Node) else spelled(p) or self._constant(p)
            for p in node.parents
        ]
        y, closure, on_numpy = _run(node.rule, operands, call_options(node))
        if on_numpy:
            self.on_numpy.add(node)
            texts = [f"np.float64({text})" for text in texts]
        result = y if type(y) is float else to_result(y, operands, node.op)
        _check_unchanged(node, result)
        self._closures[node] = closure
        rule, options = self._rules[node.rule], self._options(node)
        self.calls[node] = rule, [*texts, *options]
        name = self.name[node]
        head, tail = f"{name}, {name}_backward = {rule}(", ")"
        if keeper := keeper_of(node, y, result):
            self.keepers.add(keeper)
            head, tail = f"{name}, {name}_backward = {keeper}({rule}(", "))"
        self.forward[node] = filled(head, [*texts, *options], tail)
        return result

    def _constant(self, x: Any, stem: str = "constant") -> str:
        """Name a constant that has no source text, and make it a parameter."""
        key = key_of(x)
        if key not in self._constants:
            label = self.variables.get(key)
            name = self.names.new(label) if label else self.names.numbered(stem)
            self._constants[key], self.given[name] = name, x
        return self._constants[key]

    def _options(self, node: Node) -> list[str]:
        """Write the options that differ from their defaults."""
        assert node.rule is not None
        defaults, texts = _defaults(node.rule), []
        for option, value in call_options(node).items():
            text = spelled(value)
            if text is None or text != defaults.get(option):
                texts.append(f"{option}={text or self._large_option(option, value)}")
        return texts

    def _large_option(self, option: str, value: Any) -> str:
        if type(value) in (Windows, AdaptiveWindows):
            self.imports.setdefault(type(value).__module__, set()).add(type(value).__name__)
            if value not in self.windows:
                self.windows[value] = name = self.names.numbered("windows")
                fields = [f"{field}={spelled(x)}" for field, x in value._asdict().items()]
                self.window_lines += filled(f"{name} = {type(value).__name__}(", fields, ")")
            return self.windows[value]
        return self._constant(value, option)

    # -- backward

    def _seed(self, node: Node, g: Any) -> None:
        """Start the backward pass with the gradient g of the loss."""
        self._grads[node] = g
        name, text = f"g_{self.name[node]}", spelled(g)
        if text is None:
            self.given[name] = g
        else:
            self.seed.append(f"    {name} = {text}")

    def _backward(self, node: Node) -> None:
        """Call a node's closure, and write the lines that call it and add up its contributions."""
        contributions, call = self._call(node)
        targets = self._targets(node, contributions)
        reached = [i for i, target in enumerate(targets) if target != "_"]
        self.backward[node] = unpacked(targets, call) if reached else []
        self.reached[node] = [node.parents[i] for i in reached]
        for i in reached:
            p, text, c = node.parents[i], targets[i], contributions[i]
            if type(c) is not float or type(p._numbers) is not float:
                text, c = fitted(text, c, p), unbroadcast(node, i, p, c)
            g = f"g_{self.name[p]}"
            if p in self._grads:
                text, c = f"{g} + {text}", self._grads[p] + c
            self._grads[p] = c
            self.backward[node].append(f"    {g} = {text}")

    def _call(self, node: Node) -> tuple[Any, str]:
        """Call a node's closure, on NumPy numbers if Python's floats fail, as for 1 / 0.0."""
        g, name = self._grads[node], self.name[node]
        try:
            return self._closures[node](g), f"{name}_backward(g_{name})"
        except ArithmeticError:
            self.on_numpy.add(node)
            (rule, parts), n = self.calls[node], len(node.parents)
            texts = [f"np.float64({text})" for text in parts[:n]]
            call = f"{rule}({', '.join([*texts, *parts[n:]])})"
            return vjp(node, g), f"{call}[1](np.float64(g_{name}))"

    def _targets(self, node: Node, contributions: Any) -> list[str]:
        """Name the contribution to each operand; "_" if it is not used."""
        targets: list[str] = []
        for p, c in zip(node.parents, contributions, strict=True):
            is_used = isinstance(p, Node) and c is not None
            target = f"to_{self.name[p]}" if is_used else "_"
            targets.append(self.names.new(target) if is_used and target in targets else target)
        return targets


def _zeros_like(leaf: Node, name: str) -> str:
    """Write the gradient of a leaf that no gradient reaches."""
    if leaf.shape:
        return f"np.zeros_like({name})"
    return "0.0" if type(leaf._numbers) is float else f"{dtype_of(leaf.dtype)}(0.0)"


def key_of(x: Any) -> Any:
    """Return a key that is equal for arrays of equal numbers: every node has its own copy."""
    return (x.dtype.str, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else id(x)


def unpacked(targets: list[str], call: str) -> list[str]:
    """Write the line that unpacks the contributions."""
    if len(targets) == 1:
        return [f"    ({targets[0]},) = {call}"]
    line = f"    {', '.join(targets)} = {call}"
    return [line] if len(line) <= WIDTH else filled("(", targets, f") = {call}")


@lru_cache(maxsize=256)
def _defaults(rule: Rule) -> dict[str, str | None]:
    return {name: spelled(p.default) for name, p in signature(rule).parameters.items()}


def _run(rule: Rule, data: list[Any], options: Any) -> tuple[Any, Backward, bool]:
    """Run a rule as the engine does, on NumPy numbers if Python's fail or become complex."""
    try:
        y, closure = rule(*data, **options)
    except ArithmeticError:
        y = 0j
    if type(y) is not complex:
        return y, closure, False
    return *rule(*map(np.float64, data), **options), True


def _check_unchanged(node: Node, result: Any) -> None:
    """Raise GraphError if a rule gives different numbers than when the graph was built."""
    if type(result) is float and result == node._numbers:
        return
    same = type(result) is type(node._numbers)
    if not same or not np.array_equal(result, node._numbers, equal_nan=True):
        raise GraphError(
            f"unroll: {name_of(node)} gives different numbers when its rule runs again: the "
            "rule is random, or data was changed other than by `v.data = …`"
        )
