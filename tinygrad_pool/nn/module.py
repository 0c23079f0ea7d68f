"""A module: parameters, and what is done with all of them at once."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine import Value
from tinygrad_pool.errors import OptionError, OutputError, ShapeError
from tinygrad_pool.files import write_whole
from tinygrad_pool.setting import scope


class Module:
    """A part of a network: write `__init__` and `forward`, and keep its parts in attributes.

    Its parameters are the Values in its attributes and in those of the modules there, also in
    lists, tuples and dicts, in order. A call runs `forward` under `tg.scope`: pictures then show a
    frame with the name of the attribute that holds the module.

    >>> class Twice(Module):
    ...     def __init__(self):
    ...         self.w = Value(3.0)
    ...
    ...     def forward(self, x):
    ...         return 2.0 * self.w * x
    >>> Twice()(Value(5.0)).data, [name for name, _ in Twice().named_parameters()]
    (30.0, ['w'])
    """

    _name: str = ""

    def forward(self, *_: Any) -> Any:
        """Compute the module's output. A subclass says how."""
        raise OptionError(f"{type(self).__name__}: needs a method `forward`")

    def __call__(self, *inputs: Any) -> Any:
        """Run `forward` under the attribute's name, or for a lone layer under its class's."""
        holds_modules = any(isinstance(part, Module) for part in vars(self).values())
        name = self._name or ("" if holds_modules else type(self).__name__)
        with scope(name) if name else nullcontext():
            return self.forward(*inputs)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        _name_parts(name, value)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Walk the parameters with their names, as in "conv1.weight"; a shared one comes once."""
        seen: set[Value] = set()
        for name, value in _walk(vars(self), ""):
            if value not in seen:
                seen.add(value)
                yield name, value

    def parameters(self) -> list[Value]:
        """List the parameters."""
        return [value for _, value in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Copy the data of every parameter, by name."""
        return {name: np.array(value.data) for name, value in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter from a `state_dict`; nothing changes unless all of it fits.

        Raises OptionError, which lists names that are missing or unknown, and ShapeError, which
        names a parameter of another shape.
        """
        own = dict(self.named_parameters())
        missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
        if missing or unknown:
            raise OptionError(
                f"load_state_dict: missing {sorted(missing) or 'nothing'}, "
                f"unknown {sorted(unknown) or 'nothing'}"
            )
        for name, value in own.items():
            if np.shape(state[name]) != value.shape:
                raise ShapeError(
                    f"load_state_dict: {name} has shape {value.shape}, got {np.shape(state[name])}"
                )
        for name, value in own.items():
            value.data = state[name]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the parameters to an .npz file, whole or not at all; return its path.

        Raises OutputError if the folder does not exist or cannot be written.
        """
        return write_whole(path, self.to_npz())

    def to_npz(self) -> bytes:
        """Pack the parameters as the contents of an .npz file."""
        packed = io.BytesIO()
        np.savez(packed, **self.state_dict())  # type: ignore[arg-type]  # its stubs see options
        return packed.getvalue()

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the parameters from a file that `save` wrote. No code in it is ever run.

        Raises OutputError if it cannot be read, and what `load_state_dict` raises.
        """
        try:
            packed = io.BytesIO(Path(path).read_bytes())
        except OSError as error:
            raise OutputError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            with np.load(packed, allow_pickle=False) as arrays:
                state = dict(arrays)
        except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise OutputError(f"{path}: is no .npz file of plain numbers") from error
        self.load_state_dict(state)

    def __repr__(self) -> str:
        shown = {name: part for name, part in vars(self).items() if not name.startswith("_")}
        parts = (f"{n}={v.shape if isinstance(v, Value) else v!r}" for n, v in shown.items())
        return f"{type(self).__name__}({', '.join(parts)})"


def _name_parts(name: str, value: Any) -> None:
    """Give modules, and Values without a label, the name of the attribute that holds them."""
    if isinstance(value, Module):
        object.__setattr__(value, "_name", name)
    elif isinstance(value, Value):
        value.label = value.label or name
    else:
        for key, part in _parts_of(value).items():
            _name_parts(f"{name}.{key}", part)


def _walk(parts: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Value]]:
    for name, value in parts.items():
        if isinstance(value, Value):
            yield f"{prefix}{name}", value
        elif inner := _parts_of(value):
            yield from _walk(inner, f"{prefix}{name}.")


def _parts_of(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Module):
        return vars(value)
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}
