"""The graph and its backward pass. Read `rules/rule.py` first, then value, lift and backward."""

from tinygrad_pool.engine.value import Value, lift

__all__ = ["Value", "lift"]
