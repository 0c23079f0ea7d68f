"""Max pooling as a layer of 0/1 weights, and a check that both are equal."""

from tinygrad_pool.pooling_as_weights.comparison import compare_weight_layer
from tinygrad_pool.pooling_as_weights.weight_layers import as_weight_layer

__all__ = ["as_weight_layer", "compare_weight_layer"]
