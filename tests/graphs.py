"""Small graphs used by several tests."""

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value


def network():
    """Return E = relu(a b) + max(a, b)², with a = 2 and b = −3: the relu is off, b loses."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    off = (a * b).relu()
    off.label = "off"
    m = tg.maximum(a, b)
    m.label = "m"
    E = off + m**2
    E.label = "E"
    return E


def pooled():
    """Return a loss of a pooled plane with zero and repeated numbers, and negative weights."""
    x = Value(np.array([[3.0, 1, 2, 0], [4, 5, 1, 1], [0, 2, 6, 7], [1, 1, 2, 8]]), label="x")
    p = tg.max_pool2d(x, 2)
    p.label = "p"
    return (p * [[1.0, -2.0], [0.5, 3.0]]).sum()
