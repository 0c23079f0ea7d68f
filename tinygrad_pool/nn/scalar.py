"""micrograd's Neuron, Layer and MLP on scalars; the weighted sum of a neuron is one node."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.functional.operations import weighted_sum
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules.arguments import Rng, generator, numbers


class Neuron(Module):
    """One unit, z = relu(Σ w_i x_i + b), or without the relu if nonlin=False.

    Weights are initialized uniformly in ±1, the bias to 0. `rng` is a generator or a seed; without
    it Python's `random` is used, as in micrograd.

    Raises OptionError for a size below 1; when called, ShapeError for another number of inputs.

    >>> neuron = Neuron(2, nonlin=False)
    >>> neuron.w[0].data, neuron.w[1].data = 2.0, 3.0
    >>> neuron([5.0, 7.0]).data
    31.0
    """

    def __init__(self, nin: int, nonlin: bool = True, rng: Rng = None) -> None:
        (n,) = numbers("Neuron", "nin", nin, 1, least=1)
        draw = random if rng is None else generator(rng, "Neuron")
        self.w = [Value(draw.uniform(-1, 1), label=f"w{i}") for i in range(1, n + 1)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def forward(self, x: Sequence[Any]) -> Value:
        """Compute z."""
        a = weighted_sum(self.w, x, bias=self.b)
        return a.relu() if self.nonlin else a

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Several neurons with the same inputs; returns a list of outputs, or a single output itself.

    >>> len(Layer(2, 3)([1.0, 2.0]))
    3
    """

    def __init__(self, nin: int, nout: int, rng: Rng = None, **options: Any) -> None:
        (n,) = numbers("Layer", "nout", nout, 1, least=1)
        source = None if rng is None else generator(rng, "Layer")
        self.neurons = [Neuron(nin, rng=source, **options) for _ in range(n)]

    def forward(self, x: Sequence[Any]) -> Value | list[Value]:
        """Compute z of every neuron."""
        z = [neuron(x) for neuron in self.neurons]
        return z[0] if len(z) == 1 else z

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A sequence of layers, with a relu in all but the last.

    >>> MLP(2, [16, 16, 1])
    MLP of [Layer(2 → 16), Layer(16 → 16), Layer(16 → 1)]
    """

    def __init__(self, nin: int, nouts: Iterable[int], rng: Rng = None) -> None:
        sizes = [nin]
        with suppress(TypeError):
            sizes += nouts
        if len(sizes) < 2:
            raise OptionError(f"MLP: nouts needs one size for each layer, got {nouts!r}")
        source, last = None if rng is None else generator(rng, "MLP"), len(sizes) - 2
        self.layers = [
            Layer(n, m, rng=source, nonlin=i < last) for i, (n, m) in enumerate(pairwise(sizes))
        ]

    def forward(self, x: Any) -> Any:
        """Apply the layers to x, in order."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        sizes = [f"Layer({len(a.neurons[0].w)} → {len(a.neurons)})" for a in self.layers]
        return f"MLP of [{', '.join(sizes)}]"
