"""Python's own syntax on a Value: comparing, iterating, copying, v -= w, float(v), print(v).

Except for v -= w, results are plain numbers and bools, and record no node in the graph. Under
`traced` a Value notes each such use and its line, so that branches that Python took can be found.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self
from weakref import WeakSet

import numpy as np

from tinygrad_pool.engine.backward import pass_on, topological_order
from tinygrad_pool.engine.context import SETTING, THROUGH, Choice, here
from tinygrad_pool.engine.data import broadcast_error, to_constant
from tinygrad_pool.engine.node import Node, name_of
from tinygrad_pool.engine.signature import NEW_OPERATION
from tinygrad_pool.errors import GraphError, ShapeError, UnsupportedError
from tinygrad_pool.rules.composition import call_numpy

SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

NEAR = 3
"""A comparison is noted on the ancestors of a Value up to this distance."""

LOSE_THE_GRAPH = {
    "numpy._core._methods",
    "numpy.lib._function_base_impl",
    "numpy.lib._nanfunctions_impl",
    "pandas.core.nanops",
}
"""Modules that compute with Values, and then convert the result to numbers."""

MEAN_LOSES_THE_GRAPH = (
    "the mean, deviation or slope of an array, a list or a Series of Values would lose the graph: "
    "write np.mean(np.stack(list_of_values))"
)

TAKEN: WeakSet[Node] = WeakSet()
"""Values that were converted to numbers under `traced`, and the leaves they were computed from."""


def _in_place(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return an augmented assignment: under `no_grad`, it changes a leaf as it does an array.

    A result computed under `no_grad` is a leaf, too; it is changed only if it has a gradient.
    """

    def assign(self: Any, w: Any) -> Any:
        y = operation(self, w)
        if SETTING.get().graph or not self.is_leaf or y.shape != self.shape:
            return y
        if self.rule is not None and not self.has_grad:
            return y
        self.data = y.data
        return self

    return assign


