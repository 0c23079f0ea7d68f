"""A network of another library as a list of steps, which are carried out on Values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_pool.bridges.translations import TRANSLATIONS, as_operand, data_of
from tinygrad_pool.engine.context import Line, made_at
from tinygrad_pool.engine.functions import as_value, mapped
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError, TinygradPoolError, UnsupportedError
from tinygrad_pool.formatting import several
from tinygrad_pool.nn.module import Module

MOST = 2**31
"""A length that stands for any."""

RESERVED = ("_program", "_kind", "_origin")


@dataclass(frozen=True)
class Ref:
    """Stands for what has this name: an input, a parameter, a buffer or what a step made."""

    name: str


class Call(NamedTuple):
    """One operation: what it makes, of what, and where it stands in the source of the network."""

    makes: tuple[str, ...]
    operation: str
    operands: tuple[Any, ...]
    options: Mapping[str, Any]
    scope: str = ""
    line: Line | None = None

    @property
    def place(self) -> str:
        """Where it is: the layer and the line of source, as far as they are known."""
        layer = f"in {self.scope.replace('/', '.')}" if self.scope else ""
        return ", ".join(filter(None, (layer, f"at {self.line}" if self.line else "")))


class Input(NamedTuple):
    """An input: its name, and its lengths. A length is a number, or a name if it may be any.

    A name also has the least and the most that it may be.
    """

    name: str
    lengths: tuple[int | tuple[str, int, int], ...] | None


@dataclass(frozen=True)
class Program:
    """The steps of a network, what they take and what they return, in the form it is returned.

    `updates` are the buffers that a call sets, such as running means, and what they are set to.
    """

    inputs: tuple[Input, ...]
    takes: Any
    calls: tuple[Call, ...]
    returns: Any
    constants: Mapping[str, Any]
    updates: Mapping[str, str]


class Part(Module):
    """A layer of a network of another library: it holds the parameters under their own names."""

    def forward(self, *_: Any) -> Any:
        """Raise UnsupportedError: a part by itself has no steps."""
        raise UnsupportedError(
            f"{type(self).__name__}: a layer of a translated network cannot be called by itself; "
            "translate that layer"
        )


class Network(Part):
    """A network of another library on Values: callable as it was, with its parameters' own names.

    `from_torch` and `from_onnx` make it. `named_parameters()`, `state_dict()` and all else are as
    in `nn.Module`; a parameter's label is its full name, and a node's scope its layer.
    """

    def __init__(
        self, program: Program, parts: Mapping[str, Any], kind: str = "", training: bool = False
    ) -> None:
        self._program, self._kind, self._origin = program, kind, None
        self.training = training
        for name, part in parts.items():
            hang(self, name, part)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Carry out the steps on Values, arrays or tensors, and return what the network returns.

        Raises OptionError for other inputs than it takes; ShapeError for a shape that it was not
        made for; UnsupportedError for what an operation cannot do here, and where that is.
        """
        if self._name:  # it is a layer of another network
            return super().__call__(*inputs, **named)
        return self.forward(*inputs, **named)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Carry out the steps."""
        result, updates = self.run(inputs, named)
        held = dict(leaves_of(self))
        for name, new in updates.items():
            held[name][...] = new
        return result

    def run(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Carry out the steps, and return also what each buffer is to be set to."""
        program = self._program
        made = {**program.constants, **dict(leaves_of(self)), **self._read(inputs, named)}
        for call in program.calls:
            made.update(zip(call.makes, _carried_out(call, made), strict=False))
        updates = {name: data_of(made[new]) for name, new in program.updates.items()}
        returns = with_refs(program.returns, lambda ref: as_value(_found(made, ref, "the result")))
        return returns, updates

    def _read(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        takes, more = self._program.takes
        _match("input", takes, inputs, given)
        _match("input", more, dict(named), given)
        read = {name: as_operand(x, f"input {name}") for name, x in given.items()}
        _check_lengths(self._program.inputs, read)
        return read

    def train(self, mode: bool = True) -> Self:
        """Return this network, which is in training or not as it was when it was translated.

        Raises UnsupportedError to change that: its steps were recorded in that mode.
        """
        if mode != self.training:
            was = "training" if self.training else "evaluation"
            raise UnsupportedError(
                f"{self._kind}: was translated for {was} and stays so; call module.train() or "
                "module.eval() before from_torch"
            )
        return self

    def __repr__(self) -> str:
        inputs = ", ".join(i.name for i in self._program.inputs)
        n = len(self._program.calls)
        return f"Network({self._kind}: {n} operations on {inputs})"


def hang(root: Module, name: str, part: Any) -> None:
    """Put a parameter or a buffer into a network under its full name, "conv1.weight"."""
    *path, last = name.split(".")
    for step in (*path, last):
        if hasattr(type(root), step) or step in RESERVED:
            raise OptionError(f"{name!r} cannot be the name of a parameter: {step!r} is a method")
    for step in path:
        if step not in vars(root):
            setattr(root, step, Part())
        root = vars(root)[step]
        if not isinstance(root, Module):
            raise OptionError(f"{name!r} cannot be the name of a parameter: {step!r} is one")
    if last in vars(root):
        raise OptionError(f"{name!r} cannot be the name of a parameter: others begin with it")
    if isinstance(part, np.ndarray):
        root.register_buffer(last, part)
    else:
        setattr(root, last, part)


def leaves_of(part: Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Iterate over all that was hung into a network, by its full name."""
    for name, held in vars(part).items():
        if isinstance(held, Module):
            yield from leaves_of(held, f"{prefix}{name}.")
        elif isinstance(held, Value | np.ndarray):
            yield prefix + name, held


def with_refs(whole: Any, make: Callable[[Ref], Any]) -> Any:
    """Replace each Ref in lists, tuples and dicts.

    >>> with_refs([Ref("x"), {"y": (Ref("y"), 2)}], lambda ref: ref.name.upper())
    ['X', {'y': ('Y', 2)}]
    """
    return mapped(lambda x: make(x) if isinstance(x, Ref) else x, whole)


def _carried_out(call: Call, made: Mapping[str, Any]) -> Sequence[Any]:
    """Carry out one step; what goes wrong says where."""

    def find(ref: Ref) -> Any:
        return _found(made, ref, call.operation)

    try:
        operands, options = with_refs(call.operands, find), with_refs(dict(call.options), find)
        with made_at(call.scope, call.line):
            result = translation_of(call)(*operands, **options)
    except TinygradPoolError as error:
        if call.place:
            error.add_note(f"{call.operation} {call.place}")
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, MemoryError) as error:
        kind = ShapeError if isinstance(error, ValueError) else UnsupportedError
        where = f" {call.place}" if call.place else ""
        raise kind(f"{call.operation}: cannot be carried out{where}: {error}") from error
    several = isinstance(result, list | tuple) and call.operation.startswith("onnx.")
    return result if several else [result]


def _found(made: Mapping[str, Any], ref: Ref, what: str) -> Any:
    if ref.name not in made:
        raise UnsupportedError(f"{what}: no operation with a translation makes {ref.name!r}")
    return made[ref.name]


def translation_of(call: Call) -> Any:
    """Return what carries out a call, or None; what Python's own operators do, they do."""
    library, _, name = call.operation.partition(".")
    if library == "python":
        return getattr(operator, name, None)
    return TRANSLATIONS.get(call.operation)


def check_known(name: str, calls: Sequence[Call]) -> None:
    """Raise UnsupportedError if operations are unknown: which, where and how to add them."""
    unknown = [call for call in calls if translation_of(call) is None]
    if unknown:
        first = unknown[0]
        places = [f"{c.operation} {c.place}".strip() for c in unknown]
        raise UnsupportedError(
            f"{name}: no translation of {several(list(dict.fromkeys(places)))}; add one: "
            f"@tg.bridges.translates({first.operation!r}) before a function of Values that takes "
            "what the operation takes"
        )


def _match(what: str, form: Any, given: Any, into: dict[str, Any]) -> None:
    """Take inputs apart as the network's own were: tuples, lists and dicts in each other."""
    if isinstance(form, Ref):
        into[form.name] = given
    elif isinstance(form, Mapping):
        if not isinstance(given, Mapping) or form.keys() != given.keys():
            got = _names_in(given) if isinstance(given, Mapping) else f"{given!r:.80}"
            raise OptionError(f"{what}: needs the names {_names_in(form)}, got {got}")
        for key, part in form.items():
            _match(f"{what} {key}", part, given[key], into)
    elif isinstance(form, list | tuple):
        if not isinstance(given, list | tuple) or len(given) != len(form):
            got = str(len(given)) if isinstance(given, list | tuple) else f"{given!r:.80}"
            raise OptionError(f"{what}: the network takes {len(form)}, got {got}")
        for i, (part, own) in enumerate(zip(form, given, strict=True)):
            _match(f"{what} {i}", part, own, into)
    elif type(form) is not type(given) or form != given:
        raise OptionError(f"{what}: the network was made for {form!r}, got {given!r:.80}")


def _names_in(form: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, form)) or "(none)"


def _check_lengths(inputs: Sequence[Input], read: Mapping[str, Any]) -> None:
    free: dict[str, int] = {}
    for name, lengths in inputs:
        if lengths is None:
            continue
        shape = np.shape(data_of(read[name]))
        fits = len(shape) == len(lengths) and all(
            _fits(n, length, free) for n, length in zip(shape, lengths, strict=True)
        )
        if not fits:
            wanted = ", ".join(_length_in_words(length) for length in lengths)
            raise ShapeError(
                f"input {name}: the network was made for shape ({wanted}), got {shape}"
            )


def _fits(n: int, length: Any, free: dict[str, int]) -> bool:
    if isinstance(length, int):
        return n == length
    symbol, least, most = length
    return least <= n <= most and free.setdefault(symbol, n) == n


def _length_in_words(length: Any) -> str:
    if isinstance(length, int):
        return str(length)
    symbol, least, most = length
    bounds = [f"≥ {least}"] * (least > 0) + [f"≤ {most}"] * (most < MOST)
    return " ".join([symbol, *bounds])
