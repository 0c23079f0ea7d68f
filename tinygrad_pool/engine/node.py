"""A node of the graph: what is recorded of a Value."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar

import numpy as np

from tinygrad_pool.engine.context import About, Setting, placed
from tinygrad_pool.engine.data import Data, cast_like, dtype_of, zeros
from tinygrad_pool.engine.numpy_protocol import AnswersNumPy
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.arguments import Shape, text
from tinygrad_pool.rules.rule import Backward, Rule

NO_OPTIONS: Mapping[str, Any] = {}

NOTHING: Any = object()
"""Stands where there is no operand."""

next_id = count(1).__next__
"""The time: a number for each node made and each change of data, ever larger."""


class Node(AnswersNumPy):
    """What is recorded of a Value: data, gradient, and the rule and operands that made it.

    A node with operands is interior. One without is a leaf; if it has a rule all the same, it was
    cut off there (no_grad, detach).
    """

    __pandas_priority__ = 5000  # a Series or a DataFrame leaves operators to the Value beside it
    __slots__ = (
        "__weakref__",
        "_closure",
        "_grad",
        "_numbers",
        "_order",
        "_w",
        "_x",
        "about",
        "options",
        "rule",
    )

    _numbers: Data  # a `_numbers` would be read by np.ma, past the graph
    _grad: Any
    _closure: Backward | None
    _order: int
    # The operands: x and w, or x and NOTHING; other numbers of them are a tuple in x's place. A
    # tuple for each node would be one object more for the garbage collector to visit.
    _x: Any
    _w: Any
    about: About
    options: Mapping[str, Any]
    rule: Rule | None
    last_change: ClassVar[int] = 0  # of any leaf's data

    @property
    def is_interior(self) -> bool:
        """Whether a rule computed this and gradients flow through it to its operands."""
        return self._closure is not None

    @property
    def is_leaf(self) -> bool:
        """Whether gradients end here: nothing computed this, or it was cut off."""
        return self._closure is None

    @property
    def parents(self) -> tuple[Any, ...]:
        """The operands, in order: nodes, and constants as they are."""
        if type(self._x) is tuple:
            return self._x
        return (self._x,) if self._w is NOTHING else (self._x, self._w)

    @property
    def data(self) -> Any:
        """The number or the array. What was computed is read-only; a leaf's data can be set."""
        return locked(self._numbers)

    @data.setter
    def data(self, _: Any) -> None:
        raise GraphError(
            f"data: {name_of(self)} was computed by its rule and cannot be set; "
            "set a leaf, or the leaf that v.detach() makes"
        )

    @property
    def grad(self) -> Any:
        """∂E/∂(this), of the data's shape and dtype; zeros before any backward pass.

        An interior node's is read-only, since others may share the array; it can be replaced.
        """
        if self._grad is None:
            return zeros(self._numbers)
        return self._grad if self._closure is None else locked(self._grad)

    @grad.setter
    def grad(self, new: Any) -> None:
        if new is None:
            self._grad = None
        elif new is not self._grad:
            self._grad = cast_like(self._numbers, new, f"grad of {name_of(self)}")

    @property
    def has_grad(self) -> bool:
        """Whether a gradient was computed, even if it is zero."""
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
        return self._numbers.shape if isinstance(self._numbers, np.ndarray) else ()

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements there are."""
        return self._numbers.size if isinstance(self._numbers, np.ndarray) else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the data; a Python float counts as float64."""
        dtype: np.dtype[Any] = np.dtype(dtype_of(self._numbers))
        return dtype


class LeafNode(Node):
    """A node that nothing computed: its data can be changed, and a change is found.

    An array that was handed out by `v.data` may be changed by who holds it. So its bits are kept
    when it is used, and compared when it is used again and when a backward pass begins.
    """

    __slots__ = ("_assigned", "_bits", "_lent", "_mutated")

    _assigned: int  # the time of the last change of the data …
    _mutated: int  # … and of the last one in place
    _bits: bytes | None  # as the operations until now saw them; None if none did since a change
    _lent: bool  # whether the array was handed out: who holds it may change it at any time

    @property
    def data(self) -> Any:
        """The number, or the array, which may be written to. It can be set, in its own shape."""
        if isinstance(self._numbers, np.ndarray) and not self._lent:
            self._bits = self._bits or self._numbers.tobytes()
            self._lent = True
        return self._numbers

    @data.setter
    def data(self, new: Any) -> None:
        in_place = new is self._numbers and isinstance(new, np.ndarray)
        if not in_place:
            if self._lent:
                self.look()  # at the old array: graphs hold it
            self._numbers, self._lent = (
                cast_like(self._numbers, new, f"data of {name_of(self)}"),
                False,
            )
        self._bits = None
        self._has_changed(in_place)

    def look(self) -> None:
        """Find out whether an array that was handed out has changed since the last look."""
        now = np.ascontiguousarray(self._numbers)
        if self._bits is not None and self._bits.startswith(now.data):  # compared without a copy
            return
        if self._bits is not None:
            self._has_changed(in_place=True)
        self._bits = now.tobytes()

    def _has_changed(self, in_place: bool) -> None:
        Node.last_change = self._assigned = next_id()
        if in_place:
            self._mutated = self._assigned


_interior: type[Any] = Node
_leaf: type[Any] = LeafNode
_new = object.__new__


def bind(interior: type[Node], leaf: type[Node]) -> None:
    """Name the classes of the nodes to be made, whose operators are operations themselves."""
    global _interior, _leaf
    _interior, _leaf = interior, leaf


def record(
    rule: Rule,
    y: Data,
    closure: Backward,
    x: Any,
    w: Any,
    options: Mapping[str, Any],
    setting: Setting,
) -> Any:
    """Return a node that remembers what an operation did."""
    out = _new(_interior)
    out._numbers = y
    out._grad = None
    out._order = next_id()
    out._closure = closure
    out._x = x
    out._w = w
    out.rule = rule
    out.options = options
    out.about = placed(setting.about) if setting.traced else setting.about
    return out


def cut_off(rule: Rule, y: Data, options: Mapping[str, Any], setting: Setting) -> Any:
    """Return a leaf of what an operation computed."""
    leaf = _leaf(y)
    leaf.rule, leaf.options = rule, options
    leaf.about = placed(setting.about) if setting.traced else setting.about
    return leaf


def shape_of(operand: Any) -> Shape:
    """Return the shape of an operand without handing out its data, as np.shape(v) would."""
    return getattr(operand, "shape", ())


def name_of(node: Node) -> str:
    """Name a node in a message: what made it, and its label."""
    made = f"the {node.op} node" if node.op else "the leaf"
    return f"{made} {node.label!r}" if node.label else made


def locked(numbers: Any) -> Any:
    """Show an array without letting it be changed: others may share it."""
    if not isinstance(numbers, np.ndarray):
        return numbers
    shown = numbers.view()
    shown.flags.writeable = False
    return shown
