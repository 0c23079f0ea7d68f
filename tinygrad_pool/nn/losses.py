"""Losses as modules: each stores the options of the function that it calls."""

from __future__ import annotations

from typing import Any, Self

from tinygrad_pool.engine.value import Value
from tinygrad_pool.functional import losses
from tinygrad_pool.functional.losses import Reduction, check_reduction
from tinygrad_pool.nn.activations import not_an_input
from tinygrad_pool.nn.module import Buffer, CallsFunction
from tinygrad_pool.rules.arguments import flag, real


class _Loss(CallsFunction):
    """A loss of y and a target."""

    weight: Buffer | None
    pos_weight: Buffer | None

    def __new__(cls, *options: Any, **_: Any) -> Self:
        """Make a loss. Raises OptionError for inputs among its options, as in nn.MSELoss(y, t)."""
        for option in options:
            not_an_input(cls.__name__, option, "y, target")
        return super().__new__(cls)

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = check_reduction(type(self).__name__, reduction)

    def forward(self, y: Any, target: Any) -> Value:  # type: ignore[override]  # two inputs
        """Compute the loss of y and a target, or labels."""
        return self._called_with(y, target)

    def extra_repr(self) -> str:
        """Show nothing, as PyTorch does."""
        return ""


class MSELoss(_Loss, function=losses.mse_loss):
    """The mean squared difference: nn.mse_loss.

    >>> MSELoss()(Value([1.0, 2.0]), [1.0, 4.0]).item()
    2.0
    """


class L1Loss(_Loss, function=losses.l1_loss):
    """The mean absolute difference: nn.l1_loss."""


class HuberLoss(_Loss, function=losses.huber_loss):
    """Quadratic for differences below δ, linear above: nn.huber_loss."""

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = real(delta, "HuberLoss: delta", 0.0)


class SmoothL1Loss(_Loss, function=losses.smooth_l1_loss):
    """The mean absolute difference, smoothed below β: nn.smooth_l1_loss."""

    def __init__(self, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = real(beta, "SmoothL1Loss: beta", 0.0)


class KLDivLoss(_Loss, function=losses.kl_div):
    """The Kullback–Leibler divergence of log-probabilities from probabilities: nn.kl_div."""

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        self.reduction = check_reduction("KLDivLoss", reduction, "batchmean")
        self.log_target = flag(log_target, "KLDivLoss: log_target")


class BCELoss(_Loss, function=losses.binary_cross_entropy):
    """The cross entropy of probabilities and targets from 0 to 1: nn.binary_cross_entropy."""

    def __init__(self, weight: Any = None, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class BCEWithLogitsLoss(_Loss, function=losses.binary_cross_entropy_with_logits):
    """The cross entropy of sigmoid(scores): nn.binary_cross_entropy_with_logits."""

    def __init__(
        self, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)


class NLLLoss(_Loss, function=losses.nll_loss):
    """The mean of −y[label], for log-probabilities y: nn.nll_loss."""

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index


class CrossEntropyLoss(_Loss, function=losses.cross_entropy):
    """The mean of −ln softmax(scores)[label]: nn.cross_entropy, with its options.

    >>> round(CrossEntropyLoss()(Value([[0.0, 0.0]]), [1]).item(), 4)
    0.6931
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = real(label_smoothing, "CrossEntropyLoss: label_smoothing", 0.0, 1.0)
