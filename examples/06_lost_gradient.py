"""Find out why a gradient is zero: a network of 20 nodes with a dead relu and a losing unit.

Step through it with: tinygrad-pool debug examples/06_lost_gradient.py
"""

from collections.abc import Callable

import tinygrad_pool as tg

x1, x2 = tg.Value(1.0, label="x1"), tg.Value(-2.0, label="x2")


def unit(
    number: int, w: tuple[float, float, float], activation: Callable[..., tg.Value]
) -> tg.Value:
    """Compute z_l of two weights and a bias."""
    w1, w2 = tg.Value(w[0], label=f"w{number}1"), tg.Value(w[1], label=f"w{number}2")
    a = tg.weighted_sum([w1, w2], [x1, x2], tg.Value(w[2], label=f"b{number}"))
    a.label = f"a{number}"
    z = activation(a)
    z.label = f"z{number}"
    return z


z1 = unit(1, (0.5, 1.0, 0.0), tg.relu)
z2 = unit(2, (-1.0, 0.3, 0.1), tg.tanh)
z3 = unit(3, (0.9, -0.8, 0.0), tg.relu)
pooled = tg.maximum(z1, z2, z3)
pooled.label = "pooled"
E = (pooled - 1.0) ** 2
E.label = "E"

print(tg.record(E).why("w11"))
