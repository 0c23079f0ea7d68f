"""What the operations of other libraries are on Values: one table, which users can add to."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

from tinygrad_pool.engine.data import to_constant
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.rules.rule import Function, entering

Translation: TypeAlias = Callable[..., Any]

TRANSLATIONS: dict[str, Translation] = {}
"""What to call for each operation: "aten.relu" is PyTorch's, "onnx.Relu" is ONNX's."""


def translates(*operations: str) -> Callable[[Function], Function]:
    """Translate an operation of another library to Values: a decorator of a function.

    The function takes what the operation takes, in its order: Values for the tensors that a
    gradient reaches, arrays for the others, and options as they are. For PyTorch, the name is as
    `aten.roll`, or `mylib.myop` for an operation of yours, without the overload; for ONNX,
    `onnx.Roll`, and attributes are keyword arguments. What is entered here comes before what
    PyTorch would make of the operation itself.

    Raises OptionError for a name without a dot.

    >>> import numpy as np
    >>> @translates("aten.deg2rad", "mylib.deg2rad")
    ... def deg2rad(x):
    ...     return x * (np.pi / 180)
    >>> TRANSLATIONS["mylib.deg2rad"] is deg2rad
    True
    """
    for operation in operations:
        if "." not in str(operation):
            raise OptionError(
                f"translates: needs the name of a library's operation, as 'aten.roll', "
                f"got {operation!r:.80}"
            )
    return entering(TRANSLATIONS, operations)


def data_of(x: Any) -> Any:
    """Return the numbers of a Value, and anything else as it is."""
    return x._numbers if isinstance(x, Value) else x  # v.data would hand them out


def returned(name: str, module: Any, given: Any) -> Any:
    """Call a module of PyTorch's. Raises OptionError if it does not take what was given."""
    try:
        return module(*given)
    except Exception as error:
        raise OptionError(
            f"{name}: {type(module).__name__} fails on these example inputs: {error}; "
            "give those that it takes, in order"
        ) from error


def copied(torch: Any, module: Any) -> Any:
    """Copy a module; a tensor that it computed, as torch.nn.utils.weight_norm does, is cut off."""
    held = (t for part in module.modules() for t in vars(part).values())
    computed = (t for t in held if isinstance(t, torch.Tensor) and not t.is_leaf)
    return copy.deepcopy(module, {id(t): t.detach() for t in computed})


def as_operand(given: Any, name: str) -> Any:
    """Read what a network is called with: a Value as it is; a tensor or an array as numbers."""
    if isinstance(given, Value):
        return given
    detach = getattr(given, "detach", None)
    return to_constant(detach().cpu().numpy() if detach else given, name)
