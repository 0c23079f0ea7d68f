"""Rules of the operators. Operands broadcast; the engine sums contributions to operand shapes."""

from __future__ import annotations

import numpy as np

from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


def add_backward(g: Array) -> Contributions:
    """Pass the gradient to both operands. It captures nothing, so one closure serves all sums."""
    to_x = g
    to_w = g
    return to_x, to_w


@implements(np.add)
def add(x: Array, w: Array) -> tuple[Array, Backward]:
    """Add elementwise, broadcasting.

    y = x + w            ∂E/∂x = g            ∂E/∂w = g

    >>> y, backward = add(2.0, 3.0)
    >>> y, backward(1.0)
    (5.0, (1.0, 1.0))
    """
    return x + w, add_backward


def sub_backward(g: Array) -> Contributions:
    """Pass the gradient to x, and its negative to w."""
    to_x = g
    to_w = -g
    return to_x, to_w


@implements(np.subtract)
def sub(x: Array, w: Array) -> tuple[Array, Backward]:
    """Subtract elementwise, broadcasting.

    y = x − w            ∂E/∂x = g            ∂E/∂w = −g

    >>> y, backward = sub(2.0, 3.0)
    >>> y, backward(1.0)
    (-1.0, (1.0, -1.0))
    """
    return x - w, sub_backward


@implements(np.multiply)
def mul(x: Array, w: Array) -> tuple[Array, Backward]:
    """Multiply elementwise, broadcasting.

    y = x w            ∂E/∂x = g w            ∂E/∂w = g x

    >>> y, backward = mul(2.0, 3.0)
    >>> y, backward(1.0)
    (6.0, (3.0, 2.0))
    """

    # Captured as defaults, not as cells: floats in a tuple cost the garbage collector nothing, and
    # most nodes of a scalar network are products. (Measured: half the time of building one.)
    def mul_backward(g: Array, x: Array = x, w: Array = w) -> Contributions:
        to_x = g * w
        to_w = g * x
        return to_x, to_w

    return x * w, mul_backward


@implements(np.divide)
def div(x: Array, w: Array) -> tuple[Array, Backward]:
    """Divide elementwise, broadcasting. Dividing by zero gives inf or NaN, as in NumPy.

    y = x / w            ∂E/∂x = g / w            ∂E/∂w = −g y / w

    >>> y, backward = div(6.0, 3.0)
    >>> y, backward(3.0)
    (2.0, (1.0, -2.0))
    """
    y = x / w

    def div_backward(g: Array) -> Contributions:
        to_x = g / w
        to_w = -g * y / w
        return to_x, to_w

    return y, div_backward


@implements(np.power)
def power(x: Array, n: Array, *, wants: tuple[bool, bool] = (True, True)) -> tuple[Array, Backward]:
    """Raise to a power elementwise, broadcasting.

    y = xⁿ            ∂E/∂x = g n xⁿ⁻¹            ∂E/∂n = g y ln x

    At n = 0 the slope in x is 0 for every x; at x = 0 the slope in n counts as 0 for n ≥ 0. For
    negative x, y is NaN unless n is an integer, and the slope in n is NaN.

    >>> y, backward = power(3.0, 2.0, wants=(True, False))
    >>> y, backward(1.0)
    (9.0, (6.0, None))
    """
    y = x**n
    to_x_wanted, to_n_wanted = wants

    def power_backward(g: Array) -> Contributions:
        to_x = to_n = None
        flat = to_n_wanted and (x >= 0) & (x <= 0) & (n >= 0)
        if to_x_wanted:
            one = (n < 0) | (n > 0)  # at n = 0 no 0 * inf …
            if to_n_wanted:  # … but where 1 / x is finite, a slope in x that still depends on n
                tiny = np.finfo(getattr(x, "dtype", np.float64)).tiny
                one = one | (x < -tiny) | (x > tiny)
            to_x = g * n * x ** (n * 1 - one)  # n may be a mask, and bools do not subtract
        if to_n_wanted:
            to_n = g * y * np.log(np.where(flat, 1.0, x))
        return to_x, to_n

    return y, power_backward


def neg_backward(g: Array) -> Contributions:
    """Change the sign of the gradient."""
    to_x = -g
    return (to_x,)


@implements(np.negative)
def neg(x: Array) -> tuple[Array, Backward]:
    """Change the sign.

    y = −x            ∂E/∂x = −g

    >>> y, backward = neg(2.0)
    >>> y, backward(1.0)
    (-2.0, (-1.0,))
    """
    return -x, neg_backward


def nudge(x: Array, old: Array, new: Array) -> tuple[Array, Backward]:
    """Shift elementwise by a constant, broadcasting: where x equals `old`, y is exactly `new`.

    y = (x − old) + new            ∂E/∂x = g            ∂E/∂old = −g            ∂E/∂new = g

    >>> y, backward = nudge(2.5, 2.5, 0.1)
    >>> y, backward(3.0)
    (0.1, (3.0, -3.0, 3.0))
    """

    def nudge_backward(g: Array) -> Contributions:
        to_x = g
        to_old = -g
        to_new = g
        return to_x, to_old, to_new

    return (x - old) + new, nudge_backward
