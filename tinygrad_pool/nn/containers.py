"""Modules in sequence, and modules in a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from tinygrad_pool.errors import OptionError
from tinygrad_pool.nn.module import Module
from tinygrad_pool.rules.arguments import listed


class _Numbered(Module):
    """Modules in attributes, in order, named "0", "1" … or by keywords."""

    def _put(self, name: str, module: Module) -> None:
        kind = type(self).__name__
        if name in dir(self) or "." in name:
            raise OptionError(f"{kind}: {name!r} cannot be the name of a module")
        if not isinstance(module, Module):
            raise OptionError(f"{kind}: needs modules, got {module!r:.80} for {name}")
        setattr(self, name, module)

    def append(self, module: Module) -> Self:
        """Append a module and return self."""
        self._put(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Append several modules and return self."""
        for module in listed(modules):
            self.append(module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return (part for part in vars(self).values() if isinstance(part, Module))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> Self: ...
    def __getitem__(self, i: int | slice) -> Any:
        modules = list(self)
        return type(self)().extend(modules[i]) if isinstance(i, slice) else modules[i]


class Sequential(_Numbered):
    """Modules in sequence: `Sequential(a, b)`, `Sequential(conv=a, act=b)` or of such a dict.

    Raises OptionError for anything but a module, or an invalid name.

    >>> from tinygrad_pool.nn import Linear, ReLU
    >>> net = Sequential(first=Linear(3, 4, rng=0), act=ReLU(), last=Linear(4, 2, rng=1))
    >>> [name for name, _ in net.named_parameters()]
    ['first.weight', 'first.bias', 'last.weight', 'last.bias']
    """

    def __init__(self, *modules: Module | Mapping[str, Module], **named: Module) -> None:
        parts = [m if isinstance(m, Mapping) else {str(i): m} for i, m in enumerate(modules)]
        for name, module in (pair for part in (*parts, named) for pair in part.items()):
            self._put(str(name), module)

    def forward(self, x: Any) -> Any:
        """Apply the modules to x, in order."""
        for module in self:
            x = module(x)
        return x


class ModuleList(_Numbered):
    """A list of modules; a plain list in an attribute works too.

    Raises OptionError for anything but a module.

    >>> from tinygrad_pool.nn import Linear
    >>> layers = ModuleList(Linear(2, 2, bias=False, rng=i) for i in range(2))
    >>> [name for name, _ in layers.append(Linear(2, 1, rng=2)).named_parameters()]
    ['0.weight', '1.weight', '2.weight', '2.bias']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self._take_name(self._name)

    def _take_name(self, name: str) -> None:
        """Name the modules after this list and their index: the list itself is never called."""
        super()._take_name(name)
        for place, module in self.named_children():
            module._take_name(f"{name}.{place}" if name else place)
