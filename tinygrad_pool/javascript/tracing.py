"""Numbers that write down what a rule does with them, as JavaScript."""

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
"""What decides who wins is always computed, so that the page sees where it turns."""

PLAIN = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Constants that are written out; all others are passed, so that more nodes share a function."""

HANDLERS: dict[Any, Handler] = {}
"""What a function of NumPy's, or a primitive, is on traced numbers."""


class NotTraced(Exception):  # noqa: N818  # it is caught where a rule is traced, and is no mistake
    """A rule does what cannot be written down."""


class Tape:
    """Lines of JavaScript, each of which names a result, and the constants that they need."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}
        self.constants: list[Any] = []

    def line(self, text: str) -> str:
        """Name the result of an expression."""
        name = f"t{len(self.lines)}"
        self.lines[name] = text
        return name

    def handler(self, function: Any) -> Handler | None:
        """Return what a function is on traced numbers."""
        return HANDLERS.get(function)

    def constant(self, x: Any) -> str:
        """Write a number, or name a constant: a number, or an array as a flat list."""
        if np.ndim(x) == 0:
            x = float(x)
            if x in PLAIN and not (x == 0 and np.signbit(x)):
                return f"{x:g}" if x >= 0 else f"({x:g})"
        else:
            x = np.ravel(x).tolist()
        self.constants.append(x)
        return f"k[{len(self.constants) - 1}]"


class Followed:
    """What answers for NumPy's functions by writing them down."""

    tape: Tape

    def __array_ufunc__(self, ufunc: Any, method: Any, *xs: Any, **options: Any) -> Any:
        return traced(self.tape, ufunc, method, xs, options)

    def __array_function__(self, function: Any, _: Any, xs: Any, options: Any) -> Any:
        return traced(self.tape, function, "__call__", xs, options)

    def __getitem__(self, key: Any) -> Any:
        return traced(self.tape, "getitem", "__call__", (self, key), {})

    def __bool__(self) -> NoReturn:
        raise NotTraced("it decides by the numbers")

    def __float__(self, *_: Any, **__: Any) -> NoReturn:
        raise NotTraced("it takes the bare numbers")

    __int__ = __index__ = __iter__ = __float__


class Traced(Followed, NDArrayOperatorsMixin):
    """Numbers that are known as an expression, and by what they were in the pass.

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

    __array__ = __len__ = Followed.__float__


class Choice(Followed, np.ndarray):
    """Where something holds, known as an expression: rules take a mask for an array.

    As a bare array it says the opposite, so that what is computed from that is seen to be wrong.
    """

    text: str

    @classmethod
    def of(cls, tape: Tape, text: str, holds: Any) -> Choice:
        """Make a choice of an expression and of what it was."""
        made = np.asarray(np.logical_not(holds)).view(cls)
        made.tape, made.text = tape, text
        return made

    @property
    def numbers(self) -> Any:
        """What it was in the pass."""
        return np.logical_not(self.view(np.ndarray))

    __reduce_ex__ = Followed.__float__


class Places:
    """Flat places that are found when the program runs, such as the winners of windows."""

    def __init__(self, text: str, numbers: Any) -> None:
        self.text, self.numbers = text, np.asarray(numbers)


def traced(tape: Tape, function: Any, method: str, xs: tuple[Any, ...], options: Any) -> Any:
    """Write down a call of a function; one of ours that is not in the table is followed."""
    if method == "__call__":
        if handler := tape.handler(function):
            return handler(*xs, **options)
        if is_ours(function):
            return behind(function)(*xs, **options)
    name = getattr(function, "__name__", str(function))
    raise NotTraced(f"it uses {name}{'' if method == '__call__' else f'.{method}'}")


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Enter what some functions are on traced numbers."""
    return entering(HANDLERS, functions)


def bare(x: Any) -> Any:
    """Return what an operand was in the pass."""
    return x.numbers if isinstance(x, Traced | Choice | Places) else x


def behind(function: Any) -> Any:
    """Return the function that runs for plain numbers."""
    return function.__wrapped__


def tape_of(xs: Any) -> Tape:
    """Return the tape that some operands are written on."""
    return next(x.tape for x in xs if isinstance(x, Traced | Choice))


def known(tape: Tape, text: str, numbers: Any) -> Any:
    """Return numbers that are known as an expression; where they are truths, they are a choice."""
    kind = Choice.of if np.asarray(numbers).dtype == bool else Traced
    return kind(tape, text, numbers)


def result(tape: Tape, text: str, numbers: Any) -> Any:
    """Name a result."""
    return known(tape, tape.line(text), numbers)


def rounding(numbers: Any) -> str:
    """Name the function that rounds sums to the dtype of some numbers."""
    return {8: "", 4: ", Math.fround"}[np.asarray(numbers).dtype.itemsize]


def shaped(x: Any, shape: Shape) -> Any:
    """Give numbers another shape, in row-major order."""
    text = x.text
    if bool(shape) != bool(np.shape(bare(x))):
        text = x.tape.line(f"[{text}]" if shape else f"{text}[0]")
    return known(x.tape, text, np.reshape(x.numbers, shape))


def moved(x: Any, cells: Any) -> Any:
    """Copy cells of x by their flat places, −1 for 0, into the shape of `cells`."""
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
    """Return the flat place of each cell of x, in its shape."""
    shape = np.shape(bare(x))
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


def spread(x: Any, shape: Shape, tape: Tape) -> str:
    """Write an operand as it stands beside others of a shape: a number, or as many numbers."""
    if not isinstance(x, Traced | Choice):
        return tape.constant(np.broadcast_to(x, shape) if np.size(x) != 1 else np.ravel(x)[0])
    if x.shape == shape:
        return x.text
    if x.size == 1:
        return x.text if not x.shape else f"{x.text}[0]"
    return str(moved(x, np.broadcast_to(places(x), shape)).text)


def whole(x: Any, shape: Shape, tape: Tape) -> str:
    """Write an operand as an array of a shape."""
    if isinstance(x, Traced | Choice):
        return str(moved(x, np.broadcast_to(places(x), shape)).text)
    return tape.constant(np.broadcast_to(x, shape))


def tidied(lines: dict[str, str], results: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leave out lines that nothing uses, and put into others what is used once."""
    uses = Counter(name for text in (*lines.values(), *results) for name in NAME.findall(text))
    for name, text in reversed(lines.items()):
        if not uses[name] and not text.startswith(SEEN):
            uses.subtract(NAME.findall(text))
    waiting: dict[str, str] = {}

    def filled(text: str) -> str:
        return NAME.sub(lambda found: waiting.get(found[0], found[0]), text)

    kept = {}
    for name, text in lines.items():
        if uses[name] == 1 and not text.startswith(SEEN):
            inside = filled(text)
            waiting[name] = inside if ATOM.fullmatch(inside) else f"({inside})"
        elif uses[name] or text.startswith(SEEN):
            kept[name] = filled(text)
    return kept, [*map(filled, results)]


def as_json(x: float) -> Any:
    """Write a number for JSON, which knows no infinity and no NaN."""
    if isfinite(x):
        whole = float(x).is_integer() and abs(x) < 1e15 and str(x) != "-0.0"
        return int(x) if whole else x
    return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"  # noqa: PLR0124
