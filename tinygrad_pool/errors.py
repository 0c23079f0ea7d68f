"""The exceptions of this package.

Each one also derives from a built-in exception, so `except ValueError` works as expected.
"""


class TinygradPoolError(Exception):
    """Base class of all errors of this package."""


class ShapeError(TinygradPoolError, ValueError):
    """Shapes do not fit each other or the operation."""


class AxisError(TinygradPoolError, ValueError, IndexError):
    """An axis does not exist or is named twice."""


class SubscriptError(TinygradPoolError, IndexError):
    """An index is out of range or not an index at all."""


class DataError(TinygradPoolError, TypeError):
    """Data does not consist of real numbers."""


class OptionError(TinygradPoolError, ValueError, TypeError):
    """An option is unknown or out of range."""


class TieError(TinygradPoolError, ValueError):
    """Several units share a maximum, and ties="error" allows only one winner."""


class GraphError(TinygradPoolError, RuntimeError):
    """Gradients cannot flow through a graph: it was cut off, or its data has changed."""


class RuleError(TinygradPoolError, TypeError):
    """A rule broke its contract: a result, and one contribution per operand, of matching shape."""


class UnsupportedError(TinygradPoolError, TypeError):
    """A NumPy function or a conversion is not available for Values."""


class ToolError(TinygradPoolError, RuntimeError):
    """An external program or package is missing or failed."""


class OutputError(TinygradPoolError, OSError):
    """A file cannot be read or written."""


class ScriptError(TinygradPoolError, RuntimeError):
    """A user's script raised an error."""


class HabitError(TinygradPoolError, AttributeError):
    """A name from another library was used; the message says what to write here."""


class HabitImportError(TinygradPoolError, ImportError):
    """A name from another library was imported; the message says what to write here."""


class GradientError(TinygradPoolError, AssertionError):
    """A gradient does not match the slope of its function."""
