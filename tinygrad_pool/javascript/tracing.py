"""Traced numbers: they record what a rule computes with them, as expressions of JavaScript.

`codegen.inlining` records Python instead: its tape has other handlers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from math import isfinite
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_pool.rules.arguments import Shape
from tinygrad_pool.rules.rule import entering, is_ours
from tinygrad_pool.rules.shaping import cast

Handler = Callable[..., Any]

NAME = re.compile(r"\bt\d+\b")
ATOM = re.compile(r"[\w.]+(\[\w+\])?|\w+\([^()]*\)")
SEEN = "seen("
"""Marks a line that decides which operand wins. It is kept, so that the page can watch it."""

PLAIN = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Constants written as literals. All others are parameters, so that nodes share functions."""

HANDLERS: dict[Any, Handler] = {}
"""How each function of NumPy, and each primitive, is written in JavaScript."""


class NotTraced(Exception):  # noqa: N818  # caught where a rule is traced; not an error of the user
    """A rule does something that cannot be traced."""


class Tape:
    """Named expressions, in order, and the constants that they use."""

    def __init__(self) -> None:
        self.lines: dict[str, Any] = {}
        self.constants: list[Any] = []

    def handler(self, function: Any) -> Handler | None:
        """Return what records a call of a function, if it can be recorded."""
        return HANDLERS.get(function)

    def line(self, text: str) -> str:
        """Append an expression, and return its name."""
        name = f"t{len(self.lines)}"
        self.lines[name] = text
        return name

    def constant(self, x: Any) -> str:
        """Write a constant: a literal, or a parameter k[i]. An array becomes a flat list."""
        if np.ndim(x) == 0:
            x = float(x)
            if x in PLAIN and not (x == 0 and np.signbit(x)):
                return f"{x:g}" if x >= 0 else f"({x:g})"
        else:
            x = np.ravel(x).tolist()
        self.constants.append(x)
        return f"k[{len(self.constants) - 1}]"


class Recorder:
    """Base class of traced numbers and masks: NumPy's functions of it are recorded."""

    tape: Tape

    def __array_ufunc__(self, ufunc: Any, method: Any, *xs: Any, **options: Any) -> Any:
        return call(self.tape, ufunc, method, xs, options)

    def __array_function__(self, function: Any, _: Any, xs: Any, options: Any) -> Any:
        return call(self.tape, function, "__call__", xs, options)

    def __getitem__(self, key: Any) -> Any:
        return call(self.tape, "getitem", "__call__", (self, key), {})

    def __bool__(self) -> NoReturn:
        raise NotTraced("it branches on a number")

    def __float__(self, *_: Any, **__: Any) -> NoReturn:
        raise NotTraced("it converts to a plain number or array")

    __int__ = __index__ = __iter__ = __float__


class Traced(Recorder, NDArrayOperatorsMixin):
    """Numbers given by an expression; `numbers` is their value in the recorded pass.

    In JavaScript they are a number or, with a shape, a flat array in row-major order.
    """

    def __init__(self, tape: Tape, text: str, numbers: Any) -> None:
        self.tape, self.text, self.numbers = tape, text, np.asarray(numbers)

    shape, ndim, size, dtype = (
        property(attrgetter(f"numbers.{name}")) for name in ("shape", "ndim", "size", "dtype")
    )

    def astype(self, dtype: Any) -> Any:
        """Convert to another floating dtype."""
        return cast(self, dtype=dtype)

    __array__ = __len__ = Recorder.__float__


class Mask(Recorder, np.ndarray):
    """A condition given by an expression. It is an ndarray because rules expect that of a mask.

    Its elements are inverted: where a rule uses them directly, its result is wrong, and is noticed.
    """

    text: str

    @classmethod
    def of(cls, tape: Tape, text: str, holds: Any) -> Mask:
        """Make a mask of an expression and its value in the recorded pass."""
        mask = np.asarray(np.logical_not(holds)).view(cls)
        mask.tape, mask.text = tape, text
        return mask

    @property
    def numbers(self) -> Any:
        """Its value in the recorded pass."""
        return np.logical_not(self.view(np.ndarray))

    __reduce_ex__ = Recorder.__float__


class Places:
    """Flat indices that are computed when the program runs, such as the winners of windows."""

    def __init__(self, text: str, numbers: Any) -> None:
        self.text, self.numbers = text, np.asarray(numbers)


