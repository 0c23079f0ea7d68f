"""Re-run a recorded graph on new nodes, optionally with changed data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import with_graph
from tinygrad_pool.engine.data import Data, cast_like, to_data
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.value import Value, lift
from tinygrad_pool.errors import DataError, GraphError, OptionError, SubscriptError
from tinygrad_pool.rules.arguments import place_of
from tinygrad_pool.rules.arithmetic import nudge

Made = TypeVar("Made")


def rerun(loss: Value, changes: Mapping[Node, Any]) -> dict[Value, Value]:
    """Compute a Value again on new nodes, with changed data, and map each node to its twin.

    A change is new data, or new numbers by element index: {w: 2.0, x: {(0, 2): 5.0}}. A leaf gets
    the new data. A computed node gets a constant added, y = f(x) + c, so gradients still flow to
    its operands. All other nodes are computed by their rules from the current data of the leaves,
    and winners of maxima are chosen again. Branches that Python took, by `if` or `max`, detached
    Values, and plain numbers that NumPy returned, such as np.sign(v), are kept. The old graph is
    not changed.

    Raises DataError if `loss` is not a Value or a change is not a number; OptionError for a node
    that the loss does not depend on; ShapeError for data of another shape; GraphError to change a
    computed node that is not finite.

    >>> w, x = Value(2.0), Value(3.0)
    >>> y = w * x
    >>> E = y**2
    >>> twin = rerun(E, {x: 5.0, y: 7.0})
    >>> twin[x].data, twin[y].data, twin[E].data
    (5.0, 7.0, 49.0)
    """
    check_value(loss, "rerun")
    unknown: set[Any] = changes.keys() - set(topological_order(loss))
    for key in unknown:
        name = name_of(key) if isinstance(key, Node) else repr(key)
        raise OptionError(f"rerun: {name_of(loss)} does not depend on {name:.80}")

    def make(node: Value, operands: list[Any]) -> Any:
        if node._closure is None:
            return _leaf(node, changes.get(node, {}))
        if node not in changes:
            return reapply(node, operands)
        return _moved(node, operands, changes[node])

    with with_graph():
        twins = run_forward(loss, make)
    _update_rivals(twins)
    return twins


def _update_rivals(twins: Mapping[Value, Value]) -> None:
    """Point the choices noted on the twins to the twins of the Values they compared with."""
    orders = {node._order: twin._order for node, twin in twins.items()}
    for twin in twins.values():
        if choices := twin.about.choices:
            updated = [c._replace(rival=orders.get(c.rival, c.rival)) for c in choices]
            twin.about = twin.about._replace(choices=tuple(updated))


def run_forward(root: Node, make: Callable[[Any, list[Any]], Made]) -> dict[Any, Made]:
    """Map every node that `root` depends on to make(node, operands), oldest first.

    Operands that are nodes are replaced by what they were mapped to; constants are passed as is.

    >>> E = Value(3.0) * 2.0 + 1.0
    >>> made = run_forward(E, lambda node, operands: f"({node.op.join(map(str, operands)) or 'x'})")
    >>> made[E]
    '(((x)mul2.0)add1.0)'
    """
    made: dict[Any, Made] = {}
    for node in topological_order(root):
        made[node] = make(node, [made[p] if isinstance(p, Node) else p for p in node.parents])
    return made


def replaced(loss: Value, operations: Mapping[Node, Callable[..., Value]]) -> dict[Value, Value]:
    """Run a graph again on the same leaves, with other operations in place of some nodes.

    Returns the twin of each node; a leaf is its own twin.
    """

    def make(node: Value, operands: list[Any]) -> Any:
        if node.is_leaf:
            return node
        if node not in operations:
            return reapply(node, operands)
        twin = operations[node](*operands)
        twin.about = node.about
        return twin

    with with_graph():
        return run_forward(loss, make)


def check_value(v: object, name: str) -> None:
    """Raise DataError, in the name of `name`, if an argument is not a Value."""
    if not isinstance(v, Value):
        torch = any(kind.__module__.startswith("torch") for kind in type(v).__mro__)
        way = "; pass what it returns, such as net(x)" if callable(v) else ""
        if isinstance(v, float | np.ndarray | np.generic):
            way = "; it has a graph if it is computed from Values, as in f(tg.Value(x))"
        way = "; tg.from_torch(module, *inputs) brings a network here" if torch else way
        raise DataError(f"{name}: needs a Value, got {type(v).__name__}{way}")


def changed(data: Data, change: Any, what: str) -> Data:
    """Return data with all numbers replaced, or some, by element index.

    Raises DataError, ShapeError and SubscriptError, which name `what`.

    >>> changed(np.zeros(3), {(1,): 5.0}, "x")
    array([0., 5., 0.])
    """
    if not isinstance(change, Mapping):
        new = to_data(change, what)
        if not isinstance(data, np.ndarray) or np.shape(new) != data.shape:
            return cast_like(data, new, what)
        return np.asarray(new).astype(data.dtype)
    array = np.array(data)
    for index, number in change.items():
        place = place_of(index, array.shape, f"{what}: an index")
        if place is None:
            raise SubscriptError(f"{what}: there is no element {index!r} in shape {array.shape}")
        array[place] = cast_like(0.0, number, what)
    return array if array.ndim else cast_like(data, array, what)


def _leaf(node: Value, change: Any) -> Value:
    """Make a new leaf of the same name."""
    leaf = Value(changed(node._numbers, change, f"data of {name_of(node)}"))
    leaf.about, leaf.rule, leaf.options = node.about, node.rule, node.options
    return leaf


def _moved(node: Value, operands: list[Any], change: Any) -> Value:
    """Run a node again and add a constant, or replace the one added before, to apply a change."""
    y: Value = operands[0] if node.rule is nudge else reapply(node, operands)
    new = changed(y._numbers, change, f"data of {name_of(node)}")
    same = (y._numbers == new) | (np.isnan(y._numbers) & np.isnan(new))
    if np.all(same):
        y.about = node.about
        return y
    if not np.all(np.isfinite(y._numbers) | same):
        raise GraphError(
            f"rerun: {name_of(node)} is not finite, so adding a constant cannot change it; "
            "change its operands instead"
        )
    old = cast_like(y._numbers, np.where(same, 0.0, y._numbers), "old")
    to = cast_like(y._numbers, np.where(same, -0.0, new), "new")
    moved = lift(nudge)(y, old, to)
    moved.about = node.about
    y.about = node.about._replace(label="")
    return moved
