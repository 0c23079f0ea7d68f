"""The base class of layers and networks: a module holds parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from importlib import import_module
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
"""How many parameters a notebook lists."""


class Module(Saved, WithHabits):
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
    _buffers: Mapping[str, bool] = MappingProxyType({})
    training: bool = True

    def forward(self, *_: Any) -> Any:
        """Compute the module's output; a subclass implements it."""
        raise OptionError(f"{type(self).__name__}: needs a method `forward`")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run `forward` in a scope named after the attribute, or the class of a lone layer."""
        for attribute, part in vars(self).items():
            last = part[-1] if isinstance(part, list) and part else None
            if isinstance(last, Module) and not last._name:  # it was appended
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
        """Iterate over the parameters and their names, as "conv1.weight"; shared ones come once."""
        return ((name, part) for name, part in _walk(self) if isinstance(part, Value))

    def parameters(self) -> list[Value]:
        """List the parameters."""
        return [value for _, value in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Iterate over the buffers and their names, as "norm1.running_mean"."""
        return ((name, part) for name, part in _walk(self) if isinstance(part, np.ndarray))

    def buffers(self) -> list[Buffer]:
        """List the buffers."""
        return [array for _, array in self.named_buffers()]

    def register_buffer(self, name: str, array: Any, persistent: bool = True) -> None:
        """Keep an array in an attribute: it is not learnt, but saved with the parameters.

        Whoever changes it does so in place. Where `persistent` is False it is not saved; None holds
        the place of one that is missing.

        Raises OptionError for a name that the module has; DataError if it is not numbers.
        """
        taken = text(name, "register_buffer: name") not in self._buffers and hasattr(self, name)
        if taken or "." in name:
            raise OptionError(f"register_buffer: {name!r} cannot be the name of a buffer")
        if array is not None:
            array = np.array(to_constant(array, f"register_buffer: {name}"))
        kept = flag(persistent, "register_buffer: persistent")
        object.__setattr__(self, "_buffers", {**self._buffers, name: kept})
        setattr(self, name, array)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Iterate over this module, called "", and all modules in it; shared ones come once."""
        yield "", self
        for name, part in _walk(self):
            if isinstance(part, Module):
                yield name, part

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
        """Call a function of every module, this one last, and return this one."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Let dropout and batch norm do in this module what they do in training; return it."""
        for module in self.modules():
            object.__setattr__(module, "training", flag(mode, "train: mode"))
        return self

    def eval(self) -> Self:
        """Let dropout and batch norm do what they do after training: nothing is drawn or kept."""
        return self.train(False)

    def zero_grad(self, **habits: Any) -> None:
        """Forget the gradient of every parameter."""
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
            name: state[name] if isinstance(part, Value) else _as_kept(name, part, state[name])
            for name, part in parts.items()
        }
        for name, part in parts.items():
            if isinstance(part, Value):
                part.data = new[name]
            else:
                part[...] = new[name]

    def to_torch(self, *example: Any) -> Any:
        """Make a torch.nn.Module with equal outputs and gradients; see `bridges.to_torch`.

        A network with a `forward` of its own needs example inputs. Needs the extra [torch].
        """
        return import_module("tinygrad_pool.bridges").to_torch(self, *example)

    def _by_name(self) -> dict[str, Part]:
        """Find the parts that are saved."""
        own: dict[str, Part] = {}
        for name, part in _walk(self, persistent=True):
            if isinstance(part, Module):
                continue
            if name in own:
                raise OptionError(f"{type(self).__name__}: two parameters are called {name!r}")
            own[name] = part
        return own

    def extra_repr(self) -> str:
        """List what the repr shows between the brackets: attributes that are not modules."""
        shown = {
            name: part
            for name, part in vars(self).items()
            if not (name.startswith("_") or name == "training" or _is_module(part))
        }
        return ", ".join(f"{name}={_shown(part)}" for name, part in shown.items())

    @recursive_repr("…")
    def __repr__(self) -> str:
        words = self.extra_repr()
        lines = [f"({name}): {part!r}" for name, part in _children(self)]
        if lines:
            block = "".join(f"\n{line}" for line in [words, *lines] if line)
            words = block.replace("\n", "\n  ") + "\n"
        return f"{type(self).__name__}({words})"

    def _repr_html_(self) -> str:
        own = dict(self.named_parameters())
        rows = [(name, shape(v.shape) or "a number", f"{v.size:,}") for name, v in own.items()]
        n = sum(v.size for v in own.values())
        title = f"{type(self).__name__}: {counted(n, 'number')} to learn"
        table = Table(title, ("parameter", "shape", "numbers"), rows[:LISTED])
        return table.with_count(len(rows)).html()


class CallsFunction(Module):
    """A layer that calls a function with its options, by position; maybe over so many axes."""

    _function: ClassVar[Callable[..., Value]]
    _options: ClassVar[tuple[str, ...]] = ()
    _ndim: ClassVar[int]

    def __init_subclass__(
        cls, function: Any = None, options: tuple[str, ...] = (), ndim: int = 0
    ) -> None:
        super().__init_subclass__()
        own = {"_function": function and staticmethod(function), "_options": options, "_ndim": ndim}
        for name, given in own.items():
            if given:
                setattr(cls, name, given)

    def _called_with(self, *inputs: Any) -> Value:
        return self._function(*inputs, *(getattr(self, option) for option in self._options))


def _as_kept(name: str, buffer: Buffer, given: Any) -> Buffer:
    """Convert to a buffer's dtype. Raises DataError where whole numbers would become others."""
    with np.errstate(invalid="ignore"):
        new = np.asarray(given).astype(buffer.dtype)
    if buffer.dtype.kind != "f" and not np.array_equal(new, given):
        raise DataError(f"load_state_dict: {name} needs {buffer.dtype}, got {given!r:.80}")
    return new


def _name_parts(name: str, value: Any) -> None:
    """Name modules, and Values without a label, after the attribute that holds them."""
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
    """Iterate over the parameters, buffers and modules in a part, with their names, in order."""
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
    """Iterate over the modules in a part, as often as they are there, but not into them."""
    for name, part in _parts_of(whole).items():
        if isinstance(part, Module):
            yield f"{prefix}{name}", part
        elif id(part) not in around:  # a list that holds itself
            yield from _children(part, f"{prefix}{name}.", (*around, id(part)))


def _is_module(part: Any) -> bool:
    return isinstance(part, Module) or _holds_modules(part)


def _shown(part: Any) -> str:
    return repr(part.shape if isinstance(part, Value | np.ndarray) else part)


def _parts_of(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Module):
        return vars(value)
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}
