"""The vector-Jacobian product of a node: its closure applied to the upstream gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_pool.engine.context import on_values
from tinygrad_pool.engine.data import dtype_of, same_dtype, to_data, unbroadcast_axes
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.running import data_of, no_closure, run_again
from tinygrad_pool.engine.staleness import check_not_stale
from tinygrad_pool.errors import RuleError, TinygradPoolError
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.half_precision import add_up
from tinygrad_pool.rules.rule import Backward, Contributions, is_ours
from tinygrad_pool.rules.shaping import cast


def vjp(node: Node, g: Any) -> Contributions:
    """Call the closure of a node with an upstream gradient, and return its contributions.

    If Python floats raise (1 / 0.0), NumPy's are used. Raises what the closure raises, with a note
    that names the node; RuleError if it does not return one contribution per operand.
    """
    if type(node._numbers) is float:
        g = float(g)
    try:
        contributions = node._closure(g)  # type: ignore[misc]  # a leaf has none, and is named
    except Exception as error:  # noqa: BLE001  # a rule may raise anything
        contributions = vjp_on_numpy(node, g, error)
    if type(contributions) is not tuple or len(contributions) != len(node.parents):
        raise not_one_each(node, contributions)
    return contributions


def vjp_by_operand(node: Node, g: Any) -> Contributions:
    """Compute (∂y/∂p)ᵀ g for each operand p, in its shape and dtype; None for a constant.

    Raises the errors of `vjp`.
    """
    pairs = zip(node.parents, vjp(node, g), strict=True)
    return tuple([unbroadcast(node, i, p, c) for i, (p, c) in enumerate(pairs)])


def vjp_on_numpy(node: Node, g: Any, error: Exception) -> Contributions:
    """Run a rule again on NumPy numbers, since its closure raised, or raise the error, named."""
    if not callable(node._closure):
        raise no_closure(node.op, node._closure) from error
    data = data_of(node.parents)
    try:
        if not isinstance(error, ArithmeticError) or any(isinstance(d, np.ndarray) for d in data):
            raise _named(error, node)
    finally:
        del error  # or its traceback and this frame would keep each other, and the operands
    check_not_stale([node], create_graph=True)
    try:
        return run_again(node, [np.float64(d) for d in data])[1](np.float64(g))
    except Exception as again:  # noqa: BLE001  # a rule may raise anything
        raise _named(again, node) from None


def _named(error: Exception, node: Node) -> Exception:
    """Add a note with the name of a node to an error; our own errors already have it."""
    if not isinstance(error, TinygradPoolError):
        line = f", made at {node.about.line}" if node.about.line else ""
        error.add_note(f"in the backward closure of {name_of(node)}{line}")
    return error


def vjp_on_values(node: Node) -> Backward:
    """Run the rule of a node again on its operands, so that its closure builds a graph."""
    guard = getattr(node._closure, "guard", None)
    if guard is not None:  # recorded under tg.checked()
        guard()
    return closure_on_values(node, node.parents)


def closure_on_values(node: Node, operands: Sequence[Any]) -> Backward:
    """Run the rule of a node on Values, and return its closure.

    A user's closure raises RuleError if it sends other numbers than on arrays, as with `==`.
    """
    if is_ours(node.rule):
        return run_again(node, operands)[1]
    with on_values(node.op):
        closure = run_again(node, operands)[1]

    def compared(g: Any) -> Contributions:
        expected = vjp(node, *data_of([g]))
        with on_values(node.op):
            sent = closure(g)
        for i, (c, e) in enumerate(zip(data_of(sent), expected, strict=False)):
            if not (
                c is None
                or e is None
                or (np.shape(c) == np.shape(e) and np.allclose(c, e, equal_nan=True))
            ):
                raise RuleError(
                    f"{node.op}: to operand {i} its closure sends {e!r:.80} when it runs on "
                    f"numbers, and {c!r:.80} on Values, in a higher-order pass; compare numbers "
                    "with np.equal, not ==, and draw random numbers before the rule"
                )
        return sent

    return compared


def unbroadcast(node: Node, i: int, p: Any, c: Any) -> Any:
    """Convert a contribution to its operand's shape and dtype: sum over broadcast axes."""
    if c is None or not isinstance(p, Node):
        return None
    if not isinstance(c, Node | np.floating) and (type(c) is not np.ndarray or c.dtype.kind != "f"):
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
    return of_kind(p, c)


def of_kind(p: Node, c: Any) -> Any:
    """Convert a gradient to the dtype of a node; for a Python float, to a Python float."""
    if same_dtype(c._numbers if isinstance(c, Node) else c, p._numbers):
        return c
    kind = dtype_of(p._numbers)
    if isinstance(c, Node):
        return cast(c, dtype=kind)
    if isinstance(c, np.ndarray) and kind is not float:
        return c.astype(kind, copy=False)
    return kind(c) if kind is float else kind.type(c)


def _repeated(wide: Shape, axes: Shape, result: Shape) -> bool:
    """Return whether the result also has the axes over which a contribution is to be summed."""
    back = [i - len(wide) for i in axes]
    return all(-i <= len(result) and result[i] == wide[i] for i in back)


def not_one_each(node: Node, got: Any) -> RuleError:
    """Return the error for a closure that returned anything but one contribution per operand."""
    n = len(node.parents)
    return RuleError(
        f"{node.op}: its closure must return a tuple of {n} contribution{'s' * (n != 1)}, one per "
        f"operand, got {got!r:.80}"
    )
