"""NumPy's own names on Values: `np.exp(v)`, `np.maximum(v, 0)`, `ndarray @ v`, `np.concatenate`.

NumPy asks an operand that is no array what a function of NumPy's means for it (NEP 13 and NEP 18).
The answer is the operation whose rule is marked as answering for that function; a question about
the data, such as `np.argmax(v)`, is answered with plain numbers; all else is an error that names
the nearest function that is supported.
"""

from collections.abc import Callable
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

HINTS = {
    "allclose": "v.data",
    "array_equal": "v.data",
    "cosh": "(np.exp(v) + np.exp(-v)) / 2",
    "diff": "v[1:] - v[:-1]",
    "dot": "a @ b",
    "equal": "v.data (== between Values is identity)",
    "exp2": "2**v",
    "flip": "v[::-1]",
    "fmax": "np.maximum(a, b)",
    "fmin": "np.minimum(a, b)",
    "hstack": "np.concatenate([...], axis=1)",
    "hypot": "np.sqrt(a * a + b * b)",
    "inner": "a @ b",
    "isclose": "v.data",
    "log10": "np.log(v) / np.log(10)",
    "logaddexp": "tg.logsumexp(np.stack([a, b]), axis=0)",
    "moveaxis": "np.transpose(v, [...])",
    "norm": "np.sqrt(np.sum(v * v))",
    "not_equal": "v.data (== between Values is identity)",
    "outer": "np.expand_dims(a, 1) * b",
    "ptp": "np.max(v) - np.min(v)",
    "ravel": "v.reshape(-1)",
    "reciprocal": "1 / v",
    "sinh": "(np.exp(v) - np.exp(-v)) / 2",
    "sort": "v[np.argsort(v.data)]",
    "std": "np.sqrt(np.mean((v - np.mean(v)) ** 2))",
    "swapaxes": "np.transpose(v, [...])",
    "take": "v[indices]",
    "tan": "np.sin(v) / np.cos(v)",
    "var": "np.mean((v - np.mean(v)) ** 2)",
    "vstack": "np.concatenate([...], axis=0)",
}
"""What to write in place of a function that has no rule."""


class AnswersNumPy:
    """Answer NumPy's protocols by the operations in ANSWERS. A Value is one."""

    __slots__ = ()
    data: Any

    def __array_ufunc__(
        self, function: Callable[..., Any], method: str, *inputs: Any, **options: Any
    ) -> Any:
        if method != "__call__":
            refuse(function, method)
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
        refuse(function)
    return function.observes(*data, **options)


def refuse(function: Callable[..., Any], method: str = "") -> NoReturn:
    """Raise UnsupportedError for a function of NumPy's, naming the nearest supported one."""
    from difflib import get_close_matches  # here, since importing it takes longer than our engine

    name = function.__name__
    supported = {f.__name__ for f in (*ANSWERS, *QUESTIONS) if getattr(np, f.__name__, 0) is f}
    near = get_close_matches(name, sorted(supported), n=1, cutoff=0.7)
    nearest = HINTS.get(name) or "".join("np." + other for other in near)
    instead = "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"
    if nearest:
        instead = f"the nearest is {nearest}"
    raise UnsupportedError(f"{_name_of(function, method)} has no rule for Values; {instead}")


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
