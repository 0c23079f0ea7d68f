"""Every operation, under its name in NumPy or PyTorch.

The operations of `operations` are imported at once, others on first use, from the modules in
__init__.pyi. The remaining functions of NumPy are available too: `tg.functional.var`.
"""

from importlib import import_module
from typing import Any

from tinygrad_pool.engine.lazy_names import homes_of
from tinygrad_pool.functional import operations

_HOMES = homes_of(globals())

__all__ = sorted(_HOMES)  # noqa: PLE0605  # the stub has them in full

globals().update({n: vars(operations)[n] for n in __all__ if _HOMES[n] == operations.__name__})


def __getattr__(name: str) -> Any:
    """Load a less common operation, or a function of NumPy, on first use."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    home = import_module(_HOMES.get(name, f"{__name__}.numpy_functions"))
    try:
        globals()[name] = operation = getattr(home, name)
    except AttributeError:
        from tinygrad_pool.engine.habits import missing_from

        raise missing_from(__name__, name, {}) from None
    return operation


def __dir__() -> list[str]:
    return __all__
