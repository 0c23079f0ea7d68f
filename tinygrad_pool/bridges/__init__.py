"""Convert networks from and to PyTorch and ONNX, and crosscheck a graph with PyTorch."""

from tinygrad_pool.bridges import (  # imported for the translations that they enter
    aten,  # noqa: F401
    aten_layers,  # noqa: F401
    aten_shapes,  # noqa: F401
    onnx_operations,  # noqa: F401
    onnx_shapes,  # noqa: F401
)
from tinygrad_pool.bridges.agreement import Crosscheck, crosscheck
from tinygrad_pool.bridges.network import Network
from tinygrad_pool.bridges.onnx_reading import from_onnx
from tinygrad_pool.bridges.onnx_writing import to_onnx
from tinygrad_pool.bridges.torch_reading import from_torch
from tinygrad_pool.bridges.torch_writing import to_torch
from tinygrad_pool.bridges.translations import translates

__all__ = [
    "Crosscheck",
    "Network",
    "crosscheck",
    "from_onnx",
    "from_torch",
    "to_onnx",
    "to_torch",
    "translates",
]
