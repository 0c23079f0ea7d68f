"""micrograd's Neuron, Layer and MLP, on scalars; the sum of a neuron is one node."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tinygrad_pool.engine import Value
from tinygrad_pool.errors import ShapeError
from tinygrad_pool.nn.module import Module
from tinygrad_pool.operations import weighted_sum


class Neuron(Module):
    """One unit, z = relu(Σ w_i x_i + b), or without the relu; weights uniform in ±1, bias 0.

    Weights are drawn from Python's `random`, as micrograd draws them.

    Raises ShapeError when it is called with another number of inputs.

    >>> neuron = Neuron(2, nonlin=False)
    >>> neuron.w[0].data, neuron.w[1].data = 2.0, 3.0
    >>> neuron([5.0, 7.0]).data
    31.0
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1), label=f"w{i}") for i in range(1, nin + 1)]
        self.b = Value(0.0, label="b")
        self.nonlin = nonlin

    def forward(self, x: Sequence[Any]) -> Value:
        """Compute z."""
        if len(x) != len(self.w):
            raise ShapeError(f"Neuron: has {len(self.w)} weights, got {len(x)} inputs")
        a = weighted_sum(self.w, x, bias=self.b)
        return a.relu() if self.nonlin else a

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Several neurons on the same inputs; one output comes as a Value, several as a list.

    >>> len(Layer(2, 3)([1.0, 2.0]))
    3
    """

    def __init__(self, nin: int, nout: int, **options: Any) -> None:
        self.neurons = [Neuron(nin, **options) for _ in range(nout)]

    def forward(self, x: Sequence[Any]) -> Value | list[Value]:
        """Compute every neuron's z."""
        z = [neuron(x) for neuron in self.neurons]
        return z[0] if len(z) == 1 else z

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after the other, relu in all but the last.

    >>> MLP(2, [16, 16, 1])
    MLP of [Layer(2 → 16), Layer(16 → 16), Layer(16 → 1)]
    """

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        self.layers = [Layer(sizes[i], n, nonlin=i != len(nouts) - 1) for i, n in enumerate(nouts)]

    def forward(self, x: Any) -> Any:
        """Pass x through the layers."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        sizes = [f"Layer({len(a.neurons[0].w)} → {len(a.neurons)})" for a in self.layers]
        return f"MLP of [{', '.join(sizes)}]"
