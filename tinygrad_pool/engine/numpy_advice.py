"""What to write in place of NumPy's functions that have no rule here: read when one is refused."""

from __future__ import annotations

HINTS = {
    "linspace": "a + (b - a) * np.linspace(0, 1).reshape(-1, *[1] * a.ndim)",
    "logaddexp.reduce": "tg.logsumexp(v, axis=axis)",
    "piecewise": "np.where(mask, a, b)",
    "vander": "np.stack([v**k for k in range(v.size)[::-1]], axis=-1)",
}
"""What gives the same numbers as a function without a rule, of one operand, v, or two, a and b."""

IN_PLACE = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
"""Functions that change the array they are given, and methods of ufuncs that do: `at`."""


def instead_of(called: str) -> str:
    """Return what to write instead of a function of NumPy's, "np.vander", or of a method of it.

    >>> instead_of("np.logaddexp.reduce")
    'write tg.logsumexp(v, axis=axis)'
    """
    name = called.removeprefix("np.")
    if name in HINTS:
        return f"write {HINTS[name]}"
    if name in IN_PLACE or name.endswith(".at"):
        return (
            "a Value does not change: np.where(mask, new, v) makes another, "
            "and v.data[...] = new changes the numbers of a leaf"
        )
    return "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"
