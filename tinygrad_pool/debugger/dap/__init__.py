"""A debug adapter: an editor steps forwards and back through a recorded pass, on your own lines."""

from tinygrad_pool.debugger.dap.server import Server
from tinygrad_pool.debugger.dap.wire import Wire

__all__ = ["Server", "Wire"]
