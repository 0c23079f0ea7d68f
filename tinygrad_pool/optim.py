"""Optimizers: how parameters follow their gradients. Formulas and defaults are PyTorch's."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.clipping import clip_grad_norm_, clip_grad_value_
from tinygrad_pool.rules.arguments import flag

Part: TypeAlias = tuple[int, int]
"""The index of a parameter, and its first row."""

BLOCK = 2**15
"""About how many elements are updated at a time, so that intermediates fit in the cache."""

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_grad_norm_", "clip_grad_value_"]

if not TYPE_CHECKING:  # so that a type checker still reports unknown names

    def __getattr__(name: str) -> Any:
        """Raise AttributeError; for a name from another library, say what to write here."""
        from tinygrad_pool.engine.habits import missing_from

        raise missing_from(__name__, name)


class Optimizer(ABC):
    """Hold parameters and move those that have a gradient, one step at a time."""

    def __init__(self, parameters: Iterable[Value], lr: float, weight_decay: float) -> None:
        name = type(self).__name__
        self.parameters = _leaves(name, parameters)
        _check(name, lr=lr, weight_decay=weight_decay)
        self.lr, self.weight_decay = lr, weight_decay
        _keep_freed_memory()

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for p in self.parameters:
            p.zero_grad()

    def step(self) -> None:
        """Move every parameter that has a gradient; arrays change in place."""
        for i, p in enumerate(self.parameters):
            if not p.has_grad:
                continue
            w: Any = p._numbers  # p.data would copy the bits, to detect later changes
            g = p.grad
            if p.size <= BLOCK:
                w = self._moved((i, 0), w, g)
            else:
                n = max(1, BLOCK * len(w) // p.size)
                for row in range(0, len(w), n):
                    self._moved((i, row), w[row : row + n], g[row : row + n])
            p.data = w

    def _moved(self, part: Part, w: Any, g: Any) -> Any:
        """Move a part of a parameter, an array in place."""
        if self.weight_decay:
            g = g + self.weight_decay * w
        w -= self._move(part, g)
        return w

    @abstractmethod
    def _move(self, part: Part, g: Any) -> Any:
        """Compute what to subtract from a part of a parameter whose gradient is g."""


class SGD(Optimizer):
    """Follow the gradient, with momentum.

    v ← μ v + (1 − dampening) g, at first g        w ← w − lr v        g = ∂E/∂w + weight_decay · w

    With `nesterov`, w ← w − lr (g + μ v).

    Raises OptionError for an option out of range, no parameters, or Nesterov's way without
    momentum or with dampening.

    >>> w = Value(1.0)
    >>> (w * 3.0).backward()
    >>> SGD([w], lr=0.5).step()
    >>> w.data
    -0.5
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        _check("SGD", momentum=momentum, dampening=dampening)
        if flag(nesterov, "SGD: nesterov") and (not momentum or dampening):
            raise OptionError("SGD: nesterov needs momentum, and no dampening")
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov
        self._v: dict[Part, Any] = {}

    def _move(self, part: Part, g: Any) -> Any:
        if not self.momentum:
            return self.lr * g
        fresh = (1 - self.dampening) * g if self.dampening and part in self._v else g
        v = self._v[part] = self.momentum * self._v.get(part, 0.0) + fresh
        return self.lr * (g + self.momentum * v if self.nesterov else v)


class Adam(Optimizer):
    """Follow a running mean of the gradient, scaled by a running root mean square.

    m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
    w ← w − lr · m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    g = ∂E/∂w + weight_decay · w. With `amsgrad`, the largest v so far stands for v.

    Raises OptionError for an option out of range or no parameters.

    >>> w = Value(1.0)
    >>> (w * 3.0).backward()
    >>> Adam([w], lr=0.5).step()
    >>> round(w.data, 6)
    0.5
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        name = type(self).__name__
        _check(name, eps=eps)
        try:
            within = [0 <= beta < 1 for beta in betas]
        except TypeError:
            within = []
        if within != [True, True]:
            raise OptionError(f"{name}: betas must be two numbers in [0, 1), got {betas!r}")
        self.betas, self.eps = betas, eps
        self.amsgrad = flag(amsgrad, f"{name}: amsgrad")
        self._moments: dict[Part, tuple[Any, Any, int]] = {}
        self._largest: dict[Part, Any] = {}

    def _move(self, part: Part, g: Any) -> Any:
        beta1, beta2 = self.betas
        m, v, t = self._moments.get(part, (0.0, 0.0, 0))
        m, v, t = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g, t + 1
        self._moments[part] = m, v, t
        if self.amsgrad:
            v = self._largest[part] = np.maximum(self._largest.get(part, 0.0), v)
        root = np.sqrt(v / (1 - beta2**t)) + self.eps
        return self.lr * (m / (1 - beta1**t)) / root


class AdamW(Adam):
    """Adam that shrinks weights by themselves, and not by way of their gradient.

    w ← w − lr · weight_decay · w, and then as in Adam with g = ∂E/∂w

    Raises OptionError for an option out of range or no parameters.

    >>> w = Value(1.0)
    >>> (w * 0.0).backward()
    >>> AdamW([w], lr=0.5, weight_decay=0.1).step()
    >>> w.data
    0.95
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)

    def _moved(self, part: Part, w: Any, g: Any) -> Any:
        w *= 1 - self.lr * self.weight_decay
        w -= self._move(part, g)
        return w


def _leaves(name: str, parameters: Any) -> list[Value]:
    """Check parameters: Values that no operation computed, each listed once."""
    if isinstance(parameters, Value) or not isinstance(parameters, Iterable):
        got = type(parameters).__name__
        raise OptionError(
            f"{name}: needs a list of parameters, such as model.parameters(), got {got}"
        )
    leaves: dict[Value, None] = {}
    for p in parameters:
        if not isinstance(p, Value):
            raise OptionError(f"{name}: a parameter must be a Value, got {p!r:.80}")
        if p.parents:
            raise OptionError(f"{name}: {name_of(p)} was computed; only leaves can be parameters")
        if p in leaves:
            raise OptionError(f"{name}: {name_of(p)} is listed twice")
        leaves[p] = None
    if not leaves:
        raise OptionError(f"{name}: needs at least one parameter, got none")
    return list(leaves)


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory, so that the next step need not ask for it again.

    Each training step allocates the same arrays again. glibc returns memory to the system when more
    than twice the largest array freed so far lies idle at the end of its heap; getting zeroed pages
    back takes longer than computing their contents (measured: half of a small net's step). After
    nearly 32 MiB were freed once, 64 MiB may stay idle. No page is touched, so this costs nothing,
    and other C libraries ignore it.
    """
    if sys.platform == "linux":
        with suppress(MemoryError):
            np.empty(2**25 - 2**13, np.uint8)


def _check(name: str, **options: Any) -> None:
    for option, given in options.items():
        if not isinstance(given, Real) or not 0 <= float(given) < np.inf:
            raise OptionError(f"{name}: {option} must be a non-negative number, got {given!r}")
