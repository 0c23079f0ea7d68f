"""Both passes of a graph as a straight-line Python program."""

from tinygrad_pool.codegen.unrolled import unroll

__all__ = ["unroll"]
