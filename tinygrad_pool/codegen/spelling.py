"""Names and values as Python source: valid identifiers, and text that evaluates to a value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from keyword import iskeyword
from math import isfinite, isnan
from typing import Any

import numpy as np

_PLAIN = re.compile("[A-Za-z](_?[A-Za-z0-9])*")

WIDTH = 100
MOST = 16
"""The most elements of an array, tuple or list that are written out."""


def identifier(text: str) -> str:
    """Turn a text into a valid name of a variable.

    >>> [*map(identifier, ("w[1]", "z1(2)", "lambda", "2nd", "δ"))]
    ['w_1', 'z1_2', 'lambda_', 'v_2nd', 'δ']
    """
    if _PLAIN.fullmatch(text) and not iskeyword(text):
        return text
    plain = unicodedata.normalize("NFKC", text)
    kept = "".join(c if f"v{c}".isidentifier() else "_" for c in plain)
    name = unicodedata.normalize("NFKC", re.sub("_+", "_", kept).strip("_"))
    if not name.isidentifier():
        return f"v_{name}".rstrip("_")
    return f"{name}_" if iskeyword(name) else name


class Names:
    """Unique identifiers.

    >>> names = Names(["np"])
    >>> names.new("x"), names.new("x"), names.new("np"), names.new("y", "g_{}"), names.new("g_y")
    ('x', 'x_2', 'np_2', 'y', 'g_y_2')
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)
        self._count: dict[str, int] = {}

    def new(self, text: str, *forms: str) -> str:
        """Return a new name like `text`. The names that `forms` derive from it are new, too."""
        first = name = identifier(text)
        while True:
            names = {name, *(form.format(name) for form in forms)}
            if not names & self.taken:
                self.taken |= names
                return name
            self._count[first] = self._count.get(first, 1) + 1
            name = f"{first}_{self._count[first]}"

    def numbered(self, stem: str, *forms: str) -> str:
        """Return the next of stem1, stem2, … .

        >>> names = Names([])
        >>> names.numbered("leaf"), names.numbered("leaf")
        ('leaf1', 'leaf2')
        """
        key = f"{identifier(stem)}#"
        self._count[key] = self._count.get(key, 0) + 1
        return self.new(f"{stem}{self._count[key]}", *forms)


def spelled(value: Any) -> str | None:
    """Write a value as source that evaluates to it. Returns None if it is too large or unsupported.

    >>> print(spelled((np.float32([1, np.inf]), slice(2), -0.5, ...)))
    (np.array([1.0, np.inf], np.float32), slice(None, 2, None), -0.5, ...)
    """
    if value is float:
        return "float"
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return dtype_of(np.dtype(value))
    write = _array if isinstance(value, np.generic) else _WRITERS.get(type(value))
    return write(value) if write else None


def filled(head: str, items: list[str], tail: str, indent: str = "    ") -> list[str]:
    """Write items between brackets, on several lines if one would be too long.

    >>> filled("y = f(", ["x", "w"], ")", indent="")
    ['y = f(x, w)']
    """
    line = f"{indent}{head}{', '.join(items)}{tail}"
    if len(line) <= WIDTH:
        return [line]
    rows = [""]
    for item in items:
        if len(rows[-1]) + len(item) + 10 > WIDTH and rows[-1]:
            rows.append("")
        rows[-1] += f" {item}," if rows[-1] else f"{item},"
    return [f"{indent}{head}", *(f"{indent}    {row}" for row in rows), f"{indent}{tail}"]


def dtype_of(dtype: np.dtype[Any]) -> str:
    """Write a dtype as an argument of NumPy's functions.

    >>> dtype_of(np.dtype("float32")), dtype_of(np.dtype(">f8"))
    ('np.float32', "np.dtype('>f8')")
    """
    return f"np.{dtype.name}" if dtype.isnative else f"np.dtype({dtype.str!r})"


def _number(x: float) -> str:
    return repr(x) if isfinite(x) else "np.nan" if isnan(x) else "-np.inf" if x < 0 else "np.inf"


def _text(text: str) -> str:
    shown = repr(text)
    return shown if '"' in shown else f'"{shown[1:-1]}"'


def _several(form: str, values: Sequence[Any]) -> str | None:
    parts = [spelled(value) for value in values[: MOST + 1]]
    if len(parts) > MOST or None in parts:
        return None
    return form.format(", ".join(part for part in parts if part))


def _array(array: Any) -> str | None:
    """Write a small numeric array with its memory order, C or Fortran."""
    dtype, layout = array.dtype, ""
    if array.size > MOST or dtype.kind not in "fiub" or dtype.itemsize > 8:
        return None
    if isinstance(array, np.ndarray) and not array.flags.c_contiguous:
        if not array.flags.f_contiguous:
            return None
        layout = ', order="F"'
    usual = dtype in (np.dtype(float), np.dtype(int), np.dtype(bool))
    kind = "" if usual else f", {dtype_of(dtype)}"
    if isinstance(array, np.generic):
        return f"{dtype_of(dtype)}({_number(array.item())})"
    if not array.size:
        return f"np.zeros({array.shape}, {dtype_of(dtype)})"
    return f"np.array({_rows(array.tolist())}{kind}{layout})"


def _rows(values: Any) -> str:
    if isinstance(values, list):
        return f"[{', '.join(map(_rows, values))}]"
    return _number(values)


_WRITERS: dict[type, Callable[[Any], str | None]] = {
    **dict.fromkeys((type(None), bool, int), repr),
    str: _text,
    type(...): lambda _: "...",
    float: _number,
    slice: lambda s: _several("slice({})", (s.start, s.stop, s.step)),
    list: lambda values: _several("[{}]", values),
    tuple: lambda values: _several("({},)" if len(values) == 1 else "({})", values),
    np.ndarray: _array,
}
