"""A network of another library as a list of calls, which run on Values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from tinygrad_pool.bridges.translations import TRANSLATIONS, as_operand, data_of
from tinygrad_pool.engine.context import Line, made_at
from tinygrad_pool.engine.functions import as_value, mapped
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import OptionError, ShapeError, TinygradPoolError, UnsupportedError
from tinygrad_pool.formatting import counted, several
from tinygrad_pool.nn.module import Module

MOST = 2**31
"""The upper bound of a length without one."""

RESERVED = ("_program", "_kind", "_origin")


@dataclass(frozen=True)
class Ref:
    """Refers by name to an input, a parameter, a buffer, a constant or the result of a call."""

    name: str


class Call(NamedTuple):
    """One operation: the names of its results, its operands, and its place in the source."""

    results: tuple[str, ...]
    operation: str
    operands: tuple[Any, ...]
    options: Mapping[str, Any]
    scope: str = ""
    line: Line | None = None

    @property
    def place(self) -> str:
        """The layer and the line of source, as far as they are known."""
        layer = f"in {self.scope.replace('/', '.')}" if self.scope else ""
        return ", ".join(filter(None, (layer, f"at {self.line}" if self.line else "")))


class Length(NamedTuple):
    """The length of an axis: fixed, or any within bounds; the same for all axes of this name."""

    name: str
    least: int = 0
    most: int = MOST

    def __str__(self) -> str:
        fixed = self.least == self.most
        bounds = [f"≥ {self.least}"] * (self.least > 0) + [f"≤ {self.most}"] * (self.most < MOST)
        return self.name if fixed else " ".join([self.name, *bounds])


@dataclass(frozen=True)
class Program:
    """The calls of a network, and the structures of its inputs and outputs.

    `inputs` maps names to the lengths of axes, or to None if any shape is accepted. `updates` maps
    the buffers that a pass changes, such as running means, to their new values.
    """

    inputs: Mapping[str, Sequence[Length] | None]
    takes: Any
    calls: tuple[Call, ...]
    returns: Any
    constants: Mapping[str, Any]
    updates: Mapping[str, str]


class Part(Module):
    """A layer of a translated network: it holds parameters under their own names."""

    def forward(self, *_: Any) -> Any:
        """Raise UnsupportedError: the calls belong to the whole network."""
        raise UnsupportedError(
            f"{type(self).__name__}: a layer of a translated network cannot be called on its own; "
            "translate that layer"
        )


class Network(Part):
    """A network of another library on Values, called as it was, with its parameters' own names.

    `from_torch` and `from_onnx` return it. `named_parameters()`, `state_dict()` and the other
    methods are those of `nn.Module`; a parameter's label is its full name, a node's scope its
    layer.
    """

    def __init__(
        self, program: Program, parts: Mapping[str, Any], kind: str = "", training: bool = False
    ) -> None:
        self._program, self._kind, self._origin = program, kind, None
        self.training = training
        for name, part in parts.items():
            attach(self, name, part)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run the network on Values, arrays or tensors.

        Raises OptionError if the inputs have another structure than the original's; ShapeError for
        a shape that the network does not accept; UnsupportedError, with the place in the source,
        for an option that an operation lacks here.
        """
        if self._name:  # it is a layer of another network
            return super().__call__(*inputs, **named)
        return self.forward(*inputs, **named)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Run the network, and update its buffers."""
        program, parts = self._program, dict(named_parts(self))
        old = {name: parts[name].copy() for name in program.updates}
        results = {**program.constants, **parts, **old, **self._inputs(inputs, named)}
        for call in program.calls:
            results.update(zip(call.results, _run_call(call, results), strict=False))
        for name, new in program.updates.items():
            parts[name][...] = data_of(results[new])
        return with_refs(program.returns, lambda ref: as_value(_result(results, ref, "the result")))

    def _inputs(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs by name."""
        given: dict[str, Any] = {}
        positional, by_name = self._program.takes
        _match("input", positional, inputs, given)
        _match("input", by_name, dict(named), given)
        operands = {name: as_operand(x, f"input {name}") for name, x in given.items()}
        _check_lengths(self._program.inputs, operands)
        return operands

    def train(self, mode: bool = True) -> Self:
        """Return this network, if it was translated in this mode.

        Raises UnsupportedError for the other mode: its operations were traced in this one.
        """
        if mode != self.training:
            own = "training" if self.training else "evaluation"
            raise UnsupportedError(
                f"{self._kind}: was translated for {own}, which cannot be changed; call "
                "module.train() or module.eval() before from_torch"
            )
        return self

    def __repr__(self) -> str:
        inputs, n = ", ".join(self._program.inputs), len(self._program.calls)
        return f"Network({self._kind}: {counted(n, 'operation')} on {inputs})"


