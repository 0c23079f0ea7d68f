"""Methods of NumPy's ufuncs, such as `np.add.outer`, by functions that compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_pool.rules.arguments import Axis
from tinygrad_pool.rules.composition import composes, operand
from tinygrad_pool.rules.rule import Array

REDUCED = {"add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min}
ACCUMULATED = {"add": np.cumsum, "multiply": np.cumprod}


def _reduces(name: str, function: Any) -> None:
    @composes(f"{name}.reduce")
    def reduce(array: Array, axis: Axis = 0, keepdims: bool = False) -> Any:
        return function(array, axis=axis, keepdims=keepdims)


def _accumulates(name: str, function: Any) -> None:
    @composes(f"{name}.accumulate")
    def accumulate(array: Array, axis: int = 0) -> Any:
        return function(array, axis=axis)


def _pairs(ufunc: Any) -> None:
    @composes(f"{ufunc.__name__}.outer")
    def outer(A: Array, B: Array) -> Any:  # parameter names as in NumPy
        return ufunc(np.reshape(operand(A), (*np.shape(A), *[1] * np.ndim(B))), operand(B))


for _name, _function in REDUCED.items():
    _reduces(_name, _function)
for _name, _function in ACCUMULATED.items():
    _accumulates(_name, _function)
for _ufunc in {f for f in vars(np).values() if isinstance(f, np.ufunc)}:
    if _ufunc.nin == 2 and _ufunc.signature is None:
        _pairs(_ufunc)
