"""Read an ONNX file into a network on Values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_pool.bridges.network import Call, Length, Network, Program, Ref, check_known
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OutputError, TinygradPoolError, UnsupportedError
from tinygrad_pool.extras import extra
from tinygrad_pool.files import path_of

LARGEST = 2**30
"""Files with more bytes are not read: they hold no small network."""

FLATTENS = ("Softmax", "LogSoftmax")
"""Before opset 13, these flattened all axes from one on, by default from 1."""

RUNNING = {"BatchNormalization": (3, 4)}
"""Positions of operands that are statistics, and not learned."""

SCALARS = {"Clip": (1, 2), "Dropout": (1,), "Pad": (2,), "Pow": (1,)}
"""Positions of operands that are not learned if they are a number without axes."""


def from_onnx(path: str | os.PathLike[str]) -> Network:
    """Read an ONNX file into a network on Values. Code in the file is not run.

    Its floating-point initializers become parameters under their own names. The network is called
    with the inputs in order, and returns its output, or a tuple of several.

    Raises ToolError without the package onnx; OutputError for a file that cannot be read, is
    damaged, is larger than 1 GiB, or keeps numbers in other files; UnsupportedError for unknown
    operations or a newer opset, or a model with functions or branches of its own.
    """
    onnx = extra("onnx", "from_onnx")
    path = path_of(path)
    model = _parsed(onnx, path)
    try:
        onnx.checker.check_model(model)
        return _network(onnx, model, path)
    except (TinygradPoolError, MemoryError):
        raise
    except Exception as error:  # of a damaged file
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise OutputError(f"{path}: is not a sound ONNX model: {reason:.200}") from error


def _parsed(onnx: Any, path: Path) -> Any:
    """Parse a file, and check the size of its arrays before memory is allocated for them."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be read: {reason}") from error
    if size > LARGEST:
        raise OutputError(f"{path}: has {size:,} bytes, more than {LARGEST:,}")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises its own
        raise OutputError(f"{path}: is not an ONNX file, or is damaged") from error
    attributes = (attribute for node in model.graph.node for attribute in node.attribute)
    for tensor in (*model.graph.initializer, *(a.t for a in attributes if a.HasField("t"))):
        _check_tensor(onnx, path, tensor)
    return model


def _check_tensor(onnx: Any, path: Path, tensor: Any) -> None:
    """Raise OutputError for text, numbers in another file, or fewer numbers than the shape has."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise OutputError(
            f"{path}: keeps the numbers of {tensor.name!r} in another file, which is not opened; "
            "onnx.save(onnx.load(path), path) makes one file of them"
        )
    if tensor.data_type == onnx.TensorProto.STRING:
        raise OutputError(f"{path}: {tensor.name!r} holds text, not numbers")
    count = prod(tensor.dims)
    size = len(tensor.raw_data) + sum(
        len(getattr(tensor, f"{kind}_data")) * 8
        for kind in ("float", "double", "int32", "int64", "uint64")
    )
    if count < 0 or count > size * 8:
        raise OutputError(f"{path}: {tensor.name!r} says it has {count:,} numbers, and has fewer")


def _network(onnx: Any, model: Any, path: Path) -> Network:
    graph = model.graph
    if len(model.functions):
        raise UnsupportedError(f"from_onnx: {path} has functions of its own; inline them first")
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if opset > onnx.defs.onnx_opset_version():
        raise UnsupportedError(
            f"from_onnx: {path} has opset {opset}, newer than the installed package onnx"
        )
    running, scalars = _operands(graph, RUNNING), _operands(graph, SCALARS)
    parts: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    for tensor in graph.initializer:
        numbers, name = np.array(onnx.numpy_helper.to_array(tensor)), tensor.name
        if numbers.dtype.kind != "f":
            constants[name] = numbers
        elif name in (running if numbers.ndim else scalars):
            parts[name] = numbers
        else:
            parts[name] = Value(numbers, label=name)
    calls = []
    for node in graph.node:
        if node.op_type == "Constant" and not node.domain:
            constants[node.output[0]] = _constant(onnx, node)
        else:
            calls.append(_call(onnx, node, opset))
    check_known("from_onnx", calls)
    inputs = [i for i in graph.input if i.name not in parts and i.name not in constants]
    outputs = [Ref(o.name) for o in graph.output]
    program = Program(
        inputs={i.name: _lengths(i.name, i.type.tensor_type) for i in inputs},
        takes=(tuple(Ref(i.name) for i in inputs), {}),
        calls=tuple(calls),
        returns=outputs[0] if len(outputs) == 1 else tuple(outputs),
        constants=constants,
        updates={},
    )
    return Network(program, parts, graph.name or path.stem)


def _operands(graph: Any, positions: Mapping[str, Sequence[int]]) -> set[str]:
    """Name the operands at the given positions of operations."""
    return {
        name
        for node in graph.node
        for i, name in enumerate(node.input)
        if i in positions.get(node.op_type, ())
    }


def _constant(onnx: Any, node: Any) -> Any:
    (attribute,) = node.attribute
    kind = attribute.name
    if kind not in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        raise UnsupportedError(f"from_onnx: a constant of kind {kind} is not supported")
    numbers = _attribute(onnx, node.op_type, attribute)
    return np.array(numbers, np.float32 if kind.startswith("value_float") else None)


def _call(onnx: Any, node: Any, opset: int) -> Call:
    options: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type in (attribute.GRAPH, attribute.GRAPHS):
            raise UnsupportedError(
                f"from_onnx: {node.op_type} {node.name!r} has a graph of its own, a branch or a "
                "loop, which is not supported"
            )
        options[attribute.name] = _attribute(onnx, node.op_type, attribute)
    if node.op_type in FLATTENS and opset < 13:
        options = {"axis": 1, "opset": opset, **options}
    if node.op_type == "Split":
        options.setdefault("num_outputs", len(node.output))
    operands = tuple(Ref(name) if name else None for name in node.input)
    library = "onnx" if node.domain in ("", "ai.onnx") else node.domain
    scope = "/".join(node.name.strip("/").split("/")[:-1])
    results = tuple(name or f"unused {i}" for i, name in enumerate(node.output))
    return Call(results, f"{library}.{node.op_type}", operands, options, scope)


def _attribute(onnx: Any, operation: str, attribute: Any) -> Any:
    """Read an attribute: numbers, lists and text as Python's, a tensor as an array."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if attribute.type == attribute.TENSOR:
        return np.array(onnx.numpy_helper.to_array(value))
    if operation == "Cast" and attribute.name == "to":
        return onnx.helper.tensor_dtype_to_np_dtype(value)
    return list(value) if attribute.type in (attribute.INTS, attribute.FLOATS) else value


def _lengths(name: str, kind: Any) -> list[Length] | None:
    """Read the lengths of an input. One without a number is free, and its own if it has no name."""
    if not kind.HasField("shape"):
        return None
    return [
        Length(str(n.dim_value), n.dim_value, n.dim_value)
        if n.HasField("dim_value")
        else Length(n.dim_param or f"{name}[{i}]")
        for i, n in enumerate(kind.shape.dim)
    ]
