"""Packages of the optional extras, loaded when they are first asked for."""

from importlib import import_module
from typing import Any

from tinygrad_pool.errors import ToolError


def extra(package: str, name: str) -> Any:
    """Import a package of the extra called like it. Raises ToolError, which says how to get it.

    >>> extra("no_such_package", "from_torch")
    Traceback (most recent call last):
    tinygrad_pool.errors.ToolError: from_torch: needs the package no_such_package: pip install 'tinygrad_pool[no_such_package]'
    """
    try:
        return import_module(package)
    except ImportError as error:
        first = package.partition(".")[0]
        raise ToolError(
            f"{name}: needs the package {first}: pip install 'tinygrad_pool[{first}]'"
        ) from error
