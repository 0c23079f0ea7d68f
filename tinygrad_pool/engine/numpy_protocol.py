"""NumPy functions on Values: `np.exp(v)`, `np.maximum(v, 0)`, `ndarray @ v`, `np.concatenate`.

NumPy asks an operand that is not an array to carry out its functions (NEP 13 and NEP 18). Here that
is the operation whose rule implements the function. A question about the data, such as
`np.argmax(v)`, is answered with plain numbers. Any other function raises an error that suggests an
equivalent, if there is one.
"""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_pool.errors import OptionError, UnsupportedError
from tinygrad_pool.rules.composition import COMPOSED, call_numpy, constant, load, numpy_function
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
"""Functions that return plain numbers computed from the data: their slopes are 0 or undefined."""

STEPS = "around ceil fix floor floor_divide heaviside rint round sign trunc"
"""Step functions: a layer that rounds, say, may go on with the answer in place of the Value."""

SLOPED = {
    np.bincount: ("weights", 1),
    np.full_like: ("fill_value", 1),
    np.histogram: ("weights", 4),
    np.histogram2d: ("weights", 5),
    np.histogramdd: ("weights", 4),
}
"""Arguments in which the answer is linear, by name and place: a Value there loses its graph."""

OPTIONS_REFUSED = ("out", "where", "subok", "like")
"""Options of questions that are rejected: they write to an array or leave elements unset."""

INSTEAD = {
    "logaddexp.reduce": "tg.logsumexp(v, axis=axis)",
    "piecewise": "np.where(mask, a, b)",
}
"""Equivalents of functions without a rule, for one operand, v, or two, a and b."""

OF_SCIPY = {
    "erf": "tg.erf(v)",
    "erfc": "tg.erfc(v)",
    "expit": "tg.sigmoid(v)",
    "log_expit": "tg.logsigmoid(v)",
    "logit": "np.log(v / (1 - v))",
}
"""Equivalents of SciPy's ufuncs, which use the same protocol as NumPy's."""

IN_PLACE = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
"""Functions that change their array in place, as the ufunc method `at` does."""


class Habit:
    """An attribute from another library: reading it raises an error that says what to write.

    `__getattr__` could do that, but would slow down every other attribute: a pass over scalars by
    12 % in Python 3.11.
    """

    __slots__ = ("kind", "name")

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name

    def __get__(self, *_: Any) -> NoReturn:
        from tinygrad_pool.engine.habits import answer_to

        raise answer_to(self.kind, self.name, answered)


class Switch(Habit):
    """An attribute that other libraries let you set: here setting it would silently do nothing."""

    __slots__ = ()

    def __set__(self, *_: Any) -> NoReturn:
        self.__get__()


class WithHabits:
    """Leave names from other libraries out of dir()."""

    __slots__ = ()

    def __dir__(self) -> Iterable[str]:
        """List the attributes that exist."""
        attributes: dict[str, Any] = {}
        for kind in reversed(type(self).__mro__):
            attributes.update(vars(kind))
        attributes.update(getattr(self, "__dict__", {}))
        return [n for n in object.__dir__(self) if not isinstance(attributes.get(n), Habit)]


ELSEWHERE = """
abs_ absolute acos acosh add add_ allclose amax amin arccos arccosh arcsin arcsinh arctan arctan2
arctanh argwhere asin asinh assign at atan atan2 atanh bfloat16 bincount block_until_ready bmm bool
broadcast_to byte cat ceil ceil_ char check children cholesky chunk clamp clamp_ clamp_max clamp_min
clear_graph clip_ clone concat concatenate contiguous copy_ copysign corrcoef cos cos_ cosh
count_nonzero cov cpu creator cross cuda debug deg2rad derive det detach_ device diag diagflat
diagnose diff dim dist div div_ divide double draw dsplit dstack einsum einsum_path element_size eq
equal erf erfc exp2 exp_ expand expand_as expand_dims explain expm1 extract fill fill_ fix flags
flat flip fliplr flipud float float_power floor floor_ floor_divide fmax fmin fmod frac gains gather
ge ger get_device grad_fn gradient greater greater_equal gt half heaviside histogram hsplit hstack
hypot index_add index_add_ index_fill_ index_put_ index_select indices inner inputs int inverse
is_contiguous is_cuda is_floating_point isclose isfinite isinf isnan isneginf isposinf isreal
itemsize kron kthvalue ldexp le lerp less less_equal log10 log1p log2 log_ log_softmax logaddexp
logaddexp2 logdet logical_and logical_not logical_or logical_xor logit logsoftmax logsumexp long lt
masked_fill masked_fill_ masked_select matmul matrix_power maximum median minimum mm moveaxis
movedim msort mul mul_ multiply mv name nan_to_num nanmean nanmedian nanquantile nansum narrow
nbytes ndimension ne neg neg_ negative nelement new_empty new_full new_ones new_tensor new_zeros
norm normal_ not_equal null_grad null_gradients numel numpy outer permute pin_memory play plot
positive pow pow_ power prev put quantile rad2deg real realize reciprocal reciprocal_ record
register_hook register_post_accumulate_grad_hook relu_ remainder render repeat_interleave
requires_grad requires_grad_ reshape_as retain_grad retains_grad roll rot90 round_ rsqrt scatter
scatter_ scatter_add scatter_add_ select sgn short show sigmoid_ sign signbit sin sin_ sinc sinh
slogdet softmax solve sort split sqrt_ square square_ squeeze_ stack stop_gradient stride strides
sub sub_ subtract swapdims t t_ take_along_dim tan tanh_ tensor_split tile to to_html to_numpy
tobytes tolist topk transpose_ tree tril triu true_divide trunc type type_as unbind unflatten
uniform_ unique unroll unsqueeze unsqueeze_ value values vdot view view_as visualize vsplit vstack
where why zero_
"""
"""Attributes that a Value does not have: those of other libraries, and functions of this one."""


