"""A node of the graph: what is recorded of a Value."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar

import numpy as np

from tinygrad_pool.data import Data, like, zeros
from tinygrad_pool.errors import GraphError
from tinygrad_pool.numpy_names import AnswersNumPy
from tinygrad_pool.rules.axes import Shape
from tinygrad_pool.rules.rule import Backward, Rule
from tinygrad_pool.setting import About, text

NO_OPTIONS: Mapping[str, Any] = {}

tick = count(1).__next__
"""The time: a number for each node made and each change of data, ever larger."""


class Node(AnswersNumPy):
    """What is recorded of a Value: data, gradient, and the rule and operands that made it.

    `parents` are the operands, in order: nodes, and constants as they are. A node with parents is
    interior. One without is a leaf; if it has a rule all the same, it was cut off there (no_grad,
    detach).
    """

    __slots__ = (
        "__weakref__",
        "_assigned",
        "_closure",
        "_data",
        "_grad",
        "_mutated",
        "_time",
        "about",
        "options",
        "parents",
        "rule",
    )

    _data: Data
    _grad: Any
    _closure: Backward | None
    _time: int
    _assigned: int  # the time of the last change of a leaf's data …
    _mutated: int  # … and of the last one in place
    about: About
    options: Mapping[str, Any]
    parents: tuple[Any, ...]
    rule: Rule | None
    last_change: ClassVar[int] = 0  # of any leaf's data

    @property
    def data(self) -> Any:
        """The number, a Python float, or the array. Only a leaf's can be set, in its own shape."""
        return self._data

    @data.setter
    def data(self, new: Any) -> None:
        if self._closure is not None:
            raise GraphError(
                f"data: {name_of(self)} was computed by its rule and cannot be set; "
                "set a leaf, or the leaf that v.detach() makes"
            )
        in_place = new is self._data and isinstance(new, np.ndarray)
        if not in_place:
            self._data = like(self._data, new, f"data of {name_of(self)}")
        Node.last_change = self._assigned = tick()
        if in_place:
            self._mutated = self._assigned

    @property
    def grad(self) -> Any:
        """∂E/∂(this), of the data's shape and dtype; zeros before any backward pass.

        An interior node's is read-only, since others may share the array; it can be replaced.
        """
        if self._grad is None:
            return zeros(self._data)
        if self._closure is None or isinstance(self._grad, float):
            return self._grad
        shown = self._grad.view()
        shown.flags.writeable = False
        return shown

    @grad.setter
    def grad(self, new: Any) -> None:
        if new is None:
            self._grad = None
        elif new is not self._grad:
            self._grad = like(self._data, new, f"grad of {name_of(self)}")

    @property
    def has_grad(self) -> bool:
        """Tell "computed, and perhaps zero" from "not computed"."""
        return self._grad is not None

    def zero_grad(self) -> None:
        """Forget the gradient: it reads as zeros, and `has_grad` is False."""
        self._grad = None

    @property
    def label(self) -> str:
        """The name in pictures and messages."""
        return self.about.label

    @label.setter
    def label(self, label: str) -> None:
        self.about = self.about._replace(label=text(label, "label"))

    @property
    def op(self) -> str:
        """The name of the operation that made this, or "" for a leaf."""
        if self.rule is None:
            return ""
        return str(getattr(self.options.get("windows"), "name", self.rule.__name__))

    @property
    def shape(self) -> Shape:
        """The lengths of the axes; () for a number."""
        return () if isinstance(self._data, float) else self._data.shape

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements there are."""
        return 1 if isinstance(self._data, float) else self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the data; a Python float counts as float64."""
        return np.dtype(float) if isinstance(self._data, float) else self._data.dtype


def name_of(node: Node) -> str:
    """Name a node in a message: what made it, and its label."""
    made = f"the {node.op} node" if node.op else "the leaf"
    return f"{made} {node.label!r}" if node.label else made
