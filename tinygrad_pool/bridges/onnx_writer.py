"""What writes a rule in ONNX: what it is given, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.errors import UnsupportedError
from tinygrad_pool.rules.arguments import Shape


class Writer(Protocol):
    """What takes down the operations of a model, and gives names to what they make."""

    def operation(self, kind: str, inputs: list[str], *, more: int = ..., **attributes: Any) -> str:
        """Write one operation and return the name of its first result; it may have `more`."""
        ...

    def constant(self, numbers: Any, dtype: Any = None) -> str:
        """Write a constant and return its name."""
        ...

    def cast(self, name: str, dtype: Any) -> str:
        """Write a conversion to another dtype."""
        ...

    def shape_of(self, node: Node) -> Shape:
        """Return a node's shape, with −1 for the batch where it may be any."""
        ...


Written = Callable[[Writer, Any, list[str]], str]


def refused(node: Node, why: str) -> UnsupportedError:
    """Return an error that names a node and its line of source."""
    at = f", at {node.about.line}" if node.about.line else ""
    return UnsupportedError(f"to_onnx: {node.op or name_of(node)}{at}: {why}")
