"""Settings of how operations record: with or without a graph, guarded, traced, in which scope."""

import contextlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_pool.rules.arguments import text


class Line(NamedTuple):
    """A line of source: its file, its number, and the function that contains it."""

    file: str
    number: int
    function: str

    def __str__(self) -> str:
        file = re.split(r"[/\\]", self.file)[-1]
        return f"{file}:{self.number}"


class Choice(NamedTuple):
    """A comparison that plain Python made with a Value's data, and its result: (<, "3.0", True).

    For arrays the result is kept as bytes. `rival` is the `_order` of the Value it was compared
    with, or 0 for a constant. The relation is "bool" if the Value was used as a truth value, and
    "float", "int", "item", "round" or "np.sign" if it was converted to a number. The nodes it was
    computed from get a Choice too, with THROUGH as `other`.
    """

    relation: str
    other: str
    answer: bool | bytes
    line: Line | None
    rival: int = 0


THROUGH = "through"


class About(NamedTuple):
    """The name of a node and where it was made. It is for people: no number depends on it.

    Only nodes made under `traced` have a line and choices. Under `traced(frames=True)` they also
    have callers: the lines that called the function of that line, innermost first.
    """

    label: str = ""
    scope: str = ""
    line: Line | None = None
    choices: tuple[Choice, ...] = ()
    callers: tuple[Line, ...] = ()


class Setting:
    """Whether operations record a graph, whether they guard it, and what they note about nodes.

    `plain` is checked first by each operation: it records a graph and guards nothing. `rule` is the
    name of a user's rule that runs on Values.

    `outer` is restored at the end of the block. Blocks in generators may end before the blocks
    inside them: a setting that has `ended` is skipped when its inner block restores it.
    """

    __slots__ = ("about", "checked", "ended", "frames", "graph", "outer", "plain", "rule", "traced")

    def __init__(
        self,
        graph: bool = True,
        checked: bool = False,
        traced: bool = False,
        about: About = About(),  # noqa: B008  # a NamedTuple
        frames: bool = False,
        rule: str = "",
        outer: Any = None,
    ) -> None:
        self.graph, self.checked, self.traced, self.about = graph, checked, traced, about
        self.frames, self.rule = frames, rule
        self.plain = graph and not checked
        self.outer, self.ended = outer, False


SETTING: ContextVar[Setting] = ContextVar("SETTING", default=Setting())  # noqa: B039  # never changed


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording a graph: results are leaves, cut off from their operands.

    Inside, `p -= step` changes the leaf p, as it changes an array; outside it makes another Value.

    >>> import tinygrad_pool as tg
    >>> with tg.no_grad():
    ...     tg.Value(2.0).exp().parents
    ()
    """
    with _changed(graph=False):
        yield


@contextmanager
def with_graph() -> Iterator[None]:
    """Record a graph, even inside `no_grad`."""
    with _changed(graph=True):
        yield


@contextmanager
def checked() -> Iterator[None]:
    """Guard every node made inside: its closure runs only if its operands and result are unchanged.

    In-place changes of a leaf's array are always detected. In this block each node also keeps
    copies of its operands and its result, and compares them before its closure runs. If a rule
    writes to its operands, the backward pass raises a GraphError that names the node and the
    operand. It also raises one if a closure writes to its gradient.

    >>> import tinygrad_pool as tg
    >>> def halve(x):
    ...     def halve_backward(g):
    ...         return (g / 2,)
    ...
    ...     x /= 2
    ...     return x, halve_backward
    >>> with tg.checked():
    ...     v = tg.Value([1.0, 2.0], label="v")
    ...     E = (v * tg.lift(halve)(v)).sum()
    >>> E.backward()
    Traceback (most recent call last):
    tinygrad_pool.errors.GraphError: halve: the data of the leaf 'v' changed since the forward pass
    """
    with _changed(checked=True):
        yield


@contextmanager
def traced(frames: bool = False) -> Iterator[None]:
    """Let each node made inside remember the line of your source that made it.

    The debugger can then list your source, stop at its lines, and show where a number went wrong.
    `tg.diagnose` can find where Python's own `max` or `if` used a Value. The line is in
    `v.about.line`. Scripts that the command line runs are traced. With `frames=True`,
    `v.about.callers` has the lines that called the function of that line, innermost first, up to
    the top level of a file. They distinguish nodes made by different calls of one function.

    >>> import tinygrad_pool as tg
    >>> def double(x):
    ...     return x * 2
    >>> with tg.traced(frames=True):
    ...     y = double(double(tg.Value(2.0)).exp())
    >>> y.about.line.number, y.about.callers[0].number
    (2, 2)
    """
    with _changed(traced=True, frames=frames or SETTING.get().frames):
        yield


def here() -> Line | None:
    """Return the line of source being executed: the innermost that is the user's."""
    return with_line(About()).line


