"""Train micrograd's demo: a 2-16-16-1 network of scalar units learns to separate two moons."""

import random

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool.drawing.plots import decision_boundary

random.seed(1337)
points, labels = tg.datasets.moons(100, noise=0.1, seed=1337)
model = tg.nn.MLP(2, [16, 16, 1])
print(model, "with", len(model.parameters()), "parameters")

for k in range(100):
    scores = [model(list(map(tg.Value, point))) for point in points.tolist()]
    margins = [(1 + -y * score).relu() for y, score in zip(labels.tolist(), scores, strict=True)]
    decay = 1e-4 * sum(p * p for p in model.parameters())
    loss = sum(margins) * (1.0 / len(margins)) + decay

    right = [(score.data > 0) == (y > 0) for y, score in zip(labels, scores, strict=True)]
    if k % 10 == 0 or all(right):
        print(f"step {k:3d}   loss {loss.data:.4f}   accuracy {np.mean(right):.0%}")
    if all(right):
        break

    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= (1.0 - 0.9 * k / 100) * p.grad

picture = decision_boundary(model, points, labels)
print("decision boundary:", tg.render(picture, "moons.svg"))
