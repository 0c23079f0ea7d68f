"""A recorded graph as an ONNX file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinygrad_pool.bridges.graph import graph_of
from tinygrad_pool.bridges.onnx_rules import written
from tinygrad_pool.bridges.onnx_writer import Writer
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import ToolError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import check_folder, write_whole
from tinygrad_pool.nn.module import Module


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
    model = Writer(onnx, graph).model(written)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ToolError(f"to_onnx: ONNX refuses the model: {error}") from error
    return write_whole(path, model.SerializeToString())
