"""A recorded graph as an ONNX file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_pool.bridges.graph import graph_of
from tinygrad_pool.bridges.onnx_rules import written
from tinygrad_pool.bridges.onnx_writer import Writer, refused
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import check_folder, write_whole
from tinygrad_pool.nn.module import Module

OPSET, IR = 21, 10
"""The version of ONNX's operations, and of its files, that is written."""

BATCH = "batch"


def to_onnx(network: Module | Value, path: str | os.PathLike[str], *inputs: Any) -> Path:
    """Write a network, or a graph, as an ONNX file, and return its path.

    For a network, `inputs` are an example to record; the batch size, their first axis, may be any
    where no operation depends on it. For a Value, they are the leaves that become inputs; the other
    leaves are parameters. Parameters keep their names. The file is checked by ONNX itself, and
    written whole or not at all.

    Raises ToolError without the package onnx; UnsupportedError, with the line of source, for a rule
    that ONNX lacks, or ties other than "first"; GraphError for a mask or an index that was
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


class _Model(Writer):
    """Takes down a whole graph."""

    def finished(self) -> Any:
        """Write every node, and the model around them."""
        helper, graph = self.onnx.helper, self.graph
        for node in (*graph.inputs.values(), *graph.nodes):
            if node.dtype.itemsize > np.dtype(np.float64).itemsize:
                raise refused(node, f"ONNX has no {node.dtype}; .astype(np.float64) makes doubles")
        for node in graph.nodes:
            if node not in self.names:
                self.names[node] = self._written(node)
        outputs = [self._given_out(v, i) for i, v in enumerate(graph.outputs)]
        parameters = [
            self.onnx.numpy_helper.from_array(np.asarray(v._numbers, v.dtype), name)
            for name, v in graph.parameters.items()
        ]
        inputs = [self._described(name, v) for name, v in graph.inputs.items()]
        made = helper.make_graph(
            self.constants + self.nodes, "tinygrad_pool", inputs, outputs, parameters
        )
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            made, opset_imports=opset, ir_version=IR, producer_name="tinygrad_pool"
        )

    def _written(self, node: Any) -> str:
        self.at = node.label or f"{node.about.scope}/{node.op}".strip("/")
        inputs = [self._operand(p, node) for p in node.parents]
        return written(self, node, inputs)

    def _operand(self, operand: Any, node: Any) -> str:
        """Name an operand, in the dtype of the result: ONNX does not mix them."""
        if not isinstance(operand, Node):
            return self.constant(operand, node.dtype)
        name = self.names[operand]
        if operand.dtype == node.dtype or node.rule.__name__ == "astype":
            return name
        return self.cast(name, node.dtype)

    def _given_out(self, value: Value, i: int) -> Any:
        """Name an output: its label, or a number."""
        name = self.new(f"output{i}" if len(self.graph.outputs) > 1 else "output")
        made = self.onnx.helper.make_node("Identity", [self.names[value]], [name])
        self.nodes.append(made)
        return self._described(name, value)

    def _described(self, name: str, value: Value) -> Any:
        helper = self.onnx.helper
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        shape: list[int | str | None] = list(value.shape)
        if self.graph.free:
            batch = self.graph.batch
            shape = [BATCH if free else n for n, free in zip(shape, batch[value], strict=True)]
        return helper.make_tensor_value_info(name, kind, shape)
