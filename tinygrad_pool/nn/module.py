"""Module, the base class of layers and networks: it holds parameters."""

from __future__ import annotations

from collections import UserList, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from inspect import signature
from reprlib import recursive_repr
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.engine.context import scope
from tinygrad_pool.engine.data import to_constant
from tinygrad_pool.engine.habits import OF_NETWORKS
from tinygrad_pool.engine.numpy_protocol import Habit, WithHabits
from tinygrad_pool.engine.signature import reject_foreign_options
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError, OptionError
from tinygrad_pool.formatting import Table, counted, shape
from tinygrad_pool.nn.saving import Saved
from tinygrad_pool.rules.arguments import Shape, flag, text

Buffer: TypeAlias = NDArray[Any]
Part: TypeAlias = Value | Buffer
"""A parameter or a buffer."""

LISTED = 20
"""The number of parameters shown in a notebook."""


class Module(Saved, WithHabits):
    """A part of a network: define `__init__` and `forward`, and store its parts in attributes.

    The parameters are the Values in its attributes, in lists, tuples, deques and dicts there, and
    in the modules among them, in order. A computed Value, such as an output kept for inspection, is
    not a parameter. Calling the module runs `forward` under `tg.scope`: pictures show a frame with
    the name of the attribute that holds the module.

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
    _buffers: Mapping[str, bool] = MappingProxyType({})
    training: bool = True

    def forward(self, *_: Any) -> Any:
        """Compute the output of the module; to be defined by a subclass."""
        raise OptionError(f"{type(self).__name__}: needs a method `forward`")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run `forward` in a scope named after the attribute, or the class of a lone layer."""
        for attribute, part in vars(self).items():
            last = part[-1] if isinstance(part, list) and part else None
            if isinstance(last, Module) and not last._name:  # appended after the assignment
                _name_parts(attribute, part)
        name = self._name or ("" if _holds_modules(self) else type(self).__name__)
        with scope(name) if name else nullcontext():
            return self.forward(*inputs, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        _name_parts(name, value)

    def _take_name(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Iterate over names, such as "conv1.weight", and parameters; shared ones appear once."""
        return ((name, part) for name, part in _walk(self) if isinstance(part, Value))

    def parameters(self) -> list[Value]:
        """List the parameters."""
        return [value for _, value in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Iterate over names, such as "norm1.running_mean", and buffers."""
        return ((name, part) for name, part in _walk(self) if isinstance(part, np.ndarray))

    def buffers(self) -> list[Buffer]:
        """List the buffers."""
        return [array for _, array in self.named_buffers()]

    def register_buffer(self, name: str, array: Any, persistent: bool = True) -> None:
        """Store an array in an attribute: it is not learned, but saved with the parameters.

        Change it in place only. It is not saved if `persistent` is False. `array` may be None, for
        an optional buffer.

        Raises OptionError for a name that is in use; DataError if the array is not numbers.
        """
        in_use = text(name, "register_buffer: name") not in self._buffers and hasattr(self, name)
        if in_use or "." in name:
            raise OptionError(f"register_buffer: {name!r} cannot be the name of a buffer")
        if array is not None:
            array = np.array(to_constant(array, f"register_buffer: {name}"))
        persistent = flag(persistent, "register_buffer: persistent")
        object.__setattr__(self, "_buffers", {**self._buffers, name: persistent})
        setattr(self, name, array)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Iterate over this module, named "", and all modules in it; shared ones appear once."""
        parts = [("", self), *_walk(self)]
        return ((name, part) for name, part in parts if isinstance(part, Module))

    def modules(self) -> Iterator[Module]:
        """Iterate over this module and all modules in it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Iterate over the modules in the attributes of this one, also in lists and dicts."""
        seen = {id(self)}
        for name, module in _children(self):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Iterate over the modules in the attributes of this one."""
        return (module for _, module in self.named_children())

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call a function on every module, this one last, and return self."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Put dropout and batch norm into training mode, and return self."""
        for module in self.modules():
            object.__setattr__(module, "training", flag(mode, "train: mode"))
        return self

    def eval(self) -> Self:
        """Put dropout and batch norm into evaluation mode: nothing is random; return self."""
        return self.train(False)

    def zero_grad(self, **habits: Any) -> None:
        """Reset the gradient of every parameter."""
        reject_foreign_options("zero_grad", habits)
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copy the data of every parameter and buffer, by name."""
        parts = self._by_name().items()
        return {n: np.array(p._numbers if isinstance(p, Value) else p) for n, p in parts}

    def _shapes(self, _: Any) -> dict[str, Shape]:
        return {name: part.shape for name, part in self._by_name().items()}

    def _restore(self, state: Mapping[str, Any]) -> None:
        parts = self._by_name()
        new = {
            name: state[name] if isinstance(part, Value) else _as_buffer(name, part, state[name])
            for name, part in parts.items()
        }
        for name, part in parts.items():
            if isinstance(part, Value):
                part.data = new[name]
            else:
                part[...] = new[name]

    def to_torch(self, *example: Any) -> Any:
        """Make a torch.nn.Module with the same outputs and gradients; see `bridges.to_torch`.

        Pass example inputs if the network defines its own `forward`. Needs the extra [torch].
        """
        return import_module("tinygrad_pool.bridges").to_torch(self, *example)

    def _by_name(self) -> dict[str, Part]:
        """Map names to the parameters and buffers that are saved."""
        saved: dict[str, Part] = {}
        for name, part in _walk(self, persistent=True):
            if isinstance(part, Module):
                continue
            if name in saved:
                raise OptionError(f"{type(self).__name__}: two parameters are called {name!r}")
            saved[name] = part
        return saved

    def extra_repr(self) -> str:
        """Return what the repr shows in parentheses: attributes that are not modules."""
        attributes = []
        for name, part in vars(self).items():
            holds = isinstance(part, Module) or _holds_modules(part)
            if not (name.startswith("_") or name == "training" or holds):
                shape = part.shape if isinstance(part, Value | np.ndarray) else part
                attributes.append(f"{name}={shape!r}")
        return ", ".join(attributes)

    @recursive_repr("…")
    def __repr__(self) -> str:
        content = self.extra_repr()
        lines = [f"({name}): {part!r}" for name, part in _children(self)]
        if lines:
            block = "".join(f"\n{line}" for line in [content, *lines] if line)
            content = block.replace("\n", "\n  ") + "\n"
        return f"{type(self).__name__}({content})"

    def _repr_html_(self) -> str:
        values = dict(self.named_parameters())
        rows = [(name, shape(v.shape) or "a number", f"{v.size:,}") for name, v in values.items()]
        n = sum(v.size for v in values.values())
        title = f"{type(self).__name__}: {counted(n, 'number')} to learn"
        table = Table(title, ("parameter", "shape", "numbers"), rows[:LISTED])
        return table.with_count(len(rows)).html()


class CallsFunction(Module):
    """A layer that calls a function with its inputs, and with options from its attributes.

    They are the attributes that have the name of a parameter of the function.
    """

    _function: ClassVar[Callable[..., Value]]
    _ndim: ClassVar[int]

    def __init_subclass__(cls, function: Any = None, ndim: int = 0) -> None:
        super().__init_subclass__()
        if function:
            cls._function, cls._ndim = staticmethod(function), ndim

    def forward(self, x: Any) -> Any:
        """Call the function."""
        return self._called_with(x)

    def _called_with(self, *inputs: Any) -> Value:
        own, kind = vars(self), type(self)
        others = _parameters(self._function)[len(inputs) :]
        held = [name for name in others if name in own or hasattr(kind, name)]
        return self._function(*inputs, **{name: getattr(self, name) for name in held})


@cache
def _parameters(function: Callable[..., Any]) -> list[str]:
    return [*signature(function).parameters]


def _as_buffer(name: str, buffer: Buffer, array: Any) -> Buffer:
    """Convert to the dtype of a buffer. Raises DataError if that changes numbers for integers."""
    with np.errstate(invalid="ignore"):
        new = np.asarray(array).astype(buffer.dtype)
    if buffer.dtype.kind != "f" and not np.array_equal(new, array):
        raise DataError(f"load_state_dict: {name} needs {buffer.dtype}, got {array!r:.80}")
    return new


def _name_parts(name: str, value: Any) -> None:
    """Name modules and unlabelled Values after the attribute that holds them."""
    if isinstance(value, Module):
        value._take_name(name)
    elif isinstance(value, Value):
        value.label = value.label or name
    else:
        for key, part in _parts_of(value).items():
            _name_parts(f"{name}.{key}", part)


def _holds_modules(whole: Any) -> bool:
    parts = _parts_of(whole).values()
    return any(isinstance(part, Module) or _holds_modules(part) for part in parts)


def _walk(
    whole: Any, prefix: str = "", seen: set[int] | None = None, persistent: bool = False
) -> Iterator[tuple[str, Part | Module]]:
    """Iterate over names and parameters, buffers and modules in a module or container, in order."""
    seen = {id(whole)} if seen is None else seen
    buffers = whole._buffers if isinstance(whole, Module) else {}
    for name, part in _parts_of(whole).items():
        if id(part) in seen:
            continue
        if isinstance(part, Value) and part.rule is None:
            seen.add(id(part))
            yield f"{prefix}{name}", part
        elif isinstance(part, np.ndarray) and name in buffers:
            seen.add(id(part))
            if buffers[name] or not persistent:
                yield f"{prefix}{name}", part
        elif isinstance(part, Module) or _parts_of(part):
            seen.add(id(part))
            if isinstance(part, Module):
                yield f"{prefix}{name}", part
            yield from _walk(part, f"{prefix}{name}.", seen, persistent)


def _children(
    whole: Any, prefix: str = "", around: tuple[int, ...] = ()
) -> Iterator[tuple[str, Module]]:
    """Iterate over names and direct submodules; shared ones appear several times."""
    for name, part in _parts_of(whole).items():
        if isinstance(part, Module):
            yield f"{prefix}{name}", part
        elif id(part) not in around:  # a list that holds itself
            yield from _children(part, f"{prefix}{name}.", (*around, id(part)))


def _parts_of(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Module):
        return vars(value)
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple | deque | UserList) else {}
