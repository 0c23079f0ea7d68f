"""A node of the graph: what is recorded about a Value."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar

import numpy as np

from tinygrad_pool.engine.context import About, Setting, with_line
from tinygrad_pool.engine.data import Data, cast_like, dtype_of, zeros
from tinygrad_pool.engine.numpy_protocol import AnswersNumPy
from tinygrad_pool.errors import GraphError
from tinygrad_pool.rules.arguments import Shape, text
from tinygrad_pool.rules.rule import Backward, Rule

NO_OPTIONS: Mapping[str, Any] = {}

NOTHING: Any = object()
"""Marks the absence of an operand."""

next_id = count(1).__next__
"""A clock: returns a larger number for each new node and each change of data."""


class Node(AnswersNumPy):
    """What is recorded about a Value: data, gradient, and the rule and operands that made it.

    A node with operands is interior, one without is a leaf. A leaf that has a rule was computed,
    but cut off from its operands (no_grad, detach).
    """

    __pandas_priority__ = 5000  # makes a Series or a DataFrame defer to the Value's operators …
    _op_priority = 5000  # … and a number of SymPy, which would call float() and lose the graph
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

    _numbers: Data  # not `_data`, which np.ma would read, bypassing the graph
    _grad: Any
    _closure: Backward | None
    _order: int
    # Two operands are in _x and _w; one is in _x, with NOTHING in _w; any other number of them is a
    # tuple in _x. A tuple per node would be one more object for the garbage collector to visit.
    _x: Any
    _w: Any
    about: About
    options: Mapping[str, Any]
    rule: Rule | None
    last_change: ClassVar[int] = 0  # when the data of any leaf last changed

    @property
    def is_interior(self) -> bool:
        """Whether gradients flow through this node to its operands."""
        return self._closure is not None

    @property
    def is_leaf(self) -> bool:
        """Whether gradients end here: it was not computed, or was cut off from its operands."""
        return self._closure is None

    @property
    def parents(self) -> tuple[Any, ...]:
        """The operands, in order: nodes and constants."""
        if type(self._x) is tuple:
            return self._x
        return (self._x,) if self._w is NOTHING else (self._x, self._w)

    @property
    def data(self) -> Any:
        """The number or the array: read-only if it was computed; a leaf's data can be set."""
        return locked(self._numbers)

    @data.setter
    def data(self, _: Any) -> None:
        raise GraphError(
            f"data: {name_of(self)} was computed by its rule and cannot be set; "
            "set a leaf, or the leaf that v.detach() makes"
        )

    @property
    def grad(self) -> Any:
        """∂E/∂(this), with the shape and dtype of the data; zeros before any backward pass.

        An interior node's gradient is read-only, since its array may be shared. It can be replaced.
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
        """Whether a gradient was computed; it may be zero."""
        return self._grad is not None

    def zero_grad(self) -> None:
        """Reset the gradient: `grad` is zeros, and `has_grad` is False."""
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
        """The length of each axis; () for a number."""
        return self._numbers.shape if isinstance(self._numbers, np.ndarray) else ()

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._numbers.size if isinstance(self._numbers, np.ndarray) else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the data; a Python float counts as float64."""
        dtype: np.dtype[Any] = np.dtype(dtype_of(self._numbers))
        return dtype


class LeafNode(Node):
    """A node whose data can be changed; in-place changes are detected.

    Whoever has the array that `v.data` returned may write to it. So a copy of its bytes is kept
    when an operation uses it, and compared at the next use and when a backward pass begins.
    """

    __slots__ = ("_assigned", "_bits", "_lent", "_mutated")

    _assigned: int  # when the data last changed …
    _mutated: int  # … and when it last changed in place
    _bits: bytes | None  # as operations last saw them; None if none has since a change
    _lent: bool  # whether `data` returned the array, so that anyone may write to it

    @property
    def data(self) -> Any:
        """The number, or the array, which may be written to. New data keeps the shape and dtype."""
        if isinstance(self._numbers, np.ndarray) and not self._lent:
            self._bits = self._bits or self._numbers.tobytes()
            self._lent = True
        return self._numbers

    @data.setter
    def data(self, new: Any) -> None:
        in_place = new is self._numbers and isinstance(new, np.ndarray)
        if not in_place:
            if self._lent:
                self.look()  # the old array may be in use by graphs
            self._numbers = cast_like(self._numbers, new, f"data of {name_of(self)}")
            self._lent = False
        self._bits = None
        self._has_changed(in_place)

    def look(self) -> None:
        """Check whether the lent array has changed since the last call, and note it if so."""
        now = np.ascontiguousarray(self._numbers)
        if self._bits is not None and self._bits.startswith(now.data):  # compares without a copy
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
    """Set the classes of new nodes, which are defined later: their operators make nodes."""
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
    """Return the node of an operation."""
    out = _new(_interior)
    out._numbers = y
    out._grad = None
    out._order = next_id()
    out._closure = closure
    out._x = x
    out._w = w
    out.rule = rule
    out.options = options
    out.about = with_line(setting.about) if setting.traced else setting.about
    return out


def cut_off(rule: Rule, y: Data, options: Mapping[str, Any], setting: Setting) -> Any:
    """Return a leaf with the result of an operation."""
    leaf = _leaf(y)
    leaf.rule, leaf.options = rule, options
    leaf.about = with_line(setting.about) if setting.traced else setting.about
    return leaf


def shape_of(operand: Any) -> Shape:
    """Return the shape of an operand without lending its data, as np.shape(v) would."""
    return getattr(operand, "shape", ())


def name_of(node: Node) -> str:
    """Return a name of a node for messages: its operation and its label."""
    kind = f"the {node.op} node" if node.op else "the leaf"
    return f"{kind} {node.label!r}" if node.label else kind


def locked(numbers: Any) -> Any:
    """Return a read-only view of an array, and a number unchanged."""
    if not isinstance(numbers, np.ndarray):
        return numbers
    view = numbers.view()
    view.flags.writeable = False
    return view
