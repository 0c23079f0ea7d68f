"""The graph and the walk through it: nodes, their order, and how gradients flow back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tinygrad_pool.data import Data, alike, kind_of, like, real, unbroadcast_axes, zeros
from tinygrad_pool.errors import GraphError, RuleError, ShapeError
from tinygrad_pool.numpy_names import AnswersNumPy
from tinygrad_pool.rules.axes import Shape
from tinygrad_pool.rules.rule import Backward, Contributions, Rule
from tinygrad_pool.rules.shaping import cast
from tinygrad_pool.setting import About

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
        self.about = self.about._replace(label=label)

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


class Step(NamedTuple):
    """One step of a backward pass: what arrived at a node, and what it sent to each operand.

    Contributions have the operand's own shape and dtype, and are added up already. A constant, and
    an operand that no gradient reaches from here, gets None.
    """

    node: Node
    upstream: Any
    contributions: Contributions


def ancestors(*roots: Node) -> list[Node]:
    """List every node that the roots depend on, and themselves: the oldest first, each once."""
    seen = set(roots)
    found = [*seen]
    for node in found:
        for p in node.parents:
            if isinstance(p, Node) and p not in seen:
                seen.add(p)
                found.append(p)
    found.sort(key=attrgetter("_time"))
    return found


def name_of(node: Node) -> str:
    """Name a node in a message: what made it, and its label."""
    made = f"the {node.op} node" if node.op else "the leaf"
    return f"{made} {node.label!r}" if node.label else made


def start(root: Node, gradient: Any, create_graph: bool = False) -> Iterator[tuple[Any, ...]]:
    """Check and prepare a backward pass from `root`, and return the walk that carries it out.

    Interior nodes forget the last pass; leaves keep what they have, and add.
    """
    nodes = ancestors(root)
    if root.rule is not None and root._closure is None:
        how = "detached" if root.op == "detach" else "computed under no_grad"
        raise GraphError(f"backward: {name_of(root)} was {how}, so no graph leads back from it")
    _refuse_stale(nodes, create_graph)
    g = _seed(root, gradient, create_graph)
    for node in nodes:
        if node._closure is not None:
            node._grad = None
    root._grad = _total(root, g)
    return _walk(nodes, create_graph)


def _walk(nodes: list[Node], create_graph: bool) -> Iterator[tuple[Node, Any, Contributions]]:
    """Take each node, the latest first, and add its contributions to its operands' gradients."""
    for node in reversed(nodes):
        closure, g = node._closure, node._grad
        if closure is None or g is None:
            continue
        if create_graph:
            closure = _rerun(node, node.parents)
        try:
            contributions = closure(g)
        except ArithmeticError:  # Python's floats refuse 1 / 0.0; NumPy's do not
            contributions = _closure_on_numpy(node)(np.float64(g))
        if type(contributions) is not tuple or len(contributions) != len(node.parents):
            raise RuleError(
                f"{node.op}: its closure must return a tuple of {len(node.parents)} "
                f"contributions, one per operand, got {contributions!r:.80}"
            )
        for i, p in enumerate(node.parents):
            c = contributions[i]
            if type(c) is not float or not isinstance(p, Node) or type(p._data) is not float:
                c = _fit(node, i, p, c)
                contributions = (*contributions[:i], c, *contributions[i + 1 :])
            if c is not None:
                p._grad = _total(p, c)
        yield node, g, contributions


def _total(node: Node, c: Any) -> Any:
    """Add a contribution to a node's gradient, out of place: the array may be another's too."""
    if node._grad is not None:
        return node._grad + c
    return np.array(c) if node._closure is None and isinstance(c, np.ndarray) else c


def _rerun(node: Node, operands: Iterable[Any]) -> Backward:
    """Run a node's rule again, for its closure: on Values, it then builds a graph."""
    assert node.rule is not None
    return node.rule(*operands, **node.options)[1]


def _closure_on_numpy(node: Node) -> Backward:
    if any(isinstance(p._data if isinstance(p, Node) else p, np.ndarray) for p in node.parents):
        raise  # noqa: PLE0704  # an array's arithmetic raises only where np.errstate asks for it
    _refuse_stale([node], create_graph=True)
    return _rerun(node, [np.float64(p._data if isinstance(p, Node) else p) for p in node.parents])


def _fit(node: Node, i: int, p: Any, c: Any) -> Any:
    """Bring a contribution to its operand's shape and dtype: sum where the operand was repeated."""
    if c is None or not isinstance(p, Node):
        return None
    if not isinstance(c, Node | np.ndarray):
        c = real(c, f"{node.op}: the contribution to operand {i}")
    shape = np.shape(c)
    if shape != p.shape:
        axes = unbroadcast_axes(p.shape, shape)
        if axes is None or not _repeated(shape, axes, node.shape):
            raise RuleError(
                f"{node.op}: its closure returned a contribution of shape {shape} "
                f"for operand {i}, which has shape {p.shape}"
            )
        c = np.reshape(np.sum(c, axis=axes), p.shape)
    if alike(c._data if isinstance(c, Node) else c, p._data):
        return c
    return cast(c, dtype=kind_of(p._data))


def _repeated(wide: Shape, axes: Shape, result: Shape) -> bool:
    """Tell whether the result has the axes, too, along which a contribution is to be summed."""
    back = [i - len(wide) for i in axes]
    return all(-i <= len(result) and result[i] == wide[i] for i in back)


def _seed(root: Node, gradient: Any, create_graph: bool) -> Any:
    if gradient is None:
        if root.size != 1:
            raise ShapeError(
                f"backward: {name_of(root)} has shape {root.shape} and not one element; "
                "pass gradient=, an array of that shape, or reduce it first, as with v.sum()"
            )
        gradient = np.ones(root.shape)
    shape = np.shape(gradient)
    if shape != root.shape:
        raise ShapeError(f"backward: gradient needs shape {root.shape}, got {shape}")
    if create_graph and isinstance(gradient, Node):
        return gradient
    return like(root._data, gradient, "backward: gradient")


def _refuse_stale(nodes: list[Node], create_graph: bool) -> None:
    """Raise if an operand's data changed after a node used it.

    An ordinary pass works with the arrays of the forward pass, so only a change in place harms it;
    a higher-order pass runs the rules again, on the data of now.
    """
    oldest = next((v for v in nodes if v._closure is not None), None)
    if oldest is None or Node.last_change < oldest._time:
        return
    for node in nodes:
        for p in node.parents:
            if isinstance(p, Node) and p._closure is None:
                changed = p._assigned if create_graph else p._mutated
                if changed > node._time:
                    raise GraphError(
                        f"backward: the data of {name_of(p)} changed "
                        f"{'in place ' if changed == p._mutated else ''}after {name_of(node)} "
                        "was computed from it; run the forward pass again"
                    )
