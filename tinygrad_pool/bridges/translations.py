"""The functions of Values that replace other libraries' operations: one table, open to users."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tinygrad_pool.engine.data import to_constant
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError
from tinygrad_pool.extras import extra
from tinygrad_pool.rules.rule import Function, entering

TRANSLATIONS: dict[str, Callable[..., Any]] = {}
"""The function for each operation: "aten.relu" is PyTorch's, "onnx.Relu" is ONNX's."""


def translates(*operations: str) -> Callable[[Function], Function]:
    """Decorate a function of Values as the translation of another library's operations.

    The function has the operation's parameters, in order: it gets Values for the tensors that a
    gradient reaches, arrays for the others, and options unchanged. PyTorch's operations are named
    without the overload, as `aten.roll`, or `mylib.myop` for one of your own. ONNX's are named
    `onnx.Roll`; their attributes are keyword arguments. A translation has priority over PyTorch's
    own decomposition of the operation.

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


def torch(name: str = "torch") -> Any:
    """Return the package torch. Raises ToolError, in the name of a function, if it is missing."""
    return extra("torch", name)


def data_of(x: Any) -> Any:
    """Return the data of a Value, and anything else unchanged."""
    return x._numbers if isinstance(x, Value) else x  # v.data would count as handed out


def returned(name: str, module: Any, inputs: Any) -> Any:
    """Call a PyTorch module. Raises OptionError if it fails on the inputs."""
    try:
        return module(*inputs)
    except Exception as error:
        raise OptionError(
            f"{name}: {type(module).__name__} fails on these example inputs: {error}; "
            "pass the inputs that it needs, in order"
        ) from error


def copied(module: Any) -> Any:
    """Copy a module, and detach tensors that it computed, as torch.nn.utils.weight_norm does."""
    attributes = (t for part in module.modules() for t in vars(part).values())
    computed = (t for t in attributes if isinstance(t, torch().Tensor) and not t.is_leaf)
    return copy.deepcopy(module, {id(t): t.detach() for t in computed})


def as_operand(x: Any, name: str) -> Any:
    """Read an input of a network: a Value unchanged, a tensor or an array as numbers."""
    if isinstance(x, Value):
        return x
    detach = getattr(x, "detach", None)
    return to_constant(detach().cpu().numpy() if detach else x, name)
