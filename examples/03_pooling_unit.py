"""Watch one max-pooling unit over three feature-map units: the whole error goes to the winner.

z_l = σ(a_l)    a_l = Σ_{i in R_l} w_li x_i    z = max_l z_l    δ_l = δ(2) σ'(a_l) [l = l_max]

Before you run it: which unit wins? (a_2 = 0.2 · 1 + 1 · (−1) + 0.9 · 2 = 1.)
"""

import math

import tinygrad_pool as tg
from tinygrad_pool import Value

x = [Value(number, label=f"x{i}") for i, number in enumerate([1.0, 0.5, -1.0, 2.0])]  # x0 = 1
fields = {1: [0, 1, 2], 2: [0, 2, 3], 3: [0, 1, 3]}  # R_l; every unit sees the bias unit x0
weights = {1: [0.1, 0.4, -0.6], 2: [0.2, 1.0, 0.9], 3: [-0.1, 0.7, -0.3]}

a, z = {}, {}
for unit, field in fields.items():
    w = [Value(number) for number in weights[unit]]
    a[unit] = tg.weighted_sum(w, [x[i] for i in field])
    z[unit] = a[unit].sigmoid()

pooled = tg.maximum(*z.values())
E = (pooled - 1.0) ** 2
E.backward()

winner = max(z, key=lambda unit: z[unit].data)
delta2 = 2 * (pooled.data - 1.0)
print(f"z(2) = {pooled.data:.4f}, won by unit {winner}; δ(2) = {pooled.grad:.4f}\n")
print("unit      z_l       δ_l by the formula   δ_l by backward")
for unit, z_l in z.items():
    sigma = 1 / (1 + math.exp(-a[unit].data))
    by_formula = delta2 * sigma * (1 - sigma) if unit == winner else 0.0
    print(f"{unit:4d}   {z_l.data:.4f}   {by_formula:18.6f}   {a[unit].grad:15.6f}")
    assert math.isclose(by_formula, a[unit].grad)
