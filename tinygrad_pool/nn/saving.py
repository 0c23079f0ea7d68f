"""Save and load the state of modules, optimizers and schedules, as arrays by name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.data import to_data
from tinygrad_pool.errors import DataError, OptionError, ShapeError
from tinygrad_pool.files import write_whole
from tinygrad_pool.rules.arguments import Shape


class Saved(ABC):
    """Base class of objects with a state that can be saved."""

    @abstractmethod
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copy the state, as arrays by name."""

    @abstractmethod
    def _shapes(self, state: Mapping[str, Any]) -> Mapping[str, Shape]:
        """Map the names that a state must have to their shapes; they may depend on `state`."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None:
        """Set the state, whose names and shapes have been checked."""

    def __repr__(self) -> str:
        hidden = {name for name in vars(self) if name[0] == "_"} | {"parameters"}
        parts = [f"{name}={part!r}" for name, part in vars(self).items() if name not in hidden]
        return f"{type(self).__name__}({', '.join(parts)})"

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the state from a `state_dict`. If any part of it does not fit, nothing is changed.

        Raises OptionError, which lists missing and unknown names; ShapeError for an array of
        another shape; DataError for an entry that is not numbers.
        """
        if not isinstance(state, Mapping):
            raise OptionError(
                f"load_state_dict: needs names and arrays, got {type(state).__name__}"
            )
        shapes = self._shapes(state)
        check_names(shapes, state)
        new = {name: to_data(state[name], f"load_state_dict: {name}") for name in shapes}
        _check_shapes(shapes, {name: np.shape(array) for name, array in new.items()})
        self._restore(new)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the state to an .npz file, completely or not at all, and return its path.

        Raises OutputError if the folder does not exist or the file cannot be written.
        """
        return write_whole(path, self.to_npz())

    def to_npz(self) -> bytes:
        """Pack the state as the contents of an .npz file."""
        from tinygrad_pool.nn.npz import packed

        return packed(self.state_dict())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the state from a file that `save` wrote. No code in the file is run.

        If any name or shape does not match, nothing is changed. Raises OutputError if the file
        cannot be read, and the errors of `load_state_dict`.
        """
        from tinygrad_pool.nn.npz import opened

        with opened(path) as members:
            expected = self._shapes(members)
            shapes = {name: members[name].shape() for name in expected if name in members}
            check_names(expected, members)
            _check_shapes(expected, shapes)
            state = {name: members[name].array() for name in expected}
        self.load_state_dict(state)


def count(state: Mapping[str, Any], name: str, least: int = 0) -> int:
    """Read a count from a state. Raises DataError unless it is an integer from `least`."""
    n = float(state[name])
    if not n.is_integer() or n < least:
        raise DataError(
            f"load_state_dict: {name} must be an integer of at least {least}, got {n:g}"
        )
    return int(n)


def check_names(expected: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Raise OptionError, which lists missing and unknown names, unless the names are equal."""
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or unknown:
        raise OptionError(
            f"load_state_dict: missing {sorted(missing) or 'none'}, "
            f"unknown {sorted(map(str, unknown)) or 'none'}"
        )


def _check_shapes(expected: Mapping[str, Shape], shapes: Mapping[str, Shape]) -> None:
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise ShapeError(f"load_state_dict: {name} needs shape {shape}, got {shapes[name]}")
