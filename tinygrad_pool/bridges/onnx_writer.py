"""What writes a rule in ONNX: what it is given, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_pool.bridges.graph import Graph
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.rules.arguments import Shape


class Writer:
    """Takes down the operations of a model, and gives names to what they make."""

    def __init__(self, onnx: Any, graph: Graph) -> None:
        self.onnx, self.graph = onnx, graph
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.names: dict[Node, str] = {v: n for n, v in graph.inputs.items()}
        self.names |= {v: n for n, v in graph.parameters.items()}
        self.taken = set(self.names.values())
        self.at = ""  # what the operations are named after
        self.dtype: Any = None  # of the node that is written

    def operation(self, kind: str, *inputs: Any, more: int = 0, **attributes: Any) -> str:
        """Write one operation and return the name of its first result; it may have `more`.

        An input is a name, a float of the node's dtype, or whole numbers.
        """
        given = [x if isinstance(x, str) else self._number(x) for x in inputs]
        name = self.new(self.at or kind)
        names = [name, *(self.new(name) for _ in range(more))]
        made = self.onnx.helper.make_node(kind, given, names, name=name, **attributes)
        self.nodes.append(made)
        return name

    def _number(self, x: Any) -> str:
        return self.constant(x, self.dtype if isinstance(x, float) else np.int64)

    def constant(self, numbers: Any, dtype: Any) -> str:
        """Write a constant and return its name."""
        name = self.new("constant")
        tensor = self.onnx.numpy_helper.from_array(np.asarray(numbers, dtype), name)
        made = self.onnx.helper.make_node("Constant", [], [name], value=tensor)
        self.constants.append(made)
        return name

    def cast(self, name: str, dtype: Any) -> str:
        """Write a conversion to another dtype."""
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return self.operation("Cast", name, to=kind)

    def shape_of(self, node: Node) -> Shape:
        """Return a node's shape, with −1 for the batch where it may be any."""
        return self.graph.shapes[node]

    def new(self, wanted: str) -> str:
        """Return a name that nothing else has."""
        name, i = wanted, 1
        while name in self.taken:
            i += 1
            name = f"{wanted}_{i}"
        self.taken.add(name)
        return name


Written = Callable[..., str]
"""Takes the writer, a node and the names of its operands; returns the name of its result."""


def refused(node: Node, why: str) -> UnsupportedError:
    """Return an error that names a node and its line of source."""
    at = f", at {node.about.line}" if node.about.line else ""
    return UnsupportedError(f"to_onnx: {node.op or name_of(node)}{at}: {why}")
