"""Write a recorded graph as an ONNX model: the names, constants and operations of its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_pool.bridges.graph import Graph
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import UnsupportedError

OPSET, IR = 21, 10
"""The versions of ONNX's operators and of its file format that are written."""

BATCH = "batch"

Written: TypeAlias = Callable[..., str]
"""Takes the writer, a node and the names of its operands; returns the name of its result."""


class Writer:
    """Writes the operations of a model, and names their results: writer("Add", "x", 1.0)."""

    def __init__(self, onnx: Any, graph: Graph) -> None:
        self.onnx, self.graph = onnx, graph
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.names: dict[Node, str] = {v: n for n, v in graph.inputs.items()}
        self.names |= {v: n for n, v in graph.parameters.items()}
        self.taken = set(self.names.values())
        self.prefix = ""  # of the names of operations: the node that is written
        self.dtype: Any = None  # of that node

    def model(self, write: Callable[[Writer, Node, list[str]], str]) -> Any:
        """Write every node with `write`, and return the model."""
        helper, graph = self.onnx.helper, self.graph
        for node in (*graph.inputs.values(), *graph.nodes):
            if node.dtype.itemsize > np.dtype(np.float64).itemsize:
                raise refused(node, f"ONNX has no {node.dtype}; .astype(np.float64) makes doubles")
        for node in graph.nodes:
            if node not in self.names:
                self.prefix = node.label or f"{node.about.scope}/{node.op}".strip("/")
                self.dtype = node.dtype
                self.names[node] = write(self, node, [self._operand(p, node) for p in node.parents])
        outputs = [self._output(v, i) for i, v in enumerate(graph.outputs)]
        parameters = [
            self.onnx.numpy_helper.from_array(np.asarray(v._numbers, v.dtype), name)
            for name, v in graph.parameters.items()
        ]
        inputs = [self._description(name, v) for name, v in graph.inputs.items()]
        return helper.make_model(
            helper.make_graph(
                self.constants + self.nodes, "tinygrad_pool", inputs, outputs, parameters
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR,
            producer_name="tinygrad_pool",
        )

    def _operand(self, operand: Any, node: Any) -> str:
        """Name an operand in the dtype of the result: ONNX does not accept mixed dtypes."""
        if not isinstance(operand, Node):
            return self.constant(operand, node.dtype)
        name = self.names[operand]
        if operand.dtype == node.dtype or node.rule.__name__ == "astype":
            return name
        return self.cast(name, node.dtype)

    def _output(self, value: Value, i: int) -> Any:
        """Write an output, and return its description."""
        name = self.new(f"output{i}" if len(self.graph.outputs) > 1 else "output")
        self.nodes.append(self.onnx.helper.make_node("Identity", [self.names[value]], [name]))
        return self._description(name, value)

    def _description(self, name: str, value: Value) -> Any:
        """Describe an input or an output: its name, dtype and shape."""
        helper = self.onnx.helper
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        free = self.graph.batch.get(value, (False,) * value.ndim)
        shape = [BATCH if grows else n for n, grows in zip(value.shape, free, strict=True)]
        return helper.make_tensor_value_info(name, kind, shape)

    def __call__(self, kind: str, *inputs: Any, more: int = 0, **attributes: Any) -> str:
        """Write one operation and return the name of its first result; `more` counts the others.

        An input is a name, a float of the node's dtype, or integers.
        """
        operands = [x if isinstance(x, str) else self._number(x) for x in inputs]
        name = self.new(self.prefix or kind)
        names = [name, *(self.new(name) for _ in range(more))]
        operation = self.onnx.helper.make_node(kind, operands, names, name=name, **attributes)
        self.nodes.append(operation)
        return name

    def _number(self, x: Any) -> str:
        return self.constant(x, self.dtype if isinstance(x, float) else np.int64)

    def constant(self, numbers: Any, dtype: Any) -> str:
        """Write a constant and return its name."""
        name = self.new("constant")
        tensor = self.onnx.numpy_helper.from_array(np.asarray(numbers, dtype), name)
        self.constants.append(self.onnx.helper.make_node("Constant", [], [name], value=tensor))
        return name

    def cast(self, name: str, dtype: Any) -> str:
        """Write a conversion to another dtype."""
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self("Cast", name, to=kind)

    def new(self, name: str) -> str:
        """Return this name, with a number if it is taken."""
        unique, i = name, 1
        while unique in self.taken:
            i += 1
            unique = f"{name}_{i}"
        self.taken.add(unique)
        return unique


def refused(node: Node, why: str) -> UnsupportedError:
    """Return the error for a node that ONNX cannot express: its name, its line and the reason."""
    at = f", at {node.about.line}" if node.about.line else ""
    return UnsupportedError(f"to_onnx: {node.op or name_of(node)}{at}: {why}")
