"""Let tg.diagnose find the three faults of a network.

Its hidden relus are all off, one parameter is detached, and Python's own max picks one of two
Values and makes no node.
"""

import numpy as np

import tinygrad_pool as tg


class Faulty(tg.nn.Module):
    """Two layers and a scale, none of which will learn much."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.hidden = tg.nn.Linear(2, 8, rng=rng)
        self.hidden.bias.data -= 20  # as after a step that was far too large: every relu is off
        self.relu = tg.nn.ReLU()
        self.out = tg.nn.Linear(8, 1, rng=rng)
        self.scale = tg.Value(0.5)

    def forward(self, x: object) -> tg.Value:
        """Compute two layers, and scale their output."""
        return self.out(self.relu(self.hidden(x))) * self.scale.detach()


points, labels = tg.datasets.moons(100, noise=0.1, seed=0)
net = Faulty()
with tg.traced():  # so that nodes know their line
    error = net(points) - labels[:, None]
    square, absolute = (error**2).mean(), np.abs(error).mean()
    loss = max(square, absolute) * 0.5

print(tg.diagnose(loss, parameters=net))
