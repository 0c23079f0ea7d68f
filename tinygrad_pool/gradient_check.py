"""Check gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter, signature
from itertools import chain
from math import ceil, isfinite, log10
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.derivatives.sparse_jacobian import dense_rows, sparse_jacobian
from tinygrad_pool.engine.backward import topological_order
from tinygrad_pool.engine.context import checked
from tinygrad_pool.engine.data import to_data
from tinygrad_pool.engine.functions import inside
from tinygrad_pool.engine.lift import reapply
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, GradientError
from tinygrad_pool.formatting import on_a_line, subscript
from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.sparse_weights import Weights
from tinygrad_pool.rules.traits import traits_of

STEP = 1e-5
TOLERANCE = 1e-6
AT_RANDOM = ", for upstream gradients from 0.5 to 1.5,"

Array = NDArray[np.float64]
Sides = Callable[[float], list[Array]]
SlopesAt = Callable[[float], "Slopes"]


class Slopes(NamedTuple):
    """The one-sided slopes of a function along a direction.

    They differ at a kink. One is NaN where the function is undefined, or has another shape.
    """

    left: float
    right: float

    def admit(self, slope: float, noise: float = 0.0) -> bool:
        """Return whether a slope lies between the two; always if one of them is not finite.

        `noise` bounds the rounding error of the two.

        >>> Slopes(0.0, 1.0).admit(0.5), Slopes(1.0, 1.0).admit(0.5)
        (True, False)
        """
        if not np.isfinite(self).all():
            return True
        slack = TOLERANCE * max(map(abs, self)) + noise
        return min(self) - slack <= slope <= max(self) + slack


@inside()
def gradcheck(f: Callable[..., Value], *inputs: Any) -> bool:
    """Compare every gradient of f with finite differences, at inputs passed singly or as a list.

    Each node is checked first: its rule runs again in float64, with each element of each operand
    moved a little. Then, for each element of the result, all elements of an operand are moved at
    once: at a tie of a maximum, each gradient can be right alone, but not their sum. Last, f is
    checked as a whole. A gradient passes if it lies between the slope from the left and the slope
    to the right; at a kink these differ. Steps grow from `1e-5 min(|x|, 1)` to `1e-5 max(|x|, 1)`
    until rounding errors no longer dominate. `gradcheck(tg.grad(f), x)` checks second derivatives.

    Returns True. Raises GradientError with the rule, the contribution as named in the rule, the
    element and the numbers, or if f returns different numbers when called again; GraphError if a
    rule writes to its operands; DataError if f does not return a Value or an input is not made of
    numbers.

    >>> gradcheck(lambda x, w: (x * w).sum(), [1.0, 2.0], [3.0, 4.0])
    True
    """
    if not callable(f):
        raise DataError(f"gradcheck: needs a function and its inputs, got {f!r:.80}")
    if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
        several = any(isinstance(x, Value | np.ndarray | list) for x in inputs[0])
        inputs = tuple(inputs[0]) if several else inputs
    data = [x.data if isinstance(x, Value) else x for x in inputs]
    with np.errstate(over="ignore"):  # a long double may exceed float64
        arrays = [np.array(to_data(x, f"gradcheck: input {i}"), float) for i, x in enumerate(data)]
    y = f(*map(Value, arrays))
    if not isinstance(y, Value):
        raise DataError(f"gradcheck: f must return a Value, got {type(y).__name__}")
    with checked():
        again = f(*map(Value, arrays))
    if not np.array_equal(y.data, again.data, equal_nan=True):
        raise GradientError(
            f"gradcheck: f is {on_a_line(y.data)}, and {on_a_line(again.data)} when it is called "
            "again with the same inputs: use a fixed seed, as in dropout(x, rng=0)"
        )
    with np.errstate(all="ignore"):
        if again.is_interior:
            again.backward(np.ones(again.shape))
        for node in topological_order(y):
            if node.parents:
                _check_node(node)
        for i, name, slope, slopes in _misfits(f, arrays):
            raise GradientError(
                f"gradcheck: the gradient of input {i}{name} is {slope:.6g}, but the slope of "
                f"f is {slopes.left:.6g} from the left and {slopes.right:.6g} to the right. Each "
                "node on its own is right: the graph is cut, or two paths meet at a kink"
            )
    return True


def _check_node(node: Node) -> None:
    """Compare the contributions of a node with the slopes of its rule."""
    places = [i for i, p in enumerate(node.parents) if isinstance(p, Node)]

    def f(*moving: Value) -> Any:
        moved = dict(zip(places, moving, strict=True))
        return reapply(node, [moved.get(i, p) for i, p in enumerate(node.parents)])

    arrays = [np.array(node.parents[i].data, np.float64) for i in places]
    for k, place, slope, slopes in chain(_misfits(f, arrays), _shared_misfits(f, arrays)):
        raise GradientError(
            f"{node.op}: {_letter(node, places[k])}{place} is {slope:.6g} in total, but the slope "
            f"is {slopes.left:.6g} from the left and {slopes.right:.6g} to the right; "
            f"operand {places[k]} has shape {node.parents[places[k]].shape}"
        )
    if not is_ours(node.rule):
        _check_traits(node, places)


def _check_traits(node: Node, places: list[int]) -> None:
    """Compare the Jacobian derived from a rule's traits with the one of its closure."""
    sparsity = traits_of(node.rule).sparsity
    for i in places if sparsity else ():
        unit, cell, weight = dense_rows(node, i, np.arange(node.size))
        try:
            W = sparse_jacobian(node, i)
            sent = Weights(unit, cell, weight, W.y_shape, W.x_shape)
            holds = np.allclose(W.dense(), sent.dense(), equal_nan=True)
        except (TypeError, ValueError, IndexError):  # the node does not fit the sparsity
            holds = False
        if not holds:
            raise GradientError(
                f"{node.op}: its trait {sparsity!r} does not hold for operand {i}: "
                "the closure sends to other cells, or sends other numbers"
            )


