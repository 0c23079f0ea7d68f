"""NumPy's own names on Values: `np.exp(v)`, `np.maximum(v, 0)`, `ndarray @ v`, `np.concatenate`.

NumPy asks an operand that is no array what a function of NumPy's means for it (NEP 13 and NEP 18).
The answer is the operation whose rule is marked as answering for that function; a question about
the data, such as `np.argmax(v)`, is answered with plain numbers; all else is an error that says
what gives the same numbers, where something does.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import (
    AxisError,
    DataError,
    OptionError,
    ShapeError,
    TinygradPoolError,
    UnsupportedError,
)

ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""The operation that each function means, filled as rules are lifted."""

QUESTIONS: set[Callable[..., Any]] = {np.shape, np.ndim, np.size, np.argmax, np.argmin, np.sign}
QUESTIONS |= {np.isnan, np.isinf, np.isfinite}
QUESTIONS |= {np.less, np.less_equal, np.greater, np.greater_equal}
"""Functions that are answered from the data, with plain numbers."""

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
    *("count_nonzero", "empty_like", "equal", "flatnonzero", "floor", "full_like", "isclose"),
    *("isin", "lexsort", "logical_and", "logical_not", "logical_or", "nonzero", "not_equal"),
    *("ones_like", "rint", "round", "searchsorted", "signbit", "trunc", "unique", "zeros_like"),
}
"""Functions through which no gradient flows: an answer from the numbers is all there is."""


class AnswersNumPy:
    """Answer NumPy's protocols by the operations in ANSWERS. A Value is one."""

    __slots__ = ()
    data: Any

    def __array_ufunc__(
        self, function: Callable[..., Any], method: str, *inputs: Any, **options: Any
    ) -> Any:
        if method != "__call__":
            refuse(function, method, inputs, options)
        return answer(function, inputs, options)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, inputs: Any, options: Any
    ) -> Any:
        return answer(function, inputs, options)

    # It never returns; but after NoReturn a type checker skips what follows an np.sum(v), and with
    # an array of floats it takes `array @ v` for one.
    def __array__(self, *_: Any, **__: Any) -> NDArray[np.object_]:
        raise UnsupportedError(
            "np.asarray(v) would lose the graph: v.data is the array of numbers. Of several "
            "Values, np.stack([a, b]) makes one; tg.maximum(a, b) is the largest of them"
        )


def answer(function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call what `function` means on Values. Raises UnsupportedError if it means nothing."""
    if function in ANSWERS:
        return ANSWERS[function](*inputs, **options)
    data = [v.data if isinstance(v, AnswersNumPy) else v for v in inputs]
    if function in QUESTIONS:
        return _ask(function, data, options)
    if not hasattr(function, "observes"):
        refuse(function, "", inputs, options)
    return function.observes(*data, **options)


def refuse(
    function: Callable[..., Any],
    method: str = "",
    inputs: Sequence[Any] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> NoReturn:
    """Raise UnsupportedError for a function of NumPy's, saying what gives the same numbers."""
    called = _name_of(function, method)
    raise UnsupportedError(
        f"{called} has no rule for Values; {instead_of(function, method, inputs, options)}"
    )


def instead_of(
    function: Callable[..., Any],
    method: str = "",
    inputs: Sequence[Any] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Say what to write in place of a call that has no rule.

    >>> instead_of(np.inner)
    'write a @ b.T'
    """
    called = _name_of(function, method)
    name = ".".join(filter(None, (function.__name__, method)))
    instead = "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"
    if written := (_METHODS if method else _WRITTEN).get(name):
        along = "axis" in options or len(inputs) > (2 if " b" in written else 1)
        without = ", ".join(options.keys() - {"axis"})
        instead = "write " + written.format(**_ALONG if along else _DEFAULTS)
        instead += f" (without {without})" if without else ""
    elif name in PICKS:
        rest = ", ..." if len(inputs) > 1 or options else ""
        instead = f"write v.reshape(-1)[{called}({_NUMBERED}{rest})]"
    elif name in NUMBERS:
        instead = f"{called} of v.data answers from its numbers, and has no gradient"
    return instead


def _ask(question: Callable[..., Any], data: list[Any], options: dict[str, Any]) -> Any:
    """Answer from the data; what NumPy refuses is raised as an error of ours."""
    for option in options.keys() - {"axis", "keepdims"}:
        raise OptionError(f"{_name_of(question)}: no option {option!r} (options: axis, keepdims)")
    try:
        return question(*data, **options)
    except (OverflowError, TypeError, ValueError) as error:
        kind: type[TinygradPoolError] = DataError
        if isinstance(error, ValueError):
            kind = AxisError if isinstance(error, IndexError) else ShapeError
        raise kind(f"{_name_of(question)}: {error}") from error


def _name_of(function: Callable[..., Any], method: str = "") -> str:
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return ".".join(filter(None, (module, function.__name__, method)))
