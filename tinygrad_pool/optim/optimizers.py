"""Optimizers, with PyTorch's formulas and defaults."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from inspect import signature
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.node import name_of
from tinygrad_pool.engine.numpy_protocol import Habit, WithHabits
from tinygrad_pool.engine.signature import reject_foreign_options
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.saving import Saved, check_names, count
from tinygrad_pool.rules.arguments import Shape, flag

Part: TypeAlias = tuple[int, int]
"""A block of a parameter: the index of the parameter, and the first row of the block."""

Kept: TypeAlias = dict[str, Any]
"""What an optimizer keeps for a block between steps, by PyTorch's names."""

BLOCK = 2**15
"""The approximate number of elements updated at a time, so that intermediates fit in the cache."""


class Optimizer(Saved, WithHabits):
    """Base class of optimizers: update parameters that have a gradient, one step at a time.

    The state consists of the options and of what is kept for each parameter, such as "0.exp_avg"
    for the first. A training run that is saved and resumed gives the same numbers, bit for bit.

    To write an optimizer, define `_move(kept, g)`, which returns what to subtract from a parameter
    with the gradient g. It may keep arrays for that parameter in the dict `kept`, under the names
    in `_known`.
    """

    param_groups = Habit("an optimizer", "param_groups")

    def __init__(self, parameters: Iterable[Value], lr: float, weight_decay: float) -> None:
        name = type(self).__name__
        self.parameters = _leaves(name, parameters)
        check_options(name, lr=lr, weight_decay=weight_decay)
        self.lr, self.weight_decay = lr, weight_decay
        self._kept: dict[Part, Kept] = {}
        _keep_freed_memory()

    def zero_grad(self, **habits: Any) -> None:
        """Reset the gradient of every parameter."""
        reject_foreign_options("zero_grad", habits)
        for p in self.parameters:
            p.zero_grad()

    def step(self, *closures: Any) -> None:
        """Update every parameter that has a gradient; arrays change in place.

        Raises OptionError if `lr` was set to anything but a non-negative finite number, or if a
        closure is passed, as in PyTorch.
        """
        if closures:
            raise OptionError("step: takes no closure; call loss.backward() before it")
        check_options(type(self).__name__, lr=self.lr)
        for i, p in enumerate(self.parameters):
            if not p.has_grad:
                continue
            w: Any = p._numbers  # p.data would copy its bytes, to detect later changes
            g = p.grad
            blocks = _blocks(p)
            for rows in blocks:
                self._moved((i, rows.start), w[rows], g[rows])
            p.data = w if blocks else self._moved((i, 0), w, g)

    def _moved(self, part: Part, w: Any, g: Any) -> Any:
        """Update a block of a parameter; an array in place."""
        if self.weight_decay:
            g = g + self.weight_decay * w
        w -= self._move(self._kept.setdefault(part, {}), g)
        return w

    @abstractmethod
    def _move(self, kept: Kept, g: Any) -> Any:
        """Compute what to subtract from a block of a parameter with the gradient g."""

    _known: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The names of what may be kept, each with the option that requires it; "" if always kept."""

    def _options(self) -> dict[str, Any]:
        names = [*signature(type(self)).parameters][1:]
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the options, and what is kept for each updated parameter, by its index.

        >>> w = Value([1.0, 2.0])
        >>> (w * 3.0).sum().backward()
        >>> optimizer = SGD([w], lr=0.5, momentum=0.9)
        >>> optimizer.step()
        >>> [*optimizer.state_dict()]
        ['lr', 'momentum', 'dampening', 'weight_decay', 'nesterov', '0.momentum_buffer']
        """
        state = {name: np.array(option) for name, option in self._options().items()}
        if unknown := {name for kept in self._kept.values() for name in kept} - {*self._known}:
            raise OptionError(
                f"{type(self).__name__}: keeps {sorted(unknown)}, which its _known does not list"
            )
        for name in self._keeps():
            blocks: dict[int, list[Any]] = {}
            for (i, _), kept in self._kept.items():
                if name in kept:
                    blocks.setdefault(i, []).append(kept[name])
            for i, parts in blocks.items():
                is_array = np.ndim(parts[0]) > 0
                state[f"{i}.{name}"] = np.concatenate(parts) if is_array else np.array(parts[0])
        return state

    def _keeps(self) -> list[str]:
        return [name for name, option in self._known.items() if not option or vars(self)[option]]

    def _shapes(self, state: Mapping[str, Any]) -> dict[str, Shape]:
        shapes = {name: np.shape(option) for name, option in self._options().items()}
        for i, p in enumerate(self.parameters):
            possible = {f"{i}.{name}": () if name == "step" else p.shape for name in self._known}
            shapes |= {name: shape for name, shape in possible.items() if name in state}
        return shapes

    def _restore(self, state: Mapping[str, Any]) -> None:
        options = {n: _option(old, state[n]) for n, old in self._options().items()}
        new = type(self)(self.parameters, **options)
        updated = {int(i) for i, dot, _ in (name.partition(".") for name in state) if dot}
        expected = [f"{i}.{name}" for i in updated for name in new._keeps()]
        check_names(dict.fromkeys([*options, *expected]), state)
        for i in updated:
            p = self.parameters[i]
            kept = {name: _kept(f"{i}.{name}", p, state) for name in new._keeps()}
            new._kept[i, 0] = kept
            for rows in _blocks(p):
                parts = {n: x if n == "step" else x[rows] for n, x in kept.items()}
                new._kept[i, rows.start] = parts
        vars(self).update(vars(new))


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    v ← μ v + (1 − dampening) g, at first g        w ← w − lr v        g = ∂E/∂w + weight_decay · w

    With `nesterov`, w ← w − lr (g + μ v).

    Raises OptionError if an option is out of range, if there are no parameters, or for `nesterov`
    without momentum or with dampening.

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
        check_options("SGD", momentum=momentum, dampening=dampening)
        if flag(nesterov, "SGD: nesterov") and (not momentum or dampening):
            raise OptionError("SGD: nesterov needs momentum, and no dampening")
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov

    _known = MappingProxyType({"momentum_buffer": "momentum"})

    def _move(self, kept: Kept, g: Any) -> Any:
        if not self.momentum:
            return self.lr * g
        fresh = (1 - self.dampening) * g if self.dampening and kept else g
        v = kept["momentum_buffer"] = self.momentum * kept.get("momentum_buffer", 0.0) + fresh
        return self.lr * (g + self.momentum * v if self.nesterov else v)


