"""Compute the chain rule by hand, and compare it with backward().

E = (w x + b)² with w = 2, x = 3, b = 1. Go from the end to the start, one factor at a time:

    ∂E/∂a = 2 a        ∂E/∂w = ∂E/∂a · x        ∂E/∂x = ∂E/∂a · w        ∂E/∂b = ∂E/∂a

Before you run it, write down the four numbers.
"""

import tinygrad_pool as tg
from tinygrad_pool import Value

w, x, b = Value(2.0, label="w"), Value(3.0, label="x"), Value(1.0, label="b")
a = w * x + b
a.label = "a"
E = a**2
E.label = "E"
E.backward()

by_hand = {"a": 2 * a.data}
by_hand |= {"w": by_hand["a"] * x.data, "x": by_hand["a"] * w.data, "b": by_hand["a"]}
print("        by hand   backward")
for v in (a, w, x, b):
    print(f"∂E/∂{v.label}  {by_hand[v.label]:8.1f}   {v.grad:8.1f}")
    assert by_hand[v.label] == v.grad

print("\nThe same pass, one node at a time:")
for step in tg.backward_steps(E):
    sent = ", ".join(
        f"{c:g} to {p.label or p.op}"
        for p, c in zip(step.node.parents, step.contributions, strict=True)
        if c is not None
    )
    print(f"{step.node.op:6s} gets {step.upstream:g} and sends {sent}")
