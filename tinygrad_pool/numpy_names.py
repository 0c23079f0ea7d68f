"""NumPy's own names on Values: `np.exp(v)`, `np.maximum(v, 0)`, `ndarray @ v`, `np.concatenate`.

NumPy asks an operand that is no array what a function of NumPy's means for it (NEP 13 and NEP 18).
The answer is the operation whose rule is marked as answering for that function; a question about
the data, such as `np.argmax(v)`, is answered with plain numbers; all else is an error that names
the nearest function that is supported.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tinygrad_pool.errors import UnsupportedError

ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""The operation that each function means, filled as rules are lifted."""

QUESTIONS: set[Callable[..., Any]] = {np.shape, np.ndim, np.size, np.argmax, np.argmin, np.sign}
QUESTIONS |= {np.isnan, np.isinf, np.isfinite}
QUESTIONS |= {np.less, np.less_equal, np.greater, np.greater_equal}
"""Functions that are answered from the data, with plain numbers."""

HINTS = {
    "dot": "a @ b",
    "inner": "a @ b",
    "ravel": "v.reshape(-1)",
    "array_equal": "v.data",
    "allclose": "v.data",
    "equal": "v.data (== between Values is identity)",
    "not_equal": "v.data (== between Values is identity)",
    "var": "np.mean((v - np.mean(v)) ** 2)",
    "std": "np.sqrt(np.mean((v - np.mean(v)) ** 2))",
    "swapaxes": "np.transpose(v, axes)",
    "moveaxis": "np.transpose(v, axes)",
    "vstack": "np.concatenate([...], axis=0)",
    "hstack": "np.concatenate([...], axis=1)",
    "take": "v[indices]",
}


class AnswersNumPy:
    """Answer NumPy's protocols by the operations in ANSWERS. A Value is one."""

    __slots__ = ()
    data: Any

    def __array_ufunc__(
        self, function: Callable[..., Any], method: str, *inputs: Any, **options: Any
    ) -> Any:
        if method != "__call__":
            refuse(f"np.{function.__name__}.{method}")
        return answer(function, inputs, options)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, inputs: Any, options: Any
    ) -> Any:
        return answer(function, inputs, options)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise UnsupportedError(
            "np.asarray(v) would lose the graph: v.data is the array of numbers. Of several "
            "Values, np.stack([a, b]) makes one; tg.maximum(a, b) is the largest of them"
        )


def answer(function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call what `function` means on Values. Raises UnsupportedError if it means nothing."""
    if function in ANSWERS:
        return ANSWERS[function](*inputs, **options)
    question = getattr(function, "observes", function if function in QUESTIONS else None)
    if question is None:
        refuse(getattr(function, "__name__", str(function)))
    return question(*(v.data if isinstance(v, AnswersNumPy) else v for v in inputs), **options)


def refuse(name: str) -> NoReturn:
    """Raise UnsupportedError for a function of NumPy's, naming the nearest supported one."""
    from difflib import get_close_matches  # here, since importing it takes longer than our engine

    name = name.removeprefix("np.")
    supported = sorted({f.__name__ for f in (*ANSWERS, *QUESTIONS)})
    near = get_close_matches(name.split(".")[0], supported, n=1, cutoff=0.0)
    hint = HINTS.get(name) or "np." + near[0]
    raise UnsupportedError(f"np.{name} has no rule for Values; the nearest is {hint}")