class _OfTheClass:
    """A method that only the class has, where NumPy looks it up.

    np.ma looks it up on the Value and gets None. It then defers to the operators of the Value,
    instead of computing with its numbers and losing the graph.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method

    def __get__(self, instance: object, _: type) -> Callable[..., Any] | None:
        return self.method if instance is None else None


def _operators(function: Callable[..., Any]) -> tuple[Callable[[Any, Any], Any], ...]:
    """Return the methods for an operator and for its reflected form; a ufunc is not a method."""
    return lambda v, w: function(v, w), lambda w, v: function(v, w)  # noqa: PLW0108  # see above


class AnswersNumPy(WithHabits):
    """Implement NumPy's functions by the operations of the rules in IMPLEMENTED."""

    __slots__ = ()
    vars().update({name: Habit("a Value", name) for name in ELSEWHERE.split()})
    requires_grad = Switch("a Value", "requires_grad")
    data: Any
    _operation_of: Callable[[Rule], Callable[..., Any]]
    _note_use: Callable[[str], None]

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

    __floordiv__, __rfloordiv__ = _operators(np.floor_divide)
    __mod__, __rmod__ = _operators(np.remainder)
    __divmod__, __rdivmod__ = _operators(np.divmod)

    # It always raises, but is not annotated with NoReturn: a type checker would then treat the code
    # after np.sum(v) as unreachable. With an array of floats it would infer one for `array @ v`.
    def __array__(self, *_: Any, **__: Any) -> NDArray[np.object_]:
        raise UnsupportedError(
            "np.asarray(v), which np.array([v, w]), np.full(shape, v), array.dot(v), array[i] = v "
            "and SciPy also call, would lose the graph: v.data is the array of numbers, and array "
            "@ v is a product. np.stack([v, w]) combines several Values into one, np.broadcast_to("
            "v, shape) repeats one, and tg.maximum(v, w) takes the larger elements"
        )


def answered(name: str) -> Callable[..., Any] | None:
    """Return the NumPy function of this name, such as "exp" or "norm", if it accepts Values."""
    load()
    named = filter(callable, (numpy_function(name), numpy_function(f"linalg.{name}")))
    known = (f for f in named if f in IMPLEMENTED or f in COMPOSED or f in QUESTIONS)
    return next(known, None)


def answer(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    options: dict[str, Any],
    operation_of: Callable[[Rule], Callable[..., Any]],
) -> Any:
    """Call a NumPy function on Values. Raises UnsupportedError if it is not implemented."""
    rule = IMPLEMENTED.get(function)
    if function is np.clip:  # a_min and a_max are NumPy's older names of the bounds
        older = {name for name in options if name.removeprefix("a_") not in options}
        options = {n.removeprefix("a_") if n in older else n: b for n, b in options.items()}
    if function in (np.concatenate, np.stack) and inputs:  # of a single Value, they join the rows
        inputs = ([*inputs[0]], *inputs[1:])
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
    """Raise UnsupportedError for a NumPy function, with an equivalent if there is one."""
    called = _name_of(function)
    name = called.removeprefix("np.")
    instead = "v.data holds its numbers, and tg.lift turns a rule that you write into an operation"
    if way := INSTEAD.get(name) or OF_SCIPY.get(name):
        instead = f"write {way}"
    elif name in IN_PLACE or name.endswith(".at"):
        instead = (
            "a Value cannot be changed in place, or fill an array: np.where(mask, new, v) makes "
            "another Value, np.broadcast_to(v, shape) repeats one, and v.data[...] = new changes "
            "the data of a leaf"
        )
    raise UnsupportedError(f"{called} has no rule for Values; {instead}")


def _ask(question: Callable[..., Any], inputs: Any, options: dict[str, Any]) -> Any:
    """Answer from the data. Errors are those of this package, also where NumPy raises one."""
    name = _name_of(question)
    if question in SLOPED:
        what, place = SLOPED[question]
        for x in (*inputs[place : place + 1], options.get(what)):
            constant(f"{name}: {what}", x)
    if rejected := [option for option in OPTIONS_REFUSED if option in options]:
        raise OptionError(f"{name}: no option {rejected[0]!r} on Values")
    for x in inputs if question.__name__ in STEPS.split() else ():
        if isinstance(x, AnswersNumPy):
            x._note_use(name)
    plain = {option: _plain(x) for option, x in options.items()}
    return call_numpy(name, question, *map(_plain, inputs), **plain)


def _plain(x: Any) -> Any:
    """Replace Values by their data, also within lists and tuples."""
    if isinstance(x, AnswersNumPy):
        return x.data
    return type(x)(map(_plain, x)) if type(x) in (list, tuple) else x


def _name_of(function: Callable[..., Any]) -> str:
    ufunc = getattr(function, "__self__", None)
    if isinstance(ufunc, np.ufunc):
        return f"np.{ufunc.__name__}.{function.__name__}"
    name = function.__name__
    if isinstance(function, np.ufunc) and not hasattr(np, name):
        return name  # a ufunc of SciPy, for example
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return f"{module}.{name}"
