"""The base class of layers and networks: a module holds parameters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from reprlib import recursive_repr
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.context import scope
from tinygrad_pool.engine.data import to_data
from tinygrad_pool.engine.habits import OF_NETWORKS
from tinygrad_pool.engine.numpy_protocol import Habit, WithHabits
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError
from tinygrad_pool.files import write_whole
from tinygrad_pool.formatting import Table, counted, shape
from tinygrad_pool.rules.arguments import Shape

LISTED = 20
"""How many parameters a notebook lists."""


class Module(WithHabits):
    """A part of a network: write `__init__` and `forward`, and keep its parts in attributes.

    Its parameters are the Values in its attributes and in those of the modules there, also in
    lists, tuples and dicts, in order. A computed Value is not a parameter, such as an output kept
    for inspection. A call runs `forward` under `tg.scope`: pictures then show a frame with the
    name of the attribute that holds the module.

    >>> class Twice(Module):
    ...     def __init__(self):
    ...         self.w = Value(3.0)
    ...
    ...     def forward(self, x):
    ...         return 2.0 * self.w * x
    >>> Twice()(Value(5.0)).data, [name for name, _ in Twice().named_parameters()]
    (30.0, ['w'])
    """

    vars().update({name: Habit("a Module", name) for name in OF_NETWORKS})
    _name: str = ""

    def forward(self, *_: Any) -> Any:
        """Compute the module's output; a subclass implements it."""
        raise OptionError(f"{type(self).__name__}: needs a method `forward`")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run `forward` in a scope named after the attribute, or the class of a lone layer."""
        for attribute, part in vars(self).items():
            if isinstance(part, list) and part and _is_nameless(part[-1]):  # it was appended
                _name_parts(attribute, part)
        name = self._name or ("" if _holds_modules(self) else type(self).__name__)
        with scope(name) if name else nullcontext():
            return self.forward(*inputs, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        _name_parts(name, value)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Iterate over the parameters and their names, as "conv1.weight"; shared ones come once."""
        return _walk(self, "", {id(self)})

    def parameters(self) -> list[Value]:
        """List the parameters."""
        return [value for _, value in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Copy the data of every parameter, by name."""
        return {name: np.array(value.data) for name, value in self._by_name().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter from a `state_dict`; nothing changes unless all of it fits.

        Raises OptionError, which lists names that are missing or unknown; ShapeError, which names a
        parameter of another shape; DataError for an entry that is not numbers.
        """
        if not isinstance(state, Mapping):
            raise OptionError(
                f"load_state_dict: needs names and arrays, got a {type(state).__name__}"
            )
        own = self._by_name()
        _check_names(own, state)
        new = {name: to_data(state[name], f"load_state_dict: {name}") for name in own}
        _check_shapes(own, {name: np.shape(array) for name, array in new.items()})
        for name, value in own.items():
            value.data = new[name]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the parameters to an .npz file, completely or not at all, and return its path.

        Raises OutputError if the folder does not exist or cannot be written.
        """
        return write_whole(path, self.to_npz())

    def to_npz(self) -> bytes:
        """Pack the parameters as the contents of an .npz file."""
        from tinygrad_pool.nn.npz import packed

        return packed(self.state_dict())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the parameters from a file that `save` wrote. No code in the file is run.

        Nothing is loaded unless all names and shapes match. Raises OutputError if the file cannot
        be read, and whatever `load_state_dict` raises.
        """
        from tinygrad_pool.nn.npz import opened

        own = self._by_name()
        with opened(path) as found:
            shapes = {name: found[name].shape() for name in own if name in found}
            _check_names(own, found)
            _check_shapes(own, shapes)
            state = {name: found[name].array() for name in own}
        self.load_state_dict(state)

    def _by_name(self) -> dict[str, Value]:
        own: dict[str, Value] = {}
        for name, value in self.named_parameters():
            if name in own:
                raise OptionError(f"{type(self).__name__}: two parameters are called {name!r}")
            own[name] = value
        return own

    @recursive_repr("…")
    def __repr__(self) -> str:
        shown = {name: part for name, part in vars(self).items() if not name.startswith("_")}
        parts = (f"{n}={v.shape if isinstance(v, Value) else v!r}" for n, v in shown.items())
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        own = dict(self.named_parameters())
        rows = [(name, shape(v.shape) or "a number", f"{v.size:,}") for name, v in own.items()]
        n = sum(v.size for v in own.values())
        title = f"{type(self).__name__}: {counted(n, 'number')} to learn"
        table = Table(title, ("parameter", "shape", "numbers"), rows[:LISTED])
        return table.with_count(len(rows)).html()


def _check_names(own: Mapping[str, Value], given: Mapping[str, Any]) -> None:
    missing, unknown = own.keys() - given.keys(), given.keys() - own.keys()
    if missing or unknown:
        raise OptionError(
            f"load_state_dict: missing {sorted(missing) or 'nothing'}, "
            f"unknown {sorted(map(str, unknown)) or 'nothing'}"
        )


def _check_shapes(own: Mapping[str, Value], given: Mapping[str, Shape]) -> None:
    for name, value in own.items():
        if given[name] != value.shape:
            raise ShapeError(
                f"load_state_dict: {name} needs shape {value.shape}, got {given[name]}"
            )


def _name_parts(name: str, value: Any) -> None:
    """Name modules, and Values without a label, after the attribute that holds them."""
    if isinstance(value, Module):
        object.__setattr__(value, "_name", name)
    elif isinstance(value, Value):
        value.label = value.label or name
    else:
        for key, part in _parts_of(value).items():
            _name_parts(f"{name}.{key}", part)


def _is_nameless(part: Any) -> bool:
    return isinstance(part, Module) and not part._name


def _holds_modules(whole: Any) -> bool:
    parts = _parts_of(whole).values()
    return any(isinstance(part, Module) or _holds_modules(part) for part in parts)


def _walk(whole: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Value]]:
    for name, part in _parts_of(whole).items():
        if id(part) in seen:
            continue
        if isinstance(part, Value) and part.rule is None:
            seen.add(id(part))
            yield f"{prefix}{name}", part
        elif _parts_of(part):
            seen.add(id(part))
            yield from _walk(part, f"{prefix}{name}.", seen)


def _parts_of(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Module):
        return vars(value)
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}
