"""Step through a backward pass, forwards and backwards, at a prompt or in pdb."""

from tinygrad_pool.debugger.shell import debug

__all__ = ["debug"]
