"""Stepping through a backward pass at a prompt or in pdb, forwards and backwards."""

from tinygrad_pool.debugger.shell import debug

__all__ = ["debug"]
