"""The walk through the graph: the order of its nodes, and how gradients flow back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn, SupportsIndex

import numpy as np

from tinygrad_pool.engine.data import dtype_of, same_dtype, to_data, unbroadcast_axes
from tinygrad_pool.engine.node import NOTHING, LeafNode, Node, name_of
from tinygrad_pool.engine.turns import take_turn
from tinygrad_pool.errors import DataError, GraphError, RuleError, ShapeError, TinygradPoolError
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.reductions import add_up
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

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        refuse_copy("a step")


def refuse_copy(what: str) -> NoReturn:
    """Raise GraphError: what holds a graph that was walked over is not copied or pickled."""
    raise GraphError(
        f"{what} cannot be copied or pickled: it holds the closures of its graph. "
        "record(loss).to_html('pass.html') keeps the pass to be looked at, and "
        "unroll(loss).source a program that runs it again"
    )


def step_of(node: Node, upstream: Any, contributions: Contributions) -> Step:
    """Return a step to keep: what became a leaf's gradient may be written to, so it is copied."""
    if _new_arrays(node):
        pairs = zip(node.parents, contributions, strict=True)
        contributions = tuple(
            [np.array(c) if isinstance(p, Node) and c is p._grad else c for p, c in pairs]
        )
    return Step(node, upstream, contributions)


def topological_order(*roots: Node) -> list[Node]:
    """List every node that the roots depend on, and themselves: the oldest first, each once."""
    seen = set(roots)
    waiting, found = [*seen], []
    while waiting:  # depth first, which is nearly the order they were made in: it sorts in no time
        node = waiting.pop()
        found.append(node)
        x = node._x
        for p in x if type(x) is tuple else (x, node._w):
            if isinstance(p, Node) and p not in seen:
                seen.add(p)
                waiting.append(p)
    found.sort(key=attrgetter("_order"))
    return found


