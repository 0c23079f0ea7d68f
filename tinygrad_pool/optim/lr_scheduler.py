"""Learning-rate schedules, with PyTorch's names and formulas."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import cos, inf, pi
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool import _missing_from
from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.saving import Saved, count
from tinygrad_pool.optim.optimizers import Optimizer, check_options
from tinygrad_pool.rules.arguments import Shape, numbers, real

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "StepLR"]


class LRScheduler(Saved):
    """Set the `lr` of an optimizer as a function of the epoch, t: call `step()` after each epoch.

    `base_lr` is the initial `lr` of the optimizer, `last_epoch` is t. Both are in the state, so a
    training run can be saved and resumed.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            got = type(optimizer).__name__
            raise OptionError(f"{type(self).__name__}: needs an optimizer, got {got}")
        self.optimizer = optimizer
        self._go_to(0, float(optimizer.lr))

    @abstractmethod
    def _at(self, t: int, base: float) -> float:
        """Compute the learning rate of epoch t."""

    def _go_to(self, t: int, base: float) -> None:
        """Set the learning rate of epoch t; if it is invalid, change nothing."""
        lr = self._at(t, base)
        check_options(type(self).__name__, base_lr=base, lr=lr)
        self.base_lr, self.last_epoch, self.optimizer.lr = base, t, lr

    def step(self) -> None:
        """Set the learning rate of the next epoch."""
        self._go_to(self.last_epoch + 1, self.base_lr)

    def get_last_lr(self) -> list[float]:
        """Return a list with the learning rate, as PyTorch does."""
        return [self.optimizer.lr]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the base rate and the epoch."""
        return {"base_lr": np.array(self.base_lr), "last_epoch": np.array(self.last_epoch)}

    def _shapes(self, _: Any) -> dict[str, Shape]:
        return {"base_lr": (), "last_epoch": ()}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._go_to(count(state, "last_epoch"), float(state["base_lr"]))


class LambdaLR(LRScheduler):
    """Multiply the base rate by a function of the epoch: lr = base · lr_lambda(t).

    The function is not part of the state. Raises OptionError if it is not a function, or a rate is
    not a non-negative number.

    >>> from tinygrad_pool import Value
    >>> from tinygrad_pool.optim import SGD
    >>> optimizer = SGD([Value(1.0)], lr=0.5)
    >>> schedule = LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        if not callable(lr_lambda):
            raise OptionError(f"LambdaLR: lr_lambda must be a function, got {lr_lambda!r}")
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def _at(self, t: int, base: float) -> float:
        return base * real(self.lr_lambda(t), f"LambdaLR: lr_lambda({t})")


class StepLR(LRScheduler):
    """Multiply the rate by gamma every step_size epochs: lr = base · gamma^⌊t / step_size⌋.

    Raises OptionError for a step_size below 1 or a gamma below 0.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        (self.step_size,) = numbers("StepLR", "step_size", step_size, 1, least=1)
        self.gamma = real(gamma, "StepLR: gamma", 0.0)
        super().__init__(optimizer)

    def _at(self, t: int, base: float) -> float:
        return base * _power(self.gamma, t // self.step_size)


class ExponentialLR(LRScheduler):
    """Multiply the rate by gamma every epoch: lr = base · gammaᵗ.

    Raises OptionError for a gamma below 0.
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = real(gamma, "ExponentialLR: gamma", 0.0)
        super().__init__(optimizer)

    def _at(self, t: int, base: float) -> float:
        return base * _power(self.gamma, t)


class CosineAnnealingLR(LRScheduler):
    """Lower the rate to eta_min over T_max epochs along a cosine, and raise it again.

    lr = eta_min + (base − eta_min) (1 + cos(π t / T_max)) / 2

    Raises OptionError for a T_max below 1 or an eta_min below 0.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        (self.T_max,) = numbers("CosineAnnealingLR", "T_max", T_max, 1, least=1)
        self.eta_min = real(eta_min, "CosineAnnealingLR: eta_min", 0.0)
        super().__init__(optimizer)

    def _at(self, t: int, base: float) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * t / self.T_max)) / 2


def _power(gamma: float, t: int) -> float:
    """Compute gammaᵗ; infinity if it overflows."""
    with suppress(OverflowError):
        return gamma**t
    return inf


if not TYPE_CHECKING:  # so that a type checker still reports unknown names

    def __getattr__(name: str) -> Any:
        """Raise AttributeError, with what to write for a schedule of PyTorch."""
        raise _missing_from(__name__, name)
