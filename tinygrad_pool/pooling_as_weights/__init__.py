"""Max pooling as a layer of weights that are 0 and 1, and the proof that both are equal."""

from tinygrad_pool.pooling_as_weights.comparison import compare_weight_layer
from tinygrad_pool.pooling_as_weights.weight_layers import as_weight_layer

__all__ = ["as_weight_layer", "compare_weight_layer"]
