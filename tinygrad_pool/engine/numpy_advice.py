"""What to write in place of NumPy's functions that have no rule here: read when one is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

_WRITTEN = {
    "add.accumulate": "np.cumsum(v, axis={axis})",
    "add.outer": "a.reshape(*a.shape, *[1] * b.ndim) + b",
    "add.reduce": "np.sum(v, axis={axis})",
    "divide.outer": "a.reshape(*a.shape, *[1] * b.ndim) / b",
    "linspace": "a + (b - a) * np.linspace(0, 1).reshape(-1, *[1] * a.ndim)",
    "logaddexp.reduce": "tg.logsumexp(v, axis={axis})",
    "maximum.reduce": "np.max(v, axis={axis})",
    "minimum.reduce": "np.min(v, axis={axis})",
    "multiply.accumulate": "np.cumprod(v, axis={axis})",
    "multiply.outer": "a.reshape(*a.shape, *[1] * b.ndim) * b",
    "multiply.reduce": "np.prod(v, axis={axis})",
    "piecewise": "np.where(mask, a, b)",
    "subtract.outer": "a.reshape(*a.shape, *[1] * b.ndim) - b",
    "vander": "np.stack([v**k for k in range(v.size)[::-1]], axis=-1)",
}
HINTS = {name: text.format(axis=0) for name, text in _WRITTEN.items()}
"""What gives the same numbers as a function without a rule, of one operand, v, or two, a and b."""

IN_PLACE = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
"""Functions that change the array they are given, and methods of ufuncs that do: `at`."""


def instead_of(
    called: str, inputs: Sequence[Any] = (), options: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return what to write instead of a function of NumPy's, "np.vander", or of a method of it.

    >>> instead_of("np.add.reduce")
    'write np.sum(v, axis=0)'
    """
    name = called.removeprefix("np.")
    if written := _WRITTEN.get(name):
        along = "axis" in options or (len(inputs) > 1 and " b" not in written)
        without = ", ".join(options.keys() - {"axis"})
        written = written.format(axis="axis" if along else 0)
        return f"write {written} (without {without})" if without else f"write {written}"
    if name in IN_PLACE or name.endswith(".at"):
        return (
            "a Value does not change: np.where(mask, new, v) makes another, "
            "and v.data[...] = new changes the numbers of a leaf"
        )
    return "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"
