"""Packages of the optional extras, loaded when they are first asked for."""

from importlib import import_module
from typing import Any

from tinygrad_pool.errors import ToolError


def extra(package: str, name: str, called: str = "") -> Any:
    """Import a package of an extra, by default the one called like it.

    Raises ToolError, which says how to get it.

    >>> extra("absent", "f")
    Traceback (most recent call last):
    tinygrad_pool.errors.ToolError: f: needs the package absent: pip install 'tinygrad_pool[absent]'
    """
    try:
        return import_module(package)
    except ImportError as error:
        first = package.partition(".")[0]
        raise ToolError(
            f"{name}: needs the package {first}: pip install 'tinygrad_pool[{called or first}]'"
        ) from error
