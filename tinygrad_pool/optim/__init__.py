"""Optimizers and learning-rate schedules, with PyTorch's formulas and defaults."""

from typing import TYPE_CHECKING, Any

from tinygrad_pool import _missing_from
from tinygrad_pool.nn.clipping import clip_grad_norm_, clip_grad_value_
from tinygrad_pool.optim import lr_scheduler
from tinygrad_pool.optim.optimizers import SGD, Adam, AdamW, Optimizer

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "clip_grad_norm_",
    "clip_grad_value_",
    "lr_scheduler",
]

if not TYPE_CHECKING:  # so that a type checker still reports unknown names

    def __getattr__(name: str) -> Any:
        """Raise AttributeError, with what to write for a name from another library."""
        raise _missing_from(__name__, name)
