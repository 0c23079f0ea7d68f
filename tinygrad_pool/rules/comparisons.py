"""Rules that compare: tests, maxima that ignore NaN, signs, and replacements of NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.rules.composition import call_numpy, constant, dtype_of
from tinygrad_pool.rules.masks import choose, keep, plain, split
from tinygrad_pool.rules.primitive import observation, primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements
from tinygrad_pool.rules.shaping import cast


@observation
def is_0(x: Array) -> Any:
    """Return where x is 0."""
    return x == 0


@primitive
def whether(*xs: Array, test: str) -> Array:
    """Run a test of NumPy's, such as "isnan" or "less": 1 where it is true, 0 elsewhere."""
    return cast(np.where(getattr(np, test)(*xs), 1.0, 0.0), dtype=np.result_type(*xs))


@implements(whether)
def ask(*xs: Array, test: str) -> tuple[Array, Backward]:
    """Differentiate whether: it is piecewise constant. A rerun runs the test again.

    y = [test x]            ∂E/∂x = 0

    >>> y, backward = ask(np.array([np.nan, 2.0]), test="isnan")
    >>> y, backward(np.ones(2))
    (array([1., 0.]), (None,))
    """

    def ask_backward(_: Array) -> Contributions:
        return (None,) * len(xs)

    return whether(*xs, test=test), ask_backward


@implements(np.fmax)
def fmax(x: Array, w: Array) -> tuple[Array, Backward]:
    """Keep the larger operand, elementwise, broadcasting. A number wins over NaN.

    y = max(x, w)            ∂E/∂x = g [x wins]            ∂E/∂w = g [w wins]

    At a tie the first operand wins.

    >>> y, backward = fmax(float("nan"), 2.0)
    >>> float(y), backward(5.0)
    (2.0, (0.0, 5.0))
    """
    won = _beats(x, w, least=False)

    def fmax_backward(g: Array) -> Contributions:
        return split(g, won)

    return choose(won, x, w), fmax_backward


@implements(np.fmin)
def fmin(x: Array, w: Array) -> tuple[Array, Backward]:
    """Keep the smaller operand, elementwise, broadcasting. A number wins over NaN.

    y = min(x, w)            ∂E/∂x = g [x wins]            ∂E/∂w = g [w wins]

    At a tie the first operand wins.

    >>> y, backward = fmin(1.0, 1.0)
    >>> float(y), backward(5.0)
    (1.0, (5.0, 0.0))
    """
    won = _beats(x, w, least=True)

    def fmin_backward(g: Array) -> Contributions:
        return split(g, won)

    return choose(won, x, w), fmin_backward


@observation
def _beats(x: Array, w: Array, *, least: bool) -> Any:
    """Return where the first operand wins, or the second is NaN."""
    won = (np.less_equal if least else np.greater_equal)(x, w) | np.isnan(w)
    return bool(won) if type(x) is float and type(w) is float else won


@implements(np.copysign)
def copysign(x: Array, w: Array) -> tuple[Array, Backward]:
    """Combine the magnitude of x with the sign of w, elementwise, broadcasting.

    y = ±|x|            ∂E/∂x = ±g            ∂E/∂w = 0

    The sign of w is piecewise constant: w gets no gradient. At the kink, x = 0, the slope is 0.

    >>> y, backward = copysign(3.0, -2.0)
    >>> float(y), float(backward(1.0)[0])
    (-3.0, -1.0)
    """
    sign = _relative_sign(x, w)

    def copysign_backward(g: Array) -> Contributions:
        to_x = g * sign
        return to_x, None

    return np.copysign(x, w), copysign_backward


@observation
def _relative_sign(x: Array, w: Array) -> Any:
    return np.sign(1.0 * x) * np.copysign(np.ones((), dtype_of(x)), w)  # np.sign rejects bools


@implements(np.nan_to_num)
def nan_to_num(
    x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> tuple[Array, Backward]:
    """Replace NaN and infinities by numbers; None means the largest finite number, or the smallest.

    y = x or a number            ∂E/∂x = g [y is x]

    Replaced elements get no gradient.

    >>> y, backward = nan_to_num(np.array([np.nan, 2.0]))
    >>> y, backward(np.ones(2))
    (array([0., 2.]), (array([0., 1.]),))
    """
    del copy  # the result is always a new Value
    numbers = {"nan": nan, "posinf": posinf, "neginf": neginf}
    constant("np.nan_to_num: a replacement", [*numbers.values()])
    y = plain(call_numpy("np.nan_to_num", np.nan_to_num, x, **numbers), x)
    unchanged = np.equal(x, y)

    def nan_to_num_backward(g: Array) -> Contributions:
        to_x = keep(g, unchanged)
        return (to_x,)

    return y, nan_to_num_backward