def start(
    root: Node, gradient: Any, create_graph: bool = False, nodes: list[Node] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Check and prepare a backward pass from `root`, and return the walk that carries it out.

    Interior nodes forget the last pass; leaves keep what they have, and add. A pass that stands
    half done in the same nodes gives way. A caller that puts every gradient back in the end hands
    over the `nodes`, which are `topological_order(root)`, and none gives way.
    """
    if not isinstance(root, Node):
        raise DataError(f"backward: needs a Value that was computed, got {type(root).__name__}")
    borrowed = nodes is not None
    nodes = topological_order(root) if nodes is None else nodes
    if root.rule is not None and root._closure is None:
        how = "detached" if root.op == "detach" else "computed under no_grad"
        raise GraphError(f"backward: {name_of(root)} was {how}, so no graph leads back from it")
    check_not_stale(nodes, create_graph)
    g = _seed(root, gradient, create_graph)
    if not borrowed:
        take_turn(root, nodes)
    for node in nodes:
        if node._closure is not None:
            node._grad = None
    root._grad = g if root._grad is None else root._grad + g
    return _walk(nodes, create_graph)


def pass_on(node: Node) -> None:
    """Take one step: add what a node's gradient makes of it to its operands' gradients."""
    for _ in _walk([node], create_graph=False):
        pass


def _walk(nodes: list[Node], create_graph: bool) -> Iterator[tuple[Node, Any, Contributions]]:
    """Take each node, the latest first, and add its contributions to its operands' gradients."""
    for node in reversed(nodes):
        closure, g = node._closure, node._grad
        if closure is None or g is None:
            continue
        if create_graph:
            closure = vjp_on_values(node)
        try:
            contributions = closure(g)
        except Exception as error:  # noqa: BLE001  # a rule may raise anything: it is named there
            contributions = on_numpy(node, g, error)
        x, w = node._x, node._w
        count = 1 if w is NOTHING else 2
        if type(x) is tuple or type(contributions) is not tuple or len(contributions) != count:
            contributions = _arrive(node, contributions)
        else:  # one or two operands, as most nodes have: the same as _arrive, written out
            to_x = contributions[0]
            if type(to_x) is float and isinstance(x, Node) and type(x._numbers) is float:
                x._grad = to_x if x._grad is None else x._grad + to_x
            elif (c := _add(node, 0, x, to_x)) is not to_x:
                contributions = (c, *contributions[1:])
            if w is not NOTHING:
                to_w = contributions[1]
                if type(to_w) is float and isinstance(w, Node) and type(w._numbers) is float:
                    w._grad = to_w if w._grad is None else w._grad + to_w
                elif (c := _add(node, 1, w, to_w)) is not to_w:
                    contributions = (contributions[0], c)
        yield node, g, contributions


def _arrive(node: Node, given: Any) -> Contributions:
    """Add a node's contributions to its operands' gradients, and return them as they arrived."""
    operands = node.parents
    if type(given) is not tuple or len(given) != len(operands):
        raise not_one_each(node, given)
    others = {}
    for i, p in enumerate(operands):
        c = given[i]
        if type(c) is float and isinstance(p, Node) and type(p._numbers) is float:
            g = p._grad
            p._grad = c if g is None else g + c
        elif (arrived := _add(node, i, p, c)) is not c:
            others[i] = arrived
    return tuple([others.get(i, c) for i, c in enumerate(given)]) if others else given


def _add(node: Node, i: int, p: Any, c: Any) -> Any:
    """Add a contribution to its operand's gradient, out of place: others may hold either."""
    if c is None or not isinstance(p, Node):
        return None
    x, old = p._numbers, p._grad
    if not (type(c) is type(x) is np.ndarray and c.dtype is x.dtype and c.shape == x.shape):
        c = unbroadcast(node, i, p, c)
    if old is not None:
        p._grad = old + c
    elif p._closure is None and isinstance(c, np.ndarray) and not _new_arrays(node):
        p._grad = np.array(c)
    else:
        p._grad = c
    return c


def _new_arrays(node: Node) -> bool:
    """Return whether nothing else holds the arrays that a node's closure returns."""
    return getattr(node.rule, "new_arrays", False)


def vjp_on_values(node: Node) -> Backward:
    """Run a node's rule again on its operands themselves: its closure then builds a graph."""
    guard = getattr(node._closure, "guard", None)
    if guard is not None:  # recorded under tg.checked()
        guard()
    return _run_again(node, node.parents)[1]


def _run_again(node: Node, operands: Iterable[Any]) -> tuple[Any, Backward]:
    """Run a node's rule again."""
    assert node.rule is not None
    return node.rule(*operands, **node.options)


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


def vjp(node: Node, g: Any) -> Contributions:
    """Call a node's closure with a gradient, and return a contribution for each operand as it is.

    Raises RuleError if the closure returns anything else.
    """
    assert node._closure is not None
    if type(node._numbers) is float:
        g = float(g)
    try:
        contributions = node._closure(g)
    except Exception as error:  # noqa: BLE001  # a rule may raise anything: it is named there
        contributions = on_numpy(node, g, error)
    if type(contributions) is not tuple or len(contributions) != len(node.parents):
        raise not_one_each(node, contributions)
    return contributions


def vjp_by_operand(node: Node, g: Any) -> Contributions:
    """Compute (∂y/∂p)ᵀ g for each operand p of a node, in its shape and dtype; None of a constant.

    No gradient changes.

    Raises RuleError if the closure of the node returns anything else.
    """
    pairs = zip(node.parents, vjp(node, g), strict=True)
    return tuple([unbroadcast(node, i, p, c) for i, (p, c) in enumerate(pairs)])


def on_numpy(node: Node, g: Any, error: Exception) -> Contributions:
    """Take the step with NumPy's numbers, where Python's floats refused (1 / 0.0)."""
    if not callable(node._closure):
        raise no_closure(node.op, node._closure) from error
    operands = [p._numbers if isinstance(p, Node) else p for p in node.parents]
    refused = isinstance(error, ArithmeticError)
    if not refused or any(isinstance(x, np.ndarray) for x in operands):
        if not isinstance(error, TinygradPoolError):  # those name the node themselves
            line = f", made at {node.about.line}" if node.about.line else ""
            error.add_note(f"in the backward closure of {name_of(node)}{line}")
        raise error
    check_not_stale([node], create_graph=True)
    return _run_again(node, map(np.float64, operands))[1](np.float64(g))


def unbroadcast(node: Node, i: int, p: Any, c: Any) -> Any:
    """Bring a contribution to its operand's shape and dtype: sum where the operand was repeated."""
    if c is None or not isinstance(p, Node):
        return None
    if not isinstance(c, Node) and getattr(getattr(c, "dtype", None), "kind", None) != "f":
        c = to_data(c, f"{node.op}: the contribution to operand {i}")
    shape = np.shape(c)
    if shape != p.shape:
        axes = unbroadcast_axes(p.shape, shape)
        if axes is None or not _repeated(shape, axes, node.shape):
            raise RuleError(
                f"{node.op}: its closure returned a contribution of shape {shape} "
                f"for operand {i}, which has shape {p.shape}"
            )
        c = np.reshape(add_up(c, axes), p.shape)
    if isinstance(c, np.ndarray) and not c.ndim:
        c = c[()]
    return _of_kind(p, c)


def _of_kind(p: Node, c: Any) -> Any:
    """Bring a gradient to the dtype of what it belongs to, a Python float's to a Python float."""
    if same_dtype(c._numbers if isinstance(c, Node) else c, p._numbers):
        return c
    kind = dtype_of(p._numbers)
    if isinstance(c, Node):
        return cast(c, dtype=kind)
    if isinstance(c, np.ndarray) and kind is not float:
        return c.astype(kind, copy=False)
    return kind(c) if kind is float else kind.type(c)


def _repeated(wide: Shape, axes: Shape, result: Shape) -> bool:
    """Return whether the result has the axes, too, along which a contribution is to be summed."""
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
        gradient = to_data(gradient, "backward: gradient")
    if np.shape(gradient) != root.shape:
        raise ShapeError(f"backward: gradient needs shape {root.shape}, got {np.shape(gradient)}")
    return _of_kind(root, gradient)


def check_not_stale(nodes: list[Node], create_graph: bool) -> None:
    """Raise if an operand's data changed after a node used it.

    An ordinary pass works with the arrays of the forward pass, so only a change in place harms it;
    a higher-order pass runs the rules again, on the data of now. Arrays that were handed out are
    compared with what they were. Where a rule makes the same of them as before, nothing is stale.
    """
    for leaf in nodes:
        if leaf._closure is None and isinstance(leaf, LeafNode) and leaf._bits is not None:
            leaf.look()
            leaf._lent = True  # who holds the array may still change it
    oldest = next((v for v in nodes if v._closure is not None), None)
    if oldest is None or Node.last_change < oldest._order:
        return
    for node in nodes:
        for p in node.parents:
            if isinstance(p, LeafNode):
                changed = p._assigned if create_graph else p._mutated
                in_place = changed == p._mutated
                if changed > node._order and not (in_place and _same_again(node, p)):
                    raise GraphError(
                        f"backward: the data of {name_of(p)} changed "
                        f"{'in place ' if in_place else ''}after {name_of(node)} "
                        "was computed from it; run the forward pass again"
                    )


def _same_again(node: Node, leaf: Node) -> bool:
    """Return whether a node's rule makes the same of its operands now, and so does its closure."""
    if np.may_share_memory(node._numbers, leaf._numbers):
        return False
    assert node._closure is not None
    operands = [p._numbers if isinstance(p, Node) else p for p in node.parents]
    ones = np.ones(node.shape, node.dtype)
    try:
        y, closure = _run_again(node, operands)
        then, now = ((node._numbers, *node._closure(ones)), (y, *closure(ones)))
    except (ArithmeticError, TypeError, ValueError):
        return False
    return all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(then, now, strict=True)
    )
