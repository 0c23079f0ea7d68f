"""The engine: a Value is a number or an array that remembers the rule that made it.

`lift` turns a rule, a plain function of arrays, into an operation on Values: it calls the rule on
their data and records a node with its operands, the rule, its options and the local backward
closure. `backward` hands each closure the gradient that arrived at its node, latest node first, and
adds what it returns to the operands' gradients. Everything else in this package looks at what is
recorded here.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NoReturn, ParamSpec, TypeAlias, cast

import numpy as np

from tinygrad_pool.engine.backward import pass_on, start
from tinygrad_pool.engine.comparisons import compare, note, note_number
from tinygrad_pool.engine.context import SETTING, About, here, no_grad, text
from tinygrad_pool.engine.data import to_data
from tinygrad_pool.engine.lift import bind, operation_of
from tinygrad_pool.engine.node import NO_OPTIONS, NOTHING, LeafNode, Node, name_of, next_id
from tinygrad_pool.engine.signature import reject_foreign_options
from tinygrad_pool.engine.turns import TURN
from tinygrad_pool.errors import GraphError, OptionError, ShapeError, UnsupportedError
from tinygrad_pool.rules import arithmetic, elementwise, linear, reductions, shaping
from tinygrad_pool.rules.rule import Backward

P = ParamSpec("P")
Operation: TypeAlias = Callable[..., "Value"]


def lift(rule: Callable[P, tuple[Any, Backward]]) -> Callable[P, Value]:
    """Make an operation on Values of a rule.

    The operation calls the rule on the data of its operands and returns a Value that remembers
    operands, rule, options and closure. Numbers and arrays among the operands are constants; arrays
    are copied, so that a buffer of yours can be used again.

    The operation raises DataError for operands that are not numbers, OptionError for options that
    the rule does not have, ShapeError if operands do not broadcast.

    >>> def cube(x):
    ...     def cube_backward(g):
    ...         to_x = 3 * g * x**2
    ...         return (to_x,)
    ...
    ...     return x**3, cube_backward
    >>> x = Value(2.0)
    >>> y = lift(cube)(x)
    >>> y.backward()
    >>> y.data, x.grad
    (8.0, 12.0)
    """
    return operation_of(rule)


def _swapped(operation: Operation) -> Operation:
    return lambda x, w: operation(w, x)


class Value(Node):
    """A number or an array that remembers how it was computed.

    `data` is read into a Python float, or an array of its own; `label` is for pictures and
    messages.

    Raises DataError unless `data` is made of real numbers.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> E = a * b + a
    >>> E.backward()
    >>> E.data, a.grad, b.grad
    (8.0, 4.0, 2.0)
    """

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> Value:  # noqa: D102  # said at the class
        leaf: Any = object.__new__(_leaf_class(cls))  # type: ignore[arg-type]  # it is hashable
        leaf._assigned, leaf._mutated, leaf._bits, leaf._lent = 0, 0, None, False
        return cast("Value", leaf)

    def __init__(self, data: Any, label: str = "", *children: Any, **habits: Any) -> None:
        if children or (isinstance(label, tuple) and any(isinstance(p, Node) for p in label)):
            raise OptionError(
                "Value: takes data and a label; an operation of your own is a rule, "
                "y = tg.lift(rule)(x), which returns its result and its backward closure"
            )
        reject_foreign_options("Value", habits)
        self._numbers = to_data(data, "Value")
        self._grad, self._order = None, next_id()
        line = here() if SETTING.get().traced else None
        self.about = About(text(label, "Value: label"), line=line)
        self.rule, self.options = None, NO_OPTIONS
        self._x, self._w, self._closure = (), NOTHING, None

    def backward(self, gradient: Any = None, **habits: Any) -> None:
        """Compute ∂(this)/∂v for every Value v that this depends on, into `v.grad`.

        Leaves add up over calls; interior nodes hold the gradient of the last one. `gradient` is
        what arrives here: 1 for a number; for an array it has to be given, in its shape.

        Raises ShapeError for an array without `gradient`, or one of another shape; GraphError if
        the graph was cut here, or if data changed in place since.
        """
        reject_foreign_options("backward", habits)
        with TURN:
            for _ in start(self, gradient):
                pass

    def detach(self) -> Value:
        """Copy the data into a leaf, through which no gradient flows.

        >>> Value(3.0).exp().detach().parents
        ()
        """
        with no_grad():
            return _detach(self)

    _operation_of = staticmethod(operation_of)

    # -- operators, and methods as NumPy's arrays have them

    __add__ = lift(arithmetic.add)
    __sub__ = lift(arithmetic.sub)
    __mul__ = lift(arithmetic.mul)
    __truediv__ = lift(arithmetic.div)
    __pow__ = lift(arithmetic.power)
    __matmul__ = lift(linear.matmul)
    __radd__ = _swapped(__add__)
    __rsub__ = _swapped(__sub__)
    __rmul__ = _swapped(__mul__)
    __rtruediv__ = _swapped(__truediv__)
    __rpow__ = _swapped(__pow__)
    __rmatmul__ = _swapped(__matmul__)
    __neg__ = lift(arithmetic.neg)
    __getitem__ = lift(shaping.getitem)

    exp = lift(elementwise.exp)
    log = lift(elementwise.log)
    sqrt = lift(elementwise.sqrt)
    tanh = lift(elementwise.tanh)
    sigmoid = lift(elementwise.sigmoid)
    relu = lift(elementwise.relu)
    abs = __abs__ = lift(elementwise.abs)
    clip = lift(elementwise.clip)
    sum = lift(reductions.sum)
    mean = lift(reductions.mean)
    max = lift(reductions.max)
    min = lift(reductions.min)
    astype = lift(shaping.astype)

    def reshape(self, *shape: Any) -> Value:
        """Give the same numbers another shape: v.reshape(2, 3), v.reshape((2, 3)), v.reshape(-1).

        Raises ShapeError if the sizes differ.
        """
        return _reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Value:
        """Reorder the axes; without arguments, reverse them. Raises AxisError."""
        return _transpose(self, axes[0] if len(axes) == 1 else axes or None)

    @property
    def T(self) -> Value:  # noqa: N802  # NumPy's name for it
        """The same numbers with the axes in reverse order."""
        return _transpose(self)

    # -- micrograd's names

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
        raise UnsupportedError(
            "_backward: an operation of your own is a rule, y = tg.lift(rule)(x), "
            "which returns its result and its backward closure"
        )

    # -- plain Python

    def __lt__(self, other: Any) -> Any:
        return compare(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return compare(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return compare(operator.ge, self, other)

    def item(self) -> float:
        """Return the only element as a Python float. Raises ShapeError if there are several."""
        number = _number(self)
        note_number(self, "item")
        return number

    def __float__(self) -> float:
        if sys._getframe(1).f_globals.get("__name__") == "numpy._core._methods":
            raise UnsupportedError(
                "np.mean of an array of Values would lose the graph: "
                "np.stack(list_of_values) makes one Value of them, which has a mean"
            )
        number = _number(self)
        note_number(self, "float")
        return number

    def __int__(self) -> int:
        number = int(_number(self))
        note_number(self, "int")
        return number

    __trunc__ = __int__

    def __round__(self, digits: int | None = None) -> float:
        number = round(_number(self), digits)
        note_number(self, "round")
        return number

    def __pos__(self) -> Value:
        return self

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"bool: {name_of(self)} of shape {self.shape} is neither true nor false; "
                "compare its data, or reduce it first"
            )
        answer = bool(self._numbers)
        note(self, "bool", "", answer)
        return answer

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError(f"len: {name_of(self)} is a number and has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, _: object, __: object) -> NoReturn:
        raise UnsupportedError(
            "v[...] = new: a Value is not written to; np.where(mask, new, v) makes another, and "
            "v.data[...] = new changes the numbers of a leaf"
        )

    def __contains__(self, _: object) -> NoReturn:
        raise UnsupportedError("in: == is identity; `x in v.data` asks for a number")

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        from tinygrad_pool.engine.copying import deep_copy

        twin: Value = deep_copy(self, memo)
        return twin

    def __reduce_ex__(self, _: Any) -> NoReturn:
        raise GraphError(
            f"copy, pickle: {name_of(self)} has a graph behind it, whose closures do not pickle; "
            "copy.deepcopy(v) copies the graph, v.detach() makes a leaf that pickles, and a "
            "module's state_dict() or the text of tg.unroll(v) can be saved"
        )

    def __repr__(self) -> str:
        shown = [f"data={self._numbers!r}"]
        shown += [f"grad={self._grad!r}"] if self.has_grad else []
        shown += [f"label={self.label!r}"] if self.label else []
        shown += [f"op={self.op!r}"] if self.rule else []
        return f"Value({', '.join(shown)})"

    def __format__(self, spec: str) -> str:
        return format(_number(self), spec) if spec else str(self)


class Leaf(LeafNode, Value):
    """A Value that nothing computed, or that was cut off: its data can be changed."""

    __slots__ = ("__dict__",)  # for attributes of yours

    def __reduce_ex__(self, _: Any) -> Any:
        kind = type(self).__bases__[1]  # Value, or a subclass of it
        return kind, (self._numbers, self.label), (self._grad, vars(self))

    def __setstate__(self, state: tuple[Any, dict[str, Any]]) -> None:
        self._grad = state[0]
        vars(self).update(state[1])


@cache
def _leaf_class(kind: type[Value]) -> type[Value]:
    """Return the class of leaves that are made by calling `kind`, a Value or a subclass of it."""
    if issubclass(kind, Leaf):
        return kind
    return Leaf if kind is Value else type(kind.__name__, (Leaf, kind), {"__slots__": ()})


Leaf.__name__ = Value.__name__  # as messages name it
bind(Value, Leaf)
_reshape = lift(shaping.reshape)
_transpose = lift(shaping.transpose)
_detach = lift(shaping.detach)


def _number(v: Value) -> float:
    if v.size != 1:
        raise ShapeError(f"item: needs one element, got shape {v.shape}")
    return float(np.reshape(v._numbers, ()))