def with_line(about: About) -> About:
    """Add the line of source being executed: the innermost that is the user's.

    That is outside this package, NumPy, pandas and Python's library: a Value in `statistics.fmean`
    is used where that is called. Nodes made at one place in the source share one object. Python
    computes a line number by scanning the code from its first line, so the result is cached.
    """
    try:
        frame: FrameType | None = sys._getframe(3)  # the inner frames are in this package
    except ValueError:  # no such frame: the operation was not called from Python code
        return about
    if SETTING.get().frames:
        return _with_calls(about, frame)
    while frame is not None:
        code = frame.f_code
        place = about, id(code), frame.f_lasti
        if cached := _PLACED.get(place):
            return cached[0]
        if not is_library(code.co_filename):
            return _kept(place, about._replace(line=_line(frame)), [frame])
        frame = frame.f_back
    return about


def _with_calls(about: About, frame: FrameType | None) -> About:
    """Add the line being executed and the lines that called it, up to the top level of a file."""
    frames: list[FrameType] = []
    place: list[Any] = [about]
    while frame is not None and len(frames) < MOST_FRAMES:
        code = frame.f_code
        frames.append(frame)
        place += id(code), frame.f_lasti
        if code.co_name == "<module>":
            break
        frame = frame.f_back
    if cached := _PLACED.get(key := tuple(place)):
        return cached[0]
    outside = [f for f in frames if not is_library(f.f_code.co_filename)]
    lines = tuple(map(_line, outside))
    made = about._replace(line=lines[0], callers=lines[1:]) if lines else about
    return _kept(key, made, frames)


def is_library(file: str) -> bool:
    """Return whether a file belongs to this package, NumPy, pandas, or Python's library."""
    if file.startswith(_PACKAGES):
        return True
    return file.startswith(_LIBRARY) and not file.startswith(f"{_LIBRARY}site-packages")


def _line(frame: FrameType) -> Line:
    return Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def _kept(place: tuple[Any, ...], made: About, frames: list[FrameType]) -> About:
    """Cache what was made at a place, with its code objects, so that their ids are not reused."""
    if len(_PLACED) >= MOST_PLACES:
        _PLACED.clear()
    _PLACED[place] = made, [frame.f_code for frame in frames]
    return made


_NUMPY = np.__file__[: -len("__init__.py")]  # with its separator; pathlib takes long to import
_PANDAS = f"{_NUMPY[: -len('numpy/')]}pandas{_NUMPY[-1]}"
_PACKAGES = (__file__[: -len("engine/context.py")], _NUMPY, _PANDAS)
_LIBRARY = contextlib.__file__.removesuffix("contextlib.py")  # frozen modules may have no file
_PLACED: dict[tuple[Any, ...], tuple[About, list[CodeType]]] = {}
MOST_PLACES = 10_000
MOST_FRAMES = 30


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Name the nodes made inside, for pictures and messages; scopes nest as `outer/inner`.

    >>> import tinygrad_pool as tg
    >>> with tg.scope("conv1"):
    ...     y = tg.Value(2.0).exp()
    >>> y.about.scope
    'conv1'
    """
    text(name, "scope: its name")
    outer = SETTING.get().about.scope
    with _changed(about=About(scope=f"{outer}/{name}" if outer else name)):
        yield


@contextmanager
def on_values(rule: str) -> Iterator[None]:
    """Run a user's rule on Values: converting one to a number is an error inside."""
    with _changed(rule=rule):
        yield


@contextmanager
def made_at(scope: str, line: Line | None) -> Iterator[None]:
    """Set the scope of the nodes made inside, and the line of source that they belong to, if any.

    An interpreter of another program uses this: the line that is executing is its own.

    >>> import tinygrad_pool as tg
    >>> with made_at("conv1", Line("net.py", 7, "forward")):
    ...     y = tg.Value(2.0).exp()
    >>> y.about.scope, str(y.about.line)
    ('conv1', 'net.py:7')
    """
    now = SETTING.get()
    place = "/".join(filter(None, (now.about.scope, scope)))
    with _changed(about=About(scope=place, line=line), traced=now.traced and line is None):
        yield


@contextmanager
def _changed(**changes: Any) -> Iterator[None]:
    outer = SETTING.get()
    kept = {name: getattr(outer, name) for name in _KEPT}
    inner = Setting(**kept | changes, outer=outer)
    try:
        SETTING.set(inner)
        yield
    finally:
        token = SETTING.set(outer)  # first, since Ctrl-C may interrupt any statement before it
        if token.old_value is not inner:
            inner.ended = True
            SETTING.reset(token)
        else:
            while outer.ended:
                outer = outer.outer
                SETTING.set(outer)


_KEPT = ("graph", "checked", "traced", "about", "frames", "rule")
