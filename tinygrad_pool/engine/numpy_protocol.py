"""NumPy's own names on Values: `np.exp(v)`, `np.maximum(v, 0)`, `ndarray @ v`, `np.concatenate`.

NumPy asks an operand that is not an array what its function means for it (NEP 13 and NEP 18). The
answer is the operation whose rule is marked as answering for that function; a question about
the data, such as `np.argmax(v)`, is answered with plain numbers; all else is an error that says
what gives the same numbers, where something does.
"""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, UnsupportedError
from tinygrad_pool.rules.composition import COMPOSED, call_numpy, constant, load
from tinygrad_pool.rules.rule import IMPLEMENTED, Rule

ASKED = """
all allclose any argmax argmin argpartition argsort argwhere around array2string array_equal
array_equiv array_repr array_str bincount ceil count_nonzero digitize einsum_path empty_like equal
fix flatnonzero floor floor_divide full_like greater greater_equal heaviside histogram histogram2d
histogram_bin_edges histogramdd intersect1d iscomplex iscomplexobj isclose isfinite isin isinf isnan
isneginf isposinf isreal isrealobj less less_equal lexsort logical_and logical_not logical_or
logical_xor nanargmax nanargmin ndim nonzero not_equal ones_like result_type rint round searchsorted
setdiff1d setxor1d shape sign signbit size tril_indices_from triu_indices_from trunc union1d unique
unique_all unique_counts unique_inverse unique_values zeros_like
"""
QUESTIONS: set[Callable[..., Any]] = {
    np.linalg.matrix_rank,
    *(getattr(np, name) for name in ASKED.split() if hasattr(np, name)),
}
"""Functions that are answered from the data, with plain numbers: their slopes are 0 or none."""

STEPS = "around ceil fix floor floor_divide heaviside rint round sign trunc"
"""Questions whose answer may stand in for the Value, as in a layer that rounds."""

SLOPED = {
    np.bincount: ("weights", 1),
    np.full_like: ("fill_value", 1),
    np.histogram: ("weights", 4),
    np.histogram2d: ("weights", 5),
    np.histogramdd: ("weights", 4),
}
"""What the answer to a question is linear in, and its place: a Value there would lose its graph."""

OPTIONS_REFUSED = ("out", "where", "subok", "like")
"""Options of questions that would write to an array, or leave answers unset."""

INSTEAD = {
    "linspace": "a + (b - a) * np.linspace(0, 1).reshape(-1, *[1] * a.ndim)",
    "logaddexp.reduce": "tg.logsumexp(v, axis=axis)",
    "piecewise": "np.where(mask, a, b)",
    "vander": "np.stack([v**k for k in range(v.size)[::-1]], axis=-1)",
}
"""What gives the same numbers as a function without a rule, of one operand, v, or two, a and b."""

OF_SCIPY = {
    "erf": "tg.erf(v)",
    "erfc": "tg.erfc(v)",
    "expit": "tg.sigmoid(v)",
    "log_expit": "tg.logsigmoid(v)",
    "logit": "np.log(v / (1 - v))",
}
"""What gives the same numbers as a ufunc of SciPy's, which asks as NumPy's do."""

IN_PLACE = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
"""Functions that change the array they are given, as a method of ufuncs does: `at`."""


class Habit:
    """An attribute that is not there: to look it up says what to write instead.

    `__getattr__` would do so, too, but slow down every attribute that is there: a pass over scalars
    by 12 %, in Python 3.11.
    """

    __slots__ = ("kind", "name")

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name

    def __get__(self, *_: Any) -> NoReturn:
        from tinygrad_pool.engine.habits import answer_to

        raise answer_to(self.kind, self.name)


class Switch(Habit):
    """A habit that is set, elsewhere: here that would be lost in silence."""

    __slots__ = ()

    def __set__(self, *_: Any) -> NoReturn:
        self.__get__()


class WithHabits:
    """Leave habits of other libraries out of dir()."""

    __slots__ = ()

    def __dir__(self) -> Iterable[str]:
        """List the attributes that are there."""
        own = getattr(self, "__dict__", {})
        return [n for n in object.__dir__(self) if n in own or not _is_habit(type(self), n)]


def _is_habit(kind: type, name: str) -> bool:
    found = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)
    return isinstance(found, Habit)


ELSEWHERE = """
absolute add add_ assign at block_until_ready bmm bool broadcast_to cat ceil children chunk clamp
clear_graph clone concatenate contiguous copy_ cos cosh cpu creator cuda device dim
div div_ divide double eq expand expand_as expand_dims expm1 fill_ flip float floor gather ge
grad_fn gradient gt half index_select inputs int isfinite isinf isnan le log10 log1p log2
log_softmax logsumexp long lt masked_fill masked_select matmul maximum median minimum mm mul mul_
multiply name nbytes ne neg nelement norm null_grad null_gradients numel numpy permute pow power
prev put realize reciprocal register_hook relu_ requires_grad requires_grad_ reshape_as retain_grad
roll rsqrt sign sin sinh softmax sort split square stack stop_gradient sub sub_ subtract t tan tile
to to_numpy tolist topk tril triu type unbind unique unsqueeze value values view view_as where zero_
"""
"""The attributes that a Value has in PyTorch, NumPy, JAX or micrograd, and not here."""


