"""To and from PyTorch and ONNX: networks, and one graph checked against PyTorch, node by node."""

from tinygrad_pool.bridges.crosscheck import Crosscheck, crosscheck
from tinygrad_pool.bridges.from_onnx import from_onnx
from tinygrad_pool.bridges.from_torch import from_torch
from tinygrad_pool.bridges.network import Network
from tinygrad_pool.bridges.to_onnx import to_onnx
from tinygrad_pool.bridges.to_torch import to_torch
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