def attach(root: Module, name: str, part: Any) -> None:
    """Attach a parameter or a buffer to a network under its full name, "conv1.weight"."""

    def clash(why: str) -> OptionError:
        return OptionError(f"{name!r} cannot be the name of a parameter: {why}")

    *path, last = name.split(".")
    for step in (*path, last):
        if hasattr(type(root), step) or step in RESERVED:
            raise clash(f"{step!r} is a method")
    for step in path:
        if step not in vars(root):
            setattr(root, step, Part())
        root = vars(root)[step]
        if not isinstance(root, Module):
            raise clash(f"{step!r} is one")
    if last in vars(root):
        raise clash("others begin with it")
    if isinstance(part, np.ndarray):
        root.register_buffer(last, part)
    else:
        setattr(root, last, part)


def named_parts(part: Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Iterate over all that `attach` attached, by full name; shared parameters come repeatedly."""
    for name, own in vars(part).items():
        if isinstance(own, Module):
            yield from named_parts(own, f"{prefix}{name}.")
        elif isinstance(own, Value | np.ndarray):
            yield prefix + name, own


def with_refs(tree: Any, make: Callable[[Ref], Any]) -> Any:
    """Replace each Ref in lists, tuples and dicts.

    >>> with_refs([Ref("x"), {"y": (Ref("y"), 2)}], lambda ref: ref.name.upper())
    ['X', {'y': ('Y', 2)}]
    """
    return mapped(lambda x: make(x) if isinstance(x, Ref) else x, tree)


def _run_call(call: Call, results: Mapping[str, Any]) -> Sequence[Any]:
    """Run one call; an error names its place in the source."""

    def find(ref: Ref) -> Any:
        return _result(results, ref, call.operation)

    try:
        operands, options = with_refs(call.operands, find), with_refs(dict(call.options), find)
        with made_at(call.scope, call.line):
            result = TRANSLATIONS[call.operation](*operands, **options)
    except TinygradPoolError as error:
        if call.place:
            error.add_note(f"{call.operation} {call.place}")
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, MemoryError) as error:
        kind = ShapeError if isinstance(error, ValueError) else UnsupportedError
        where = f" {call.place}" if call.place else ""
        raise kind(f"{call.operation}: cannot be computed{where}: {error}") from error
    is_tuple = isinstance(result, list | tuple) and call.operation.startswith("onnx.")
    return result if is_tuple else [result]


def _result(results: Mapping[str, Any], ref: Ref, what: str) -> Any:
    if ref.name not in results:
        raise UnsupportedError(f"{what}: no operation with a translation computes {ref.name!r}")
    return results[ref.name]


def check_known(name: str, calls: Sequence[Call]) -> None:
    """Raise UnsupportedError if operations have no translation: which, where, how to add one."""
    unknown = [call for call in calls if call.operation not in TRANSLATIONS]
    if unknown:
        places = dict.fromkeys(f"{call.operation} {call.place}".strip() for call in unknown)
        raise UnsupportedError(
            f"{name}: no translation of {several([*places])}; add one: "
            f"@tg.bridges.translates({unknown[0].operation!r}) before a function of Values with "
            "the operation's parameters"
        )


def _match(what: str, form: Any, given: Any, into: dict[str, Any]) -> None:
    """Collect inputs by name from nested tuples, lists and dicts of the network's own form."""
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


def _check_lengths(
    inputs: Mapping[str, Sequence[Length] | None], operands: Mapping[str, Any]
) -> None:
    known: dict[str, int] = {}
    for name, lengths in inputs.items():
        if lengths is None:
            continue
        shape = np.shape(data_of(operands[name]))
        if len(shape) != len(lengths) or not all(
            length.least <= n <= length.most and known.setdefault(length.name, n) == n
            for n, length in zip(shape, lengths, strict=True)
        ):
            needed = ", ".join(map(str, lengths))
            raise ShapeError(
                f"input {name}: the network was made for shape ({needed}), got {shape}"
            )
