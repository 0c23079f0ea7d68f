"""Modules, layers on arrays, micrograd's neurons on scalars, and losses."""

from typing import TYPE_CHECKING, Any

from tinygrad_pool.engine.habits import missing_from
from tinygrad_pool.functional.losses import cross_entropy, mse_loss
from tinygrad_pool.nn.layers import Conv2d, Flatten, Linear, ReLU, Sequential, Sigmoid, Tanh
from tinygrad_pool.nn.module import Module
from tinygrad_pool.nn.pools import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)
from tinygrad_pool.nn.scalar import MLP, Layer, Neuron

if not TYPE_CHECKING:  # so that a type checker still reports unknown names

    def __getattr__(name: str) -> Any:
        """Raise AttributeError; for a name from another library, say what to write here."""
        raise missing_from(__name__, name)


__all__ = [
    "MLP",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv2d",
    "Flatten",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "Layer",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "Module",
    "Neuron",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "cross_entropy",
    "mse_loss",
]
