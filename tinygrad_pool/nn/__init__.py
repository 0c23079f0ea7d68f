"""Modules, layers on arrays, micrograd's scalar neurons, and losses: see __init__.pyi."""

from typing import Any

from tinygrad_pool import _missing_from
from tinygrad_pool.engine.lazy_names import homes_of, loaded
from tinygrad_pool.nn import clipping as utils

_HOMES = homes_of(globals())

__all__ = ["utils", *_HOMES]  # noqa: PLE0604  # the stub has them in full

globals().update({name: loaded(name, home) for name, home in _HOMES.items()})


def __getattr__(name: str) -> Any:
    """Raise AttributeError, with what to write for a name from another library."""
    raise _missing_from(__name__, name)
