"""What to write in place of NumPy's functions that have no rule here: read when one is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

_FROM_MEAN = "(v - np.mean(v{keep})) ** 2{axis}"
_NUMBERED = "np.arange(v.size).reshape(v.shape)"
_WRITTEN = {
    "amax": "np.max(v{axis})",
    "amin": "np.min(v{axis})",
    "append": "np.concatenate([a.reshape(-1), b.reshape(-1)])  # axis=0: np.concatenate([a, b])",
    "arctanh": "(np.log1p(v) - np.log1p(-v)) / 2",
    "astype": "v.astype(dtype)",
    "average": "np.mean(v{axis})  # weights=w: np.sum(w * v{axis}) / np.sum(w{axis})",
    "column_stack": "np.stack([...], axis=1) if a.ndim < 2 else np.concatenate([...], axis=1)",
    "cosh": "(np.exp(v) + np.exp(-v)) / 2",
    "deg2rad": "v * (np.pi / 180)",
    "degrees": "v * (180 / np.pi)",
    "diff": "v[..., 1:] - v[..., :-1]  # axis=0: v[1:] - v[:-1]",
    "dot": "a @ b",
    "ediff1d": "v.reshape(-1)[1:] - v.reshape(-1)[:-1]",
    "exp2": "2**v",
    "fmax": "np.maximum(a, b)  # a NaN wins",
    "fmin": "np.minimum(a, b)  # a NaN wins",
    "hstack": "np.concatenate([...], axis=min(1, a.ndim - 1))",
    "hypot": "np.sqrt(a * a + b * b)",
    "inner": "a @ b.T",
    "log10": "np.log(v) / np.log(10)",
    "log2": "np.log(v) / np.log(2)",
    "logaddexp": "tg.logsumexp(np.stack([a, b]), axis=0)",
    "matmul": "a @ b",
    "nanmax": "np.max(np.where(np.isnan(v), -np.inf, v){axis})",
    "nanmean": "np.sum(np.where(np.isnan(v), 0, v){axis}) / np.sum(~np.isnan(v){axis})",
    "nanmin": "np.min(np.where(np.isnan(v), np.inf, v){axis})",
    "nansum": "np.sum(np.where(np.isnan(v), 0, v){axis})",
    "norm": "np.sqrt(np.sum(v * v{axis}))",
    "outer": "np.expand_dims(a.reshape(-1), 1) * b.reshape(-1)",
    "ptp": "np.max(v{axis}) - np.min(v{axis})",
    "rad2deg": "v * (180 / np.pi)",
    "radians": "v * (np.pi / 180)",
    "ravel": "v.reshape(-1)",
    "reciprocal": "1 / v",
    "remainder": "a - b * np.floor_divide(a.data, b.data)",
    "sinh": "(np.expm1(v) - np.expm1(-v)) / 2",
    "sort": "v.reshape(-1)[np.take_along_axis("
    f"{_NUMBERED}, np.argsort(v.data, axis={{last}}), axis={{last}})]",
    "std": f"np.sqrt(np.mean({_FROM_MEAN}))",
    "tan": "np.sin(v) / np.cos(v)",
    "tril": "np.where(np.tri(*v.shape[-2:], dtype=bool), v, 0)",
    "triu": "np.where(np.tri(*v.shape[-2:], k=-1, dtype=bool), 0, v)",
    "var": f"np.mean({_FROM_MEAN})",
    "vdot": "np.sum(a * b)",
    "vecdot": "np.sum(a * b, axis={last})",
    "vstack": "np.stack([...]) if a.ndim < 2 else np.concatenate([...])",
}
_METHODS = {
    "add.outer": "a.reshape(*a.shape, *[1] * b.ndim) + b",
    "add.reduce": "np.sum(v, axis={first})",
    "divide.outer": "a.reshape(*a.shape, *[1] * b.ndim) / b",
    "maximum.reduce": "np.max(v, axis={first})",
    "minimum.reduce": "np.min(v, axis={first})",
    "multiply.outer": "a.reshape(*a.shape, *[1] * b.ndim) * b",
    "subtract.outer": "a.reshape(*a.shape, *[1] * b.ndim) - b",
}
_DEFAULTS = {"axis": "", "keep": "", "first": "0", "last": "-1"}
_ALONG = {
    "axis": ", axis=axis",
    "keep": ", axis=axis, keepdims=True",
    "first": "axis",
    "last": "axis",
}
HINTS = {name: text.format(**_DEFAULTS) for name, text in _WRITTEN.items()}
"""What gives the same numbers as a function without a rule, of one or two axes: v, or a and b.

After a # stands what another option needs.
"""

PICKS = {
    *("atleast_1d", "atleast_2d", "atleast_3d", "delete", "diagonal", "flip", "fliplr", "flipud"),
    *("matrix_transpose", "moveaxis", "repeat", "resize", "roll", "rollaxis", "rot90", "swapaxes"),
    *("take", "take_along_axis", "tile"),
}
"""Functions whose results are elements of their first argument: an index does the same."""

NUMBERS = {
    *("all", "allclose", "any", "argpartition", "argsort", "argwhere", "array_equal", "ceil"),
    *("count_nonzero", "empty_like", "equal", "flatnonzero", "floor", "floor_divide"),
    *("full_like", "isclose", "isin", "lexsort", "logical_and", "logical_not", "logical_or"),
    *("nonzero", "not_equal", "ones_like", "rint", "round", "searchsorted", "signbit", "trunc"),
    *("unique", "zeros_like"),
}
"""Functions through which no gradient flows: an answer from the numbers is all there is."""


def instead_of(
    called: str, inputs: Sequence[Any] = (), options: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return what to write instead of a function of NumPy's, "np.inner", or of a method of it.

    >>> instead_of("np.inner")
    'write a @ b.T'
    """
    name = called.removeprefix("np.").removeprefix("linalg.")
    if written := _METHODS.get(name) or _WRITTEN.get(name):
        along = "axis" in options or len(inputs) > (2 if " b" in written else 1)
        without = ", ".join(options.keys() - {"axis"})
        written = written.format(**_ALONG if along else _DEFAULTS)
        return f"write {written} (without {without})" if without else f"write {written}"
    if name in PICKS:
        rest = ", ..." if len(inputs) > 1 or options else ""
        return f"write v.reshape(-1)[{called}({_NUMBERED}{rest})]"
    if name in NUMBERS:
        return f"{called} of v.data answers from its numbers, and has no gradient"
    return "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"
