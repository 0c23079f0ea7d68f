"""Compute max pooling as a layer of weights: 1 on each winner's link and 0 on all others.

y = P x and ∂E/∂x = Pᵀ ∂E/∂y, with a single 1 in each row of P. Both passes are compared bit for
bit with max_pool2d. The windows overlap, so a unit can win several of them.

Before you run it: how many windows of 3 × 3 fit into a plane of 5 × 5, and how many 1s has P?
"""

import numpy as np

import tinygrad_pool as tg

rng = np.random.default_rng(0)
x = tg.Value(rng.standard_normal((5, 5)), label="x")
y, winners = tg.max_pool2d(x, 3, stride=1, return_indices=True)
g = rng.standard_normal(y.shape)
y.backward(gradient=g)

P = np.zeros((y.size, x.size))
P[np.arange(y.size), winners.reshape(-1)] = 1.0
print("P: one row per pooling unit, one column per unit below:")
print("\n".join("".join("·1"[int(p)] for p in row) for row in P))

forward = P @ x.data.reshape(-1)
backward = np.zeros(x.size)
for unit, cell in np.argwhere(P):  # Pᵀ g, in the order in which the closure adds
    backward[cell] += g.reshape(-1)[unit]

print("\nforward  equal bit for bit:", np.array_equal(forward, y.data.reshape(-1)))
print("backward equal bit for bit:", np.array_equal(backward, x.grad.reshape(-1)))
print("windows won by each unit:", P.sum(axis=0).astype(int).reshape(5, 5).tolist())