Misfit: TypeAlias = tuple[int, str, float, Slopes]


def _misfits(f: Callable[..., Value], arrays: list[Array]) -> Iterator[Misfit]:
    """Move each element of each input alone; yield gradients of Σ r f that do not fit.

    Random r > 0 find a closure that forgets g, and mistakes that cancel in the sum of f. If r = 1
    shows the mistake, too, its numbers are yielded: a reader can check them by hand.
    """
    shape = f(*map(Value, arrays)).shape
    r_of = {AT_RANDOM: np.random.default_rng(0).uniform(0.5, 1.5, shape), "": np.ones(shape)}
    weighted = [(how, r, *_gradients(f, arrays, r)) for how, r in r_of.items()]
    for i, x in enumerate(arrays):
        for place in np.ndindex(x.shape):
            direction = np.zeros_like(x)
            direction[place] = 1.0
            sides_at = cache(_sides(f, arrays, i, direction))
            found: Misfit | None = None
            for how, r, gradients, noise in weighted:
                slope = float(gradients[i][place])

                def slopes_at(h: float, sides_at: Sides = sides_at, r: Array = r) -> Slopes:
                    return Slopes(*(float(np.sum(r * side)) for side in sides_at(h)))

                slopes = _misfit(slope, noise, _steps(x, direction), slopes_at)
                if not slopes:
                    break
                found = i, subscript(place) + how, slope, slopes
            if found:
                yield found


def _shared_misfits(f: Callable[..., Value], arrays: list[Array]) -> Iterator[Misfit]:
    """Move all elements of an input at once; yield sums of gradients that do not fit."""
    shape = f(*map(Value, arrays)).shape
    moved = [cache(_sides(f, arrays, i, np.ones_like(a))) for i, a in enumerate(arrays)]
    steps = [*map(_steps, arrays)]
    of_all = _gradients(f, arrays, np.random.default_rng(0).uniform(0.5, 1.5, shape))[0]
    least = [8 * np.finfo(float).eps * np.nan_to_num(np.abs(g), posinf=0.0) for g in of_all]
    for place in np.ndindex(shape):
        r = np.zeros(shape)
        r[place] = 1.0
        gradients, noise = _gradients(f, arrays, r)
        for i, gradient in enumerate(gradients):
            slope = float(np.sum(gradient))
            if np.isnan(slope):
                continue
            terms = np.where(gradient == 0, 0.0, TOLERANCE * np.abs(gradient) + least[i])
            rounding = float(np.sum(terms))

            def slopes_at(h: float, i: int = i, place: Shape = place) -> Slopes:
                return Slopes(*(float(side[place]) for side in moved[i](h)))

            if slopes := _misfit(slope, noise, steps[i], slopes_at, rounding):
                yield i, f" from element {[*place]}", slope, slopes


