"""Networks by hand: modules, layers on tensors, micrograd's neurons on scalars, and losses."""

from tinygrad_pool.nn.layers import (
    AvgPool2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from tinygrad_pool.nn.losses import cross_entropy, mse_loss
from tinygrad_pool.nn.module import Module
from tinygrad_pool.nn.scalar import MLP, Layer, Neuron

__all__ = [
    "MLP",
    "AvgPool2d",
    "Conv2d",
    "Flatten",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Module",
    "Neuron",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "cross_entropy",
    "mse_loss",
]
