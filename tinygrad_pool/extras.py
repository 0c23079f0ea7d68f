"""Optional packages, imported on first use."""

from importlib import import_module
from typing import Any

from tinygrad_pool.errors import ToolError


def extra(package: str, name: str, called: str = "") -> Any:
    """Import an optional package for the function `name`; `called` is the extra that installs it.

    Raises ToolError, which says how to install it.

    >>> extra("absent", "f")
    Traceback (most recent call last):
    tinygrad_pool.errors.ToolError: f: needs the package absent: pip install 'tinygrad_pool[absent]'
    """
    try:
        return import_module(package)
    except ImportError as error:
        top = package.partition(".")[0]
        raise ToolError(
            f"{name}: needs the package {top}: pip install 'tinygrad_pool[{called or top}]'"
        ) from error