def call(tape: Tape, function: Any, method: str, xs: tuple[Any, ...], options: Any) -> Any:
    """Record a call of a function. A function of ours without a handler runs on traced numbers."""
    if method == "__call__":
        if handler := tape.handler(function):
            return handler(*xs, **options)
        if is_ours(function):
            return undispatched(function)(*xs, **options)
    name = getattr(function, "__name__", str(function))
    raise NotTraced(f"it calls {name}{'' if method == '__call__' else f'.{method}'}")


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Register the handler of some functions, as a decorator."""
    return entering(HANDLERS, functions)


def bare(x: Any) -> Any:
    """Return the value that an operand had in the recorded pass."""
    return x.numbers if isinstance(x, Traced | Mask | Places) else x


def undispatched(function: Any) -> Any:
    """Return the implementation of a primitive for plain arrays."""
    return function.__wrapped__


def tape_of(xs: Any) -> Tape:
    """Return the tape of the first traced operand."""
    return next(x.tape for x in xs if isinstance(x, Traced | Mask))


def traced(tape: Tape, text: str, numbers: Any) -> Any:
    """Return traced numbers or, if the values are bools, a mask."""
    kind = Mask.of if np.asarray(numbers).dtype == bool else Traced
    return kind(tape, text, numbers)


def result(tape: Tape, text: str, numbers: Any) -> Any:
    """Append an expression to the tape, and return its traced value."""
    return traced(tape, tape.line(text), numbers)


def rounding(numbers: Any) -> str:
    """Return the argument that makes sums round to float32, if the numbers are of that dtype."""
    return {8: "", 4: ", Math.fround"}[np.asarray(numbers).dtype.itemsize]


def shaped(x: Any, shape: Shape) -> Any:
    """Reshape traced numbers, in row-major order."""
    text = x.text
    if bool(shape) != bool(np.shape(bare(x))):
        text = x.tape.line(f"[{text}]" if shape else f"{text}[0]")
    return traced(x.tape, text, np.reshape(x.numbers, shape))


def moved(x: Any, cells: Any) -> Any:
    """Gather elements of x by flat index, in the shape of `cells`. Index −1 gives 0."""
    cells = np.asarray(cells)
    numbers, flat = np.reshape(x.numbers, -1), np.reshape(cells, -1)
    if flat.size == numbers.size and (flat == np.arange(flat.size)).all():
        return shaped(x, cells.shape)
    text = x.text
    if not cells.shape:
        text = f"{text}[{int(cells)}]"
    elif numbers.size == 1 and (flat == 0).all():
        text = f"Array({flat.size}).fill({text if not x.shape else f'{text}[0]'})"
    else:
        text = f"take({text if x.shape else f'[{text}]'}, {x.tape.constant(cells)})"
    return result(x.tape, text, np.where(cells >= 0, numbers[cells], numbers.dtype.type(0)))


def places(x: Any) -> Any:
    """Return the flat index of each element of x, in the shape of x."""
    shape = np.shape(bare(x))
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


def spread(x: Any, shape: Shape, tape: Tape) -> str:
    """Write an operand of an elementwise function: one number, or an array of the given shape."""
    if not isinstance(x, Traced | Mask):
        return tape.constant(np.broadcast_to(x, shape) if np.size(x) != 1 else np.ravel(x)[0])
    if x.size == 1:
        return f"{x.text}[0]" if x.shape else x.text
    return whole(x, shape, tape)


def whole(x: Any, shape: Shape, tape: Tape) -> str:
    """Write an operand as an array, broadcast to a shape."""
    if isinstance(x, Traced | Mask):
        return str(moved(x, np.broadcast_to(places(x), shape)).text)
    return tape.constant(np.broadcast_to(x, shape))


def tidied(lines: dict[str, str], results: list[str]) -> tuple[dict[str, str], list[str]]:
    """Drop lines that are not used, and inline those that are used once."""
    uses = Counter(name for text in (*lines.values(), *results) for name in NAME.findall(text))
    for name, text in reversed(lines.items()):
        if not uses[name] and not text.startswith(SEEN):
            uses.subtract(NAME.findall(text))
    inline: dict[str, str] = {}

    def filled(text: str) -> str:
        return NAME.sub(lambda match: inline.get(match[0], match[0]), text)

    kept = {}
    for name, text in lines.items():
        if uses[name] == 1 and not text.startswith(SEEN):
            inner = filled(text)
            inline[name] = inner if ATOM.fullmatch(inner) else f"({inner})"
        elif uses[name] or text.startswith(SEEN):
            kept[name] = filled(text)
    return kept, [*map(filled, results)]


def as_json(x: float) -> Any:
    """Convert a number for JSON, which has neither infinities nor NaN: they become strings."""
    if isfinite(x):
        is_whole = float(x).is_integer() and abs(x) < 1e15 and str(x) != "-0.0"
        return int(x) if is_whole else x
    return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"  # noqa: PLR0124
