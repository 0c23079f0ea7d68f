"""A recorded graph as an ONNX file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_pool.bridges.graph import Graph, graph_of
from tinygrad_pool.bridges.onnx_rules import written
from tinygrad_pool.bridges.onnx_writer import refused
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import check_folder, write_whole
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules.arguments import Shape

OPSET, IR = 21, 10
"""The version of ONNX's operations, and of its files, that is written."""

BATCH = "batch"


def to_onnx(network: Module | Value, path: str | os.PathLike[str], *inputs: Any) -> Path:
    """Write a network, or a graph, as an ONNX file, and return its path.

    Of a network, `inputs` are an example to record; the batch size, their first axis, may be any
    where no operation depends on it. Of a Value, they are the leaves that become inputs; the other
    leaves are parameters. Parameters keep their names. The file is checked by ONNX itself, and
    written whole or not at all.

    Raises ToolError without the package onnx; UnsupportedError, with the line of source, for a rule
    that ONNX has not, or ties other than "first"; GraphError for a mask or an index that was
    computed from the inputs' numbers; OutputError if the file cannot be written.
    """
    onnx = extra("onnx", "to_onnx")
    check_folder(path)
    graph = graph_of("to_onnx", network, inputs)
    model = _Model(onnx, graph).finished()
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ToolError(f"to_onnx: ONNX refuses the model: {error}") from error
    return write_whole(path, model.SerializeToString())


class _Model:
    """Takes down the operations of a graph."""

    def __init__(self, onnx: Any, graph: Graph) -> None:
        self._onnx, self._graph = onnx, graph
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names: dict[Node, str] = {v: n for n, v in graph.inputs.items()}
        self._names |= {v: n for n, v in graph.parameters.items()}
        self._taken = set(self._names.values())
        self._at = ""

    def finished(self) -> Any:
        """Write every node, and the model around them."""
        helper, graph = self._onnx.helper, self._graph
        for node in (*graph.inputs.values(), *graph.nodes):
            if node.dtype.itemsize > np.dtype(np.float64).itemsize:
                raise refused(node, f"ONNX has no {node.dtype}; .astype(np.float64) makes doubles")
        for node in graph.nodes:
            if node not in self._names:
                self._names[node] = self._written(node)
        outputs = [self._given_out(v, i) for i, v in enumerate(graph.outputs)]
        parameters = [
            self._onnx.numpy_helper.from_array(np.asarray(v._numbers, v.dtype), name)
            for name, v in graph.parameters.items()
        ]
        inputs = [self._described(name, v) for name, v in graph.inputs.items()]
        made = helper.make_graph(
            self._constants + self._nodes, "tinygrad_pool", inputs, outputs, parameters
        )
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            made, opset_imports=opset, ir_version=IR, producer_name="tinygrad_pool"
        )

    def _written(self, node: Any) -> str:
        self._at = node.label or f"{node.about.scope}/{node.op}".strip("/")
        inputs = [self._operand(p, node) for p in node.parents]
        return written(self, node, inputs)

    def _operand(self, operand: Any, node: Any) -> str:
        """Name an operand, in the dtype of the result: ONNX does not mix them."""
        if not isinstance(operand, Node):
            return self.constant(operand, node.dtype)
        name = self._names[operand]
        if operand.dtype == node.dtype or node.rule.__name__ == "astype":
            return name
        return self.cast(name, node.dtype)

    def operation(self, kind: str, inputs: list[str], *, more: int = 0, **attributes: Any) -> str:
        """Write one operation and return the name of its first result; it may have `more`."""
        name = self._new(self._at or kind)
        names = [name, *(self._new(name) for _ in range(more))]
        made = self._onnx.helper.make_node(kind, inputs, names, name=name, **attributes)
        self._nodes.append(made)
        return name

    def constant(self, numbers: Any, dtype: Any = None) -> str:
        """Write a constant and return its name."""
        name = self._new("constant")
        tensor = self._onnx.numpy_helper.from_array(np.asarray(numbers, dtype), name)
        made = self._onnx.helper.make_node("Constant", [], [name], value=tensor)
        self._constants.append(made)
        return name

    def cast(self, name: str, dtype: Any) -> str:
        """Write a conversion to another dtype."""
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return self.operation("Cast", [name], to=kind)

    def shape_of(self, node: Node) -> Shape:
        """Return a node's shape, with −1 for the batch where it may be any."""
        return self._graph.shapes[node]

    def _new(self, wanted: str) -> str:
        name, i = wanted, 1
        while name in self._taken:
            i += 1
            name = f"{wanted}_{i}"
        self._taken.add(name)
        return name

    def _given_out(self, value: Value, i: int) -> Any:
        """Name an output: its label, or a number."""
        name = self._new(f"output{i}" if len(self._graph.outputs) > 1 else "output")
        made = self._onnx.helper.make_node("Identity", [self._names[value]], [name])
        self._nodes.append(made)
        return self._described(name, value)

    def _described(self, name: str, value: Value) -> Any:
        helper = self._onnx.helper
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        shape: list[int | str | None] = list(value.shape)
        if self._graph.free:
            batch = self._graph.batch
            shape = [BATCH if free else n for n, free in zip(shape, batch[value], strict=True)]
        return helper.make_tensor_value_info(name, kind, shape)