def _misfit(
    slope: float, noise: float, steps: Array, slopes_at: SlopesAt, rounding: float = 0.0
) -> Slopes | None:
    """Return the slopes if they do not admit a gradient, else None.

    `noise` bounds the rounding error of f, and `rounding` that of the gradient, where many terms
    add up to little, as in those of a saturated softmax.

    The first step decides whose slopes exceed the rounding error, otherwise the longest. The error
    of a one-sided slope is proportional to the step: half the step tells the slopes without it. If
    it is smaller still, as for x³ at 0, the gradient is between the slopes with and without it.
    """
    for h in steps:
        slopes = slopes_at(h)
        if not noise / h > TOLERANCE * max(map(abs, (*slopes, slope))):
            break
    lost = not any(slopes) and abs(slope) < np.finfo(float).eps  # in rounding, beside a 1
    if lost or slopes.admit(slope, noise / h + rounding):
        return None
    slack = TOLERANCE * max(map(abs, slopes)) + 5 * noise / h + rounding
    ends = (*slopes, *(2 * b - a for a, b in zip(slopes, slopes_at(h / 2), strict=True)))
    infinite = not isfinite(slope) and max(map(abs, ends)) > 1.5 * max(map(abs, slopes))
    return None if infinite or Slopes(min(ends), max(ends)).admit(slope, slack) else slopes


def _gradients(f: Callable[..., Value], arrays: list[Array], r: Array) -> tuple[list[Array], float]:
    """Compute the gradients of Σ r f, and a bound on its rounding error: 8 Σ ε |v ∂/∂v|.

    The sum is over all nodes v, each of which is rounded once or a few times to its dtype.
    """
    xs = [Value(a) for a in arrays]
    y = f(*xs)
    if not y.parents:
        return [r if x is y else 0 * a for x, a in zip(xs, arrays, strict=True)], 0.0
    y.backward(r)
    effects = [
        np.finfo(v.dtype).eps * np.sum(np.abs(np.multiply(v.data, v.grad, dtype=np.float64)))
        for v in topological_order(y)
    ]
    noise = 8 * float(np.nansum(effects))
    return [np.asarray(x.grad) for x in xs], noise if np.isfinite(noise) else 0.0


def _sides(f: Callable[..., Value], arrays: list[Array], i: int, direction: Array) -> Sides:
    """Return a function that computes the slopes of f from the left and to the right, by step."""
    middle = np.asarray(f(*map(Value, arrays)).data)

    def sides_at(h: float) -> list[Array]:
        left, right = (
            np.asarray(f(*map(Value, [*arrays[:i], moved, *arrays[i + 1 :]])).data)
            for moved in (arrays[i] - h * direction, arrays[i] + h * direction)
        )
        left, right = (y if y.shape == middle.shape else middle * np.nan for y in (left, right))
        return [(middle - left) / h, (right - middle) / h]

    return sides_at


def _steps(x: Array, direction: Array | float = 1.0) -> Array:
    """Return steps along a direction, growing from the smallest number moved to the largest."""
    sizes = np.abs(x * direction)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    least = max(np.min(sizes, initial=1.0), 1e-300)
    largest = min(np.max(sizes, initial=1.0), 1e300)
    return STEP * np.geomspace(least, largest, 1 + ceil(log10(largest) - log10(least)))


def _letter(node: Node, i: int) -> str:
    """Return the name of a contribution in its rule: to_x, to_w, …, or to_xs[i]."""
    assert node.rule is not None
    parameters = list(signature(node.rule).parameters.values())
    fixed = [p for p in parameters if p.kind < Parameter.VAR_POSITIONAL]
    if i < len(fixed):
        return f"to_{fixed[i].name}"
    variadic = next(p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL)
    return f"to_{variadic}[{i - len(fixed)}]"