class _OfTheClass:
    """A method for NumPy, which asks the class for it.

    np.ma asks the Value, and gets None: so it leaves operators to the Value beside it, and does not
    compute with the Value's numbers alone.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method

    def __get__(self, instance: object, _: type) -> Callable[..., Any] | None:
        return self.method if instance is None else None


class AnswersNumPy(WithHabits):
    """Answer NumPy's functions with the operations of the rules in IMPLEMENTED."""

    __slots__ = ()
    vars().update({name: Habit("a Value", name) for name in ELSEWHERE.split()})
    requires_grad = Switch("a Value", "requires_grad")
    data: Any
    _operation_of: Callable[[Rule], Callable[..., Any]]
    _take: Callable[[str], None]

    @_OfTheClass
    def __array_ufunc__(
        self, function: Callable[..., Any], method: str, *inputs: Any, **options: Any
    ) -> Any:
        called = function if method == "__call__" else getattr(function, method)
        return answer(called, inputs, options, self._operation_of)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, inputs: Any, options: Any
    ) -> Any:
        return answer(function, inputs, options, self._operation_of)

    def __floordiv__(self, other: Any) -> Any:
        return np.floor_divide(self, other)

    def __mod__(self, other: Any) -> Any:
        return np.remainder(self, other)

    def __divmod__(self, other: Any) -> Any:
        return np.divmod(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return np.floor_divide(other, self)

    def __rmod__(self, other: Any) -> Any:
        return np.remainder(other, self)

    def __rdivmod__(self, other: Any) -> Any:
        return np.divmod(other, self)

    # It never returns; but after NoReturn a type checker skips what follows an np.sum(v), and with
    # an array of floats it takes `array @ v` for one.
    def __array__(self, *_: Any, **__: Any) -> NDArray[np.object_]:
        raise UnsupportedError(
            "np.asarray(v), which array.dot(v) and SciPy call, too, would lose the graph: v.data "
            "is the array of numbers, array @ v a product. np.stack([a, b]) makes one Value of "
            "several, and tg.maximum(a, b) takes the larger elements"
        )


def answer(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    options: dict[str, Any],
    operation_of: Callable[[Rule], Callable[..., Any]],
) -> Any:
    """Call what `function` means on Values. Raises UnsupportedError if it means nothing."""
    rule = IMPLEMENTED.get(function)
    if rule is None:
        if function in QUESTIONS:
            return _ask(function, inputs, options)
        if hasattr(function, "observes"):
            return function.observes(*map(_plain, inputs), **options)
        load()
        rule = IMPLEMENTED.get(function)
    if rule is not None:
        return operation_of(rule)(*inputs, **options)
    if function not in COMPOSED:
        refuse(function)
    return COMPOSED[function](*inputs, **options)


def refuse(function: Callable[..., Any]) -> NoReturn:
    """Raise UnsupportedError for a function of NumPy's, saying what gives the same numbers."""
    called = _name_of(function)
    name = called.removeprefix("np.")
    instead = "v.data holds its numbers, and tg.lift makes an operation of a rule of your own"
    if way := INSTEAD.get(name) or OF_SCIPY.get(name):
        instead = f"write {way}"
    elif name in IN_PLACE or name.endswith(".at"):
        instead = (
            "a Value does not change: np.where(mask, new, v) makes another, "
            "and v.data[...] = new changes the numbers of a leaf"
        )
    raise UnsupportedError(f"{called} has no rule for Values; {instead}")


def _ask(question: Callable[..., Any], inputs: Any, options: dict[str, Any]) -> Any:
    """Answer from the data. Raises an error of this package for what NumPy refuses."""
    name = _name_of(question)
    if question in SLOPED:
        what, place = SLOPED[question]
        for given in (*inputs[place : place + 1], options.get(what)):
            constant(f"{name}: {what}", given)
    if refused := [option for option in OPTIONS_REFUSED if option in options]:
        raise OptionError(f"{name}: no option {refused[0]!r} on Values")
    for given in inputs if question.__name__ in STEPS.split() else ():
        if isinstance(given, AnswersNumPy):
            given._take(name)
    plain = {option: _plain(given) for option, given in options.items()}
    return call_numpy(name, question, *map(_plain, inputs), **plain)


def _plain(given: Any) -> Any:
    """Return numbers in place of Values, also in lists of them."""
    if isinstance(given, AnswersNumPy):
        return given.data
    return type(given)(map(_plain, given)) if type(given) in (list, tuple) else given


def _name_of(function: Callable[..., Any]) -> str:
    ufunc = getattr(function, "__self__", None)
    if isinstance(ufunc, np.ufunc):
        return f"np.{ufunc.__name__}.{function.__name__}"
    name = function.__name__
    if isinstance(function, np.ufunc) and not hasattr(np, name):
        return name  # of SciPy's, say
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return f"{module}.{name}"
