"""The walk through the graph: the order of its nodes, and how gradients flow back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.data import alike, kind_of, real, unbroadcast_axes
from tinygrad_pool.errors import DataError, GraphError, RuleError, ShapeError
from tinygrad_pool.node import Node, name_of
from tinygrad_pool.rules.axes import Shape
from tinygrad_pool.rules.rule import Backward, Contributions
from tinygrad_pool.rules.shaping import cast


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


def start(
    root: Node, gradient: Any, create_graph: bool = False, shown: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Check and prepare a backward pass from `root`, and return the walk that carries it out.

    Interior nodes forget the last pass; leaves keep what they have, and add. Where the steps are
    `shown` to somebody, no array in them becomes a leaf's gradient, which may be written to.
    """
    if not isinstance(root, Node):
        raise DataError(f"backward: needs a Value that was computed, got {type(root).__name__}")
    nodes = ancestors(root)
    if root.rule is not None and root._closure is None:
        how = "detached" if root.op == "detach" else "computed under no_grad"
        raise GraphError(f"backward: {name_of(root)} was {how}, so no graph leads back from it")
    refuse_stale(nodes, create_graph)
    g = _seed(root, gradient, create_graph)
    for node in nodes:
        if node._closure is not None:
            node._grad = None
    root._grad = _total(root, g)
    return _walk(nodes, create_graph, shown)


def _walk(
    nodes: list[Node], create_graph: bool, shown: bool
) -> Iterator[tuple[Node, Any, Contributions]]:
    """Take each node, the latest first, and add its contributions to its operands' gradients."""
    for node in reversed(nodes):
        closure, g = node._closure, node._grad
        if closure is None or g is None:
            continue
        if create_graph:
            closure = _on_values(node)
        try:
            contributions = closure(g)
        except (ArithmeticError, TypeError) as error:
            contributions = on_numpy(node, g, error)
        if type(contributions) is not tuple or len(contributions) != len(node.parents):
            raise not_one_each(node, contributions)
        fitted: list[Any] | None = None
        for i, p in enumerate(node.parents):
            c, own = contributions[i], False
            if type(c) is not float or not isinstance(p, Node) or type(p._data) is not float:
                fitted = fitted or list(contributions)
                c = fitted[i] = fit(node, i, p, c)
                own = not shown and getattr(node.rule, "new_arrays", False)
            if c is not None:
                p._grad = _total(p, c, own)
        yield node, g, tuple(fitted) if fitted else contributions


def _total(node: Node, c: Any, own: bool = False) -> Any:
    """Add a contribution to a node's gradient, out of place: unless `own`, others may hold it."""
    if node._grad is not None:
        total = node._grad + c
        return np.asarray(total) if isinstance(total, np.generic) else total  # 0-d stays an array
    shared = node._closure is None and isinstance(c, np.ndarray) and not own
    return np.array(c) if shared else c


def _on_values(node: Node) -> Backward:
    """Run a node's rule again on its operands themselves: its closure then builds a graph."""
    guard = getattr(node._closure, "guard", None)
    if guard is not None:  # recorded under tg.checked()
        guard()
    return _rerun(node, node.parents)


def _rerun(node: Node, operands: Iterable[Any]) -> Backward:
    """Run a node's rule again, for its closure."""
    assert node.rule is not None
    return node.rule(*operands, **node.options)[1]


def no_closure(name: str, got: Any) -> RuleError:
    """Say that a rule returned something else for its closure."""
    return RuleError(
        f"{name}: a rule must return its result and a closure, got {got!r:.80} for the closure"
    )


def not_one_each(node: Node, got: Any) -> RuleError:
    """Say that a closure returned something else than a contribution for each operand."""
    return RuleError(
        f"{node.op}: its closure must return a tuple of {len(node.parents)} "
        f"contributions, one per operand, got {got!r:.80}"
    )


def on_numpy(node: Node, g: Any, error: Exception) -> Contributions:
    """Take the step with NumPy's numbers, where Python's floats refused (1 / 0.0)."""
    if not callable(node._closure):
        raise no_closure(node.op, node._closure) from error
    operands = [p._data if isinstance(p, Node) else p for p in node.parents]
    if isinstance(error, TypeError) or any(isinstance(x, np.ndarray) for x in operands):
        raise error
    refuse_stale([node], create_graph=True)
    return _rerun(node, map(np.float64, operands))(np.float64(g))


def fit(node: Node, i: int, p: Any, c: Any) -> Any:
    """Bring a contribution to its operand's shape and dtype: sum where the operand was repeated."""
    if c is None or not isinstance(p, Node):
        return None
    if not isinstance(c, Node) and not (isinstance(c, np.ndarray) and c.dtype.kind == "f"):
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
    return _of_kind(p, c)


def _of_kind(p: Node, c: Any) -> Any:
    """Bring a gradient to the dtype of what it belongs to, a Python float's to a Python float."""
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
    if not (create_graph and isinstance(gradient, Node)):
        gradient = real(gradient, "backward: gradient")
    if np.shape(gradient) != root.shape:
        raise ShapeError(f"backward: gradient needs shape {root.shape}, got {np.shape(gradient)}")
    return _of_kind(root, gradient)


def refuse_stale(nodes: list[Node], create_graph: bool) -> None:
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