class Adam(Optimizer):
    """Descend along a running mean of the gradient, divided by its running root mean square.

    m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
    w ← w − lr · m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    g = ∂E/∂w + weight_decay · w. With `amsgrad`, v̂ uses the largest v so far.

    Raises OptionError if an option is out of range or there are no parameters.

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
        check_options(name, eps=eps)
        try:
            in_range = [0 <= beta < 1 for beta in betas]
        except TypeError:
            in_range = []
        if in_range != [True, True]:
            raise OptionError(f"{name}: betas must be two numbers in [0, 1), got {betas!r}")
        self.betas, self.eps = betas, eps
        self.amsgrad = flag(amsgrad, f"{name}: amsgrad")

    _known = MappingProxyType(
        {"step": "", "exp_avg": "", "exp_avg_sq": "", "max_exp_avg_sq": "amsgrad"}
    )

    def _move(self, kept: Kept, g: Any) -> Any:
        beta1, beta2 = self.betas
        t = kept["step"] = kept.get("step", 0) + 1
        m = kept["exp_avg"] = beta1 * kept.get("exp_avg", 0.0) + (1 - beta1) * g
        v = kept["exp_avg_sq"] = beta2 * kept.get("exp_avg_sq", 0.0) + (1 - beta2) * g * g
        if self.amsgrad:
            v = kept["max_exp_avg_sq"] = np.maximum(kept.get("max_exp_avg_sq", 0.0), v)
        root = np.sqrt(v / (1 - beta2**t)) + self.eps
        return self.lr * (m / (1 - beta1**t)) / root


class AdamW(Adam):
    """Adam with decoupled weight decay: weights decay directly, not through their gradient.

    w ← w − lr · weight_decay · w, then as in Adam with g = ∂E/∂w

    Raises OptionError if an option is out of range or there are no parameters.

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
        w -= self._move(self._kept.setdefault(part, {}), g)
        return w


def _blocks(p: Value) -> list[slice]:
    """Cut a parameter into blocks of rows with about BLOCK elements; no blocks if it is smaller."""
    if p.size <= BLOCK:
        return []
    n = max(1, BLOCK * len(p) // p.size)
    return [slice(row, row + n) for row in range(0, len(p), n)]


def _option(old: Any, array: Any) -> Any:
    """Convert an array to an option, a bool if the old one is."""
    option = np.asarray(array).tolist()
    if isinstance(old, bool):
        return bool(option) if option in (0, 1) else option
    return tuple(option) if np.ndim(array) else option


def _kept(name: str, p: Value, state: Mapping[str, Any]) -> Any:
    """Read what is kept for a parameter, in its dtype, from a state."""
    if name.endswith(".step"):
        return count(state, name, least=1)
    kept = np.array(state[name], p.dtype)[()]
    return float(kept) if type(p._numbers) is float else kept


def _leaves(name: str, parameters: Any) -> list[Value]:
    """List parameters. Raises OptionError unless they are leaves, each listed once."""
    network = hasattr(parameters, "parameters")  # a Sequential is iterable too
    if network or isinstance(parameters, Value | Mapping) or not isinstance(parameters, Iterable):
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
    """Let the C library keep freed memory, since each step allocates the same arrays again.

    glibc returns memory to the system when more than twice the largest array freed so far is idle;
    zeroed pages from the system took half of a small net's step. Once nearly 32 MiB were freed, 64
    MiB may be idle. No page is touched, so this costs nothing.
    """
    if sys.platform == "linux":
        with suppress(MemoryError):
            np.empty(2**25 - 2**13, np.uint8)


def check_options(name: str, **options: Any) -> None:
    """Raise OptionError unless the options are finite, non-negative numbers.

    They multiply arrays, which a Fraction would turn into arrays of objects.
    """
    for option, x in options.items():
        plain = isinstance(x, float | int | np.floating | np.integer)
        if not plain or not 0 <= float(x) < np.inf:
            raise OptionError(f"{name}: {option} must be a non-negative number, got {x!r}")