def _comparison(relation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a comparison of data: a bool, or an array of bools. It raises ShapeError."""

    def compare(v: Node, other: Any) -> Any:
        w = other._numbers if isinstance(other, Node) else to_constant(other, relation.__name__)
        try:
            answer = relation(v._numbers, w)
        except ValueError as error:
            raise broadcast_error(relation.__name__, [v._numbers, w]) from error
        if isinstance(answer, np.ndarray) and not SETTING.get().traced:
            return answer
        sign, known = SIGNS[relation.__name__], as_answer(answer)
        rival = other if isinstance(other, Node) else None
        _note(v, sign, w, known, rival)
        if rival is not None:
            _note(rival, MIRRORED[sign], v._numbers, known, v)
        _note_below([v, other], sign, known)
        return answer if isinstance(answer, np.ndarray) else known

    return compare


class AnswersPython(Node):
    """A node that plain Python can compare, iterate over, copy, update and show."""

    __slots__ = ()

    __iadd__ = _in_place(operator.add)
    __isub__ = _in_place(operator.sub)
    __imul__ = _in_place(operator.mul)
    __itruediv__ = _in_place(operator.truediv)
    __ifloordiv__ = _in_place(operator.floordiv)
    __imod__ = _in_place(operator.mod)
    __ipow__ = _in_place(operator.pow)
    __imatmul__ = _in_place(operator.matmul)

    __lt__ = _comparison(operator.lt)
    __le__ = _comparison(operator.le)
    __gt__ = _comparison(operator.gt)
    __ge__ = _comparison(operator.ge)

    def item(self, *index: Any) -> float:
        """Return the element at an index, or the only one, as a Python float. Raises ShapeError."""
        _reject_in_rule("item")
        if not index:
            return self._to_number("item")
        self._note_use("item")
        return float(call_numpy("item", np.asarray(self._numbers).item, *index))

    def as_integer_ratio(self) -> NoReturn:
        """Raise UnsupportedError: Python's `statistics` calls it."""
        raise UnsupportedError(MEAN_LOSES_THE_GRAPH)

    def __float__(self) -> float:
        if sys._getframe(1).f_globals.get("__name__") in LOSE_THE_GRAPH:
            raise UnsupportedError(MEAN_LOSES_THE_GRAPH)
        _reject_in_rule("float")
        return self._to_number("float")

    def __int__(self) -> int:
        return int(self._to_number("int"))

    __trunc__ = __int__

    def __round__(self, digits: int | None = None) -> float:
        return round(self._to_number("round"), digits)

    def __pos__(self) -> Self:
        return self

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"bool: {name_of(self)} of shape {self.shape} has no truth value; "
                "compare its data, or reduce it first"
            )
        answer = bool(self._numbers)
        _note(self, "bool", "", answer)
        return answer

    def __len__(self) -> int:
        if not self.shape:
            raise UnsupportedError(f"len, iter: {name_of(self)} is a number and has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        v: Any = self
        return (v[i] for i in range(len(self)))

    def __setitem__(self, *_: object) -> NoReturn:
        raise UnsupportedError(
            "v[...] = new, del v[...]: the elements of a Value cannot be set or deleted; "
            "np.where(mask, new, v) and np.delete(v, index) make another Value, and "
            "v.data[...] = new changes the data of a leaf"
        )

    __delitem__ = __setitem__

    def __contains__(self, _: object) -> NoReturn:
        raise UnsupportedError(
            "in: Values are compared by identity; to look for a number, write `x in v.data`"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from tinygrad_pool.engine.copying import deep_copy

        return deep_copy(self, memo)

    def __reduce_ex__(self, _: Any) -> NoReturn:
        raise GraphError(
            f"copy, pickle: {name_of(self)} has a graph, whose closures cannot be pickled; "
            "v.data has the numbers, to plot them for example, copy.deepcopy(v) copies the graph, "
            "v.detach() makes a leaf that can be pickled, and a module's state_dict() or the "
            "source of tg.unroll(v) can be saved"
        )

    def __repr__(self) -> str:
        parts = [f"data={self._numbers!r}"]
        parts += [f"grad={self._grad!r}"] if self.has_grad else []
        parts += [f"label={self.label!r}"] if self.label else []
        parts += [f"op={self.op!r}"] if self.rule else []
        return f"Value({', '.join(parts)})"

    def __format__(self, spec: str) -> str:
        return format(_number(self, "format"), spec) if spec else str(self)

    def _to_number(self, how: str) -> float:
        """Return the only element as a float, and note the conversion."""
        number = _number(self, how)
        self._note_use(how)
        return number

    def _note_use(self, how: str) -> None:
        """Note a conversion to numbers, which loses the graph, on a Value and on its leaves.

        The Value itself may be in no graph afterwards; its leaves still are.
        """
        if SETTING.get().traced:
            _note(self, how, "", True)
            leaves = [v for v in topological_order(self) if not v.parents and v is not self]
            for leaf in leaves:
                _note(leaf, how, THROUGH, True)
            TAKEN.update((self, *leaves))

    # -- micrograd's private names, used by its notebooks

    @property
    def _prev(self) -> set[Node]:
        return {p for p in self.parents if isinstance(p, Node)}

    @property
    def _op(self) -> str:
        return self.op

    @property
    def _backward(self) -> Callable[[], None]:
        return lambda: pass_on(self)

    @_backward.setter
    def _backward(self, _: Any) -> NoReturn:
        raise UnsupportedError(f"_backward: {NEW_OPERATION}")


def _reject_in_rule(how: str) -> None:
    """Raise UnsupportedError if a user's rule, running on Values, converts one to a number."""
    if rule := SETTING.get().rule:
        raise UnsupportedError(
            f"{rule}: in a higher-order pass a rule runs on Values, and {how}(x) loses the graph; "
            "use NumPy's functions in the rule, for example np.exp instead of math.exp"
        )


def _number(v: Node, how: str) -> float:
    if v.size != 1:
        raise ShapeError(f"{how}: needs one element, got {name_of(v)} of shape {v.shape}")
    return float(np.reshape(v._numbers, ()))


def as_answer(answer: Any) -> bool | bytes:
    """Return the answer to a comparison as a Choice keeps it: of arrays, the bytes."""
    return answer.tobytes() if isinstance(answer, np.ndarray) else bool(answer)


def _note_below(values: list[Any], relation: str, answer: bool | bytes) -> None:
    """Note a comparison on the ancestors of its operands: on d, for abs(d) < 1.

    The operands themselves may be temporary, and in no graph.
    """
    if SETTING.get().traced:
        for _ in range(NEAR):
            values = [p for v in values if isinstance(v, Node) for p in v.parents]
            for p in values:
                if isinstance(p, Node):
                    _note(p, relation, THROUGH, answer)


def _note(
    v: Node, relation: str, other: Any, answer: bool | bytes, rival: Node | None = None
) -> None:
    """Note on a Value, under `traced`, that Python used its data: once per line and relation."""
    if SETTING.get().traced:
        line = here()
        here_too = [choice for choice in v.about.choices if choice.line == line]
        if other is THROUGH and any(choice.other != THROUGH for choice in here_too):
            return
        replaced = [c for c in here_too if c.relation == relation or c.other == THROUGH]
        kept = [choice for choice in v.about.choices if choice not in replaced]
        choice = Choice(relation, str(other), answer, line, 0 if rival is None else rival._order)
        v.about = v.about._replace(choices=(*kept, choice))
