"""The backward pass: visit the nodes, latest first, and pass gradients to their operands."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from tinygrad_pool.engine.data import to_data
from tinygrad_pool.engine.node import NOTHING, Node, name_of
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.engine.turns import take_turn
from tinygrad_pool.engine.vjp import not_one_each, of_kind, unbroadcast, vjp_on_numpy, vjp_on_values
from tinygrad_pool.errors import DataError, GraphError, ShapeError
from tinygrad_pool.rules.rule import Contributions, has_new_arrays


def topological_order(*roots: Node) -> list[Node]:
    """List the roots and every node that they depend on, each once, oldest first."""
    seen = set(roots)
    waiting, nodes = [*seen], []
    while waiting:  # depth first is nearly the order of creation, so sorting takes little time
        node = waiting.pop()
        nodes.append(node)
        x, w = node._x, node._w
        if type(x) is tuple:
            for p in x:
                if isinstance(p, Node) and p not in seen:
                    seen.add(p)
                    waiting.append(p)
            continue
        if isinstance(x, Node) and x not in seen:
            seen.add(x)
            waiting.append(x)
        if isinstance(w, Node) and w not in seen:
            seen.add(w)
            waiting.append(w)
    nodes.sort(key=attrgetter("_order"))
    return nodes


def start(
    root: Node, gradient: Any, create_graph: bool = False, nodes: list[Node] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Check and prepare a backward pass from `root`; return the generator that carries it out.

    Gradients of interior nodes are reset, those of leaves accumulate. A pass that fails undoes what
    it added. A paused pass through the same nodes is undone, unless you pass `nodes`, which are
    `topological_order(root)`: then restore all gradients afterwards.
    """
    if not isinstance(root, Node):
        raise DataError(f"backward: needs a Value that was computed, got {type(root).__name__}")
    borrowed = nodes is not None
    nodes = topological_order(root) if nodes is None else nodes
    if root.rule is not None and root._closure is None:
        how = "detached" if root.op == "detach" else "computed under no_grad"
        raise GraphError(
            f"backward: {name_of(root)} was {how}, so it has no graph to go back through"
        )
    check_not_stale(nodes, create_graph)
    g = _seed(root, gradient, create_graph)
    if not borrowed:
        take_turn(root, nodes)
    before = {}
    for node in nodes:
        if node._closure is None:
            before[node] = node._grad
        else:
            node._grad = None
    root._grad = g if root._grad is None else root._grad + g
    return _walk(nodes, create_graph, before)


def pass_on(node: Node) -> None:
    """Add the contributions of one node to the gradients of its operands."""
    for _ in _walk([node], create_graph=False, before={}):
        pass


def _walk(  # noqa: PLR0912  # inlined for speed
    nodes: list[Node], create_graph: bool, before: dict[Node, Any]
) -> Iterator[tuple[Node, Any, Contributions]]:
    """Visit each node, latest first, and add its contributions to the operands' gradients."""
    try:
        for node in reversed(nodes):
            closure, g = node._closure, node._grad
            if closure is None or g is None:
                continue
            if create_graph:
                closure = vjp_on_values(node)
            try:
                contributions = closure(g)
            except Exception as error:  # noqa: BLE001  # a rule may raise anything
                contributions = vjp_on_numpy(node, g, error)
            x, w = node._x, node._w
            count = 1 if w is NOTHING else 2
            if type(x) is tuple or type(contributions) is not tuple or len(contributions) != count:
                contributions = _arrive(node, contributions)
            else:  # one or two operands, as in most nodes: _arrive, inlined
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
    except (Exception, KeyboardInterrupt):
        for leaf, g in before.items():
            leaf._grad = g
        raise


def _arrive(node: Node, sent: Any) -> Contributions:
    """Add contributions to the operands' gradients, and return them as they were added."""
    operands = node.parents
    if type(sent) is not tuple or len(sent) != len(operands):
        raise not_one_each(node, sent)
    converted = {}
    for i, p in enumerate(operands):
        c = sent[i]
        if type(c) is float and isinstance(p, Node) and type(p._numbers) is float:
            g = p._grad
            p._grad = c if g is None else g + c
        elif (added := _add(node, i, p, c)) is not c:
            converted[i] = added
    return tuple([converted.get(i, c) for i, c in enumerate(sent)]) if converted else sent


def _add(node: Node, i: int, p: Any, c: Any) -> Any:
    """Add a contribution to its operand's gradient, out of place: either array may be shared."""
    if c is None or not isinstance(p, Node):
        return None
    x, old = p._numbers, p._grad
    if not (type(c) is type(x) is np.ndarray and c.dtype is x.dtype and c.shape == x.shape):
        c = unbroadcast(node, i, p, c)
    if old is not None:
        p._grad = old + c
    elif p._closure is None and isinstance(c, np.ndarray) and not has_new_arrays(node.rule):
        p._grad = np.array(c)
    else:
        p._grad = c
    return c


def _seed(root: Node, gradient: Any, create_graph: bool) -> Any:
    if gradient is None:
        if root.size != 1:
            raise ShapeError(
                f"backward: {name_of(root)} has shape {root.shape}, not one element; "
                "pass gradient=, an array of that shape, or reduce it first, as with v.sum()"
            )
        gradient = np.ones(root.shape)
    if not (create_graph and isinstance(gradient, Node)):
        gradient = to_data(gradient, "backward: gradient")
    if np.shape(gradient) != root.shape:
        raise ShapeError(f"backward: gradient needs shape {root.shape}, got {np.shape(gradient)}")
    return of_kind(root, gradient)
