"""Automatic differentiation that you can watch: build small networks, draw and step through them.

>>> import tinygrad_pool as tg
>>> x1, x2 = tg.Value(1.0, label="x1"), tg.Value(3.0, label="x2")
>>> z = tg.maximum(x1, x2)
>>> z.backward()
>>> x1.grad, x2.grad
(0.0, 1.0)

__all__ lists the names to begin with. `tg.functional` has every operation. Names that are not
needed to compute, such as `draw`, are loaded on first use, from the modules in __init__.pyi.
"""

import sys
from functools import cache
from importlib import import_module
from typing import Any

import numpy as _numpy  # noqa: F401  # imported first: importing it from nested modules is slower

from tinygrad_pool import functional
from tinygrad_pool.engine.context import checked, no_grad, scope, traced
from tinygrad_pool.engine.gradients import backward_steps, grad
from tinygrad_pool.engine.lazy_names import homes_of, loaded
from tinygrad_pool.engine.steps import Step
from tinygrad_pool.engine.value import Value, lift

globals().update({name: f for name, f in vars(functional).items() if name in functional.__all__})

__version__ = "0.1.0"

__all__ = [
    "Step",
    "Value",
    "abs",
    "adaptive_avg_pool2d",
    "as_weight_layer",
    "avg_pool2d",
    "backward_steps",
    "checked",
    "clip",
    "compare_passes",
    "compare_weight_layer",
    "concatenate",
    "conv2d",
    "cos",
    "datasets",
    "debug",
    "derive",
    "diagnose",
    "draw",
    "draw_units",
    "draw_windows",
    "exp",
    "explode",
    "find_ties",
    "frames",
    "from_torch",
    "functional",
    "grad",
    "gradcheck",
    "lift",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_unpool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "nn",
    "no_grad",
    "optim",
    "receptive_field",
    "record",
    "relu",
    "render",
    "scope",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "stack",
    "sum",
    "tanh",
    "traced",
    "tree",
    "unroll",
    "watch",
    "weighted_sum",
    "weights_of",
    "where",
]


def __getattr__(name: str) -> Any:
    """Load a name in __init__.pyi on first use."""
    home = _homes().get(name)
    if home is None:
        raise _missing_from(__name__, name)
    globals()[name] = value = loaded(name, home)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


@cache
def _homes() -> dict[str, str]:
    of_numpy = f"{functional.__name__}.numpy_functions"
    return dict.fromkeys(functional.__all__, functional.__name__) | homes_of(globals(), of_numpy)


def _missing_from(module: str, name: str) -> AttributeError:
    """Return the error for a name that the package or one of its parts does not have.

    Raises HabitImportError in `from tinygrad_pool import name`, where Python would replace an
    AttributeError, and so drop its advice.
    """
    from importlib.util import find_spec

    from tinygrad_pool.engine.habits import missing_from
    from tinygrad_pool.errors import HabitError, HabitImportError

    ways = {public: f"tg.{public}" for public in _homes()}
    nn, optim = (loaded(part, _homes()[part]) for part in ("nn", "optim"))
    for module_of in (optim.lr_scheduler, optim, nn):
        path = module_of.__name__.partition(".")[2]
        ways |= {public: f"{path}.{public}  # {path} is tg.{path}" for public in module_of.__all__}
    error = missing_from(module, name, ways)
    importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    if importing and isinstance(error, HabitError) and not find_spec(f"{module}.{name}"):
        raise HabitImportError(error)
    return error


def _svg_of(value: Value) -> str | None:
    svg: str | None = import_module("tinygrad_pool.drawing.display").svg_of(value)
    return svg


# Jupyter, VS Code and marimo call these to display a Value at the end of a cell. They are set here
# because the engine does not import drawing. Only marimo needs the text if there is no picture.
Value._repr_svg_ = _svg_of  # type: ignore[attr-defined]
Value._repr_text_ = Value.__repr__  # type: ignore[attr-defined]
