"""State as arrays by name: copied, set, written to a file and read."""

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
    """What has a state: a module's is its parameters and buffers, an optimizer's how it goes on."""

    @abstractmethod
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copy the state, as arrays by name."""

    @abstractmethod
    def _shapes(self, given: Mapping[str, Any]) -> Mapping[str, Shape]:
        """List the names that a state must have, with their shapes; they may depend on others."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None:
        """Set the state, whose names and shapes fit."""

    def __repr__(self) -> str:
        own = {name: part for name, part in vars(self).items() if name[0] != "_"}
        shown = [f"{name}={part!r}" for name, part in own.items() if name != "parameters"]
        return f"{type(self).__name__}({', '.join(shown)})"

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the state from a `state_dict`; nothing changes unless all of it fits.

        Raises OptionError, which lists names that are missing or unknown; ShapeError, which names
        an array of another shape; DataError for an entry that is not numbers.
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

        Raises OutputError if the folder does not exist or cannot be written.
        """
        return write_whole(path, self.to_npz())

    def to_npz(self) -> bytes:
        """Pack the state as the contents of an .npz file."""
        from tinygrad_pool.nn.npz import packed

        return packed(self.state_dict())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the state from a file that `save` wrote. No code in the file is run.

        Nothing is loaded unless all names and shapes match. Raises OutputError if the file cannot
        be read, and whatever `load_state_dict` raises.
        """
        from tinygrad_pool.nn.npz import opened

        with opened(path) as found:
            own = self._shapes(found)
            shapes = {name: found[name].shape() for name in own if name in found}
            check_names(own, found)
            _check_shapes(own, shapes)
            state = {name: found[name].array() for name in own}
        self.load_state_dict(state)


def count(state: Mapping[str, Any], name: str, least: int = 0) -> int:
    """Read how often something was done. Raises DataError for anything but a count from `least`."""
    n = float(state[name])
    if not n.is_integer() or n < least:
        raise DataError(
            f"load_state_dict: {name} must be a whole number of at least {least}, got {n:g}"
        )
    return int(n)


def check_names(own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that a state has its names. Raises OptionError, which lists those that differ."""
    missing, unknown = own.keys() - given.keys(), given.keys() - own.keys()
    if missing or unknown:
        raise OptionError(
            f"load_state_dict: missing {sorted(missing) or 'none'}, "
            f"unknown {sorted(map(str, unknown)) or 'none'}"
        )


def _check_shapes(own: Mapping[str, Shape], given: Mapping[str, Shape]) -> None:
    for name, wanted in own.items():
        if given[name] != wanted:
            raise ShapeError(f"load_state_dict: {name} needs shape {wanted}, got {given[name]}")
