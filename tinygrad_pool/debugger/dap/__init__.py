"""A debug adapter: step forwards and back through a recorded pass in an editor, on your lines."""

from tinygrad_pool.debugger.dap.server import Server
from tinygrad_pool.debugger.dap.wire import Wire

__all__ = ["Server", "Wire"]
