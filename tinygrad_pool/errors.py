"""Every exception this package raises on purpose.

Each one also is the built-in exception that a reader would expect there, so `except ValueError`
works for someone who has never opened this file.
"""


class TinygradPoolError(Exception):
    """Stand above every error of this package, so that one `except` catches them all."""


class ShapeError(TinygradPoolError, ValueError):
    """Say that shapes do not fit each other or the operation."""


class AxisError(TinygradPoolError, ValueError, IndexError):
    """Say that an axis does not exist or is named twice."""


class SubscriptError(TinygradPoolError, IndexError):
    """Say that an index is out of range or is no index at all."""


class DataError(TinygradPoolError, TypeError):
    """Say that data is not made of real numbers."""


class OptionError(TinygradPoolError, ValueError, TypeError):
    """Say that an option is unknown or out of its range."""


class TieError(TinygradPoolError, ValueError):
    """Say that several units share a maximum where ties="error" allows one winner only."""


class GraphError(TinygradPoolError, RuntimeError):
    """Say that a graph cannot carry a gradient: it was cut, or its data changed since."""


class RuleError(TinygradPoolError, TypeError):
    """Say that a rule broke its contract: one contribution per operand, of a fitting shape."""


class UnsupportedError(TinygradPoolError, TypeError):
    """Say that a NumPy function or a conversion does not exist for Values."""


class ToolError(TinygradPoolError, RuntimeError):
    """Say that a program or package outside this one is missing or failed."""


class OutputError(TinygradPoolError, OSError):
    """Say that a file cannot be read or written."""


class ScriptError(TinygradPoolError, RuntimeError):
    """A script that was run ended in an error of its own."""


class HabitError(TinygradPoolError, AttributeError):
    """A name of another library's was looked up; here something else is to be written."""


class GradientError(TinygradPoolError, AssertionError):
    """Say that a gradient is not the slope of what it was computed for."""
