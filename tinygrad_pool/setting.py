"""How operations record at present, and under which name."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from tinygrad_pool.errors import OptionError


class About(NamedTuple):
    """What a node is called and where it was made: for readers only, no number depends on it."""

    label: str = ""
    scope: str = ""


class Setting(NamedTuple):
    """Whether operations record a graph, whether they guard it, and what they write beside it."""

    graph: bool = True
    checked: bool = False
    about: About = About()


SETTING: ContextVar[Setting] = ContextVar("SETTING", default=Setting())  # noqa: B039  # a NamedTuple


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording a graph: results are cut off from what they came from.

    >>> import tinygrad_pool as tg
    >>> with tg.no_grad():
    ...     tg.Value(2.0).exp().parents
    ()
    """
    with _changed(graph=False):
        yield


@contextmanager
def recording() -> Iterator[None]:
    """Record a graph, even inside `no_grad`: for what needs one of its own.

    >>> import tinygrad_pool as tg
    >>> with tg.no_grad(), recording():
    ...     len(tg.Value(2.0).exp().parents)
    1
    """
    with _changed(graph=True):
        yield


@contextmanager
def checked() -> Iterator[None]:
    """Guard the graph made inside: backward finds arrays that were changed behind `v.data = …`.

    Every node keeps a copy of what it computed with, and compares before its closure runs. A
    change, such as `v.data[0] = 5`, ends the pass with a GraphError that names node and operand.

    >>> import tinygrad_pool as tg
    >>> with tg.checked():
    ...     v = tg.Value([1.0, 2.0], label="v")
    ...     E = (v * v).sum()
    >>> v.data[0] = 5.0
    >>> E.backward()
    Traceback (most recent call last):
    tinygrad_pool.errors.GraphError: mul: the data of the leaf 'v' changed since the forward pass
    """
    with _changed(checked=True):
        yield


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


def text(given: object, what: str) -> str:
    """Read a name. Raises OptionError, which names `what`, for anything but text (3, None).

    >>> text("x1", "label")
    'x1'
    """
    if not isinstance(given, str):
        raise OptionError(f"{what} must be text, got {given!r:.80}")
    return given


@contextmanager
def _changed(**changes: Any) -> Iterator[None]:
    token = SETTING.set(SETTING.get()._replace(**changes))
    try:
        yield
    finally:
        SETTING.reset(token)
